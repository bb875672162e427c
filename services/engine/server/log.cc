#include "log.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace ordermesh::engine::server {
namespace {

void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      line += '\\';
      line += letter;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(letter));
      line += escaped.data();
    } else {
      line += letter;
    }
  }
  line += '"';
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%06dZ", static_cast<int>(micros));
  return text.data();
}

}  // namespace

void log(std::string_view level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "{\"timestamp\": ";
  append_quoted(line, timestamp());
  line += ", \"level\": ";
  append_quoted(line, level);
  line += ", \"service\": \"engine\", \"event\": ";
  append_quoted(line, event);
  for (const auto& [name, value] : fields) {
    line += ", ";
    append_quoted(line, name);
    line += ": ";
    append_quoted(line, value);
  }
  line += "}\n";
  // One write, so that lines of several threads do not mix. A log that cannot be written has nowhere to be told.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ordermesh::engine::server
