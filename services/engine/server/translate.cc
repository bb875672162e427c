#include "translate.h"

#include <cstring>
#include <type_traits>

namespace ordermesh::engine::server {
namespace {

constexpr std::size_t kOrderIdBytes = 16;
constexpr std::size_t kMostSymbolBytes = 64;

// An enum of the contract as the engine's. What does not fit in a byte becomes a value that nothing is called.
template <typename To>
To to_enum(int value) {
  return static_cast<To>(value >= 0 && value < 255 ? value : 255);
}

template <typename To, typename From>
To to_proto_enum(From value) {
  return static_cast<To>(static_cast<std::underlying_type_t<From>>(value));
}

void set_order_id(const std::string& bytes, Command& to) {
  to.has_order_id = bytes.size() == kOrderIdBytes;
  if (to.has_order_id) {
    std::memcpy(&to.order_id, bytes.data(), kOrderIdBytes);
  }
}

void set_bytes(const ClientOrderId& id, std::string& to) {
  to.assign(reinterpret_cast<const char*>(&id), kOrderIdBytes);
}

void set_new_order(const pb::NewOrder& from, Command& to) {
  to.kind = CommandKind::kNew;
  set_order_id(from.order_id(), to);
  to.instrument = from.instrument_id();
  to.side = to_enum<Side>(from.side());
  to.type = to_enum<OrderType>(from.order_type());
  to.time_in_force = to_enum<TimeInForce>(from.time_in_force());
  to.self_trade_prevention = to_enum<SelfTradePrevention>(from.self_trade_prevention());
  to.price = from.price_ticks();
  to.quantity = from.quantity_lots();
  to.self_trade_group = from.self_trade_group();
  to.terms.expire_time = from.expire_time_ns();
  to.terms.post_only = from.post_only();
  to.terms.display = from.display_quantity_lots();
  to.terms.stop_price = from.stop_price_ticks();
}

void set_mass_cancel(const pb::MassCancel& from, Command& to) {
  to.kind = CommandKind::kMassCancel;
  to.instrument = from.instrument_id();
  to.side = to_enum<Side>(from.side());
  to.self_trade_group = from.self_trade_group();
}

}  // namespace

std::optional<std::string> to_command(const pb::Command& from, Command& to) {
  if (from.command_sequence() == 0) {
    return "command_sequence must be above zero";
  }
  to.sequence = from.command_sequence();
  switch (from.action_case()) {
    case pb::Command::kNewOrder:
      set_new_order(from.new_order(), to);
      return std::nullopt;
    case pb::Command::kCancelOrder:
      to.kind = CommandKind::kCancel;
      set_order_id(from.cancel_order().order_id(), to);
      return std::nullopt;
    case pb::Command::kReduceOrder:
      to.kind = CommandKind::kReduce;
      set_order_id(from.reduce_order().order_id(), to);
      to.quantity = from.reduce_order().reduce_by_lots();
      return std::nullopt;
    case pb::Command::kReplaceOrder:
      to.kind = CommandKind::kReplace;
      set_order_id(from.replace_order().order_id(), to);
      to.price = from.replace_order().price_ticks();
      to.quantity = from.replace_order().quantity_lots();
      if (from.replace_order().has_display_quantity_lots()) {
        to.amendment.display = from.replace_order().display_quantity_lots();
      }
      if (from.replace_order().has_stop_price_ticks()) {
        to.amendment.stop_price = from.replace_order().stop_price_ticks();
      }
      if (from.replace_order().has_expire_time_ns()) {
        to.amendment.expire_time = from.replace_order().expire_time_ns();
      }
      return std::nullopt;
    case pb::Command::kMassCancel:
      set_mass_cancel(from.mass_cancel(), to);
      return std::nullopt;
    case pb::Command::ACTION_NOT_SET:
      break;
  }
  return "action is required";
}

std::optional<std::string> to_instrument(const pb::Instrument& from, Instrument& to) {
  if (from.instrument_id() == 0) {
    return "instrument.instrument_id must be above zero";
  }
  if (from.symbol().empty() || from.symbol().size() > kMostSymbolBytes) {
    return "instrument.symbol must have 1 to 64 bytes";
  }
  to.id = from.instrument_id();
  to.symbol = from.symbol();
  if (from.lowest_price_ticks() != 0 || from.highest_price_ticks() != 0) {
    to.lowest_price = from.lowest_price_ticks();
    to.highest_price = from.highest_price_ticks();
  }
  if (to.lowest_price < -kPriceLimit || to.lowest_price > to.highest_price) {
    return "instrument.lowest_price_ticks must be at least -1000000000000000 and at most highest_price_ticks";
  }
  if (to.highest_price > kPriceLimit) {
    return "instrument.highest_price_ticks must be at most 1000000000000000";
  }
  if (from.maximum_quantity_lots() < 0 || from.maximum_quantity_lots() > kQuantityLimit) {
    return "instrument.maximum_quantity_lots must be from 0 to 1000000000000";
  }
  to.maximum_quantity = from.maximum_quantity_lots() == 0 ? kQuantityLimit : from.maximum_quantity_lots();
  return std::nullopt;
}

void to_proto(const Execution& from, pb::Execution& to) {
  to.set_execution_sequence(from.sequence);
  to.set_command_sequence(from.command_sequence);
  if (from.has_order_id) {
    set_bytes(from.order_id, *to.mutable_order_id());
  }
  to.set_venue_order_id(from.venue_order_id);
  to.set_instrument_id(from.instrument);
  to.set_execution_type(to_proto_enum<pb::ExecutionType>(from.type));
  to.set_order_status(to_proto_enum<pb::OrderStatus>(from.status));
  to.set_side(to_proto_enum<pb::Side>(from.side));
  if (from.type == ExecutionType::kTradeCanceled || from.type == ExecutionType::kTradeCorrected) {
    to.set_previous_price_ticks(from.price);
    to.set_previous_quantity_lots(from.quantity);
    to.set_quantity_lots(from.cumulative + from.leaves);
  } else {
    to.set_price_ticks(from.price);
    to.set_quantity_lots(from.quantity);
  }
  to.set_last_price_ticks(from.last_price);
  to.set_last_quantity_lots(from.last_quantity);
  to.set_cumulative_quantity_lots(from.cumulative);
  to.set_leaves_quantity_lots(from.leaves);
  to.set_trade_id(from.trade_id);
  to.set_reason(to_proto_enum<pb::ExecutionReason>(from.reason));
  to.set_liquidity(to_proto_enum<pb::Liquidity>(from.liquidity));
  to.set_time_ns(from.time);
  to.set_affected_orders(from.affected_orders);
  to.set_stop_price_ticks(from.stop_price);
}

void to_proto_trade(const FeedEvent& from, pb::FeedTrade& to) {
  to.set_trade_id(from.trade_id);
  to.set_price_ticks(from.price);
  to.set_quantity_lots(from.quantity);
  to.set_aggressor_side(to_proto_enum<pb::Side>(from.side));
}

void to_proto(const FeedEvent& from, pb::FeedEvent& to) {
  to.set_instrument_id(from.instrument);
  to.set_feed_sequence(from.sequence);
  to.set_time_ns(from.time);
  switch (from.kind) {
    case FeedKind::kLevel: {
      pb::LevelChange& level = *to.mutable_level();
      level.set_side(to_proto_enum<pb::Side>(from.side));
      level.set_price_ticks(from.price);
      level.set_quantity_lots(from.quantity);
      level.set_order_count(from.orders);
      break;
    }
    case FeedKind::kTrade:
      to_proto_trade(from, *to.mutable_trade());
      break;
    case FeedKind::kTradeAdjustment:
      to.mutable_trade_adjustment()->set_trade_id(from.trade_id);
      to.mutable_trade_adjustment()->set_price_ticks(from.price);
      to.mutable_trade_adjustment()->set_quantity_lots(from.quantity);
      break;
    case FeedKind::kStatus:
      to.mutable_status()->set_status(to_proto_enum<pb::TradingStatus>(from.status));
      break;
  }
}

void to_proto(const Instrument& from, pb::Instrument& to) {
  to.set_instrument_id(from.id);
  to.set_symbol(from.symbol);
  to.set_lowest_price_ticks(from.lowest_price);
  to.set_highest_price_ticks(from.highest_price);
  to.set_maximum_quantity_lots(from.maximum_quantity);
}

void to_proto(const Order& from, InstrumentId instrument, pb::OpenOrder& to) {
  set_bytes(from.client_order_id, *to.mutable_order_id());
  to.set_venue_order_id(from.id);
  to.set_instrument_id(instrument);
  to.set_side(to_proto_enum<pb::Side>(from.side));
  to.set_time_in_force(to_proto_enum<pb::TimeInForce>(from.time_in_force));
  to.set_price_ticks(from.price);
  to.set_quantity_lots(from.cumulative + from.leaves);
  to.set_cumulative_quantity_lots(from.cumulative);
  to.set_leaves_quantity_lots(from.leaves);
  to.set_self_trade_prevention(to_proto_enum<pb::SelfTradePrevention>(from.self_trade_prevention));
  to.set_self_trade_group(from.self_trade_group);
  to.set_accepted_time_ns(from.accepted_time);
  to.set_expire_time_ns(from.terms.expire_time);
  to.set_post_only(from.terms.post_only);
  to.set_display_quantity_lots(from.terms.display);
  to.set_displayed_leaves_lots(from.waits ? 0 : displayed(from));
  to.set_order_type(to_proto_enum<pb::OrderType>(from.type));
  to.set_stop_price_ticks(from.terms.stop_price);
  to.set_waiting(from.waits);
}

}  // namespace ordermesh::engine::server
