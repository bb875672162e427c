#include "frame.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <string_view>

#include "crc32c.h"
#include "ordermesh/engine/bytes.h"

namespace ordermesh::engine::journal {
namespace {

constexpr std::uint32_t kFrameMagic = 0x52464D4FU;  // "OMFR"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSector = 512;

std::string_view magic_of(FileKind kind) { return kind == FileKind::kSegment ? "OMESHJNL" : "OMESHSNP"; }

struct FrameHeader {
  std::uint32_t length = 0;
  std::uint64_t number = 0;
  std::uint32_t payload_crc = 0;
};

// The frame header at the start of `bytes`, if an intact one stands there.
std::optional<FrameHeader> parse_header(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return std::nullopt;
  }
  ByteReader reader(bytes.first(kFrameHeaderBytes));
  const auto magic = reader.get<std::uint32_t>();
  FrameHeader header;
  header.length = reader.get<std::uint32_t>();
  header.number = reader.get<std::uint64_t>();
  header.payload_crc = reader.get<std::uint32_t>();
  const auto crc = reader.get<std::uint32_t>();
  if (magic != kFrameMagic || crc != crc32c(bytes.first(kFrameHeaderBytes - 4)) || header.length > kMostPayloadBytes) {
    return std::nullopt;
  }
  return header;
}

bool has_intact_payload(std::span<const std::uint8_t> bytes, const FrameHeader& header) {
  return bytes.size() >= kFrameHeaderBytes + header.length &&
         crc32c(bytes.subspan(kFrameHeaderBytes, header.length)) == header.payload_crc;
}

// Whether an intact frame starts anywhere after `from`.
bool frame_follows(std::span<const std::uint8_t> file, std::size_t from) {
  std::array<std::uint8_t, 4> magic{};
  for (std::size_t i = 0; i < magic.size(); ++i) {
    magic[i] = static_cast<std::uint8_t>(kFrameMagic >> (8 * i));
  }
  auto at = file.begin() + static_cast<std::ptrdiff_t>(from);
  while ((at = std::search(at, file.end(), magic.begin(), magic.end())) != file.end()) {
    const auto rest = file.subspan(static_cast<std::size_t>(at - file.begin()));
    const auto header = parse_header(rest);
    if (header && has_intact_payload(rest, *header)) {
      return true;
    }
    ++at;
  }
  return false;
}

// Whether the bytes from `from` on hold a disk sector's part that is all zeros.
bool has_zero_sector(std::span<const std::uint8_t> file, std::size_t from) {
  for (std::size_t start = from; start < file.size();) {
    const std::size_t end = std::min(file.size(), (start / kSector + 1) * kSector);
    const auto part = file.subspan(start, end - start);
    if (std::all_of(part.begin(), part.end(), [](std::uint8_t byte) { return byte == 0; })) {
      return true;
    }
    start = end;
  }
  return false;
}

// Why the damaged frame at `at` cannot be a torn write, or nothing when it can.
std::optional<std::string> corruption(std::span<const std::uint8_t> file, std::size_t at) {
  const auto rest = file.subspan(at);
  const auto header = parse_header(rest);
  if (frame_follows(file, at + 1)) {
    return "a damaged frame is followed by an intact one";
  }
  if (rest.size() < kFrameHeaderBytes || (header && rest.size() < kFrameHeaderBytes + header->length) ||
      has_zero_sector(file, at)) {
    return std::nullopt;
  }
  return header ? "the frame's checksum is wrong" : "the frame's header is wrong";
}

}  // namespace

Epoch make_epoch() {
  std::random_device random;
  Epoch epoch{};
  for (std::uint8_t& byte : epoch) {
    byte = static_cast<std::uint8_t>(random());
  }
  epoch[6] = static_cast<std::uint8_t>((epoch[6] & 0x0FU) | 0x40U);  // UUID version 4
  epoch[8] = static_cast<std::uint8_t>((epoch[8] & 0x3FU) | 0x80U);
  return epoch;
}

std::string to_text(const Epoch& epoch) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < epoch.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    text += kDigits[epoch[i] >> 4U];
    text += kDigits[epoch[i] & 0x0FU];
  }
  return text;
}

std::vector<std::uint8_t> make_file_header(FileKind kind, const FileHeader& header) {
  std::vector<std::uint8_t> bytes;
  ByteWriter writer(bytes);
  const std::string_view magic = magic_of(kind);
  writer.put_raw(magic.data(), magic.size());
  writer.put(kVersion);
  writer.put_raw(header.epoch.data(), header.epoch.size());
  writer.put(header.first_frame);
  writer.put(crc32c(bytes));
  return bytes;
}

FileHeader read_file_header(FileKind kind, std::span<const std::uint8_t> file, const std::string& name) {
  const std::string_view magic = magic_of(kind);
  if (file.size() < kFileHeaderBytes || std::memcmp(file.data(), magic.data(), magic.size()) != 0) {
    throw CorruptFile(name, 0, "the file's header is missing");
  }
  ByteReader reader(file.subspan(magic.size(), kFileHeaderBytes - magic.size()));
  const auto version = reader.get<std::uint32_t>();
  FileHeader header;
  for (std::uint8_t& byte : header.epoch) {
    byte = reader.get<std::uint8_t>();
  }
  header.first_frame = reader.get<std::uint64_t>();
  if (reader.get<std::uint32_t>() != crc32c(file.first(kFileHeaderBytes - 4))) {
    throw CorruptFile(name, 0, "the file header's checksum is wrong");
  }
  if (version != kVersion) {
    throw CorruptFile(name, magic.size(), "version " + std::to_string(version) + " is unknown");
  }
  return header;
}

void seal_frame(std::span<std::uint8_t> frame, std::uint64_t number) {
  const auto payload = frame.subspan(kFrameHeaderBytes);
  std::vector<std::uint8_t> header;
  ByteWriter writer(header);
  writer.put(kFrameMagic);
  writer.put(static_cast<std::uint32_t>(payload.size()));
  writer.put(number);
  writer.put(crc32c(payload));
  writer.put(crc32c(header));
  std::copy(header.begin(), header.end(), frame.begin());
}

FramesEnd read_frames(std::span<const std::uint8_t> file, std::uint64_t first_frame, const std::string& name,
                      const FrameVisitor& visit) {
  FramesEnd end{first_frame, kFileHeaderBytes, false};
  while (end.size < file.size()) {
    const auto rest = file.subspan(end.size);
    const auto header = parse_header(rest);
    if (!header || !has_intact_payload(rest, *header)) {
      if (const auto why = corruption(file, end.size)) {
        throw CorruptFile(name, end.size, *why);
      }
      end.torn = true;
      return end;
    }
    if (header->number != end.next_frame) {
      throw CorruptFile(name, end.size,
                        "frame " + std::to_string(header->number) + " stands where frame " +
                            std::to_string(end.next_frame) + " should");
    }
    visit(rest.subspan(kFrameHeaderBytes, header->length), end.size);
    end.size += kFrameHeaderBytes + header->length;
    ++end.next_frame;
  }
  return end;
}

}  // namespace ordermesh::engine::journal
