// The files of a journal directory and how a state is read from them.
//
//   segment-<number of its first frame>.journal     groups of transactions, one frame each
//   snapshot-<number>.snapshot                      the state before frame <number>
//   lock                                            held by the engine that uses the directory
//
// A file gets its final name only when it is whole and on disk; what is left over from before is a *.tmp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "frame.h"
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine::journal {

// Files by frame number.
using FilesByNumber = std::map<std::uint64_t, std::filesystem::path>;

struct Listing {
  FilesByNumber segments;
  FilesByNumber snapshots;
  std::vector<std::filesystem::path> unfinished;
};

[[nodiscard]] Listing list_directory(const std::filesystem::path& directory);
[[nodiscard]] std::filesystem::path segment_path(const std::filesystem::path& directory, std::uint64_t number);
[[nodiscard]] std::filesystem::path snapshot_path(const std::filesystem::path& directory, std::uint64_t number);

// How far a state has been read.
struct Position {
  std::optional<Epoch> epoch;  // none while nothing was read
  std::uint64_t next_frame = 1;
  Nanoseconds last_time = 0;
};

// What may be found at the end of a segment.
enum class Tail : std::uint8_t {
  kMayBeTorn,  // the last segment
  kWhole,      // an earlier one: it was synced before the next was begun
};

// Loads a snapshot into an empty exchange. Throws CorruptFile.
void load_snapshot(const std::filesystem::path& path, Exchange& exchange, Position& position);

// Applies a segment's transactions. Throws CorruptFile.
FramesEnd replay_segment(const std::filesystem::path& path, Tail tail, Exchange& exchange, Position& position);

// Writes a snapshot of an exchange, durably; it appears under its name only when it is whole.
void write_snapshot(const std::filesystem::path& directory, const Exchange& exchange, const Position& position);

// Makes an empty segment, durably.
[[nodiscard]] std::filesystem::path create_segment(const std::filesystem::path& directory, const FileHeader& header);

}  // namespace ordermesh::engine::journal
