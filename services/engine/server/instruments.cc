#include "instruments.h"

#include <algorithm>

#include "status.h"

namespace ordermesh::engine::server {
namespace {

grpc::Status to_status(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
    case Outcome::kIgnored:
      return grpc::Status::OK;
    case Outcome::kUnknownInstrument:
      return {grpc::StatusCode::NOT_FOUND, "UNKNOWN_INSTRUMENT: no instrument has this instrument_id"};
    case Outcome::kInstrumentConflict:
      return {grpc::StatusCode::ALREADY_EXISTS,
              "INSTRUMENT_CONFLICT: instrument_id and symbol do not belong to the same instrument"};
    case Outcome::kTooMany:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_INSTRUMENTS: the engine holds as many as it can"};
    case Outcome::kOtherPhase:
      return {grpc::StatusCode::FAILED_PRECONDITION,
              "OTHER_PHASE: the instrument's phase of trading is another, or it is halted"};
    case Outcome::kPriceOutOfBand:
      return invalid("the price must lie within the instrument's band");
    case Outcome::kQuantityOutOfRange:
      return invalid("correction.quantity_lots must be at least one and at most the instrument's maximum");
    case Outcome::kTradeCanceled:
      return {grpc::StatusCode::FAILED_PRECONDITION, "TRADE_CANCELED: the trade was taken back and cannot be corrected"};
  }
  return {grpc::StatusCode::INTERNAL, "UNKNOWN_OUTCOME: the exchange answered with an unknown outcome"};
}

}  // namespace

callback::ServerUnaryReactor* InstrumentService::change(callback::CallbackServerContext* context,
                                                        Transaction transaction,
                                                        std::function<void(const Result&)> respond) {
  auto* reactor = context->DefaultReactor();
  auto done = [reactor, respond = std::move(respond)](Result result) {
    const grpc::Status status = to_status(result.outcome);
    if (status.ok()) {
      respond(result);
    }
    reactor->Finish(status);
  };
  if (!matcher_.post(Matcher::Change{std::move(transaction), std::move(done)})) {
    reactor->Finish(stopping());
  }
  return reactor;
}

callback::ServerUnaryReactor* InstrumentService::DefineInstrument(callback::CallbackServerContext* context,
                                                                  const pb::DefineInstrumentRequest* request,
                                                                  pb::DefineInstrumentResponse* response) {
  engine::DefineInstrument define;
  if (const auto wrong = to_instrument(request->instrument(), define.instrument)) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(invalid(*wrong));
    return reactor;
  }
  const InstrumentId id = define.instrument.id;
  return change(context, std::move(define), [this, id, response](const Result& result) {
    const Market& market = *matcher_.exchange().market(id);
    to_proto(market.instrument, *response->mutable_instrument());
    response->set_status(static_cast<pb::TradingStatus>(market.book.status()));
    response->set_changed(result.count > 0);
  });
}

callback::ServerUnaryReactor* InstrumentService::ListInstruments(callback::CallbackServerContext* context,
                                                                 const pb::ListInstrumentsRequest* /*request*/,
                                                                 pb::ListInstrumentsResponse* response) {
  auto* reactor = context->DefaultReactor();
  const auto list = [this, reactor, response] {
    for (const auto& [id, market] : matcher_.exchange().markets()) {
      pb::ListedInstrument& listed = *response->add_instruments();
      to_proto(market->instrument, *listed.mutable_instrument());
      listed.set_status(static_cast<pb::TradingStatus>(market->book.status()));
      listed.set_feed_sequence(market->feed.last());
    }
    response->set_epoch(matcher_.epoch());
    reactor->Finish(grpc::Status::OK);
  };
  if (!matcher_.post(Matcher::Look{list})) {
    reactor->Finish(stopping());
  }
  return reactor;
}

callback::ServerUnaryReactor* InstrumentService::HaltInstrument(callback::CallbackServerContext* context,
                                                                const pb::HaltInstrumentRequest* request,
                                                                pb::HaltInstrumentResponse* response) {
  return change(context, SetStatus{request->instrument_id(), TradingStatus::kHalted},
                [response](const Result& result) { response->set_changed_instruments(result.count); });
}

callback::ServerUnaryReactor* InstrumentService::ResumeInstrument(callback::CallbackServerContext* context,
                                                                  const pb::ResumeInstrumentRequest* request,
                                                                  pb::ResumeInstrumentResponse* response) {
  return change(context, SetStatus{request->instrument_id(), TradingStatus::kOpen},
                [response](const Result& result) { response->set_changed_instruments(result.count); });
}

callback::ServerUnaryReactor* InstrumentService::ExpireDayOrders(callback::CallbackServerContext* context,
                                                                 const pb::ExpireDayOrdersRequest* request,
                                                                 pb::ExpireDayOrdersResponse* response) {
  return change(context, engine::ExpireDayOrders{request->instrument_id()},
                [response](const Result& result) { response->set_expired_orders(result.count); });
}

callback::ServerUnaryReactor* InstrumentService::BeginAuction(callback::CallbackServerContext* context,
                                                              const pb::BeginAuctionRequest* request,
                                                              pb::BeginAuctionResponse* response) {
  const bool opening = request->kind() == pb::AUCTION_KIND_OPENING;
  if (!opening && request->kind() != pb::AUCTION_KIND_CLOSING) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(invalid("kind must be an auction's"));
    return reactor;
  }
  const AuctionKind kind = opening ? AuctionKind::kOpening : AuctionKind::kClosing;
  return change(context, engine::BeginAuction{request->instrument_id(), kind},
                [response](const Result& result) { response->set_changed(result.count > 0); });
}

callback::ServerUnaryReactor* InstrumentService::UncrossAuction(callback::CallbackServerContext* context,
                                                                const pb::UncrossAuctionRequest* request,
                                                                pb::UncrossAuctionResponse* response) {
  engine::UncrossAuction uncross;
  uncross.instrument = request->instrument_id();
  if (request->has_reference_price_ticks()) {
    uncross.reference_price = request->reference_price_ticks();
  }
  return change(context, uncross, [response](const Result& result) {
    if (result.volume > 0) {
      response->set_price_ticks(result.price);
    }
    response->set_volume_lots(result.volume);
  });
}

callback::ServerUnaryReactor* InstrumentService::QueryAuction(callback::CallbackServerContext* context,
                                                              const pb::QueryAuctionRequest* request,
                                                              pb::QueryAuctionResponse* response) {
  auto* reactor = context->DefaultReactor();
  const auto look = [this, reactor, response, id = request->instrument_id()] {
    const Market* market = matcher_.exchange().market(id);
    if (market == nullptr) {
      reactor->Finish(to_status(Outcome::kUnknownInstrument));
      return;
    }
    response->set_status(static_cast<pb::TradingStatus>(market->book.status()));
    response->set_feed_sequence(market->feed.last());
    if (market->book.call() != AuctionKind::kUnspecified) {
      response->set_kind(static_cast<pb::AuctionKind>(market->book.call()));
      const Equilibrium found = market->book.indicative();
      if (found.volume > 0) {
        response->set_price_ticks(found.price);
      }
      response->set_volume_lots(found.volume);
      response->set_surplus_lots(found.surplus);
    }
    reactor->Finish(grpc::Status::OK);
  };
  if (!matcher_.post(Matcher::Look{look})) {
    reactor->Finish(stopping());
  }
  return reactor;
}

std::optional<engine::AdjustTrade> InstrumentService::wanted(const pb::AdjustTradeRequest& request) const {
  auto found = matcher_.exchange().find_trade(request.trade_id());
  if (!found) {
    return std::nullopt;
  }
  const auto had_a_side = [&](const std::string& name) {
    const ParticipantIndex index = matcher_.exchange().find_participant(name);
    return index == found->sides[0].participant || index == found->sides[1].participant;
  };
  const auto& participants = request.participants();
  if (!participants.empty() && std::none_of(participants.begin(), participants.end(), had_a_side)) {
    return std::nullopt;
  }
  if (request.has_correction()) {
    if (request.correction().instrument_id() != found->instrument) {
      return std::nullopt;
    }
    found->new_price = request.correction().price_ticks();
    found->new_quantity = request.correction().quantity_lots();
  }
  return found;
}

callback::ServerUnaryReactor* InstrumentService::AdjustTrade(callback::CallbackServerContext* context,
                                                             const pb::AdjustTradeRequest* request,
                                                             pb::AdjustTradeResponse* response) {
  auto* reactor = context->DefaultReactor();
  if (request->has_correction() && request->correction().quantity_lots() < 1) {
    reactor->Finish(to_status(Outcome::kQuantityOutOfRange));
    return reactor;
  }
  // The trade is looked up before it is journaled, for the journal must say all of it.
  const auto look = [this, reactor, request, response] {
    const auto adjust = wanted(*request);
    if (!adjust) {
      reactor->Finish({grpc::StatusCode::NOT_FOUND, "UNKNOWN_TRADE: there was no such trade, or it is no longer kept"});
      return;
    }
    const auto done = [reactor, response](const Result& result) {
      response->set_changed(result.count > 0);
      reactor->Finish(to_status(result.outcome));
    };
    if (!matcher_.post(Matcher::Change{*adjust, done})) {
      reactor->Finish(stopping());
    }
  };
  if (!matcher_.post(Matcher::Look{look})) {
    reactor->Finish(stopping());
  }
  return reactor;
}

}  // namespace ordermesh::engine::server
