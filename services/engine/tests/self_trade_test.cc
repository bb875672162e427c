// Orders that would trade with their own.
#include <gtest/gtest.h>

#include "book_fixture.h"

namespace ordermesh::engine::test {
namespace {

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
