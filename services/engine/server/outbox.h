// The sending half of a stream: one message on the way at a time, the next taken from what has piled up meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "callback_api.h"

namespace ordermesh::engine::server {

// What the session registry does to streams.
class Stream {
 public:
  virtual ~Stream() = default;
  // Sends a heartbeat if nothing was sent for the stream's interval.
  virtual void beat(std::chrono::steady_clock::time_point now) = 0;
  [[nodiscard]] virtual std::chrono::milliseconds heartbeat_interval() const = 0;
  // Sends what waits, then ends the stream.
  virtual void drain(const grpc::Status& status) = 0;
  [[nodiscard]] virtual bool ended() const = 0;
};

// A stream's reactor derives from this and calls pump() whenever there may be something to send. Thread-safe.
template <typename Response>
class Outbox : public Stream {
 public:
  void beat(std::chrono::steady_clock::time_point now) final {
    {
      const std::lock_guard guard(mutex_);
      if (writing_ || ending_ || now - last_write_ < heartbeat_interval() || !wish_heartbeat()) {
        return;
      }
    }
    pump();
  }

  void drain(const grpc::Status& status) final { end(status, true); }
  [[nodiscard]] bool ended() const final { return ended_.load(std::memory_order_acquire); }

 protected:
  // Sends the next message if there is one and none is on the way; ends the stream when that is due.
  void pump() {
    bool last = false;
    {
      const std::lock_guard guard(mutex_);
      if (writing_ || finished_) {
        return;
      }
      if ((ending_ && !draining_) || !take()) {
        if (!ending_) {
          return;
        }
        finished_ = last = true;
      } else {
        writing_ = true;
      }
    }
    if (last) {
      finish(*ending_);
      return;
    }
    response_.Clear();
    build(response_);
    start_write(&response_);
  }

  // Ends the stream: at once, or after what waits was sent. The first call counts.
  void end(const grpc::Status& status, bool drain_first = false) {
    {
      const std::lock_guard guard(mutex_);
      if (ending_) {
        draining_ = draining_ && drain_first;
      } else {
        ending_ = status;
        draining_ = drain_first;
      }
      ended_.store(true, std::memory_order_release);
    }
    pump();
  }

  void write_done(bool ok) {
    {
      const std::lock_guard guard(mutex_);
      writing_ = false;
      last_write_ = std::chrono::steady_clock::now();
    }
    if (ok) {
      pump();
    } else {
      end({grpc::StatusCode::CANCELLED, "the client is gone"});
    }
  }

  // Guards what take() and wish_heartbeat() use; also held by derived classes while they add something to send.
  std::mutex mutex_;
  [[nodiscard]] bool is_ending() const { return ending_.has_value(); }  // under the lock
  [[nodiscard]] bool is_finished() const { return finished_; }          // under the lock

 private:
  // Under the lock: moves what is to be sent next to where build() finds it; false when there is nothing.
  virtual bool take() = 0;
  // Without the lock: fills the message.
  virtual void build(Response& response) = 0;
  // Under the lock: makes the next take() yield a heartbeat; false when the stream is not far enough for one.
  virtual bool wish_heartbeat() = 0;
  virtual void start_write(const Response* response) = 0;
  virtual void finish(const grpc::Status& status) = 0;

  Response response_;
  bool writing_ = false;
  bool finished_ = false;
  bool draining_ = false;
  std::optional<grpc::Status> ending_;
  std::atomic<bool> ended_{false};
  std::chrono::steady_clock::time_point last_write_ = std::chrono::steady_clock::now();
};

}  // namespace ordermesh::engine::server
