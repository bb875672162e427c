#include "ordermesh/engine/exchange.h"

#include <algorithm>
#include <variant>

namespace ordermesh::engine {

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
  if (uncross.reference_price && !market.instrument.in_band(*uncross.reference_price)) {
    return {Outcome::kPriceOutOfBand};
  }
  reporter_.cause.market = &market;
  const Equilibrium found_price = market.book.uncross(uncross.reference_price);
  reporter_.status_changed();
  market.book.continue_trading();
  return {Outcome::kDone, 0, found_price.price, found_price.volume};
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
