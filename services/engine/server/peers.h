// Who may connect, and which of the engine's RPCs they may call.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "options.h"

namespace ordermesh::engine::server {

// What a port is served with: plain text without certificates; with them, mutual TLS, and each RPC is for the peers that
// its contract names. The files are read again when they change. Throws std::invalid_argument when they cannot be read.
[[nodiscard]] std::shared_ptr<grpc::ServerCredentials> server_credentials(const Options::Tls& tls);

}  // namespace ordermesh::engine::server
