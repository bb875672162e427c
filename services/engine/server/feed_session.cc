#include "feed_session.h"

#include <algorithm>

#include "log.h"

namespace ordermesh::engine::server {

void FeedSession::begin(std::deque<pb::SubscribeResponse> opening) {
  {
    const std::lock_guard guard(mutex_);
    opening_ = std::move(opening);
    begun_ = true;
  }
  pump();
}

void FeedSession::flush() {
  bool too_slow = false;
  {
    const std::lock_guard guard(mutex_);
    if (!is_ending()) {
      too_slow = waiting_.size() + staged_.size() > most_waiting_;
      if (!too_slow) {
        waiting_.insert(waiting_.end(), staged_.begin(), staged_.end());
      }
    }
  }
  staged_.clear();
  if (too_slow) {
    log("warning", "feed_reader_too_slow");
    end({grpc::StatusCode::RESOURCE_EXHAUSTED,
         "SLOW_READER: too many events wait; subscribe again from the last sequence seen"});
    return;
  }
  pump();
}

bool FeedSession::take() {
  if (!opening_.empty()) {
    next_ = Next::kOpening;
    opening_to_send_.Swap(&opening_.front());
    opening_.pop_front();
    return true;
  }
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    sending_.swap(waiting_);
  }
  if (!sending_.empty()) {
    next_ = Next::kEvents;
    return true;
  }
  next_ = Next::kHeartbeat;
  return std::exchange(heartbeat_due_, false);
}

void FeedSession::build(pb::SubscribeResponse& response) {
  switch (next_) {
    case Next::kOpening:
      response.Swap(&opening_to_send_);
      note_positions(response);
      return;
    case Next::kHeartbeat: {
      pb::FeedHeartbeat& heartbeat = *response.mutable_heartbeat();
      heartbeat.set_time_ns(
          std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count());
      for (const auto& [instrument, sequence] : positions_) {
        pb::FeedPosition& position = *heartbeat.add_positions();
        position.set_instrument_id(instrument);
        position.set_feed_sequence(sequence);
      }
      return;
    }
    case Next::kEvents:
      break;
  }
  const std::size_t end = std::min(sending_.size(), sent_ + kEventsInMessage);
  auto& events = *response.mutable_update()->mutable_events();
  events.Reserve(static_cast<int>(end - sent_));
  for (; sent_ < end; ++sent_) {
    positions_[sending_[sent_].instrument] = sending_[sent_].sequence;
    to_proto(sending_[sent_], *events.Add());
  }
}

void FeedSession::note_positions(const pb::SubscribeResponse& response) {
  if (response.has_snapshot()) {
    positions_[response.snapshot().instrument_id()] = response.snapshot().feed_sequence();
  }
  for (const pb::FeedEvent& event : response.update().events()) {
    positions_[event.instrument_id()] = event.feed_sequence();
  }
}

bool FeedSession::wish_heartbeat() {
  heartbeat_due_ = begun_;
  return heartbeat_due_;
}

}  // namespace ordermesh::engine::server
