// The price-time priority book of one instrument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ordermesh/engine/book_core.h"
#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Does no I/O, reads no clock, and is not thread-safe. Every change is told to the handler before the call returns.
// Calls that can refuse return the reason; Reason::kNone says that the call took effect.
template <HandlesBookEvents Handler>
class OrderBook : private BookCore<Handler> {
  using Core = BookCore<Handler>;
  using Core::enter;
  using Core::collect;
  using Core::would_take;
  using Core::wait;
  using Core::release_stops;
  using Core::withdraw;
  using Core::shrink;
  using Core::tell_level;
  using Core::finish;
  using Core::keeps_place;
  using Core::amend;
  using Core::requeue;
  using Core::find_status;
  using Core::handler;
  using Core::resting;
  using Core::matching_;
  using Core::stops_;
  using Core::auction_;
  using Core::call_;
  using Core::halted_;
  using Core::status_;

 public:
  explicit OrderBook(Handler& receiver) : Core(receiver) {}

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

  // What uncross() would find now.
  [[nodiscard]] Equilibrium indicative() const {
    const auto interests = [&](Side side) { return interests_of(resting(), auction_, call_, side); };
    const TradedPrices& traded = matching_.traded();
    const auto reference = traded.any() ? std::optional<Price>(traded.last()) : std::nullopt;
    return find_equilibrium(interests(Side::kBuy), interests(Side::kSell), reference);
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
      return collect(request);
    }
    if (resting().size() >= kBookCapacity) [[unlikely]] {
      return Reason::kCapacity;
    }
    if (request.terms.post_only && matching_.would_take(request.side, request.price)) [[unlikely]] {
      return Reason::kPostOnly;
    }
    Order& order = resting().admit(request);
    handler().on_accepted(order);
    if (order.waits) [[unlikely]] {
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

  // Takes note that an open order has traded so much more (or less) than it seemed. What is left of it stays, so that it is
  // its total quantity that changes. nullptr when it is not open.
  const Order* adjust_filled(OrderId id, Quantity by) noexcept {
    Order* order = resting().find(id);
    if (order != nullptr) {
      order->cumulative += by;
    }
    return order;
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
    order.waits = waits(order.type, order.time_in_force);
    resting().remember(order);
    if (is_stop(order.type)) {
      stops_.add(order);
      matching_.traded().watch(true);
    } else if (order.waits) {
      auction_.add(order);
    } else {
      resting().join(order);
    }
  }
  void restore_last_price(Price price) noexcept { matching_.traded().note(price); }
};

}  // namespace ordermesh::engine
