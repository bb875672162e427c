// What a book tells its handler. A handler derives from BookEvents and hides what it wants to hear; calls are resolved
// at compile time.
#pragma once

#include <concepts>
#include <cstdint>

#include "ordermesh/engine/types.h"

namespace ordermesh::engine {

class BookEvents {
 public:
  // The order passed all checks. Matching comes next.
  void on_accepted(const Order& /*order*/) {}
  // Two orders traded; both already carry their new quantities. The maker is still valid during the call only.
  void on_trade(const Order& /*maker*/, const Order& /*taker*/, Price /*price*/, Quantity /*quantity*/) {}
  // Two orders traded in an auction; both already carry their new quantities.
  void on_auction_trade(const Order& /*buy*/, const Order& /*sell*/, Price /*price*/, Quantity /*quantity*/) {}
  // The order lost its open quantity and is gone; its `leaves` is already zero.
  void on_canceled(const Order& /*order*/, Reason /*reason*/, Quantity /*removed*/) {}
  // The order lost some of its open quantity.
  void on_reduced(const Order& /*order*/, Reason /*reason*/, Quantity /*removed*/) {}
  // The order has new terms; with `leaves` zero it is done, for it was filled beyond its new quantity.
  void on_replaced(const Order& /*order*/) {}
  // A good-till-date order has another expire time from here on; before it was `before`.
  void on_expire_time(const Order& /*order*/, Nanoseconds /*before*/) {}
  // A stop order's price was reached: it is a market or a limit order now, and matching comes next.
  void on_triggered(const Order& /*order*/) {}
  // A level has new totals (zero: gone), of what is displayed. Told once per level and step, after the trades that
  // changed it; not told when fresh tranches of iceberg orders made up for what was traded.
  void on_level(Side /*side*/, Price /*price*/, Quantity /*quantity*/, std::uint32_t /*orders*/) {}
};

template <typename Handler>
concept HandlesBookEvents = std::derived_from<Handler, BookEvents>;

}  // namespace ordermesh::engine
