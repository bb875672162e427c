// MarketFeedService: the public feed of trades and book changes.
#pragma once

#include "callback_api.h"
#include "feed_publisher.h"
#include "matcher.h"
#include "ordermesh/engine/v1/market_feed_service.grpc.pb.h"
#include "session_registry.h"

namespace ordermesh::engine::server {

class MarketFeedService final : public CallbackService<pb::MarketFeedService> {
 public:
  MarketFeedService(Matcher& matcher, FeedPublisher& publisher, SessionRegistry& sessions, std::size_t most_waiting)
      : matcher_(matcher), publisher_(publisher), sessions_(sessions), most_waiting_(most_waiting) {}

  callback::ServerWriteReactor<pb::SubscribeResponse>* Subscribe(callback::CallbackServerContext* context,
                                                                 const pb::SubscribeRequest* request) override;

 private:
  // On the matcher's thread.
  void join(const std::shared_ptr<FeedSession>& session, const pb::SubscribeRequest& request);

  Matcher& matcher_;
  FeedPublisher& publisher_;
  SessionRegistry& sessions_;
  std::size_t most_waiting_;
};

}  // namespace ordermesh::engine::server
