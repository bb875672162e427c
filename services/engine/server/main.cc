// The engine's server: reads the journal, serves, and on SIGTERM or SIGINT finishes what it has taken.
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "callback_api.h"
#include "feed_publisher.h"
#include "instruments.h"
#include "journal/journal.h"
#include "log.h"
#include "market_feed.h"
#include "matcher.h"
#include "options.h"
#include "order_entry.h"
#include "peers.h"
#include "session_registry.h"
#include "status.h"

namespace ordermesh::engine::server {
namespace {

// How long streams have to read what was sent before a stop ends them.
constexpr std::chrono::seconds kDrainTime{5};
constexpr int kMostMessageBytes = 16 << 20;

Nanoseconds system_time() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A journal that cannot be written leaves nothing to be said: nobody knows what is on disk until it is read again.
[[noreturn]] void die(const std::exception& error) {
  log("error", "journal_write_failed", {{"error", error.what()}});
  std::_Exit(EXIT_FAILURE);
}

// The port appears whole: whoever waits for the file may read it as soon as it is there.
void write_port_file(const std::filesystem::path& path, int port) {
  const std::filesystem::path unfinished = path.string() + ".tmp";
  std::ofstream file(unfinished);
  file << port << '\n';
  file.close();
  if (!file) {
    throw std::runtime_error("cannot write " + unfinished.string());
  }
  std::filesystem::rename(unfinished, path);
}

void configure(grpc::ServerBuilder& builder) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  builder.SetMaxReceiveMessageSize(kMostMessageBytes);
  // Clients may ping idle connections every ten seconds; the engine pings those that are silent for as long.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // A port that is taken is an error, not something to share.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

int serve(const Options& options, const sigset_t& signals) {
  Exchange exchange(options.exchange);
  const auto started = std::chrono::steady_clock::now();
  journal::Journal journal(options.journal, options.exchange, exchange,
                           [](journal::Severity severity, std::string_view event, const std::string& details) {
                             log(severity == journal::Severity::kInfo ? "info" : "warning", event,
                                 {{"details", details}});
                           });
  const std::chrono::duration<double> recovery = std::chrono::steady_clock::now() - started;
  log("info", "journal_read", {{"epoch", journal.epoch()}, {"seconds", std::to_string(recovery.count())}});

  FeedPublisher publisher;
  Matcher matcher(exchange, journal, publisher, system_time, die);
  SessionRegistry sessions;
  OrderEntryService order_entry(matcher, sessions);
  InstrumentService instruments(matcher);
  MarketFeedService market_feed(matcher, publisher, sessions, options.feed_events_waiting);

  grpc::ServerBuilder builder;
  int port = 0;
  configure(builder);
  builder.AddListeningPort(options.listen, server_credentials(options.tls), &port);
  builder.RegisterService(&order_entry);
  builder.RegisterService(&instruments);
  builder.RegisterService(&market_feed);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    log("error", "cannot_listen", {{"address", options.listen}});
    return EXIT_FAILURE;
  }
  if (!options.port_file.empty()) {
    write_port_file(options.port_file, port);
  }
  log("info", "listening", {{"address", options.listen}, {"port", std::to_string(port)}});

  int signal = 0;
  sigwait(&signals, &signal);
  log("info", "stopping", {{"signal", strsignal(signal)}});
  server->GetHealthCheckService()->SetServingStatus(false);
  matcher.stop();
  publisher.stop();
  sessions.drain_all(stopping());
  server->Shutdown(std::chrono::system_clock::now() + kDrainTime);
  server->Wait();
  log("info", "stopped");
  return EXIT_SUCCESS;
}

std::optional<std::string> environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int run(const std::vector<std::string>& arguments) {
  // Blocked before any thread is made, so that only sigwait() hears them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Options options;
  try {
    options = parse_options(arguments, environment);
  } catch (const std::invalid_argument& error) {
    std::cerr << "ordermesh-engine: " << error.what() << '\n';
    return 2;
  }
  try {
    return serve(options, signals);
  } catch (const std::exception& error) {
    log("error", "cannot_start", {{"error", error.what()}});
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace ordermesh::engine::server

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  for (const std::string& argument : arguments) {
    if (argument == "--help") {
      std::cout << ordermesh::engine::server::usage();
      return EXIT_SUCCESS;
    }
  }
  return ordermesh::engine::server::run(arguments);
}
