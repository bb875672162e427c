// The errors that calls end with: a status code, and a message that begins with a reason in capitals.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

namespace ordermesh::engine::server {

[[nodiscard]] inline grpc::Status stopping() {
  return {grpc::StatusCode::UNAVAILABLE, "ENGINE_STOPPING: the engine is stopping"};
}

[[nodiscard]] inline grpc::Status denied(const std::string& what) {
  return {grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED: " + what};
}

[[nodiscard]] inline grpc::Status invalid(const std::string& what) {
  return {grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT: " + what};
}

[[nodiscard]] inline grpc::Status unknown_participant(const std::string& name) {
  return {grpc::StatusCode::NOT_FOUND, "UNKNOWN_PARTICIPANT: nobody called \"" + name + "\" has ever traded"};
}

[[nodiscard]] inline grpc::Status executions_pruned(std::uint64_t after, std::uint64_t first) {
  return {grpc::StatusCode::OUT_OF_RANGE, "EXECUTIONS_PRUNED: executions after " + std::to_string(after) +
                                              " are no longer all kept; the oldest is " + std::to_string(first)};
}

[[nodiscard]] inline grpc::Status executions_ahead(std::uint64_t after, std::uint64_t last) {
  return {grpc::StatusCode::FAILED_PRECONDITION, "EXECUTION_SEQUENCE_AHEAD: execution " + std::to_string(after) +
                                                     " has not happened; the last is " + std::to_string(last)};
}

}  // namespace ordermesh::engine::server
