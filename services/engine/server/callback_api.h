// gRPC's callback API under one name: before gRPC 1.32 (Ubuntu 22.04 has 1.30) it lived in an experimental namespace.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/version_info.h>

namespace ordermesh::engine::server {

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 32
namespace callback = ::grpc::experimental;
template <typename Service>
using CallbackService = typename Service::ExperimentalCallbackService;
#else
namespace callback = ::grpc;
template <typename Service>
using CallbackService = typename Service::CallbackService;
#endif

}  // namespace ordermesh::engine::server
