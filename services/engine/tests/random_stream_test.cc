// Random streams through both books: what they tell and what they hold must be the same after every step.
#include <gtest/gtest.h>

#include <random>

#include "naive_book.h"
#include "ordermesh/engine/order_book.h"
#include "recorder.h"

namespace ordermesh::engine::test {
namespace {

struct Shape {
  const char* name;
  Price middle;
  Price spread;  // prices lie this far around the middle
  Price far;     // now and then they lie this far
  int steps;
};

class RandomStream : public ::testing::TestWithParam<std::tuple<Shape, unsigned>> {
 protected:
  RandomStream() : shape(std::get<0>(GetParam())), random(std::get<1>(GetParam())) {}

  std::int64_t draw(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  }
  Price draw_price() {
    const Price distance = draw(0, 99) == 0 ? shape.far : shape.spread;
    return shape.middle + draw(-distance, distance);
  }
  OrderId draw_id() { return static_cast<OrderId>(draw(std::max<std::int64_t>(1, last_id - 60), last_id + 1)); }

  NewOrder draw_order() {
    NewOrder order;
    order.id = static_cast<OrderId>(++last_id);
    order.side = draw(0, 1) == 0 ? Side::kBuy : Side::kSell;
    order.type = draw(0, 9) == 0 ? OrderType::kMarket : OrderType::kLimit;
    order.time_in_force = draw(0, 2) > 0 ? TimeInForce::kGoodTillCancel : static_cast<TimeInForce>(draw(1, 7));
    order.self_trade_prevention = static_cast<SelfTradePrevention>(draw(1, 5));
    order.price = order.type == OrderType::kMarket ? 0 : draw_price();
    order.quantity = draw(1, 30);
    if (draw(0, 5) == 0 && !is_at_auction(order.time_in_force)) {
      order.terms.stop_price = draw_price();
      order.type = order.type == OrderType::kMarket ? OrderType::kStop : OrderType::kStopLimit;
    }
    order.owner = static_cast<ParticipantIndex>(draw(0, 4));
    order.self_trade_group = static_cast<std::uint64_t>(draw(0, 3));
    order.terms.post_only = order.type == OrderType::kLimit && rests(order.time_in_force) && draw(0, 4) == 0;
    if (order.type == OrderType::kLimit && rests(order.time_in_force) && draw(0, 2) == 0) {
      order.terms.display = draw(1, order.quantity);
    }
    return order;
  }

  Amendment draw_amendment(const Order* known, Quantity quantity) {
    Amendment amendment;
    if (known != nullptr && is_stop(known->type) && draw(0, 1) == 0) {
      amendment.stop_price = draw_price();
    }
    if (draw(0, 4) == 0) {
      amendment.display = draw(0, quantity);
    }
    if (draw(0, 4) == 0) {
      amendment.expire_time = draw(1, 1000);
    }
    return amendment;
  }

  // Does one random thing to both books and says what it was.
  std::string step() {
    const std::int64_t kind = draw(0, 99);
    std::ostringstream what;
    if (kind < 60) {
      const NewOrder order = draw_order();
      what << "submit " << order.id;
      EXPECT_EQ(naive.submit(order), fast.submit(order));
    } else if (kind < 75) {
      const OrderId id = draw_id();
      what << "cancel " << id;
      EXPECT_EQ(naive.cancel(id), fast.cancel(id));
    } else if (kind < 83) {
      const OrderId id = draw_id();
      const Quantity by = draw(0, 20);
      what << "reduce " << id << " by " << by;
      EXPECT_EQ(naive.reduce(id, by), fast.reduce(id, by));
    } else if (kind < 98) {
      const OrderId id = draw_id();
      const Order* known = naive.find(id);
      const bool stop = known != nullptr && known->type == OrderType::kStop;
      const Price price = known != nullptr && (stop || draw(0, 1) == 0) ? known->price : draw_price();
      const Quantity quantity = draw(0, 30);
      what << "replace " << id << " " << quantity << "@" << price;
      const Amendment amendment = draw_amendment(known, quantity);
      EXPECT_EQ(naive.replace(id, price, quantity, amendment), fast.replace(id, price, quantity, amendment));
    } else if (naive.status() == TradingStatus::kCall && draw(0, 1) == 0) {
      what << "uncross";
      uncross();
    } else if (naive.call() == AuctionKind::kUnspecified && draw(0, 1) == 0) {
      const auto auction = static_cast<AuctionKind>(draw(1, 2));
      what << "auction " << static_cast<int>(auction);
      naive.begin_call(auction);
      fast.begin_call(auction);
    } else {
      const bool halted = draw(0, 2) == 0;
      what << "halted " << halted;
      naive.set_halted(halted);
      fast.set_halted(halted);
    }
    EXPECT_EQ(naive.status(), fast.status());
    return what.str();
  }

  void uncross() {
    const auto reference = draw(0, 1) == 0 ? std::optional<Price>(draw_price()) : std::nullopt;
    const Equilibrium expected = naive.uncross(reference);
    const Equilibrium found = fast.uncross(reference);
    EXPECT_EQ(expected.price, found.price);
    EXPECT_EQ(expected.volume, found.volume);
    EXPECT_EQ(expected.surplus, found.surplus);
    naive.continue_trading();
    fast.continue_trading();
  }

  // In a call phase: what would be traded if it ended now.
  void expect_the_same_indication() {
    if (naive.call() != AuctionKind::kUnspecified) {
      const Equilibrium expected = naive.indicative();
      const Equilibrium found = fast.indicative();
      EXPECT_EQ(expected.price, found.price);
      EXPECT_EQ(expected.volume, found.volume);
      EXPECT_EQ(expected.surplus, found.surplus);
    }
  }

  Shape shape;
  std::mt19937_64 random;
  std::int64_t last_id = 0;
  Recorder naive_told;
  Recorder fast_told;
  NaiveBook<Recorder> naive{naive_told};
  OrderBook<Recorder> fast{fast_told};
};

// The fast book's levels must be what its orders add up to.
std::vector<std::string> levels_from_orders(const OrderBook<Recorder>& book, Side side) {
  std::vector<std::string> lines;
  std::map<Price, std::pair<Quantity, std::uint32_t>> totals;
  std::vector<Price> prices;
  book.for_each_order(side, [&](const Order& order) {
    auto& [quantity, count] = totals[order.price];
    quantity += displayed(order);
    if (++count == 1) {
      prices.push_back(order.price);
    }
  });
  for (const Price price : prices) {
    lines.push_back(std::to_string(price) + ":" + std::to_string(totals[price].first) + "/" +
                    std::to_string(totals[price].second));
  }
  return lines;
}

std::vector<std::string> levels(const OrderBook<Recorder>& book, Side side) {
  std::vector<std::string> lines;
  book.for_each_level(side, [&](Price price, const Level& level) {
    lines.push_back(std::to_string(price) + ":" + std::to_string(level.quantity) + "/" + std::to_string(level.count));
    return true;
  });
  return lines;
}

TEST_P(RandomStream, BothBooksTellAndHoldTheSame) {
  for (int i = 0; i < shape.steps; ++i) {
    const std::string what = step();
    ASSERT_EQ(naive_told.take(), fast_told.take()) << "step " << i << ": " << what;
    ASSERT_EQ(contents(naive), contents(fast)) << "step " << i << ": " << what;
    ASSERT_EQ(naive.size(), fast.size());
    expect_the_same_indication();
    for (const Side side : {Side::kBuy, Side::kSell}) {
      ASSERT_EQ(levels(fast, side), levels_from_orders(fast, side)) << "step " << i << ": " << what;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RandomStream,
                         ::testing::Combine(::testing::Values(Shape{"narrow", 100, 5, 20, 3000},
                                                              Shape{"wide", 10'000, 300, 20'000, 3000},
                                                              Shape{"beyond_the_window", 0, 20'000, kPriceLimit, 3000}),
                                            ::testing::Range(1U, 5U)),
                         [](const auto& shaped) {
                           return std::string(std::get<0>(shaped.param).name) + "_" +
                                  std::to_string(std::get<1>(shaped.param));
                         });

TEST(Ladder, TheWindowFollowsTheMarket) {
  // Enough levels opened far away make the window move; nothing may be lost or out of order.
  Recorder told;
  OrderBook<Recorder> book(told);
  OrderId id = 0;
  for (const Price start : {1'000'000, 5'000, 3'000'000}) {
    for (Price price = start; price < start + 6'000; ++price) {
      book.submit({.id = ++id, .side = Side::kSell, .price = price, .quantity = 1});
    }
    told.take();
  }
  Price last = 0;
  std::size_t count = 0;
  book.for_each_level(Side::kSell, [&](Price price, const Level& level) {
    EXPECT_GT(price, last);
    EXPECT_EQ(level.quantity, 1);
    last = price;
    ++count;
    return true;
  });
  EXPECT_EQ(count, 18'000U);
  book.submit({.id = ++id, .side = Side::kBuy, .price = 4'000'000, .quantity = 18'000});
  EXPECT_EQ(book.size(), 0U);
}

}  // namespace
}  // namespace ordermesh::engine::test
