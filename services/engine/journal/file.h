// Files as the journal needs them: whole writes, durable renames, a lock. Failures throw std::system_error naming the
// file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace ordermesh::engine::journal {

class File {
 public:
  enum class Mode { kCreate, kAppend };

  File(const std::filesystem::path& path, Mode mode);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  void write(std::span<const std::uint8_t> bytes);
  // Waits until all that was written is on disk (fdatasync).
  void sync();
  void truncate(std::uint64_t size);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Holds a directory for one process: a second one that asks is refused with std::system_error.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_ = -1;
};

[[nodiscard]] std::vector<std::uint8_t> read_file(const std::filesystem::path& path);

// Makes changes of a directory's entries durable.
void sync_directory(const std::filesystem::path& directory);

// Gives a finished, synced file its final name, durably.
void publish_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ordermesh::engine::journal
