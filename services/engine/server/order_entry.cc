#include "order_entry.h"

#include <algorithm>
#include <deque>

#include "answer_stream.h"
#include "status.h"
#include "trade_session.h"

namespace ordermesh::engine::server {
namespace {

constexpr std::size_t kOrdersInMessage = 4096;
constexpr std::uint32_t kDefaultLimit = 1000;
constexpr std::uint32_t kMostLimit = 10'000;

std::deque<pb::QueryOpenOrdersResponse> describe_open_orders(const Matcher& matcher, ParticipantIndex index) {
  const Exchange& exchange = matcher.exchange();
  const Participant& participant = exchange.participant(index);
  const std::vector<OpenOrder> open = exchange.open_orders(index);
  std::deque<pb::QueryOpenOrdersResponse> responses;
  std::size_t next = 0;
  do {
    pb::QueryOpenOrdersResponse& response = responses.emplace_back();
    response.set_last_command_sequence(participant.last_command_sequence);
    response.set_last_execution_sequence(participant.executions.last());
    response.set_epoch(matcher.epoch());
    const std::size_t end = std::min(open.size(), next + kOrdersInMessage);
    for (; next < end; ++next) {
      const Order& order = *exchange.market(open[next].instrument)->book.find(open[next].id);
      to_proto(order, open[next].instrument, *response.add_orders());
    }
  } while (next < open.size());
  return responses;
}

grpc::Status describe_executions(const Matcher& matcher, const pb::QueryExecutionsRequest& request,
                                 pb::QueryExecutionsResponse& response) {
  const ParticipantIndex index = matcher.exchange().find_participant(request.participant());
  if (index == Reporter::kVenue) {
    return unknown_participant(request.participant());
  }
  const Recent<Execution>& executions = matcher.exchange().participant(index).executions;
  const std::uint64_t after = request.after_execution_sequence();
  if (after > executions.last()) {
    return executions_ahead(after, executions.last());
  }
  if (!executions.reaches(after)) {
    return executions_pruned(after, executions.first());
  }
  const std::uint64_t limit = request.limit() == 0 ? kDefaultLimit : request.limit();
  const std::uint64_t end = std::min(executions.last(), after + limit);
  for (std::uint64_t number = after + 1; number <= end; ++number) {
    to_proto(executions[number], *response.add_executions());
  }
  response.set_last_execution_sequence(executions.last());
  response.set_epoch(matcher.epoch());
  return grpc::Status::OK;
}

}  // namespace

callback::ServerBidiReactor<pb::TradeRequest, pb::TradeResponse>* OrderEntryService::Trade(
    callback::CallbackServerContext* /*context*/) {
  const auto session = std::make_shared<TradeSession>(matcher_);
  session->start();
  sessions_.add(session);
  return session.get();
}

callback::ServerWriteReactor<pb::QueryOpenOrdersResponse>* OrderEntryService::QueryOpenOrders(
    callback::CallbackServerContext* /*context*/, const pb::QueryOpenOrdersRequest* request) {
  const auto stream = std::make_shared<AnswerStream<pb::QueryOpenOrdersResponse>>();
  stream->start();
  if (!matcher_.post(Matcher::Look{[this, stream, name = request->participant()] {
        const ParticipantIndex index = matcher_.exchange().find_participant(name);
        if (index == Reporter::kVenue) {
          stream->refuse(unknown_participant(name));
        } else {
          stream->answer(describe_open_orders(matcher_, index));
        }
      }})) {
    stream->refuse(stopping());
  }
  return stream.get();
}

callback::ServerUnaryReactor* OrderEntryService::QueryExecutions(callback::CallbackServerContext* context,
                                                                 const pb::QueryExecutionsRequest* request,
                                                                 pb::QueryExecutionsResponse* response) {
  auto* reactor = context->DefaultReactor();
  if (request->limit() > kMostLimit) {
    reactor->Finish(invalid("limit must be zero or 1 to 10000"));
  } else if (!matcher_.post(Matcher::Look{[this, reactor, request, response] {
               reactor->Finish(describe_executions(matcher_, *request, *response));
             }})) {
    reactor->Finish(stopping());
  }
  return reactor;
}

}  // namespace ordermesh::engine::server
