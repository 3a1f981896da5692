// Few bytes that want to become many: header lists, responses that nobody takes, data that nobody consumes.

#include <chrono>
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

// Of UnaryCall.
std::string RequestForAMebibyte() {
  e2e::SimpleRequest request;
  request.set_response_size(static_cast<int32_t>(kMiB));
  return request.SerializeAsString();
}

// CVE-2019-9517 internal data buffering: the windows are at zero, and each response is large.
TEST(Unread, ResponsesThatWaitForAWindow) {
  AttackedServer server({"--held_timeout=2000"});
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  const std::string message = RequestForAMebibyte();
  // The first response is more than the budget. Who asks all the same waits, and is refused in the end. No more than there may be streams.
  server.AttackUntilCounted("send_queue_full", socket, [&](int i) {
    return i < 900 ? GrpcHead(Stream(i), kUnaryCall) + GrpcData(Stream(i), message, true) : std::string();
  });
  EXPECT_GT(server.Count("request_held"), 0u);
  ExpectReset(socket, Stream(1), kRefusedStream);
  server.ExpectUnharmed();
}

// Every handler knows of its call before the first response is made: it is the ends of the requests that wait.
TEST(Unread, ResponsesToRequestsThatWereAllBegun) {
  constexpr int kCalls = 100;
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  const std::string message = RequestForAMebibyte();
  std::string heads, ends;
  for (int i = 0; i < kCalls; ++i) {
    heads += GrpcHead(Stream(i), kUnaryCall);
    ends += GrpcData(Stream(i), message, true);
  }
  ASSERT_TRUE(socket.Send(heads));
  ASSERT_TRUE(socket.Send(ends));
  server.ExpectCounted("request_held", kCalls - 1);
  server.ExpectUnharmed();
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
  server.ExpectUnharmed();  // parked_budget is 2 MiB, and a window of 1 MiB comes on top of it
}

// A client that keeps to its windows for a while, and lets the server measure a long path where there is none.
class PatientClient {
 public:
  explicit PatientClient(RawSocket& socket) : socket_(socket) {}

  uint32_t connection_window() const { return connection_; }

  // Messages on stream 1, of about so many bytes in all, as the windows allow.
  void Upload(size_t bytes) {
    const std::string data = GrpcData(1, e2e::InputRequest(16000).SerializeAsString(), false);
    const auto size = static_cast<uint32_t>(data.size() - kFrameHead);
    for (size_t sent = 0; sent < bytes; sent += size) {
      while (stream_ < size || connection_ < size) ASSERT_NO_FATAL_FAILURE(Hear());
      ASSERT_TRUE(socket_.Send(data));
      stream_ -= size;
      connection_ -= size;
    }
  }
  // The next frame. PINGs wait for Answer.
  void Hear() {
    const std::string head = socket_.Receive(kFrameHead);
    ASSERT_EQ(head.size(), kFrameHead);
    const std::string payload = socket_.Receive(ReadNumber(std::string(1, '\0') + head.substr(0, 3)));
    if (head[3] == e2e::kPing) ping_ = payload;
    if (head[3] != e2e::kWindowUpdate) return;
    (ReadNumber(head.substr(5)) == 0 ? connection_ : stream_) += ReadNumber(payload);
  }
  void Answer() {
    while (ping_.empty()) ASSERT_NO_FATAL_FAILURE(Hear());
    ASSERT_TRUE(socket_.Send(Frame(e2e::kPing, e2e::kAck, 0, ping_)));
  }

 private:
  static constexpr size_t kFrameHead = 9;

  static uint32_t ReadNumber(std::string_view bytes) {
    uint32_t value = 0;
    for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }

  RawSocket& socket_;
  uint32_t connection_ = 65535;
  uint32_t stream_ = kStreamWindow;
  std::string ping_;
};

// The connection's window first grows to max_window, 8 MiB, since a handler reads as fast as data comes. Then nobody reads any more: what is parked
// is that window, and nothing on top of it.
TEST(Unconsumed, AGrownWindowIsAllThatThereIs) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  PatientClient client(socket);
  ASSERT_TRUE(socket.Send(GrpcHead(1, kStreamingInput)));
  ASSERT_NO_FATAL_FAILURE(client.Upload(4 * kMiB));
  const auto uploaded = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - uploaded < std::chrono::milliseconds(5)) server.ExpectServesOthers();
  ASSERT_NO_FATAL_FAILURE(client.Answer());
  while (client.connection_window() <= 7 * kMiB) ASSERT_NO_FATAL_FAILURE(client.Hear());
  ASSERT_NO_FATAL_FAILURE(client.Upload(3 * kMiB));  // credit for which is owed, and not given yet
  const std::string piece(16384, 'x');
  server.AttackUntilCounted("connection_window_overrun", socket, [&](int i) {
    std::string bytes = HeaderBlock(Stream(1 + i), 0, RequestFields("POST", "/hold"));
    for (size_t sent = 0; sent < kStreamWindow; sent += piece.size()) bytes += Frame(e2e::kData, 0, Stream(1 + i), piece);
    return bytes;
  });
  ExpectGoAway(socket, kFlowControlError);
  server.ExpectCounted("parked_budget");
  server.ExpectUnharmed({.bytes = 9 * kMiB + kMiB / 2});
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
