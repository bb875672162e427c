// What participants ask for: new orders, changes, cancels; checked, carried out, and answered.
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine {
namespace {

bool is_valid(Side side) { return side == Side::kBuy || side == Side::kSell; }

bool is_valid(OrderType type) { return type >= OrderType::kLimit && type <= OrderType::kStopLimit; }

bool has_limit(OrderType type) { return type == OrderType::kLimit || type == OrderType::kStopLimit; }

bool is_valid(TimeInForce time_in_force) {
  return time_in_force >= TimeInForce::kGoodTillCancel && time_in_force <= TimeInForce::kAtTheClose;
}

bool is_valid(SelfTradePrevention mode) {
  return mode >= SelfTradePrevention::kNone && mode <= SelfTradePrevention::kDecrement;
}

bool is_valid_quantity(const Instrument& instrument, Quantity quantity) {
  return quantity >= 1 && quantity <= instrument.maximum_quantity;
}

}  // namespace

Result Exchange::take(const ParticipantCommand& command) {
  Participant& participant = *reporter_.participants.at(command.participant);
  if (command.command.sequence <= participant.last_command_sequence) {
    return {Outcome::kIgnored};
  }
  participant.last_command_sequence = command.command.sequence;
  reporter_.cause.participant = command.participant;
  reporter_.cause.command_sequence = command.command.sequence;
  switch (command.command.kind) {
    case CommandKind::kNew:
      enter(command.command);
      break;
    case CommandKind::kMassCancel:
      mass_cancel(command.command);
      break;
    case CommandKind::kCancel:
    case CommandKind::kReduce:
    case CommandKind::kReplace:
      change(command.command);
      break;
  }
  return {};
}

Reason Exchange::check(const Command& command) const {
  const Market* market = this->market(command.instrument);
  if (!command.has_order_id) {
    return Reason::kInvalidOrderId;
  }
  if (market == nullptr) {
    return Reason::kUnknownInstrument;
  }
  if (!is_valid(command.side)) {
    return Reason::kInvalidSide;
  }
  if (!is_valid(command.type)) {
    return Reason::kInvalidOrderType;
  }
  if (!is_valid(command.time_in_force)) {
    return Reason::kInvalidTimeInForce;
  }
  if (!is_valid(command.self_trade_prevention)) {
    return Reason::kInvalidSelfTradePrevention;
  }
  if (!has_limit(command.type) && command.price != 0) {
    return Reason::kInvalidPrice;
  }
  if (has_limit(command.type) && !market->instrument.in_band(command.price)) {
    return Reason::kPriceOutOfBand;
  }
  const Price stop_price = command.terms.stop_price;
  if (is_stop(command.type) ? !market->instrument.in_band(stop_price) : stop_price != 0) {
    return Reason::kInvalidStopPrice;
  }
  if (!is_valid_quantity(market->instrument, command.quantity)) {
    return Reason::kInvalidQuantity;
  }
  if (const Reason reason = check_terms(command); reason != Reason::kNone) {
    return reason;
  }
  const Participant& participant = *reporter_.participants[reporter_.cause.participant];
  return participant.open_orders.find(command.order_id) == nullptr ? Reason::kNone : Reason::kDuplicateOrderId;
}

Reason Exchange::check_terms(const Command& command) const {
  const Terms& terms = command.terms;
  if (is_stop(command.type) && is_at_auction(command.time_in_force)) {
    return Reason::kInvalidTimeInForce;
  }
  if (terms.post_only && (command.type != OrderType::kLimit || !rests(command.time_in_force))) {
    return Reason::kInvalidExecutionInstruction;
  }
  if (terms.display != 0 && (terms.display < 0 || terms.display > command.quantity ||
                             !has_limit(command.type) || !rests(command.time_in_force))) {
    return Reason::kInvalidDisplayQuantity;
  }
  const bool dated = command.time_in_force == TimeInForce::kGoodTillDate;
  if (dated ? terms.expire_time <= reporter_.cause.time : terms.expire_time != 0) {
    return Reason::kInvalidExpireTime;
  }
  return Reason::kNone;
}

void Exchange::enter(const Command& command) {
  Reason reason = check(command);
  if (reason == Reason::kNone) {
    reporter_.cause.market = markets_.find(command.instrument)->second.get();
    reason = reporter_.cause.market->book.submit({.id = last_order_id_ + 1,
                                                  .side = command.side,
                                                  .type = command.type,
                                                  .time_in_force = command.time_in_force,
                                                  .self_trade_prevention = command.self_trade_prevention,
                                                  .price = command.price,
                                                  .quantity = command.quantity,
                                                  .owner = reporter_.cause.participant,
                                                  .self_trade_group = command.self_trade_group,
                                                  .client_order_id = command.order_id,
                                                  .time = reporter_.cause.time,
                                                  .terms = command.terms});
  }
  if (reason == Reason::kNone) {
    ++last_order_id_;
  } else {
    reporter_.reject(command, reason);
  }
}

void Exchange::change(const Command& command) {
  if (!command.has_order_id) {
    reporter_.reject_change(command, nullptr, Reason::kInvalidOrderId);
    return;
  }
  const OpenOrder* found = reporter_.participants[reporter_.cause.participant]->open_orders.find(command.order_id);
  if (found == nullptr) {
    reporter_.reject_change(command, nullptr, Reason::kUnknownOrder);
    return;
  }
  const OpenOrder open = *found;
  reporter_.cause.market = markets_.find(open.instrument)->second.get();
  const Reason reason = change_order(command, open);
  if (reason != Reason::kNone) {
    reporter_.reject_change(command, reporter_.cause.market->book.find(open.id), reason);
  }
}

Reason Exchange::change_order(const Command& command, const OpenOrder& open) {
  OrderBook<Reporter>& book = reporter_.cause.market->book;
  if (command.kind == CommandKind::kCancel) {
    return book.cancel(open.id);
  }
  if (command.kind == CommandKind::kReduce) {
    return book.reduce(open.id, command.quantity);
  }
  const Instrument& instrument = reporter_.cause.market->instrument;
  const Order& order = *book.find(open.id);
  // An order from before the band moved may keep its price.
  if (command.price != order.price && order.type == OrderType::kStop) {
    return Reason::kInvalidPrice;
  }
  if (command.price != order.price && !instrument.in_band(command.price)) {
    return Reason::kPriceOutOfBand;
  }
  const Price stop_price = command.amendment.stop_price.value_or(order.terms.stop_price);
  if (stop_price != order.terms.stop_price && (!is_stop(order.type) || !instrument.in_band(stop_price))) {
    return Reason::kInvalidStopPrice;
  }
  if (!is_valid_quantity(instrument, command.quantity)) {
    return Reason::kInvalidQuantity;
  }
  const Quantity display = command.amendment.display.value_or(0);
  const bool may_hide = order.type != OrderType::kStop && rests(order.time_in_force);
  if (display < 0 || display > command.quantity || (display > 0 && !may_hide)) {
    return Reason::kInvalidDisplayQuantity;
  }
  const auto& expire_time = command.amendment.expire_time;
  if (expire_time && (order.time_in_force != TimeInForce::kGoodTillDate || *expire_time <= reporter_.cause.time)) {
    return Reason::kInvalidExpireTime;
  }
  return book.replace(open.id, command.price, command.quantity, command.amendment);
}

void Exchange::mass_cancel(const Command& command) {
  if (command.instrument != 0 && market(command.instrument) == nullptr) {
    reporter_.reject_change(command, nullptr, Reason::kUnknownInstrument);
    return;
  }
  if (command.side != Side::kUnspecified && !is_valid(command.side)) {
    reporter_.reject_change(command, nullptr, Reason::kInvalidSide);
    return;
  }
  std::uint32_t canceled = 0;
  for (const OpenOrder& open : open_orders(reporter_.cause.participant)) {
    Market& market = *markets_.find(open.instrument)->second;
    const Order& order = *market.book.find(open.id);
    if ((command.instrument == 0 || command.instrument == open.instrument) &&
        (command.side == Side::kUnspecified || command.side == order.side) &&
        (command.self_trade_group == 0 || command.self_trade_group == order.self_trade_group)) {
      reporter_.cause.market = &market;
      market.book.cancel(open.id, Reason::kMassCancel);
      ++canceled;
    }
  }
  reporter_.mass_canceled(canceled, command.instrument);
}

}  // namespace ordermesh::engine
