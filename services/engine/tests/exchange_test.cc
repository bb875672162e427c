#include <gtest/gtest.h>

#include "exchange_fixture.h"

namespace ordermesh::engine::test {
namespace {

TEST_F(ExchangeTest, ATradeIsToldToBothSidesWithTheSameTradeId) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(bob, new_order(5, 72, Side::kSell, 4, 99));
  const Execution maker = last(alice);
  const Execution taker = last(bob);
  EXPECT_EQ(maker.type, ExecutionType::kTrade);
  EXPECT_EQ(maker.trade_id, taker.trade_id);
  EXPECT_EQ(maker.liquidity, Liquidity::kMaker);
  EXPECT_EQ(taker.liquidity, Liquidity::kTaker);
  EXPECT_EQ(maker.command_sequence, 0U) << "another's command caused it";
  EXPECT_EQ(taker.command_sequence, 5U);
  EXPECT_EQ(maker.last_price, 100);
  EXPECT_EQ(maker.leaves, 6);
  EXPECT_EQ(maker.status, OrderStatus::kPartiallyFilled);
  EXPECT_EQ(taker.status, OrderStatus::kFilled);
  EXPECT_EQ(taker.order_id, (ClientOrderId{72, 0}));
  EXPECT_EQ(taker.sequence, 2U) << "accepted, then traded";
}

TEST_F(ExchangeTest, ACommandThatWasTakenIsIgnored) {
  send(alice, new_order(7, 71, Side::kBuy, 10, 100));
  EXPECT_EQ(send(alice, new_order(7, 72, Side::kBuy, 10, 100)).outcome, Outcome::kIgnored);
  EXPECT_EQ(send(alice, new_order(6, 73, Side::kBuy, 10, 100)).outcome, Outcome::kIgnored);
  EXPECT_EQ(count(alice), 1U);
}

TEST_F(ExchangeTest, MassCancelHonoursEachFilter) {
  exchange.apply(define(2), 13);
  send(alice, new_order(1, 1, Side::kBuy, 10, 100, 1));
  send(alice, new_order(2, 2, Side::kSell, 10, 200, 1));
  send(alice, new_order(3, 3, Side::kBuy, 10, 100, 2));
  Command grouped = new_order(4, 4, Side::kBuy, 10, 100, 2);
  grouped.self_trade_group = 9;
  send(alice, grouped);
  send(bob, new_order(1, 1, Side::kBuy, 10, 100, 1));

  Command mass;
  mass.kind = CommandKind::kMassCancel;
  mass.sequence = 5;
  mass.instrument = 1;
  mass.side = Side::kSell;
  send(alice, mass);
  EXPECT_EQ(last(alice).type, ExecutionType::kMassCanceled);
  EXPECT_EQ(last(alice).affected_orders, 1U);

  mass = {};
  mass.kind = CommandKind::kMassCancel;
  mass.sequence = 6;
  mass.self_trade_group = 9;
  send(alice, mass);
  EXPECT_EQ(last(alice).affected_orders, 1U);

  mass.sequence = 7;
  mass.self_trade_group = 0;
  send(alice, mass);
  EXPECT_EQ(last(alice).affected_orders, 2U);
  EXPECT_EQ(exchange.market(1)->book.size(), 1U) << "bob's order stays";

  mass.sequence = 8;
  mass.instrument = 7;
  send(alice, mass);
  EXPECT_EQ(last(alice).type, ExecutionType::kCancelRejected);
  EXPECT_EQ(last(alice).reason, Reason::kUnknownInstrument);
}

TEST_F(ExchangeTest, OnlyDayOrdersExpire) {
  Command day = new_order(1, 1, Side::kBuy, 10, 100);
  day.time_in_force = TimeInForce::kDay;
  send(alice, day);
  send(alice, new_order(2, 2, Side::kBuy, 10, 100));
  EXPECT_EQ(exchange.apply(ExpireDayOrders{1}, 200).count, 1U);
  EXPECT_EQ(last(alice).type, ExecutionType::kExpired);
  EXPECT_EQ(last(alice).status, OrderStatus::kExpired);
  EXPECT_EQ(last(alice).command_sequence, 0U);
  EXPECT_EQ(exchange.market(1)->book.size(), 1U);
  EXPECT_EQ(exchange.apply(ExpireDayOrders{5}, 200).outcome, Outcome::kUnknownInstrument);
}

TEST_F(ExchangeTest, GoodTillDateOrdersExpireWhenTimeIsAdvancedSoonestFirst) {
  const auto dated = [](std::uint64_t sequence, Nanoseconds time) {
    Command command = new_order(sequence, sequence, Side::kBuy, 10, 100);
    command.time_in_force = TimeInForce::kGoodTillDate;
    command.terms.expire_time = time;
    return command;
  };
  EXPECT_EQ(exchange.next_expiry(), Exchange::kNever);
  send(alice, dated(1, 300));
  send(alice, dated(2, 200));
  send(alice, dated(3, 250));
  send(alice, dated(4, 400));
  send(alice, change(5, CommandKind::kCancel, 3));
  EXPECT_EQ(exchange.next_expiry(), 200);
  EXPECT_EQ(exchange.apply(AdvanceTime{}, 199).count, 0U);
  const std::uint64_t before = count(alice);
  EXPECT_EQ(exchange.apply(AdvanceTime{}, 300).count, 2U);
  const auto& executions = exchange.participant(alice).executions;
  EXPECT_EQ(executions[before + 1].order_id, (ClientOrderId{2, 0}));
  EXPECT_EQ(executions[before + 2].order_id, (ClientOrderId{1, 0}));
  EXPECT_EQ(last(alice).type, ExecutionType::kExpired);
  EXPECT_EQ(last(alice).status, OrderStatus::kExpired);
  EXPECT_EQ(last(alice).reason, Reason::kExpireTime);
  EXPECT_EQ(last(alice).time, 300);
  EXPECT_EQ(exchange.next_expiry(), 400);
  send(bob, new_order(1, 1, Side::kSell, 10, 100));
  EXPECT_EQ(exchange.next_expiry(), Exchange::kNever) << "filled";
}

TEST_F(ExchangeTest, AReplaceMovesTheExpiryAndKeepsThePlace) {
  Command dated = new_order(1, 71, Side::kBuy, 10, 100);
  dated.time_in_force = TimeInForce::kGoodTillDate;
  dated.terms.expire_time = 300;
  send(alice, dated);
  send(bob, new_order(1, 1, Side::kBuy, 10, 100));
  Command move = change(2, CommandKind::kReplace, 71, 10, 100);
  move.amendment.expire_time = 500;
  send(alice, move);
  EXPECT_EQ(last(alice).type, ExecutionType::kReplaced);
  EXPECT_EQ(exchange.next_expiry(), 500);
  move.sequence = 3;
  move.amendment.expire_time = 100;
  send(alice, move);
  EXPECT_EQ(last(alice).reason, Reason::kInvalidExpireTime) << "that time is over";
  EXPECT_EQ(exchange.next_expiry(), 500) << "and nothing has changed";
  Command undated = change(2, CommandKind::kReplace, 1, 10, 100);
  undated.amendment.expire_time = 500;
  send(bob, undated);
  EXPECT_EQ(last(bob).reason, Reason::kInvalidExpireTime) << "the order has no expiry";
  send(bob, new_order(3, 2, Side::kSell, 4, 100));
  EXPECT_EQ(last(alice).type, ExecutionType::kTrade) << "it still stands before the other";
  EXPECT_EQ(exchange.apply(AdvanceTime{}, 499).count, 0U);
  EXPECT_EQ(exchange.apply(AdvanceTime{}, 500).count, 1U);
  EXPECT_EQ(last(alice).reason, Reason::kExpireTime);
  EXPECT_EQ(exchange.next_expiry(), Exchange::kNever);
}

TEST_F(ExchangeTest, AStopOrderIsToldWhenItIsAcceptedTriggeredAndTraded) {
  Command stop = new_order(1, 71, Side::kBuy, 10, 0);
  stop.type = OrderType::kStop;
  stop.terms.stop_price = 105;
  send(alice, stop);
  EXPECT_EQ(last(alice).type, ExecutionType::kNew);
  EXPECT_EQ(last(alice).stop_price, 105);
  EXPECT_EQ(exchange.open_orders(alice).size(), 1U);
  Command raise = change(2, CommandKind::kReplace, 71, 8);
  raise.amendment.stop_price = 106;
  send(alice, raise);
  EXPECT_EQ(last(alice).type, ExecutionType::kReplaced);
  EXPECT_EQ(last(alice).stop_price, 106);
  raise.sequence = 3;
  raise.amendment.stop_price = 0;
  send(alice, raise);
  EXPECT_EQ(last(alice).reason, Reason::kInvalidStopPrice);
  raise = change(4, CommandKind::kReplace, 71, 8, 100);
  send(alice, raise);
  EXPECT_EQ(last(alice).reason, Reason::kInvalidPrice) << "a stop order has no limit";

  send(bob, new_order(1, 1, Side::kSell, 20, 106));
  const std::uint64_t before = count(alice);
  send(bob, new_order(2, 2, Side::kBuy, 1, 106));
  const auto& executions = exchange.participant(alice).executions;
  ASSERT_EQ(count(alice), before + 2);
  EXPECT_EQ(executions[before + 1].type, ExecutionType::kTriggered);
  EXPECT_EQ(executions[before + 1].status, OrderStatus::kNew);
  EXPECT_EQ(executions[before + 1].command_sequence, 0U) << "another's trade released it";
  EXPECT_EQ(executions[before + 2].type, ExecutionType::kTrade);
  EXPECT_EQ(executions[before + 2].liquidity, Liquidity::kTaker);
  EXPECT_EQ(exchange.open_orders(alice).size(), 0U);
}

TEST_F(ExchangeTest, AWaitingDayOrderExpires) {
  Command stop = new_order(1, 71, Side::kBuy, 10, 105);
  stop.type = OrderType::kStopLimit;
  stop.time_in_force = TimeInForce::kDay;
  stop.terms.stop_price = 105;
  send(alice, stop);
  EXPECT_EQ(exchange.apply(ExpireDayOrders{1}, 200).count, 1U);
  EXPECT_EQ(last(alice).type, ExecutionType::kExpired);
  EXPECT_EQ(exchange.market(1)->book.size(), 0U);
}

TEST_F(ExchangeTest, AnAuctionIsBegunAndUncrossed) {
  Command at_open = new_order(1, 71, Side::kBuy, 10, 0);
  at_open.type = OrderType::kMarket;
  at_open.time_in_force = TimeInForce::kAtTheOpening;
  send(alice, at_open);
  EXPECT_EQ(exchange.apply(UncrossAuction{1}, 20).outcome, Outcome::kOtherPhase);
  EXPECT_EQ(exchange.apply(BeginAuction{9, AuctionKind::kOpening}, 20).outcome, Outcome::kUnknownInstrument);
  EXPECT_EQ(exchange.apply(BeginAuction{1, AuctionKind::kOpening}, 20).count, 1U);
  EXPECT_EQ(exchange.apply(BeginAuction{1, AuctionKind::kOpening}, 20).count, 0U) << "it goes on already";
  EXPECT_EQ(exchange.apply(BeginAuction{1, AuctionKind::kClosing}, 20).outcome, Outcome::kOtherPhase);
  EXPECT_EQ(exchange.fresh_feed().back().status, TradingStatus::kCall);
  EXPECT_EQ(exchange.apply(SetStatus{1, TradingStatus::kOpen}, 20).count, 0U) << "only uncrossing ends it";
  send(bob, new_order(1, 72, Side::kSell, 4, 100));
  EXPECT_EQ(exchange.apply(UncrossAuction{1, 0}, 20).outcome, Outcome::kPriceOutOfBand);
  exchange.apply(SetStatus{1, TradingStatus::kHalted}, 20);
  EXPECT_EQ(exchange.apply(UncrossAuction{1, 101}, 20).outcome, Outcome::kOtherPhase) << "halted";
  exchange.apply(SetStatus{1, TradingStatus::kOpen}, 20);
  const Result result = exchange.apply(UncrossAuction{1, 101}, 20);
  EXPECT_EQ(result.volume, 4);
  EXPECT_EQ(result.price, 101);
  EXPECT_EQ(last(bob).type, ExecutionType::kTrade);
  EXPECT_EQ(last(bob).liquidity, Liquidity::kAuction);
  EXPECT_EQ(last(bob).command_sequence, 0U);
  EXPECT_EQ(last(alice).type, ExecutionType::kExpired);
  EXPECT_EQ(last(alice).reason, Reason::kAuctionOver);
  EXPECT_EQ(last(alice).status, OrderStatus::kExpired);
  EXPECT_EQ(exchange.market(1)->last_trade.side, Side::kUnspecified);
  EXPECT_EQ(exchange.fresh_feed().back().status, TradingStatus::kOpen);
  EXPECT_EQ(exchange.open_orders(alice).size() + exchange.open_orders(bob).size(), 0U);
}

TEST_F(ExchangeTest, HaltAndResumeReachOneInstrumentOrAll) {
  exchange.apply(define(2), 13);
  EXPECT_EQ(exchange.apply(SetStatus{1, TradingStatus::kHalted}, 20).count, 1U);
  EXPECT_EQ(exchange.apply(SetStatus{1, TradingStatus::kHalted}, 20).count, 0U);
  send(alice, new_order(1, 1, Side::kBuy, 10, 100, 1));
  EXPECT_EQ(last(alice).reason, Reason::kHalted);
  send(alice, new_order(2, 1, Side::kBuy, 10, 100, 2));
  EXPECT_EQ(last(alice).type, ExecutionType::kNew);
  EXPECT_EQ(exchange.apply(SetStatus{0, TradingStatus::kHalted}, 20).count, 1U);
  EXPECT_EQ(exchange.apply(SetStatus{0, TradingStatus::kOpen}, 20).count, 2U);
  EXPECT_EQ(exchange.apply(SetStatus{5, TradingStatus::kOpen}, 20).outcome, Outcome::kUnknownInstrument);
}

TEST_F(ExchangeTest, AnInstrumentIsDefinedOnceAndMayChangeItsLimits) {
  DefineInstrument again = define(1);
  EXPECT_EQ(exchange.apply(again, 20).count, 0U);
  again.instrument.highest_price = 50;
  EXPECT_EQ(exchange.apply(again, 20).count, 1U);
  send(alice, new_order(1, 1, Side::kBuy, 10, 51));
  EXPECT_EQ(last(alice).reason, Reason::kPriceOutOfBand);
  again.instrument.symbol = "OTHER";
  EXPECT_EQ(exchange.apply(again, 20).outcome, Outcome::kInstrumentConflict);
  again = define(2);
  again.instrument.symbol = "TEST1";
  EXPECT_EQ(exchange.apply(again, 20).outcome, Outcome::kInstrumentConflict);
}

}  // namespace
}  // namespace ordermesh::engine::test
