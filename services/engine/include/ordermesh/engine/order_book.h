// The price-time priority book of one instrument.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/order_pool.h"
#include "ordermesh/engine/price_ladder.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Does no I/O, reads no clock, and is not thread-safe. Every change is told to the handler before the call returns.
// Calls that can refuse return the reason; Reason::kNone says that the call took effect.
template <HandlesBookEvents Handler>
class OrderBook {
 public:
  explicit OrderBook(Handler& handler) : handler_(handler) {}

  OrderBook(const OrderBook&) = delete;
  OrderBook& operator=(const OrderBook&) = delete;

  [[nodiscard]] TradingStatus status() const noexcept { return status_; }
  void set_status(TradingStatus status) noexcept { status_ = status; }

  // Orders that rest in the book.
  [[nodiscard]] std::size_t size() const noexcept { return resting_.size(); }

  [[nodiscard]] const Order* find(OrderId id) const noexcept { return resting_.find(id); }

  // Matches an order and rests what may rest.
  Reason submit(const NewOrder& request) {
    if (status_ != TradingStatus::kOpen) {
      return Reason::kHalted;
    }
    if (resting_.size() >= kBookCapacity) [[unlikely]] {
      return Reason::kCapacity;
    }
    Order& taker = resting_.admit(request);
    handler_.on_accepted(taker);
    if (taker.time_in_force == TimeInForce::kFillOrKill && !can_fill(taker)) {
      discard(taker, Reason::kFillOrKill);
      resting_.pool().release(taker);
      return Reason::kNone;
    }
    match(taker);
    if (taker.leaves > 0 && taker.type == OrderType::kLimit && rests(taker.time_in_force)) {
      resting_.remember(taker);
      rest(taker);
      return Reason::kNone;
    }
    if (taker.leaves > 0) {
      discard(taker, taker.type == OrderType::kMarket ? Reason::kNoLiquidity : Reason::kImmediateOrCancel);
    }
    resting_.pool().release(taker);
    return Reason::kNone;
  }

  // Cancels a resting order; `reason` is passed on to the handler.
  Reason cancel(OrderId id, Reason reason = Reason::kRequested) {
    Order* order = resting_.find(id);
    if (order == nullptr) {
      return Reason::kUnknownOrder;
    }
    leave_level(*order);
    discard(*order, reason);
    resting_.forget(*order);
    return Reason::kNone;
  }

  // Takes quantity off a resting order, which keeps its priority; cancels it when nothing is left.
  Reason reduce(OrderId id, Quantity by) {
    Order* order = resting_.find(id);
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
    handler_.on_reduced(*order, Reason::kRequested, by);
    tell_level(*order);
    return Reason::kNone;
  }

  // Gives a resting order a new price and a new total quantity (what is filled included). The caller has checked that
  // price and quantity lie within the limits.
  Reason replace(OrderId id, Price price, Quantity quantity) {
    Order* found = resting_.find(id);
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
    } else if (price == order.price && leaves <= order.leaves) {
      shrink(order, order.leaves - leaves);
      handler_.on_replaced(order);
      tell_level(order);
    } else if (status_ != TradingStatus::kOpen) {
      return Reason::kHalted;
    } else {
      requeue(order, price, leaves);
    }
    return Reason::kNone;
  }

  // Calls visit(price, level) from the best price on, until it returns false.
  template <typename Visit>
  void for_each_level(Side side, Visit&& visit) const {
    resting_.for_each_level(side, std::forward<Visit>(visit));
  }

  // Calls visit(order) for each resting order of a side in priority order.
  template <typename Visit>
  void for_each_order(Side side, Visit&& visit) const {
    resting_.for_each_order(side, std::forward<Visit>(visit));
  }

  // Puts a resting order back as it was, behind those of its level, without telling the handler: how a book is
  // restored.
  void restore(const Order& saved) {
    Order& order = resting_.pool().allocate();
    const std::uint32_t slot = order.slot;
    order = saved;
    order.slot = slot;
    resting_.remember(order);
    resting_.join(order);
  }

 private:
  // The worst key of the other side that the order may trade at.
  [[nodiscard]] PriceLadder::Key limit_of(const Order& taker, const PriceLadder& makers) const noexcept {
    return taker.type == OrderType::kMarket ? PriceLadder::kNoKey - 1 : makers.key(taker.price);
  }

  void match(Order& taker) {
    PriceLadder& makers = resting_.ladder(opposite(taker.side));
    const PriceLadder::Key limit = limit_of(taker, makers);
    while (taker.leaves > 0 && makers.best_key() <= limit) {
      const PriceLadder::Key key = makers.best_key();
      Level& level = makers.best();
      const Quantity before = level.quantity;
      match_level(taker, level, makers.price(key));
      if (level.quantity != before) {
        handler_.on_level(opposite(taker.side), makers.price(key), level.quantity, level.count);
      }
      if (level.count == 0) {
        makers.close(key);
      }
    }
  }

  void match_level(Order& taker, Level& level, Price price) {
    do {
      Order& maker = resting_.pool()[level.head];
      if (taker.self_trade_prevention != SelfTradePrevention::kNone && same_group(maker, taker)) [[unlikely]] {
        prevent(taker, maker, level);
        continue;
      }
      const Quantity traded = std::min(taker.leaves, maker.leaves);
      taker.leaves -= traded;
      taker.cumulative += traded;
      maker.leaves -= traded;
      maker.cumulative += traded;
      level.quantity -= traded;
      handler_.on_trade(maker, taker, price, traded);
      if (maker.leaves == 0) {
        resting_.unlink(maker, level);
        resting_.forget(maker);
      }
    } while (taker.leaves > 0 && level.count > 0);
  }

  // The taker has met a maker of its own group: the taker's mode decides who goes.
  [[gnu::noinline]] void prevent(Order& taker, Order& maker, Level& level) {
    const SelfTradePrevention mode = taker.self_trade_prevention;
    const Quantity both = std::min(taker.leaves, maker.leaves);
    if (mode == SelfTradePrevention::kDecrement) {
      take_off(maker, both, &level);
      take_off(taker, both, nullptr);
      return;
    }
    if (mode != SelfTradePrevention::kCancelNewest) {
      take_off(maker, maker.leaves, &level);
    }
    if (mode != SelfTradePrevention::kCancelOldest) {
      take_off(taker, taker.leaves, nullptr);
    }
  }

  // Self-trade prevention takes quantity off an order; `level` is where it rests, if it does.
  void take_off(Order& order, Quantity by, Level* level) {
    order.leaves -= by;
    if (level != nullptr) {
      level->quantity -= by;
    }
    if (order.leaves > 0) {
      handler_.on_reduced(order, Reason::kSelfTradePrevention, by);
      return;
    }
    handler_.on_canceled(order, Reason::kSelfTradePrevention, by);
    if (level != nullptr) {
      resting_.unlink(order, *level);
      resting_.forget(order);
    }
  }

  // Whether the whole order would trade now. Orders of its own group count for nothing; but for kCancelOldest, which
  // steps over them, the first of them ends the search.
  [[nodiscard]] bool can_fill(const Order& taker) const {
    const PriceLadder& makers = resting_.ladder(opposite(taker.side));
    const OrderPool& pool = resting_.pool();
    const PriceLadder::Key limit = limit_of(taker, makers);
    Quantity missing = taker.leaves;
    bool stopped = false;
    makers.for_each([&](PriceLadder::Key key, const Level& level) {
      if (key > limit) {
        return false;
      }
      if (taker.self_trade_prevention == SelfTradePrevention::kNone) {
        missing -= level.quantity;
        return missing > 0;
      }
      for (std::uint32_t slot = level.head; slot != OrderPool::kNone && missing > 0 && !stopped;
           slot = pool[slot].next) {
        if (!same_group(pool[slot], taker)) {
          missing -= pool[slot].leaves;
        } else {
          stopped = taker.self_trade_prevention != SelfTradePrevention::kCancelOldest;
        }
      }
      return missing > 0 && !stopped;
    });
    return missing <= 0;
  }

  // Ends what is left of an order that is in no level.
  void discard(Order& order, Reason reason) {
    const Quantity removed = order.leaves;
    order.leaves = 0;
    handler_.on_canceled(order, reason, removed);
  }

  // The new quantity is not above what is filled: the order is done.
  void finish(Order& order) {
    leave_level(order);
    order.leaves = 0;
    handler_.on_replaced(order);
    resting_.forget(order);
  }

  void requeue(Order& order, Price price, Quantity leaves) {
    leave_level(order);
    order.price = price;
    order.leaves = leaves;
    handler_.on_replaced(order);
    match(order);
    if (order.leaves > 0) {
      rest(order);
    } else {
      resting_.forget(order);
    }
  }

  void shrink(Order& order, Quantity by) {
    order.leaves -= by;
    resting_.level_of(order).quantity -= by;
  }

  void rest(Order& order) {
    const Level& level = resting_.join(order);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
  }

  // Takes an order out of its level, with what is open of it, and tells the level.
  void leave_level(Order& order) {
    PriceLadder& levels = resting_.ladder(order.side);
    const PriceLadder::Key key = levels.key(order.price);
    Level& level = levels.at(key);
    level.quantity -= order.leaves;
    resting_.unlink(order, level);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
    if (level.count == 0) {
      levels.close(key);
    }
  }

  void tell_level(const Order& order) {
    const Level& level = resting_.level_of(order);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
  }

  Handler& handler_;
  RestingOrders resting_;
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine
