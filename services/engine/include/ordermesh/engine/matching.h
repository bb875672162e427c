// How an incoming order meets the orders that rest: the part of a book that every order goes through.
#pragma once

#include <algorithm>

#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/price_ladder.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/stop_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

template <HandlesBookEvents Handler>
class Matching {
 public:
  explicit Matching(Handler& handler) : handler_(handler) {}

  Matching(const Matching&) = delete;
  Matching& operator=(const Matching&) = delete;

  [[nodiscard]] Handler& handler() noexcept { return handler_; }
  [[nodiscard]] RestingOrders& resting() noexcept { return resting_; }
  [[nodiscard]] const RestingOrders& resting() const noexcept { return resting_; }
  [[nodiscard]] TradedPrices& traded() noexcept { return traded_; }
  [[nodiscard]] const TradedPrices& traded() const noexcept { return traded_; }

  // Trades an order in no level with what it may trade with.
  [[gnu::always_inline]] void match(Order& taker) {
    PriceLadder& makers = resting_.ladder(opposite(taker.side));
    const PriceLadder::Key limit = limit_of(taker, makers);
    while (taker.leaves > 0 && makers.best_key() <= limit) {
      const PriceLadder::Key key = makers.best_key();
      Level& level = makers.best();
      const Quantity before = level.quantity;
      const std::uint32_t count = level.count;
      const Quantity filled = taker.cumulative;
      match_level(taker, level, makers.price(key));
      if (taker.cumulative != filled) {
        traded_.note(makers.price(key));
      }
      if (level.quantity != before || level.count != count) {
        handler_.on_level(opposite(taker.side), makers.price(key), level.quantity, level.count);
      }
      if (level.count == 0) {
        makers.close(key);
      }
    }
  }

  // Whether the whole order would trade now, also with what is hidden. Orders of its own group count for nothing; but
  // for kCancelOldest, which steps over them, the first of them ends the search.
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
      if (taker.self_trade_prevention == SelfTradePrevention::kNone && resting_.icebergs() == 0) {
        missing -= level.quantity;
        return missing > 0;
      }
      Quantity hidden = 0;
      for (std::uint32_t slot = level.head; slot != OrderPool::kNone && missing > 0 && !stopped;
           slot = pool[slot].next) {
        const Order& maker = pool[slot];
        if (taker.self_trade_prevention == SelfTradePrevention::kNone || !same_group(maker, taker)) {
          missing -= displayed(maker);
          hidden += maker.leaves - displayed(maker);
        } else {
          stopped = taker.self_trade_prevention != SelfTradePrevention::kCancelOldest;
        }
      }
      // What is hidden comes behind all that is shown at the price.
      missing -= stopped ? 0 : hidden;
      return missing > 0 && !stopped;
    });
    return missing <= 0;
  }

  // Whether a limit order of a side and price would trade with somebody, or end him, rather than rest.
  [[nodiscard]] bool would_take(Side side, Price price) const noexcept {
    const PriceLadder& makers = resting_.ladder(opposite(side));
    return makers.best_key() <= makers.key(price);
  }

  // Ends what is left of an order that is in no level.
  void discard(Order& order, Reason reason) {
    const Quantity removed = order.leaves;
    order.leaves = 0;
    handler_.on_canceled(order, reason, removed);
  }

  // Takes quantity off a resting order, what is hidden first.
  void shrink(Order& order, Quantity by) {
    const Quantity unseen = order.iceberg ? std::min(by, order.hidden) : 0;
    order.leaves -= by;
    order.hidden -= unseen;
    resting_.level_of(order).quantity -= by - unseen;
  }

  // An iceberg order shows a whole tranche.
  static void conceal(Order& order) noexcept {
    if (order.iceberg) [[unlikely]] {
      order.hidden = order.leaves - std::min(order.terms.display, order.leaves);
    }
  }

  void rest(Order& order) {
    conceal(order);
    const Level& level = resting_.join(order);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
  }

  // Takes an order out of its level, with what is open of it, and tells the level.
  void leave_level(Order& order) {
    PriceLadder& levels = resting_.ladder(order.side);
    const PriceLadder::Key key = levels.key(order.price);
    Level& level = levels.at(key);
    level.quantity -= displayed(order);
    resting_.leave(order, level);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
    if (level.count == 0) {
      levels.close(key);
    }
  }

  // Tells a level, and closes it if it has no orders any more.
  void tell_and_close(Side side, Price price) {
    PriceLadder& levels = resting_.ladder(side);
    const Level& level = levels.at(levels.key(price));
    handler_.on_level(side, price, level.quantity, level.count);
    if (level.count == 0) {
      levels.close(levels.key(price));
    }
  }

  void tell_level(const Order& order) {
    const Level& level = resting_.level_of(order);
    handler_.on_level(order.side, order.price, level.quantity, level.count);
  }

 private:
  // The worst key of the other side that the order may trade at.
  [[nodiscard]] PriceLadder::Key limit_of(const Order& taker, const PriceLadder& makers) const noexcept {
    return taker.type == OrderType::kMarket ? PriceLadder::kNoKey - 1 : makers.key(taker.price);
  }

  void match_level(Order& taker, Level& level, Price price) {
    do {
      Order& maker = resting_.pool()[level.head];
      if (taker.self_trade_prevention != SelfTradePrevention::kNone && same_group(maker, taker)) [[unlikely]] {
        prevent(taker, maker, level);
        continue;
      }
      const Quantity traded = std::min(taker.leaves, displayed(maker));
      taker.leaves -= traded;
      taker.cumulative += traded;
      maker.leaves -= traded;
      maker.cumulative += traded;
      level.quantity -= traded;
      handler_.on_trade(maker, taker, price, traded);
      if (maker.leaves == 0) {
        resting_.leave(maker, level);
        resting_.forget(maker);
      } else if (maker.iceberg) [[unlikely]] {
        show_next(maker, level);
      }
    } while (taker.leaves > 0 && level.count > 0);
  }

  // The taker has met a maker of its own group: the taker's mode decides who goes.
  [[gnu::noinline]] void prevent(Order& taker, Order& maker, Level& level) {
    const SelfTradePrevention mode = taker.self_trade_prevention;
    const Quantity both = std::min(taker.leaves, displayed(maker));
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

  // Self-trade prevention takes quantity off an order, what is shown first; `level` is where it rests, if it does.
  void take_off(Order& order, Quantity by, Level* level) {
    if (level != nullptr) {
      level->quantity -= std::min(by, displayed(order));
    }
    order.leaves -= by;
    if (order.leaves > 0) {
      handler_.on_reduced(order, Reason::kSelfTradePrevention, by);
      if (level != nullptr && order.iceberg) {
        show_next(order, *level);
      }
      return;
    }
    handler_.on_canceled(order, Reason::kSelfTradePrevention, by);
    if (level != nullptr) {
      resting_.leave(order, *level);
      resting_.forget(order);
    }
  }

  // An iceberg order whose shown part is gone shows the next, at the back of its level.
  [[gnu::noinline]] void show_next(Order& order, Level& level) {
    if (displayed(order) > 0) {
      return;
    }
    const Quantity tranche = std::min(order.terms.display, order.leaves);
    order.hidden = order.leaves - tranche;
    level.quantity += tranche;
    resting_.unlink(order, level);
    resting_.append(order, level);
  }

  Handler& handler_;
  RestingOrders resting_;
  TradedPrices traded_;
};

}  // namespace ordermesh::engine
