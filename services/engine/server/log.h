// Log lines on standard error, one JSON object each.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace ordermesh::engine::server {

using LogField = std::pair<std::string_view, std::string>;

// Levels as the other services write them: "info", "warning", "error".
void log(std::string_view level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace ordermesh::engine::server
