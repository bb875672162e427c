// What an exchange refuses, and by which reason.
#include <gtest/gtest.h>

#include "exchange_fixture.h"

namespace ordermesh::engine::test {
namespace {

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

}  // namespace
}  // namespace ordermesh::engine::test
