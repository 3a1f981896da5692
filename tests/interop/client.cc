// gRPC's interop test client on Culvert.
//
//   bazel run //tests/interop:client -- --server_host=127.0.0.1 --server_port=10000 --test_case=large_unary
//
// --test_case=all plays every case and goes on after one that failed. Exits with 0 when all have passed.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "rpc/channel.h"
#include "tests/interop/client_cases.h"
#include "transport/base/strings.h"

ABSL_FLAG(std::string, server_host, "127.0.0.1", "host to connect to");
ABSL_FLAG(uint16_t, server_port, 0, "port to connect to");
ABSL_FLAG(std::string, server_host_override, "", "the :authority to claim instead of host and port");
ABSL_FLAG(std::string, test_case, "large_unary", "name of the case, or 'all'");
ABSL_FLAG(bool, use_tls, false, "TLS; there is none yet, so only false is accepted");
ABSL_FLAG(bool, use_test_ca, false, "accepted for other drivers' sake; without TLS it means nothing");

namespace culvert::interop {
namespace {

int BadFlag(const std::string& why) {
  std::fprintf(stderr, "client: %s\n", why.c_str());
  return 2;
}

std::string KnownCases() {
  std::string names;
  for (const Case& known : Cases()) names += StrCat(" ", known.name);
  return names;
}

bool Play(const Case& played, const std::shared_ptr<Channel>& channel) {
  const absl::Status status = played.run(channel);
  const std::string name(played.name);
  if (status.ok()) {
    std::printf("%s: passed\n", name.c_str());
  } else {
    std::printf("%s: FAILED: %s\n", name.c_str(), std::string(status.message()).c_str());
  }
  std::fflush(stdout);
  return status.ok();
}

int Main() {
  if (absl::GetFlag(FLAGS_use_tls)) return BadFlag("--use_tls: Culvert has no TLS yet");
  if (absl::GetFlag(FLAGS_server_port) == 0) return BadFlag("--server_port is missing");
  const std::string wanted = absl::GetFlag(FLAGS_test_case);
  bool known = wanted == "all";
  for (const Case& one : Cases()) known = known || one.name == wanted;
  if (!known) return BadFlag("--test_case=" + wanted + " is unknown; there are: all" + KnownCases());

  std::string host = absl::GetFlag(FLAGS_server_host);
  if (host.find(':') != std::string::npos && host.front() != '[') host = "[" + host + "]";
  const std::string target = "dns:///" + host + ":" + std::to_string(absl::GetFlag(FLAGS_server_port));
  ChannelOptions options;
  options.authority = absl::GetFlag(FLAGS_server_host_override);
  const absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(target, options);
  if (!channel.ok()) return BadFlag(target + ": " + channel.status().ToString());

  bool passed = true;
  for (const Case& one : Cases()) {
    if (wanted == "all" || one.name == wanted) passed = Play(one, *channel) && passed;
  }
  return passed ? 0 : 1;
}

}  // namespace
}  // namespace culvert::interop

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("gRPC's interop test client on Culvert");
  if (const auto rest = absl::ParseCommandLine(argc, argv); rest.size() > 1) {
    return culvert::interop::BadFlag(std::string("'") + rest[1] + "' is not a flag; see --help");
  }
  return culvert::interop::Main();
}
