// The engine's journal: what is in it has happened, what is not has not.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "file.h"
#include "ordermesh/engine/exchange.h"
#include "store.h"

namespace ordermesh::engine::journal {

enum class Severity : std::uint8_t { kInfo, kWarning };

// Tells of something the operator should know: a short name of the event, and the details. Called from any thread.
using Notify = std::function<void(Severity severity, std::string_view event, const std::string& details)>;

struct Settings {
  std::filesystem::path directory;
  // Wait for the disk. Without it a killed process loses nothing, a machine that loses power may.
  bool sync = true;
  // A segment that has grown beyond this is closed, and a snapshot is made that replaces it.
  std::uint64_t segment_bytes = std::uint64_t{128} << 20U;
};

// One thread appends. Snapshots are made by a thread of their own, which replays the closed segments into an exchange
// of its own: appending never waits for it.
class Journal {
 public:
  // Reads the directory into an exchange that must be empty, made with `exchange_settings`; cuts off a torn end. Throws
  // CorruptFile or std::system_error, and then must not be started over the same files.
  Journal(Settings settings, Exchange::Settings exchange_settings, Exchange& exchange, Notify notify);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  [[nodiscard]] const std::string& epoch() const noexcept { return epoch_; }
  // The time of the last group; the next may not be earlier.
  [[nodiscard]] Nanoseconds last_time() const noexcept { return position_.last_time; }

  // Begins a group of transactions that happen at one time.
  void begin(Nanoseconds time);
  void add(const Transaction& transaction);
  // Puts the group on disk. Throws std::system_error; the journal is then unusable, for nobody knows what was written.
  void commit();

 private:
  void recover(Exchange& exchange);
  void rotate();
  void compact_as_asked();
  void compact(std::uint64_t before_frame);

  Settings settings_;
  Exchange::Settings exchange_settings_;
  Notify notify_;
  DirectoryLock lock_;
  Position position_;
  std::string epoch_;
  std::unique_ptr<File> segment_;
  std::uint64_t segment_size_ = 0;
  std::vector<std::uint8_t> frame_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::uint64_t compact_before_ = 0;  // segments that begin before this frame are closed; zero: nothing to do
  bool stopping_ = false;
  std::thread compactor_;
};

}  // namespace ordermesh::engine::journal
