// Metadata both ways: ASCII and binary, at the beginning and at the end, with messages and without.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"

namespace culvert::e2e {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries Copy(const Metadata& metadata) {
  Entries entries;
  for (const Metadata::Entry& entry : metadata) entries.emplace_back(entry.name, entry.value);
  return entries;
}

std::string AllBytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

// Everything that comes is remembered and sent back, with "-back" and "-end" added, in both places.
class MirrorService : public interop::TestService {
 public:
  Unary<Empty> EmptyCall(ServerContext& call, const Empty&) override {
    Mirror(call);
    return answer.ok() ? Unary<Empty>(Empty()) : Unary<Empty>(answer);
  }
  Task<absl::Status> FullDuplexCall(ServerContext& call, DuplexStream& stream) override {
    Mirror(call);
    call.SendInitialMetadata();
    EXPECT_OK(call.initial_metadata().Add("x-too-late", "1"));
    StreamingOutputCallRequest request;
    while (co_await stream.Read(request)) {
    }
    EXPECT_OK(call.trailing_metadata().Add("x-in-time", "1"));
    co_return answer;
  }

  Entries received;
  std::string method;
  absl::Status answer;

 private:
  void Mirror(ServerContext& call) {
    received = Copy(call.metadata());
    method = std::string(call.method());
    for (const auto& [key, value] : received) {
      const bool binary = key.ends_with("-bin");
      const std::string stem = binary ? key.substr(0, key.size() - 4) : key;
      EXPECT_OK(call.initial_metadata().Add(stem + "-back" + (binary ? "-bin" : ""), value));
      EXPECT_OK(call.trailing_metadata().Add(stem + "-end" + (binary ? "-bin" : ""), value));
    }
  }
};

void AddTo(Metadata& metadata, const Entries& entries) {
  for (const auto& [key, value] : entries) EXPECT_OK(metadata.Add(key, value));
}

TEST(MetadataEndToEnd, AsciiAndBinaryTravelBothWays) {
  MirrorService service;
  Loopback loopback(service);
  const Entries sent = {{"x-plain", "value with spaces, and a comma"}, {"x-empty", ""},           {"x-all-bin", AllBytes()},
                        {"x-none-bin", ""},                            {"x-one-bin", "\xff"},     {"x-twice", "1"},
                        {"x-twice", "2"},                              {"x-odd_name.1", "~!@#$%"}};
  ClientContext context;
  AddTo(context.metadata(), sent);
  EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  EXPECT_EQ(service.received, sent);
  EXPECT_EQ(service.method, "/grpc.testing.TestService/EmptyCall");
  const Entries back = {{"x-plain-back", "value with spaces, and a comma"}, {"x-empty-back", ""},       {"x-all-back-bin", AllBytes()},
                        {"x-none-back-bin", ""},                            {"x-one-back-bin", "\xff"}, {"x-twice-back", "1"},
                        {"x-twice-back", "2"},                              {"x-odd_name.1-back", "~!@#$%"}};
  EXPECT_EQ(Copy(context.initial_metadata()), back);
  EXPECT_EQ(context.trailing_metadata().FindAll("x-twice-end").size(), 2u);
  EXPECT_EQ(context.trailing_metadata().Find("x-all-end-bin"), AllBytes());
  EXPECT_EQ(context.trailing_metadata().size(), sent.size());
}

TEST(MetadataEndToEnd, NoneIsNone) {
  MirrorService service;
  Loopback loopback(service);
  ClientContext context;
  EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  EXPECT_TRUE(service.received.empty()) << service.received[0].first;
  EXPECT_TRUE(context.initial_metadata().empty());
  EXPECT_TRUE(context.trailing_metadata().empty());
}

TEST(MetadataEndToEnd, AFailedCallCarriesIt) {
  MirrorService service;
  service.answer = absl::NotFoundError("100% \xe2\x98\xba\r\n");
  Loopback loopback(service);
  ClientContext context;
  AddTo(context.metadata(), {{"x-key", "1"}, {"x-key-bin", "\x01"}});
  const absl::Status status = loopback.stub().EmptyCall(context, Empty(), kBlock).status();
  EXPECT_EQ(status, service.answer);
  EXPECT_EQ(context.trailing_metadata().Find("x-key-end"), "1");
  EXPECT_EQ(context.trailing_metadata().Find("x-key-end-bin"), "\x01");
}

TEST(MetadataEndToEnd, TheBeginningComesBeforeAnyMessage) {
  MirrorService service;
  Loopback loopback(service);
  ClientContext context;
  AddTo(context.metadata(), {{"x-key", "1"}});
  auto call = loopback.stub().FullDuplexCall(context);
  call.WritesDone();
  StreamingOutputCallResponse response;
  EXPECT_FALSE(call.Read(response, kBlock));
  EXPECT_OK(call.Finish(kBlock));
  EXPECT_EQ(Copy(context.initial_metadata()), (Entries{{"x-key-back", "1"}}));
  EXPECT_EQ(Copy(context.trailing_metadata()), (Entries{{"x-key-end", "1"}, {"x-in-time", "1"}}));
}

TEST(MetadataEndToEnd, ManyAndLargeEntriesFit) {
  MirrorService service;
  Loopback loopback(service);
  ClientContext context;
  Entries sent;
  for (int i = 0; i < 100; ++i) sent.emplace_back("x-number-" + std::to_string(i), std::string(100, static_cast<char>('a' + i % 26)));
  sent.emplace_back("x-large-bin", std::string(8000, '\0'));
  AddTo(context.metadata(), sent);
  EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  EXPECT_EQ(service.received, sent);
  EXPECT_EQ(context.initial_metadata().size(), sent.size());
  EXPECT_EQ(context.trailing_metadata().size(), sent.size());
}

TEST(MetadataEndToEnd, MoreThanTheServerTakesFailsTheCallOnly) {
  MirrorService service;
  Loopback loopback(service);
  ClientContext context;
  for (int i = 0; i < 20; ++i) EXPECT_OK(context.metadata().Add("x-huge-" + std::to_string(i), std::string(8000, 'h')));
  EXPECT_FALSE(loopback.stub().EmptyCall(context, Empty(), kBlock).ok());
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(MetadataEndToEnd, EveryStatusCodeArrives) {
  MirrorService service;
  Loopback loopback(service);
  for (int code = 1; code <= 16; ++code) {
    service.answer = absl::Status(static_cast<absl::StatusCode>(code), "message " + std::to_string(code));
    ClientContext unary;
    EXPECT_EQ(loopback.stub().EmptyCall(unary, Empty(), kBlock).status(), service.answer);
    ClientContext context;
    auto call = loopback.stub().FullDuplexCall(context);
    call.WritesDone();
    EXPECT_EQ(call.Finish(kBlock), service.answer);
  }
}

}  // namespace
}  // namespace culvert::e2e
