// The benchmark server: grpc.testing.BenchmarkService over Culvert.
//
//   bazel run --config=opt //bench:server -- --listen=127.0.0.1:50051 --threads=2
//   READY 127.0.0.1:50051
//
// Every response has a payload of the response_size that the request asks for. With --tls_certificate and --tls_key it serves TLS. Ends on
// SIGTERM or SIGINT and tells then what it used.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <asio/experimental/awaitable_operators.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "bench/payload.h"
#include "bench/serve.h"
#include "grpc/testing/benchmark_service.culvert.h"
#include "rpc/server.h"
#include "rpc/service.h"
#include "transport/io/tls_context.h"

namespace culvert::bench {
namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;

absl::Status TooLarge() { return absl::InvalidArgumentError(absl::StrFormat("response_size is not in 0 to %d", kMaxResponseBytes)); }

class BenchmarkService final : public grpc::testing::BenchmarkService::Service {
 public:
  // What metadata comes goes back.
  Unary<SimpleResponse> UnaryCall(ServerContext& call, const SimpleRequest& request) override {
    if (!CanAnswer(request)) return TooLarge();
    if (!call.metadata().empty()) call.initial_metadata() = call.metadata();
    SimpleResponse response;
    Answer(request, response);
    return response;
  }

  // Ping-pong: one response to each request, in turn.
  Task<absl::Status> StreamingCall(ServerContext&, Stream<SimpleRequest, SimpleResponse>& stream) override {
    SimpleRequest request;
    SimpleResponse response;
    while (co_await stream.Read(request)) {
      if (!CanAnswer(request)) co_return TooLarge();
      Answer(request, response);
      if (!co_await stream.Write(response)) break;
    }
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<SimpleResponse>> StreamingFromClient(ServerContext&, Reader<SimpleRequest>& in) override {
    SimpleRequest request;
    while (co_await in.Read(request)) {
    }
    if (!CanAnswer(request)) co_return TooLarge();
    SimpleResponse response;
    Answer(request, response);
    co_return response;
  }

  // Until the client cancels.
  Task<absl::Status> StreamingFromServer(ServerContext&, const SimpleRequest& request, Writer<SimpleResponse>& out) override {
    if (!CanAnswer(request)) co_return TooLarge();
    SimpleResponse response;
    Answer(request, response);
    while (co_await out.Write(response)) {
    }
    co_return absl::OkStatus();
  }

  // The first request tells the size of the responses, which then go out until the client ends its side.
  Task<absl::Status> StreamingBothWays(ServerContext&, Stream<SimpleRequest, SimpleResponse>& stream) override {
    using namespace asio::experimental::awaitable_operators;
    SimpleRequest request;
    if (!co_await stream.Read(request)) co_return absl::OkStatus();
    if (!CanAnswer(request)) co_return TooLarge();
    SimpleResponse response;
    Answer(request, response);
    bool ended = false;
    co_await (ReadToEnd(stream, request, ended) && WriteUntil(ended, stream, response));
    co_return absl::OkStatus();
  }

 private:
  // Not `while (co_await ...)`: g++ 12 puts the frame of a coroutine with an awaiting condition and without any local variable where
  // it does not look for it.
  static Task<void> ReadToEnd(Reader<SimpleRequest>& in, SimpleRequest& request, bool& ended) {
    while (!ended) {
      const bool more = co_await in.Read(request);
      ended = !more;
    }
  }
  static Task<void> WriteUntil(const bool& ended, Writer<SimpleResponse>& out, const SimpleResponse& response) {
    for (bool open = true; open && !ended;) open = co_await out.Write(response);
  }
};

int ServerMain(int argc, char** argv) {
  const Serving serving(argc, argv);
  BenchmarkService service;
  ServerOptions options;
  options.threads = static_cast<size_t>(serving.threads());
  // A limit that is only looked at: it makes no call slower.
  options.calls.max_receive_bytes = kMaxResponseBytes + 1024;
  if (serving.max_concurrent_streams() > 0) {
    options.transport.http2.max_concurrent_streams = static_cast<uint32_t>(serving.max_concurrent_streams());
  }
  if (!serving.tls_certificate().empty()) {
    io::TlsServerOptions tls;
    tls.certificate_chain = serving.tls_certificate();
    tls.private_key = serving.tls_key();
    absl::StatusOr<std::shared_ptr<const io::TlsContext>> context = io::TlsContext::ForServer(tls);
    if (!context.ok()) {
      absl::FPrintF(stderr, "server: cannot serve TLS: %s\n", context.status().message());
      return 1;
    }
    options.transport.tls = *std::move(context);
  }
  Server server(options);
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen(serving.listen());
  if (!address.ok()) {
    absl::FPrintF(stderr, "server: cannot listen on %s: %s\n", serving.listen(), address.status().message());
    return 1;
  }
  serving.Ready(*address);
  serving.WaitForSignal();
  server.Shutdown(std::chrono::milliseconds(100));
  PrintUsage();
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::ServerMain(argc, argv); }
