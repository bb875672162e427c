// Between the contract's messages and the engine's plain values.
#pragma once

#include <optional>
#include <string>

#include "ordermesh/engine/messages.h"
#include "ordermesh/engine/reporter.h"
#include "ordermesh/engine/v1/instrument.pb.h"
#include "ordermesh/engine/v1/market_feed.pb.h"
#include "ordermesh/engine/v1/order_entry_service.pb.h"

namespace ordermesh::engine::server {

namespace pb = ::ordermesh::engine::v1;

// Why a command is malformed, with the field that is; nothing when it is well formed. What a well formed command asks
// for may still be refused by the exchange.
[[nodiscard]] std::optional<std::string> to_command(const pb::Command& from, Command& to);

// Fills in the limits that are not given; or says what is wrong with which field.
[[nodiscard]] std::optional<std::string> to_instrument(const pb::Instrument& from, Instrument& to);

void to_proto(const Execution& from, pb::Execution& to);
void to_proto(const FeedEvent& from, pb::FeedEvent& to);
void to_proto(const Instrument& from, pb::Instrument& to);
void to_proto(const Order& from, InstrumentId instrument, pb::OpenOrder& to);
// The trade that an event is.
void to_proto_trade(const FeedEvent& from, pb::FeedTrade& to);

}  // namespace ordermesh::engine::server
