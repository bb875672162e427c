// Orders that wait, apart from the book, until a trade reaches their stop price.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "ordermesh/engine/price_ladder.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// What was traded at: the last price, and, while somebody watches, how far prices went since he looked.
class TradedPrices {
 public:
  void note(Price price) noexcept {
    last_ = price;
    if (watched_) [[unlikely]] {
      lowest_ = std::min(lowest_, price);
      highest_ = std::max(highest_, price);
    }
  }

  [[nodiscard]] bool watched() const noexcept { return watched_; }
  void watch(bool watched) noexcept { watched_ = watched; }

  // Forgets how far prices went, but not the last one.
  void look() noexcept {
    lowest_ = kNone;
    highest_ = std::numeric_limits<Price>::min();
  }

  // The last price counts as one that nobody has looked at.
  void look_at_last() noexcept {
    if (any()) {
      note(last_);
    }
  }

  [[nodiscard]] bool any() const noexcept { return last_ != kNone; }
  // Only when there was any.
  [[nodiscard]] Price last() const noexcept { return last_; }

  // Whether the last trade lets a stop order go: it was at the stop price or beyond, against the order.
  [[nodiscard]] bool last_reaches(Side side, Price stop_price) const noexcept {
    return any() && (side == Side::kBuy ? last_ >= stop_price : last_ <= stop_price);
  }

  // Whether there was a trade since somebody looked; then how far prices went.
  [[nodiscard]] bool moved() const noexcept { return lowest_ != kNone; }
  [[nodiscard]] Price lowest() const noexcept { return lowest_; }
  [[nodiscard]] Price highest() const noexcept { return highest_; }

 private:
  // Beyond every price.
  static constexpr Price kNone = std::numeric_limits<Price>::max();

  Price last_ = kNone;
  Price lowest_ = kNone;
  Price highest_ = std::numeric_limits<Price>::min();
  bool watched_ = false;
};

class StopOrders {
 public:
  explicit StopOrders(RestingOrders& orders) noexcept : orders_(orders) {}

  [[nodiscard]] bool empty() const noexcept { return buys_.empty() && sells_.empty(); }

  // Puts an order, which is in no level, behind those with its stop price.
  void add(Order& order) { orders_.append(order, queues(order.side)[key(order)]); }

  void remove(const Order& order) {
    Queues& waiting = queues(order.side);
    const auto queue = waiting.find(key(order));
    orders_.unlink(order, queue->second);
    if (queue->second.count == 0) {
      waiting.erase(queue);
    }
  }

  // Takes out the orders that prices have reached and appends their slots: buy orders from the lowest stop price on,
  // then sell orders from the highest on; at one price the oldest first.
  void take_reached(const TradedPrices& traded, std::vector<std::uint32_t>& slots) {
    if (traded.moved()) {
      take(buys_, traded.highest(), slots);
      take(sells_, -traded.lowest(), slots);
    }
  }

  // Calls visit(order) for each order in the order in which they would be taken out.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Queues* waiting : {&buys_, &sells_}) {
      for (const auto& [key, queue] : *waiting) {
        for (std::uint32_t slot = queue.head; slot != OrderPool::kNone; slot = orders_.pool()[slot].next) {
          visit(orders_.pool()[slot]);
        }
      }
    }
  }

 private:
  // By stop price, so that the one that is reached first comes first.
  using Queues = std::map<Price, Level>;

  [[nodiscard]] static Price key(const Order& order) noexcept {
    return order.side == Side::kBuy ? order.terms.stop_price : -order.terms.stop_price;
  }
  [[nodiscard]] Queues& queues(Side side) noexcept { return side == Side::kBuy ? buys_ : sells_; }

  void take(Queues& waiting, Price reached, std::vector<std::uint32_t>& slots) {
    while (!waiting.empty() && waiting.begin()->first <= reached) {
      for (std::uint32_t slot = waiting.begin()->second.head; slot != OrderPool::kNone;
           slot = orders_.pool()[slot].next) {
        slots.push_back(slot);
      }
      waiting.erase(waiting.begin());
    }
  }

  RestingOrders& orders_;
  Queues buys_;
  Queues sells_;
};

}  // namespace ordermesh::engine
