// InstrumentService: what the operator of the market does.
#pragma once

#include "callback_api.h"
#include "matcher.h"
#include "ordermesh/engine/v1/instrument_service.grpc.pb.h"
#include "translate.h"

namespace ordermesh::engine::server {

class InstrumentService final : public CallbackService<pb::InstrumentService> {
 public:
  explicit InstrumentService(Matcher& matcher) : matcher_(matcher) {}

  callback::ServerUnaryReactor* DefineInstrument(callback::CallbackServerContext* context,
                                                 const pb::DefineInstrumentRequest* request,
                                                 pb::DefineInstrumentResponse* response) override;
  callback::ServerUnaryReactor* ListInstruments(callback::CallbackServerContext* context,
                                                const pb::ListInstrumentsRequest* request,
                                                pb::ListInstrumentsResponse* response) override;
  callback::ServerUnaryReactor* HaltInstrument(callback::CallbackServerContext* context,
                                               const pb::HaltInstrumentRequest* request,
                                               pb::HaltInstrumentResponse* response) override;
  callback::ServerUnaryReactor* ResumeInstrument(callback::CallbackServerContext* context,
                                                 const pb::ResumeInstrumentRequest* request,
                                                 pb::ResumeInstrumentResponse* response) override;
  callback::ServerUnaryReactor* ExpireDayOrders(callback::CallbackServerContext* context,
                                                const pb::ExpireDayOrdersRequest* request,
                                                pb::ExpireDayOrdersResponse* response) override;
  callback::ServerUnaryReactor* BeginAuction(callback::CallbackServerContext* context,
                                             const pb::BeginAuctionRequest* request,
                                             pb::BeginAuctionResponse* response) override;
  callback::ServerUnaryReactor* UncrossAuction(callback::CallbackServerContext* context,
                                               const pb::UncrossAuctionRequest* request,
                                               pb::UncrossAuctionResponse* response) override;
  callback::ServerUnaryReactor* QueryAuction(callback::CallbackServerContext* context,
                                             const pb::QueryAuctionRequest* request,
                                             pb::QueryAuctionResponse* response) override;
  callback::ServerUnaryReactor* AdjustTrade(callback::CallbackServerContext* context,
                                            const pb::AdjustTradeRequest* request,
                                            pb::AdjustTradeResponse* response) override;

 private:
  // The trade that is meant, with what it shall be; none when it is not there for whoever asks. On the matcher's thread.
  [[nodiscard]] std::optional<engine::AdjustTrade> wanted(const pb::AdjustTradeRequest& request) const;
  // Has a transaction done and hands its result to `respond`, or ends the call with the outcome's error.
  callback::ServerUnaryReactor* change(callback::CallbackServerContext* context, Transaction transaction,
                                       std::function<void(const Result& result)> respond);

  Matcher& matcher_;
};

}  // namespace ordermesh::engine::server
