#include "feed_publisher.h"

#include <chrono>
#include <iterator>
#include <unordered_set>

namespace ordermesh::engine::server {

FeedPublisher::FeedPublisher() : thread_([this] { run(); }) {}

FeedPublisher::~FeedPublisher() { stop(); }

void FeedPublisher::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void FeedPublisher::add(std::shared_ptr<FeedSession> session, std::vector<InstrumentId> instruments) {
  readers_.fetch_add(1, std::memory_order_relaxed);
  push(Reader{std::move(session), std::move(instruments)});
}

void FeedPublisher::on_feed(Events events) { push(std::move(events)); }

void FeedPublisher::push(Item item) {
  {
    const std::lock_guard guard(mutex_);
    queue_.push_back(std::move(item));
  }
  wake_.notify_one();
}

void FeedPublisher::run() {
  std::deque<Item> items;
  for (;;) {
    {
      std::unique_lock guard(mutex_);
      // Woken without work now and then, to let go of readers that left a quiet market.
      wake_.wait_for(guard, std::chrono::seconds(1), [this] { return stopping_ || !queue_.empty(); });
      if (stopping_ && queue_.empty()) {
        return;
      }
      items.swap(queue_);
    }
    for (Item& item : items) {
      if (auto* reader = std::get_if<Reader>(&item)) {
        admit(*reader);
      } else {
        spread(*std::get<Events>(item));
      }
    }
    items.clear();
    for (const auto& session : sessions_) {
      session->flush();
    }
    forget_ended();
  }
}

void FeedPublisher::admit(Reader& reader) {
  for (const InstrumentId instrument : reader.instruments) {
    followers_[instrument].push_back(reader.session.get());
  }
  sessions_.push_back(std::move(reader.session));
}

void FeedPublisher::spread(const std::vector<FeedEvent>& events) {
  for (const FeedEvent& event : events) {
    const auto followers = followers_.find(event.instrument);
    if (followers == followers_.end()) {
      continue;
    }
    for (FeedSession* session : followers->second) {
      session->stage(event);
    }
  }
}

// Streams end on other threads at any moment, so each is asked once: one that ended while its followers were being
// sought would be let go of and still be followed.
void FeedPublisher::forget_ended() {
  std::unordered_set<const FeedSession*> ended;
  for (const auto& session : sessions_) {
    if (session->ended()) {
      ended.insert(session.get());
    }
  }
  if (ended.empty()) {
    return;
  }
  const auto gone = [&ended](const FeedSession* session) { return ended.contains(session); };
  for (auto followers = followers_.begin(); followers != followers_.end();) {
    std::erase_if(followers->second, gone);
    followers = followers->second.empty() ? followers_.erase(followers) : std::next(followers);
  }
  std::erase_if(sessions_, [&gone](const auto& session) { return gone(session.get()); });
  readers_.fetch_sub(ended.size(), std::memory_order_relaxed);
}

}  // namespace ordermesh::engine::server
