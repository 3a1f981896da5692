// gRPC's interop test client on gRPC C++: a foreign peer, since Debian packages the library but no interop programs.
//
//   bazel run //tests/interop:grpc_cpp_client -- --server_host=127.0.0.1 --server_port=10000 --test_case=large_unary
//
// The cases are those of client_cases.cc. Exits with 0 when the case has passed.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "grpc/testing/test.grpc.pb.h"

ABSL_FLAG(std::string, server_host, "127.0.0.1", "host to connect to");
ABSL_FLAG(uint16_t, server_port, 0, "port to connect to");
ABSL_FLAG(std::string, test_case, "large_unary", "name of the case");
ABSL_FLAG(bool, use_tls, false, "only false is accepted");

namespace {

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
using grpc::testing::Empty;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using Stub = grpc::testing::TestService::Stub;

constexpr int32_t kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int32_t kResponseSizes[] = {31415, 9, 2653, 58979};

// What differed; the first one counts.
std::string failure;

bool Expect(bool holds, const std::string& what) {
  if (!holds && failure.empty()) failure = what;
  return holds;
}

bool ExpectStatus(const Status& is, StatusCode code, const char* message = nullptr) {
  return Expect(is.error_code() == code && (message == nullptr || is.error_message() == message),
                absl::StrCat("the status is ", is.error_code(), " '", absl::CEscape(is.error_message()), "', not ", code, " '",
                             absl::CEscape(message == nullptr ? "" : message), "'"));
}

bool ExpectBody(const std::string& body, int32_t size) {
  return Expect(body == std::string(static_cast<size_t>(size), '\0'), absl::StrCat("the body has ", body.size(), " bytes, not ", size, " zeros"));
}

SimpleRequest LargeRequest() {
  SimpleRequest request;
  request.set_response_size(314159);
  request.mutable_payload()->mutable_body()->assign(271828, '\0');
  return request;
}

StreamingOutputCallRequest OutputRequest(int32_t body, std::initializer_list<int32_t> responses) {
  StreamingOutputCallRequest request;
  for (const int32_t size : responses) request.add_response_parameters()->set_size(size);
  request.mutable_payload()->mutable_body()->assign(static_cast<size_t>(body), '\0');
  return request;
}

template <class Reader>
bool ExpectResponse(Reader& reader, int32_t size) {
  StreamingOutputCallResponse response;
  return Expect(reader.Read(&response), absl::StrCat("no response of ", size, " bytes came")) && ExpectBody(response.payload().body(), size);
}

template <class Reader>
void ExpectEnd(Reader& reader, StatusCode code = StatusCode::OK, const char* message = nullptr) {
  StreamingOutputCallResponse response;
  Expect(!reader.Read(&response), "one response more than expected came");
  ExpectStatus(reader.Finish(), code, message);
}

void EmptyUnary(Stub& stub) {
  ClientContext context;
  Empty response;
  ExpectStatus(stub.EmptyCall(&context, Empty(), &response), StatusCode::OK);
  Expect(response.ByteSizeLong() == 0, "the response is not empty");
}

void LargeUnary(Stub& stub) {
  ClientContext context;
  SimpleResponse response;
  ExpectStatus(stub.UnaryCall(&context, LargeRequest(), &response), StatusCode::OK);
  ExpectBody(response.payload().body(), 314159);
}

void ClientStreaming(Stub& stub) {
  ClientContext context;
  StreamingInputCallResponse response;
  const auto call = stub.StreamingInputCall(&context, &response);
  for (const int32_t size : kRequestSizes) {
    StreamingInputCallRequest request;
    request.mutable_payload()->mutable_body()->assign(static_cast<size_t>(size), '\0');
    Expect(call->Write(request), "a request was refused");
  }
  call->WritesDone();
  ExpectStatus(call->Finish(), StatusCode::OK);
  Expect(response.aggregated_payload_size() == 74922, absl::StrCat("aggregated_payload_size is ", response.aggregated_payload_size(), ", not 74922"));
}

void ServerStreaming(Stub& stub) {
  ClientContext context;
  StreamingOutputCallRequest request;
  for (const int32_t size : kResponseSizes) request.add_response_parameters()->set_size(size);
  const auto call = stub.StreamingOutputCall(&context, request);
  for (const int32_t size : kResponseSizes) ExpectResponse(*call, size);
  ExpectEnd(*call);
}

void PingPong(Stub& stub) {
  ClientContext context;
  const auto call = stub.FullDuplexCall(&context);
  for (int i = 0; i < 4; ++i) {
    Expect(call->Write(OutputRequest(kRequestSizes[i], {kResponseSizes[i]})), "a request was refused");
    if (!ExpectResponse(*call, kResponseSizes[i])) break;
  }
  call->WritesDone();
  ExpectEnd(*call);
}

void EmptyStream(Stub& stub) {
  ClientContext context;
  const auto call = stub.FullDuplexCall(&context);
  call->WritesDone();
  ExpectEnd(*call);
}

void AddEchoMetadata(ClientContext& context) {
  context.AddMetadata("x-grpc-test-echo-initial", "test_initial_metadata_value");
  context.AddMetadata("x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
}

void ExpectEchoMetadata(const ClientContext& context) {
  const auto& initial = context.GetServerInitialMetadata();
  const auto first = initial.find("x-grpc-test-echo-initial");
  Expect(first != initial.end() && first->second == "test_initial_metadata_value", "the initial metadata did not come back");
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto last = trailing.find("x-grpc-test-echo-trailing-bin");
  Expect(last != trailing.end() && last->second == "\xab\xab\xab", "the trailing metadata did not come back");
}

void CustomMetadata(Stub& stub) {
  ClientContext unary;
  AddEchoMetadata(unary);
  SimpleResponse response;
  ExpectStatus(stub.UnaryCall(&unary, LargeRequest(), &response), StatusCode::OK);
  ExpectBody(response.payload().body(), 314159);
  ExpectEchoMetadata(unary);

  ClientContext duplex;
  AddEchoMetadata(duplex);
  const auto call = stub.FullDuplexCall(&duplex);
  Expect(call->Write(OutputRequest(271828, {314159})), "the request was refused");
  call->WritesDone();
  ExpectResponse(*call, 314159);
  ExpectEnd(*call);
  ExpectEchoMetadata(duplex);
}

void EchoStatus(Stub& stub, const char* message, bool streaming) {
  SimpleRequest request;
  request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
  request.mutable_response_status()->set_message(message);
  ClientContext unary;
  SimpleResponse response;
  ExpectStatus(stub.UnaryCall(&unary, request, &response), StatusCode::UNKNOWN, message);
  if (!streaming) return;

  StreamingOutputCallRequest streamed;
  *streamed.mutable_response_status() = request.response_status();
  ClientContext duplex;
  const auto call = stub.FullDuplexCall(&duplex);
  Expect(call->Write(streamed), "the request was refused");
  call->WritesDone();
  ExpectEnd(*call, StatusCode::UNKNOWN, message);
}

void StatusCodeAndMessage(Stub& stub) { EchoStatus(stub, "test status message", true); }

void SpecialStatusMessage(Stub& stub) {
  EchoStatus(stub, "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n", false);
}

void UnimplementedMethod(Stub& stub) {
  ClientContext context;
  Empty response;
  ExpectStatus(stub.UnimplementedCall(&context, Empty(), &response), StatusCode::UNIMPLEMENTED);
}

void CancelAfterBegin(Stub& stub) {
  ClientContext context;
  StreamingInputCallResponse response;
  const auto call = stub.StreamingInputCall(&context, &response);
  context.TryCancel();
  ExpectStatus(call->Finish(), StatusCode::CANCELLED);
}

void CancelAfterFirstResponse(Stub& stub) {
  ClientContext context;
  const auto call = stub.FullDuplexCall(&context);
  Expect(call->Write(OutputRequest(kRequestSizes[0], {kResponseSizes[0]})), "the request was refused");
  ExpectResponse(*call, kResponseSizes[0]);
  context.TryCancel();
  ExpectStatus(call->Finish(), StatusCode::CANCELLED);
}

void TimeoutOnSleepingServer(Stub& stub) {
  ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
  const auto call = stub.FullDuplexCall(&context);
  call->Write(OutputRequest(kRequestSizes[0], {}));
  ExpectStatus(call->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

void UnimplementedService(const std::shared_ptr<grpc::Channel>& channel) {
  ClientContext context;
  Empty response;
  ExpectStatus(grpc::testing::UnimplementedService::NewStub(channel)->UnimplementedCall(&context, Empty(), &response),
               StatusCode::UNIMPLEMENTED);
}

constexpr struct {
  const char* name;
  void (*run)(Stub&);
} kCases[] = {
    {"empty_unary", EmptyUnary},
    {"large_unary", LargeUnary},
    {"client_streaming", ClientStreaming},
    {"server_streaming", ServerStreaming},
    {"ping_pong", PingPong},
    {"empty_stream", EmptyStream},
    {"custom_metadata", CustomMetadata},
    {"status_code_and_message", StatusCodeAndMessage},
    {"special_status_message", SpecialStatusMessage},
    {"unimplemented_method", UnimplementedMethod},
    {"cancel_after_begin", CancelAfterBegin},
    {"cancel_after_first_response", CancelAfterFirstResponse},
    {"timeout_on_sleeping_server", TimeoutOnSleepingServer},
};

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string name = absl::GetFlag(FLAGS_test_case);
  if (absl::GetFlag(FLAGS_use_tls)) {
    std::fprintf(stderr, "grpc_cpp_client: --use_tls: this peer has no TLS\n");
    return 2;
  }
  const auto channel = grpc::CreateChannel(absl::StrCat(absl::GetFlag(FLAGS_server_host), ":", absl::GetFlag(FLAGS_server_port)),
                                           grpc::InsecureChannelCredentials());
  const auto stub = grpc::testing::TestService::NewStub(channel);
  bool known = name == "unimplemented_service";
  if (known) UnimplementedService(channel);
  for (const auto& one : kCases) {
    if (name != one.name) continue;
    known = true;
    one.run(*stub);
  }
  if (!known) {
    std::fprintf(stderr, "grpc_cpp_client: --test_case=%s is unknown\n", name.c_str());
    return 2;
  }
  std::printf("%s: %s%s\n", name.c_str(), failure.empty() ? "passed" : "FAILED: ", failure.c_str());
  return failure.empty() ? 0 : 1;
}
