// A book that is slow and obviously right: a sorted map of lists. The fast one must tell and hold the same.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "naive_orders.h"
#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine::test {

template <HandlesBookEvents Handler>
class NaiveBook : public NaiveOrders {
 public:
  explicit NaiveBook(Handler& handler) : handler_(handler) {}

  // Tries every limit and the reference price, and trades at the best, order by order.
  Equilibrium uncross(std::optional<Price> reference) {
    if (!reference && traded_) {
      reference = last_;
    }
    const Equilibrium found = naive_equilibrium(all_in_auction(), reference);
    Quantity rest = found.volume;
    while (rest > 0) {
      Order* buy = first_in_auction(Side::kBuy);
      Order* sell = first_in_auction(Side::kSell);
      const Quantity both = std::min({rest, buy->leaves, sell->leaves});
      rest -= both;
      fill_in_auction(*buy, both);
      fill_in_auction(*sell, both);
      handler_.on_auction_trade(*buy, *sell, found.price, both);
      last_ = found.price;
      traded_ = true;
    }
    for (const Side side : {Side::kBuy, Side::kSell}) {
      forget_filled(side);
    }
    for (const Side side : {Side::kBuy, Side::kSell}) {
      expire_auction_orders(side);
    }
    call_ = AuctionKind::kUnspecified;
    set_status();
    return found;
  }

  Equilibrium indicative() {
    return naive_equilibrium(all_in_auction(), traded_ ? std::optional<Price>(last_) : std::nullopt);
  }

  void continue_trading() {
    look_at_last();
    release_stops();
  }

  Reason submit(const NewOrder& request) {
    Order order = to_order(request);
    if (const Reason reason = refusal(order); reason != Reason::kNone) {
      return reason;
    }
    handler_.on_accepted(order);
    prints_.clear();
    if (order.waits) {
      wait(order);
    } else {
      enter(order);
    }
    release_stops();
    return Reason::kNone;
  }

  Reason cancel(OrderId id, Reason reason = Reason::kRequested) {
    const Order* found = find(id);
    if (found == nullptr) {
      return Reason::kUnknownOrder;
    }
    Order order = take_out(*found);
    cancel_rest(order, reason);
    return Reason::kNone;
  }

  Reason reduce(OrderId id, Quantity by) {
    const Order* found = find(id);
    if (found == nullptr) {
      return Reason::kUnknownOrder;
    }
    if (by <= 0) {
      return Reason::kInvalidQuantity;
    }
    if (by >= found->leaves) {
      return cancel(id);
    }
    Order& order = const_cast<Order&>(*found);
    take_off(order, by);
    handler_.on_reduced(order, Reason::kRequested, by);
    tell_level(order);
    return Reason::kNone;
  }

  Reason replace(OrderId id, Price price, Quantity quantity, const Amendment& amendment = {}) {
    const Order* found = find(id);
    if (found == nullptr) {
      return Reason::kUnknownOrder;
    }
    if (quantity <= found->cumulative && found->cumulative == 0) {
      return Reason::kInvalidQuantity;
    }
    if (quantity <= found->cumulative) {
      Order order = take_out(*found);
      order.leaves = 0;
      handler_.on_replaced(order);
      return Reason::kNone;
    }
    const Quantity leaves = quantity - found->cumulative;
    if (keeps_place(*found, price, leaves, amendment)) {
      Order& order = const_cast<Order&>(*found);
      take_off(order, order.leaves - leaves);
      order.price = price;
      give_terms(order, amendment);
      handler_.on_replaced(order);
      tell_level(order);
      return Reason::kNone;
    }
    if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    }
    Order changed = *found;
    changed.price = price;
    if (changed.terms.post_only && meets_somebody(changed)) {
      return Reason::kPostOnly;
    }
    Order order = take_out(*found);
    order.price = price;
    order.leaves = leaves;
    order.hidden = 0;
    give_terms(order, amendment);
    handler_.on_replaced(order);
    prints_.clear();
    if (order.waits) {
      wait(order);
    } else {
      if (status_ == TradingStatus::kOpen) {
        match(order);
      }
      if (order.leaves > 0) {
        rest(order);
      }
    }
    release_stops();
    return Reason::kNone;
  }

 private:
  void give_terms(Order& order, const Amendment& amendment) {
    const Nanoseconds before = order.terms.expire_time;
    amend(order, amendment);
    if (amendment.expire_time) {
      handler_.on_expire_time(order, before);
    }
  }

  void forget_filled(Side side) {
    waiting_.remove_if([](const Order& order) { return order.leaves == 0; });
    Levels& levels = levels_of(side);
    for (auto level = levels.begin(); level != levels.end();) {
      const Price price = key(side, level->first);
      level->second.remove_if([](const Order& order) { return order.leaves == 0; });
      if (touched_.erase({side, price}) > 0) {
        tell_level(side, price);
      }
      level = level->second.empty() ? levels.erase(level) : std::next(level);
    }
  }

  void expire_auction_orders(Side side) {
    for (Order& order : take_left_in_auction(side)) {
      cancel_rest(order, Reason::kAuctionOver);
    }
  }

  void enter(Order& order) {
    if (status_ == TradingStatus::kCall) {
      rest(order);
      return;
    }
    if (order.time_in_force == TimeInForce::kFillOrKill && !fills_wholly(order)) {
      cancel_rest(order, Reason::kFillOrKill);
      return;
    }
    match(order);
    if (order.leaves == 0) {
      return;
    }
    if (order.type == OrderType::kMarket) {
      cancel_rest(order, Reason::kNoLiquidity);
    } else if (order.time_in_force == TimeInForce::kImmediateOrCancel) {
      cancel_rest(order, Reason::kImmediateOrCancel);
    } else {
      rest(order);
    }
  }

  void wait(Order& order) {
    if (is_stop(order.type) && status_ == TradingStatus::kOpen && traded_ && reaches(last_, order)) {
      trigger(order);
    } else {
      waiting_.push_back(order);
    }
  }

  void trigger(Order& order) {
    order.waits = false;
    order.type = order.type == OrderType::kStop ? OrderType::kMarket : OrderType::kLimit;
    handler_.on_triggered(order);
    enter(order);
  }

  void release_stops() {
    std::list<Order> released;
    for (;;) {
      std::list<Order> reached = take_reached();
      released.splice(released.end(), reached);
      if (released.empty()) {
        return;
      }
      Order first = released.front();
      released.pop_front();
      trigger(first);
    }
  }

  void match(Order& taker) {
    Levels& levels = levels_of(opposite(taker.side));
    while (taker.leaves > 0 && !levels.empty() && may_trade(taker, levels.begin()->second.front())) {
      const auto level = levels.begin();
      const Price price = level->second.front().price;
      const auto before = totals(opposite(taker.side), price);
      while (taker.leaves > 0 && !level->second.empty()) {
        meet(taker, level->second);
      }
      if (totals(opposite(taker.side), price) != before) {
        tell_level(opposite(taker.side), price);
      }
      if (level->second.empty()) {
        levels.erase(level);
      }
    }
  }

  // The taker and the level's first order meet.
  void meet(Order& taker, std::list<Order>& level) {
    Order& maker = level.front();
    const Quantity both = std::min(taker.leaves, shown(maker));
    if (!prevented(taker, maker)) {
      maker.leaves -= both;
      maker.cumulative += both;
      taker.leaves -= both;
      taker.cumulative += both;
      handler_.on_trade(maker, taker, maker.price, both);
      last_ = maker.price;
      traded_ = true;
      prints_.push_back(last_);
      settle_front(level);
      return;
    }
    switch (taker.self_trade_prevention) {
      case SelfTradePrevention::kCancelNewest:
        cancel_rest(taker, Reason::kSelfTradePrevention);
        return;
      case SelfTradePrevention::kCancelOldest:
        cancel_rest(maker, Reason::kSelfTradePrevention);
        level.pop_front();
        return;
      case SelfTradePrevention::kCancelBoth:
        cancel_rest(maker, Reason::kSelfTradePrevention);
        level.pop_front();
        cancel_rest(taker, Reason::kSelfTradePrevention);
        return;
      default:
        lose(maker, both);
        settle_front(level);
        lose(taker, both);
        return;
    }
  }

  void lose(Order& order, Quantity by) {
    order.leaves -= by;
    if (order.leaves > 0) {
      handler_.on_reduced(order, Reason::kSelfTradePrevention, by);
    } else {
      handler_.on_canceled(order, Reason::kSelfTradePrevention, by);
    }
  }

  void cancel_rest(Order& order, Reason reason) {
    const Quantity removed = std::exchange(order.leaves, 0);
    handler_.on_canceled(order, reason, removed);
  }

  void rest(Order& order) {
    conceal(order);
    levels_of(order.side)[key(order.side, order.price)].push_back(order);
    tell_level(order.side, order.price);
  }

  Order take_out(const Order& resting) {
    const Order order = resting;
    remove(order.id);
    tell_level(order);
    erase_empty_levels();
    return order;
  }

  void tell_level(const Order& order) {
    if (!order.waits) {
      tell_level(order.side, order.price);
    }
  }

  void tell_level(Side side, Price price) {
    const auto [quantity, count] = totals(side, price);
    handler_.on_level(side, price, quantity, count);
  }

  Handler& handler_;
};

}  // namespace ordermesh::engine::test
