#include "session_registry.h"

#include <algorithm>

namespace ordermesh::engine::server {
namespace {

using std::chrono::milliseconds;

// How often streams are looked at: often enough for the shortest interval among them, and at least four times a second.
constexpr milliseconds kSlowestTick{250};
constexpr milliseconds kFastestTick{5};

}  // namespace

SessionRegistry::SessionRegistry() : thread_([this] { run(); }) {}

SessionRegistry::~SessionRegistry() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SessionRegistry::add(const std::shared_ptr<Stream>& stream) {
  std::optional<grpc::Status> draining;
  {
    const std::lock_guard guard(mutex_);
    streams_.push_back(stream);
    draining = draining_;
  }
  if (draining) {
    stream->drain(*draining);
  } else {
    wake_.notify_one();
  }
}

void SessionRegistry::drain_all(const grpc::Status& status) {
  {
    const std::lock_guard guard(mutex_);
    draining_ = status;
  }
  for (const auto& stream : open_streams()) {
    stream->drain(status);
  }
}

std::vector<std::shared_ptr<Stream>> SessionRegistry::open_streams() {
  const std::lock_guard guard(mutex_);
  std::vector<std::shared_ptr<Stream>> open;
  std::erase_if(streams_, [&](const std::weak_ptr<Stream>& weak) {
    auto stream = weak.lock();
    if (stream == nullptr || stream->ended()) {
      return true;
    }
    open.push_back(std::move(stream));
    return false;
  });
  return open;
}

void SessionRegistry::run() {
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    milliseconds tick = kSlowestTick;
    std::size_t known = 0;
    for (const auto& stream : open_streams()) {
      stream->beat(now);
      tick = std::clamp(stream->heartbeat_interval() / 4, kFastestTick, tick);
      ++known;
    }
    // One that was added since the others were looked at makes more than are known, and is looked at at once.
    std::unique_lock guard(mutex_);
    wake_.wait_for(guard, tick, [&] { return stopping_ || streams_.size() > known; });
    if (stopping_) {
      return;
    }
  }
}

}  // namespace ordermesh::engine::server
