// The words of the matching engine: prices, quantities, ids and enums. Enum values are those of the contract
// (proto/ordermesh/engine/v1), so that the server translates by cast.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace ordermesh::engine {

using Price = std::int64_t;     // ticks
using Quantity = std::int64_t;  // lots
using OrderId = std::uint64_t;  // the engine's own id of an order ("venue order id"), never zero
using InstrumentId = std::uint32_t;
using ParticipantIndex = std::uint32_t;
using Nanoseconds = std::int64_t;  // since 1970 UTC

// No price may leave this band, whatever an instrument says: sums and negations stay far from overflow.
inline constexpr Price kPriceLimit = 1'000'000'000'000'000;
inline constexpr Quantity kQuantityLimit = 1'000'000'000'000;
// A book holds at most so many orders, so that a level's total cannot overflow. A constant, not a setting: the journal
// must replay alike on every machine.
inline constexpr std::uint32_t kBookCapacity = 1U << 22U;

enum class Side : std::uint8_t { kUnspecified = 0, kBuy = 1, kSell = 2 };

// A stop order becomes a market or a limit order when it is triggered.
enum class OrderType : std::uint8_t { kUnspecified = 0, kLimit = 1, kMarket = 2, kStop = 3, kStopLimit = 4 };

enum class TimeInForce : std::uint8_t {
  kUnspecified = 0,
  kGoodTillCancel = 1,
  kDay = 2,
  kImmediateOrCancel = 3,
  kFillOrKill = 4,
  kGoodTillDate = 5,
  kAtTheOpening = 6,
  kAtTheClose = 7,
};

enum class SelfTradePrevention : std::uint8_t {
  kUnspecified = 0,
  kNone = 1,
  kCancelNewest = 2,
  kCancelOldest = 3,
  kCancelBoth = 4,
  kDecrement = 5,
};

enum class OrderStatus : std::uint8_t {
  kUnspecified = 0,
  kNew = 1,
  kPartiallyFilled = 2,
  kFilled = 3,
  kCanceled = 4,
  kRejected = 5,
  kExpired = 6,
};

enum class ExecutionType : std::uint8_t {
  kUnspecified = 0,
  kNew = 1,
  kTrade = 2,
  kCanceled = 3,
  kReplaced = 4,
  kReduced = 5,
  kRejected = 6,
  kCancelRejected = 7,
  kExpired = 8,
  kMassCanceled = 9,
  kTriggered = 10,
  kTradeCanceled = 15,
  kTradeCorrected = 16,
};

enum class Reason : std::uint8_t {
  kNone = 0,
  kRequested = 1,
  kMassCancel = 2,
  kImmediateOrCancel = 3,
  kFillOrKill = 4,
  kNoLiquidity = 5,
  kSelfTradePrevention = 6,
  kEndOfDay = 7,
  kExpireTime = 8,
  kAuctionOver = 9,
  kInvalidOrderId = 20,
  kDuplicateOrderId = 21,
  kUnknownInstrument = 22,
  kInvalidSide = 23,
  kInvalidOrderType = 24,
  kInvalidTimeInForce = 25,
  kInvalidSelfTradePrevention = 26,
  kInvalidPrice = 27,
  kPriceOutOfBand = 28,
  kInvalidQuantity = 29,
  kHalted = 30,
  kUnknownOrder = 31,
  kCapacity = 32,
  kPostOnly = 33,
  kInvalidExecutionInstruction = 34,
  kInvalidExpireTime = 35,
  kInvalidDisplayQuantity = 36,
  kInvalidStopPrice = 37,
  kCallPhase = 38,
};

enum class Liquidity : std::uint8_t { kUnspecified = 0, kMaker = 1, kTaker = 2, kAuction = 3 };

// In an auction's call phase orders collect without matching.
enum class TradingStatus : std::uint8_t { kUnspecified = 0, kOpen = 1, kHalted = 2, kCall = 3 };

enum class AuctionKind : std::uint8_t { kUnspecified = 0, kOpening = 1, kClosing = 2 };

[[nodiscard]] constexpr Side opposite(Side side) noexcept { return side == Side::kBuy ? Side::kSell : Side::kBuy; }

// Whether what is left of a limit order may rest in the book.
[[nodiscard]] constexpr bool rests(TimeInForce time_in_force) noexcept {
  return time_in_force == TimeInForce::kGoodTillCancel || time_in_force == TimeInForce::kDay ||
         time_in_force == TimeInForce::kGoodTillDate;
}

// Whether the order takes part in an auction only.
[[nodiscard]] constexpr bool is_at_auction(TimeInForce time_in_force) noexcept {
  return time_in_force >= TimeInForce::kAtTheOpening;
}

// Which auction an order takes part in that is for one only.
[[nodiscard]] constexpr AuctionKind auction_of(TimeInForce time_in_force) noexcept {
  return time_in_force == TimeInForce::kAtTheOpening ? AuctionKind::kOpening : AuctionKind::kClosing;
}

// Whether an order of this type waits for its stop price, apart from the book.
[[nodiscard]] constexpr bool is_stop(OrderType type) noexcept {
  return type >= OrderType::kStop;
}

// Whether such an order waits apart from the book: for its stop price, or for its auction.
[[nodiscard]] constexpr bool waits(OrderType type, TimeInForce time_in_force) noexcept {
  return is_stop(type) || is_at_auction(time_in_force);
}

// The participant's id of an order: 16 bytes, kept as two words in the bytes' own order.
struct ClientOrderId {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  friend constexpr bool operator==(const ClientOrderId&, const ClientOrderId&) = default;
};

// What few orders have.
struct Terms {
  Nanoseconds expire_time = 0;  // of a good-till-date order, else zero
  Quantity display = 0;         // of an iceberg order: how much of it is shown at a time; else zero
  Price stop_price = 0;         // of a stop order, also when it was triggered; else zero
  bool post_only = false;       // it may rest, but never take

  friend constexpr bool operator==(const Terms&, const Terms&) = default;
};

// What a replace changes beside price and quantity; what is absent stays.
struct Amendment {
  std::optional<Quantity> display = std::nullopt;  // zero: all of it is shown
  std::optional<Price> stop_price = std::nullopt;  // only for an order that waits for it
  std::optional<Nanoseconds> expire_time = std::nullopt;  // only for a good-till-date order

  friend constexpr bool operator==(const Amendment&, const Amendment&) = default;
};

// An order while the engine works on it or holds it. The first cache line is what matching touches; total quantity is
// cumulative + leaves.
struct alignas(64) Order {
  OrderId id = 0;
  Price price = 0;
  Quantity leaves = 0;
  Quantity cumulative = 0;
  std::uint64_t self_trade_group = 0;
  ParticipantIndex owner = 0;
  std::uint32_t next = 0;  // pool slots of the neighbours in the level
  std::uint32_t previous = 0;
  Side side = Side::kUnspecified;
  OrderType type = OrderType::kUnspecified;
  TimeInForce time_in_force = TimeInForce::kUnspecified;
  SelfTradePrevention self_trade_prevention = SelfTradePrevention::kUnspecified;
  std::uint32_t slot = 0;  // the order's own place in the pool
  bool iceberg = false;    // whether terms.display is above zero
  bool waits = false;      // whether it is kept apart from the book: for its stop price, or for its auction

  ClientOrderId client_order_id;
  Nanoseconds accepted_time = 0;
  Terms terms;
  Quantity hidden = 0;  // the part of `leaves` that is not shown, while an iceberg order rests
};
static_assert(sizeof(Order) == 128);

// What of a resting order is shown, and counted by its level.
[[nodiscard]] constexpr Quantity displayed(const Order& order) noexcept {
  return order.iceberg ? order.leaves - order.hidden : order.leaves;
}

// Whether two orders belong to the same self-trade group: the same number, or, without one, the same participant.
[[nodiscard]] constexpr bool same_group(const Order& one, const Order& other) noexcept {
  return one.self_trade_group == other.self_trade_group && (one.self_trade_group != 0 || one.owner == other.owner);
}

// What a book needs to know of a new order. The caller has checked that the id was never used, that the enums are
// valid, and that price and quantity lie within the limits above.
struct NewOrder {
  OrderId id = 0;
  Side side = Side::kUnspecified;
  OrderType type = OrderType::kLimit;
  TimeInForce time_in_force = TimeInForce::kGoodTillCancel;
  SelfTradePrevention self_trade_prevention = SelfTradePrevention::kNone;
  Price price = 0;
  Quantity quantity = 0;
  ParticipantIndex owner = 0;
  std::uint64_t self_trade_group = 0;
  ClientOrderId client_order_id = {};
  Nanoseconds time = 0;
  Terms terms = {};
};

}  // namespace ordermesh::engine
