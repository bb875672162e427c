// All open streams: gives them heartbeats, and ends them when the server stops.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "outbox.h"

namespace ordermesh::engine::server {

class SessionRegistry {
 public:
  SessionRegistry();
  ~SessionRegistry();
  SessionRegistry(const SessionRegistry&) = delete;
  SessionRegistry& operator=(const SessionRegistry&) = delete;

  void add(const std::shared_ptr<Stream>& stream);

  // Ends all streams, those added later included, each after what it has to send.
  void drain_all(const grpc::Status& status);

 private:
  void run();
  // The streams that are open; forgets the others.
  std::vector<std::shared_ptr<Stream>> open_streams();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::weak_ptr<Stream>> streams_;
  std::optional<grpc::Status> draining_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace ordermesh::engine::server
