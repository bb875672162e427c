// An auction's price, found by trying every one.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "ordermesh/engine/auction.h"
#include "ordermesh/engine/types.h"

namespace ordermesh::engine::test {

// Of all the orders that take part.
inline Equilibrium naive_equilibrium(const std::vector<Order>& orders, std::optional<Price> reference) {
  std::set<Price> prices;
  for (const Order& order : orders) {
    if (order.type == OrderType::kLimit) {
      prices.insert(order.price);
    }
  }
  if (reference) {
    prices.insert(*reference);
  }
  std::vector<std::tuple<Quantity, Quantity, Price>> ranked;  // minus volume, surplus, price
  std::map<Price, Quantity> surplus;                          // bought beyond what is sold
  for (const Price price : prices) {
    Quantity demand = 0;
    Quantity supply = 0;
    for (const Order& order : orders) {
      if (order.side == Side::kBuy && (order.type == OrderType::kMarket || order.price >= price)) {
        demand += order.leaves;
      }
      if (order.side == Side::kSell && (order.type == OrderType::kMarket || order.price <= price)) {
        supply += order.leaves;
      }
    }
    surplus[price] = demand - supply;
    ranked.emplace_back(-std::min(demand, supply), std::max(demand, supply) - std::min(demand, supply), price);
  }
  std::sort(ranked.begin(), ranked.end());
  if (ranked.empty() || std::get<0>(ranked.front()) == 0) {
    return {};
  }
  std::vector<Price> best;
  for (const auto& [volume, left, price] : ranked) {
    if (volume == std::get<0>(ranked.front()) && left == std::get<1>(ranked.front())) {
      best.push_back(price);
    }
  }
  const Price wanted = reference.value_or(best.front() + (best.back() - best.front()) / 2);
  const Price nearest = *std::min_element(best.begin(), best.end(), [&](Price one, Price other) {
    return std::abs(one - wanted) < std::abs(other - wanted);
  });
  return {nearest, -std::get<0>(ranked.front()), surplus[nearest]};
}

}  // namespace ordermesh::engine::test
