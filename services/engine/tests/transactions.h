// Transactions for tests: short ways to write them, and random streams of them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine::test {

inline constexpr Exchange::Settings kSmall{.executions_kept = 500, .feed_events_kept = 500};

inline Command new_order(std::uint64_t sequence, std::uint64_t order, Side side, Quantity quantity, Price price,
                         InstrumentId instrument = 1) {
  Command command;
  command.sequence = sequence;
  command.kind = CommandKind::kNew;
  command.has_order_id = true;
  command.order_id = {order, 0};
  command.instrument = instrument;
  command.side = side;
  command.type = OrderType::kLimit;
  command.time_in_force = TimeInForce::kGoodTillCancel;
  command.self_trade_prevention = SelfTradePrevention::kNone;
  command.price = price;
  command.quantity = quantity;
  return command;
}

inline Command change(std::uint64_t sequence, CommandKind kind, std::uint64_t order, Quantity quantity = 0,
                      Price price = 0) {
  Command command;
  command.sequence = sequence;
  command.kind = kind;
  command.has_order_id = true;
  command.order_id = {order, 0};
  command.quantity = quantity;
  command.price = price;
  return command;
}

inline DefineInstrument define(InstrumentId id) {
  DefineInstrument definition;
  definition.instrument.id = id;
  definition.instrument.symbol = "TEST" + std::to_string(id);
  return definition;
}

// Everything that may come, sensible and not, from three participants in three instruments.
class RandomTransactions {
 public:
  explicit RandomTransactions(unsigned seed) : random_(seed) {}

  Transaction next() {
    const std::int64_t kind = draw(0, 999);
    ++time_;
    if (kind < 5) {
      return define(static_cast<InstrumentId>(draw(1, 3)));
    }
    if (kind < 10) {
      return SetStatus{static_cast<InstrumentId>(draw(0, 4)),
                       draw(0, 2) == 0 ? TradingStatus::kHalted : TradingStatus::kOpen};
    }
    if (kind < 13) {
      return ExpireDayOrders{static_cast<InstrumentId>(draw(0, 4))};
    }
    if (kind < 18) {
      return AdvanceTime{};
    }
    if (kind < 24) {
      return BeginAuction{static_cast<InstrumentId>(draw(0, 3)), static_cast<AuctionKind>(draw(1, 2))};
    }
    if (kind < 36) {
      UncrossAuction uncross;
      uncross.instrument = static_cast<InstrumentId>(draw(0, 3));
      if (draw(0, 1) == 0) {
        uncross.reference_price = draw(0, 110);
      }
      return uncross;
    }
    if (kind < 42) {
      return adjust_trade();
    }
    return ParticipantCommand{static_cast<ParticipantIndex>(draw(0, kParticipants - 1)), command()};
  }

  // What every stream must begin with.
  static std::vector<Transaction> beginning() {
    return {define(1), define(2), RegisterParticipant{"one"}, RegisterParticipant{"two"}, RegisterParticipant{"three"}};
  }

 private:
  static constexpr std::int64_t kParticipants = 3;

  std::int64_t draw(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  // Of a trade that nobody made: the exchange goes by what the transaction says.
  AdjustTrade adjust_trade() {
    AdjustTrade adjust;
    adjust.trade_id = static_cast<std::uint64_t>(draw(1, 5));
    adjust.instrument = static_cast<InstrumentId>(draw(1, 4));
    adjust.price = 100;
    adjust.quantity = 3;
    adjust.new_price = draw(0, 110);
    adjust.new_quantity = draw(0, 1) * draw(1, 5);
    for (TradeSide& side : adjust.sides) {
      side.participant = static_cast<ParticipantIndex>(draw(0, kParticipants - 1));
      side.order_id = {static_cast<std::uint64_t>(draw(1, 1000)), 0};
      side.side = Side::kBuy;
    }
    return adjust;
  }

  Command command() {
    const std::uint64_t sequence = draw(0, 50) == 0 ? sequence_ : ++sequence_;
    const auto order = static_cast<std::uint64_t>(
        draw(static_cast<std::int64_t>(last_order_) - 40, static_cast<std::int64_t>(last_order_)));
    const std::int64_t kind = draw(0, 99);
    if (kind < 60) {
      Command command = new_order(sequence, draw(0, 50) == 0 ? order : ++last_order_, static_cast<Side>(draw(1, 2)),
                                  draw(draw(0, 50) == 0 ? -1 : 1, 40), draw(90, 110),
                                  static_cast<InstrumentId>(draw(1, draw(0, 20) == 0 ? 4 : 2)));
      command.type = draw(0, 9) == 0 ? OrderType::kMarket : OrderType::kLimit;
      command.price = command.type == OrderType::kMarket ? draw(0, 20) / 20 : command.price;
      if (draw(0, 7) == 0) {
        command.terms.stop_price = draw(draw(0, 20) == 0 ? 0 : 90, 110);
        command.type = command.type == OrderType::kMarket ? OrderType::kStop : OrderType::kStopLimit;
      }
      command.time_in_force = static_cast<TimeInForce>(draw(draw(0, 50) == 0 ? 0 : 1, 7));
      command.self_trade_prevention = static_cast<SelfTradePrevention>(draw(1, 5));
      command.self_trade_group = static_cast<std::uint64_t>(draw(0, 2));
      set_terms(command);
      return command;
    }
    if (kind < 98) {
      const auto change_kind = static_cast<CommandKind>(draw(2, 4));
      // Only what the kind has: the rest is not kept.
      Command command = change(sequence, change_kind, order, change_kind == CommandKind::kCancel ? 0 : draw(0, 40),
                               change_kind == CommandKind::kReplace ? draw(90, 110) : 0);
      if (change_kind == CommandKind::kReplace && draw(0, 4) == 0) {
        command.amendment.display = draw(-1, 10);
      }
      if (change_kind == CommandKind::kReplace && draw(0, 4) == 0) {
        command.amendment.stop_price = draw(85, 110);
        command.price = draw(0, 1) == 0 ? 0 : command.price;
      }
      if (change_kind == CommandKind::kReplace && draw(0, 4) == 0) {
        command.amendment.expire_time = time_ + draw(-10, 300);
      }
      return command;
    }
    Command command;
    command.sequence = sequence;
    command.kind = CommandKind::kMassCancel;
    command.instrument = static_cast<InstrumentId>(draw(0, 4));
    command.side = static_cast<Side>(draw(0, 2));
    command.self_trade_group = static_cast<std::uint64_t>(draw(0, 2));
    return command;
  }

  void set_terms(Command& command) {
    if ((command.time_in_force == TimeInForce::kGoodTillDate) == (draw(0, 50) > 0)) {
      command.terms.expire_time = time_ + draw(0, 300);
    }
    command.terms.post_only = draw(0, 9) == 0;
    command.terms.display = draw(0, 4) == 0 ? draw(0, 10) : 0;
  }

  std::mt19937_64 random_;
  std::uint64_t sequence_ = 0;
  std::uint64_t last_order_ = 1000;
  Nanoseconds time_ = 0;  // of the next transaction, when each comes a nanosecond after the one before
};

// All that an exchange would save: two exchanges with the same are the same.
inline std::vector<std::vector<std::uint8_t>> state_of(const Exchange& exchange) {
  std::vector<std::vector<std::uint8_t>> blocks;
  exchange.save([&](std::span<const std::uint8_t> block) { blocks.emplace_back(block.begin(), block.end()); });
  return blocks;
}

}  // namespace ordermesh::engine::test
