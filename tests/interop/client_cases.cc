#include "tests/interop/client_cases.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "grpc/testing/empty.pb.h"
#include "grpc/testing/messages.pb.h"
#include "grpc/testing/test.culvert.h"
#include "rpc/block.h"
#include "rpc/client_context.h"
#include "rpc/stub.h"
#include "transport/base/status_macros.h"
#include "transport/base/strings.h"

namespace culvert::interop {

namespace {

using grpc::testing::Empty;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using ChannelPtr = std::shared_ptr<Channel>;
using Stub = grpc::testing::TestService::Stub;

constexpr int32_t kLargeRequest = 271828;
constexpr int32_t kLargeResponse = 314159;
constexpr int32_t kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int32_t kResponseSizes[] = {31415, 9, 2653, 58979};

constexpr std::string_view kInitialKey = "x-grpc-test-echo-initial";
constexpr std::string_view kInitialValue = "test_initial_metadata_value";
constexpr std::string_view kTrailingKey = "x-grpc-test-echo-trailing-bin";
constexpr std::string_view kTrailingValue = "\xab\xab\xab";

absl::Status Differs(std::string_view what, std::string_view is, std::string_view wanted) {
  return absl::FailedPreconditionError(StrCat(what, " is ", is, ", not ", wanted));
}

absl::Status ExpectEqual(std::string_view what, int64_t is, int64_t wanted) {
  return is == wanted ? absl::OkStatus() : Differs(what, StrCat(is), StrCat(wanted));
}

absl::Status ExpectOk(std::string_view what, const absl::Status& status) {
  return status.ok() ? status : Differs(what, ToStd(absl::string_view(status.ToString())), "OK");
}

absl::Status ExpectCode(std::string_view what, const absl::Status& status, absl::StatusCode wanted) {
  return status.code() == wanted ? absl::OkStatus() : Differs(what, status.ToString(), absl::StatusCodeToString(wanted));
}

absl::Status ExpectStatus(std::string_view what, const absl::Status& status, const absl::Status& wanted) {
  if (status.code() == wanted.code() && status.message() == wanted.message()) return absl::OkStatus();
  return Differs(what, absl::CEscape(status.ToString()), absl::CEscape(wanted.ToString()));
}

// `size` bytes of zeros.
absl::Status ExpectZeros(std::string_view what, const std::string& body, int32_t size) {
  CULVERT_RETURN_IF_ERROR(ExpectEqual(StrCat("size of ", what), static_cast<int64_t>(body.size()), size));
  const auto other = std::find_if(body.begin(), body.end(), [](char c) { return c != 0; });
  if (other == body.end()) return absl::OkStatus();
  return Differs(StrCat("byte ", other - body.begin(), " of ", what), StrCat(static_cast<int>(static_cast<uint8_t>(*other))), "0");
}

absl::Status ExpectMetadata(std::string_view what, const Metadata& metadata, std::string_view key, std::string_view wanted) {
  const std::optional<std::string_view> value = metadata.Find(key);
  if (!value) return Differs(StrCat(key, " in ", what), "absent", "present");
  if (*value == wanted) return absl::OkStatus();
  return Differs(StrCat(key, " in ", what), absl::CHexEscape(ToAbsl(*value)), absl::CHexEscape(ToAbsl(wanted)));
}

SimpleRequest LargeRequest() {
  SimpleRequest request;
  request.set_response_size(kLargeResponse);
  request.mutable_payload()->mutable_body()->assign(kLargeRequest, '\0');
  return request;
}

// A streaming request with `body` bytes that asks for `responses`.
StreamingOutputCallRequest OutputRequest(int32_t body, std::initializer_list<int32_t> responses) {
  StreamingOutputCallRequest request;
  for (const int32_t size : responses) request.add_response_parameters()->set_size(size);
  if (body > 0) request.mutable_payload()->mutable_body()->assign(static_cast<size_t>(body), '\0');
  return request;
}

// There are no more responses, and the call ended well.
template <class Reader>
absl::Status ExpectEnd(Reader& reader, std::string_view after) {
  StreamingOutputCallResponse response;
  if (reader.Read(response, kBlock)) return Differs(StrCat("what follows ", after), "one more response", "the end");
  return ExpectOk("status of the call", reader.Finish(kBlock));
}

// The next response exists and has a body of `size` zeros.
template <class Reader>
absl::Status ExpectResponse(Reader& reader, std::string_view what, int32_t size) {
  StreamingOutputCallResponse response;
  if (!reader.Read(response, kBlock)) {
    return Differs(what, StrCat("absent (", ToStd(absl::string_view(reader.Finish(kBlock).ToString())), ")"), "present");
  }
  return ExpectZeros(what, response.payload().body(), size);
}

absl::Status EmptyUnary(const ChannelPtr& channel) {
  ClientContext context;
  const absl::StatusOr<Empty> response = Stub(channel).EmptyCall(context, Empty(), kBlock);
  CULVERT_RETURN_IF_ERROR(ExpectOk("status of EmptyCall", response.status()));
  return ExpectEqual("size of the response", static_cast<int64_t>(response->ByteSizeLong()), 0);
}

absl::Status LargeUnary(const ChannelPtr& channel) {
  ClientContext context;
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(context, LargeRequest(), kBlock);
  CULVERT_RETURN_IF_ERROR(ExpectOk("status of UnaryCall", response.status()));
  return ExpectZeros("the response's body", response->payload().body(), kLargeResponse);
}

absl::Status ClientStreaming(const ChannelPtr& channel) {
  ClientContext context;
  auto call = Stub(channel).StreamingInputCall(context);
  for (const int32_t size : kRequestSizes) {
    StreamingInputCallRequest request;
    request.mutable_payload()->mutable_body()->assign(static_cast<size_t>(size), '\0');
    if (!call.Write(request, kBlock)) return Differs(StrCat("writing ", size, " bytes"), "refused", "accepted");
  }
  const absl::StatusOr<StreamingInputCallResponse> response = call.Finish(kBlock);
  CULVERT_RETURN_IF_ERROR(ExpectOk("status of StreamingInputCall", response.status()));
  return ExpectEqual("aggregated_payload_size", response->aggregated_payload_size(), 74922);
}

absl::Status ServerStreaming(const ChannelPtr& channel) {
  ClientContext context;
  StreamingOutputCallRequest request;
  for (const int32_t size : kResponseSizes) request.add_response_parameters()->set_size(size);
  auto call = Stub(channel).StreamingOutputCall(context, request);
  for (int i = 0; i < 4; ++i) {
    CULVERT_RETURN_IF_ERROR(ExpectResponse(call, StrCat("response ", i + 1, " of 4"), kResponseSizes[i]));
  }
  return ExpectEnd(call, "4 responses");
}

absl::Status PingPong(const ChannelPtr& channel) {
  ClientContext context;
  auto call = Stub(channel).FullDuplexCall(context);
  for (int i = 0; i < 4; ++i) {
    if (!call.Write(OutputRequest(kRequestSizes[i], {kResponseSizes[i]}), kBlock)) {
      return Differs(StrCat("writing request ", i + 1), "refused", "accepted");
    }
    CULVERT_RETURN_IF_ERROR(ExpectResponse(call, StrCat("response ", i + 1, " of 4"), kResponseSizes[i]));
  }
  call.WritesDone();
  return ExpectEnd(call, "4 responses");
}

absl::Status EmptyStream(const ChannelPtr& channel) {
  ClientContext context;
  auto call = Stub(channel).FullDuplexCall(context);
  call.WritesDone();
  return ExpectEnd(call, "no request");
}

absl::Status AddEchoMetadata(ClientContext& context) {
  CULVERT_RETURN_IF_ERROR(context.metadata().Add(kInitialKey, kInitialValue));
  return context.metadata().Add(kTrailingKey, kTrailingValue);
}

absl::Status ExpectEchoMetadata(std::string_view method, const ClientContext& context) {
  CULVERT_RETURN_IF_ERROR(
      ExpectMetadata(StrCat("initial metadata of ", method), context.initial_metadata(), kInitialKey, kInitialValue));
  return ExpectMetadata(StrCat("trailing metadata of ", method), context.trailing_metadata(), kTrailingKey, kTrailingValue);
}

absl::Status CustomMetadata(const ChannelPtr& channel) {
  ClientContext unary;
  CULVERT_RETURN_IF_ERROR(AddEchoMetadata(unary));
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(unary, LargeRequest(), kBlock);
  CULVERT_RETURN_IF_ERROR(ExpectOk("status of UnaryCall", response.status()));
  CULVERT_RETURN_IF_ERROR(ExpectZeros("the response's body", response->payload().body(), kLargeResponse));
  CULVERT_RETURN_IF_ERROR(ExpectEchoMetadata("UnaryCall", unary));

  ClientContext duplex;
  CULVERT_RETURN_IF_ERROR(AddEchoMetadata(duplex));
  auto call = Stub(channel).FullDuplexCall(duplex);
  if (!call.Write(OutputRequest(kLargeRequest, {kLargeResponse}), kBlock)) return Differs("writing the request", "refused", "accepted");
  call.WritesDone();
  CULVERT_RETURN_IF_ERROR(ExpectResponse(call, "the response", kLargeResponse));
  CULVERT_RETURN_IF_ERROR(ExpectEnd(call, "1 response"));
  return ExpectEchoMetadata("FullDuplexCall", duplex);
}

absl::Status StatusCodeAndMessage(const ChannelPtr& channel) {
  const absl::Status wanted = absl::UnknownError("test status message");
  SimpleRequest request;
  request.mutable_response_status()->set_code(static_cast<int32_t>(wanted.code()));
  request.mutable_response_status()->set_message(std::string(wanted.message()));
  ClientContext unary;
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(unary, request, kBlock);
  CULVERT_RETURN_IF_ERROR(ExpectStatus("status of UnaryCall", response.status(), wanted));

  StreamingOutputCallRequest streamed;
  *streamed.mutable_response_status() = request.response_status();
  ClientContext duplex;
  auto call = Stub(channel).FullDuplexCall(duplex);
  if (!call.Write(streamed, kBlock)) return Differs("writing the request", "refused", "accepted");
  call.WritesDone();
  StreamingOutputCallResponse unwanted;
  if (call.Read(unwanted, kBlock)) return Differs("what FullDuplexCall answered", "a response", "a status only");
  return ExpectStatus("status of FullDuplexCall", call.Finish(kBlock), wanted);
}

absl::Status SpecialStatusMessage(const ChannelPtr& channel) {
  const absl::Status wanted =
      absl::UnknownError("\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n");
  SimpleRequest request;
  request.mutable_response_status()->set_code(static_cast<int32_t>(wanted.code()));
  request.mutable_response_status()->set_message(std::string(wanted.message()));
  ClientContext context;
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(context, request, kBlock);
  return ExpectStatus("status of UnaryCall", response.status(), wanted);
}

absl::Status UnimplementedMethod(const ChannelPtr& channel) {
  ClientContext context;
  const absl::StatusOr<Empty> response = Stub(channel).UnimplementedCall(context, Empty(), kBlock);
  return ExpectCode("status of UnimplementedCall", response.status(), absl::StatusCode::kUnimplemented);
}

absl::Status UnimplementedService(const ChannelPtr& channel) {
  ClientContext context;
  const absl::StatusOr<Empty> response =
      grpc::testing::UnimplementedService::Stub(channel).UnimplementedCall(context, Empty(), kBlock);
  return ExpectCode("status of UnimplementedService", response.status(), absl::StatusCode::kUnimplemented);
}

absl::Status CancelAfterBegin(const ChannelPtr& channel) {
  ClientContext context;
  auto call = Stub(channel).StreamingInputCall(context);
  context.Cancel();
  return ExpectCode("status of StreamingInputCall", call.Finish(kBlock).status(), absl::StatusCode::kCancelled);
}

absl::Status CancelAfterFirstResponse(const ChannelPtr& channel) {
  ClientContext context;
  auto call = Stub(channel).FullDuplexCall(context);
  if (!call.Write(OutputRequest(kRequestSizes[0], {kResponseSizes[0]}), kBlock)) return Differs("writing the request", "refused", "accepted");
  CULVERT_RETURN_IF_ERROR(ExpectResponse(call, "the first response", kResponseSizes[0]));
  context.Cancel();
  return ExpectCode("status of FullDuplexCall", call.Finish(kBlock), absl::StatusCode::kCancelled);
}

absl::Status TimeoutOnSleepingServer(const ChannelPtr& channel) {
  ClientContext context;
  context.set_timeout(std::chrono::milliseconds(1));
  auto call = Stub(channel).FullDuplexCall(context);
  // The deadline may have passed before there is room: false is no failure here.
  static_cast<void>(call.Write(OutputRequest(kRequestSizes[0], {}), kBlock));
  return ExpectCode("status of FullDuplexCall", call.Finish(kBlock), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace

std::span<const Case> Cases() {
  static constexpr Case kCases[] = {
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
      {"unimplemented_service", UnimplementedService},
      {"cancel_after_begin", CancelAfterBegin},
      {"cancel_after_first_response", CancelAfterFirstResponse},
      {"timeout_on_sleeping_server", TimeoutOnSleepingServer},
  };
  return kCases;
}

}  // namespace culvert::interop
