// OrderEntryService: the streams on which participants trade, and queries of their orders and executions.
#pragma once

#include "callback_api.h"
#include "matcher.h"
#include "ordermesh/engine/v1/order_entry_service.grpc.pb.h"
#include "session_registry.h"
#include "translate.h"

namespace ordermesh::engine::server {

class OrderEntryService final : public CallbackService<pb::OrderEntryService> {
 public:
  OrderEntryService(Matcher& matcher, SessionRegistry& sessions) : matcher_(matcher), sessions_(sessions) {}

  callback::ServerBidiReactor<pb::TradeRequest, pb::TradeResponse>* Trade(
      callback::CallbackServerContext* context) override;
  callback::ServerWriteReactor<pb::QueryOpenOrdersResponse>* QueryOpenOrders(
      callback::CallbackServerContext* context, const pb::QueryOpenOrdersRequest* request) override;
  callback::ServerUnaryReactor* QueryExecutions(callback::CallbackServerContext* context,
                                                const pb::QueryExecutionsRequest* request,
                                                pb::QueryExecutionsResponse* response) override;

 private:
  Matcher& matcher_;
  SessionRegistry& sessions_;
};

}  // namespace ordermesh::engine::server
