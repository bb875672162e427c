#include "journal.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <exception>

#include "ordermesh/engine/codec.h"

namespace ordermesh::engine::journal {
namespace {

const std::filesystem::path& made(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  return directory;
}

}  // namespace

Journal::Journal(Settings settings, Exchange::Settings exchange_settings, Exchange& exchange, Notify notify)
    : settings_(std::move(settings)),
      exchange_settings_(exchange_settings),
      notify_(std::move(notify)),
      lock_(made(settings_.directory)) {
  recover(exchange);
  epoch_ = to_text(*position_.epoch);
  compactor_ = std::thread([this] { compact_as_asked(); });
}

Journal::~Journal() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  compactor_.join();
}

void Journal::recover(Exchange& exchange) {
  const Listing listing = list_directory(settings_.directory);
  for (const auto& path : listing.unfinished) {
    std::filesystem::remove(path);
  }
  if (!listing.snapshots.empty()) {
    load_snapshot(listing.snapshots.rbegin()->second, exchange, position_);
  }
  // Segments from before the snapshot are left over from a crash while they were removed.
  auto segment = listing.segments.lower_bound(position_.next_frame);
  if (segment == listing.segments.end()) {
    if (position_.epoch || !listing.segments.empty()) {
      throw CorruptFile(segment_path(settings_.directory, position_.next_frame).string(), 0, "the segment is missing");
    }
    position_.epoch = make_epoch();
    segment_ = std::make_unique<File>(create_segment(settings_.directory, {*position_.epoch, position_.next_frame}),
                                      File::Mode::kAppend);
    segment_size_ = kFileHeaderBytes;
    return;
  }
  for (; segment != listing.segments.end(); ++segment) {
    const bool last = std::next(segment) == listing.segments.end();
    const FramesEnd end = replay_segment(segment->second, last ? Tail::kMayBeTorn : Tail::kWhole, exchange, position_);
    segment_ = std::make_unique<File>(segment->second, File::Mode::kAppend);
    segment_size_ = end.size;
    if (end.torn) {
      notify_(Severity::kWarning, "journal_torn_record_cut_off",
              segment->second.string() + ": offset " + std::to_string(end.size) +
                  ": a torn record was cut off; nothing of it had been told to anybody");
      segment_->truncate(end.size);
      segment_->sync();
    }
  }
  // A crash may have come between closing a segment and its snapshot.
  const std::uint64_t open_segment = listing.segments.rbegin()->first;
  if (listing.segments.begin()->first < open_segment || listing.snapshots.size() > 1) {
    compact_before_ = open_segment;
  }
}

void Journal::begin(Nanoseconds time) {
  position_.last_time = time;
  frame_.resize(kFrameHeaderBytes);
  ByteWriter(frame_).put(time);
}

void Journal::add(const Transaction& transaction) {
  ByteWriter writer(frame_);
  encode(writer, transaction);
}

void Journal::commit() {
  seal_frame(frame_, position_.next_frame);
  segment_->write(frame_);
  if (settings_.sync) {
    segment_->sync();
  }
  ++position_.next_frame;
  segment_size_ += frame_.size();
  if (segment_size_ >= settings_.segment_bytes) {
    rotate();
  }
}

void Journal::rotate() {
  segment_->sync();
  segment_ = std::make_unique<File>(create_segment(settings_.directory, {*position_.epoch, position_.next_frame}),
                                    File::Mode::kAppend);
  segment_size_ = kFileHeaderBytes;
  {
    const std::lock_guard guard(mutex_);
    compact_before_ = position_.next_frame;
  }
  wake_.notify_one();
}

void Journal::compact_as_asked() {
  // On Linux a thread has its own niceness: matching comes first.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
  for (;;) {
    std::uint64_t before = 0;
    {
      std::unique_lock guard(mutex_);
      wake_.wait(guard, [this] { return stopping_ || compact_before_ != 0; });
      if (stopping_) {
        return;
      }
      std::swap(before, compact_before_);
    }
    try {
      compact(before);
    } catch (const std::exception& error) {
      // The segments are still there, so nothing is lost; the next rotation tries again.
      notify_(Severity::kWarning, "journal_snapshot_failed", error.what());
    }
  }
}

void Journal::compact(std::uint64_t before_frame) {
  const Listing listing = list_directory(settings_.directory);
  Exchange exchange(exchange_settings_);
  Position position;
  if (!listing.snapshots.empty()) {
    load_snapshot(listing.snapshots.rbegin()->second, exchange, position);
  }
  auto segment = listing.segments.lower_bound(position.next_frame);
  for (; segment != listing.segments.end() && segment->first < before_frame; ++segment) {
    replay_segment(segment->second, Tail::kWhole, exchange, position);
    const std::lock_guard guard(mutex_);
    if (stopping_) {
      return;
    }
  }
  if (listing.snapshots.empty() || listing.snapshots.rbegin()->first < position.next_frame) {
    write_snapshot(settings_.directory, exchange, position);
  }
  // Only now that the snapshot is durable.
  for (const auto& [number, path] : listing.segments) {
    if (number < position.next_frame) {
      std::filesystem::remove(path);
    }
  }
  for (const auto& [number, path] : listing.snapshots) {
    if (number < position.next_frame) {
      std::filesystem::remove(path);
    }
  }
  notify_(Severity::kInfo, "journal_snapshot_written",
          snapshot_path(settings_.directory, position.next_frame).string());
}

}  // namespace ordermesh::engine::journal
