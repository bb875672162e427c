#include "journal/journal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <future>

#include "transactions.h"

namespace ordermesh::engine::journal {
namespace {

using test::kSmall;
using test::RandomTransactions;
using test::state_of;
using Bytes = std::vector<std::uint8_t>;

// A directory of the test's own.
class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "journal-test-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
  }
  ~JournalTest() override { std::filesystem::remove_all(directory); }

  Settings settings(std::uint64_t segment_bytes = 1U << 30U) const { return {directory, false, segment_bytes}; }

  // Writes groups of random transactions and applies them; the states after each group.
  struct Run {
    std::vector<std::vector<Bytes>> states;
    std::string epoch;
  };
  Run write(int groups, std::uint64_t segment_bytes = 1U << 30U, Notify notify = nothing) {
    Exchange exchange(kSmall);
    Journal journal(settings(segment_bytes), kSmall, exchange, std::move(notify));
    Run run{{}, journal.epoch()};
    apply(journal, exchange, RandomTransactions::beginning());
    for (int group = 0; group < groups; ++group) {
      std::vector<Transaction> transactions;
      for (int i = 0; i < 20; ++i) {
        transactions.push_back(stream.next());
      }
      apply(journal, exchange, transactions);
      run.states.push_back(state_of(exchange));
    }
    return run;
  }

  static void apply(Journal& journal, Exchange& exchange, const std::vector<Transaction>& transactions) {
    const Nanoseconds time = journal.last_time() + 1;
    journal.begin(time);
    for (const Transaction& transaction : transactions) {
      journal.add(transaction);
    }
    journal.commit();
    for (const Transaction& transaction : transactions) {
      exchange.apply(transaction, time);
    }
    exchange.forget_news();
  }

  // What a new engine finds.
  std::vector<Bytes> recover(Notify notify = nothing) {
    Exchange exchange(kSmall);
    const Journal journal(settings(), kSmall, exchange, std::move(notify));
    return state_of(exchange);
  }

  std::string recovery_error() {
    try {
      recover();
    } catch (const CorruptFile& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path segment() const { return list_directory(directory).segments.rbegin()->second; }

  static void overwrite(const std::filesystem::path& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  static void nothing(Severity, std::string_view, const std::string&) {}

  std::filesystem::path directory;
  RandomTransactions stream{1};
};

// Where each frame of a segment begins.
std::vector<std::uint64_t> frame_offsets(const Bytes& file) {
  std::vector<std::uint64_t> offsets;
  read_frames(file, 1, "file", [&](std::span<const std::uint8_t>, std::uint64_t offset) { offsets.push_back(offset); });
  return offsets;
}

TEST_F(JournalTest, AReplayGivesTheSameBooksAndExecutions) {
  const Run run = write(50);
  EXPECT_EQ(recover(), run.states.back());
  EXPECT_EQ(recover(), run.states.back()) << "reading changes nothing";
}

TEST_F(JournalTest, TheEpochIsMadeOnceAndStays) {
  const std::string epoch = write(1).epoch;
  EXPECT_EQ(epoch.size(), 36U);
  Exchange exchange(kSmall);
  const Journal journal(settings(), kSmall, exchange, nothing);
  EXPECT_EQ(journal.epoch(), epoch);
}

TEST_F(JournalTest, ALastRecordTornAnywhereIsCutOffWithAWarning) {
  const Run run = write(4);
  const Bytes whole = read_file(segment());
  const std::uint64_t last = frame_offsets(whole).back();
  for (std::uint64_t size = last + 1; size < whole.size(); size += 7) {
    overwrite(segment(), {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    std::string warning;
    const auto recovered = recover([&](Severity severity, std::string_view event, const std::string& details) {
      EXPECT_EQ(severity, Severity::kWarning);
      EXPECT_EQ(event, "journal_torn_record_cut_off");
      warning = details;
    });
    ASSERT_EQ(recovered, run.states[2]) << size;
    EXPECT_NE(warning.find(segment().string() + ": offset " + std::to_string(last)), std::string::npos) << warning;
    EXPECT_EQ(std::filesystem::file_size(segment()), last);
  }
}

TEST_F(JournalTest, ASectorThatWasNeverWrittenIsATornRecord) {
  const Run run = write(4);
  Bytes bytes = read_file(segment());
  // The last frame's length is on disk, but its pages are not.
  const auto last = static_cast<std::ptrdiff_t>(frame_offsets(bytes).back());
  std::fill(bytes.begin() + last, bytes.end(), std::uint8_t{0});
  overwrite(segment(), bytes);
  EXPECT_EQ(recover(), run.states[2]);
}

TEST_F(JournalTest, AfterATornRecordTheJournalGoesOn) {
  write(3);
  const Bytes whole = read_file(segment());
  overwrite(segment(), {whole.begin(), whole.end() - 5});
  Exchange exchange(kSmall);
  {
    Journal journal(settings(), kSmall, exchange, nothing);
    apply(journal, exchange, {stream.next(), stream.next()});
  }
  EXPECT_EQ(recover(), state_of(exchange));
}

TEST_F(JournalTest, ACorruptRecordInTheMiddleStopsTheStartAndSaysWhere) {
  write(4);
  const Bytes whole = read_file(segment());
  const auto offsets = frame_offsets(whole);
  for (std::uint64_t at = offsets[1]; at < offsets[2]; at += 11) {
    Bytes damaged = whole;
    damaged[at] ^= 0x40U;
    overwrite(segment(), damaged);
    const std::string error = recovery_error();
    ASSERT_NE(error.find(segment().string() + ": offset " + std::to_string(offsets[1]) + ":"), std::string::npos)
        << error;
    ASSERT_EQ(read_file(segment()), damaged) << "the evidence is left alone";
  }
}

TEST_F(JournalTest, ACorruptLastRecordThatIsWholeStopsTheStart) {
  write(4);
  Bytes bytes = read_file(segment());
  bytes[bytes.size() - 3] ^= 0x01U;
  overwrite(segment(), bytes);
  EXPECT_NE(recovery_error().find("checksum is wrong"), std::string::npos);
}

TEST_F(JournalTest, ADamagedFileHeaderStopsTheStart) {
  write(1);
  const Bytes whole = read_file(segment());
  for (std::size_t at = 0; at < kFileHeaderBytes; ++at) {
    Bytes damaged = whole;
    damaged[at] ^= 0x10U;
    overwrite(segment(), damaged);
    ASSERT_NE(recovery_error().find(": offset 0:"), std::string::npos) << at;
  }
}

// A directory that an engine wrote before orders had terms: a snapshot and a segment after it.
TEST_F(JournalTest, WhatWasWrittenBeforeThereWereTermsIsRead) {
  for (const auto& entry : std::filesystem::directory_iterator(ENGINE_TEST_DATA "/journal-1")) {
    std::filesystem::copy(entry.path(), directory);
  }
  Exchange exchange(kSmall);
  const Journal journal(settings(), kSmall, exchange, nothing);
  EXPECT_EQ(journal.epoch(), "fdc40f42-d9f6-4356-877b-4fc8fdd5c3bb");
  const ParticipantIndex alice = exchange.find_participant("alice");
  ASSERT_NE(alice, Reporter::kVenue);
  Quantity leaves = 0;
  const auto open = exchange.open_orders(alice);
  for (const OpenOrder& order : open) {
    const Order& resting = *exchange.market(order.instrument)->book.find(order.id);
    EXPECT_EQ(resting.terms, Terms{});
    leaves += resting.leaves;
  }
  EXPECT_EQ(open.size(), 20U);
  EXPECT_EQ(leaves, 83);
  const Participant& participant = exchange.participant(alice);
  EXPECT_EQ(participant.last_command_sequence, 76U);
  EXPECT_EQ(participant.executions[participant.executions.last()].command_sequence, 76U);
  EXPECT_EQ(exchange.market(1)->feed.last(), 88U);
  EXPECT_EQ(exchange.market(2)->feed.last(), 27U);
  EXPECT_EQ(exchange.market(1)->book.status(), TradingStatus::kOpen);
  EXPECT_EQ(exchange.market(2)->book.status(), TradingStatus::kHalted);
}

TEST_F(JournalTest, ASecondEngineIsRefused) {
  Exchange exchange(kSmall);
  const Journal journal(settings(), kSmall, exchange, nothing);
  EXPECT_THROW(recover(), std::system_error);
}

// Closed segments become snapshots: waits until one was written.
class SnapshotTest : public JournalTest {
 protected:
  Run write_until_snapshot(int groups) {
    auto written = std::make_shared<std::promise<void>>();
    auto first = std::make_shared<std::atomic<bool>>(true);
    Exchange exchange(kSmall);
    Journal journal(settings(4096), kSmall, exchange, [=](Severity, std::string_view event, const std::string&) {
      if (event == "journal_snapshot_written" && first->exchange(false)) {
        written->set_value();
      }
    });
    apply(journal, exchange, RandomTransactions::beginning());
    for (int group = 0; group < groups; ++group) {
      apply(journal, exchange, {stream.next(), stream.next(), stream.next()});
    }
    EXPECT_EQ(written->get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
    return {{state_of(exchange)}, journal.epoch()};
  }
};

TEST_F(SnapshotTest, ASnapshotReplacesTheSegmentsBeforeIt) {
  const Run run = write_until_snapshot(500);
  const Listing listing = list_directory(directory);
  ASSERT_FALSE(listing.snapshots.empty());
  EXPECT_GT(listing.segments.begin()->first, 1U) << "the first segment is gone";
  EXPECT_EQ(recover(), run.states.back());
}

TEST_F(SnapshotTest, ACorruptSnapshotStopsTheStartAndSaysWhere) {
  write_until_snapshot(500);
  const auto snapshot = list_directory(directory).snapshots.rbegin()->second;
  const Bytes whole = read_file(snapshot);
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    Bytes damaged = whole;
    damaged[at] ^= 0x02U;
    overwrite(snapshot, damaged);
    ASSERT_NE(recovery_error().find(snapshot.string() + ": offset "), std::string::npos) << at;
  }
  overwrite(snapshot, {whole.begin(), whole.end() - kFrameHeaderBytes});
  EXPECT_NE(recovery_error().find("ends too early"), std::string::npos);
}

TEST_F(SnapshotTest, AMissingSegmentStopsTheStart) {
  write_until_snapshot(500);
  const Listing listing = list_directory(directory);
  const std::uint64_t needed = listing.segments.lower_bound(listing.snapshots.rbegin()->first)->first;
  std::filesystem::remove(segment_path(directory, needed));
  EXPECT_NE(recovery_error(), "no error");
}

TEST_F(SnapshotTest, ACrashBetweenAnyTwoStepsOfTheHandoverLosesNothing) {
  const Run run = write_until_snapshot(500);
  // A snapshot that was not finished, and a segment from before the snapshot that was not removed yet.
  const Listing listing = list_directory(directory);
  const auto first = listing.snapshots.rbegin()->first;
  overwrite(snapshot_path(directory, first + 1).string() + ".tmp", Bytes(100, 7));
  overwrite(segment_path(directory, 1), make_file_header(FileKind::kSegment, {}));
  EXPECT_EQ(recover(), run.states.back());
  EXPECT_TRUE(list_directory(directory).unfinished.empty());
}

TEST_F(SnapshotTest, TheJournalGoesOnThroughManySegmentsAndRestarts) {
  Exchange reference(kSmall);
  for (const Transaction& transaction : RandomTransactions::beginning()) {
    reference.apply(transaction, 1);
  }
  {
    Exchange exchange(kSmall);
    Journal journal(settings(4096), kSmall, exchange, nothing);
    apply(journal, exchange, RandomTransactions::beginning());
  }
  for (int restart = 0; restart < 8; ++restart) {
    Exchange exchange(kSmall);
    Journal journal(settings(4096), kSmall, exchange, nothing);
    ASSERT_EQ(state_of(exchange), state_of(reference)) << restart;
    for (int group = 0; group < 60; ++group) {
      const std::vector<Transaction> transactions{stream.next(), stream.next()};
      apply(journal, exchange, transactions);
      for (const Transaction& transaction : transactions) {
        reference.apply(transaction, journal.last_time());
      }
    }
  }
}

}  // namespace
}  // namespace ordermesh::engine::journal
