// What a book does, said once and asked of both books: the naive reference and the fast one.
#include <gtest/gtest.h>

#include "naive_book.h"
#include "ordermesh/engine/order_book.h"
#include "recorder.h"

namespace ordermesh::engine::test {
namespace {

using Lines = std::vector<std::string>;

template <typename Book>
class BookTest : public ::testing::Test {
 protected:
  NewOrder order(OrderId id, Side side, Quantity quantity, Price price) {
    return {.id = id, .side = side, .price = price, .quantity = quantity, .owner = static_cast<ParticipantIndex>(id)};
  }
  Reason buy(OrderId id, Quantity quantity, Price price) { return book.submit(order(id, Side::kBuy, quantity, price)); }
  Reason sell(OrderId id, Quantity quantity, Price price) {
    return book.submit(order(id, Side::kSell, quantity, price));
  }
  Reason iceberg(OrderId id, Side side, Quantity quantity, Quantity display, Price price) {
    NewOrder request = order(id, side, quantity, price);
    request.terms.display = display;
    return book.submit(request);
  }
  // A stop order; with a price a stop-limit order.
  Reason stop(OrderId id, Side side, Quantity quantity, Price stop_price, Price price = 0) {
    NewOrder request = order(id, side, quantity, price);
    request.type = price == 0 ? OrderType::kStop : OrderType::kStopLimit;
    request.terms.stop_price = stop_price;
    return book.submit(request);
  }
  // A trade at a price between two orders that leave nothing behind.
  void trade(OrderId id, Price price) {
    sell(id, 1, price);
    buy(id + 1, 1, price);
    told();
  }
  Lines told() { return recorder.take(); }

  Recorder recorder;
  Book book{recorder};
};

using Books = ::testing::Types<NaiveBook<Recorder>, OrderBook<Recorder>>;
TYPED_TEST_SUITE(BookTest, Books);

TYPED_TEST(BookTest, ALimitOrderThatMeetsNobodyRests) {
  EXPECT_EQ(this->buy(1, 10, 100), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"accepted 1 10@100", "bid 100: 10 in 1"}));
  EXPECT_EQ(this->book.size(), 1U);
}

TYPED_TEST(BookTest, TradesHappenAtTheMakersPriceBestPriceFirst) {
  this->sell(1, 5, 102);
  this->sell(2, 5, 101);
  this->told();
  this->buy(3, 8, 105);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 8@105", "trade 2 with 3 5@101 leaves 0 3", "ask 101: 0 in 0",
                                 "trade 1 with 3 3@102 leaves 2 0", "ask 102: 2 in 1"}));
}

TYPED_TEST(BookTest, AtOnePriceTheOldestOrderTradesFirst) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 100);
  this->told();
  this->sell(3, 7, 100);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 7@100", "trade 1 with 3 5@100 leaves 0 2",
                                 "trade 2 with 3 2@100 leaves 3 0", "bid 100: 3 in 1"}));
}

TYPED_TEST(BookTest, WhatIsLeftOfACrossingOrderRests) {
  this->sell(1, 5, 100);
  this->told();
  this->buy(2, 8, 101);
  EXPECT_EQ(this->told(),
            (Lines{"accepted 2 8@101", "trade 1 with 2 5@100 leaves 0 3", "ask 100: 0 in 0", "bid 101: 3 in 1"}));
}

TYPED_TEST(BookTest, ACancelTakesTheOrderOut) {
  this->buy(1, 5, 100);
  this->told();
  EXPECT_EQ(this->book.cancel(1), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 100: 0 in 0", "canceled 1 -5 reason 1 leaves 0"}));
  EXPECT_EQ(this->book.cancel(1), Reason::kUnknownOrder);
}

TYPED_TEST(BookTest, AReductionKeepsPriority) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 100);
  this->told();
  EXPECT_EQ(this->book.reduce(1, 2), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"reduced 1 -2 reason 1 leaves 3", "bid 100: 8 in 2"}));
  this->sell(3, 4, 100);
  EXPECT_EQ(this->told()[1], "trade 1 with 3 3@100 leaves 0 1");
}

TYPED_TEST(BookTest, AReductionByAllThatIsOpenCancels) {
  this->buy(1, 5, 100);
  EXPECT_EQ(this->book.reduce(1, 5), Reason::kNone);
  EXPECT_EQ(this->book.size(), 0U);
  this->buy(2, 5, 100);
  EXPECT_EQ(this->book.reduce(2, 0), Reason::kInvalidQuantity);
  EXPECT_EQ(this->book.reduce(3, 1), Reason::kUnknownOrder);
}

TYPED_TEST(BookTest, AReplaceThatOnlyReducesKeepsPriority) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 100);
  EXPECT_EQ(this->book.replace(1, 100, 3), Reason::kNone);
  this->told();
  this->sell(3, 3, 100);
  EXPECT_EQ(this->told()[1], "trade 1 with 3 3@100 leaves 0 0");
}

TYPED_TEST(BookTest, AReplaceThatRaisesTheQuantityLosesPriority) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 100);
  EXPECT_EQ(this->book.replace(1, 100, 6), Reason::kNone);
  this->told();
  this->sell(3, 3, 100);
  EXPECT_EQ(this->told()[1], "trade 2 with 3 3@100 leaves 2 0");
}

TYPED_TEST(BookTest, AReplaceToACrossingPriceTradesAsTheIncomingOrder) {
  this->sell(1, 5, 105);
  this->buy(2, 8, 100);
  this->told();
  EXPECT_EQ(this->book.replace(2, 105, 8), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 100: 0 in 0", "replaced 2 8@105 cumulative 0", "trade 1 with 2 5@105 leaves 0 3",
                                 "ask 105: 0 in 0", "bid 105: 3 in 1"}));
}

TYPED_TEST(BookTest, AReplaceCountsWhatIsFilled) {
  this->buy(1, 10, 100);
  this->sell(2, 4, 100);
  this->told();
  EXPECT_EQ(this->book.replace(1, 100, 7), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"replaced 1 3@100 cumulative 4", "bid 100: 3 in 1"}));
}

TYPED_TEST(BookTest, AReplaceBelowWhatIsFilledEndsTheOrder) {
  this->buy(1, 10, 100);
  this->sell(2, 4, 100);
  this->told();
  EXPECT_EQ(this->book.replace(1, 99, 3), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 100: 0 in 0", "replaced 1 0@100 cumulative 4"}));
  EXPECT_EQ(this->book.size(), 0U);
}

TYPED_TEST(BookTest, AReplaceToNothingIsRefusedWhileNothingIsFilled) {
  this->buy(1, 10, 100);
  EXPECT_EQ(this->book.replace(1, 100, 0), Reason::kInvalidQuantity);
  EXPECT_EQ(this->book.replace(2, 100, 5), Reason::kUnknownOrder);
  EXPECT_EQ(this->book.size(), 1U);
}

TYPED_TEST(BookTest, AnImmediateOrCancelOrderNeverRests) {
  this->sell(1, 5, 100);
  this->told();
  NewOrder order = this->order(2, Side::kBuy, 8, 100);
  order.time_in_force = TimeInForce::kImmediateOrCancel;
  EXPECT_EQ(this->book.submit(order), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"accepted 2 8@100", "trade 1 with 2 5@100 leaves 0 3", "ask 100: 0 in 0",
                                 "canceled 2 -3 reason 3 leaves 0"}));
}

TYPED_TEST(BookTest, AFillOrKillOrderTradesWhollyOrNotAtAll) {
  this->sell(1, 5, 100);
  this->sell(2, 5, 101);
  this->told();
  NewOrder order = this->order(3, Side::kBuy, 11, 101);
  order.time_in_force = TimeInForce::kFillOrKill;
  this->book.submit(order);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 11@101", "canceled 3 -11 reason 4 leaves 0"}));
  order.id = 4;
  order.quantity = 10;
  this->book.submit(order);
  EXPECT_EQ(this->book.size(), 0U);
}

TYPED_TEST(BookTest, AFillOrKillOrderDoesNotLookBeyondItsPrice) {
  this->sell(1, 5, 100);
  this->sell(2, 5, 102);
  NewOrder order = this->order(3, Side::kBuy, 6, 101);
  order.time_in_force = TimeInForce::kFillOrKill;
  this->book.submit(order);
  EXPECT_EQ(this->book.size(), 2U);
}

TYPED_TEST(BookTest, AMarketOrderTakesAnyPriceAndNeverRests) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 1);
  this->told();
  NewOrder order = this->order(3, Side::kSell, 12, 0);
  order.type = OrderType::kMarket;
  this->book.submit(order);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 12@0", "trade 1 with 3 5@100 leaves 0 7", "bid 100: 0 in 0",
                                 "trade 2 with 3 5@1 leaves 0 2", "bid 1: 0 in 0", "canceled 3 -2 reason 5 leaves 0"}));
}

TYPED_TEST(BookTest, APostOnlyOrderRestsOrIsRefused) {
  this->sell(1, 5, 100);
  this->told();
  NewOrder order = this->order(2, Side::kBuy, 5, 100);
  order.terms.post_only = true;
  EXPECT_EQ(this->book.submit(order), Reason::kPostOnly);
  EXPECT_EQ(this->told(), Lines{}) << "nothing happened";
  order.price = 99;
  EXPECT_EQ(this->book.submit(order), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"accepted 2 5@99", "bid 99: 5 in 1"}));
  this->sell(3, 2, 99);
  EXPECT_EQ(this->told()[1], "trade 2 with 3 2@99 leaves 3 0") << "it trades with whoever comes";
}

TYPED_TEST(BookTest, APostOnlyOrderStaysPostOnlyWhenReplaced) {
  this->sell(1, 5, 100);
  NewOrder order = this->order(2, Side::kBuy, 5, 98);
  order.terms.post_only = true;
  this->book.submit(order);
  this->told();
  EXPECT_EQ(this->book.replace(2, 100, 5), Reason::kPostOnly);
  EXPECT_EQ(this->told(), Lines{}) << "the order stays as it was";
  EXPECT_EQ(this->book.replace(2, 99, 5), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 98: 0 in 0", "replaced 2 5@99 cumulative 0", "bid 99: 5 in 1"}));
}

TYPED_TEST(BookTest, AnIcebergOrderShowsATrancheAtATimeAtTheBackOfItsLevel) {
  this->iceberg(1, Side::kSell, 12, 5, 100);
  this->sell(2, 4, 100);
  EXPECT_EQ(this->told(), (Lines{"accepted 1 12@100", "ask 100: 5 in 1", "accepted 2 4@100", "ask 100: 9 in 2"}));
  this->buy(3, 5, 100);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 5@100", "trade 1 with 3 5@100 leaves 7 0"}))
      << "the next tranche makes up for what was traded";
  this->buy(4, 13, 100);
  EXPECT_EQ(this->told(),
            (Lines{"accepted 4 13@100", "trade 2 with 4 4@100 leaves 0 9", "trade 1 with 4 5@100 leaves 2 4",
                   "trade 1 with 4 2@100 leaves 0 2", "ask 100: 0 in 0", "bid 100: 2 in 1"}))
      << "every tranche in its turn";
}

TYPED_TEST(BookTest, AnIcebergOrderTakesWithItsWholeQuantity) {
  this->sell(1, 8, 100);
  this->told();
  this->iceberg(2, Side::kBuy, 20, 3, 100);
  EXPECT_EQ(this->told(),
            (Lines{"accepted 2 20@100", "trade 1 with 2 8@100 leaves 0 12", "ask 100: 0 in 0", "bid 100: 3 in 1"}));
  EXPECT_EQ(contents(this->book), (Lines{"bid 2 12@100 cumulative 8 owner 2 group 0 tif 1 shows 3 of 3"}));
}

TYPED_TEST(BookTest, AReductionOfAnIcebergOrderTakesWhatIsHiddenFirst) {
  this->iceberg(1, Side::kBuy, 12, 5, 100);
  this->told();
  EXPECT_EQ(this->book.reduce(1, 6), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"reduced 1 -6 reason 1 leaves 6", "bid 100: 5 in 1"}));
  EXPECT_EQ(this->book.replace(1, 100, 4), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"replaced 1 4@100 cumulative 0", "bid 100: 4 in 1"}));
  EXPECT_EQ(this->book.cancel(1), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 100: 0 in 0", "canceled 1 -4 reason 1 leaves 0"}));
}

TYPED_TEST(BookTest, AnotherDisplayQuantityLosesPriority) {
  this->iceberg(1, Side::kBuy, 12, 5, 100);
  this->buy(2, 5, 100);
  this->told();
  EXPECT_EQ(this->book.replace(1, 100, 12, {.display = 5}), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"replaced 1 12@100 cumulative 0", "bid 100: 10 in 2"})) << "the same again";
  EXPECT_EQ(this->book.replace(1, 100, 12, {.display = 0}), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"bid 100: 5 in 1", "replaced 1 12@100 cumulative 0", "bid 100: 17 in 2"}));
  this->sell(3, 6, 100);
  EXPECT_EQ(this->told()[1], "trade 2 with 3 5@100 leaves 0 1");
}

TYPED_TEST(BookTest, AFillOrKillOrderCountsWhatIsHidden) {
  this->iceberg(1, Side::kSell, 12, 5, 100);
  this->told();
  NewOrder order = this->order(2, Side::kBuy, 12, 100);
  order.time_in_force = TimeInForce::kFillOrKill;
  this->book.submit(order);
  EXPECT_EQ(this->told().back(), "ask 100: 0 in 0");
  EXPECT_EQ(this->book.size(), 0U);
}

TYPED_TEST(BookTest, AStopOrderWaitsForATradeAtItsPriceAndIsAMarketOrderThen) {
  this->stop(1, Side::kBuy, 5, 105);
  this->sell(2, 1, 104);
  this->sell(3, 10, 105);
  EXPECT_EQ(this->told(), (Lines{"accepted 1 5@0", "accepted 2 1@104", "ask 104: 1 in 1", "accepted 3 10@105",
                                 "ask 105: 10 in 1"}));
  this->buy(4, 1, 104);
  this->told();
  EXPECT_EQ(this->book.size(), 2U) << "it waits, and the order at 105 rests";
  this->buy(5, 2, 105);
  EXPECT_EQ(this->told(), (Lines{"accepted 5 2@105", "trade 3 with 5 2@105 leaves 8 0", "ask 105: 8 in 1",
                                 "triggered 1 as market", "trade 3 with 1 5@105 leaves 3 0", "ask 105: 3 in 1"}));
}

TYPED_TEST(BookTest, AStopLimitOrderRestsWhenItIsTriggered) {
  this->buy(1, 1, 95);
  this->stop(2, Side::kSell, 5, 95, 94);
  this->told();
  this->sell(3, 1, 95);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 1@95", "trade 1 with 3 1@95 leaves 0 0", "bid 95: 0 in 0",
                                 "triggered 2 as limit", "ask 94: 5 in 1"}));
  EXPECT_EQ(contents(this->book), (Lines{"ask 2 5@94 cumulative 0 owner 2 group 0 tif 1"}));
}

TYPED_TEST(BookTest, AStopOrderThatIsReachedAlreadyIsTriggeredAtOnce) {
  this->trade(1, 100);
  this->stop(3, Side::kSell, 5, 100);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 5@0", "triggered 3 as market", "canceled 3 -5 reason 5 leaves 0"}));
  this->stop(4, Side::kSell, 5, 99, 101);
  EXPECT_EQ(this->told(), (Lines{"accepted 4 5@101"}));
  EXPECT_EQ(this->book.replace(4, 101, 5, {.stop_price = 100}), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"replaced 4 5@101 cumulative 0", "triggered 4 as limit", "ask 101: 5 in 1"}));
}

TYPED_TEST(BookTest, StopOrdersAreReleasedByPriceThenTimeAndCascade) {
  this->sell(1, 1, 100);
  this->sell(2, 1, 101);
  this->sell(3, 1, 103);
  this->sell(4, 9, 107);
  this->stop(10, Side::kBuy, 1, 101, 200);
  this->stop(11, Side::kBuy, 1, 100, 200);
  this->stop(12, Side::kBuy, 1, 100, 200);
  this->stop(13, Side::kBuy, 1, 103, 200);
  this->told();
  this->buy(20, 1, 100);
  EXPECT_EQ(this->told(),
            (Lines{"accepted 20 1@100", "trade 1 with 20 1@100 leaves 0 0", "ask 100: 0 in 0", "triggered 11 as limit",
                   "trade 2 with 11 1@101 leaves 0 0", "ask 101: 0 in 0", "triggered 12 as limit",
                   "trade 3 with 12 1@103 leaves 0 0", "ask 103: 0 in 0", "triggered 10 as limit",
                   "trade 4 with 10 1@107 leaves 8 0", "ask 107: 8 in 1", "triggered 13 as limit",
                   "trade 4 with 13 1@107 leaves 7 0", "ask 107: 7 in 1"}));
}

TYPED_TEST(BookTest, EveryTradeOfASweepCountsNotOnlyTheLast) {
  this->trade(1, 105);
  this->stop(3, Side::kSell, 1, 102, 90);
  this->sell(4, 1, 101);
  this->sell(5, 1, 110);
  this->told();
  this->buy(6, 2, 110);
  EXPECT_EQ(this->told().back(), "ask 90: 1 in 1") << "the trade at 101 released it, though the last was at 110";
}

TYPED_TEST(BookTest, AWaitingStopOrderIsCanceledReducedAndReplaced) {
  this->stop(1, Side::kBuy, 5, 105);
  this->stop(2, Side::kBuy, 5, 105);
  this->told();
  EXPECT_EQ(this->book.reduce(1, 2), Reason::kNone);
  EXPECT_EQ(this->book.replace(1, 0, 2), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"reduced 1 -2 reason 1 leaves 3", "replaced 1 2@0 cumulative 0"}));
  EXPECT_EQ(contents(this->book)[0], "buy 1 2@0 tif 1 waits for 105 type 3 shows 0") << "it kept its place";
  EXPECT_EQ(this->book.replace(1, 0, 4), Reason::kNone);
  EXPECT_EQ(contents(this->book)[0], "buy 2 5@0 tif 1 waits for 105 type 3 shows 0") << "now it lost it";
  EXPECT_EQ(this->book.replace(1, 0, 4, {.stop_price = 104}), Reason::kNone);
  EXPECT_EQ(contents(this->book)[0], "buy 1 4@0 tif 1 waits for 104 type 3 shows 0");
  this->told();
  EXPECT_EQ(this->book.cancel(1), Reason::kNone);
  EXPECT_EQ(this->told(), (Lines{"canceled 1 -4 reason 1 leaves 0"}));
  EXPECT_EQ(this->book.reduce(2, 5), Reason::kNone);
  EXPECT_EQ(this->book.size(), 0U);
}

TYPED_TEST(BookTest, WhileHaltedOnlyWhatReducesIsTaken) {
  this->buy(1, 5, 100);
  this->buy(2, 5, 100);
  this->book.set_halted(true);
  EXPECT_EQ(this->sell(3, 5, 100), Reason::kHalted);
  EXPECT_EQ(this->book.replace(1, 101, 5), Reason::kHalted);
  EXPECT_EQ(this->book.replace(1, 100, 6), Reason::kHalted);
  EXPECT_EQ(this->book.replace(1, 100, 4), Reason::kNone);
  EXPECT_EQ(this->book.reduce(1, 1), Reason::kNone);
  EXPECT_EQ(this->book.cancel(2), Reason::kNone);
  this->book.set_halted(false);
  EXPECT_EQ(this->sell(4, 5, 100), Reason::kNone);
  EXPECT_EQ(contents(this->book), (Lines{"ask 4 2@100 cumulative 3 owner 4 group 0 tif 1"}));
}

// A resting order of group 7 and one of somebody else behind it meet an incoming order of group 7.
template <typename Book>
class SelfTradeTest : public BookTest<Book> {
 protected:
  Lines meet(SelfTradePrevention mode, Quantity quantity) {
    NewOrder own = this->order(1, Side::kSell, 5, 100);
    own.self_trade_group = 7;
    this->book.submit(own);
    this->sell(2, 5, 100);
    this->told();
    NewOrder incoming = this->order(3, Side::kBuy, quantity, 100);
    incoming.self_trade_group = 7;
    incoming.self_trade_prevention = mode;
    this->book.submit(incoming);
    return this->told();
  }
};
TYPED_TEST_SUITE(SelfTradeTest, Books);

TYPED_TEST(SelfTradeTest, WithoutPreventionTheyTrade) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kNone, 5),
            (Lines{"accepted 3 5@100", "trade 1 with 3 5@100 leaves 0 0", "ask 100: 5 in 1"}));
}

TYPED_TEST(SelfTradeTest, CancelNewestEndsTheIncomingOrder) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kCancelNewest, 8),
            (Lines{"accepted 3 8@100", "canceled 3 -8 reason 6 leaves 0"}));
}

TYPED_TEST(SelfTradeTest, CancelOldestEndsTheRestingOrderAndGoesOn) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kCancelOldest, 8),
            (Lines{"accepted 3 8@100", "canceled 1 -5 reason 6 leaves 0", "trade 2 with 3 5@100 leaves 0 3",
                   "ask 100: 0 in 0", "bid 100: 3 in 1"}));
}

TYPED_TEST(SelfTradeTest, CancelBothEndsBoth) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kCancelBoth, 8),
            (Lines{"accepted 3 8@100", "canceled 1 -5 reason 6 leaves 0", "canceled 3 -8 reason 6 leaves 0",
                   "ask 100: 5 in 1"}));
}

TYPED_TEST(SelfTradeTest, DecrementTakesTheSmallerQuantityOffBoth) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kDecrement, 8),
            (Lines{"accepted 3 8@100", "canceled 1 -5 reason 6 leaves 0", "reduced 3 -5 reason 6 leaves 3",
                   "trade 2 with 3 3@100 leaves 2 0", "ask 100: 2 in 1"}));
}

TYPED_TEST(SelfTradeTest, DecrementLeavesTheLargerRestingOrder) {
  EXPECT_EQ(this->meet(SelfTradePrevention::kDecrement, 3),
            (Lines{"accepted 3 3@100", "reduced 1 -3 reason 6 leaves 2", "canceled 3 -3 reason 6 leaves 0",
                   "ask 100: 7 in 2"}));
}

TYPED_TEST(SelfTradeTest, DecrementMeetsOneTrancheOfAnIcebergOrderAfterAnother) {
  NewOrder own = this->order(1, Side::kSell, 12, 100);
  own.self_trade_group = 7;
  own.terms.display = 5;
  this->book.submit(own);
  this->sell(2, 3, 100);
  this->told();
  NewOrder incoming = this->order(3, Side::kBuy, 10, 100);
  incoming.self_trade_group = 7;
  incoming.self_trade_prevention = SelfTradePrevention::kDecrement;
  this->book.submit(incoming);
  EXPECT_EQ(this->told(),
            (Lines{"accepted 3 10@100", "reduced 1 -5 reason 6 leaves 7", "reduced 3 -5 reason 6 leaves 5",
                   "trade 2 with 3 3@100 leaves 0 2", "reduced 1 -2 reason 6 leaves 5",
                   "canceled 3 -2 reason 6 leaves 0", "ask 100: 3 in 1"}));
}

TYPED_TEST(SelfTradeTest, AFillOrKillOrderStopsAtItsOwnGroupBeforeWhatIsHidden) {
  this->iceberg(1, Side::kSell, 10, 5, 100);
  NewOrder own = this->order(2, Side::kSell, 5, 100);
  own.self_trade_group = 7;
  this->book.submit(own);
  NewOrder incoming = this->order(3, Side::kBuy, 10, 100);
  incoming.self_trade_group = 7;
  incoming.time_in_force = TimeInForce::kFillOrKill;
  incoming.self_trade_prevention = SelfTradePrevention::kCancelNewest;
  this->told();
  this->book.submit(incoming);
  EXPECT_EQ(this->told(), (Lines{"accepted 3 10@100", "canceled 3 -10 reason 4 leaves 0"}));
}

TYPED_TEST(SelfTradeTest, WithoutAGroupTheParticipantsOwnOrdersBelongTogether) {
  this->sell(1, 5, 100);
  NewOrder other = this->order(2, Side::kBuy, 5, 100);
  other.self_trade_prevention = SelfTradePrevention::kCancelNewest;
  other.owner = 1;
  this->book.submit(other);
  EXPECT_EQ(this->book.size(), 1U);
  other.id = 3;
  other.owner = 2;
  this->book.submit(other);
  EXPECT_EQ(this->book.size(), 0U);
}

TYPED_TEST(SelfTradeTest, AFillOrKillOrderDoesNotCountItsOwnGroup) {
  NewOrder own = this->order(1, Side::kSell, 5, 100);
  own.self_trade_group = 7;
  this->book.submit(own);
  this->sell(2, 5, 100);
  NewOrder incoming = this->order(3, Side::kBuy, 6, 100);
  incoming.self_trade_group = 7;
  incoming.time_in_force = TimeInForce::kFillOrKill;
  incoming.self_trade_prevention = SelfTradePrevention::kCancelOldest;
  this->book.submit(incoming);
  EXPECT_EQ(this->book.size(), 2U) << "a killed order leaves its own resting orders alone";
  incoming.id = 4;
  incoming.quantity = 5;
  this->book.submit(incoming);
  EXPECT_EQ(this->book.size(), 0U) << "stepped over its own order and filled";
}

}  // namespace
}  // namespace ordermesh::engine::test
