// grpc_bench ADDRESS [ORDERS [BATCH]]: enters limit orders over gRPC, in batches, one participant, as fast as the
// engine takes them, and prints JSON: orders per second from the first order sent to the last execution received, and
// how long a batch of one takes when nothing else is going on. The engine must be fresh: it is given an instrument of
// its own.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ordermesh/engine/v1/instrument_service.grpc.pb.h"
#include "ordermesh/engine/v1/order_entry_service.grpc.pb.h"

namespace {

namespace pb = ordermesh::engine::v1;
using Clock = std::chrono::steady_clock;
using Stream = grpc::ClientReaderWriter<pb::TradeRequest, pb::TradeResponse>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void check(const grpc::Status& status) {
  if (!status.ok()) {
    throw std::runtime_error(status.error_message());
  }
}

void define_instrument(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  pb::DefineInstrumentRequest request;
  request.mutable_instrument()->set_instrument_id(4'000'000'000U);
  request.mutable_instrument()->set_symbol("GRPC-BENCH");
  pb::DefineInstrumentResponse response;
  check(pb::InstrumentService::NewStub(channel)->DefineInstrument(&context, request, &response));
}

class Orders {
 public:
  // A third of the orders cross; prices lie around one middle.
  void add(pb::CommandBatch& batch) {
    pb::Command& command = *batch.add_commands();
    command.set_command_sequence(++sequence_);
    pb::NewOrder& order = *command.mutable_new_order();
    char id[16] = {};
    std::memcpy(id, &sequence_, sizeof sequence_);
    order.set_order_id(id, sizeof id);
    order.set_instrument_id(4'000'000'000U);
    const bool buy = random_() % 2 == 0;
    order.set_side(buy ? pb::SIDE_BUY : pb::SIDE_SELL);
    order.set_order_type(pb::ORDER_TYPE_LIMIT);
    order.set_time_in_force(pb::TIME_IN_FORCE_GOOD_TILL_CANCEL);
    const auto distance = static_cast<std::int64_t>(random_() % 30) - 10;
    order.set_price_ticks(10'000 + (buy ? -distance : distance));
    order.set_quantity_lots(static_cast<std::int64_t>(random_() % 100) + 1);
    order.set_self_trade_prevention(pb::SELF_TRADE_PREVENTION_NONE);
  }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }

 private:
  std::uint64_t sequence_ = 0;
  std::mt19937_64 random_{1};
};

// Reads until the executions of a command have begun; counts all that come.
std::uint64_t read_to(Stream& stream, std::uint64_t command) {
  std::uint64_t executions = 0;
  pb::TradeResponse response;
  for (std::uint64_t seen = 0; seen < command;) {
    if (!stream.Read(&response)) {
      throw std::runtime_error("the stream ended");
    }
    for (const pb::Execution& execution : response.batch().executions()) {
      seen = std::max(seen, execution.command_sequence());
      ++executions;
    }
  }
  return executions;
}

int run(const std::string& address, int orders, int batch_size) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  define_instrument(channel);
  const auto stub = pb::OrderEntryService::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Trade(&context);
  pb::TradeRequest opening;
  opening.mutable_open()->set_participant("grpc-bench");
  stream->Write(opening);
  pb::TradeResponse opened;
  if (!stream->Read(&opened) || opened.opened().last_command_sequence() != 0) {
    throw std::runtime_error("the engine is not fresh");
  }

  Orders source;
  std::vector<double> alone;
  for (int i = 0; i < 500; ++i) {
    pb::TradeRequest request;
    source.add(*request.mutable_batch());
    const auto start = Clock::now();
    stream->Write(request);
    read_to(*stream, source.sequence());
    alone.push_back(seconds_since(start) * 1e6);
  }
  std::sort(alone.begin(), alone.end());

  std::vector<pb::TradeRequest> requests;
  for (int sent = 0; sent < orders; sent += batch_size) {
    pb::CommandBatch& batch = *requests.emplace_back().mutable_batch();
    for (int i = 0; i < std::min(batch_size, orders - sent); ++i) {
      source.add(batch);
    }
  }
  const auto start = Clock::now();
  std::thread writer([&] {
    for (const pb::TradeRequest& request : requests) {
      if (!stream->Write(request)) {
        return;  // the reader sees why
      }
    }
  });
  std::uint64_t executions = 0;
  try {
    executions = read_to(*stream, source.sequence());
  } catch (const std::runtime_error&) {
    writer.join();  // its next write fails
    check(stream->Finish());
    throw;
  }
  const double seconds = seconds_since(start);
  writer.join();
  stream->WritesDone();
  pb::TradeResponse rest;
  while (stream->Read(&rest)) {
  }
  check(stream->Finish());
  std::cout << std::fixed << std::setprecision(0) << "{\"orders\": " << orders << ", \"batch\": " << batch_size
            << ", \"orders_per_second\": " << orders / seconds
            << ", \"executions_per_second\": " << static_cast<double>(executions) / seconds
            << ", \"alone_p50_us\": " << alone[alone.size() / 2]
            << ", \"alone_p99_us\": " << alone[alone.size() * 99 / 100] << "}\n";
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** values) {
  if (count < 2 || count > 4) {
    std::cerr << "usage: grpc_bench ADDRESS [ORDERS [BATCH]]\n";
    return 2;
  }
  try {
    return run(values[1], count > 2 ? std::stoi(values[2]) : 1'000'000, count > 3 ? std::stoi(values[3]) : 1000);
  } catch (const std::exception& error) {
    std::cerr << "grpc_bench: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
