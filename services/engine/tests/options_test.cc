#include "server/options.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace ordermesh::engine::server {
namespace {

Options parse(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& variables = {}) {
  return parse_options(arguments, [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

std::string error(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& variables = {}) {
  try {
    parse(arguments, variables);
  } catch (const std::invalid_argument& refused) {
    return refused.what();
  }
  return "no error";
}

TEST(OptionsTest, AFlagBeatsTheEnvironment) {
  const Options options = parse({"--listen=0.0.0.0:0", "--journal-directory", "/j"},
                                {{"ORDERMESH_ENGINE_LISTEN", "1.2.3.4:5"}, {"ORDERMESH_ENGINE_FSYNC", "off"}});
  EXPECT_EQ(options.listen, "0.0.0.0:0");
  EXPECT_EQ(options.journal.directory, "/j");
  EXPECT_FALSE(options.journal.sync);
}

TEST(OptionsTest, ABadValueIsRefusedInOneLineThatNamesIt) {
  EXPECT_EQ(error({}), "--journal-directory: is required");
  EXPECT_EQ(error({"--lissen=x"}), "--lissen: no such flag; --help lists them");
  EXPECT_EQ(error({"--listen=nowhere"}), "--listen: \"nowhere\" is not host:port");
  EXPECT_EQ(error({"--listen=h:65536"}), "--listen: \"65536\" is not a number from 0 to 65535");
  EXPECT_EQ(error({"--fsync=maybe"}), "--fsync: \"maybe\" is not on or off");
  EXPECT_EQ(error({"--fsync"}), "--fsync: the value is missing");
  EXPECT_EQ(error({}, {{"ORDERMESH_ENGINE_EXECUTIONS_KEPT", "12x"}}),
            "ORDERMESH_ENGINE_EXECUTIONS_KEPT: \"12x\" is not a number from 1 to 67108864");
}

TEST(OptionsTest, ACertificateComesWithItsKeyAndTheAuthority) {
  const Options options =
      parse({"--journal-directory=/j", "--tls-certificate=/c.pem", "--tls-key=/k.pem", "--tls-authority=/a.pem"});
  EXPECT_EQ(options.tls.key, "/k.pem");
  EXPECT_EQ(error({"--journal-directory=/j", "--tls-certificate=/c.pem", "--tls-key=/k.pem"}),
            "--tls-certificate, --tls-key and --tls-authority: all of them or none");
}

}  // namespace
}  // namespace ordermesh::engine::server
