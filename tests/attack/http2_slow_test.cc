// Peers who let the server wait: each is sent away in time, and meanwhile others are served. The time-outs are flags here, so that nobody
// waits for minutes; what they are by default says docs/security.md.

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"
#include "tests/e2e/fixture.h"

namespace culvert::attack {
namespace {

using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace)

using e2e::GrpcData;
using e2e::GrpcHead;
using e2e::kPreface;
using e2e::ReceiveFrame;

// Silence, half of a preface, and the beginning of a TLS ClientHello, of which the first bytes do not tell yet what it is.
TEST(Slow, FirstBytes) {
  AttackedServer server({"--sniff_timeout=2000"});
  std::vector<RawSocket> sockets;
  for (const std::string_view first : {""sv, "P"sv, kPreface.substr(0, 23), "\x16\x03\x01\x02"sv}) {
    sockets.push_back(RawSocket::Connect(server.address()));
    ASSERT_TRUE(sockets.back().Send(first));
  }
  server.ExpectServesOthers();
  for (RawSocket& socket : sockets) EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectCounted("sniff_timeout", sockets.size());
  server.ExpectUnharmed();
}

// A TLS handshake that is begun and not gone on with.
TEST(Slow, TlsHandshake) {
  AttackedServer server({"--tls", "--tls_handshake_timeout=2000"});
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv));  // the beginning of a ClientHello
  server.ExpectServesOthers();
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectCounted("tls_handshake_timeout");
  server.ExpectUnharmed();
}

TEST(Slow, FirstSettings) {
  AttackedServer server({"--handshake_timeout=2000"});
  RawSocket socket = RawSocket::Connect(server.address());
  ASSERT_TRUE(socket.Send(kPreface));
  server.ExpectServesOthers();
  ExpectGoAway(socket, kSettingsTimeout);
  server.ExpectCounted("settings_timeout");
  server.ExpectUnharmed();
}

TEST(Slow, HeaderBlock) {
  AttackedServer server({"--header_block_timeout=1000"});
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(Frame(e2e::kHeaders, 0, 1, RequestFields("GET", "/")) + Frame(e2e::kContinuation, 0, 1, {})));
  server.ExpectServesOthers();
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectCounted("slow_header_block");
  server.ExpectUnharmed();
}

// A block that goes on, drop by drop, is as slow.
TEST(Slow, HeaderBlockInDrops) {
  AttackedServer server({"--header_block_timeout=1000"});
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(Frame(e2e::kHeaders, 0, 1, RequestFields("GET", "/"))));
  const std::string more = Frame(e2e::kContinuation, 0, 1, std::string(16384, kCookieCrumb));
  server.AttackUntilCounted("slow_header_block", socket, [&](int i) { return more.substr(static_cast<size_t>(i) % more.size(), 1); });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

// A stalled response is one whose handler has ended: it is the server's memory alone that waits.
TEST(Slow, ResponseThatWaitsForAWindow) {
  AttackedServer server({"--stall_timeout=1000", "--write_stall_timeout=100000"});
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 10));
  const std::string message = e2e::UnaryRequest(0, 100000).SerializeAsString();
  ASSERT_TRUE(socket.Send(GrpcHead(1, kUnaryCall) + GrpcData(1, message, true)));
  ASSERT_TRUE(ReceiveFrame(socket, e2e::kData, 1));
  server.ExpectServesOthers();
  ExpectReset(socket, 1, kCancel);
  server.ExpectCounted("stalled_response");
  // The connection is as good as before.
  ASSERT_TRUE(socket.Send(GrpcHead(3, kEmptyCall) + GrpcData(3, {}, true)));
  EXPECT_TRUE(ReceiveFrame(socket, e2e::kData, 3));
  server.ExpectUnharmed();
}

// Handlers that wait in Write, of an RPC and of plain HTTP.
TEST(Slow, HandlersThatWaitForAWindow) {
  AttackedServer server({"--stall_timeout=1000", "--write_stall_timeout=1000"});
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 10));
  const std::string message = e2e::OutputRequest(100, 1000).SerializeAsString();
  ASSERT_TRUE(socket.Send(GrpcHead(1, kStreamingOutput) + GrpcData(1, message, true)));
  ASSERT_TRUE(ReceiveFrame(socket, e2e::kData, 1));
  ASSERT_TRUE(socket.Send(Get(3, "/flood")));
  server.ExpectServesOthers();
  ExpectReset(socket, 1, kCancel);
  ExpectReset(socket, 3, kCancel);
  server.ExpectCounted("write_stall_timeout", 2);
  // The connection is as good as before.
  ASSERT_TRUE(socket.Send(GrpcHead(5, kEmptyCall) + GrpcData(5, {}, true)));
  EXPECT_TRUE(ReceiveFrame(socket, e2e::kData, 5));
  server.ExpectUnharmed();
}

// A client that does nothing is asked to go, and then made to: it need not even answer.
TEST(Slow, IdleConnection) {
  AttackedServer server({"--http2_idle_timeout=1000", "--keepalive_timeout=2000"});
  RawSocket socket = Greet(server);
  EXPECT_EQ(ReceiveGoAway(socket).value_or(GoAway{.code = kProtocolError, .debug = {}}).code, kNoError);
  server.ExpectServesOthers();
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectCounted("idle_timeout");
  server.ExpectUnharmed();
}

// A client that hangs, in the midst of a call.
TEST(Slow, PingAnswer) {
  AttackedServer server({"--keepalive_time=1000", "--keepalive_timeout=2000"});
  RawSocket socket = Greet(server);
  ASSERT_TRUE(socket.Send(Get(1, "/hold")));
  server.ExpectServesOthers();
  EXPECT_TRUE(socket.ReceiveEnd());  // answers nothing
  server.ExpectCounted("keepalive_timeout");
  server.ExpectUnharmed();
}

}  // namespace
}  // namespace culvert::attack
