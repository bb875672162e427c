// Trades that were taken back or corrected after they were made.
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine {
namespace {

bool is_trade(const Execution& execution) { return execution.type == ExecutionType::kTrade; }

// Where a participant's first execution of a trade is; past the last when there is none. Numbers of trades rise, but
// what is no trade has none: it is stepped over.
std::uint64_t find_execution(const Recent<Execution>& executions, std::uint64_t trade_id) {
  std::uint64_t low = executions.first();
  std::uint64_t high = executions.last() + 1;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::uint64_t next = middle;
    while (next < high && !is_trade(executions[next])) {
      ++next;
    }
    if (next < high && executions[next].trade_id < trade_id) {
      low = next + 1;
    } else {
      high = middle;
    }
  }
  while (low <= executions.last() && !is_trade(executions[low])) {
    ++low;
  }
  return low;
}

}  // namespace

std::optional<AdjustTrade> Exchange::find_trade(std::uint64_t trade_id) const {
  AdjustTrade found;
  found.trade_id = trade_id;
  std::size_t sides = 0;
  for (ParticipantIndex index = 0; index < reporter_.participants.size() && sides < found.sides.size(); ++index) {
    const Recent<Execution>& executions = reporter_.participants[index]->executions;
    for (std::uint64_t next = find_execution(executions, trade_id);
         next <= executions.last() && sides < found.sides.size(); ++next) {
      const Execution& execution = executions[next];
      if (!is_trade(execution) || execution.trade_id != trade_id) {
        break;
      }
      found.instrument = execution.instrument;
      found.price = execution.last_price;
      found.quantity = execution.last_quantity;
      found.sides[sides++] = {index, execution.order_id, execution.venue_order_id, execution.side, execution.liquidity};
    }
  }
  return trade_id > 0 && sides == found.sides.size() ? std::optional(found) : std::nullopt;
}

Result Exchange::adjust_trade(const AdjustTrade& asked) {
  const auto market = markets_.find(asked.instrument);
  if (market == markets_.end()) {
    return {Outcome::kUnknownInstrument};
  }
  const auto known = adjusted_trades_.find(asked.trade_id);
  const AdjustedTrade now =
      known == adjusted_trades_.end() ? AdjustedTrade{asked.price, asked.quantity} : known->second;
  AdjustTrade adjust = asked;
  if (adjust.new_quantity == 0) {
    adjust.new_price = now.price;
  } else if (now.quantity == 0) {
    return {Outcome::kTradeCanceled};
  }
  const AdjustedTrade then{adjust.new_price, adjust.new_quantity};
  if (then == now) {
    return {};
  }
  const Instrument& instrument = market->second->instrument;
  if (!instrument.in_band(then.price)) {
    // A trade from before the band moved may keep its price.
    if (then.price != now.price) {
      return {Outcome::kPriceOutOfBand};
    }
  }
  if (then.quantity < 0 || then.quantity > instrument.maximum_quantity) {
    return {Outcome::kQuantityOutOfRange};
  }
  adjusted_trades_[adjust.trade_id] = then;
  adjust.price = now.price;
  adjust.quantity = now.quantity;
  reporter_.cause.market = market->second.get();
  for (const TradeSide& side : adjust.sides) {
    const Order* order = market->second->book.adjust_filled(side.venue_order_id, then.quantity - now.quantity);
    reporter_.trade_adjusted(adjust, side, order);
  }
  reporter_.trade_adjusted(adjust);
  return {Outcome::kDone, 1};
}

}  // namespace ordermesh::engine
