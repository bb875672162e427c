// What is asked of both books: the naive reference and the fast one.
#pragma once

#include <gtest/gtest.h>

#include "naive_book.h"
#include "ordermesh/engine/order_book.h"
#include "recorder.h"

namespace ordermesh::engine::test {

using Lines = std::vector<std::string>;

template <typename Book>
class BookTest : public ::testing::Test {
 protected:
  NewOrder order(OrderId id, Side side, Quantity quantity, Price price) {
    return {.id = id, .side = side, .price = price, .quantity = quantity, .owner = static_cast<ParticipantIndex>(id)};
  }
  Reason buy(OrderId id, Quantity quantity, Price price) { return book.submit(order(id, Side::kBuy, quantity, price)); }
  Reason sell(OrderId id, Quantity quantity, Price price) {
    return book.submit(order(id, Side::kSell, quantity, price));
  }
  Reason iceberg(OrderId id, Side side, Quantity quantity, Quantity display, Price price) {
    NewOrder request = order(id, side, quantity, price);
    request.terms.display = display;
    return book.submit(request);
  }
  // A stop order; with a price a stop-limit order.
  Reason stop(OrderId id, Side side, Quantity quantity, Price stop_price, Price price = 0) {
    NewOrder request = order(id, side, quantity, price);
    request.type = price == 0 ? OrderType::kStop : OrderType::kStopLimit;
    request.terms.stop_price = stop_price;
    return book.submit(request);
  }
  // A trade at a price between two orders that leave nothing behind.
  void trade(OrderId id, Price price) {
    sell(id, 1, price);
    buy(id + 1, 1, price);
    told();
  }
  Lines told() { return recorder.take(); }

  Recorder recorder;
  Book book{recorder};
};

using Books = ::testing::Types<NaiveBook<Recorder>, OrderBook<Recorder>>;

}  // namespace ordermesh::engine::test
