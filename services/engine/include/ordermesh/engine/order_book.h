// The price-time priority book of one instrument.
#pragma once

#include <cstddef>
#include <utility>

#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/matching.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Does no I/O, reads no clock, and is not thread-safe. Every change is told to the handler before the call returns.
// Calls that can refuse return the reason; Reason::kNone says that the call took effect.
template <HandlesBookEvents Handler>
class OrderBook {
 public:
  explicit OrderBook(Handler& handler) : matching_(handler) {}

  OrderBook(const OrderBook&) = delete;
  OrderBook& operator=(const OrderBook&) = delete;

  [[nodiscard]] TradingStatus status() const noexcept { return status_; }
  void set_status(TradingStatus status) noexcept { status_ = status; }

  // Orders that rest in the book.
  [[nodiscard]] std::size_t size() const noexcept { return resting().size(); }

  [[nodiscard]] const Order* find(OrderId id) const noexcept { return resting().find(id); }

  // Matches an order and rests what may rest.
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
    Order& taker = resting().admit(request);
    handler().on_accepted(taker);
    if (taker.time_in_force == TimeInForce::kFillOrKill && !matching_.can_fill(taker)) {
      matching_.discard(taker, Reason::kFillOrKill);
      resting().pool().release(taker);
      return Reason::kNone;
    }
    matching_.match(taker);
    if (taker.leaves > 0 && taker.type == OrderType::kLimit && rests(taker.time_in_force)) {
      resting().remember(taker);
      matching_.rest(taker);
      return Reason::kNone;
    }
    if (taker.leaves > 0) {
      matching_.discard(taker, taker.type == OrderType::kMarket ? Reason::kNoLiquidity : Reason::kImmediateOrCancel);
    }
    resting().pool().release(taker);
    return Reason::kNone;
  }

  // Cancels a resting order; `reason` is passed on to the handler.
  Reason cancel(OrderId id, Reason reason = Reason::kRequested) {
    Order* order = resting().find(id);
    if (order == nullptr) {
      return Reason::kUnknownOrder;
    }
    matching_.leave_level(*order);
    matching_.discard(*order, reason);
    resting().forget(*order);
    return Reason::kNone;
  }

  // Takes quantity off a resting order, which keeps its priority; cancels it when nothing is left.
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
    matching_.shrink(*order, by);
    handler().on_reduced(*order, Reason::kRequested, by);
    matching_.tell_level(*order);
    return Reason::kNone;
  }

  // Gives a resting order a new price and a new total quantity (what is filled included), and what else is to change. The
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
    } else if (price == order.price && leaves <= order.leaves && !amends(amendment, order)) {
      matching_.shrink(order, order.leaves - leaves);
      handler().on_replaced(order);
      matching_.tell_level(order);
    } else if (status_ != TradingStatus::kOpen) {
      return Reason::kHalted;
    } else if (order.terms.post_only && matching_.would_take(order.side, price)) {
      return Reason::kPostOnly;
    } else {
      matching_.leave_level(order);
      amend(order, amendment);
      requeue(order, price, leaves);
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

  // Puts a resting order back as it was, behind those of its level, without telling the handler: how a book is
  // restored.
  void restore(const Order& saved) {
    Order& order = resting().pool().allocate();
    const std::uint32_t slot = order.slot;
    order = saved;
    order.slot = slot;
    order.iceberg = order.terms.display > 0;
    resting().remember(order);
    resting().join(order);
  }

 private:
  // The new quantity is not above what is filled: the order is done.
  void finish(Order& order) {
    matching_.leave_level(order);
    order.leaves = 0;
    handler().on_replaced(order);
    resting().forget(order);
  }

  static bool amends(const Amendment& amendment, const Order& order) noexcept {
    return amendment.display.value_or(order.terms.display) != order.terms.display;
  }

  static void amend(Order& order, const Amendment& amendment) noexcept {
    order.terms.display = amendment.display.value_or(order.terms.display);
    order.iceberg = order.terms.display > 0;
    order.hidden = 0;
  }

  // Enters an order that has left its level again, with new terms.
  void requeue(Order& order, Price price, Quantity leaves) {
    order.price = price;
    order.leaves = leaves;
    handler().on_replaced(order);
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
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine
