// The exchange: instruments, participants, and what their commands do. A deterministic machine: the same transactions
// at the same times give the same books, executions and feed, which is what the journal relies on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ordermesh/engine/bytes.h"
#include "ordermesh/engine/messages.h"
#include "ordermesh/engine/reporter.h"

namespace ordermesh::engine {

// Does no I/O, reads no clock, and is not thread-safe.
class Exchange {
 public:
  struct Settings {
    // How much is kept to be asked for again. Settings, because they change nothing that happens.
    std::size_t executions_kept = 262'144;  // per participant
    std::size_t feed_events_kept = 65'536;  // per instrument
  };
  // Constants for the same reason as kBookCapacity.
  static constexpr std::size_t kMostInstruments = 10'000;
  static constexpr std::size_t kMostParticipants = 100'000;

  explicit Exchange(Settings settings) : settings_(settings) {}

  // Takes a transaction. What it causes is found in the participants' executions and the markets' feeds.
  Result apply(const Transaction& transaction, Nanoseconds time);

  [[nodiscard]] const std::map<InstrumentId, std::unique_ptr<Market>>& markets() const noexcept { return markets_; }
  // nullptr when there is no such instrument.
  [[nodiscard]] const Market* market(InstrumentId instrument) const;

  [[nodiscard]] std::size_t participants() const noexcept { return reporter_.participants.size(); }
  [[nodiscard]] const Participant& participant(ParticipantIndex index) const { return *reporter_.participants[index]; }
  // When the next good-till-date order is due to expire, by AdvanceTime at that time or later; kNever when there is
  // none.
  static constexpr Nanoseconds kNever = std::numeric_limits<Nanoseconds>::max();
  [[nodiscard]] Nanoseconds next_expiry() const noexcept;

  // Reporter::kVenue when nobody has this name.
  [[nodiscard]] ParticipantIndex find_participant(std::string_view name) const;

  // What is new since the last call of forget_news(): participants with executions, and feed events in order.
  [[nodiscard]] const std::vector<ParticipantIndex>& touched() const noexcept { return reporter_.touched; }
  [[nodiscard]] const std::vector<FeedEvent>& fresh_feed() const noexcept { return reporter_.fresh_feed; }
  void forget_news();

  // A trade as it was made, to be adjusted; none when there was no such trade, or an execution of it is no longer kept.
  [[nodiscard]] std::optional<AdjustTrade> find_trade(std::uint64_t trade_id) const;

  // A participant's open orders, oldest first.
  [[nodiscard]] std::vector<OpenOrder> open_orders(ParticipantIndex participant) const;

  // Writes the whole state as blocks of moderate size; an exchange that has read them goes on exactly where this one
  // is. The feed's recent events are not part of it, only how far it is.
  using BlockSink = std::function<void(std::span<const std::uint8_t>)>;
  void save(const BlockSink& sink) const;
  // Reads one block into an exchange that was empty before the first. Throws DecodeError.
  void load(std::span<const std::uint8_t> block);

 private:
  struct Apply;

  Result define(const Instrument& instrument);
  Result enrol(const std::string& name);
  Result set_status(InstrumentId instrument, TradingStatus status);
  Result expire_day_orders(InstrumentId instrument);
  Result expire_due_orders();
  Result begin_auction(InstrumentId instrument, AuctionKind kind);
  Result uncross_auction(const UncrossAuction& uncross);
  Result adjust_trade(const AdjustTrade& adjust);
  Result take(const ParticipantCommand& command);

  void enter(const Command& command);
  void change(const Command& command);
  void mass_cancel(const Command& command);
  // Why a new order cannot be entered, before the book is asked.
  [[nodiscard]] Reason check(const Command& command) const;
  [[nodiscard]] Reason check_terms(const Command& command) const;
  Reason change_order(const Command& command, const OpenOrder& open);
  // The markets meant by an instrument number, where zero means all.
  [[nodiscard]] std::vector<Market*> meant(InstrumentId instrument) const;

  void save_participants(const BlockSink& sink) const;
  void save_markets(const BlockSink& sink) const;
  void save_adjusted_trades(const BlockSink& sink) const;
  void load_participant(ByteReader& reader);
  void load_executions(ByteReader& reader, bool with_stop_price);
  void load_market(ByteReader& reader, bool with_call);
  void load_orders(ByteReader& reader, bool with_terms);
  void load_adjusted_trades(ByteReader& reader);
  Market& add_market(const Instrument& instrument);

  Settings settings_;
  Reporter reporter_;
  std::map<InstrumentId, std::unique_ptr<Market>> markets_;
  std::map<std::string, InstrumentId, std::less<>> instruments_by_symbol_;
  std::map<std::string, ParticipantIndex, std::less<>> participants_by_name_;
  // What trades are now that were adjusted: quantity zero, taken back.
  struct AdjustedTrade {
    Price price = 0;
    Quantity quantity = 0;
    friend bool operator==(const AdjustedTrade&, const AdjustedTrade&) = default;
  };
  std::map<std::uint64_t, AdjustedTrade> adjusted_trades_;
  OrderId last_order_id_ = 0;
  Market* loading_ = nullptr;  // the market that the next block of orders belongs to
};

}  // namespace ordermesh::engine
