// What a book does with one order of its own: entering it, letting it wait, releasing it, taking it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ordermesh/engine/auction.h"
#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/matching.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/stop_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// The part of OrderBook behind its calls.
template <HandlesBookEvents Handler>
class BookCore {
 protected:
  explicit BookCore(Handler& handler) : matching_(handler), stops_(resting()), auction_(resting()) {}

  // Matches an order that has an id of its own but is not known by it, and rests what may rest.
  [[gnu::always_inline]] void enter(Order& taker) {
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

  // Takes an order when trading is not continuous: in a call phase what may rest or waits, without matching.
  [[gnu::noinline]] Reason collect(const NewOrder& request) {
    if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    }
    const bool may_rest = request.type == OrderType::kLimit && rests(request.time_in_force);
    if (!may_rest && !waits(request.type, request.time_in_force)) {
      return Reason::kCallPhase;
    }
    if (resting().size() >= kBookCapacity) {
      return Reason::kCapacity;
    }
    Order& order = resting().admit(request);
    handler().on_accepted(order);
    resting().remember(order);
    if (order.waits) {
      wait(order);
    } else {
      matching_.rest(order);
    }
    return Reason::kNone;
  }

  // In a call phase nobody takes.
  [[nodiscard]] bool would_take(Side side, Price price) const noexcept {
    return status_ == TradingStatus::kOpen && matching_.would_take(side, price);
  }

  // An order that is known by its id waits for its auction or its trigger; in continuous trading a stop order that the
  // last trade has reached is triggered instead.
  [[gnu::noinline]] void wait(Order& order) {
    if (is_at_auction(order.time_in_force)) {
      auction_.add(order);
      return;
    }
    const bool continuous = status_ == TradingStatus::kOpen;
    if (continuous && matching_.traded().last_reaches(order.side, order.terms.stop_price)) {
      trigger(order);
      return;
    }
    stops_.add(order);
    matching_.traded().watch(true);
  }

  // Enters a stop order that waits no longer.
  [[gnu::noinline]] void trigger(Order& order) {
    order.waits = false;
    order.type = order.type == OrderType::kStop ? OrderType::kMarket : OrderType::kLimit;
    handler().on_triggered(order);
    resting().disown(order);
    enter(order);
  }

  void release_stops() {
    if (matching_.traded().watched()) [[unlikely]] {
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
    matching_.traded().watch(!stops_.empty());
  }

  // Takes an open order out of where it rests or waits.
  void withdraw(Order& order) {
    if (order.waits) [[unlikely]] {
      stop_waiting(order);
    } else {
      matching_.leave_level(order);
    }
  }

  [[gnu::noinline]] void stop_waiting(const Order& order) {
    if (is_stop(order.type)) {
      stops_.remove(order);
      matching_.traded().watch(!stops_.empty());
    } else {
      auction_.remove(order);
    }
  }

  void shrink(Order& order, Quantity by) {
    if (order.waits) [[unlikely]] {
      order.leaves -= by;
    } else {
      matching_.shrink(order, by);
    }
  }

  void tell_level(const Order& order) {
    if (!order.waits) [[likely]] {
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
  // not matter. Nowhere does the expire time.
  static bool keeps_place(const Order& order, Price price, Quantity leaves, const Amendment& amendment) noexcept {
    if (leaves > order.leaves) {
      return false;
    }
    if (is_stop(order.type)) {
      return amendment.stop_price.value_or(order.terms.stop_price) == order.terms.stop_price;
    }
    return price == order.price && amendment.display.value_or(order.terms.display) == order.terms.display;
  }

  void amend(Order& order, const Amendment& amendment) {
    order.terms.stop_price = amendment.stop_price.value_or(order.terms.stop_price);
    order.terms.display = amendment.display.value_or(order.terms.display);
    order.iceberg = order.terms.display > 0;
    if (amendment.expire_time) {
      const Nanoseconds before = std::exchange(order.terms.expire_time, *amendment.expire_time);
      handler().on_expire_time(order, before);
    }
  }

  // Enters an order again that has left its place and is known by its id.
  void requeue(Order& order) {
    if (order.waits) {
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
