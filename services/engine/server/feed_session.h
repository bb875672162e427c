// One reader of the market feed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "callback_api.h"
#include "ordermesh/engine/v1/market_feed_service.grpc.pb.h"
#include "outbox.h"
#include "translate.h"

namespace ordermesh::engine::server {

class FeedSession final : public callback::ServerWriteReactor<pb::SubscribeResponse>,
                          public Outbox<pb::SubscribeResponse>,
                          public std::enable_shared_from_this<FeedSession> {
 public:
  // A reader for whom more than `most_waiting` events wait is given up.
  FeedSession(std::chrono::milliseconds heartbeat_interval, std::size_t most_waiting)
      : heartbeat_interval_(heartbeat_interval), most_waiting_(most_waiting) {}

  void start() { self_ = shared_from_this(); }

  // What the stream starts with; before anything is staged.
  void begin(std::deque<pb::SubscribeResponse> opening);
  void refuse(const grpc::Status& status) { end(status); }

  // Of the publisher's thread: gathers events, then hands them over together.
  void stage(const FeedEvent& event) { staged_.push_back(event); }
  void flush();

  void OnWriteDone(bool ok) override { write_done(ok); }
  void OnCancel() override { end({grpc::StatusCode::CANCELLED, "the client is gone"}); }
  void OnDone() override { const auto self = std::move(self_); }

  [[nodiscard]] std::chrono::milliseconds heartbeat_interval() const override { return heartbeat_interval_; }

 private:
  static constexpr std::size_t kEventsInMessage = 4096;

  bool take() override;
  void build(pb::SubscribeResponse& response) override;
  bool wish_heartbeat() override;
  void start_write(const pb::SubscribeResponse* response) override { StartWrite(response); }
  void finish(const grpc::Status& status) override { Finish(status); }
  void note_positions(const pb::SubscribeResponse& response);

  const std::chrono::milliseconds heartbeat_interval_;
  const std::size_t most_waiting_;
  std::shared_ptr<FeedSession> self_;  // until OnDone
  std::vector<FeedEvent> staged_;      // of the publisher's thread

  // Under the lock.
  std::deque<pb::SubscribeResponse> opening_;
  std::vector<FeedEvent> waiting_;
  bool begun_ = false;
  bool heartbeat_due_ = false;

  // Of whoever writes.
  enum class Next : std::uint8_t { kOpening, kEvents, kHeartbeat };
  Next next_ = Next::kOpening;
  pb::SubscribeResponse opening_to_send_;
  std::vector<FeedEvent> sending_;
  std::size_t sent_ = 0;
  std::unordered_map<InstrumentId, std::uint64_t> positions_;
};

}  // namespace ordermesh::engine::server
