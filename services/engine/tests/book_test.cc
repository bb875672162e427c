// What a book does, said once and asked of both books: the naive reference and the fast one.
#include <gtest/gtest.h>

#include "book_fixture.h"

namespace ordermesh::engine::test {
namespace {

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

}  // namespace
}  // namespace ordermesh::engine::test
