// What holds of an exchange whatever comes: its feed, its executions, its saved state, its transactions' encoding.
#include <gtest/gtest.h>

#include <map>

#include "ordermesh/engine/codec.h"
#include "transactions.h"

namespace ordermesh::engine::test {
namespace {

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
