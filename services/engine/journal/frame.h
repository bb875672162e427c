// The framing of journal segments and snapshots.
//
// A file is a header and frames. The header: magic (8 bytes), version (u32), epoch (16 bytes), number of the first
// frame (u64), CRC-32C of the header so far (u32). A frame: magic (u32), payload length (u32), frame number (u64),
// CRC-32C of the payload (u32), CRC-32C of the frame header so far (u32), payload. All little-endian. A frame is what
// one write put there, so at most the last one of a file can be torn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace ordermesh::engine::journal {

using Epoch = std::array<std::uint8_t, 16>;

[[nodiscard]] Epoch make_epoch();
// As a UUID is written.
[[nodiscard]] std::string to_text(const Epoch& epoch);

// A file that does not say what it should; the message names file and offset.
class CorruptFile : public std::runtime_error {
 public:
  CorruptFile(const std::string& file, std::uint64_t offset, const std::string& why)
      : std::runtime_error(file + ": offset " + std::to_string(offset) + ": " + why) {}
};

enum class FileKind : std::uint8_t { kSegment, kSnapshot };

struct FileHeader {
  Epoch epoch{};
  std::uint64_t first_frame = 0;
};

inline constexpr std::size_t kFileHeaderBytes = 40;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kMostPayloadBytes = std::size_t{1} << 30U;

[[nodiscard]] std::vector<std::uint8_t> make_file_header(FileKind kind, const FileHeader& header);
// Throws CorruptFile.
[[nodiscard]] FileHeader read_file_header(FileKind kind, std::span<const std::uint8_t> file, const std::string& name);

// Puts the frame header of a payload that follows at `frame[kFrameHeaderBytes]` in front of it.
void seal_frame(std::span<std::uint8_t> frame, std::uint64_t number);

struct FramesEnd {
  std::uint64_t next_frame = 0;  // the number after the last intact frame
  std::uint64_t size = 0;        // bytes up to there
  bool torn = false;             // whether a torn frame follows
};

// Calls visit(payload, offset) for each frame. A torn last frame ends the reading; any other damage throws CorruptFile.
//
// Damage is taken for a torn write only when that is what it looks like: no intact frame follows, and the frame either
// runs past the end of the file or has a disk sector of zeros in it, which was never written. A last frame that is
// whole but wrong may have been told to somebody, so it is corruption.
using FrameVisitor = std::function<void(std::span<const std::uint8_t> payload, std::uint64_t offset)>;
FramesEnd read_frames(std::span<const std::uint8_t> file, std::uint64_t first_frame, const std::string& name,
                      const FrameVisitor& visit);

}  // namespace ordermesh::engine::journal
