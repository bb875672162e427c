// What goes into the exchange (transactions) and what comes out of it (executions and feed events), as plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

enum class CommandKind : std::uint8_t { kNew = 1, kCancel = 2, kReduce = 3, kReplace = 4, kMassCancel = 5 };

// One command of a participant, as it came: nothing in it is checked but that the kind is one of the above.
struct Command {
  std::uint64_t sequence = 0;
  CommandKind kind = CommandKind::kNew;
  bool has_order_id = false;  // false: the id was not 16 bytes
  Side side = Side::kUnspecified;
  OrderType type = OrderType::kUnspecified;
  TimeInForce time_in_force = TimeInForce::kUnspecified;
  SelfTradePrevention self_trade_prevention = SelfTradePrevention::kUnspecified;
  InstrumentId instrument = 0;
  ClientOrderId order_id;
  Price price = 0;
  Quantity quantity = 0;  // for kReduce: how much to take off
  std::uint64_t self_trade_group = 0;
  Terms terms;          // for kNew
  Amendment amendment;  // for kReplace

  friend bool operator==(const Command&, const Command&) = default;
};

struct Instrument {
  InstrumentId id = 0;
  std::string symbol;
  Price lowest_price = 1;
  Price highest_price = 1'000'000'000'000;
  Quantity maximum_quantity = kQuantityLimit;

  [[nodiscard]] bool in_band(Price price) const noexcept { return price >= lowest_price && price <= highest_price; }

  friend bool operator==(const Instrument&, const Instrument&) = default;
};

// Transactions: whatever changes the exchange. The journal holds these and nothing else.
struct DefineInstrument {
  Instrument instrument;
  friend bool operator==(const DefineInstrument&, const DefineInstrument&) = default;
};
// Gives a name the next participant index; a known name keeps its own.
struct RegisterParticipant {
  std::string name;
  friend bool operator==(const RegisterParticipant&, const RegisterParticipant&) = default;
};
struct ParticipantCommand {
  ParticipantIndex participant = 0;
  Command command;
  friend bool operator==(const ParticipantCommand&, const ParticipantCommand&) = default;
};
// Instrument zero means all, here and below.
struct SetStatus {
  InstrumentId instrument = 0;
  TradingStatus status = TradingStatus::kOpen;
  friend bool operator==(const SetStatus&, const SetStatus&) = default;
};
struct ExpireDayOrders {
  InstrumentId instrument = 0;
  friend bool operator==(const ExpireDayOrders&, const ExpireDayOrders&) = default;
};

// Good-till-date orders whose time has come expire. Nothing else makes them expire, so that they do so in a replay when
// they did before.
struct AdvanceTime {
  friend bool operator==(const AdvanceTime&, const AdvanceTime&) = default;
};

// Begins an auction's call phase. The instrument may not be zero, here and below.
struct BeginAuction {
  InstrumentId instrument = 0;
  AuctionKind kind = AuctionKind::kOpening;
  friend bool operator==(const BeginAuction&, const BeginAuction&) = default;
};
// Ends the call phase: trades what can be traded at one price, and goes on to continuous trading.
struct UncrossAuction {
  InstrumentId instrument = 0;
  std::optional<Price> reference_price = std::nullopt;  // none: the last trade's
  friend bool operator==(const UncrossAuction&, const UncrossAuction&) = default;
};

// One of the two orders of a trade.
struct TradeSide {
  ParticipantIndex participant = 0;
  ClientOrderId order_id;
  OrderId venue_order_id = 0;
  Side side = Side::kUnspecified;
  Liquidity liquidity = Liquidity::kUnspecified;
  friend bool operator==(const TradeSide&, const TradeSide&) = default;
};
// Takes a trade back or corrects it. It says all there is to say of the trade: how many executions are kept to look it up
// in is a setting, and a replay must not depend on one.
struct AdjustTrade {
  std::uint64_t trade_id = 0;
  InstrumentId instrument = 0;
  Price price = 0;  // as it was made
  Quantity quantity = 0;
  std::array<TradeSide, 2> sides;
  Price new_price = 0;
  Quantity new_quantity = 0;  // zero: it is taken back
  friend bool operator==(const AdjustTrade&, const AdjustTrade&) = default;
};

using Transaction =
    std::variant<DefineInstrument, RegisterParticipant, ParticipantCommand, SetStatus, ExpireDayOrders, AdvanceTime,
                 BeginAuction, UncrossAuction, AdjustTrade>;

// What became of a transaction.
enum class Outcome : std::uint8_t {
  kDone,
  kIgnored,  // a command that had been taken before
  kUnknownInstrument,
  kInstrumentConflict,  // number and symbol do not belong together
  kTooMany,             // no room for another instrument or participant
  kOtherPhase,          // an auction goes on already, or none does, or it is halted
  kPriceOutOfBand,
  kQuantityOutOfRange,
  kTradeCanceled,  // a trade that was taken back cannot be corrected
};

struct Result {
  Outcome outcome = Outcome::kDone;
  std::uint32_t count = 0;  // instruments or trades changed, orders expired; the index, for a participant
  Price price = 0;          // of an auction
  Quantity volume = 0;      // traded in an auction; zero: there was no price
};

// Of a trade that was taken back or corrected, price and quantity are those that it had until then.
struct Execution {
  std::uint64_t sequence = 0;
  std::uint64_t command_sequence = 0;
  ClientOrderId order_id;
  OrderId venue_order_id = 0;
  Price price = 0;
  Quantity quantity = 0;
  Price stop_price = 0;
  Price last_price = 0;
  Quantity last_quantity = 0;
  Quantity cumulative = 0;
  Quantity leaves = 0;
  std::uint64_t trade_id = 0;
  Nanoseconds time = 0;
  InstrumentId instrument = 0;
  std::uint32_t affected_orders = 0;
  ExecutionType type = ExecutionType::kUnspecified;
  OrderStatus status = OrderStatus::kUnspecified;
  Side side = Side::kUnspecified;
  Reason reason = Reason::kNone;
  Liquidity liquidity = Liquidity::kUnspecified;
  bool has_order_id = false;

  friend bool operator==(const Execution&, const Execution&) = default;
};

enum class FeedKind : std::uint8_t { kLevel = 1, kTrade = 2, kStatus = 3, kTradeAdjustment = 15 };

struct FeedEvent {
  std::uint64_t sequence = 0;
  Nanoseconds time = 0;
  Price price = 0;
  Quantity quantity = 0;
  std::uint64_t trade_id = 0;
  InstrumentId instrument = 0;
  std::uint32_t orders = 0;
  FeedKind kind = FeedKind::kLevel;
  Side side = Side::kUnspecified;  // of the level, or of the aggressor
  TradingStatus status = TradingStatus::kUnspecified;

  friend bool operator==(const FeedEvent&, const FeedEvent&) = default;
};

}  // namespace ordermesh::engine
