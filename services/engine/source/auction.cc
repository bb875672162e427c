#include "ordermesh/engine/auction.h"

#include <algorithm>
#include <cstdlib>

namespace ordermesh::engine {
namespace {

Quantity total(const Interests& interests) {
  Quantity sum = 0;
  for (const Interest& interest : interests) {
    sum += interest.quantity;
  }
  return sum;
}

// All prices that may be the auction's, from the lowest on.
std::vector<Price> candidates(const Interests& buys, const Interests& sells, std::optional<Price> reference) {
  std::vector<Price> prices;
  for (const Interests* side : {&buys, &sells}) {
    for (const Interest& interest : *side) {
      if (interest.limit) {
        prices.push_back(*interest.limit);
      }
    }
  }
  if (reference) {
    prices.push_back(*reference);
  }
  std::sort(prices.begin(), prices.end());
  prices.erase(std::unique(prices.begin(), prices.end()), prices.end());
  return prices;
}

bool better_than(const Equilibrium& one, const Equilibrium& other) {
  return one.volume != other.volume ? one.volume > other.volume : std::abs(one.surplus) < std::abs(other.surplus);
}

const Equilibrium& nearest(const std::vector<Equilibrium>& best, Price reference) {
  return *std::min_element(best.begin(), best.end(), [reference](const Equilibrium& one, const Equilibrium& other) {
    return std::abs(one.price - reference) < std::abs(other.price - reference);
  });
}

// Rounded down, below zero, too.
Price middle(Price lowest, Price highest) { return lowest + (highest - lowest) / 2; }

}  // namespace

Interests interests_of(const RestingOrders& resting, const AuctionOrders& waiting, AuctionKind kind, Side side) {
  Interests found{{std::nullopt, 0}};  // market orders, as one
  resting.for_each_order(side, [&](const Order& order) {
    if (found.back().limit == order.price) {
      found.back().quantity += order.leaves;
    } else {
      found.push_back({order.price, order.leaves});
    }
  });
  const auto of_book = static_cast<Interests::difference_type>(found.size());
  waiting.for_each(kind, side, [&](const Order& order) {
    if (order.type == OrderType::kMarket) {
      found.front().quantity += order.leaves;
    } else {
      found.push_back({order.price, order.leaves});
    }
  });
  const auto better = [side](const Interest& one, const Interest& other) {
    return side == Side::kBuy ? *one.limit > *other.limit : *one.limit < *other.limit;
  };
  std::sort(found.begin() + of_book, found.end(), better);
  std::inplace_merge(found.begin() + 1, found.begin() + of_book, found.end(), better);
  return found;
}

Equilibrium find_equilibrium(const Interests& buys, const Interests& sells, std::optional<Price> reference) {
  std::vector<Equilibrium> best;
  Quantity demand = total(buys);
  Quantity supply = 0;
  auto out_of_demand = buys.rbegin();
  auto into_supply = sells.begin();
  for (const Price price : candidates(buys, sells, reference)) {
    for (; out_of_demand != buys.rend() && out_of_demand->limit && *out_of_demand->limit < price; ++out_of_demand) {
      demand -= out_of_demand->quantity;
    }
    for (; into_supply != sells.end() && (!into_supply->limit || *into_supply->limit <= price); ++into_supply) {
      supply += into_supply->quantity;
    }
    const Equilibrium candidate{price, std::min(demand, supply), demand - supply};
    if (best.empty() || better_than(candidate, best.front())) {
      best.clear();
    }
    if (best.empty() || !better_than(best.front(), candidate)) {
      best.push_back(candidate);
    }
  }
  if (best.empty() || best.front().volume == 0) {
    return {};
  }
  const Price wanted = reference.value_or(middle(best.front().price, best.back().price));
  return nearest(best, wanted);
}

}  // namespace ordermesh::engine
