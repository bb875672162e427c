#include "matcher.h"

#include <exception>
#include <utility>

namespace ordermesh::engine::server {

Matcher::Matcher(Exchange& exchange, journal::Journal& journal, FeedListener& feed, Clock clock, Fatal fatal)
    : exchange_(exchange),
      journal_(journal),
      feed_(feed),
      clock_(std::move(clock)),
      fatal_(std::move(fatal)),
      thread_([this] { run(); }) {}

Matcher::~Matcher() { stop(); }

bool Matcher::post(Task task) {
  bool first = false;
  {
    const std::lock_guard guard(mutex_);
    if (stopping_) {
      return false;
    }
    first = queue_.empty();
    queue_.push_back(std::move(task));
  }
  if (first) {
    wake_.notify_one();
  }
  return true;
}

void Matcher::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Matcher::run() {
  try {
    for (std::vector<Task> tasks; take_turn(tasks); tasks.clear()) {
      do_turn(tasks);
    }
  } catch (const std::exception& error) {
    fatal_(error);
  }
}

// Takes what is to be done together: tasks, or nothing but orders that are due to expire. False when there is nothing
// left to do for good.
bool Matcher::take_turn(std::vector<Task>& tasks) {
  if (waiting_.empty()) {
    await_work();
    const std::lock_guard guard(mutex_);
    waiting_.swap(queue_);
    if (waiting_.empty() && stopping_) {
      return false;
    }
  }
  for (std::size_t commands = 0; !waiting_.empty() && commands < kMostCommands; waiting_.pop_front()) {
    if (const Batch* batch = std::get_if<Batch>(&waiting_.front())) {
      commands += batch->commands.size();
    }
    tasks.push_back(std::move(waiting_.front()));
  }
  return true;
}

void Matcher::await_work() {
  const auto called = [this] { return stopping_ || !queue_.empty(); };
  std::unique_lock guard(mutex_);
  for (;;) {
    const Nanoseconds due = exchange_.next_expiry();
    if (due == Exchange::kNever) {
      wake_.wait(guard, called);
      return;
    }
    const std::chrono::nanoseconds rest{due - time()};
    if (rest.count() <= 0 || wake_.wait_for(guard, std::min(rest, kLongestWait), called)) {
      return;
    }
  }
}

void Matcher::do_turn(std::vector<Task>& tasks) {
  now_ = time();
  recorded_ = false;
  // First of all, so that no order trades at a time at which it is over.
  const bool expiring = exchange_.next_expiry() <= now_;
  if (expiring) {
    record(AdvanceTime{});
  }
  for (Task& task : tasks) {
    std::visit([this](auto& each) { record(each); }, task);
  }
  if (recorded_) {
    journal_.commit();
  }
  if (expiring) {
    exchange_.apply(AdvanceTime{}, now_);
    tell_news();
  }
  for (Task& task : tasks) {
    std::visit([this](auto& each) { perform(each); }, task);
    tell_news();
  }
}

void Matcher::record(const Transaction& transaction) {
  if (!recorded_) {
    journal_.begin(now_);
    recorded_ = true;
  }
  journal_.add(transaction);
}

void Matcher::record(Batch& batch) {
  std::uint64_t& last = seat(batch.participant).journaled_command;
  std::vector<Command>& commands = batch.commands;
  std::size_t kept = 0;
  for (const Command& command : commands) {
    if (command.sequence > last) {
      last = command.sequence;
      commands[kept++] = command;
    }
  }
  batch.ignored = commands.size() - kept;
  commands.resize(kept);
  for (const Command& command : commands) {
    record(ParticipantCommand{batch.participant, command});
  }
}

void Matcher::record(Change& change) {
  // A participant that is known already need not be written down again.
  const auto* participant = std::get_if<RegisterParticipant>(&change.transaction);
  if (participant == nullptr || exchange_.find_participant(participant->name) == Reporter::kVenue) {
    record(change.transaction);
  }
}

void Matcher::record(Look& /*look*/) {}

void Matcher::perform(Batch& batch) {
  for (const Command& command : batch.commands) {
    exchange_.apply(ParticipantCommand{batch.participant, command}, now_);
  }
  tell_news();
  batch.listener->on_batch_done(exchange_.participant(batch.participant).last_command_sequence, batch.ignored);
}

void Matcher::perform(Change& change) { change.done(exchange_.apply(change.transaction, now_)); }

void Matcher::perform(Look& look) { look.look(); }

void Matcher::tell_news() {
  for (const ParticipantIndex index : exchange_.touched()) {
    Seat& told = seat(index);
    const Recent<Execution>& executions = exchange_.participant(index).executions;
    const std::uint64_t next = std::exchange(told.told_execution, executions.last()) + 1;
    if (told.listener == nullptr) {
      continue;
    }
    if (next < executions.first()) {
      std::exchange(told.listener, nullptr)->on_lost();
      continue;
    }
    std::vector<Execution> fresh;
    fresh.reserve(static_cast<std::size_t>(executions.last() - next + 1));
    for (std::uint64_t number = next; number <= executions.last(); ++number) {
      fresh.push_back(executions[number]);
    }
    told.listener->on_executions(std::move(fresh));
  }
  if (!exchange_.fresh_feed().empty() && feed_.wanted()) {
    feed_.on_feed(std::make_shared<const std::vector<FeedEvent>>(exchange_.fresh_feed()));
  }
  exchange_.forget_news();
}

Matcher::Seat& Matcher::seat(ParticipantIndex participant) {
  while (seats_.size() <= participant) {
    const Participant& known = exchange_.participant(static_cast<ParticipantIndex>(seats_.size()));
    seats_.push_back({nullptr, known.last_command_sequence, known.executions.last()});
  }
  return seats_[participant];
}

void Matcher::attach(ParticipantIndex participant, std::shared_ptr<ExecutionListener> listener) {
  Seat& place = seat(participant);
  if (place.listener != nullptr) {
    place.listener->on_superseded();
  }
  place.listener = std::move(listener);
}

void Matcher::detach(ParticipantIndex participant, const ExecutionListener* listener) {
  Seat& place = seat(participant);
  if (place.listener.get() == listener) {
    place.listener.reset();
  }
}

}  // namespace ordermesh::engine::server
