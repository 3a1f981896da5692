#include "transport/http2/errors.h"

#include "gtest/gtest.h"

namespace culvert::http2 {
namespace {

using absl::StatusCode;
using frame::ErrorCode;

// gRPC over HTTP/2, section Errors.
TEST(ErrorsTest, WhatAPeersErrorCodeMeans) {
  const std::pair<ErrorCode, StatusCode> table[] = {
      {ErrorCode::kNoError, StatusCode::kInternal},
      {ErrorCode::kProtocolError, StatusCode::kInternal},
      {ErrorCode::kInternalError, StatusCode::kInternal},
      {ErrorCode::kFlowControlError, StatusCode::kInternal},
      {ErrorCode::kSettingsTimeout, StatusCode::kInternal},
      {ErrorCode::kStreamClosed, StatusCode::kInternal},
      {ErrorCode::kFrameSizeError, StatusCode::kInternal},
      {ErrorCode::kRefusedStream, StatusCode::kUnavailable},
      {ErrorCode::kCancel, StatusCode::kCancelled},
      {ErrorCode::kCompressionError, StatusCode::kInternal},
      {ErrorCode::kConnectError, StatusCode::kInternal},
      {ErrorCode::kEnhanceYourCalm, StatusCode::kResourceExhausted},
      {ErrorCode::kInadequateSecurity, StatusCode::kPermissionDenied},
      {ErrorCode::kHttp11Required, StatusCode::kUnknown},
      {static_cast<ErrorCode>(0x1234), StatusCode::kUnknown},
  };
  for (const auto& [code, meaning] : table)
    EXPECT_EQ(ToStatusCode(code), meaning) << frame::ErrorCodeName(code);
}

TEST(ErrorsTest, HowWeTellAPeerThatAStreamIsGivenUp) {
  EXPECT_EQ(ToErrorCode(StatusCode::kOk), ErrorCode::kNoError);
  EXPECT_EQ(ToErrorCode(StatusCode::kCancelled), ErrorCode::kCancel);
  EXPECT_EQ(ToErrorCode(StatusCode::kDeadlineExceeded), ErrorCode::kCancel);
  EXPECT_EQ(ToErrorCode(StatusCode::kUnavailable), ErrorCode::kInternalError) << "the handler has seen it: nobody is to try again";
  EXPECT_EQ(ToErrorCode(StatusCode::kResourceExhausted), ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(ToErrorCode(StatusCode::kInvalidArgument), ErrorCode::kProtocolError);
  EXPECT_EQ(ToErrorCode(StatusCode::kInternal), ErrorCode::kInternalError);
  EXPECT_EQ(ToErrorCode(StatusCode::kUnknown), ErrorCode::kInternalError);
}

}  // namespace
}  // namespace culvert::http2
