#include "file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ordermesh::engine::journal {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), std::string(what) + " " + path.string());
}

int open_or_fail(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    fail("cannot open", path);
  }
  return descriptor;
}

// Closes a descriptor at the end of a scope.
class Closing {
 public:
  explicit Closing(int descriptor) : descriptor_(descriptor) {}
  ~Closing() { ::close(descriptor_); }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;

 private:
  int descriptor_;
};

}  // namespace

File::File(const std::filesystem::path& path, Mode mode)
    : path_(path), descriptor_(open_or_fail(path, O_WRONLY | O_CREAT | (mode == Mode::kCreate ? O_TRUNC : O_APPEND))) {}

File::~File() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

File::File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void File::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      fail("cannot write", path_);
    }
    if (written > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
}

void File::sync() {
  if (::fdatasync(descriptor_) != 0) {
    fail("cannot sync", path_);
  }
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    fail("cannot truncate", path_);
  }
}

DirectoryLock::DirectoryLock(const std::filesystem::path& directory)
    : descriptor_(open_or_fail(directory / "lock", O_RDWR | O_CREAT)) {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    ::close(descriptor_);
    throw std::system_error(reason, std::generic_category(),
                            "another engine holds the journal directory " + directory.string());
  }
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  const int descriptor = open_or_fail(path, O_RDONLY);
  const Closing closing(descriptor);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) {
    fail("cannot stat", path);
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = ::read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (count < 0 && errno != EINTR) {
      fail("cannot read", path);
    }
    if (count == 0) {
      break;
    }
    filled += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  bytes.resize(filled);
  return bytes;
}

void sync_directory(const std::filesystem::path& directory) {
  const int descriptor = open_or_fail(directory, O_RDONLY | O_DIRECTORY);
  const Closing closing(descriptor);
  if (::fsync(descriptor) != 0) {
    fail("cannot sync", directory);
  }
}

void publish_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::rename(from, to);
  sync_directory(to.parent_path());
}

}  // namespace ordermesh::engine::journal
