#ifndef CULVERT_TESTS_INTEROP_CLIENT_CASES_H_
#define CULVERT_TESTS_INTEROP_CLIENT_CASES_H_

// The test cases of gRPC's interop description (grpc/grpc doc/interop-test-descriptions.md, "Client"), played by a Culvert client against
// whatever server a channel leads to.
//
// Each case makes every assertion that the description asks of the client, the optional ones included. The status says what differed.
// Cases block: they run on any thread but the channel's loop.

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/channel.h"

namespace culvert::interop {

struct Case {
  std::string_view name;
  absl::Status (*run)(const std::shared_ptr<Channel>& channel);
};

// In the description's order.
std::span<const Case> Cases();

}  // namespace culvert::interop

#endif  // CULVERT_TESTS_INTEROP_CLIENT_CASES_H_
