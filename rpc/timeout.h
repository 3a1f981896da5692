#ifndef CULVERT_RPC_TIMEOUT_H_
#define CULVERT_RPC_TIMEOUT_H_

// The value of the grpc-timeout header (gRPC over HTTP/2, "Timeout"): at most eight digits and a unit. Pure:
// durations, not deadlines; whoever owns the call reads the clock.
//
//   char text[rpc::kMaxTimeoutText];
//   headers.Add("grpc-timeout", {text, rpc::AppendTimeout(absl::Seconds(5), text)});    // "5000000u"

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace culvert::rpc {

inline constexpr size_t kMaxTimeoutText = 9;

// Units: H, M, S (hours, minutes, seconds), m, u, n (milli-, micro-, nanoseconds). Zero is accepted, as other
// implementations do: the call is already late. Anything else than 1 to 8 digits and a unit is INTERNAL,
// which the server answers as it stands.
absl::StatusOr<absl::Duration> ParseTimeout(std::string_view text);

// Writes the header's value to out[0, kMaxTimeoutText) and returns its length. Takes the finest unit that
// fits and rounds up, so that the peer never gives up before we do. Zero and below become "1n"; more than
// 99999999 hours become that. `timeout` must not be infinite: a call without a deadline sends no header.
size_t AppendTimeout(absl::Duration timeout, char* out);

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_TIMEOUT_H_
