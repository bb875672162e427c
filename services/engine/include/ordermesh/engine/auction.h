// Auctions: the orders that wait for one, the price at which most is traded, and trading at it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ordermesh/engine/matching.h"
#include "ordermesh/engine/resting_orders.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

// Orders of one auction's time in force. They wait apart from the book, oldest first, and take part in that auction
// only.
class AuctionOrders {
 public:
  explicit AuctionOrders(RestingOrders& orders) noexcept : orders_(orders) {}

  void add(Order& order) noexcept { orders_.append(order, queue(order)); }
  void remove(const Order& order) noexcept { orders_.unlink(order, queue(order)); }

  // Calls visit(order) for those of an auction and side, oldest first.
  template <typename Visit>
  void for_each(AuctionKind kind, Side side, Visit&& visit) const {
    for (std::uint32_t slot = queues_[index(kind, side)].head; slot != OrderPool::kNone;
         slot = orders_.pool()[slot].next) {
      visit(orders_.pool()[slot]);
    }
  }

 private:
  [[nodiscard]] static std::size_t index(AuctionKind kind, Side side) noexcept {
    return (kind == AuctionKind::kOpening ? 0U : 2U) + (side == Side::kBuy ? 0U : 1U);
  }
  [[nodiscard]] Level& queue(const Order& order) noexcept {
    return queues_[index(auction_of(order.time_in_force), order.side)];
  }

  RestingOrders& orders_;
  std::array<Level, 4> queues_;
};

// How much is wanted, or offered, at a limit. Market orders have none.
struct Interest {
  std::optional<Price> limit;
  Quantity quantity = 0;
};

// Buy interest from the highest limit on, sell interest from the lowest on; market orders first.
using Interests = std::vector<Interest>;

struct Equilibrium {
  Price price = 0;
  Quantity volume = 0;   // zero: nothing can be traded, and there is no price
  Quantity surplus = 0;  // what cannot trade at the price for want of another side: above zero to buy, below to sell
};

// What of a side takes part in an auction.
[[nodiscard]] Interests interests_of(const RestingOrders& resting, const AuctionOrders& waiting, AuctionKind kind,
                                     Side side);

// The price at which most can be traded; of those the one with the smallest surplus; of those the one nearest to the
// reference price, and of two equally near the lower. Candidates are the limits and the reference price. Without a
// reference price the middle between the lowest and the highest of the candidates that are left, rounded down, takes
// its place.
[[nodiscard]] Equilibrium find_equilibrium(const Interests& buys, const Interests& sells,
                                           std::optional<Price> reference);

// One auction's end: trades all that can be traded at one price. Market orders come first, then the better limit; at
// one limit the book's orders before those that waited for the auction, each in their order.
template <HandlesBookEvents Handler>
class Uncrossing {
 public:
  Uncrossing(Matching<Handler>& matching, AuctionOrders& waiting, AuctionKind kind)
      : matching_(matching), waiting_(waiting), kind_(kind) {}

  Equilibrium run(std::optional<Price> reference) {
    const Orders buys = ranked(Side::kBuy);
    const Orders sells = ranked(Side::kSell);
    const Equilibrium found = find_equilibrium(interests(buys), interests(sells), reference);
    std::size_t buy = 0;
    std::size_t sell = 0;
    std::size_t buys_traded = 0;
    std::size_t sells_traded = 0;
    for (Quantity rest = found.volume; rest > 0;) {
      const Quantity traded = std::min({rest, buys[buy]->leaves, sells[sell]->leaves});
      rest -= traded;
      fill(*buys[buy], traded);
      fill(*sells[sell], traded);
      matching_.handler().on_auction_trade(*buys[buy], *sells[sell], found.price, traded);
      buys_traded = buy + 1;
      sells_traded = sell + 1;
      buy += buys[buy]->leaves == 0 ? 1 : 0;
      sell += sells[sell]->leaves == 0 ? 1 : 0;
    }
    settle(Side::kBuy, buys, buys_traded);
    settle(Side::kSell, sells, sells_traded);
    if (found.volume > 0) {
      matching_.traded().note(found.price);
    }
    return found;
  }

 private:
  using Orders = std::vector<Order*>;

  [[nodiscard]] Orders ranked(Side side) {
    Orders orders;
    OrderPool& pool = matching_.resting().pool();
    waiting_.for_each(kind_, side, [&](const Order& order) { orders.push_back(&pool[order.slot]); });
    const auto first_limit = std::stable_partition(
        orders.begin(), orders.end(), [](const Order* order) { return order->type == OrderType::kMarket; });
    Orders limits;
    matching_.resting().for_each_order(side, [&](const Order& order) { limits.push_back(&pool[order.slot]); });
    limits.insert(limits.end(), first_limit, orders.end());
    const PriceLadder& levels = matching_.resting().ladder(side);
    std::stable_sort(limits.begin(), limits.end(), [&](const Order* one, const Order* other) {
      return levels.key(one->price) < levels.key(other->price);
    });
    orders.erase(first_limit, orders.end());
    orders.insert(orders.end(), limits.begin(), limits.end());
    return orders;
  }

  [[nodiscard]] static Interests interests(const Orders& orders) {
    Interests found;
    found.reserve(orders.size());
    for (const Order* order : orders) {
      const bool limited = order->type != OrderType::kMarket;
      found.push_back({limited ? std::optional<Price>(order->price) : std::nullopt, order->leaves});
    }
    return found;
  }

  // A resting iceberg order shows a whole tranche again, and keeps its place.
  void fill(Order& order, Quantity by) {
    const Quantity before = displayed(order);
    order.leaves -= by;
    order.cumulative += by;
    if (!is_at_auction(order.time_in_force)) {
      matching_.conceal(order);
      matching_.resting().level_of(order).quantity += displayed(order) - before;
    }
  }

  // Forgets who is filled, and tells the levels of those that traded: all filled, but perhaps for the last.
  void settle(Side side, const Orders& orders, std::size_t traded) {
    RestingOrders& resting = matching_.resting();
    std::optional<Price> changed;
    for (std::size_t i = 0; i < traded; ++i) {
      Order* order = orders[i];
      if (is_at_auction(order->time_in_force)) {
        if (order->leaves == 0) {
          waiting_.remove(*order);
          resting.forget(*order);
        }
        continue;
      }
      if (changed && *changed != order->price) {
        matching_.tell_and_close(side, *changed);
      }
      changed = order->price;
      if (order->leaves == 0) {
        resting.leave(*order, resting.level_of(*order));
        resting.forget(*order);
      }
    }
    if (changed) {
      matching_.tell_and_close(side, *changed);
    }
  }

  Matching<Handler>& matching_;
  AuctionOrders& waiting_;
  AuctionKind kind_;
};

}  // namespace ordermesh::engine
