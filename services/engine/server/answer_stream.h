// A stream of answers that are all known at its start: sent one after the other, then the stream ends.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "callback_api.h"
#include "outbox.h"

namespace ordermesh::engine::server {

template <typename Response>
class AnswerStream final : public callback::ServerWriteReactor<Response>,
                           public Outbox<Response>,
                           public std::enable_shared_from_this<AnswerStream<Response>> {
 public:
  void start() { self_ = this->shared_from_this(); }

  void answer(std::deque<Response> responses) {
    {
      const std::lock_guard guard(this->mutex_);
      waiting_ = std::move(responses);
    }
    this->end(grpc::Status::OK, true);
  }
  void refuse(const grpc::Status& status) { this->end(status); }

  void OnWriteDone(bool ok) override { this->write_done(ok); }
  void OnCancel() override { this->end({grpc::StatusCode::CANCELLED, "the client is gone"}); }
  void OnDone() override { const auto self = std::move(self_); }

  [[nodiscard]] std::chrono::milliseconds heartbeat_interval() const override {
    return std::chrono::milliseconds::max();
  }

 private:
  bool take() override {
    if (waiting_.empty()) {
      return false;
    }
    next_ = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }
  void build(Response& response) override { response.Swap(&next_); }
  bool wish_heartbeat() override { return false; }
  void start_write(const Response* response) override { this->StartWrite(response); }
  void finish(const grpc::Status& status) override { this->Finish(status); }

  std::shared_ptr<AnswerStream> self_;
  std::deque<Response> waiting_;
  Response next_;
};

}  // namespace ordermesh::engine::server
