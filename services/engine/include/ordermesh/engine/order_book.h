// The price-time priority book of one instrument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ordermesh/engine/auction.h"
#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/matching.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/stop_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Does no I/O, reads no clock, and is not thread-safe. Every change is told to the handler before the call returns.
// Calls that can refuse return the reason; Reason::kNone says that the call took effect.
template <HandlesBookEvents Handler>
class OrderBook {
 public:
  explicit OrderBook(Handler& handler) : matching_(handler), stops_(resting()), auction_(resting()) {}

  OrderBook(const OrderBook&) = delete;
  OrderBook& operator=(const OrderBook&) = delete;

  [[nodiscard]] TradingStatus status() const noexcept { return status_; }
  // Halts, or ends a halt: during a call phase the call phase goes on then.
  void set_halted(bool halted) noexcept {
    halted_ = halted;
    find_status();
  }

  // The call phase that goes on, also while it is halted; unspecified: none.
  [[nodiscard]] AuctionKind call() const noexcept { return call_; }

  // Begins a call phase, which ends a halt: from here on orders collect without matching.
  void begin_call(AuctionKind kind) noexcept {
    call_ = kind;
    set_halted(false);
  }

  // Ends the call phase: trades all that can be traded at one price, and ends what is left of the orders that were for
  // this auction only. The last trade's price is the reference price where none is given. continue_trading() is next.
  Equilibrium uncross(std::optional<Price> reference) {
    if (!reference && matching_.traded().any()) {
      reference = matching_.traded().last();
    }
    const Equilibrium found = Uncrossing<Handler>(matching_, auction_, call_).run(reference);
    std::vector<OrderId> left;
    for (const Side side : {Side::kBuy, Side::kSell}) {
      auction_.for_each(call_, side, [&](const Order& order) { left.push_back(order.id); });
    }
    for (const OrderId id : left) {
      cancel(id, Reason::kAuctionOver);
    }
    call_ = AuctionKind::kUnspecified;
    find_status();
    return found;
  }

  // Enters the stop orders that the auction's price, or the last one before it, has reached.
  void continue_trading() {
    matching_.traded().look_at_last();
    release_stops();
  }

  // Orders that rest in the book or wait for their trigger; find() knows both.
  [[nodiscard]] std::size_t size() const noexcept { return resting().size(); }

  [[nodiscard]] const Order* find(OrderId id) const noexcept { return resting().find(id); }

  // Matches an order and rests what may rest; a stop order waits until a trade reaches it. Stop orders that are reached
  // by the call's trades are entered before it returns, and those that theirs reach after them: each once, so that it
  // ends.
  Reason submit(const NewOrder& request) {
    if (status_ != TradingStatus::kOpen) [[unlikely]] {
      if (const Reason reason = refusal(request); reason != Reason::kNone) {
        return reason;
      }
    }
    if (resting().size() >= kBookCapacity) [[unlikely]] {
      return Reason::kCapacity;
    }
    if (request.terms.post_only && would_take(request.side, request.price)) [[unlikely]] {
      return Reason::kPostOnly;
    }
    Order& order = resting().admit(request);
    handler().on_accepted(order);
    if (waits(order)) [[unlikely]] {
      resting().remember(order);
      wait(order);
    } else {
      enter(order);
    }
    release_stops();
    return Reason::kNone;
  }

  // Cancels an open order; `reason` is passed on to the handler.
  Reason cancel(OrderId id, Reason reason = Reason::kRequested) {
    Order* order = resting().find(id);
    if (order == nullptr) {
      return Reason::kUnknownOrder;
    }
    withdraw(*order);
    matching_.discard(*order, reason);
    resting().forget(*order);
    return Reason::kNone;
  }

  // Takes quantity off an open order, which keeps its priority; cancels it when nothing is left.
  Reason reduce(OrderId id, Quantity by) {
    Order* order = resting().find(id);
    if (order == nullptr) {
      return Reason::kUnknownOrder;
    }
    if (by < 1) {
      return Reason::kInvalidQuantity;
    }
    if (by >= order->leaves) {
      return cancel(id);
    }
    shrink(*order, by);
    handler().on_reduced(*order, Reason::kRequested, by);
    tell_level(*order);
    return Reason::kNone;
  }

  // Gives an open order a new price and a new total quantity (what is filled included), and what else is to change. The
  // caller has checked that all of it lies within the limits.
  Reason replace(OrderId id, Price price, Quantity quantity, const Amendment& amendment = {}) {
    Order* found = resting().find(id);
    if (found == nullptr) {
      return Reason::kUnknownOrder;
    }
    Order& order = *found;
    const Quantity leaves = quantity - order.cumulative;
    if (leaves <= 0 && order.cumulative == 0) {
      return Reason::kInvalidQuantity;
    }
    if (leaves <= 0) {
      finish(order);
    } else if (keeps_place(order, price, leaves, amendment)) {
      shrink(order, order.leaves - leaves);
      order.price = price;
      amend(order, amendment);
      handler().on_replaced(order);
      tell_level(order);
    } else if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    } else if (order.terms.post_only && would_take(order.side, price)) {
      return Reason::kPostOnly;
    } else {
      withdraw(order);
      amend(order, amendment);
      order.hidden = 0;
      order.price = price;
      order.leaves = leaves;
      handler().on_replaced(order);
      requeue(order);
      release_stops();
    }
    return Reason::kNone;
  }

  // Calls visit(price, level) from the best price on, until it returns false.
  template <typename Visit>
  void for_each_level(Side side, Visit&& visit) const {
    resting().for_each_level(side, std::forward<Visit>(visit));
  }

  // Calls visit(order) for each resting order of a side in priority order.
  template <typename Visit>
  void for_each_order(Side side, Visit&& visit) const {
    resting().for_each_order(side, std::forward<Visit>(visit));
  }

  // Calls visit(order) for each order that waits: stop orders in the order in which they would be triggered by one
  // trade (buy orders first), then those for the opening and for the closing auction, oldest first.
  template <typename Visit>
  void for_each_waiting(Visit&& visit) const {
    stops_.for_each(visit);
    for (const AuctionKind kind : {AuctionKind::kOpening, AuctionKind::kClosing}) {
      auction_.for_each(kind, Side::kBuy, visit);
      auction_.for_each(kind, Side::kSell, visit);
    }
  }

  // Puts an open order back as it was, behind those of its level or stop price, without telling the handler: how a book
  // is restored.
  void restore(const Order& saved) {
    Order& order = resting().pool().allocate();
    const std::uint32_t slot = order.slot;
    order = saved;
    order.slot = slot;
    order.iceberg = order.terms.display > 0;
    resting().remember(order);
    if (is_stop(order.type)) {
      stops_.add(order);
    } else if (waits(order)) {
      auction_.add(order);
    } else {
      resting().join(order);
    }
  }
  void restore_last_price(Price price) noexcept {
    matching_.traded().note(price);
    matching_.traded().look();
  }

 private:
  // Matches an order that has an id of its own but is not known by it, and rests what may rest.
  void enter(Order& taker) {
    if (status_ == TradingStatus::kCall) [[unlikely]] {
      resting().remember(taker);
      matching_.rest(taker);
      return;
    }
    if (taker.time_in_force == TimeInForce::kFillOrKill && !matching_.can_fill(taker)) {
      matching_.discard(taker, Reason::kFillOrKill);
      resting().pool().release(taker);
      return;
    }
    matching_.match(taker);
    if (taker.leaves > 0 && taker.type == OrderType::kLimit && rests(taker.time_in_force)) {
      resting().remember(taker);
      matching_.rest(taker);
      return;
    }
    if (taker.leaves > 0) {
      matching_.discard(taker, taker.type == OrderType::kMarket ? Reason::kNoLiquidity : Reason::kImmediateOrCancel);
    }
    resting().pool().release(taker);
  }

  // Why an order may not be entered now, when trading is not continuous. What neither rests nor waits has no place in a
  // call phase.
  [[nodiscard]] Reason refusal(const NewOrder& request) const noexcept {
    if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    }
    const bool waiting = is_stop(request.type) || is_at_auction(request.time_in_force);
    return waiting || (request.type == OrderType::kLimit && rests(request.time_in_force)) ? Reason::kNone
                                                                                          : Reason::kCallPhase;
  }

  // In a call phase nobody takes.
  [[nodiscard]] bool would_take(Side side, Price price) const noexcept {
    return status_ == TradingStatus::kOpen && matching_.would_take(side, price);
  }

  // An order that is known by its id waits for its auction or its trigger; in continuous trading a stop order that the
  // last trade has reached is triggered instead.
  void wait(Order& order) {
    if (is_at_auction(order.time_in_force)) {
      auction_.add(order);
      return;
    }
    const bool continuous = status_ == TradingStatus::kOpen;
    if (continuous && matching_.traded().last_reaches(order.side, order.terms.stop_price)) {
      trigger(order);
      return;
    }
    if (stops_.empty()) {
      matching_.traded().look();
    }
    stops_.add(order);
  }

  // Enters a stop order that waits no longer.
  void trigger(Order& order) {
    order.type = order.type == OrderType::kStop ? OrderType::kMarket : OrderType::kLimit;
    handler().on_triggered(order);
    resting().disown(order);
    enter(order);
  }

  void release_stops() {
    if (!stops_.empty()) [[unlikely]] {
      release_reached();
    }
  }

  // Those that a trade reached are all taken out before the first is entered; those that their trades reach come after.
  [[gnu::noinline]] void release_reached() {
    std::vector<std::uint32_t> released;
    std::size_t next = 0;
    do {
      stops_.take_reached(matching_.traded(), released);
      matching_.traded().look();
      if (next < released.size()) {
        trigger(resting().pool()[released[next]]);
      }
    } while (next++ < released.size());
  }

  // Takes an open order out of where it rests or waits.
  void withdraw(Order& order) {
    if (is_stop(order.type)) [[unlikely]] {
      stops_.remove(order);
    } else if (waits(order)) [[unlikely]] {
      auction_.remove(order);
    } else {
      matching_.leave_level(order);
    }
  }

  void shrink(Order& order, Quantity by) {
    if (waits(order)) [[unlikely]] {
      order.leaves -= by;
    } else {
      matching_.shrink(order, by);
    }
  }

  void tell_level(const Order& order) {
    if (!waits(order)) [[likely]] {
      matching_.tell_level(order);
    }
  }

  // The new quantity is not above what is filled: the order is done.
  void finish(Order& order) {
    withdraw(order);
    order.leaves = 0;
    handler().on_replaced(order);
    resting().forget(order);
  }

  // Whether an order keeps its place with new terms: among those that wait the limit price and what will be shown do
  // not matter.
  static bool keeps_place(const Order& order, Price price, Quantity leaves, const Amendment& amendment) noexcept {
    if (leaves > order.leaves) {
      return false;
    }
    if (is_stop(order.type)) {
      return amendment.stop_price.value_or(order.terms.stop_price) == order.terms.stop_price;
    }
    return price == order.price && amendment.display.value_or(order.terms.display) == order.terms.display;
  }

  static void amend(Order& order, const Amendment& amendment) noexcept {
    order.terms.stop_price = amendment.stop_price.value_or(order.terms.stop_price);
    order.terms.display = amendment.display.value_or(order.terms.display);
    order.iceberg = order.terms.display > 0;
  }

  // Enters an order again that has left its place and is known by its id.
  void requeue(Order& order) {
    if (waits(order)) {
      wait(order);
      return;
    }
    if (status_ == TradingStatus::kOpen) {
      matching_.match(order);
    }
    if (order.leaves > 0) {
      matching_.rest(order);
    } else {
      resting().forget(order);
    }
  }

  void find_status() noexcept {
    status_ = halted_                              ? TradingStatus::kHalted
              : call_ != AuctionKind::kUnspecified ? TradingStatus::kCall
                                                   : TradingStatus::kOpen;
  }

  [[nodiscard]] Handler& handler() noexcept { return matching_.handler(); }
  [[nodiscard]] RestingOrders& resting() noexcept { return matching_.resting(); }
  [[nodiscard]] const RestingOrders& resting() const noexcept { return matching_.resting(); }

  Matching<Handler> matching_;
  StopOrders stops_;
  AuctionOrders auction_;
  AuctionKind call_ = AuctionKind::kUnspecified;
  bool halted_ = false;
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine
