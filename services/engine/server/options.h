// What the server is told when it is started: flags, and environment variables for flags that are not given.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "journal/journal.h"
#include "ordermesh/engine/exchange.h"

namespace ordermesh::engine::server {

struct Options {
  std::string listen = "127.0.0.1:7100";
  std::filesystem::path port_file;  // empty: none
  journal::Settings journal;
  Exchange::Settings exchange;
  std::size_t feed_events_waiting = 262'144;  // for one reader, before it is given up

  // Files in PEM; all of them, or none: then connections are not encrypted, and anybody may call.
  struct Tls {
    std::filesystem::path certificate;
    std::filesystem::path key;  // may be the same file
    std::filesystem::path authority;
  };
  Tls tls;
};

// Looks up an environment variable.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Throws std::invalid_argument with one clear line.
[[nodiscard]] Options parse_options(std::span<const std::string> arguments, const Environment& environment);

// All flags, a line each.
[[nodiscard]] std::string usage();

}  // namespace ordermesh::engine::server
