#include "rpc/content_type.h"

#include <string_view>

#include "gtest/gtest.h"

namespace culvert::rpc {
namespace {

TEST(MessageFormat, IsEmptyWithoutASuffix) {
  EXPECT_EQ(ParseMessageFormat("application/grpc"), "");
  EXPECT_EQ(ParseMessageFormat("application/grpc;charset=utf-8"), "");
  EXPECT_EQ(ParseMessageFormat("application/grpc ; x"), "");
  EXPECT_EQ(ParseMessageFormat("Application/gRPC"), "");
}

TEST(MessageFormat, IsTheSuffix) {
  EXPECT_EQ(ParseMessageFormat("application/grpc+proto"), "proto");
  EXPECT_EQ(ParseMessageFormat("application/grpc+json; charset=utf-8"), "json");
  EXPECT_EQ(ParseMessageFormat("APPLICATION/GRPC+proto"), "proto");
}

TEST(MessageFormat, IsAbsentWhenTheBodyIsNotOfGrpc) {
  for (const std::string_view other :
       {"", ";", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/grpcx",
        "application/json", "text/html", "application/grpc proto", "x;application/grpc"}) {
    EXPECT_EQ(ParseMessageFormat(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace culvert::rpc
