// Few bytes that want to become many: header lists, responses that nobody takes, data that nobody consumes.

#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"
#include "tests/e2e/fixture.h"

namespace culvert::attack {
namespace {

using e2e::GrpcData;
using e2e::GrpcHead;
using e2e::ReceiveFrame;

constexpr size_t kMiB = 1024 * 1024;
constexpr uint32_t kStreamWindow = 256 * 1024;  // the server's, for each stream

// --- header lists ---

// `block` in many requests: each is answered with 431, or else refused as `limit` says, and the connection goes on.
void ExpectTooLarge(const std::string& block, const std::string& first_status) {
  constexpr int kRequests = 50;
  AttackedServer server;
  RawSocket socket = Greet(server);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(socket.Send(HeaderBlock(Stream(i), e2e::kEndStream, block)));
    if (i == 0) {
      EXPECT_EQ(ReceiveField(socket, 1, ":status"), first_status);
    } else {
      EXPECT_TRUE(ReceiveFrame(socket, e2e::kHeaders, Stream(i)));
    }
    if (i % 10 == 0) server.ExpectServesOthers();
  }
  server.ExpectCounted("header_list_too_large", kRequests);
  server.ExpectUnharmed();
}

// CVE-2016-6581: a large field once, and then by its index, a byte for each time: 48 MiB in 16 KiB.
TEST(HeaderList, HpackBomb) {
  ExpectTooLarge(RequestFields("GET", "/") + TableField("bomb", std::string(3000, 'x')) + std::string(16000, kLatestTableField), "431");
}

// CVE-2026-49975 and others: it is the number of fields that costs.
TEST(HeaderList, CookieCrumbs) { ExpectTooLarge(RequestFields("GET", "/") + std::string(16000, kCookieCrumb), "431"); }

// CVE-2019-9516. Three bytes each on the wire.
TEST(HeaderList, FieldsWithoutNameAndValue) { ExpectTooLarge(RequestFields("GET", "/") + std::string(3 * 5000, '\0'), "431"); }

// CVE-2022-41723: as much Huffman code as a string may hold, over four frames.
TEST(HeaderList, LongHuffmanString) {
  const std::string codes(65000, '\x18');  // five bits each: more characters than bytes
  ExpectTooLarge(RequestFields("GET", "/") + std::string("\0\1x\xff\xe9\xfa\x03", 7) + codes, "431");
}

TEST(HeaderList, ShortOnesWithoutANameAreMalformed) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(HeaderBlock(1, e2e::kEndStream, RequestFields("GET", "/") + std::string(3, '\0'))));
  ExpectReset(socket, 1, kProtocolError);
  server.ExpectCounted("malformed_request");
  server.ExpectUnharmed();
}

TEST(HeaderList, TrailersCountAsHeadsDo) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(GrpcHead(1, kFullDuplex) + HeaderBlock(1, e2e::kEndStream, std::string(300, kCookieCrumb))));
  ExpectReset(socket, 1, kProtocolError);
  server.ExpectCounted("header_list_too_large");
  server.ExpectUnharmed();
}

TEST(HeaderList, AStringOfMoreThan64KiBIsRefused) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(HeaderBlock(1, e2e::kEndStream, RequestFields("GET", "/") + LongField("x", std::string(70000, 'x')))));
  ExpectGoAway(socket, kCompressionError);
  server.ExpectCounted("header_block");
  server.ExpectUnharmed();
}

// CVE-2016-6581 the other way round: the server's own table, which the client says may be as large as it likes.
TEST(HeaderList, TheServersTableIsItsOwnAffair) {
  constexpr int kCalls = 1000;
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kHeaderTableSize, UINT32_MAX));
  for (int i = 0; i < kCalls; ++i) {
    const uint32_t id = Stream(i);
    const std::string value = std::to_string(i) + std::string(8000, 'v');  // comes back in the response's head
    const std::string block = RequestFields("POST", kEmptyCall) + e2e::Field("content-type", "application/grpc") +
                              e2e::Field("te", "trailers") + LongField("x-grpc-test-echo-initial", value);
    ASSERT_TRUE(socket.Send(HeaderBlock(id, 0, block) + GrpcData(id, {}, true)));
    ASSERT_TRUE(ReceiveFrame(socket, e2e::kHeaders, id));
    ASSERT_TRUE(ReceiveFrame(socket, e2e::kHeaders, id));
    if (i % 100 == 0) server.ExpectServesOthers();
  }
  server.ExpectUnharmed();
}

// CVE-2026-47774: lists as large as may be, and handlers that hold on to them.
TEST(HeaderList, HeldByHandlers) {
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  const std::string bomb(250, kLatestTableField);
  server.AttackUntilCounted("header_budget", socket, [&](int burst) {
    std::string bytes;
    for (int i = 0; i < 50; ++i) {
      const std::string first = burst == 0 && i == 0 ? TableField("bomb", std::string(200, 'x')) : std::string();
      bytes += HeaderBlock(Stream(50 * burst + i), e2e::kEndStream, RequestFields("GET", "/hold") + first + bomb);
    }
    return bytes;
  });
  server.ExpectUnharmed();
}

// --- what nobody takes ---

// CVE-2019-9517 internal data buffering: the windows are at zero, and each response is large.
TEST(Unread, ResponsesThatWaitForAWindow) {
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  e2e::SimpleRequest request;
  request.set_response_size(static_cast<int32_t>(kMiB));
  const std::string message = request.SerializeAsString();
  server.AttackUntilCounted("send_queue_full", socket, [&](int i) {
    return GrpcHead(Stream(i), kUnaryCall) + GrpcData(Stream(i), message, true);
  });
  ExpectReset(socket, Stream(32), kRefusedStream);  // the first that finds more than 32 MiB, the default, in the queues
  server.ExpectUnharmed({.bytes = 36 * kMiB});
}

// CVE-2019-9517: the windows are as wide as may be, but the socket is full.
TEST(Unread, ResponsesThatWaitForTheSocket) {
  AttackedServer server({"--write_timeout=2000"});
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, kMaxWindow), 4096);
  const std::string message = e2e::OutputRequest(100, 60000).SerializeAsString();
  ASSERT_TRUE(socket.Send(WindowUpdate(0, kMaxWindow - 65535)));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(socket.Send(GrpcHead(Stream(i), kStreamingOutput) + GrpcData(Stream(i), message, true)));
    server.ExpectServesOthers();
  }
  server.ExpectCounted("write_timeout");
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectUnharmed();
}

// --- what nobody consumes ---

// A frame of the largest size after the other, on as many streams as it takes, to handlers that read nothing. Who goes on after the server
// gives no more credit breaks its window.
TEST(Unconsumed, DataBeyondTheBudgetGetsNoCredit) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  const std::string piece(16384, 'x');
  const auto streams = [&](int from, int to) {
    std::string bytes;
    for (int i = from; i < to; ++i) {
      bytes += HeaderBlock(Stream(i), 0, RequestFields("POST", "/hold"));
      for (size_t sent = 0; sent < kStreamWindow; sent += piece.size()) bytes += Frame(e2e::kData, 0, Stream(i), piece);
    }
    return bytes;
  };
  server.AttackUntilCounted("parked_budget", socket, [&](int i) { return streams(i, i + 1); });
  server.AttackUntilCounted("connection_window_overrun", socket, [&](int i) { return streams(1000 + i, 1001 + i); });
  ExpectGoAway(socket, kFlowControlError);
  server.ExpectUnharmed({.bytes = 8 * kMiB});  // parked_budget is 4 MiB, and a window's worth is credited before it is met
}

TEST(Unconsumed, AStreamThatBreaksItsWindowIsReset) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  std::string bytes = HeaderBlock(1, 0, RequestFields("POST", "/hold"));
  for (int i = 0; i < 17; ++i) bytes += Frame(e2e::kData, 0, 1, std::string(16384, 'x'));
  ASSERT_TRUE(socket.Send(bytes));
  ExpectReset(socket, 1, kFlowControlError);
  server.ExpectCounted("stream_window_overrun");
  server.ExpectUnharmed();
}

// CVE-2026-84304: frames of a byte each. They must not cost more than their bytes.
TEST(Unconsumed, TinyDataFrames) {
  constexpr int kFrames = 100000;
  AttackedServer server;
  RawSocket socket = Greet(server);
  const std::string tiny = Frame(e2e::kData, 0, 1, "x");
  std::string burst;
  for (int i = 0; i < 5000; ++i) burst += tiny;
  ASSERT_TRUE(socket.Send(HeaderBlock(1, 0, RequestFields("POST", "/hold"))));
  for (int sent = 0; sent < kFrames; sent += 5000) {
    ASSERT_TRUE(socket.Send(burst));
    server.ExpectServesOthers();
  }
  server.ExpectUnharmed({.bytes = kMiB});
}

// Half a frame, and silence: only its bytes are kept.
TEST(Unconsumed, HalfAFrame) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  const std::string frame = Frame(e2e::kData, 0, 1, std::string(16384, 'x'));
  ASSERT_TRUE(socket.Send(HeaderBlock(1, 0, RequestFields("POST", "/hold")) + frame.substr(0, 9000)));
  for (int i = 0; i < 100; ++i) server.ExpectServesOthers();
  server.ExpectUnharmed({.bytes = kMiB});
}

}  // namespace
}  // namespace culvert::attack
