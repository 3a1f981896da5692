#include "tests/interop/test_service.h"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/status_macros.h"

namespace culvert::interop {

using grpc::testing::BoolValue;
using grpc::testing::Empty;
using grpc::testing::EchoStatus;
using grpc::testing::Payload;
using grpc::testing::PayloadType;
using grpc::testing::ResponseParameters;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;

namespace {

// HalfDuplexCall answers after the last request: what it remembers until then is bounded.
constexpr size_t kMaxRememberedResponses = 10000;

// "Echo Metadata": one key comes back at the beginning, the other at the end.
absl::Status EchoMetadata(ServerContext& call) {
  constexpr std::string_view kInitial = "x-grpc-test-echo-initial";
  constexpr std::string_view kTrailing = "x-grpc-test-echo-trailing-bin";
  for (const std::string_view value : call.metadata().FindAll(kInitial)) {
    CULVERT_RETURN_IF_ERROR(call.initial_metadata().Add(kInitial, value));
  }
  for (const std::string_view value : call.metadata().FindAll(kTrailing)) {
    CULVERT_RETURN_IF_ERROR(call.trailing_metadata().Add(kTrailing, value));
  }
  return absl::OkStatus();
}

absl::Status ToStatus(const EchoStatus& echo) {
  return absl::Status(static_cast<absl::StatusCode>(echo.code()), echo.message());
}

// "CompressedRequest". Culvert's server takes uncompressed messages only, so that one has come is certain here.
absl::Status CheckCompression(bool stated, const BoolValue& expected) {
  if (!stated || !expected.value()) return absl::OkStatus();
  return absl::InvalidArgumentError("a compressed request was expected, this one is not");
}

absl::Status FillPayload(PayloadType type, int32_t size, Payload& payload) {
  if (type != grpc::testing::COMPRESSABLE) return absl::InvalidArgumentError("unknown response_type");
  if (size < 0) return absl::InvalidArgumentError("response size below 0");
  payload.set_type(type);
  payload.mutable_body()->assign(static_cast<size_t>(size), '\0');
  return absl::OkStatus();
}

// One response, after the interval that it asks for.
Task<absl::Status> Respond(PayloadType type, ResponseParameters wanted, Writer<StreamingOutputCallResponse>& writer) {
  if (wanted.interval_us() > 0) {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::microseconds(wanted.interval_us()));
    const auto [error] = co_await timer.async_wait(kTuple);
    if (error) co_return absl::CancelledError("cancelled between two responses");
  }
  StreamingOutputCallResponse response;
  CULVERT_CO_RETURN_IF_ERROR(FillPayload(type, wanted.size(), *response.mutable_payload()));
  if (!co_await writer.Write(response)) co_return absl::CancelledError("the client is gone");
  co_return absl::OkStatus();
}

}  // namespace

Unary<Empty> TestService::EmptyCall(ServerContext& call, const Empty&) {
  CULVERT_RETURN_IF_ERROR(EchoMetadata(call));
  return Empty();
}

Unary<SimpleResponse> TestService::UnaryCall(ServerContext& call, const SimpleRequest& request) {
  CULVERT_RETURN_IF_ERROR(EchoMetadata(call));
  CULVERT_RETURN_IF_ERROR(CheckCompression(request.has_expect_compressed(), request.expect_compressed()));
  if (request.has_response_status()) CULVERT_RETURN_IF_ERROR(ToStatus(request.response_status()));
  SimpleResponse response;
  CULVERT_RETURN_IF_ERROR(FillPayload(request.response_type(), request.response_size(), *response.mutable_payload()));
  return response;
}

Unary<SimpleResponse> TestService::CacheableUnaryCall(ServerContext& call, const SimpleRequest&) {
  CULVERT_RETURN_IF_ERROR(EchoMetadata(call));
  CULVERT_RETURN_IF_ERROR(call.initial_metadata().Add("cache-control", "max-age=60, public"));
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  SimpleResponse response;
  response.mutable_payload()->set_body(std::to_string(now.count()));
  return response;
}

Task<absl::Status> TestService::StreamingOutputCall(ServerContext& call, const StreamingOutputCallRequest& request,
                                                    Writer<StreamingOutputCallResponse>& writer) {
  CULVERT_CO_RETURN_IF_ERROR(EchoMetadata(call));
  if (request.has_response_status()) co_return ToStatus(request.response_status());
  for (const ResponseParameters& wanted : request.response_parameters()) {
    CULVERT_CO_RETURN_IF_ERROR(co_await Respond(request.response_type(), wanted, writer));
  }
  co_return absl::OkStatus();
}

Task<absl::StatusOr<StreamingInputCallResponse>> TestService::StreamingInputCall(ServerContext& call,
                                                                                 Reader<StreamingInputCallRequest>& reader) {
  CULVERT_CO_RETURN_IF_ERROR(EchoMetadata(call));
  StreamingInputCallResponse response;
  StreamingInputCallRequest request;
  while (co_await reader.Read(request)) {
    CULVERT_CO_RETURN_IF_ERROR(CheckCompression(request.has_expect_compressed(), request.expect_compressed()));
    response.set_aggregated_payload_size(response.aggregated_payload_size() + static_cast<int32_t>(request.payload().body().size()));
  }
  co_return response;
}

Task<absl::Status> TestService::FullDuplexCall(ServerContext& call,
                                               Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>& stream) {
  CULVERT_CO_RETURN_IF_ERROR(EchoMetadata(call));
  StreamingOutputCallRequest request;
  while (co_await stream.Read(request)) {
    if (request.has_response_status()) co_return ToStatus(request.response_status());
    for (const ResponseParameters& wanted : request.response_parameters()) {
      CULVERT_CO_RETURN_IF_ERROR(co_await Respond(request.response_type(), wanted, stream));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> TestService::HalfDuplexCall(ServerContext& call,
                                               Stream<StreamingOutputCallRequest, StreamingOutputCallResponse>& stream) {
  CULVERT_CO_RETURN_IF_ERROR(EchoMetadata(call));
  std::vector<ResponseParameters> remembered;
  StreamingOutputCallRequest request;
  while (co_await stream.Read(request)) {
    if (request.has_response_status()) co_return ToStatus(request.response_status());
    remembered.insert(remembered.end(), request.response_parameters().begin(), request.response_parameters().end());
    if (remembered.size() > kMaxRememberedResponses) co_return absl::ResourceExhaustedError("more responses asked for than this server remembers");
  }
  for (const ResponseParameters& wanted : remembered) {
    CULVERT_CO_RETURN_IF_ERROR(co_await Respond(grpc::testing::COMPRESSABLE, wanted, stream));
  }
  co_return absl::OkStatus();
}

}  // namespace culvert::interop
