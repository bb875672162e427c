// The one thread that owns the exchange. What waits is taken together: one write to the journal, then each task in
// turn. Alone, a task meets no delay.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "journal/journal.h"
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine::server {

// Who hears a participant's executions. Called by the matcher's thread, so nothing here may wait.
class ExecutionListener {
 public:
  virtual ~ExecutionListener() = default;
  // New executions of the participant.
  virtual void on_executions(std::vector<Execution> executions) = 0;
  // A batch of this listener's commands is done; `ignored` of them had been taken before.
  virtual void on_batch_done(std::uint64_t last_command_sequence, std::uint64_t ignored) = 0;
  // Another listener has taken the participant over.
  virtual void on_superseded() = 0;
  // Executions went out of the ring before they could be handed over.
  virtual void on_lost() = 0;
};

// Who hears the feed. Called by the matcher's thread.
class FeedListener {
 public:
  virtual ~FeedListener() = default;
  [[nodiscard]] virtual bool wanted() const = 0;
  virtual void on_feed(std::shared_ptr<const std::vector<FeedEvent>> events) = 0;
};

class Matcher {
 public:
  struct Batch {
    std::shared_ptr<ExecutionListener> listener;
    ParticipantIndex participant = 0;
    std::vector<Command> commands;
    std::uint64_t ignored = 0;
  };
  // A transaction, and what to do with its result on the matcher's thread.
  struct Change {
    Transaction transaction;
    std::function<void(Result)> done;
  };
  // Something that needs to see the exchange between two transactions.
  struct Look {
    std::function<void()> look;
  };
  using Task = std::variant<Batch, Change, Look>;
  using Clock = std::function<Nanoseconds()>;
  // Called when the journal cannot be written; must not return.
  using Fatal = std::function<void(const std::exception&)>;

  Matcher(Exchange& exchange, journal::Journal& journal, FeedListener& feed, Clock clock, Fatal fatal);
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  // From any thread. False when the matcher is stopping: the task will not be done.
  [[nodiscard]] bool post(Task task);

  // Refuses further tasks, does those that wait, and ends the thread.
  void stop();

  // For tasks, on the matcher's thread.
  [[nodiscard]] const Exchange& exchange() const noexcept { return exchange_; }
  [[nodiscard]] const std::string& epoch() const noexcept { return journal_.epoch(); }
  // From here on the listener hears the participant's executions; one that did before is superseded.
  void attach(ParticipantIndex participant, std::shared_ptr<ExecutionListener> listener);
  // Nothing happens when another listener has taken over.
  void detach(ParticipantIndex participant, const ExecutionListener* listener);

 private:
  // So many commands at most share a write to the journal.
  static constexpr std::size_t kMostCommands = 262'144;

  // The clock is looked at again after this long, should it have been set.
  static constexpr std::chrono::nanoseconds kLongestWait = std::chrono::seconds(1);

  // What the matcher remembers of a participant beside the exchange.
  struct Seat {
    std::shared_ptr<ExecutionListener> listener;
    std::uint64_t journaled_command = 0;
    std::uint64_t told_execution = 0;
  };

  void run();
  bool take_turn(std::vector<Task>& tasks);
  void await_work();
  // Never earlier than what was journaled, whatever the machine's clock does.
  [[nodiscard]] Nanoseconds time() const { return std::max(clock_(), journal_.last_time()); }
  void do_turn(std::vector<Task>& tasks);
  // Each puts into the journal what the task asks for.
  void record(Batch& batch);
  void record(Change& change);
  void record(Look& look);
  void record(const Transaction& transaction);
  void perform(Batch& batch);
  void perform(Change& change);
  void perform(Look& look);
  void tell_news();
  Seat& seat(ParticipantIndex participant);

  Exchange& exchange_;
  journal::Journal& journal_;
  FeedListener& feed_;
  Clock clock_;
  Fatal fatal_;
  std::vector<Seat> seats_;
  std::deque<Task> waiting_;  // taken from the queue, not done yet
  Nanoseconds now_ = 0;
  bool recorded_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ordermesh::engine::server
