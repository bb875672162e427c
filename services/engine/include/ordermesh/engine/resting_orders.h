// The orders of a book that rest: both sides' levels, the queue in each level, and the way from an order's id to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ordermesh/engine/hash_index.h"
#include "ordermesh/engine/order_pool.h"
#include "ordermesh/engine/price_ladder.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

class RestingOrders {
 public:
  [[nodiscard]] PriceLadder& ladder(Side side) noexcept { return side == Side::kBuy ? bids_ : asks_; }
  [[nodiscard]] const PriceLadder& ladder(Side side) const noexcept { return side == Side::kBuy ? bids_ : asks_; }
  [[nodiscard]] OrderPool& pool() noexcept { return pool_; }
  [[nodiscard]] const OrderPool& pool() const noexcept { return pool_; }

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }

  [[nodiscard]] const Order* find(OrderId id) const noexcept {
    const std::uint32_t* slot = index_.find(id);
    return slot == nullptr ? nullptr : &pool_[*slot];
  }
  [[nodiscard]] Order* find(OrderId id) noexcept {
    const std::uint32_t* slot = index_.find(id);
    return slot == nullptr ? nullptr : &pool_[*slot];
  }

  // A slot for a new order, which is not known by its id yet and in no level.
  [[nodiscard]] Order& admit(const NewOrder& request) {
    Order& order = pool_.allocate();
    order.id = request.id;
    order.price = request.price;
    order.leaves = request.quantity;
    order.cumulative = 0;
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
    order.waits = waits(request.type, request.time_in_force);
    order.hidden = 0;
    return order;
  }

  // Makes an order known by its id. It is in no level yet.
  void remember(const Order& order) { index_.insert(order.id, order.slot); }

  // Forgets an order that is in no level, and frees its slot.
  void forget(Order& order) noexcept {
    index_.erase(order.id);
    pool_.release(order);
  }

  // Forgets the id of an order that is in no level, but keeps its slot.
  void disown(const Order& order) noexcept { index_.erase(order.id); }

  [[nodiscard]] Level& level_of(const Order& order) noexcept {
    PriceLadder& levels = ladder(order.side);
    return levels.at(levels.key(order.price));
  }

  // Puts an order at the end of its level, and what it shows on the level's quantity.
  const Level& join(Order& order) {
    PriceLadder& levels = ladder(order.side);
    Level& level = levels.open(levels.key(order.price));
    level.quantity += displayed(order);
    append(order, level);
    if (order.iceberg) [[unlikely]] {
      ++icebergs_;
    }
    return level;
  }

  // Puts an order at the end of a queue.
  void append(Order& order, Level& level) noexcept {
    order.next = OrderPool::kNone;
    order.previous = level.tail;
    (level.tail == OrderPool::kNone ? level.head : pool_[level.tail].next) = order.slot;
    level.tail = order.slot;
    ++level.count;
  }

  // Takes an order out of its level for good. The level's quantity, and closing it when empty, are the caller's.
  void leave(const Order& order, Level& level) noexcept {
    unlink(order, level);
    if (order.iceberg) [[unlikely]] {
      --icebergs_;
    }
  }

  // Resting orders that show only a part.
  [[nodiscard]] std::uint32_t icebergs() const noexcept { return icebergs_; }

  // Takes an order out of a queue.
  void unlink(const Order& order, Level& level) noexcept {
    (order.previous == OrderPool::kNone ? level.head : pool_[order.previous].next) = order.next;
    (order.next == OrderPool::kNone ? level.tail : pool_[order.next].previous) = order.previous;
    --level.count;
  }

  // Calls visit(price, level) from the best price on, until it returns false.
  template <typename Visit>
  void for_each_level(Side side, Visit&& visit) const {
    const PriceLadder& levels = ladder(side);
    levels.for_each([&](PriceLadder::Key key, const Level& level) { return visit(levels.price(key), level); });
  }

  // Calls visit(order) for each order of a side in priority order.
  template <typename Visit>
  void for_each_order(Side side, Visit&& visit) const {
    for_each_level(side, [&](Price, const Level& level) {
      for (std::uint32_t slot = level.head; slot != OrderPool::kNone; slot = pool_[slot].next) {
        visit(pool_[slot]);
      }
      return true;
    });
  }

 private:
  OrderPool pool_;
  HashIndex<OrderId, std::uint32_t> index_;
  PriceLadder bids_{Side::kBuy};
  PriceLadder asks_{Side::kSell};
  std::uint32_t icebergs_ = 0;
};

}  // namespace ordermesh::engine
