#include "options.h"

#include <array>
#include <charconv>
#include <stdexcept>

namespace ordermesh::engine::server {
namespace {

struct Flag {
  std::string_view name;
  std::string_view variable;
  std::string_view help;
  void (*set)(Options&, const std::string& name, const std::string& value);
};

[[noreturn]] void refuse(const std::string& name, const std::string& value, const std::string& wanted) {
  throw std::invalid_argument(name + ": \"" + value + "\" is not " + wanted);
}

std::uint64_t number(const std::string& name, const std::string& value, std::uint64_t least, std::uint64_t most) {
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result < least || result > most) {
    refuse(name, value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return result;
}

void set_listen(Options& options, const std::string& name, const std::string& value) {
  const auto colon = value.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    refuse(name, value, "host:port");
  }
  number(name, value.substr(colon + 1), 0, 65535);
  options.listen = value;
}

void set_sync(Options& options, const std::string& name, const std::string& value) {
  if (value != "on" && value != "off") {
    refuse(name, value, "on or off");
  }
  options.journal.sync = value == "on";
}

constexpr std::array<Flag, 11> kFlags{{
    {"--listen", "ORDERMESH_ENGINE_LISTEN", "host:port to serve at; port 0 lets the system choose (127.0.0.1:7100)",
     set_listen},
    {"--journal-directory", "ORDERMESH_ENGINE_JOURNAL_DIRECTORY", "where the journal is kept (required)",
     [](Options& options, const std::string&, const std::string& value) { options.journal.directory = value; }},
    {"--port-file", "ORDERMESH_ENGINE_PORT_FILE", "a file that the chosen port is written to (none)",
     [](Options& options, const std::string&, const std::string& value) { options.port_file = value; }},
    {"--fsync", "ORDERMESH_ENGINE_FSYNC", "on: wait for the disk before telling executions; off: do not (on)",
     set_sync},
    {"--segment-bytes", "ORDERMESH_ENGINE_SEGMENT_BYTES",
     "journal segments are closed, and replaced by a snapshot, beyond this size (134217728)",
     [](Options& options, const std::string& name, const std::string& value) {
       options.journal.segment_bytes = number(name, value, 4096, std::uint64_t{1} << 34U);
     }},
    {"--executions-kept", "ORDERMESH_ENGINE_EXECUTIONS_KEPT",
     "recent executions kept in memory per participant (262144)",
     [](Options& options, const std::string& name, const std::string& value) {
       options.exchange.executions_kept = number(name, value, 1, std::uint64_t{1} << 26U);
     }},
    {"--feed-events-kept", "ORDERMESH_ENGINE_FEED_EVENTS_KEPT",
     "recent feed events kept in memory per instrument (65536)",
     [](Options& options, const std::string& name, const std::string& value) {
       options.exchange.feed_events_kept = number(name, value, 1, std::uint64_t{1} << 26U);
     }},
    {"--feed-events-waiting", "ORDERMESH_ENGINE_FEED_EVENTS_WAITING",
     "a feed reader for whom more events than this wait is ended (262144)",
     [](Options& options, const std::string& name, const std::string& value) {
       options.feed_events_waiting = number(name, value, 1, std::uint64_t{1} << 26U);
     }},
    {"--tls-certificate", "ORDERMESH_ENGINE_TLS_CERTIFICATE_FILE",
     "the engine's certificate in PEM, read again when it changes; without it connections are not encrypted (none)",
     [](Options& options, const std::string&, const std::string& value) { options.tls.certificate = value; }},
    {"--tls-key", "ORDERMESH_ENGINE_TLS_KEY_FILE", "its key in PEM; may be the same file (none)",
     [](Options& options, const std::string&, const std::string& value) { options.tls.key = value; }},
    {"--tls-authority", "ORDERMESH_ENGINE_TLS_AUTHORITY_FILE",
     "the authority whose certificates callers must show, in PEM (none)",
     [](Options& options, const std::string&, const std::string& value) { options.tls.authority = value; }},
}};

const Flag& flag_named(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name) {
      return flag;
    }
  }
  throw std::invalid_argument(std::string(name) + ": no such flag; --help lists them");
}

}  // namespace

Options parse_options(std::span<const std::string> arguments, const Environment& environment) {
  Options options;
  for (const Flag& flag : kFlags) {
    if (const auto value = environment(flag.variable)) {
      flag.set(options, std::string(flag.variable), *value);
    }
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const auto equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const Flag& flag = flag_named(name);
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      throw std::invalid_argument(name + ": the value is missing");
    }
    flag.set(options, name, equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1));
  }
  if (options.journal.directory.empty()) {
    throw std::invalid_argument("--journal-directory: is required");
  }
  const Options::Tls& tls = options.tls;
  if (tls.certificate.empty() != tls.key.empty() || tls.key.empty() != tls.authority.empty()) {
    throw std::invalid_argument("--tls-certificate, --tls-key and --tls-authority: all of them or none");
  }
  return options;
}

std::string usage() {
  std::string text = "ordermesh-engine: the matching engine of Ordermesh\n\n";
  for (const Flag& flag : kFlags) {
    text += "  " + std::string(flag.name) + "=VALUE  (" + std::string(flag.variable) + ")\n      " +
            std::string(flag.help) + "\n";
  }
  return text;
}

}  // namespace ordermesh::engine::server
