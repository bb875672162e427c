// The neutral workload's file format, and a run of it on a book: `A id side price quantity` and `C id` lines.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ordermesh/engine/order_book.h"

namespace ordermesh::engine::bench {

struct Operation {
  OrderId id = 0;
  Price price = 0;
  Quantity quantity = 0;
  Side side = Side::kUnspecified;  // unspecified: a cancel
};

// Throws std::runtime_error naming the line that cannot be read.
inline std::vector<Operation> read_workload(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error("cannot open " + path);
  }
  std::vector<Operation> operations;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string side;
    Operation operation;
    words >> kind >> operation.id;
    if (kind == "A") {
      words >> side >> operation.price >> operation.quantity;
      operation.side = side == "B" ? Side::kBuy : Side::kSell;
    }
    if (!words || (kind != "A" && kind != "C") || (kind == "A" && side != "B" && side != "S")) {
      throw std::runtime_error(path + ":" + std::to_string(operations.size() + 1) + ": not an operation");
    }
    operations.push_back(operation);
  }
  return operations;
}

// Hears trades and depth, and folds all of it into numbers that say whether two runs told the same.
class Tally : public BookEvents {
 public:
  void on_trade(const Order& maker, const Order& taker, Price price, Quantity quantity) {
    ++trades;
    traded_quantity += quantity;
    notional += quantity * price;
    fold(maker.id);
    fold(taker.id);
    fold(static_cast<std::uint64_t>(price));
    fold(static_cast<std::uint64_t>(quantity));
  }

  void on_level(Side side, Price price, Quantity quantity, std::uint32_t orders) {
    ++depth_events;
    depth_sum += static_cast<std::uint64_t>(price) * (side == Side::kBuy ? 3 : 5) +
                 static_cast<std::uint64_t>(quantity) * 7 + orders;
  }

  std::uint64_t trades = 0;
  Quantity traded_quantity = 0;
  std::int64_t notional = 0;
  std::uint64_t trade_hash = 1469598103934665603ULL;
  std::uint64_t depth_events = 0;
  std::uint64_t depth_sum = 0;

 private:
  void fold(std::uint64_t word) noexcept { trade_hash = (trade_hash ^ word) * 1099511628211ULL; }
};

template <typename Book>
[[gnu::always_inline]] inline bool perform(Book& book, const Operation& operation) {
  if (operation.side == Side::kUnspecified) {
    return book.cancel(operation.id) == Reason::kNone;
  }
  NewOrder order;
  order.id = operation.id;
  order.side = operation.side;
  order.price = operation.price;
  order.quantity = operation.quantity;
  return book.submit(order) == Reason::kNone;
}

}  // namespace ordermesh::engine::bench
