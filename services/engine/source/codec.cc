#include "ordermesh/engine/codec.h"

#include <optional>
#include <string>
#include <type_traits>

namespace ordermesh::engine {
namespace {

enum class TransactionKind : std::uint8_t {
  kDefineInstrument = 1,
  kRegisterParticipant = 2,
  kCommand = 3,
  kSetStatus = 4,
  kExpireDayOrders = 5,
  kAdvanceTime = 6,
  kBeginAuction = 7,
  kUncrossAuction = 8,
  kAdjustTrade = 15,
};

// How a command is written: as its kind, or, with terms, as a kind of its own, so that what was written before there
// were terms is read as ever.
enum class CommandForm : std::uint8_t {
  kNewWithTerms = 6,
  kReplaceWithAmendment = 7,
  kReplaceWithExpireTime = 8,  // and an amendment's other fields
};

// Which terms follow, a bit each.
enum class TermsMask : std::uint8_t {
  kExpireTime = 1,
  kPostOnly = 2,
  kDisplay = 4,
  kStopPrice = 8,
};
constexpr std::uint8_t kEveryTerm = 15;

// One list of fields serves both directions: `Archive` either puts each field or gets it.
struct Put {
  ByteWriter& writer;
  template <typename Value>
  void operator()(const Value& value) {
    writer.put(value);
  }
  void operator()(const bool& value) { writer.put(static_cast<std::uint8_t>(value)); }
  void operator()(const ClientOrderId& value) {
    writer.put(value.first);
    writer.put(value.second);
  }
  void operator()(const std::string& value) { writer.put_text(value); }
};

struct Get {
  ByteReader& reader;
  template <typename Value>
  void operator()(Value& value) {
    value = reader.get<Value>();
  }
  void operator()(bool& value) { value = reader.get<std::uint8_t>() != 0; }
  void operator()(ClientOrderId& value) {
    value.first = reader.get<std::uint64_t>();
    value.second = reader.get<std::uint64_t>();
  }
  void operator()(std::string& value) { value = reader.get_text(); }
};

template <typename Archive, typename... Values>
void all(Archive&& archive, Values&... values) {
  (archive(values), ...);
}

template <typename Archive, typename Value>
void field_if(Archive&& archive, std::uint8_t mask, TermsMask bit, Value& value) {
  if ((mask & static_cast<std::uint8_t>(bit)) != 0) {
    archive(value);
  }
}

std::uint8_t mask_of(const Terms& terms) {
  std::uint8_t mask = 0;
  const auto note = [&](TermsMask bit, bool present) {
    mask = static_cast<std::uint8_t>(mask | (present ? static_cast<std::uint8_t>(bit) : 0U));
  };
  note(TermsMask::kExpireTime, terms.expire_time != 0);
  note(TermsMask::kPostOnly, terms.post_only);
  note(TermsMask::kDisplay, terms.display != 0);
  note(TermsMask::kStopPrice, terms.stop_price != 0);
  return mask;
}

template <typename Archive, typename Value>
void fields_of_terms(Archive&& archive, Value& value) {
  std::uint8_t mask = mask_of(value);
  archive(mask);
  if (mask > kEveryTerm) {
    throw DecodeError("has unknown terms");
  }
  field_if(archive, mask, TermsMask::kExpireTime, value.expire_time);
  field_if(archive, mask, TermsMask::kPostOnly, value.post_only);
  field_if(archive, mask, TermsMask::kDisplay, value.display);
  field_if(archive, mask, TermsMask::kStopPrice, value.stop_price);
}

// An optional value: whether it is there, and the value.
template <typename Archive, typename Value>
void optional_field(Archive&& archive, Value& value) {
  bool present = value.has_value();
  archive(present);
  typename std::remove_const_t<Value>::value_type held = value.value_or(0);
  if (present) {
    archive(held);
  }
  if constexpr (!std::is_const_v<Value>) {
    value = present ? Value(held) : std::nullopt;
  }
}

template <typename Archive, typename Value>
void fields_of_amendment(Archive&& archive, Value& value) {
  optional_field(archive, value.display);
  optional_field(archive, value.stop_price);
}

template <typename Archive, typename Value>
void fields_of_instrument(Archive&& archive, Value& value) {
  all(archive, value.id, value.symbol, value.lowest_price, value.highest_price, value.maximum_quantity);
}

template <typename Archive, typename Value>
void fields_of_order(Archive&& archive, Value& value) {
  all(archive, value.id, value.price, value.leaves, value.cumulative, value.self_trade_group, value.owner, value.side,
      value.type, value.time_in_force, value.self_trade_prevention, value.client_order_id, value.accepted_time);
}

template <typename Archive, typename Value>
void fields_of_execution(Archive&& archive, Value& value) {
  all(archive, value.sequence, value.command_sequence, value.order_id, value.venue_order_id, value.price,
      value.quantity, value.last_price, value.last_quantity, value.cumulative, value.leaves, value.trade_id, value.time,
      value.instrument, value.affected_orders, value.type, value.status, value.side, value.reason, value.liquidity,
      value.has_order_id);
}

// A kind of command has only the fields it needs, so that a cancel is small.
template <typename Archive, typename Value>
void fields_of_command(Archive&& archive, Value& value) {
  all(archive, value.sequence);
  if (value.kind == CommandKind::kMassCancel) {
    all(archive, value.instrument, value.side, value.self_trade_group);
    return;
  }
  all(archive, value.has_order_id, value.order_id);
  switch (value.kind) {
    case CommandKind::kNew:
      all(archive, value.instrument, value.side, value.type, value.time_in_force, value.self_trade_prevention,
          value.price, value.quantity, value.self_trade_group);
      break;
    case CommandKind::kReduce:
      all(archive, value.quantity);
      break;
    case CommandKind::kReplace:
      all(archive, value.price, value.quantity);
      break;
    case CommandKind::kCancel:
    case CommandKind::kMassCancel:
      break;
  }
}

template <typename Archive, typename Value>
void fields_of_adjust_trade(Archive&& archive, Value& value) {
  all(archive, value.trade_id, value.instrument, value.price, value.quantity, value.new_price, value.new_quantity);
  for (auto& side : value.sides) {
    all(archive, side.participant, side.order_id, side.venue_order_id, side.side, side.liquidity);
  }
}

CommandForm form_of(const Command& command) {
  if (command.kind == CommandKind::kNew && command.terms != Terms{}) {
    return CommandForm::kNewWithTerms;
  }
  if (command.kind == CommandKind::kReplace && command.amendment.expire_time) {
    return CommandForm::kReplaceWithExpireTime;
  }
  if (command.kind == CommandKind::kReplace && command.amendment != Amendment{}) {
    return CommandForm::kReplaceWithAmendment;
  }
  return static_cast<CommandForm>(command.kind);
}

CommandKind kind_of(CommandForm form) {
  switch (form) {
    case CommandForm::kNewWithTerms:
      return CommandKind::kNew;
    case CommandForm::kReplaceWithAmendment:
    case CommandForm::kReplaceWithExpireTime:
      return CommandKind::kReplace;
  }
  return static_cast<CommandKind>(form);
}

// What a form has beyond the fields of its command.
template <typename Archive, typename Value>
void fields_of_form(Archive&& archive, CommandForm form, Value& value) {
  if (form == CommandForm::kNewWithTerms) {
    fields_of_terms(archive, value.terms);
  } else if (form == CommandForm::kReplaceWithAmendment) {
    fields_of_amendment(archive, value.amendment);
  } else if (form == CommandForm::kReplaceWithExpireTime) {
    fields_of_amendment(archive, value.amendment);
    optional_field(archive, value.amendment.expire_time);
  }
}

struct Encoder {
  ByteWriter& writer;

  void operator()(const DefineInstrument& define) const {
    writer.put(TransactionKind::kDefineInstrument);
    encode(writer, define.instrument);
  }
  void operator()(const RegisterParticipant& participant) const {
    writer.put(TransactionKind::kRegisterParticipant);
    writer.put_text(participant.name);
  }
  void operator()(const ParticipantCommand& command) const {
    writer.put(TransactionKind::kCommand);
    writer.put(command.participant);
    const CommandForm form = form_of(command.command);
    writer.put(form);
    fields_of_command(Put{writer}, command.command);
    fields_of_form(Put{writer}, form, command.command);
  }
  void operator()(const SetStatus& status) const {
    writer.put(TransactionKind::kSetStatus);
    writer.put(status.instrument);
    writer.put(status.status);
  }
  void operator()(const ExpireDayOrders& expire) const {
    writer.put(TransactionKind::kExpireDayOrders);
    writer.put(expire.instrument);
  }
  void operator()(const BeginAuction& begin) const {
    writer.put(TransactionKind::kBeginAuction);
    writer.put(begin.instrument);
    writer.put(begin.kind);
  }
  void operator()(const UncrossAuction& uncross) const {
    writer.put(TransactionKind::kUncrossAuction);
    writer.put(uncross.instrument);
    optional_field(Put{writer}, uncross.reference_price);
  }
  void operator()(const AdjustTrade& adjust) const {
    writer.put(TransactionKind::kAdjustTrade);
    fields_of_adjust_trade(Put{writer}, adjust);
  }
  void operator()(const AdvanceTime& /*advance*/) const { writer.put(TransactionKind::kAdvanceTime); }
};

ParticipantCommand decode_command(ByteReader& reader) {
  ParticipantCommand command;
  command.participant = reader.get<ParticipantIndex>();
  const auto form = reader.get<CommandForm>();
  command.command.kind = kind_of(form);
  if (command.command.kind < CommandKind::kNew || command.command.kind > CommandKind::kMassCancel) {
    throw DecodeError("names no kind of command");
  }
  fields_of_command(Get{reader}, command.command);
  fields_of_form(Get{reader}, form, command.command);
  return command;
}

SetStatus decode_status(ByteReader& reader) {
  SetStatus status;
  status.instrument = reader.get<InstrumentId>();
  status.status = reader.get<TradingStatus>();
  if (status.status != TradingStatus::kOpen && status.status != TradingStatus::kHalted) {
    throw DecodeError("names no trading status");
  }
  return status;
}

BeginAuction decode_begin_auction(ByteReader& reader) {
  BeginAuction begin;
  begin.instrument = reader.get<InstrumentId>();
  begin.kind = reader.get<AuctionKind>();
  if (begin.kind != AuctionKind::kOpening && begin.kind != AuctionKind::kClosing) {
    throw DecodeError("names no kind of auction");
  }
  return begin;
}

UncrossAuction decode_uncross_auction(ByteReader& reader) {
  UncrossAuction uncross;
  uncross.instrument = reader.get<InstrumentId>();
  optional_field(Get{reader}, uncross.reference_price);
  return uncross;
}

AdjustTrade decode_adjust_trade(ByteReader& reader) {
  AdjustTrade adjust;
  fields_of_adjust_trade(Get{reader}, adjust);
  return adjust;
}

}  // namespace

void encode(ByteWriter& writer, const Transaction& transaction) { std::visit(Encoder{writer}, transaction); }

Transaction decode_transaction(ByteReader& reader) {
  switch (reader.get<TransactionKind>()) {
    case TransactionKind::kDefineInstrument:
      return DefineInstrument{decode_instrument(reader)};
    case TransactionKind::kRegisterParticipant:
      return RegisterParticipant{reader.get_text()};
    case TransactionKind::kCommand:
      return decode_command(reader);
    case TransactionKind::kSetStatus:
      return decode_status(reader);
    case TransactionKind::kExpireDayOrders:
      return ExpireDayOrders{reader.get<InstrumentId>()};
    case TransactionKind::kAdvanceTime:
      return AdvanceTime{};
    case TransactionKind::kBeginAuction:
      return decode_begin_auction(reader);
    case TransactionKind::kUncrossAuction:
      return decode_uncross_auction(reader);
    case TransactionKind::kAdjustTrade:
      return decode_adjust_trade(reader);
  }
  throw DecodeError("names no kind of transaction");
}

void encode(ByteWriter& writer, const Instrument& instrument) { fields_of_instrument(Put{writer}, instrument); }

Instrument decode_instrument(ByteReader& reader) {
  Instrument instrument;
  fields_of_instrument(Get{reader}, instrument);
  return instrument;
}

void encode(ByteWriter& writer, const Execution& execution) {
  fields_of_execution(Put{writer}, execution);
  writer.put(execution.stop_price);
}

Execution decode_execution(ByteReader& reader, bool with_stop_price) {
  Execution execution;
  fields_of_execution(Get{reader}, execution);
  if (with_stop_price) {
    execution.stop_price = reader.get<Price>();
  }
  return execution;
}

void encode(ByteWriter& writer, const Order& order) {
  fields_of_order(Put{writer}, order);
  fields_of_terms(Put{writer}, order.terms);
  if (order.terms.display != 0) {
    writer.put(order.hidden);
  }
}

Order decode_order(ByteReader& reader, bool with_terms) {
  Order order;
  fields_of_order(Get{reader}, order);
  if (with_terms) {
    fields_of_terms(Get{reader}, order.terms);
  }
  if (order.terms.display != 0) {
    order.hidden = reader.get<Quantity>();
  }
  return order;
}

}  // namespace ordermesh::engine
