// A book that is slow and obviously right: a sorted map of lists. The fast one must tell and hold the same.
#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "ordermesh/engine/book_events.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine::test {

template <HandlesBookEvents Handler>
class NaiveBook {
 public:
  explicit NaiveBook(Handler& handler) : handler_(handler) {}

  TradingStatus status() const { return status_; }
  void set_status(TradingStatus status) { status_ = status; }

  std::size_t size() const { return orders_of(Side::kBuy) + orders_of(Side::kSell) + waiting_.size(); }

  const Order* find(OrderId id) const {
    for (const auto* levels : {&bids_, &asks_}) {
      for (const auto& [key, level] : *levels) {
        for (const Order& order : level) {
          if (order.id == id) {
            return &order;
          }
        }
      }
    }
    for (const Order& order : waiting_) {
      if (order.id == id) {
        return &order;
      }
    }
    return nullptr;
  }

  Reason submit(const NewOrder& request) {
    if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    }
    Order order = to_order(request);
    if (order.terms.post_only && meets_somebody(order)) {
      return Reason::kPostOnly;
    }
    handler_.on_accepted(order);
    prints_.clear();
    if (is_stop(order.type)) {
      await_trigger(order);
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
    order.hidden = std::max<Quantity>(0, order.hidden - by);
    order.leaves -= by;
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
    const bool same_display = !amendment.display || *amendment.display == found->terms.display;
    const bool same_stop = !amendment.stop_price || *amendment.stop_price == found->terms.stop_price;
    const bool same = is_stop(found->type) ? same_stop : same_display && price == found->price;
    if (same && leaves <= found->leaves) {
      Order& order = const_cast<Order&>(*found);
      order.hidden = std::max<Quantity>(0, order.hidden - (order.leaves - leaves));
      order.leaves = leaves;
      order.price = price;
      amend(order, amendment);
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
    amend(order, amendment);
    handler_.on_replaced(order);
    prints_.clear();
    if (is_stop(order.type)) {
      await_trigger(order);
    } else {
      match(order);
      if (order.leaves > 0) {
        rest(order);
      }
    }
    release_stops();
    return Reason::kNone;
  }

  // As they would be triggered.
  template <typename Visit>
  void for_each_waiting(Visit&& visit) const {
    std::list<Order> sorted = waiting_;
    sort_by_trigger(sorted);
    for (const Order& order : sorted) {
      visit(order);
    }
  }

  template <typename Visit>
  void for_each_order(Side side, Visit&& visit) const {
    for (const auto& [key, level] : levels_of(side)) {
      for (const Order& order : level) {
        visit(order);
      }
    }
  }

 private:
  static void amend(Order& order, const Amendment& amendment) {
    order.terms.stop_price = amendment.stop_price.value_or(order.terms.stop_price);
    order.terms.display = amendment.display.value_or(order.terms.display);
    order.iceberg = order.terms.display > 0;
  }

  void enter(Order& order) {
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

  static bool reaches(Price print, const Order& order) {
    return order.side == Side::kBuy ? print >= order.terms.stop_price : print <= order.terms.stop_price;
  }

  void await_trigger(Order& order) {
    if (traded_ && reaches(last_, order)) {
      trigger(order);
    } else {
      waiting_.push_back(order);
    }
  }

  void trigger(Order& order) {
    order.type = order.type == OrderType::kStop ? OrderType::kMarket : OrderType::kLimit;
    handler_.on_triggered(order);
    enter(order);
  }

  static void sort_by_trigger(std::list<Order>& orders) {
    orders.sort([](const Order& one, const Order& other) {
      if (one.side != other.side) {
        return one.side == Side::kBuy;
      }
      return key(opposite(one.side), one.terms.stop_price) < key(opposite(one.side), other.terms.stop_price);
    });
  }

  void release_stops() {
    std::list<Order> released;
    for (;;) {
      std::list<Order> reached;
      for (auto order = waiting_.begin(); order != waiting_.end();) {
        const auto next = std::next(order);
        if (std::any_of(prints_.begin(), prints_.end(), [&](Price print) { return reaches(print, *order); })) {
          reached.splice(reached.end(), waiting_, order);
        }
        order = next;
      }
      prints_.clear();
      sort_by_trigger(reached);
      released.splice(released.end(), reached);
      if (released.empty()) {
        return;
      }
      Order first = released.front();
      released.pop_front();
      trigger(first);
    }
  }

  // Keyed so that the best price comes first.
  using Levels = std::map<Price, std::list<Order>>;

  static Price key(Side side, Price price) { return side == Side::kBuy ? -price : price; }

  Levels& levels_of(Side side) { return side == Side::kBuy ? bids_ : asks_; }
  const Levels& levels_of(Side side) const { return side == Side::kBuy ? bids_ : asks_; }

  std::size_t orders_of(Side side) const {
    std::size_t count = 0;
    for (const auto& [price, level] : levels_of(side)) {
      count += level.size();
    }
    return count;
  }

  static Order to_order(const NewOrder& request) {
    Order order;
    order.id = request.id;
    order.price = request.price;
    order.leaves = request.quantity;
    order.self_trade_group = request.self_trade_group;
    order.owner = request.owner;
    order.side = request.side;
    order.type = request.type;
    order.time_in_force = request.time_in_force;
    order.self_trade_prevention = request.self_trade_prevention;
    order.client_order_id = request.client_order_id;
    order.accepted_time = request.time;
    order.terms = request.terms;
    order.iceberg = request.terms.display > 0;
    return order;
  }

  static bool may_trade(const Order& taker, const Order& maker) {
    if (taker.type == OrderType::kMarket) {
      return true;
    }
    return taker.side == Side::kBuy ? maker.price <= taker.price : maker.price >= taker.price;
  }

  bool meets_somebody(const Order& taker) const {
    const Levels& levels = levels_of(opposite(taker.side));
    return !levels.empty() && may_trade(taker, levels.begin()->second.front());
  }

  static bool prevented(const Order& taker, const Order& maker) {
    if (taker.self_trade_prevention == SelfTradePrevention::kNone) {
      return false;
    }
    if (taker.self_trade_group != maker.self_trade_group) {
      return false;
    }
    return taker.self_trade_group != 0 || taker.owner == maker.owner;
  }

  // Tries it on a copy of the other side, where own orders are stepped over or end it.
  bool fills_wholly(const Order& incoming) const {
    Order taker = incoming;
    Levels levels = levels_of(opposite(taker.side));
    for (auto& [key, level] : levels) {
      while (taker.leaves > 0 && !level.empty() && may_trade(taker, level.front())) {
        if (!prevented(taker, level.front())) {
          const Quantity both = std::min(taker.leaves, shown(level.front()));
          taker.leaves -= both;
          level.front().leaves -= both;
          settle_front(level);
        } else if (taker.self_trade_prevention == SelfTradePrevention::kCancelOldest) {
          level.pop_front();
        } else {
          return false;
        }
      }
    }
    return taker.leaves == 0;
  }

  static Quantity shown(const Order& order) { return order.leaves - order.hidden; }

  // The first order of a level has lost something: it goes when nothing is left, and to the back with a new tranche when
  // nothing is shown.
  static void settle_front(std::list<Order>& level) {
    Order& first = level.front();
    if (first.leaves == 0) {
      level.pop_front();
    } else if (shown(first) == 0) {
      conceal(first);
      level.splice(level.end(), level, level.begin());
    }
  }

  static void conceal(Order& order) {
    const bool partly = order.terms.display > 0 && order.terms.display < order.leaves;
    order.hidden = partly ? order.leaves - order.terms.display : 0;
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
    if (is_stop(order.type)) {
      waiting_.remove_if([&](const Order& each) { return each.id == order.id; });
      return order;
    }
    Levels& levels = levels_of(order.side);
    const auto level = levels.find(key(order.side, order.price));
    level->second.remove_if([&](const Order& each) { return each.id == order.id; });
    tell_level(order.side, order.price);
    if (level->second.empty()) {
      levels.erase(level);
    }
    return order;
  }

  // What a level shows, and its orders.
  std::pair<Quantity, std::uint32_t> totals(Side side, Price price) {
    std::pair<Quantity, std::uint32_t> found;
    for (const Order& order : levels_of(side)[key(side, price)]) {
      found.first += shown(order);
      ++found.second;
    }
    return found;
  }

  void tell_level(const Order& order) {
    if (!is_stop(order.type)) {
      tell_level(order.side, order.price);
    }
  }

  void tell_level(Side side, Price price) {
    const auto [quantity, count] = totals(side, price);
    handler_.on_level(side, price, quantity, count);
  }

  Handler& handler_;
  Levels bids_;
  Levels asks_;
  std::list<Order> waiting_;   // oldest first
  std::vector<Price> prints_;  // of this command, since stop orders were looked for
  Price last_ = 0;
  bool traded_ = false;
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine::test
