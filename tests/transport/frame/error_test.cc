#include "transport/frame/error.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "gtest/gtest.h"
#include "transport/frame/constants.h"

namespace culvert::frame {
namespace {

TEST(ConnectionError, CarriesItsCodeAndToken) {
  const absl::Status status = ConnectionError(ErrorCode::kFrameSizeError, "ping_length", "PING of 7 bytes");
  EXPECT_EQ(status.message(), "PING of 7 bytes");
  const std::optional<WireError> error = GetWireError(status);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->stream_id, 0u);
  EXPECT_EQ(error->code, ErrorCode::kFrameSizeError);
  EXPECT_EQ(error->token, "ping_length");
}

TEST(StreamError, CarriesItsStreamToo) {
  const absl::Status status = StreamError(kMaxStreamId, static_cast<ErrorCode>(0xffffffff), "odd", "why");
  const std::optional<WireError> error = GetWireError(status);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->stream_id, kMaxStreamId);
  EXPECT_EQ(static_cast<uint32_t>(error->code), 0xffffffffu);
  EXPECT_EQ(error->token, "odd");
}

TEST(GetWireError, KnowsNothingOfOtherStatuses) {
  EXPECT_EQ(GetWireError(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(GetWireError(absl::UnavailableError("read: connection reset")), std::nullopt);
  absl::Status strange = absl::InternalError("x");
  for (const char* payload : {"", "1", "1 ", "x 1 token", "1 x token", "1 2"}) {
    strange.SetPayload("culvert/http2", absl::Cord(payload));
    EXPECT_EQ(GetWireError(strange), std::nullopt) << payload;
  }
}

TEST(GetWireError, TheTokenOutlivesTheStatus) {
  std::optional<WireError> error;
  {
    const absl::Status status =
        ConnectionError(ErrorCode::kProtocolError, "a_rather_long_token_for_a_small_string", "why");
    error = GetWireError(status);
  }
  EXPECT_EQ(error->token, "a_rather_long_token_for_a_small_string");
}

TEST(GetWireError, WorksOnCopiesAndOnAnyThread) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (const char* token : {"t1", "t2", "t3", "t4", "t5", "t6"}) {
        const absl::Status copy = StreamError(3, ErrorCode::kCancel, token, "why");
        EXPECT_EQ(GetWireError(copy)->token, token);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(WireErrors, HaveTheStatusCodeThatGrpcGivesThem) {
  EXPECT_EQ(ConnectionError(ErrorCode::kProtocolError, "t", "").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ConnectionError(ErrorCode::kNoError, "t", "").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ConnectionError(ErrorCode::kEnhanceYourCalm, "t", "").code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(StreamError(1, ErrorCode::kRefusedStream, "t", "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(StreamError(1, ErrorCode::kCancel, "t", "").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StreamError(1, ErrorCode::kInadequateSecurity, "t", "").code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(WireErrors, ReadWellInALog) {
  EXPECT_EQ(StreamError(3, ErrorCode::kCancel, "some_token", "why").ToString(),
            "CANCELLED: why [culvert/http2='3 8 some_token']");
}

}  // namespace
}  // namespace culvert::frame
