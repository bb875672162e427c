#include "market_feed.h"

#include <optional>
#include <unordered_set>

#include "status.h"

namespace ordermesh::engine::server {
namespace {

constexpr int kMostSubscriptions = 10'000;
constexpr int kLevelsInMessage = 8192;
constexpr int kEventsInMessage = 4096;

using Opening = std::deque<pb::SubscribeResponse>;

std::optional<std::string> wrong_with(const pb::SubscribeRequest& request) {
  if (request.subscriptions_size() < 1 || request.subscriptions_size() > kMostSubscriptions) {
    return "subscriptions must have 1 to 10000 entries";
  }
  std::unordered_set<InstrumentId> seen;
  for (int i = 0; i < request.subscriptions_size(); ++i) {
    if (!seen.insert(request.subscriptions(i).instrument_id()).second) {
      return "subscriptions[" + std::to_string(i) + "].instrument_id is there twice";
    }
  }
  const std::uint32_t interval = request.heartbeat_interval_milliseconds();
  if (interval != 0 && (interval < 10 || interval > 60'000)) {
    return "heartbeat_interval_milliseconds must be zero or 10 to 60000";
  }
  return std::nullopt;
}

pb::FeedSnapshot& add_chunk(const Market& market, Opening& opening) {
  pb::FeedSnapshot& chunk = *opening.emplace_back().mutable_snapshot();
  chunk.set_instrument_id(market.instrument.id);
  chunk.set_feed_sequence(market.feed.last());
  chunk.set_status(static_cast<pb::TradingStatus>(market.book.status()));
  if (market.last_trade.sequence > 0) {
    to_proto_trade(market.last_trade, *chunk.mutable_last_trade());
    chunk.set_last_trade_time_ns(market.last_trade.time);
  }
  return chunk;
}

void add_snapshot(const Market& market, Opening& opening) {
  pb::FeedSnapshot* chunk = &add_chunk(market, opening);
  for (const Side side : {Side::kBuy, Side::kSell}) {
    market.book.for_each_level(side, [&](Price price, const Level& level) {
      if (chunk->bids_size() + chunk->asks_size() == kLevelsInMessage) {
        chunk = &add_chunk(market, opening);
      }
      pb::BookLevel& shown = *(side == Side::kBuy ? chunk->add_bids() : chunk->add_asks());
      shown.set_price_ticks(price);
      shown.set_quantity_lots(level.quantity);
      shown.set_order_count(level.count);
      return true;
    });
  }
  chunk->set_complete(true);
}

void add_events_after(const Market& market, std::uint64_t after, Opening& opening) {
  pb::FeedUpdate* update = nullptr;
  for (std::uint64_t number = after + 1; number <= market.feed.last(); ++number) {
    if (update == nullptr || update->events_size() == kEventsInMessage) {
      update = opening.emplace_back().mutable_update();
    }
    to_proto(market.feed[number], *update->add_events());
  }
}

}  // namespace

callback::ServerWriteReactor<pb::SubscribeResponse>* MarketFeedService::Subscribe(
    callback::CallbackServerContext* /*context*/, const pb::SubscribeRequest* request) {
  const std::uint32_t interval = request->heartbeat_interval_milliseconds();
  const auto session =
      std::make_shared<FeedSession>(std::chrono::milliseconds(interval == 0 ? 1000 : interval), most_waiting_);
  session->start();
  if (const auto wrong = wrong_with(*request)) {
    session->refuse(invalid(*wrong));
  } else if (matcher_.post(Matcher::Look{[this, session, wanted = *request] { join(session, wanted); }})) {
    sessions_.add(session);
  } else {
    session->refuse(stopping());
  }
  return session.get();
}

void MarketFeedService::join(const std::shared_ptr<FeedSession>& session, const pb::SubscribeRequest& request) {
  Opening opening;
  opening.emplace_back().mutable_subscribed()->set_epoch(matcher_.epoch());
  const bool same_epoch = request.epoch().empty() || request.epoch() == matcher_.epoch();
  std::vector<InstrumentId> instruments;
  for (const pb::InstrumentSubscription& subscription : request.subscriptions()) {
    const Market* market = matcher_.exchange().market(subscription.instrument_id());
    if (market == nullptr) {
      session->refuse({grpc::StatusCode::NOT_FOUND, "UNKNOWN_INSTRUMENT: no instrument has the number " +
                                                        std::to_string(subscription.instrument_id())});
      return;
    }
    instruments.push_back(subscription.instrument_id());
    const std::uint64_t after = subscription.after_feed_sequence();
    if (same_epoch && after > 0 && market->feed.reaches(after)) {
      add_events_after(*market, after, opening);
    } else {
      add_snapshot(*market, opening);
    }
  }
  session->begin(std::move(opening));
  publisher_.add(session, std::move(instruments));
}

}  // namespace ordermesh::engine::server
