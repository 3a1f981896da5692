#include "bench/workload.h"

#include <utility>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/text_file.h"

// The type of --call, where ABSL_FLAG's macros look it up.
using culvert::bench::CallKind;

ABSL_FLAG(std::string, target, "127.0.0.1:50051", "server to call, HOST:PORT or any gRPC target");
ABSL_FLAG(int, connections, 1, "connections, each with a channel of its own");
ABSL_FLAG(int, streams, 1, "calls outstanding (or streams open) on each connection");
ABSL_FLAG(CallKind, call, CallKind::kUnary, "unary, pingpong, server_stream, client_stream or both_ways");
ABSL_FLAG(int, request_bytes, 16, "payload of each request, at most 64 MiB");
ABSL_FLAG(int, response_bytes, 16, "payload of each response, at most 64 MiB");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(1), "time before the measured window, such as 500ms");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(5), "the measured window, such as 5s");
ABSL_FLAG(int, threads, 1, "threads that make calls; connections are spread over them");
ABSL_FLAG(int, server_pid, 0, "process id of the server, when on this machine: tells its CPU per operation too");
ABSL_FLAG(int, bulk_streams, 0, "streams of large messages beside them on each connection, measured apart");
ABSL_FLAG(CallKind, bulk_call, CallKind::kServerStream, "server_stream or client_stream: which way those go");
ABSL_FLAG(int, bulk_bytes, 65536, "payload of their messages, at most 64 MiB");
ABSL_FLAG(std::string, tls_roots, "", "PEM file of the certificates to trust: calls go over TLS");
ABSL_FLAG(std::string, tls_server_name, "localhost", "whom the server's certificate is to be for");
ABSL_FLAG(bool, json, false, "print one line of JSON instead of the table");

namespace culvert::bench {

namespace {

constexpr std::pair<absl::string_view, CallKind> kKinds[] = {
    {"unary", CallKind::kUnary},
    {"pingpong", CallKind::kPingPong},
    {"server_stream", CallKind::kServerStream},
    {"client_stream", CallKind::kClientStream},
    {"both_ways", CallKind::kBothWays},
};

absl::Status CheckRange(absl::string_view flag, int value, int low, int high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, "=", value, " is not in ", low, " to ", high));
}

absl::Status Check(const Workload& work) {
  constexpr int kMaxPayload = 64 << 20;
  absl::Status status = CheckRange("connections", work.connections, 1, 100'000);
  status.Update(CheckRange("streams", work.streams, 1, 1'000'000));
  status.Update(CheckRange("threads", work.threads, 1, 1024));
  status.Update(CheckRange("request_bytes", work.request_bytes, 0, kMaxPayload));
  status.Update(CheckRange("response_bytes", work.response_bytes, 0, kMaxPayload));
  status.Update(CheckRange("bulk_streams", work.bulk_streams, 0, 10'000));
  status.Update(CheckRange("bulk_bytes", work.bulk_bytes, 0, kMaxPayload));
  if (work.bulk_call != CallKind::kServerStream && work.bulk_call != CallKind::kClientStream) {
    status.Update(absl::InvalidArgumentError("--bulk_call is server_stream or client_stream"));
  }
  if (work.target.empty()) status.Update(absl::InvalidArgumentError("--target is empty"));
  if (work.warmup < absl::ZeroDuration() || work.duration <= absl::ZeroDuration() ||
      work.warmup + work.duration > absl::Hours(24 * 365)) {
    status.Update(absl::InvalidArgumentError("--warmup and --duration are to be positive, and within a year"));
  }
  return status;
}

}  // namespace

absl::string_view Name(CallKind kind) {
  for (const auto& [name, known] : kKinds) {
    if (known == kind) return name;
  }
  return "";
}

bool AbslParseFlag(absl::string_view text, CallKind* kind, std::string* error) {
  for (const auto& [name, known] : kKinds) {
    if (name != text) continue;
    *kind = known;
    return true;
  }
  *error = "it is one of unary, pingpong, server_stream, client_stream, both_ways";
  return false;
}

std::string AbslUnparseFlag(CallKind kind) { return std::string(Name(kind)); }

absl::StatusOr<Workload> WorkloadFromFlags() {
  Workload work;
  work.target = absl::GetFlag(FLAGS_target);
  work.connections = absl::GetFlag(FLAGS_connections);
  work.streams = absl::GetFlag(FLAGS_streams);
  work.call = absl::GetFlag(FLAGS_call);
  work.request_bytes = absl::GetFlag(FLAGS_request_bytes);
  work.response_bytes = absl::GetFlag(FLAGS_response_bytes);
  work.warmup = absl::GetFlag(FLAGS_warmup);
  work.duration = absl::GetFlag(FLAGS_duration);
  work.threads = absl::GetFlag(FLAGS_threads);
  work.server_pid = absl::GetFlag(FLAGS_server_pid);
  work.bulk_streams = absl::GetFlag(FLAGS_bulk_streams);
  work.bulk_call = absl::GetFlag(FLAGS_bulk_call);
  work.bulk_bytes = absl::GetFlag(FLAGS_bulk_bytes);
  work.tls_server_name = absl::GetFlag(FLAGS_tls_server_name);
  work.json = absl::GetFlag(FLAGS_json);
  if (const std::string path = absl::GetFlag(FLAGS_tls_roots); !path.empty()) {
    absl::StatusOr<std::string> roots = ReadTextFile(path);
    if (!roots.ok()) return roots.status();
    if (roots->empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' is empty"));
    work.tls_roots = *std::move(roots);
  }
  if (absl::Status status = Check(work); !status.ok()) return status;
  return work;
}

}  // namespace culvert::bench
