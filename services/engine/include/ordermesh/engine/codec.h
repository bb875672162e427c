// Transactions, orders and executions as bytes.
#pragma once

#include "ordermesh/engine/bytes.h"
#include "ordermesh/engine/messages.h"

namespace ordermesh::engine {

void encode(ByteWriter& writer, const Transaction& transaction);
// Throws DecodeError when the bytes are not a transaction.
[[nodiscard]] Transaction decode_transaction(ByteReader& reader);

void encode(ByteWriter& writer, const Instrument& instrument);
[[nodiscard]] Instrument decode_instrument(ByteReader& reader);

void encode(ByteWriter& writer, const Execution& execution);
// Without a stop price: as executions were written before there were stop orders.
[[nodiscard]] Execution decode_execution(ByteReader& reader, bool with_stop_price);

// An open order, without its place in the book.
void encode(ByteWriter& writer, const Order& order);
// Without terms: as orders were written before there were any.
[[nodiscard]] Order decode_order(ByteReader& reader, bool with_terms);

}  // namespace ordermesh::engine
