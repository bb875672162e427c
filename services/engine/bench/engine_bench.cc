// google-benchmark of the engine's parts: how much of the time is the book's, the exchange's, the journal's.
#include <benchmark/benchmark.h>

#include <random>

#include "journal/crc32c.h"
#include "ordermesh/engine/codec.h"
#include "ordermesh/engine/exchange.h"
#include "workload.h"

namespace ordermesh::engine::bench {
namespace {

// Orders around one price, a third of them crossing, cancels in between.
std::vector<Operation> mixed(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<Operation> operations;
  for (OrderId id = 1; operations.size() < count; ++id) {
    const Side side = random() % 2 == 0 ? Side::kBuy : Side::kSell;
    const auto distance = static_cast<Price>(random() % 60) - 20;
    operations.push_back(
        {id, 10'000 + (side == Side::kBuy ? -distance : distance), static_cast<Quantity>(random() % 100 + 1), side});
    if (id > 1000 && random() % 5 < 3) {
      operations.push_back({id - random() % 1000, 0, 0, Side::kUnspecified});
    }
  }
  return operations;
}

void book_operations(benchmark::State& state) {
  const auto operations = mixed(1'000'000);
  for (auto _ : state) {
    Tally tally;
    OrderBook<Tally> book(tally);
    for (const Operation& operation : operations) {
      perform(book, operation);
    }
    benchmark::DoNotOptimize(tally.trade_hash);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(operations.size()));
}
BENCHMARK(book_operations)->Unit(benchmark::kMillisecond);

std::vector<Transaction> commands(std::size_t count) {
  std::vector<Transaction> transactions;
  std::uint64_t sequence = 0;
  for (const Operation& operation : mixed(count)) {
    ParticipantCommand command;
    command.participant = static_cast<ParticipantIndex>(operation.id % 4);
    command.command.sequence = ++sequence;
    command.command.has_order_id = true;
    command.command.order_id = {operation.id, 1};
    command.command.kind = operation.side == Side::kUnspecified ? CommandKind::kCancel : CommandKind::kNew;
    command.command.instrument = 1;
    command.command.side = operation.side;
    command.command.type = OrderType::kLimit;
    command.command.time_in_force = TimeInForce::kGoodTillCancel;
    command.command.self_trade_prevention = SelfTradePrevention::kNone;
    command.command.price = operation.price;
    command.command.quantity = operation.quantity;
    transactions.push_back(command);
  }
  return transactions;
}

// Commands of four participants through ids, executions and feed.
void exchange_commands(benchmark::State& state) {
  const auto transactions = commands(500'000);
  for (auto _ : state) {
    Exchange exchange(Exchange::Settings{});
    exchange.apply(DefineInstrument{{.id = 1, .symbol = "BENCH"}}, 1);
    for (const char* name : {"a", "b", "c", "d"}) {
      exchange.apply(RegisterParticipant{name}, 1);
    }
    for (const Transaction& transaction : transactions) {
      exchange.apply(transaction, 2);
      exchange.forget_news();
    }
    benchmark::DoNotOptimize(exchange.participant(0).executions.last());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transactions.size()));
}
BENCHMARK(exchange_commands)->Unit(benchmark::kMillisecond);

void encode_commands(benchmark::State& state) {
  const auto transactions = commands(100'000);
  std::vector<std::uint8_t> bytes;
  for (auto _ : state) {
    bytes.clear();
    ByteWriter writer(bytes);
    for (const Transaction& transaction : transactions) {
      encode(writer, transaction);
    }
    benchmark::DoNotOptimize(journal::crc32c(bytes));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(transactions.size()));
}
BENCHMARK(encode_commands)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ordermesh::engine::bench
