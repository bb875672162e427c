// What the naive book holds, and what can be said of it without changing it or telling anybody.
#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "naive_auction.h"
#include "naive_order.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine::test {

class NaiveOrders {
 public:
  TradingStatus status() const { return status_; }

  void set_halted(bool halted) {
    halted_ = halted;
    set_status();
  }

  AuctionKind call() const { return call_; }

  void begin_call(AuctionKind kind) {
    call_ = kind;
    set_halted(false);
  }

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

  // As they would be triggered.
  template <typename Visit>
  void for_each_waiting(Visit&& visit) const {
    std::list<Order> sorted = waiting_;
    sorted.remove_if([](const Order& order) { return !is_stop(order.type); });
    sort_by_trigger(sorted);
    for (const Order& order : sorted) {
      visit(order);
    }
    for (const auto kind : {TimeInForce::kAtTheOpening, TimeInForce::kAtTheClose}) {
      for (const Side side : {Side::kBuy, Side::kSell}) {
        for (const Order& order : waiting_) {
          if (order.time_in_force == kind && order.side == side) {
            visit(order);
          }
        }
      }
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

 protected:
  // Keyed so that the best price comes first.
  using Levels = std::map<Price, std::list<Order>>;

  void set_status() {
    status_ = call_ == AuctionKind::kUnspecified ? TradingStatus::kOpen : TradingStatus::kCall;
    if (halted_) {
      status_ = TradingStatus::kHalted;
    }
  }

  bool in_auction(const Order& order) const {
    return is_at_auction(order.time_in_force) && auction_of(order.time_in_force) == call_;
  }

  template <typename Visit>
  void for_each_in_auction(Visit&& visit) {
    for (Levels* levels : {&bids_, &asks_}) {
      for (auto& [key, level] : *levels) {
        for (Order& order : level) {
          visit(order);
        }
      }
    }
    for (Order& order : waiting_) {
      if (in_auction(order)) {
        visit(order);
      }
    }
  }

  // Market orders first, then the best limit; at one limit the book's orders first.
  Order* first_in_auction(Side side) {
    Order* first = nullptr;
    const auto rank = [&](const Order& order) {
      return std::pair(order.type != OrderType::kMarket, order.type == OrderType::kMarket ? 0 : key(side, order.price));
    };
    for_each_in_auction([&](Order& order) {
      if (order.side == side && order.leaves > 0 && (first == nullptr || rank(order) < rank(*first))) {
        first = &order;
      }
    });
    return first;
  }

  Levels& levels_of(Side side) { return side == Side::kBuy ? bids_ : asks_; }

  const Levels& levels_of(Side side) const { return side == Side::kBuy ? bids_ : asks_; }

  std::size_t orders_of(Side side) const {
    std::size_t count = 0;
    for (const auto& [price, level] : levels_of(side)) {
      count += level.size();
    }
    return count;
  }

  bool meets_somebody(const Order& taker) const {
    if (status_ == TradingStatus::kCall) {
      return false;
    }
    const Levels& levels = levels_of(opposite(taker.side));
    return !levels.empty() && may_trade(taker, levels.begin()->second.front());
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

  // The first order of a level has lost something: it goes when nothing is left, and to the back with a new tranche
  // when nothing is shown.
  static void settle_front(std::list<Order>& level) {
    Order& first = level.front();
    if (first.leaves == 0) {
      level.pop_front();
    } else if (shown(first) == 0) {
      conceal(first);
      level.splice(level.end(), level, level.begin());
    }
  }

  // Why an order is refused as it comes.
  Reason refusal(const Order& order) const {
    if (status_ == TradingStatus::kHalted) {
      return Reason::kHalted;
    }
    const bool may_rest = order.type == OrderType::kLimit && rests(order.time_in_force);
    if (status_ == TradingStatus::kCall && !order.waits && !may_rest) {
      return Reason::kCallPhase;
    }
    return order.terms.post_only && meets_somebody(order) ? Reason::kPostOnly : Reason::kNone;
  }

  // The last price counts again as one of this command's.
  void look_at_last() {
    prints_.clear();
    if (traded_) {
      prints_.push_back(last_);
    }
  }

  void remove(OrderId id) {
    const auto is_it = [&](const Order& order) { return order.id == id; };
    waiting_.remove_if(is_it);
    for (Levels* levels : {&bids_, &asks_}) {
      for (auto& [key, level] : *levels) {
        level.remove_if(is_it);
      }
    }
  }

  void erase_empty_levels() {
    for (Levels* levels : {&bids_, &asks_}) {
      std::erase_if(*levels, [](const auto& level) { return level.second.empty(); });
    }
  }

  std::vector<Order> all_in_auction() {
    std::vector<Order> orders;
    for_each_in_auction([&](const Order& order) { orders.push_back(order); });
    return orders;
  }

  void fill_in_auction(Order& order, Quantity by) {
    order.leaves -= by;
    order.cumulative += by;
    conceal(order);
    if (!order.waits) {
      touched_.insert({order.side, order.price});
    }
  }

  // Takes out those that wait for the auction that is over.
  std::list<Order> take_left_in_auction(Side side) {
    return take_waiting([&](const Order& order) { return in_auction(order) && order.side == side; });
  }

  // Takes out the stop orders that a trade of this command has reached, as they are to be triggered.
  std::list<Order> take_reached() {
    std::list<Order> reached = take_waiting([&](const Order& order) {
      return is_stop(order.type) &&
             std::any_of(prints_.begin(), prints_.end(), [&](Price print) { return reaches(print, order); });
    });
    prints_.clear();
    sort_by_trigger(reached);
    return reached;
  }

  template <typename Wanted>
  std::list<Order> take_waiting(Wanted&& wanted) {
    std::list<Order> taken;
    for (auto order = waiting_.begin(); order != waiting_.end();) {
      const auto next = std::next(order);
      if (wanted(*order)) {
        taken.splice(taken.end(), waiting_, order);
      }
      order = next;
    }
    return taken;
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

  Levels bids_;
  Levels asks_;
  std::list<Order> waiting_;   // oldest first
  std::vector<Price> prints_;  // of this command, since stop orders were looked for
  std::set<std::pair<Side, Price>> touched_;  // by an auction's trades
  AuctionKind call_ = AuctionKind::kUnspecified;
  bool halted_ = false;
  Price last_ = 0;
  bool traded_ = false;
  TradingStatus status_ = TradingStatus::kOpen;
};

}  // namespace ordermesh::engine::test
