#include "rpc/path.h"

#include <string_view>

#include "gtest/gtest.h"

namespace culvert::rpc {
namespace {

TEST(MethodPath, IsServiceAndMethod) {
  EXPECT_EQ(ParseMethodPath("/routeguide.RouteGuide/GetFeature"),
            (MethodPath{"routeguide.RouteGuide", "GetFeature"}));
  EXPECT_EQ(ParseMethodPath("/S/M"), (MethodPath{"S", "M"}));
}

TEST(MethodPath, SplitsAtTheLastSlash) {
  EXPECT_EQ(ParseMethodPath("/prefix/S/M"), (MethodPath{"prefix/S", "M"}));
  EXPECT_EQ(ParseMethodPath("//M"), std::nullopt);
}

TEST(MethodPath, TakesNamesAsTheyAre) {
  EXPECT_EQ(ParseMethodPath("/S/M?x=1"), (MethodPath{"S", "M?x=1"}));
  EXPECT_EQ(ParseMethodPath("/S/%4d"), (MethodPath{"S", "%4d"}));
}

TEST(MethodPath, IsRefusedWithoutItsParts) {
  for (const std::string_view bad : {"", "/", "//", "S/M", "/S", "/S/", "*", "S"}) {
    EXPECT_EQ(ParseMethodPath(bad), std::nullopt) << bad;
  }
}

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
