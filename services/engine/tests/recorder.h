// Writes down what a book tells, and shows what a book holds, as lines that can be compared and read.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "ordermesh/engine/book_events.h"

namespace ordermesh::engine::test {

class Recorder : public BookEvents {
 public:
  std::vector<std::string> lines;

  void on_accepted(const Order& order) { add("accepted ", order.id, " ", order.leaves, "@", order.price); }
  void on_trade(const Order& maker, const Order& taker, Price price, Quantity quantity) {
    add("trade ", maker.id, " with ", taker.id, " ", quantity, "@", price, " leaves ", maker.leaves, " ", taker.leaves);
  }
  void on_canceled(const Order& order, Reason reason, Quantity removed) {
    add("canceled ", order.id, " -", removed, " reason ", static_cast<int>(reason), " leaves ", order.leaves);
  }
  void on_reduced(const Order& order, Reason reason, Quantity removed) {
    add("reduced ", order.id, " -", removed, " reason ", static_cast<int>(reason), " leaves ", order.leaves);
  }
  void on_replaced(const Order& order) {
    add("replaced ", order.id, " ", order.leaves, "@", order.price, " cumulative ", order.cumulative);
  }
  void on_expire_time(const Order& order, Nanoseconds before) {
    add("expires ", order.id, " at ", order.terms.expire_time, ", not at ", before);
  }
  void on_auction_trade(const Order& buy, const Order& sell, Price price, Quantity quantity) {
    add("auction ", buy.id, " with ", sell.id, " ", quantity, "@", price, " leaves ", buy.leaves, " ", sell.leaves);
  }
  void on_triggered(const Order& order) {
    add("triggered ", order.id, order.type == OrderType::kMarket ? " as market" : " as limit");
  }
  void on_level(Side side, Price price, Quantity quantity, std::uint32_t orders) {
    add(side == Side::kBuy ? "bid " : "ask ", price, ": ", quantity, " in ", orders);
  }

  std::vector<std::string> take() {
    std::vector<std::string> taken;
    taken.swap(lines);
    return taken;
  }

 private:
  template <typename... Parts>
  void add(const Parts&... parts) {
    std::ostringstream line;
    (line << ... << parts);
    lines.push_back(line.str());
  }
};

// Every open order of a book, in priority order, with all that matters of it.
template <typename Book>
std::vector<std::string> contents(const Book& book) {
  std::vector<std::string> lines;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    book.for_each_order(side, [&](const Order& order) {
      std::ostringstream line;
      line << (side == Side::kBuy ? "bid " : "ask ") << order.id << " " << order.leaves << "@" << order.price
           << " cumulative " << order.cumulative << " owner " << order.owner << " group " << order.self_trade_group
           << " tif " << static_cast<int>(order.time_in_force) << (order.terms.post_only ? " post-only" : "");
      if (order.terms.display > 0) {
        line << " shows " << displayed(order) << " of " << order.terms.display;
      }
      lines.push_back(line.str());
    });
  }
  book.for_each_waiting([&](const Order& order) {
    std::ostringstream line;
    line << (order.side == Side::kBuy ? "buy " : "sell ") << order.id << " " << order.leaves << "@" << order.price
         << " tif " << static_cast<int>(order.time_in_force) << " waits for " << order.terms.stop_price << " type "
         << static_cast<int>(order.type) << " shows "
         << order.terms.display;
    lines.push_back(line.str());
  });
  return lines;
}

}  // namespace ordermesh::engine::test
