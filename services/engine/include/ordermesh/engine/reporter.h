// Turns what the books tell into executions per participant and feed events per instrument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ordermesh/engine/hash_index.h"
#include "ordermesh/engine/messages.h"
#include "ordermesh/engine/order_book.h"
#include "ordermesh/engine/recent.h"

namespace ordermesh::engine {

// Where an open order of a participant is found.
struct OpenOrder {
  InstrumentId instrument = 0;
  OrderId id = 0;
};

// When an open order expires by itself; the soonest comes first.
struct Expiry {
  Nanoseconds time = 0;
  OrderId id = 0;
  InstrumentId instrument = 0;

  friend constexpr auto operator<=>(const Expiry&, const Expiry&) = default;
};

struct Participant {
  Participant(std::string given_name, std::size_t executions_kept)
      : name(std::move(given_name)), executions(executions_kept) {}

  std::string name;
  std::uint64_t last_command_sequence = 0;
  HashIndex<ClientOrderId, OpenOrder> open_orders;
  Recent<Execution> executions;
  bool touched = false;
};

struct Market;

class Reporter : public BookEvents {
 public:
  // What the books are working on: set before each call of a book.
  struct Cause {
    ParticipantIndex participant = kVenue;
    std::uint64_t command_sequence = 0;
    Nanoseconds time = 0;
    Market* market = nullptr;
  };
  // The participant index of nobody.
  static constexpr ParticipantIndex kVenue = 0xFFFFFFFFU;

  Cause cause;
  std::vector<std::unique_ptr<Participant>> participants;
  std::uint64_t last_trade_id = 0;
  std::set<Expiry> expiries;
  // Since they were last cleared: who has new executions, and all new feed events in the order in which they happened.
  std::vector<ParticipantIndex> touched;
  std::vector<FeedEvent> fresh_feed;

  void on_accepted(const Order& order);
  void on_trade(const Order& maker, const Order& taker, Price price, Quantity quantity);
  void on_auction_trade(const Order& buy, const Order& sell, Price price, Quantity quantity);
  void on_canceled(const Order& order, Reason reason, Quantity removed);
  void on_reduced(const Order& order, Reason reason, Quantity removed);
  void on_replaced(const Order& order);
  void on_expire_time(const Order& order, Nanoseconds before);
  void on_triggered(const Order& order);
  void on_level(Side side, Price price, Quantity quantity, std::uint32_t orders);

  // Remembers an order that is open from here on.
  void open(const Order& order, InstrumentId instrument);

  // A new order was refused.
  void reject(const Command& command, Reason reason);
  // Another command was refused; `order` is the one it named, or nullptr.
  void reject_change(const Command& command, const Order* order, Reason reason);
  void mass_canceled(std::uint32_t orders, InstrumentId instrument);
  // The status of the cause's market is new.
  void status_changed();
  // A trade, told until now with the price and quantity that `adjust` has as made, is to be told with new ones, or (zero) as
  // taken back: to one of its sides, whose order is nullptr when it is done; and to the public.
  void trade_adjusted(const AdjustTrade& adjust, const TradeSide& side, const Order* order);
  void trade_adjusted(const AdjustTrade& adjust);

 private:
  [[nodiscard]] Execution describe(const Order& order, ExecutionType type, Reason reason) const;
  void publish_trade(const Order& order, Price price, Quantity quantity, Liquidity liquidity);
  void publish_trade(Side aggressor, Price price, Quantity quantity);
  void publish(ParticipantIndex participant, Execution execution);
  void publish(FeedEvent event);
  void close(const Order& order);
};

// An instrument, its book and its feed.
struct Market {
  Market(Instrument defined, Reporter& reporter, std::size_t feed_events_kept)
      : instrument(std::move(defined)), book(reporter), feed(feed_events_kept) {}

  Instrument instrument;
  OrderBook<Reporter> book;
  Recent<FeedEvent> feed;
  FeedEvent last_trade;  // sequence zero: none yet
};

}  // namespace ordermesh::engine
