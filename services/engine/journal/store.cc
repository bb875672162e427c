#include "store.h"

#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

#include "file.h"
#include "ordermesh/engine/codec.h"

namespace ordermesh::engine::journal {
namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kSegmentSuffix = ".journal";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::string_view kSnapshotSuffix = ".snapshot";

// Enough digits that names sort as numbers do.
std::string numbered(std::string_view prefix, std::uint64_t number, std::string_view suffix) {
  const std::string digits = std::to_string(number);
  return std::string(prefix) + std::string(20 - digits.size(), '0') + digits + std::string(suffix);
}

std::optional<std::uint64_t> number_in(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return number;
}

// The epoch of a file must be that of the files before it.
void check_header(const FileHeader& header, Position& position, const std::string& name) {
  if (position.epoch && *position.epoch != header.epoch) {
    throw CorruptFile(name, 0,
                      "the file belongs to epoch " + to_text(header.epoch) + ", not to " + to_text(*position.epoch));
  }
  position.epoch = header.epoch;
}

void apply_group(std::span<const std::uint8_t> payload, Exchange& exchange, Position& position) {
  ByteReader reader(payload);
  position.last_time = reader.get<Nanoseconds>();
  while (!reader.done()) {
    exchange.apply(decode_transaction(reader), position.last_time);
  }
  exchange.forget_news();
}

// Runs `decode`, and says where when the bytes make no sense.
template <typename Decode>
void decoding_at(const std::string& name, std::uint64_t offset, Decode&& decode) {
  try {
    decode();
  } catch (const DecodeError& error) {
    throw CorruptFile(name, offset, std::string("the frame ") + error.what());
  }
}

std::filesystem::path unfinished(const std::filesystem::path& path) { return path.string() + ".tmp"; }

void write_frame(File& file, std::vector<std::uint8_t>& frame, std::uint64_t number) {
  seal_frame(frame, number);
  file.write(frame);
}

}  // namespace

Listing list_directory(const std::filesystem::path& directory) {
  Listing listing;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (const auto segment = number_in(name, kSegmentPrefix, kSegmentSuffix)) {
      listing.segments[*segment] = entry.path();
    } else if (const auto snapshot = number_in(name, kSnapshotPrefix, kSnapshotSuffix)) {
      listing.snapshots[*snapshot] = entry.path();
    } else if (name.ends_with(".tmp")) {
      listing.unfinished.push_back(entry.path());
    }
  }
  return listing;
}

std::filesystem::path segment_path(const std::filesystem::path& directory, std::uint64_t number) {
  return directory / numbered(kSegmentPrefix, number, kSegmentSuffix);
}

std::filesystem::path snapshot_path(const std::filesystem::path& directory, std::uint64_t number) {
  return directory / numbered(kSnapshotPrefix, number, kSnapshotSuffix);
}

// A snapshot's frames: first the time, then the exchange's blocks, then an empty one that says it is whole.
void load_snapshot(const std::filesystem::path& path, Exchange& exchange, Position& position) {
  const std::string name = path.string();
  const auto file = read_file(path);
  const FileHeader header = read_file_header(FileKind::kSnapshot, file, name);
  check_header(header, position, name);
  bool begun = false;
  bool whole = false;
  const FramesEnd end = read_frames(file, 1, name, [&](std::span<const std::uint8_t> payload, std::uint64_t offset) {
    decoding_at(name, offset, [&] {
      if (!begun) {
        position.last_time = ByteReader(payload).get<Nanoseconds>();
        begun = true;
      } else if (payload.empty()) {
        whole = true;
      } else {
        exchange.load(payload);
      }
    });
  });
  if (end.torn || !whole) {
    throw CorruptFile(name, end.size, "the snapshot ends too early");
  }
  position.next_frame = header.first_frame;
}

FramesEnd replay_segment(const std::filesystem::path& path, Tail tail, Exchange& exchange, Position& position) {
  const std::string name = path.string();
  const auto file = read_file(path);
  const FileHeader header = read_file_header(FileKind::kSegment, file, name);
  check_header(header, position, name);
  if (header.first_frame != position.next_frame) {
    throw CorruptFile(name, 0,
                      "the segment begins with frame " + std::to_string(header.first_frame) + ", but frame " +
                          std::to_string(position.next_frame) + " is next");
  }
  const FramesEnd end =
      read_frames(file, header.first_frame, name, [&](std::span<const std::uint8_t> payload, std::uint64_t offset) {
        decoding_at(name, offset, [&] { apply_group(payload, exchange, position); });
      });
  if (end.torn && tail == Tail::kWhole) {
    throw CorruptFile(name, end.size, "the segment ends in a torn frame, but another segment follows");
  }
  position.next_frame = end.next_frame;
  return end;
}

void write_snapshot(const std::filesystem::path& directory, const Exchange& exchange, const Position& position) {
  const auto path = snapshot_path(directory, position.next_frame);
  {
    File file(unfinished(path), File::Mode::kCreate);
    file.write(make_file_header(FileKind::kSnapshot, {position.epoch.value(), position.next_frame}));
    std::uint64_t number = 0;
    std::vector<std::uint8_t> frame(kFrameHeaderBytes);
    ByteWriter(frame).put(position.last_time);
    write_frame(file, frame, ++number);
    exchange.save([&](std::span<const std::uint8_t> block) {
      frame.resize(kFrameHeaderBytes);
      frame.insert(frame.end(), block.begin(), block.end());
      write_frame(file, frame, ++number);
    });
    frame.resize(kFrameHeaderBytes);
    write_frame(file, frame, ++number);
    file.sync();
  }
  publish_file(unfinished(path), path);
}

std::filesystem::path create_segment(const std::filesystem::path& directory, const FileHeader& header) {
  const auto path = segment_path(directory, header.first_frame);
  {
    File file(unfinished(path), File::Mode::kCreate);
    file.write(make_file_header(FileKind::kSegment, header));
    file.sync();
  }
  publish_file(unfinished(path), path);
  return path;
}

}  // namespace ordermesh::engine::journal
