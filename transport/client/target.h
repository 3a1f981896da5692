#ifndef CULVERT_TRANSPORT_CLIENT_TARGET_H_
#define CULVERT_TRANSPORT_CLIENT_TARGET_H_

// What a client connects to, in gRPC's naming: "host:port", "dns:///host:port", "ipv4:1.2.3.4:50051,1.2.3.5:50051", "ipv6:[::1]:50051",
// "unix:/path", "unix:///path", "unix-abstract:name". Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/io/address.h"

namespace culvert::client {

struct Target {
  // Either addresses, or a name to be resolved.
  std::vector<io::SocketAddress> addresses;
  std::string host;
  uint16_t port = 0;
  // What ":authority" says by default.
  std::string authority;
};

// InvalidArgument names what is wrong. A port that is missing from a dns name is 443, as gRPC has it.
absl::StatusOr<Target> ParseTarget(std::string_view text);

}  // namespace culvert::client

#endif  // CULVERT_TRANSPORT_CLIENT_TARGET_H_
