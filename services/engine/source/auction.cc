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

struct Candidate {
  Price price = 0;
  Quantity volume = 0;
  Quantity surplus = 0;

  [[nodiscard]] bool better_than(const Candidate& other) const noexcept {
    return volume != other.volume ? volume > other.volume : surplus < other.surplus;
  }
};

Price nearest(const std::vector<Candidate>& best, Price reference) {
  Price found = best.front().price;
  for (const Candidate& candidate : best) {
    if (std::abs(candidate.price - reference) < std::abs(found - reference)) {
      found = candidate.price;
    }
  }
  return found;
}

// Rounded down, below zero, too.
Price middle(Price lowest, Price highest) { return lowest + (highest - lowest) / 2; }

}  // namespace

Equilibrium find_equilibrium(const Interests& buys, const Interests& sells, std::optional<Price> reference) {
  std::vector<Candidate> best;
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
    const Candidate candidate{price, std::min(demand, supply), std::abs(demand - supply)};
    if (best.empty() || candidate.better_than(best.front())) {
      best.clear();
    }
    if (best.empty() || !best.front().better_than(candidate)) {
      best.push_back(candidate);
    }
  }
  if (best.empty() || best.front().volume == 0) {
    return {};
  }
  const Price wanted = reference.value_or(middle(best.front().price, best.back().price));
  return {nearest(best, wanted), best.front().volume};
}

}  // namespace ordermesh::engine
