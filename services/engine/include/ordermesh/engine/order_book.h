// The price-time priority book of one instrument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

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
  explicit OrderBook(Handler& handler) : matching_(handler), stops_(matching_.resting()) {}

  OrderBook(const OrderBook&) = delete;
  OrderBook& operator=(const OrderBook&) = delete;

  [[nodiscard]] TradingStatus status() const noexcept { return status_; }
  void set_status(TradingStatus status) noexcept { status_ = status; }

  // Orders that rest in the book or wait for their trigger; find() knows both.
  [[nodiscard]] std::size_t size() const noexcept { return resting().size(); }

  [[nodiscard]] const Order* find(OrderId id) const noexcept { return resting().find(id); }

  // Matches an order and rests what may rest; a stop order waits until a trade reaches it. Stop orders that are reached by
  // the call's trades are entered before it returns, and those that theirs reach after them: each once, so that it ends.
  Reason submit(const NewOrder& request) {
    if (status_ != TradingStatus::kOpen) {
      return Reason::kHalted;
    }
    if (resting().size() >= kBookCapacity) [[unlikely]] {
      return Reason::kCapacity;
    }
    if (request.terms.post_only && matching_.would_take(request.side, request.price)) [[unlikely]] {
      return Reason::kPostOnly;
    }
    Order& order = resting().admit(request);
    handler().on_accepted(order);
    if (is_stop(order.type)) [[unlikely]] {
      resting().remember(order);
      await_trigger(order);
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
    } else if (status_ != TradingStatus::kOpen) {
      return Reason::kHalted;
    } else if (order.terms.post_only && matching_.would_take(order.side, price)) {
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

  // Calls visit(order) for each order that waits for its trigger, in the order in which they would be triggered by one
  // trade: buy orders first.
  template <typename Visit>
  void for_each_waiting(Visit&& visit) const {
    stops_.for_each(std::forward<Visit>(visit));
  }

  // Puts an open order back as it was, behind those of its level or stop price, without telling the handler: how a book is
  // restored.
  void restore(const Order& saved) {
    Order& order = resting().pool().allocate();
    const std::uint32_t slot = order.slot;
    order = saved;
    order.slot = slot;
    order.iceberg = order.terms.display > 0;
    resting().remember(order);
    if (is_stop(order.type)) {
      stops_.add(order);
    } else {
      resting().join(order);
    }
  }
  void restore_last_price(Price price) noexcept { matching_.traded().note(price); }

 private:
  // Matches an order that has an id of its own but is not known by it, and rests what may rest.
  void enter(Order& taker) {
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

  // A stop order, which is known by its id, waits for its trigger, or is triggered if the last trade has reached it.
  void await_trigger(Order& order) {
    if (matching_.traded().last_reaches(order.side, order.terms.stop_price)) {
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
    } else {
      matching_.leave_level(order);
    }
  }

  void shrink(Order& order, Quantity by) {
    if (is_stop(order.type)) [[unlikely]] {
      order.leaves -= by;
    } else {
      matching_.shrink(order, by);
    }
  }

  void tell_level(const Order& order) {
    if (!is_stop(order.type)) [[likely]] {
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

  // Whether an order keeps its place with new terms: among those that wait the limit price and what will be shown do not
  // matter.
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
    if (is_stop(order.type)) {
      await_trigger(order);
      return;
    }
    matching_.match(order);
    if (order.leaves > 0) {
      matching_.rest(order);
    } else {
      resting().forget(order);
    }
  }

  [[nodiscard]] Handler& handler() noexcept { return matching_.handler(); }
  [[nodiscard]] RestingOrders& resting() noexcept { return matching_.resting(); }
  [[nodiscard]] const RestingOrders& resting() const noexcept { return matching_.resting(); }

  Matching<Handler> matching_;
  StopOrders stops_;
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine
