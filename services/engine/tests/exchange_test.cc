#include <gtest/gtest.h>

#include <map>

#include "ordermesh/engine/codec.h"
#include "transactions.h"

namespace ordermesh::engine::test {
namespace {

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest() {
    exchange.apply(define(1), 10);
    alice = exchange.apply(RegisterParticipant{"alice"}, 11).count;
    bob = exchange.apply(RegisterParticipant{"bob"}, 12).count;
  }

  Result send(ParticipantIndex who, const Command& command) {
    return exchange.apply(ParticipantCommand{who, command}, 100);
  }
  const Execution& last(ParticipantIndex who) {
    const auto& executions = exchange.participant(who).executions;
    return executions[executions.last()];
  }
  std::uint64_t count(ParticipantIndex who) { return exchange.participant(who).executions.last(); }

  Exchange exchange{Exchange::Settings{}};
  ParticipantIndex alice = 0;
  ParticipantIndex bob = 0;
};

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

struct BadOrder {
  const char* name;
  void (*spoil)(Command&);
  Reason reason;
};

class Refusal : public ExchangeTest, public ::testing::WithParamInterface<BadOrder> {};

TEST_P(Refusal, NamesItsReasonAndChangesNothing) {
  Command command = new_order(1, 71, Side::kBuy, 10, 100);
  GetParam().spoil(command);
  send(alice, command);
  EXPECT_EQ(last(alice).type, ExecutionType::kRejected);
  EXPECT_EQ(last(alice).reason, GetParam().reason);
  EXPECT_EQ(last(alice).status, OrderStatus::kRejected);
  EXPECT_EQ(exchange.market(1)->book.size(), 0U);
  EXPECT_EQ(exchange.participant(alice).open_orders.size(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    All, Refusal,
    ::testing::Values(
        BadOrder{"order_id", [](Command& c) { c.has_order_id = false; }, Reason::kInvalidOrderId},
        BadOrder{"instrument", [](Command& c) { c.instrument = 9; }, Reason::kUnknownInstrument},
        BadOrder{"side", [](Command& c) { c.side = Side::kUnspecified; }, Reason::kInvalidSide},
        BadOrder{"unknown_side", [](Command& c) { c.side = static_cast<Side>(3); }, Reason::kInvalidSide},
        BadOrder{"type", [](Command& c) { c.type = static_cast<OrderType>(255); }, Reason::kInvalidOrderType},
        BadOrder{"time_in_force", [](Command& c) { c.time_in_force = TimeInForce::kUnspecified; },
                 Reason::kInvalidTimeInForce},
        BadOrder{"prevention", [](Command& c) { c.self_trade_prevention = SelfTradePrevention::kUnspecified; },
                 Reason::kInvalidSelfTradePrevention},
        BadOrder{"market_price", [](Command& c) { c.type = OrderType::kMarket; }, Reason::kInvalidPrice},
        BadOrder{"price_too_low", [](Command& c) { c.price = 0; }, Reason::kPriceOutOfBand},
        BadOrder{"price_too_high", [](Command& c) { c.price = 1'000'000'000'001; }, Reason::kPriceOutOfBand},
        BadOrder{"post_only_market",
                 [](Command& c) {
                   c.type = OrderType::kMarket;
                   c.price = 0;
                   c.terms.post_only = true;
                 },
                 Reason::kInvalidExecutionInstruction},
        BadOrder{"post_only_at_once",
                 [](Command& c) {
                   c.time_in_force = TimeInForce::kImmediateOrCancel;
                   c.terms.post_only = true;
                 },
                 Reason::kInvalidExecutionInstruction},
        BadOrder{"no_date", [](Command& c) { c.time_in_force = TimeInForce::kGoodTillDate; },
                 Reason::kInvalidExpireTime},
        BadOrder{"a_date_that_is_now",
                 [](Command& c) {
                   c.time_in_force = TimeInForce::kGoodTillDate;
                   c.terms.expire_time = 100;
                 },
                 Reason::kInvalidExpireTime},
        BadOrder{"a_date_without_need", [](Command& c) { c.terms.expire_time = 1000; }, Reason::kInvalidExpireTime},
        BadOrder{"showing_less_than_nothing", [](Command& c) { c.terms.display = -1; },
                 Reason::kInvalidDisplayQuantity},
        BadOrder{"showing_more_than_there_is", [](Command& c) { c.terms.display = 11; },
                 Reason::kInvalidDisplayQuantity},
        BadOrder{"an_iceberg_that_does_not_rest",
                 [](Command& c) {
                   c.time_in_force = TimeInForce::kFillOrKill;
                   c.terms.display = 5;
                 },
                 Reason::kInvalidDisplayQuantity},
        BadOrder{"a_stop_price_without_need", [](Command& c) { c.terms.stop_price = 100; }, Reason::kInvalidStopPrice},
        BadOrder{"no_stop_price", [](Command& c) { c.type = OrderType::kStopLimit; }, Reason::kInvalidStopPrice},
        BadOrder{"a_stop_order_with_a_limit",
                 [](Command& c) {
                   c.type = OrderType::kStop;
                   c.terms.stop_price = 100;
                 },
                 Reason::kInvalidPrice},
        BadOrder{"a_post_only_stop_order",
                 [](Command& c) {
                   c.type = OrderType::kStopLimit;
                   c.terms.stop_price = 100;
                   c.terms.post_only = true;
                 },
                 Reason::kInvalidExecutionInstruction},
        BadOrder{"a_stop_order_for_an_auction",
                 [](Command& c) {
                   c.type = OrderType::kStopLimit;
                   c.time_in_force = TimeInForce::kAtTheClose;
                   c.terms.stop_price = 100;
                 },
                 Reason::kInvalidTimeInForce},
        BadOrder{"no_quantity", [](Command& c) { c.quantity = 0; }, Reason::kInvalidQuantity},
        BadOrder{"quantity_too_large", [](Command& c) { c.quantity = kQuantityLimit + 1; }, Reason::kInvalidQuantity}),
    [](const auto& refused) { return std::string(refused.param.name); });

TEST_F(ExchangeTest, AnOpenOrdersIdIsRefusedAndFreeAgainWhenItIsDone) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(alice, new_order(2, 71, Side::kBuy, 10, 100));
  EXPECT_EQ(last(alice).reason, Reason::kDuplicateOrderId);
  send(bob, new_order(1, 71, Side::kBuy, 10, 100));
  EXPECT_EQ(last(bob).type, ExecutionType::kNew) << "another participant's id is another id";
  send(alice, change(3, CommandKind::kCancel, 71));
  send(alice, new_order(4, 71, Side::kBuy, 10, 100));
  EXPECT_EQ(last(alice).type, ExecutionType::kNew);
}

TEST_F(ExchangeTest, NobodyTouchesAnothersOrder) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  for (const auto kind : {CommandKind::kCancel, CommandKind::kReduce, CommandKind::kReplace}) {
    send(bob, change(static_cast<std::uint64_t>(kind), kind, 71, 5, 100));
    EXPECT_EQ(last(bob).type, ExecutionType::kCancelRejected);
    EXPECT_EQ(last(bob).reason, Reason::kUnknownOrder);
  }
  EXPECT_EQ(count(alice), 1U);
}

TEST_F(ExchangeTest, ARefusedReplaceShowsTheOrderAsItIs) {
  send(alice, new_order(1, 71, Side::kBuy, 10, 100));
  send(alice, change(2, CommandKind::kReplace, 71, 10, 0));
  EXPECT_EQ(last(alice).reason, Reason::kPriceOutOfBand);
  EXPECT_EQ(last(alice).leaves, 10);
  EXPECT_EQ(last(alice).status, OrderStatus::kNew);
  send(alice, change(3, CommandKind::kReplace, 71, 0, 100));
  EXPECT_EQ(last(alice).reason, Reason::kInvalidQuantity);
  send(alice, change(4, CommandKind::kReplace, 71, 12, 101));
  EXPECT_EQ(last(alice).type, ExecutionType::kReplaced);
  EXPECT_EQ(last(alice).price, 101);
  EXPECT_EQ(last(alice).quantity, 12);
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

class RandomExchange : public ::testing::TestWithParam<unsigned> {};

TEST_P(RandomExchange, TheFeedRebuildsTheBookAndNumbersHaveNoGaps) {
  Exchange exchange(kSmall);
  using Levels = std::map<std::pair<Side, Price>, std::pair<Quantity, std::uint32_t>>;
  std::map<InstrumentId, Levels> rebuilt;
  std::map<InstrumentId, std::uint64_t> sequences;
  RandomTransactions transactions(GetParam());
  for (const Transaction& transaction : RandomTransactions::beginning()) {
    exchange.apply(transaction, 1);
  }
  for (int step = 0; step < 3'000; ++step) {
    exchange.apply(transactions.next(), step);
    for (const FeedEvent& event : exchange.fresh_feed()) {
      ASSERT_EQ(event.sequence, ++sequences[event.instrument]);
      if (event.kind == FeedKind::kLevel && event.orders == 0) {
        rebuilt[event.instrument].erase({event.side, event.price});
      } else if (event.kind == FeedKind::kLevel) {
        rebuilt[event.instrument][{event.side, event.price}] = {event.quantity, event.orders};
      }
    }
    exchange.forget_news();
  }
  for (const auto& [id, market] : exchange.markets()) {
    Levels held;
    for (const Side side : {Side::kBuy, Side::kSell}) {
      market->book.for_each_level(side, [&](Price price, const Level& level) {
        held[{side, price}] = {level.quantity, level.count};
        return true;
      });
    }
    EXPECT_EQ(rebuilt[id], held);
    EXPECT_EQ(sequences[id], market->feed.last());
  }
}

TEST_P(RandomExchange, OpenOrdersAndExecutionsAgreeWithTheBooks) {
  Exchange exchange(kSmall);
  RandomTransactions transactions(GetParam());
  for (const Transaction& transaction : RandomTransactions::beginning()) {
    exchange.apply(transaction, 1);
  }
  std::map<OrderId, Execution> newest;
  std::vector<std::uint64_t> seen(3, 0);
  for (int step = 0; step < 3'000; ++step) {
    exchange.apply(transactions.next(), step);
    for (const ParticipantIndex index : exchange.touched()) {
      const auto& executions = exchange.participant(index).executions;
      for (std::uint64_t number = seen[index] + 1; number <= executions.last(); ++number) {
        ASSERT_EQ(executions[number].sequence, number);
        if (executions[number].venue_order_id != 0) {
          newest[executions[number].venue_order_id] = executions[number];
        }
      }
      seen[index] = executions.last();
    }
    exchange.forget_news();
  }
  std::size_t open = 0;
  for (const auto& [id, market] : exchange.markets()) {
    open += market->book.size();
  }
  for (ParticipantIndex index = 0; index < exchange.participants(); ++index) {
    for (const OpenOrder& order : exchange.open_orders(index)) {
      const Order* resting = exchange.market(order.instrument)->book.find(order.id);
      ASSERT_NE(resting, nullptr);
      EXPECT_EQ(newest[order.id].leaves, resting->leaves);
      EXPECT_EQ(newest[order.id].cumulative, resting->cumulative);
      --open;
    }
  }
  EXPECT_EQ(open, 0U) << "every resting order is somebody's open order";
}

TEST_P(RandomExchange, ASavedExchangeGoesOnAsTheOneItWas) {
  Exchange original(kSmall);
  RandomTransactions transactions(GetParam());
  for (const Transaction& transaction : RandomTransactions::beginning()) {
    original.apply(transaction, 1);
  }
  for (int step = 0; step < 2'000; ++step) {
    original.apply(transactions.next(), step);
  }
  Exchange restored(kSmall);
  for (const auto& block : state_of(original)) {
    restored.load(block);
  }
  ASSERT_EQ(state_of(original), state_of(restored));
  for (int step = 2'000; step < 4'000; ++step) {
    const Transaction transaction = transactions.next();
    const Result expected = original.apply(transaction, step);
    const Result result = restored.apply(transaction, step);
    ASSERT_EQ(expected.outcome, result.outcome);
    ASSERT_EQ(expected.count, result.count);
  }
  EXPECT_EQ(state_of(original), state_of(restored));
}

TEST_P(RandomExchange, TransactionsSurviveTheirEncoding) {
  RandomTransactions transactions(GetParam());
  for (int step = 0; step < 2'000; ++step) {
    const Transaction transaction = transactions.next();
    std::vector<std::uint8_t> bytes;
    ByteWriter writer(bytes);
    encode(writer, transaction);
    ByteReader reader(bytes);
    EXPECT_EQ(decode_transaction(reader), transaction);
    EXPECT_TRUE(reader.done());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteReader shortened({bytes.data(), size});
      EXPECT_THROW(static_cast<void>(decode_transaction(shortened)), DecodeError);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomExchange, ::testing::Range(1U, 4U));

}  // namespace
}  // namespace ordermesh::engine::test
