// Saving and loading an exchange: participants with their executions first, then instruments with their orders.
#include <algorithm>
#include <iterator>

#include "ordermesh/engine/codec.h"
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine {
namespace {

enum class BlockKind : std::uint8_t {
  kCounters = 1,
  kParticipant = 2,
  kPlainExecutions = 3,  // of the participant named in it, without stop prices; read, but no longer written
  kPlainMarket = 4,      // whether it is halted, but no call phase; read, but no longer written
  kPlainOrders = 5,  // of the market before, without terms; read, but no longer written
  kOrders = 6,       // of the market before
  kExecutions = 7,   // of the participant named in it
  kMarket = 8,
  kAdjustedTrades = 15,
};

constexpr std::uint32_t kItemsInBlock = 4096;

class Block {
 public:
  explicit Block(BlockKind kind) { writer.put(kind); }
  void hand_to(const Exchange::BlockSink& sink) const { sink(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;

 public:
  ByteWriter writer{bytes_};
};

void save_executions(ParticipantIndex index, const Recent<Execution>& executions, const Exchange::BlockSink& sink) {
  for (std::uint64_t next = executions.first(); next <= executions.last();) {
    const std::uint64_t end = std::min(executions.last() + 1, next + kItemsInBlock);
    Block block(BlockKind::kExecutions);
    block.writer.put(index);
    block.writer.put(static_cast<std::uint32_t>(end - next));
    for (; next < end; ++next) {
      encode(block.writer, executions[next]);
    }
    block.hand_to(sink);
  }
}

void save_orders(const std::vector<const Order*>& orders, const Exchange::BlockSink& sink) {
  for (std::size_t next = 0; next < orders.size();) {
    const std::size_t end = std::min(orders.size(), next + kItemsInBlock);
    Block block(BlockKind::kOrders);
    block.writer.put(static_cast<std::uint32_t>(end - next));
    for (; next < end; ++next) {
      encode(block.writer, *orders[next]);
    }
    block.hand_to(sink);
  }
}

}  // namespace

void Exchange::save(const BlockSink& sink) const {
  Block counters(BlockKind::kCounters);
  counters.writer.put(last_order_id_);
  counters.writer.put(reporter_.last_trade_id);
  counters.hand_to(sink);
  save_participants(sink);
  save_markets(sink);
  save_adjusted_trades(sink);
}

void Exchange::save_participants(const BlockSink& sink) const {
  for (ParticipantIndex index = 0; index < reporter_.participants.size(); ++index) {
    const Participant& participant = *reporter_.participants[index];
    Block block(BlockKind::kParticipant);
    block.writer.put_text(participant.name);
    block.writer.put(participant.last_command_sequence);
    block.writer.put(participant.executions.first());
    block.hand_to(sink);
    save_executions(index, participant.executions, sink);
  }
}

void Exchange::save_markets(const BlockSink& sink) const {
  for (const auto& [id, market] : markets_) {
    Block block(BlockKind::kMarket);
    encode(block.writer, market->instrument);
    block.writer.put(market->book.status());
    block.writer.put(market->book.call());
    block.writer.put(market->feed.last());
    block.writer.put(market->last_trade.sequence);
    block.writer.put(market->last_trade.time);
    block.writer.put(market->last_trade.price);
    block.writer.put(market->last_trade.quantity);
    block.writer.put(market->last_trade.trade_id);
    block.writer.put(market->last_trade.side);
    block.hand_to(sink);
    std::vector<const Order*> orders;
    for (const Side side : {Side::kBuy, Side::kSell}) {
      market->book.for_each_order(side, [&](const Order& order) { orders.push_back(&order); });
    }
    market->book.for_each_waiting([&](const Order& order) { orders.push_back(&order); });
    save_orders(orders, sink);
  }
}

void Exchange::save_adjusted_trades(const BlockSink& sink) const {
  for (auto next = adjusted_trades_.begin(); next != adjusted_trades_.end();) {
    const auto left = static_cast<std::uint32_t>(std::distance(next, adjusted_trades_.end()));
    const auto end = std::next(next, std::min(left, kItemsInBlock));
    Block block(BlockKind::kAdjustedTrades);
    block.writer.put(std::min(left, kItemsInBlock));
    for (; next != end; ++next) {
      block.writer.put(next->first);
      block.writer.put(next->second.price);
      block.writer.put(next->second.quantity);
    }
    block.hand_to(sink);
  }
}

void Exchange::load(std::span<const std::uint8_t> bytes) {
  ByteReader reader(bytes);
  const auto kind = reader.get<BlockKind>();
  switch (kind) {
    case BlockKind::kCounters:
      last_order_id_ = reader.get<OrderId>();
      reporter_.last_trade_id = reader.get<std::uint64_t>();
      break;
    case BlockKind::kParticipant:
      load_participant(reader);
      break;
    case BlockKind::kPlainExecutions:
    case BlockKind::kExecutions:
      load_executions(reader, kind == BlockKind::kExecutions);
      break;
    case BlockKind::kPlainMarket:
    case BlockKind::kMarket:
      load_market(reader, kind == BlockKind::kMarket);
      break;
    case BlockKind::kPlainOrders:
    case BlockKind::kOrders:
      load_orders(reader, kind == BlockKind::kOrders);
      break;
    case BlockKind::kAdjustedTrades:
      load_adjusted_trades(reader);
      break;
    default:
      throw DecodeError("names no kind of block");
  }
  if (!reader.done()) {
    throw DecodeError("has bytes left over");
  }
}

void Exchange::load_participant(ByteReader& reader) {
  const std::string name = reader.get_text();
  Participant& participant = *reporter_.participants[enrol(name).count];
  participant.last_command_sequence = reader.get<std::uint64_t>();
  participant.executions.restart(reader.get<std::uint64_t>() - 1);
}

void Exchange::load_executions(ByteReader& reader, bool with_stop_price) {
  const auto index = reader.get<ParticipantIndex>();
  if (index >= reporter_.participants.size()) {
    throw DecodeError("names an unknown participant");
  }
  for (auto count = reader.get<std::uint32_t>(); count > 0; --count) {
    reporter_.participants[index]->executions.add(decode_execution(reader, with_stop_price));
  }
}

void Exchange::load_market(ByteReader& reader, bool with_call) {
  Market& market = add_market(decode_instrument(reader));
  const auto status = reader.get<TradingStatus>();
  const auto call = with_call ? reader.get<AuctionKind>() : AuctionKind::kUnspecified;
  market.book.begin_call(call);
  market.book.set_halted(status == TradingStatus::kHalted);
  market.feed.restart(reader.get<std::uint64_t>());
  FeedEvent& trade = market.last_trade;
  trade.kind = FeedKind::kTrade;
  trade.instrument = market.instrument.id;
  trade.sequence = reader.get<std::uint64_t>();
  trade.time = reader.get<Nanoseconds>();
  trade.price = reader.get<Price>();
  trade.quantity = reader.get<Quantity>();
  trade.trade_id = reader.get<std::uint64_t>();
  trade.side = reader.get<Side>();
  if (trade.sequence > 0) {
    market.book.restore_last_price(trade.price);
  }
  loading_ = &market;
}

void Exchange::load_orders(ByteReader& reader, bool with_terms) {
  if (loading_ == nullptr) {
    throw DecodeError("has orders before an instrument");
  }
  for (auto count = reader.get<std::uint32_t>(); count > 0; --count) {
    const Order order = decode_order(reader, with_terms);
    if (order.owner >= reporter_.participants.size()) {
      throw DecodeError("names an unknown participant");
    }
    loading_->book.restore(order);
    reporter_.open(order, loading_->instrument.id);
  }
}

void Exchange::load_adjusted_trades(ByteReader& reader) {
  for (auto count = reader.get<std::uint32_t>(); count > 0; --count) {
    const auto trade_id = reader.get<std::uint64_t>();
    AdjustedTrade& trade = adjusted_trades_[trade_id];
    trade.price = reader.get<Price>();
    trade.quantity = reader.get<Quantity>();
  }
}

}  // namespace ordermesh::engine
