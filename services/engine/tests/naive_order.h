// What the naive book asks of one order, or two.
#pragma once

#include <algorithm>
#include <list>

#include "ordermesh/engine/types.h"

namespace ordermesh::engine::test {

// Keyed so that the best price comes first.
inline Price key(Side side, Price price) { return side == Side::kBuy ? -price : price; }

inline Order to_order(const NewOrder& request) {
  Order order;
  order.id = request.id;
  order.price = request.price;
  order.leaves = request.quantity;
  order.self_trade_group = request.self_trade_group;
  order.owner = request.owner;
  order.side = request.side;
  order.type = request.type;
  order.time_in_force = request.time_in_force;
  order.self_trade_prevention = request.self_trade_prevention;
  order.client_order_id = request.client_order_id;
  order.accepted_time = request.time;
  order.terms = request.terms;
  order.iceberg = request.terms.display > 0;
  order.waits = is_stop(request.type) || is_at_auction(request.time_in_force);
  return order;
}

inline bool may_trade(const Order& taker, const Order& maker) {
  if (taker.type == OrderType::kMarket) {
    return true;
  }
  return taker.side == Side::kBuy ? maker.price <= taker.price : maker.price >= taker.price;
}

inline bool prevented(const Order& taker, const Order& maker) {
  if (taker.self_trade_prevention == SelfTradePrevention::kNone) {
    return false;
  }
  if (taker.self_trade_group != maker.self_trade_group) {
    return false;
  }
  return taker.self_trade_group != 0 || taker.owner == maker.owner;
}

inline Quantity shown(const Order& order) { return order.leaves - order.hidden; }

inline void conceal(Order& order) {
  const bool partly = order.terms.display > 0 && order.terms.display < order.leaves;
  order.hidden = partly ? order.leaves - order.terms.display : 0;
}

// What is hidden goes first.
inline void take_off(Order& order, Quantity by) {
  order.hidden = std::max<Quantity>(0, order.hidden - by);
  order.leaves -= by;
}

inline void amend(Order& order, const Amendment& amendment) {
  order.terms.stop_price = amendment.stop_price.value_or(order.terms.stop_price);
  order.terms.display = amendment.display.value_or(order.terms.display);
  order.iceberg = order.terms.display > 0;
  order.terms.expire_time = amendment.expire_time.value_or(order.terms.expire_time);
}

inline bool keeps_place(const Order& order, Price price, Quantity leaves, const Amendment& amendment) {
  const bool same_display = !amendment.display || *amendment.display == order.terms.display;
  const bool same_stop = !amendment.stop_price || *amendment.stop_price == order.terms.stop_price;
  const bool same = is_stop(order.type) ? same_stop : same_display && price == order.price;
  return same && leaves <= order.leaves;
}

inline bool reaches(Price print, const Order& order) {
  return order.side == Side::kBuy ? print >= order.terms.stop_price : print <= order.terms.stop_price;
}

inline void sort_by_trigger(std::list<Order>& orders) {
  orders.sort([](const Order& one, const Order& other) {
    if (one.side != other.side) {
      return one.side == Side::kBuy;
    }
    return key(opposite(one.side), one.terms.stop_price) < key(opposite(one.side), other.terms.stop_price);
  });
}

}  // namespace ordermesh::engine::test
