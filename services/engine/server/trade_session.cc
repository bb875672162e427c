#include "trade_session.h"

#include <algorithm>

#include "log.h"
#include "status.h"

namespace ordermesh::engine::server {
namespace {

constexpr std::size_t kMostParticipantBytes = 128;

}  // namespace

void TradeSession::start() {
  self_ = shared_from_this();
  read_on();
}

void TradeSession::OnDone() {
  const std::shared_ptr<TradeSession> self = std::move(self_);
  const std::lock_guard guard(mutex_);
  done_ = true;
  if (participant_) {
    // Refused only when the matcher is stopping, and then nobody is told anything any more.
    static_cast<void>(matcher_.post(
        Matcher::Look{[self, participant = *participant_] { self->matcher_.detach(participant, self.get()); }}));
  }
}

// Reads the next request, unless enough is being worked on or waits for the client to read it.
void TradeSession::read_on() {
  const std::lock_guard guard(mutex_);
  if (!reading_ && !is_finished() && batches_ < kMostBatches && waiting_.size() < kMostUnread) {
    reading_ = true;
    StartRead(&request_);
  }
}

void TradeSession::OnWriteDone(bool ok) {
  write_done(ok);
  read_on();
}

// The request is in use until it has been handed on: `reading_` stays set as long.
void TradeSession::OnReadDone(bool ok) {
  if (!ok) {
    half_close();
    return;
  }
  switch (request_.content_case()) {
    case pb::TradeRequest::kOpen:
      open(request_.open());
      return;
    case pb::TradeRequest::kBatch:
      take_batch(request_.batch());
      return;
    case pb::TradeRequest::CONTENT_NOT_SET:
      end(invalid("content is required"));
      return;
  }
}

// The client has said all it wants to. What it sent before is done and told first.
void TradeSession::half_close() {
  const auto self = shared_from_this();
  if (!matcher_.post(Matcher::Look{[self] { self->end(grpc::Status::OK, true); }})) {
    end(stopping(), true);
  }
}

void TradeSession::open(const pb::Open& request) {
  if (asked_to_open_) {
    end(invalid("open may only be sent once, as the first message"));
    return;
  }
  asked_to_open_ = true;
  const std::uint32_t interval = request.heartbeat_interval_milliseconds();
  if (request.participant().empty() || request.participant().size() > kMostParticipantBytes) {
    end(invalid("open.participant must have 1 to 128 bytes"));
  } else if (interval != 0 && (interval < 10 || interval > 60'000)) {
    end(invalid("open.heartbeat_interval_milliseconds must be zero or 10 to 60000"));
  } else if (!request.expected_epoch().empty() && request.expected_epoch() != matcher_.epoch()) {
    end({grpc::StatusCode::FAILED_PRECONDITION, "EPOCH_MISMATCH: the engine's epoch is " + matcher_.epoch()});
  } else {
    heartbeat_interval_ = std::chrono::milliseconds(interval == 0 ? 1000 : interval);
    const auto self = shared_from_this();
    if (!matcher_.post(Matcher::Change{RegisterParticipant{request.participant()},
                                       [self, request](Result result) { self->enter(request, result); }})) {
      end(stopping());
    }
  }
}

// On the matcher's thread: from here on executions are heard, and those before are copied, so that none is missed.
void TradeSession::enter(const pb::Open& request, Result result) {
  if (result.outcome != Outcome::kDone) {
    end({grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_PARTICIPANTS: the engine knows as many as it can"});
    return;
  }
  const Participant& participant = matcher_.exchange().participant(result.count);
  const Recent<Execution>& executions = participant.executions;
  const std::uint64_t after = request.after_execution_sequence();
  if (after > executions.last()) {
    end(executions_ahead(after, executions.last()));
    return;
  }
  if (!executions.reaches(after)) {
    end(executions_pruned(after, executions.first()));
    return;
  }
  {
    const std::lock_guard guard(mutex_);
    if (done_) {
      return;  // the client left meanwhile
    }
    reading_ = false;
    participant_ = result.count;
    opened_.emplace();
    opened_->set_participant(participant.name);
    opened_->set_epoch(matcher_.epoch());
    opened_->set_last_command_sequence(participant.last_command_sequence);
    opened_->set_last_execution_sequence(executions.last());
    opened_->set_first_execution_sequence(executions.first());
    for (std::uint64_t number = after + 1; number <= executions.last(); ++number) {
      waiting_.push_back(executions[number]);
    }
    last_command_ = participant.last_command_sequence;
    last_execution_ = executions.last();
  }
  matcher_.attach(result.count, shared_from_this());
  pump();
  read_on();
}

void TradeSession::take_batch(const pb::CommandBatch& batch) {
  Matcher::Batch task;
  {
    const std::lock_guard guard(mutex_);
    if (participant_) {
      task.listener = shared_from_this();
      task.participant = *participant_;
    }
  }
  if (task.listener == nullptr) {
    end(invalid("the first message must be open"));
    return;
  }
  if (batch.commands_size() < 1 || batch.commands_size() > kMostCommandsInBatch) {
    end(invalid("batch.commands must have 1 to 8192 entries"));
    return;
  }
  task.commands.resize(static_cast<std::size_t>(batch.commands_size()));
  for (int i = 0; i < batch.commands_size(); ++i) {
    if (const auto wrong = to_command(batch.commands(i), task.commands[static_cast<std::size_t>(i)])) {
      end(invalid("batch.commands[" + std::to_string(i) + "]." + *wrong));
      return;
    }
  }
  {
    const std::lock_guard guard(mutex_);
    ++batches_;
  }
  if (!matcher_.post(std::move(task))) {
    end(stopping(), true);
    return;
  }
  {
    // Only now: a write that is done on another thread reads on too, and the next batch must not be posted before this one,
    // whose commands would then be ignored as ones that were taken.
    const std::lock_guard guard(mutex_);
    reading_ = false;
  }
  read_on();
}

void TradeSession::on_executions(std::vector<Execution> executions) {
  bool too_slow = false;
  {
    const std::lock_guard guard(mutex_);
    if (is_ending()) {
      return;  // what happens after the end is asked for again by whoever wants it
    }
    last_execution_ = executions.back().sequence;
    too_slow = waiting_.size() + executions.size() > kMostWaiting;
    if (!too_slow && waiting_.empty()) {
      waiting_.swap(executions);
    } else if (!too_slow) {
      waiting_.insert(waiting_.end(), executions.begin(), executions.end());
    }
  }
  if (too_slow) {
    log("warning", "execution_reader_too_slow");
    end({grpc::StatusCode::RESOURCE_EXHAUSTED, "SLOW_READER: too many executions wait; open again to go on"});
    return;
  }
  pump();
}

void TradeSession::on_batch_done(std::uint64_t last_command_sequence, std::uint64_t ignored) {
  {
    const std::lock_guard guard(mutex_);
    --batches_;
    last_command_ = last_command_sequence;
    ignored_ += ignored;
    progress_due_ = progress_due_ || ignored > 0;
  }
  pump();
  read_on();
}

void TradeSession::on_superseded() {
  end({grpc::StatusCode::ABORTED, "SUPERSEDED: the participant has opened another stream"});
}

void TradeSession::on_lost() {
  end({grpc::StatusCode::OUT_OF_RANGE, "EXECUTIONS_PRUNED: one command had more executions than are kept"});
}

bool TradeSession::take() {
  if (opened_) {
    next_ = Next::kOpened;
    opened_to_send_.Swap(&*opened_);
    opened_.reset();
    return true;
  }
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    sending_.swap(waiting_);
  }
  if (!sending_.empty()) {
    next_ = Next::kExecutions;
    return true;
  }
  if (progress_due_) {
    progress_due_ = false;
    next_ = Next::kProgress;
    progress_to_send_.set_last_command_sequence(last_command_);
    progress_to_send_.set_last_execution_sequence(last_execution_);
    progress_to_send_.set_ignored_commands(ignored_);
    return true;
  }
  return false;
}

void TradeSession::build(pb::TradeResponse& response) {
  switch (next_) {
    case Next::kOpened:
      response.mutable_opened()->Swap(&opened_to_send_);
      return;
    case Next::kProgress:
      *response.mutable_progress() = progress_to_send_;
      return;
    case Next::kExecutions:
      break;
  }
  const std::size_t end = std::min(sending_.size(), sent_ + kExecutionsInMessage);
  auto& executions = *response.mutable_batch()->mutable_executions();
  executions.Reserve(static_cast<int>(end - sent_));
  for (; sent_ < end; ++sent_) {
    to_proto(sending_[sent_], *executions.Add());
  }
}

bool TradeSession::wish_heartbeat() {
  progress_due_ = participant_.has_value();
  return progress_due_;
}

}  // namespace ordermesh::engine::server
