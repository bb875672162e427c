// What the terms that few orders have do: post-only, a display quantity, a stop price.
#include <gtest/gtest.h>

#include "book_fixture.h"

namespace ordermesh::engine::test {
namespace {

TYPED_TEST_SUITE(BookTest, Books);

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

}  // namespace
}  // namespace ordermesh::engine::test
