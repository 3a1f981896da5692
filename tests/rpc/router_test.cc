#include "rpc/router.h"

#include <asio/io_context.hpp>

#include "tests/rpc/fake_exchange.h"

namespace culvert::rpc {
namespace {

struct TestService {
  Unary<Text> Shout(ServerContext& call, const Text& request) {
    return MakeText(StrCat(request.value(), "! ", call.method()));
  }
};

class RouterTest : public testing::Test, public http::Handler {
 protected:
  RouterTest() { methods_.Add("/test.Service/Shout", service_, &TestService::Shout); }

  // What is answered to a request for `path` with one message.
  std::string Ask(std::string_view path, std::string_view content_type = "application/grpc",
                  std::string_view method = "POST") {
    loop_.Post([&] {
      const http::HeaderField fields[] = {{"te", "trailers"}, {"content-type", content_type}};
      Router router(methods_, limits_, other_);
      router.OnRequest(exchange_, {method, "http", "a", path, {}, fields}, false);
      if (!exchange_.released()) exchange_.receiver->OnData(AsBytes(Enveloped("hello")), true);
    });
    context_.restart();
    context_.poll();
    return exchange_.TakeLog();
  }

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool) override {
    exchange.SendHead({.status = head.path == "/" ? 200 : 404, .fields = {}}, true);
    exchange.Release();
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  FakeExchange exchange_{loop_};
  TestService service_;
  MethodRegistry methods_;
  CallLimits limits_;
  http::Handler* other_ = nullptr;
};

TEST_F(RouterTest, FindsTheMethod) {
  const std::string_view answer =
      "head 200 {content-type=application/grpc}\n"
      "data in place hello! /test.Service/Shout\n"
      "trailers {grpc-status=0}\n"
      "release\n";
  EXPECT_EQ(Ask("/test.Service/Shout"), answer);
}

TEST_F(RouterTest, TakesEverySpellingOfProto) {
  for (const std::string_view type :
       {"application/grpc+proto", "application/grpc;charset=utf-8", "Application/GRPC"}) {
    EXPECT_NE(Ask("/test.Service/Shout", type).find("hello!"), std::string::npos) << type;
  }
}

TEST_F(RouterTest, AnUnknownMethodIsUnimplemented) {
  EXPECT_EQ(Ask("/test.Service/Whisper"),
            "head 200 {content-type=application/grpc}{grpc-status=12}{grpc-message=unknown method "
            "/test.Service/Whisper} end\n"
            "release\n");
}

TEST_F(RouterTest, AnotherMessageFormatIsUnimplemented) {
  EXPECT_EQ(Ask("/test.Service/Shout", "application/grpc+json"),
            "head 200 {content-type=application/grpc}{grpc-status=12}{grpc-message=message format 'json' is "
            "not supported, only "
            "proto is} end\nrelease\n");
}

TEST_F(RouterTest, WhatIsNotGrpcIsAnUnsupportedMediaType) {
  EXPECT_EQ(Ask("/test.Service/Shout", "text/html"), "head 415 end\nrelease\n");
  EXPECT_EQ(Ask("/test.Service/Shout", "application/grpc-web"), "head 415 end\nrelease\n");
  EXPECT_EQ(Ask("/test.Service/Shout", "application/grpcfoo"), "head 415 end\nrelease\n");
}

TEST_F(RouterTest, OnlyPostIsACall) {
  EXPECT_EQ(Ask("/test.Service/Shout", "application/grpc", "GET"), "head 405 {allow=POST} end\nrelease\n");
}

TEST_F(RouterTest, OnlyHttp2CarriesACall) {
  exchange_.major = 1;
  EXPECT_EQ(Ask("/test.Service/Shout"), "head 505 end\nrelease\n");
  EXPECT_EQ(Ask("/test.Service/Shout", "text/html"), "head 415 end\nrelease\n");
}

TEST_F(RouterTest, WhatIsNotGrpcGoesToTheOtherHandler) {
  other_ = this;
  EXPECT_EQ(Ask("/", "text/html", "GET"), "head 200 end\nrelease\n");
  EXPECT_EQ(Ask("/x", "", "GET"), "head 404 end\nrelease\n");
  exchange_.major = 1;
  EXPECT_EQ(Ask("/", "application/grpc"), "head 200 end\nrelease\n");
}

}  // namespace
}  // namespace culvert::rpc
