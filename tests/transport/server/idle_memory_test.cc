// What a connection that nobody uses holds of the heap, as glibc counts it: with what malloc adds to each block. bench/idle measures what the
// system has to give for it; this holds each of the many small savings that make it up.

#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "tests/e2e/raw_peer.h"
#include "transport/http/exchange.h"
#include "transport/io/address.h"
#include "transport/io/event_loop.h"
#include "transport/server/server.h"

namespace culvert::server {
namespace {

using e2e::Field;
using e2e::RawSocket;

// In bytes. A little above what is needed, as versions of the standard library differ in the sizes of things.
constexpr double kIdle = 1536;
// One that has served requests: what HPACK remembers of their heads, both ways, comes to it.
constexpr double kUsed = 2000;

class NoContent final : public http::Handler {
 public:
  void OnRequest(http::Exchange& exchange, const http::RequestHead&, bool) override {
    exchange.SendHead({.status = 204, .fields = {}}, true);
    exchange.Release();
  }
};

class IdleMemoryTest : public testing::Test {
 protected:
  IdleMemoryTest() {
    const absl::StatusOr<io::SocketAddress> bound = server_.Listen(*io::ParseAddress("127.0.0.1:0"));
    if (bound.ok()) address_ = io::FormatAddress(*bound);
  }

  // A PING's answer tells that the server has seen everything before it.
  static void Settle(RawSocket& socket) {
    socket.Send(e2e::Frame(e2e::kPing, 0, 0, "are you?"));
    ASSERT_TRUE(e2e::ReceiveFrame(socket, e2e::kPing, 0).has_value());
  }

  RawSocket Connect() {
    RawSocket socket = RawSocket::Connect(address_);
    socket.Send(std::string(e2e::kPreface) + e2e::Frame(e2e::kSettings, 0, 0, ""));
    Settle(socket);
    return socket;
  }

  // Of one connection more, after `use`. Some are opened before: what is made once, or grows by doubling, is not a connection's.
  double BytesOfEach(const std::function<void(RawSocket&)>& use) {
    constexpr size_t kBefore = 20, kCounted = 200;
    std::vector<RawSocket> sockets;
    sockets.reserve(kBefore + kCounted);
    size_t before = 0;
    for (size_t i = 0; i < kBefore + kCounted; ++i) {
      if (i == kBefore) before = mallinfo2().uordblks;
      sockets.push_back(Connect());
      use(sockets.back());
    }
    return static_cast<double>(mallinfo2().uordblks - before) / kCounted;
  }

  NoContent handler_;
  EventLoopThreads loops_{1};
  Server server_{{&loops_[0]}, handler_, Options()};
  std::string address_;
};

TEST_F(IdleMemoryTest, AConnectionThatWasNeverUsed) {
  const double bytes = BytesOfEach([](RawSocket&) {});
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_GT(bytes, 500) << "that is less than a session: it is not counted";
  EXPECT_LE(bytes, kIdle);
}

TEST_F(IdleMemoryTest, AConnectionBetweenTwoRequests) {
  const std::string head = Field(":method", "GET") + Field(":scheme", "http") + Field(":path", "/") + Field(":authority", "a");
  const double bytes = BytesOfEach([&](RawSocket& socket) {
    for (uint32_t stream = 1; stream <= 5; stream += 2) {
      socket.Send(e2e::Frame(e2e::kHeaders, e2e::kEndStream | e2e::kEndHeaders, stream, head));
      ASSERT_TRUE(e2e::ReceiveFrame(socket, e2e::kHeaders, stream).has_value());
    }
    Settle(socket);
  });
  RecordProperty("bytes", std::to_string(bytes));
  EXPECT_LE(bytes, kUsed);
}

}  // namespace
}  // namespace culvert::server
