#include "ordermesh/engine/reporter.h"

namespace ordermesh::engine {
namespace {

OrderStatus live_status(const Order& order) {
  if (order.leaves == 0) {
    return OrderStatus::kFilled;
  }
  return order.cumulative > 0 ? OrderStatus::kPartiallyFilled : OrderStatus::kNew;
}

}  // namespace

void Reporter::on_accepted(const Order& order) {
  open(order, cause.market->instrument.id);
  publish(order.owner, describe(order, ExecutionType::kNew, Reason::kNone));
}

void Reporter::open(const Order& order, InstrumentId instrument) {
  participants[order.owner]->open_orders.insert(order.client_order_id, {instrument, order.id});
  if (order.time_in_force == TimeInForce::kGoodTillDate) {
    expiries.insert({order.terms.expire_time, order.id, instrument});
  }
}

void Reporter::on_trade(const Order& maker, const Order& taker, Price price, Quantity quantity) {
  ++last_trade_id;
  publish_trade(maker, price, quantity, Liquidity::kMaker);
  publish_trade(taker, price, quantity, Liquidity::kTaker);
  publish_trade(taker.side, price, quantity);
}

void Reporter::on_auction_trade(const Order& buy, const Order& sell, Price price, Quantity quantity) {
  ++last_trade_id;
  publish_trade(buy, price, quantity, Liquidity::kAuction);
  publish_trade(sell, price, quantity, Liquidity::kAuction);
  publish_trade(Side::kUnspecified, price, quantity);
}

void Reporter::publish_trade(const Order& order, Price price, Quantity quantity, Liquidity liquidity) {
  Execution execution = describe(order, ExecutionType::kTrade, Reason::kNone);
  execution.last_price = price;
  execution.last_quantity = quantity;
  execution.trade_id = last_trade_id;
  execution.liquidity = liquidity;
  publish(order.owner, execution);
  close(order);
}

void Reporter::publish_trade(Side aggressor, Price price, Quantity quantity) {
  FeedEvent event;
  event.kind = FeedKind::kTrade;
  event.side = aggressor;
  event.price = price;
  event.quantity = quantity;
  event.trade_id = last_trade_id;
  publish(event);
  cause.market->last_trade = fresh_feed.back();
}

void Reporter::on_canceled(const Order& order, Reason reason, Quantity removed) {
  const bool expired = reason == Reason::kEndOfDay || reason == Reason::kExpireTime || reason == Reason::kAuctionOver;
  Execution execution = describe(order, expired ? ExecutionType::kExpired : ExecutionType::kCanceled, reason);
  execution.status = expired ? OrderStatus::kExpired : OrderStatus::kCanceled;
  execution.quantity = order.cumulative + removed;
  execution.last_quantity = removed;
  publish(order.owner, execution);
  close(order);
}

void Reporter::on_reduced(const Order& order, Reason reason, Quantity removed) {
  Execution execution = describe(order, ExecutionType::kReduced, reason);
  execution.last_quantity = removed;
  publish(order.owner, execution);
}

void Reporter::on_replaced(const Order& order) {
  publish(order.owner, describe(order, ExecutionType::kReplaced, Reason::kNone));
  close(order);
}

void Reporter::on_expire_time(const Order& order, Nanoseconds before) {
  expiries.erase({before, order.id, cause.market->instrument.id});
  expiries.insert({order.terms.expire_time, order.id, cause.market->instrument.id});
}

void Reporter::on_triggered(const Order& order) {
  publish(order.owner, describe(order, ExecutionType::kTriggered, Reason::kNone));
}

void Reporter::on_level(Side side, Price price, Quantity quantity, std::uint32_t orders) {
  FeedEvent event;
  event.kind = FeedKind::kLevel;
  event.side = side;
  event.price = price;
  event.quantity = quantity;
  event.orders = orders;
  publish(event);
}

void Reporter::reject(const Command& command, Reason reason) {
  Execution execution;
  execution.type = ExecutionType::kRejected;
  execution.status = OrderStatus::kRejected;
  execution.reason = reason;
  execution.order_id = command.order_id;
  execution.has_order_id = command.has_order_id;
  execution.instrument = command.instrument;
  execution.side = reason == Reason::kInvalidSide ? Side::kUnspecified : command.side;
  execution.price = command.price;
  execution.stop_price = command.terms.stop_price;
  execution.quantity = command.quantity;
  publish(cause.participant, execution);
}

void Reporter::reject_change(const Command& command, const Order* order, Reason reason) {
  Execution execution;
  if (order != nullptr) {
    execution = describe(*order, ExecutionType::kCancelRejected, reason);
  } else {
    execution.type = ExecutionType::kCancelRejected;
    execution.reason = reason;
    execution.order_id = command.order_id;
    execution.has_order_id = command.has_order_id;
    execution.instrument = command.instrument;
  }
  publish(cause.participant, execution);
}

void Reporter::mass_canceled(std::uint32_t orders, InstrumentId instrument) {
  Execution execution;
  execution.type = ExecutionType::kMassCanceled;
  execution.reason = Reason::kMassCancel;
  execution.instrument = instrument;
  execution.affected_orders = orders;
  publish(cause.participant, execution);
}

void Reporter::status_changed() {
  FeedEvent event;
  event.kind = FeedKind::kStatus;
  event.status = cause.market->book.status();
  publish(event);
}

void Reporter::trade_adjusted(const AdjustTrade& adjust, const TradeSide& side, const Order* order) {
  const bool canceled = adjust.new_quantity == 0;
  const ExecutionType type = canceled ? ExecutionType::kTradeCanceled : ExecutionType::kTradeCorrected;
  Execution execution;
  if (order != nullptr) {
    execution = describe(*order, type, Reason::kNone);
  } else {
    execution.order_id = side.order_id;
    execution.has_order_id = true;
    execution.venue_order_id = side.venue_order_id;
    execution.instrument = adjust.instrument;
    execution.type = type;
    execution.side = side.side;
  }
  execution.price = adjust.price;
  execution.quantity = adjust.quantity;
  execution.last_price = canceled ? 0 : adjust.new_price;
  execution.last_quantity = adjust.new_quantity;
  execution.trade_id = adjust.trade_id;
  execution.liquidity = side.liquidity;
  publish(side.participant, execution);
}

void Reporter::trade_adjusted(const AdjustTrade& adjust) {
  FeedEvent event;
  event.kind = FeedKind::kTradeAdjustment;
  event.price = adjust.new_price;
  event.quantity = adjust.new_quantity;
  event.trade_id = adjust.trade_id;
  publish(event);
  FeedEvent& last = cause.market->last_trade;
  if (last.sequence > 0 && last.trade_id == adjust.trade_id && adjust.new_quantity > 0) {
    last.price = adjust.new_price;
    last.quantity = adjust.new_quantity;
  }
}

Execution Reporter::describe(const Order& order, ExecutionType type, Reason reason) const {
  Execution execution;
  execution.order_id = order.client_order_id;
  execution.has_order_id = true;
  execution.venue_order_id = order.id;
  execution.price = order.price;
  execution.stop_price = order.terms.stop_price;
  execution.quantity = order.cumulative + order.leaves;
  execution.cumulative = order.cumulative;
  execution.leaves = order.leaves;
  execution.instrument = cause.market->instrument.id;
  execution.type = type;
  execution.status = live_status(order);
  execution.side = order.side;
  execution.reason = reason;
  return execution;
}

void Reporter::publish(ParticipantIndex participant, Execution execution) {
  Participant& receiver = *participants[participant];
  execution.sequence = receiver.executions.last() + 1;
  execution.command_sequence = participant == cause.participant ? cause.command_sequence : 0;
  execution.time = cause.time;
  receiver.executions.add(execution);
  if (!receiver.touched) {
    receiver.touched = true;
    touched.push_back(participant);
  }
}

void Reporter::publish(FeedEvent event) {
  event.instrument = cause.market->instrument.id;
  event.sequence = cause.market->feed.last() + 1;
  event.time = cause.time;
  cause.market->feed.add(event);
  fresh_feed.push_back(event);
}

void Reporter::close(const Order& order) {
  if (order.leaves > 0) {
    return;
  }
  participants[order.owner]->open_orders.erase(order.client_order_id);
  if (order.time_in_force == TimeInForce::kGoodTillDate) {
    expiries.erase({order.terms.expire_time, order.id, cause.market->instrument.id});
  }
}

}  // namespace ordermesh::engine
