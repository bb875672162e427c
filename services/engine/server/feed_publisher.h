// Spreads feed events to their readers on a thread of its own, so that many readers do not slow the matcher.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "feed_session.h"
#include "matcher.h"

namespace ordermesh::engine::server {

class FeedPublisher final : public FeedListener {
 public:
  FeedPublisher();
  ~FeedPublisher() override;
  FeedPublisher(const FeedPublisher&) = delete;
  FeedPublisher& operator=(const FeedPublisher&) = delete;

  // On the matcher's thread, so that the events that follow are exactly those after the reader's opening.
  void add(std::shared_ptr<FeedSession> session, std::vector<InstrumentId> instruments);
  [[nodiscard]] bool wanted() const override { return readers_.load(std::memory_order_relaxed) > 0; }
  void on_feed(std::shared_ptr<const std::vector<FeedEvent>> events) override;

  // Hands on what waits, and ends the thread.
  void stop();

 private:
  using Events = std::shared_ptr<const std::vector<FeedEvent>>;
  struct Reader {
    std::shared_ptr<FeedSession> session;
    std::vector<InstrumentId> instruments;
  };
  using Item = std::variant<Events, Reader>;

  void push(Item item);
  void run();
  void admit(Reader& reader);
  void spread(const std::vector<FeedEvent>& events);
  void forget_ended();

  // Of the publisher's thread.
  std::unordered_map<InstrumentId, std::vector<FeedSession*>> followers_;
  std::vector<std::shared_ptr<FeedSession>> sessions_;

  std::atomic<std::size_t> readers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ordermesh::engine::server
