#include <gtest/gtest.h>

#include "transactions.h"

namespace ordermesh::engine::test {
namespace {

class TradeAdjustment : public ::testing::Test {
 protected:
  TradeAdjustment() {
    exchange.apply(define(1), 10);
    alice = exchange.apply(RegisterParticipant{"alice"}, 11).count;
    bob = exchange.apply(RegisterParticipant{"bob"}, 12).count;
  }

  void send(ParticipantIndex who, const Command& command) { exchange.apply(ParticipantCommand{who, command}, 100); }
  const Execution& last(ParticipantIndex who) {
    const auto& executions = exchange.participant(who).executions;
    return executions[executions.last()];
  }
  std::uint64_t count(ParticipantIndex who) { return exchange.participant(who).executions.last(); }
  Result adjust(std::uint64_t trade_id, Quantity quantity, Price price = 0) {
    AdjustTrade wanted = exchange.find_trade(trade_id).value();
    wanted.new_price = price;
    wanted.new_quantity = quantity;
    return exchange.apply(wanted, 200);
  }
  const Order& order_of(ParticipantIndex who, std::uint64_t order) {
    const OpenOrder* open = exchange.participant(who).open_orders.find({order, 0});
    return *exchange.market(1)->book.find(open->id);
  }

  Exchange exchange{Exchange::Settings{}};
  ParticipantIndex alice = 0;
  ParticipantIndex bob = 0;
};

TEST_F(TradeAdjustment, ABustIsToldToBothSidesAndToThePublicAndPutsNothingBack) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  EXPECT_EQ(adjust(1, 0).count, 1U);
  EXPECT_EQ(last(alice).type, ExecutionType::kTradeCanceled);
  EXPECT_EQ(last(alice).trade_id, 1U);
  EXPECT_EQ(last(alice).liquidity, Liquidity::kMaker);
  EXPECT_EQ(last(alice).cumulative, 0);
  EXPECT_EQ(last(alice).leaves, 6);
  EXPECT_EQ(last(alice).quantity, 4) << "what the trade was until now";
  EXPECT_EQ(last(alice).price, 100);
  EXPECT_EQ(last(alice).status, OrderStatus::kNew);
  EXPECT_EQ(last(bob).type, ExecutionType::kTradeCanceled);
  EXPECT_EQ(last(bob).order_id, (ClientOrderId{72, 0}));
  EXPECT_EQ(last(bob).leaves, 0) << "an order that is done stays done";
  EXPECT_EQ(last(bob).status, OrderStatus::kUnspecified);
  const FeedEvent& told = exchange.fresh_feed().back();
  EXPECT_EQ(told.kind, FeedKind::kTradeAdjustment);
  EXPECT_EQ(told.trade_id, 1U);
  EXPECT_EQ(told.quantity, 0);
  EXPECT_EQ(told.price, 100);
}

TEST_F(TradeAdjustment, TheSameAgainChangesNothingAndTellsNobody) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  adjust(1, 3, 99);
  const std::uint64_t before = count(alice);
  EXPECT_EQ(adjust(1, 3, 99).count, 0U);
  adjust(1, 0);
  EXPECT_EQ(adjust(1, 0).count, 0U);
  EXPECT_EQ(count(alice), before + 1);
}

TEST_F(TradeAdjustment, ACorrectionOfACorrectionCountsFromTheLast) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  adjust(1, 3, 98);
  EXPECT_EQ(last(alice).type, ExecutionType::kTradeCorrected);
  EXPECT_EQ(last(alice).last_price, 98);
  EXPECT_EQ(last(alice).last_quantity, 3);
  EXPECT_EQ(order_of(alice, 71).cumulative, 3);
  adjust(1, 6, 97);
  EXPECT_EQ(last(alice).price, 98);
  EXPECT_EQ(last(alice).quantity, 3);
  EXPECT_EQ(order_of(alice, 71).cumulative, 6);
  EXPECT_EQ(order_of(alice, 71).leaves, 6);
  EXPECT_EQ(exchange.market(1)->last_trade.price, 97);
  EXPECT_EQ(exchange.market(1)->last_trade.quantity, 6);
}

TEST_F(TradeAdjustment, WhatWasTakenBackCannotBeCorrected) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  adjust(1, 0);
  EXPECT_EQ(adjust(1, 4, 100).outcome, Outcome::kTradeCanceled);
}

TEST_F(TradeAdjustment, LimitsOfTheInstrumentHold) {
  DefineInstrument narrow = define(1);
  narrow.instrument.lowest_price = 90;
  narrow.instrument.highest_price = 110;
  narrow.instrument.maximum_quantity = 10;
  exchange.apply(narrow, 20);
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  EXPECT_EQ(adjust(1, 4, 111).outcome, Outcome::kPriceOutOfBand);
  EXPECT_EQ(adjust(1, 4, 89).outcome, Outcome::kPriceOutOfBand);
  EXPECT_EQ(adjust(1, 11, 100).outcome, Outcome::kQuantityOutOfRange);
  EXPECT_EQ(count(alice), 2U);
}

TEST_F(TradeAdjustment, ATradeWithOneselfHasBothItsSides) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(alice, new_order(2, 72, Side::kSell, 4, 99));
  const std::uint64_t before = count(alice);
  EXPECT_EQ(adjust(1, 0).count, 1U);
  EXPECT_EQ(count(alice), before + 2);
}

TEST_F(TradeAdjustment, AnyTradeAmongManyIsFound) {
  for (std::uint64_t number = 1; number <= 200; ++number) {
    send(alice, new_order(2 * number - 1, 2 * number, Side::kBuy, 1, 50));
    send(alice, new_order(2 * number, 2 * number + 1, Side::kBuy, 1, 100));
    send(bob, new_order(number, 1000 + number, Side::kSell, 1, 100));
  }
  for (std::uint64_t trade = 1; trade <= 200; ++trade) {
    const auto found = exchange.find_trade(trade);
    ASSERT_TRUE(found.has_value()) << trade;
    EXPECT_EQ(found->sides[0].order_id, (ClientOrderId{2 * trade + 1, 0}));
    EXPECT_EQ(found->sides[1].order_id, (ClientOrderId{1000 + trade, 0}));
  }
  EXPECT_FALSE(exchange.find_trade(0).has_value());
  EXPECT_FALSE(exchange.find_trade(201).has_value());
}

TEST_F(TradeAdjustment, ATradeThatIsNoLongerKeptIsNotFound) {
  Exchange forgetful{Exchange::Settings{.executions_kept = 4, .feed_events_kept = 4}};
  forgetful.apply(define(1), 10);
  for (const char* name : {"alice", "bob"}) {
    forgetful.apply(RegisterParticipant{name}, 11);
  }
  for (std::uint64_t number = 1; number <= 5; ++number) {
    forgetful.apply(ParticipantCommand{0, new_order(number, number, Side::kBuy, 1, 100)}, 20);
    forgetful.apply(ParticipantCommand{1, new_order(number, number, Side::kSell, 1, 100)}, 20);
  }
  EXPECT_FALSE(forgetful.find_trade(1).has_value());
  EXPECT_TRUE(forgetful.find_trade(5).has_value());
}

TEST_F(TradeAdjustment, WhatWasAdjustedIsSavedWithTheRest) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(1, 72, Side::kSell, 4, 99));
  adjust(1, 0);
  Exchange restored{Exchange::Settings{}};
  for (const auto& block : state_of(exchange)) {
    restored.load(block);
  }
  EXPECT_EQ(state_of(restored), state_of(exchange));
  AdjustTrade again = restored.find_trade(1).value();
  EXPECT_EQ(restored.apply(again, 300).count, 0U) << "it was taken back before";
}

}  // namespace
}  // namespace ordermesh::engine::test
