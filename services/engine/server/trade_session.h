// One order entry stream.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "callback_api.h"
#include "matcher.h"
#include "outbox.h"
#include "translate.h"

namespace ordermesh::engine::server {

// Keeps itself alive until gRPC is done with it; the matcher may hold it longer.
class TradeSession final : public callback::ServerBidiReactor<pb::TradeRequest, pb::TradeResponse>,
                           public Outbox<pb::TradeResponse>,
                           public ExecutionListener,
                           public std::enable_shared_from_this<TradeSession> {
 public:
  explicit TradeSession(Matcher& matcher) : matcher_(matcher) {}

  void start();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { end({grpc::StatusCode::CANCELLED, "the client is gone"}); }
  void OnDone() override;

  void on_executions(std::vector<Execution> executions) override;
  void on_batch_done(std::uint64_t last_command_sequence, std::uint64_t ignored) override;
  void on_superseded() override;
  void on_lost() override;

  [[nodiscard]] std::chrono::milliseconds heartbeat_interval() const override { return heartbeat_interval_.load(); }

 private:
  // Executions that wait for a reader before it is given up; the whole of what may be kept fits in.
  static constexpr std::size_t kMostWaiting = std::size_t{1} << 20U;
  static constexpr std::size_t kExecutionsInMessage = 4096;
  static constexpr int kMostCommandsInBatch = 8192;
  // Batches handed to the matcher and not done, and executions that the client has not read: beyond these the stream is
  // not read, and the client is held back.
  static constexpr std::size_t kMostUnread = std::size_t{1} << 16U;
  static constexpr int kMostBatches = 32;

  void open(const pb::Open& request);
  void enter(const pb::Open& request, Result result);
  void take_batch(const pb::CommandBatch& batch);
  void half_close();
  void read_on();

  bool take() override;
  void build(pb::TradeResponse& response) override;
  bool wish_heartbeat() override;
  void start_write(const pb::TradeResponse* response) override { StartWrite(response); }
  void finish(const grpc::Status& status) override { Finish(status); }

  Matcher& matcher_;
  std::shared_ptr<TradeSession> self_;  // until OnDone
  pb::TradeRequest request_;
  bool asked_to_open_ = false;  // of the reading thread
  std::atomic<std::chrono::milliseconds> heartbeat_interval_{std::chrono::milliseconds(1000)};

  // Under the lock.
  std::optional<ParticipantIndex> participant_;
  std::optional<pb::Opened> opened_;
  std::vector<Execution> waiting_;
  std::uint64_t last_command_ = 0;
  std::uint64_t last_execution_ = 0;
  std::uint64_t ignored_ = 0;
  bool progress_due_ = false;
  int batches_ = 0;
  bool reading_ = false;  // request_ is being filled or used
  bool done_ = false;

  // Of whoever writes: what take() moved here.
  enum class Next : std::uint8_t { kOpened, kExecutions, kProgress };
  Next next_ = Next::kOpened;
  std::vector<Execution> sending_;
  std::size_t sent_ = 0;
  pb::Opened opened_to_send_;
  pb::Progress progress_to_send_;
};

}  // namespace ordermesh::engine::server
