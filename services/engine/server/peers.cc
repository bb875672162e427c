#include "peers.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ordermesh/type/v1/access.pb.h"
#include "status.h"

namespace ordermesh::engine::server {
namespace {

constexpr unsigned kLookAtFilesSeconds = 5;
constexpr std::string_view kService = "spiffe://ordermesh.dev/service/";
constexpr std::array<std::string_view, 3> kContracts{"ordermesh.engine.v1.OrderEntryService",
                                                     "ordermesh.engine.v1.InstrumentService",
                                                     "ordermesh.engine.v1.MarketFeedService"};
// Of gRPC itself, for everybody who could connect. What neither they nor a contract name is for nobody.
constexpr std::array<std::string_view, 2> kForEverybody{"/grpc.health.v1.", "/grpc.reflection."};

using Peers = std::set<std::string, std::less<>>;
using PeersByPath = std::map<std::string, Peers, std::less<>>;

PeersByPath read_contracts() {
  PeersByPath result;
  for (const std::string_view name : kContracts) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(std::string(name));
    if (service == nullptr) {
      throw std::logic_error(std::string(name) + " is in no contract");
    }
    for (int i = 0; i < service->method_count(); ++i) {
      const auto& options = service->method(i)->options();
      Peers& peers = result["/" + service->full_name() + "/" + service->method(i)->name()];
      for (int peer = 0; peer < options.ExtensionSize(ordermesh::type::v1::peers); ++peer) {
        peers.insert(options.GetExtension(ordermesh::type::v1::peers, peer));
      }
    }
  }
  return result;
}

std::string_view view(grpc::string_ref text) { return {text.data(), text.size()}; }

bool is_for_everybody(std::string_view path) {
  return std::ranges::any_of(kForEverybody, [path](std::string_view prefix) { return path.starts_with(prefix); });
}

// Asked before each call by gRPC's own threads.
class PeerCheck final : public grpc::AuthMetadataProcessor {
 public:
  [[nodiscard]] bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata* /*consumed*/,
                       OutputMetadata* /*response*/) override {
    const auto path = metadata.find(":path");
    if (path == metadata.end()) {
      return denied("the call has no path");
    }
    const auto rule = peers_.find(view(path->second));
    if (rule == peers_.end()) {
      return is_for_everybody(view(path->second)) ? grpc::Status::OK : denied("no contract says who may call this");
    }
    for (const grpc::string_ref& identity : context->FindPropertyValues("peer_spiffe_id")) {
      const std::string_view name = view(identity);
      if (name.starts_with(kService) && rule->second.contains(name.substr(kService.size()))) {
        return grpc::Status::OK;
      }
    }
    return denied("only some services of the mesh may call this");
  }

 private:
  const PeersByPath peers_ = read_contracts();
};

void require_readable(const std::filesystem::path& path) {
  if (!std::ifstream(path)) {
    throw std::invalid_argument("cannot read " + path.string());
  }
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> server_credentials(const Options::Tls& tls) {
  if (tls.certificate.empty()) {
    return grpc::InsecureServerCredentials();
  }
  for (const auto& path : {tls.certificate, tls.key, tls.authority}) {
    require_readable(path);
  }
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          tls.key.string(), tls.certificate.string(), tls.authority.string(), kLookAtFilesSeconds));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  auto credentials = grpc::experimental::TlsServerCredentials(options);
  credentials->SetAuthMetadataProcessor(std::make_shared<PeerCheck>());
  return credentials;
}

}  // namespace ordermesh::engine::server
