// gRPC's interop test server on gRPC C++: a foreign peer, since Debian packages the library but no interop programs.
//
//   bazel run //tests/interop:grpc_cpp_server -- --port=10000     on loopback; 0 takes a free port
//
// Prints "READY host:port" once it serves; SIGTERM and SIGINT stop it.

#include <grpcpp/grpcpp.h>
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "grpc/testing/test.grpc.pb.h"

ABSL_FLAG(uint16_t, port, 0, "port to listen on at 127.0.0.1; 0 takes a free one");
ABSL_FLAG(bool, use_tls, false, "only false is accepted");

namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
using grpc::testing::Empty;
using grpc::testing::ResponseParameters;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using Duplex = grpc::ServerReaderWriter<StreamingOutputCallResponse, StreamingOutputCallRequest>;

void EchoMetadata(ServerContext& call) {
  for (const auto& [key, value] : call.client_metadata()) {
    if (key == "x-grpc-test-echo-initial") call.AddInitialMetadata(std::string(key.data(), key.size()), {value.data(), value.size()});
    if (key == "x-grpc-test-echo-trailing-bin") call.AddTrailingMetadata(std::string(key.data(), key.size()), {value.data(), value.size()});
  }
}

Status ToStatus(const grpc::testing::EchoStatus& echo) { return Status(static_cast<StatusCode>(echo.code()), echo.message()); }

// Writes what `wanted` asks for, each response after its interval. False when the client is gone.
template <class Writer, class Parameters>
bool Respond(Writer& writer, const Parameters& wanted) {
  for (const ResponseParameters& one : wanted) {
    if (one.interval_us() > 0) absl::Notification().WaitForNotificationWithTimeout(absl::Microseconds(one.interval_us()));
    StreamingOutputCallResponse response;
    response.mutable_payload()->mutable_body()->assign(static_cast<size_t>(one.size()), '\0');
    if (!writer.Write(response)) return false;
  }
  return true;
}

class TestService final : public grpc::testing::TestService::Service {
  Status EmptyCall(ServerContext* call, const Empty*, Empty*) override {
    EchoMetadata(*call);
    return Status::OK;
  }

  Status UnaryCall(ServerContext* call, const SimpleRequest* request, SimpleResponse* response) override {
    EchoMetadata(*call);
    if (request->has_response_status() && request->response_status().code() != 0) return ToStatus(request->response_status());
    if (request->response_size() < 0) return Status(StatusCode::INVALID_ARGUMENT, "response size below 0");
    response->mutable_payload()->mutable_body()->assign(static_cast<size_t>(request->response_size()), '\0');
    return Status::OK;
  }

  Status CacheableUnaryCall(ServerContext* call, const SimpleRequest*, SimpleResponse* response) override {
    call->AddInitialMetadata("cache-control", "max-age=60, public");
    response->mutable_payload()->set_body(std::to_string(std::chrono::system_clock::now().time_since_epoch().count()));
    return Status::OK;
  }

  Status StreamingOutputCall(ServerContext* call, const StreamingOutputCallRequest* request,
                             grpc::ServerWriter<StreamingOutputCallResponse>* writer) override {
    EchoMetadata(*call);
    if (request->has_response_status()) return ToStatus(request->response_status());
    return Respond(*writer, request->response_parameters()) ? Status::OK : Status::CANCELLED;
  }

  Status StreamingInputCall(ServerContext* call, grpc::ServerReader<StreamingInputCallRequest>* reader,
                            StreamingInputCallResponse* response) override {
    EchoMetadata(*call);
    StreamingInputCallRequest request;
    size_t total = 0;
    while (reader->Read(&request)) total += request.payload().body().size();
    response->set_aggregated_payload_size(static_cast<int32_t>(total));
    return Status::OK;
  }

  Status FullDuplexCall(ServerContext* call, Duplex* stream) override {
    EchoMetadata(*call);
    StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      if (request.has_response_status()) return ToStatus(request.response_status());
      if (!Respond(*stream, request.response_parameters())) return Status::CANCELLED;
    }
    return Status::OK;
  }

  Status HalfDuplexCall(ServerContext* call, Duplex* stream) override {
    EchoMetadata(*call);
    std::vector<ResponseParameters> wanted;
    StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      wanted.insert(wanted.end(), request.response_parameters().begin(), request.response_parameters().end());
    }
    return Respond(*stream, wanted) ? Status::OK : Status::CANCELLED;
  }
};

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_use_tls)) {
    std::fprintf(stderr, "grpc_cpp_server: --use_tls: this peer has no TLS\n");
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  TestService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(absl::GetFlag(FLAGS_port)), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "grpc_cpp_server: cannot listen on port %d\n", absl::GetFlag(FLAGS_port));
    return 1;
  }
  std::printf("READY 127.0.0.1:%d\n", port);
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}
