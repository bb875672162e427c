#include "instruments.h"

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
      return invalid("reference_price_ticks must lie within the instrument's band");
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

}  // namespace ordermesh::engine::server
