#include "ordermesh/engine/exchange.h"

#include <algorithm>
#include <variant>

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

bool in_band(const Instrument& instrument, Price price) {
  return price >= instrument.lowest_price && price <= instrument.highest_price;
}

bool is_valid_quantity(const Instrument& instrument, Quantity quantity) {
  return quantity >= 1 && quantity <= instrument.maximum_quantity;
}

}  // namespace

struct Exchange::Apply {
  Exchange& exchange;

  Result operator()(const DefineInstrument& define) const { return exchange.define(define.instrument); }
  Result operator()(const RegisterParticipant& participant) const { return exchange.enrol(participant.name); }
  Result operator()(const ParticipantCommand& command) const { return exchange.take(command); }
  Result operator()(const SetStatus& status) const { return exchange.set_status(status.instrument, status.status); }
  Result operator()(const ExpireDayOrders& expire) const { return exchange.expire_day_orders(expire.instrument); }
  Result operator()(const BeginAuction& begin) const { return exchange.begin_auction(begin.instrument, begin.kind); }
  Result operator()(const UncrossAuction& uncross) const { return exchange.uncross_auction(uncross); }
  Result operator()(const AdjustTrade& adjust) const { return exchange.adjust_trade(adjust); }
  Result operator()(const AdvanceTime&) const { return exchange.expire_due_orders(); }
};

Result Exchange::apply(const Transaction& transaction, Nanoseconds time) {
  reporter_.cause = {};
  reporter_.cause.time = time;
  return std::visit(Apply{*this}, transaction);
}

const Market* Exchange::market(InstrumentId instrument) const {
  const auto found = markets_.find(instrument);
  return found == markets_.end() ? nullptr : found->second.get();
}

Nanoseconds Exchange::next_expiry() const noexcept {
  return reporter_.expiries.empty() ? kNever : reporter_.expiries.begin()->time;
}

ParticipantIndex Exchange::find_participant(std::string_view name) const {
  const auto found = participants_by_name_.find(name);
  return found == participants_by_name_.end() ? Reporter::kVenue : found->second;
}

void Exchange::forget_news() {
  for (const ParticipantIndex index : reporter_.touched) {
    reporter_.participants[index]->touched = false;
  }
  reporter_.touched.clear();
  reporter_.fresh_feed.clear();
}

std::vector<OpenOrder> Exchange::open_orders(ParticipantIndex participant) const {
  std::vector<OpenOrder> orders;
  reporter_.participants[participant]->open_orders.for_each(
      [&](const ClientOrderId&, const OpenOrder& open) { orders.push_back(open); });
  std::sort(orders.begin(), orders.end(), [](const OpenOrder& a, const OpenOrder& b) { return a.id < b.id; });
  return orders;
}

Result Exchange::define(const Instrument& instrument) {
  const auto by_symbol = instruments_by_symbol_.find(instrument.symbol);
  const auto by_id = markets_.find(instrument.id);
  if (by_id == markets_.end() && by_symbol == instruments_by_symbol_.end()) {
    if (markets_.size() >= kMostInstruments) {
      return {Outcome::kTooMany};
    }
    reporter_.cause.market = &add_market(instrument);
    reporter_.status_changed();
    return {Outcome::kDone, 1};
  }
  if (by_id == markets_.end() || by_symbol == instruments_by_symbol_.end() || by_symbol->second != instrument.id) {
    return {Outcome::kInstrumentConflict};
  }
  if (by_id->second->instrument == instrument) {
    return {};
  }
  by_id->second->instrument = instrument;
  return {Outcome::kDone, 1};
}

Result Exchange::enrol(const std::string& name) {
  const ParticipantIndex known = find_participant(name);
  if (known != Reporter::kVenue) {
    return {Outcome::kDone, known};
  }
  const auto index = static_cast<ParticipantIndex>(reporter_.participants.size());
  if (index >= kMostParticipants) {
    return {Outcome::kTooMany};
  }
  reporter_.participants.push_back(std::make_unique<Participant>(name, settings_.executions_kept));
  participants_by_name_.emplace(name, index);
  return {Outcome::kDone, index};
}

Result Exchange::set_status(InstrumentId instrument, TradingStatus status) {
  const auto markets = meant(instrument);
  if (instrument != 0 && markets.empty()) {
    return {Outcome::kUnknownInstrument};
  }
  Result result;
  for (Market* market : markets) {
    const TradingStatus before = market->book.status();
    market->book.set_halted(status == TradingStatus::kHalted);
    if (market->book.status() != before) {
      reporter_.cause.market = market;
      reporter_.status_changed();
      ++result.count;
    }
  }
  return result;
}

Result Exchange::expire_day_orders(InstrumentId instrument) {
  const auto markets = meant(instrument);
  if (instrument != 0 && markets.empty()) {
    return {Outcome::kUnknownInstrument};
  }
  Result result;
  for (Market* market : markets) {
    std::vector<OrderId> expired;
    const auto note = [&](const Order& order) {
      if (order.time_in_force == TimeInForce::kDay) {
        expired.push_back(order.id);
      }
    };
    for (const Side side : {Side::kBuy, Side::kSell}) {
      market->book.for_each_order(side, note);
    }
    market->book.for_each_waiting(note);
    std::sort(expired.begin(), expired.end());
    reporter_.cause.market = market;
    for (const OrderId id : expired) {
      market->book.cancel(id, Reason::kEndOfDay);
    }
    result.count += static_cast<std::uint32_t>(expired.size());
  }
  return result;
}

Result Exchange::expire_due_orders() {
  Result result;
  while (next_expiry() <= reporter_.cause.time) {
    const Expiry due = *reporter_.expiries.begin();
    reporter_.cause.market = markets_.find(due.instrument)->second.get();
    reporter_.cause.market->book.cancel(due.id, Reason::kExpireTime);
    ++result.count;
  }
  return result;
}

Result Exchange::begin_auction(InstrumentId instrument, AuctionKind kind) {
  const auto found = markets_.find(instrument);
  if (found == markets_.end()) {
    return {Outcome::kUnknownInstrument};
  }
  OrderBook<Reporter>& book = found->second->book;
  if (book.call() != AuctionKind::kUnspecified) {
    return {book.call() == kind ? Outcome::kDone : Outcome::kOtherPhase};
  }
  book.begin_call(kind);
  reporter_.cause.market = found->second.get();
  reporter_.status_changed();
  return {Outcome::kDone, 1};
}

Result Exchange::uncross_auction(const UncrossAuction& uncross) {
  const auto found = markets_.find(uncross.instrument);
  if (found == markets_.end()) {
    return {Outcome::kUnknownInstrument};
  }
  Market& market = *found->second;
  if (market.book.status() != TradingStatus::kCall) {
    return {Outcome::kOtherPhase};
  }
  if (uncross.reference_price && !in_band(market.instrument, *uncross.reference_price)) {
    return {Outcome::kPriceOutOfBand};
  }
  reporter_.cause.market = &market;
  const Equilibrium found_price = market.book.uncross(uncross.reference_price);
  reporter_.status_changed();
  market.book.continue_trading();
  return {Outcome::kDone, 0, found_price.price, found_price.volume};
}

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
  if (has_limit(command.type) && !in_band(market->instrument, command.price)) {
    return Reason::kPriceOutOfBand;
  }
  const Price stop_price = command.terms.stop_price;
  if (is_stop(command.type) ? !in_band(market->instrument, stop_price) : stop_price != 0) {
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
  if (command.price != order.price && !in_band(instrument, command.price)) {
    return Reason::kPriceOutOfBand;
  }
  const Price stop_price = command.amendment.stop_price.value_or(order.terms.stop_price);
  if (stop_price != order.terms.stop_price && (!is_stop(order.type) || !in_band(instrument, stop_price))) {
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

std::vector<Market*> Exchange::meant(InstrumentId instrument) const {
  std::vector<Market*> markets;
  for (const auto& [id, market] : markets_) {
    if (instrument == 0 || instrument == id) {
      markets.push_back(market.get());
    }
  }
  return markets;
}

Market& Exchange::add_market(const Instrument& instrument) {
  instruments_by_symbol_.emplace(instrument.symbol, instrument.id);
  auto market = std::make_unique<Market>(instrument, reporter_, settings_.feed_events_kept);
  return *markets_.emplace(instrument.id, std::move(market)).first->second;
}

}  // namespace ordermesh::engine
