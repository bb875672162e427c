// Auctions: the price, who trades at it, what is left; asked of both books.
#include "book_fixture.h"

namespace ordermesh::engine::test {
namespace {

template <typename Book>
class AuctionTest : public BookTest<Book> {
 protected:
  // For one auction; without a price a market order.
  Reason at(TimeInForce auction, OrderId id, Side side, Quantity quantity, Price price = 0) {
    NewOrder request = this->order(id, side, quantity, price);
    request.type = price == 0 ? OrderType::kMarket : OrderType::kLimit;
    request.time_in_force = auction;
    return this->book.submit(request);
  }
  // The auction's price and volume, as text.
  std::string uncross(std::optional<Price> reference = std::nullopt) {
    this->told();
    const Equilibrium found = this->book.uncross(reference);
    return std::to_string(found.volume) + "@" + std::to_string(found.price);
  }
};

TYPED_TEST_SUITE(AuctionTest, Books);

TYPED_TEST(AuctionTest, InACallPhaseOrdersCollectWithoutTrading) {
  this->book.begin_call(AuctionKind::kOpening);
  EXPECT_EQ(this->book.status(), TradingStatus::kCall);
  this->buy(1, 5, 101);
  this->sell(2, 5, 99);
  EXPECT_EQ(this->told(), (Lines{"accepted 1 5@101", "bid 101: 5 in 1", "accepted 2 5@99", "ask 99: 5 in 1"}));
  EXPECT_EQ(this->book.replace(1, 102, 4), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 101: 0 in 0", "replaced 1 4@102 cumulative 0", "bid 102: 4 in 1"}));
  NewOrder at_once = this->order(3, Side::kBuy, 5, 101);
  at_once.time_in_force = TimeInForce::kImmediateOrCancel;
  EXPECT_EQ(this->book.submit(at_once), Reason::kCallPhase);
  at_once.time_in_force = TimeInForce::kGoodTillCancel;
  at_once.type = OrderType::kMarket;
  EXPECT_EQ(this->book.submit(at_once), Reason::kCallPhase);
}

TYPED_TEST(AuctionTest, MostVolumeDecidesThePrice) {
  this->book.begin_call(AuctionKind::kOpening);
  this->buy(1, 10, 103);
  this->buy(2, 20, 101);
  this->sell(3, 15, 100);
  this->sell(4, 10, 101);
  EXPECT_EQ(this->uncross(), "25@101");
  EXPECT_EQ(this->told(),
            (Lines{"auction 1 with 3 10@101 leaves 0 5", "auction 2 with 3 5@101 leaves 15 0",
                   "auction 2 with 4 10@101 leaves 5 0", "bid 103: 0 in 0", "bid 101: 5 in 1", "ask 100: 0 in 0",
                   "ask 101: 0 in 0"}));
  EXPECT_EQ(this->book.status(), TradingStatus::kOpen);
}

TYPED_TEST(AuctionTest, OfTwoPricesWithTheSameVolumeTheSmallerSurplusDecides) {
  this->book.begin_call(AuctionKind::kOpening);
  this->buy(1, 10, 102);
  this->buy(2, 30, 100);
  this->sell(3, 10, 100);
  this->sell(4, 5, 102);
  EXPECT_EQ(this->uncross(100), "10@102") << "a surplus of 5 there, of 30 at the reference price";
}

TYPED_TEST(AuctionTest, ThenTheReferencePriceDecides) {
  const auto price_near = [&](std::optional<Price> reference) {
    this->book.begin_call(AuctionKind::kOpening);
    this->buy(1, 10, 110);
    this->sell(2, 10, 100);
    return this->uncross(reference);
  };
  EXPECT_EQ(price_near(120), "10@110");
  EXPECT_EQ(price_near(90), "10@100");
  EXPECT_EQ(price_near(104), "10@104") << "the reference price itself may be the price";
  EXPECT_EQ(price_near(std::nullopt), "10@104") << "without one the last trade's";
}

TYPED_TEST(AuctionTest, WithoutAnyReferencePriceTheMiddleTakesItsPlace) {
  this->book.begin_call(AuctionKind::kOpening);
  this->buy(1, 10, 110);
  this->sell(2, 10, 100);
  EXPECT_EQ(this->uncross(), "10@100") << "both are as near to 105: the lower";
}

TYPED_TEST(AuctionTest, OrdersForTheAuctionWaitForItAndExpireWithIt) {
  EXPECT_EQ(this->at(TimeInForce::kAtTheOpening, 1, Side::kBuy, 8), Reason::kNone);
  EXPECT_EQ(this->at(TimeInForce::kAtTheOpening, 2, Side::kBuy, 5, 100), Reason::kNone);
  EXPECT_EQ(this->at(TimeInForce::kAtTheClose, 3, Side::kBuy, 5), Reason::kNone);
  this->sell(4, 3, 90);
  EXPECT_EQ(this->told(), (Lines{"accepted 1 8@0", "accepted 2 5@100", "accepted 3 5@0", "accepted 4 3@90",
                                 "ask 90: 3 in 1"}))
      << "they trade with nobody before";
  this->book.begin_call(AuctionKind::kOpening);
  this->buy(5, 5, 100);
  this->sell(6, 10, 100);
  EXPECT_EQ(this->uncross(), "13@100");
  EXPECT_EQ(this->told(),
            (Lines{"auction 1 with 4 3@100 leaves 5 0", "auction 1 with 6 5@100 leaves 0 5",
                   "auction 5 with 6 5@100 leaves 0 0", "bid 100: 0 in 0", "ask 90: 0 in 0", "ask 100: 0 in 0",
                   "canceled 2 -5 reason 9 leaves 0"}))
      << "market orders first; at one limit the book's order before the one that waited";
  EXPECT_EQ(this->book.size(), 1U) << "the order for the close waits on";
}

TYPED_TEST(AuctionTest, AWaitingOrderIsChangedAndCanceled) {
  this->at(TimeInForce::kAtTheClose, 1, Side::kSell, 8, 100);
  this->told();
  EXPECT_EQ(this->book.reduce(1, 2), Reason::kNone);
  EXPECT_EQ(this->book.replace(1, 99, 7), Reason::kNone);
  EXPECT_EQ(this->book.cancel(1), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"reduced 1 -2 reason 1 leaves 6", "replaced 1 7@99 cumulative 0",
                                 "canceled 1 -7 reason 1 leaves 0"}));
}

TYPED_TEST(AuctionTest, WhereNothingCrossesThereIsNoPrice) {
  this->book.begin_call(AuctionKind::kClosing);
  this->buy(1, 5, 99);
  this->sell(2, 5, 101);
  this->at(TimeInForce::kAtTheClose, 3, Side::kBuy, 5, 98);
  EXPECT_EQ(this->uncross(100), "0@0");
  EXPECT_EQ(this->told(), (Lines{"canceled 3 -5 reason 9 leaves 0"}));
}

TYPED_TEST(AuctionTest, MarketOrdersAloneNeedAReferencePrice) {
  this->book.begin_call(AuctionKind::kClosing);
  this->at(TimeInForce::kAtTheClose, 1, Side::kBuy, 5);
  this->at(TimeInForce::kAtTheClose, 2, Side::kSell, 5);
  EXPECT_EQ(this->uncross(77), "5@77");
  this->book.begin_call(AuctionKind::kClosing);
  this->at(TimeInForce::kAtTheClose, 3, Side::kBuy, 5);
  EXPECT_EQ(this->uncross(), "0@0");
}

TYPED_TEST(AuctionTest, AnIcebergOrderTakesPartWithAllItHas) {
  this->book.begin_call(AuctionKind::kOpening);
  NewOrder iceberg = this->order(1, Side::kSell, 20, 100);
  iceberg.terms.display = 5;
  this->book.submit(iceberg);
  this->buy(2, 12, 100);
  EXPECT_EQ(this->uncross(), "12@100");
  EXPECT_EQ(this->told(), (Lines{"auction 2 with 1 12@100 leaves 0 8", "bid 100: 0 in 0", "ask 100: 5 in 1"}));
}

TYPED_TEST(AuctionTest, WhatItWouldComeToIsToldBeforeIt) {
  this->book.begin_call(AuctionKind::kOpening);
  EXPECT_EQ(this->book.indicative().volume, 0);
  this->buy(1, 10, 103);
  this->sell(2, 15, 100);
  this->at(TimeInForce::kAtTheOpening, 3, Side::kBuy, 8);
  this->at(TimeInForce::kAtTheClose, 4, Side::kSell, 80);
  this->told();
  const Equilibrium found = this->book.indicative();
  EXPECT_EQ(found.price, 100);
  EXPECT_EQ(found.volume, 15);
  EXPECT_EQ(found.surplus, 3) << "18 are wanted, and none of it is for the close";
  EXPECT_TRUE(this->told().empty()) << "looking changes nothing";
  EXPECT_EQ(this->uncross(), "15@100");
}

TYPED_TEST(AuctionTest, StopOrdersGoAfterTheAuction) {
  NewOrder stop = this->order(1, Side::kBuy, 5, 104);
  stop.type = OrderType::kStopLimit;
  stop.terms.stop_price = 100;
  this->book.submit(stop);
  this->book.begin_call(AuctionKind::kOpening);
  this->buy(2, 5, 101);
  this->sell(3, 5, 101);
  EXPECT_EQ(this->uncross(), "5@101");
  EXPECT_EQ(this->told().size(), 3U) << "a trade and two levels";
  this->book.continue_trading();
  EXPECT_EQ(this->told(), (Lines{"triggered 1 as limit", "bid 104: 5 in 1"}));
}

TYPED_TEST(AuctionTest, AHaltInACallPhaseEndsInTheCallPhase) {
  this->book.begin_call(AuctionKind::kOpening);
  this->book.set_halted(true);
  EXPECT_EQ(this->book.status(), TradingStatus::kHalted);
  EXPECT_EQ(this->buy(1, 5, 101), Reason::kHalted);
  this->book.set_halted(false);
  EXPECT_EQ(this->book.status(), TradingStatus::kCall);
  this->book.set_halted(true);
  this->book.begin_call(AuctionKind::kClosing);
  EXPECT_EQ(this->book.status(), TradingStatus::kCall) << "a call phase ends a halt";
}

}  // namespace
}  // namespace ordermesh::engine::test
