// A client that knows nothing but the contracts: it logs in, follows an account's order stream, places an order and
// sees it there; then it places one that breaks the contract and reads the error's details.
//
//   client HOST:PORT USERNAME PASSWORD ACCOUNT INSTRUMENT [AUTHORITY]
//
// With the file of an authority it calls by TLS. Prints one JSON line.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "ordermesh/identity/v1/identity_service.grpc.pb.h"
#include "ordermesh/order/v1/order_service.grpc.pb.h"

namespace {

namespace identity = ordermesh::identity::v1;
namespace order = ordermesh::order::v1;
namespace type = ordermesh::type::v1;

constexpr auto kPatience = std::chrono::seconds(20);

struct Caller {
  std::shared_ptr<grpc::Channel> channel;
  std::string token;

  // Gives a call its deadline and, after the login, its token.
  void prepare(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  }
};

void require(const grpc::Status& status, const std::string& what) {
  if (!status.ok()) throw std::runtime_error(what + ": " + status.error_message());
}

std::shared_ptr<grpc::ChannelCredentials> security(const std::string& authority) {
  if (authority.empty()) return grpc::InsecureChannelCredentials();
  std::ifstream file(authority);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(file), {});
  if (options.pem_root_certs.empty()) throw std::runtime_error(authority + " cannot be read");
  return grpc::SslCredentials(options);
}

void log_in(Caller& caller, const std::string& username, const std::string& password) {
  identity::LoginRequest request;
  request.set_username(username);
  request.set_password(password);
  request.set_environment(type::ENVIRONMENT_SIMULATION);
  identity::LoginResponse response;
  grpc::ClientContext context;
  caller.prepare(context);
  require(identity::IdentityService::NewStub(caller.channel)->Login(&context, request, &response), "login");
  caller.token = response.tokens().access_token();
}

order::PlaceOrderRequest limit_order(const std::string& account, const std::string& instrument) {
  order::PlaceOrderRequest request;
  request.set_client_order_id("cpp-" + std::to_string(std::random_device{}()));
  request.set_account_id(account);
  request.set_instrument(instrument);
  request.set_side(type::SIDE_BUY);
  request.set_type(type::ORDER_TYPE_LIMIT);
  request.set_time_in_force(type::TIME_IN_FORCE_GTC);
  request.set_quantity("10");
  request.set_limit_price("100");
  return request;
}

// Reads until the order is on the venue's book; returns its status' name.
std::string follow(grpc::ClientReader<order::StreamOrdersResponse>& stream, const std::string& order_id) {
  order::StreamOrdersResponse response;
  while (stream.Read(&response)) {
    for (const auto& report : response.update().reports()) {
      if (report.order_id() == order_id && report.order_status() == order::ORDER_STATUS_NEW) {
        return order::OrderStatus_Name(report.order_status());
      }
    }
  }
  throw std::runtime_error("the stream has ended: " + stream.Finish().error_message());
}

// Returns "REASON field" of an error's details.
std::string told(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) throw std::runtime_error("no details");
  std::string reason;
  std::string field;
  for (const auto& each : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    if (each.UnpackTo(&info)) reason = info.reason();
    if (each.UnpackTo(&bad) && bad.field_violations_size() > 0) field = bad.field_violations(0).field();
  }
  return reason + " " + field;
}

void run(Caller& caller, const std::string& account, const std::string& instrument) {
  const auto orders = order::OrderService::NewStub(caller.channel);
  grpc::ClientContext following;
  caller.prepare(following);
  order::StreamOrdersRequest subscription;
  subscription.set_account_id(account);
  const auto stream = orders->StreamOrders(&following, subscription);
  order::StreamOrdersResponse first;
  while (stream->Read(&first) && !first.has_snapshot_end()) {
  }

  grpc::ClientContext placing;
  caller.prepare(placing);
  order::PlaceOrderResponse placed;
  require(orders->PlaceOrder(&placing, limit_order(account, instrument), &placed), "place");
  const std::string status = follow(*stream, placed.order().order_id());

  auto wrong = limit_order(account, instrument);
  wrong.set_quantity("ten");
  grpc::ClientContext refused;
  caller.prepare(refused);
  const std::string error = told(orders->PlaceOrder(&refused, wrong, &placed));
  std::cout << R"({"order_id":")" << placed.order().order_id() << R"(","status":")" << status << R"(","error":")"
            << error << "\"}\n";
  following.TryCancel();
}

}  // namespace

int main(int count, char** words) {
  if (count != 6 && count != 7) {
    std::cerr << "client HOST:PORT USERNAME PASSWORD ACCOUNT INSTRUMENT [AUTHORITY]\n";
    return 2;
  }
  try {
    Caller caller{grpc::CreateChannel(words[1], security(count == 7 ? words[6] : "")), ""};
    log_in(caller, words[2], words[3]);
    run(caller, words[4], words[5]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
