#ifndef CULVERT_BENCH_WORKLOAD_H_
#define CULVERT_BENCH_WORKLOAD_H_

// What a load generator is asked to do: the flags that every generator here has in common, Culvert's and its peers'.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace culvert::bench {

enum class CallKind {
  kUnary,         // UnaryCall; an operation is a call
  kPingPong,      // StreamingCall; an operation is a message there and one back, on a stream that stays open
  kServerStream,  // StreamingFromServer; an operation is a message received
  kClientStream,  // StreamingFromClient; an operation is a message sent
  kBothWays,      // StreamingBothWays; an operation is a message sent or a message received
};

absl::string_view Name(CallKind kind);
// For ABSL_FLAG.
bool AbslParseFlag(absl::string_view text, CallKind* kind, std::string* error);
std::string AbslUnparseFlag(CallKind kind);

struct Workload {
  std::string target;
  int connections = 1;
  int streams = 1;  // calls outstanding on each connection, or streams open on it
  CallKind call = CallKind::kUnary;
  int request_bytes = 16;
  int response_bytes = 16;
  absl::Duration warmup = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(5);
  int threads = 1;
  int server_pid = 0;  // of a server on this machine whose CPU time is to be told too; 0: none
  // Streams of large messages beside them on each connection, one way: kServerStream or kClientStream.
  int bulk_streams = 0;
  CallKind bulk_call = CallKind::kServerStream;
  int bulk_bytes = 65536;
  // PEM of the certificates that the server's is to be signed by, and the name it is to be for; no roots: no TLS.
  std::string tls_roots;
  std::string tls_server_name;
  bool json = false;

  int bulk_request_bytes() const { return bulk_call == CallKind::kClientStream ? bulk_bytes : 0; }
  int bulk_response_bytes() const { return bulk_call == CallKind::kServerStream ? bulk_bytes : 0; }
};

// Of the parsed command line; the error names the flag that makes no sense, or the file that cannot be read.
absl::StatusOr<Workload> WorkloadFromFlags();

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_WORKLOAD_H_
