// Frames that break a rule of RFC 9113: each ends what the RFC says it ends, its stream or the connection, and is counted by name. h2spec
// and tests/transport/http2 have the whole list; here are those that attacks on windows, sizes and streams are made of.

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/attack/attacked_server.h"
#include "tests/attack/frames.h"

namespace culvert::attack {
namespace {

using e2e::GrpcHead;

struct BrokenRule {
  std::string limit;
  std::string bytes;
  uint32_t stream;  // that is reset; 0: the connection ends
  ErrorCode code;
};

// Of a stream that is open, number 1, or half closed, number 3.
std::string Open() { return GrpcHead(1, kFullDuplex); }
std::string HalfClosed() { return Get(3, "/hold"); }

// A frame's first nine bytes, without what they announce.
std::string FrameHead(e2e::FrameType type, size_t length, uint32_t stream) {
  return Frame(type, 0, stream, std::string(length, '\0')).substr(0, 9);
}

void ExpectEachEndsItsScope(const std::vector<BrokenRule>& rules) {
  AttackedServer server;
  for (const BrokenRule& rule : rules) {
    SCOPED_TRACE(rule.limit);
    RawSocket socket = Greet(server);
    ASSERT_TRUE(socket.Send(rule.bytes));
    if (rule.stream == 0) {
      ExpectGoAway(socket, rule.code);
    } else {
      ExpectReset(socket, rule.stream, rule.code);
      // The connection is as good as before.
      ASSERT_TRUE(socket.Send(GrpcHead(101, kEmptyCall) + e2e::GrpcData(101, {}, true)));
      EXPECT_TRUE(e2e::ReceiveFrame(socket, e2e::kData, 101));
    }
    server.ExpectCounted(rule.limit);
    server.ExpectServesOthers();
  }
  server.ExpectUnharmed();
}

TEST(BrokenRules, OfWindows) {
  ExpectEachEndsItsScope({
      {"window_update_0", WindowUpdate(0, 0), 0, kProtocolError},
      {"window_update_0", Open() + WindowUpdate(1, 0), 1, kProtocolError},
      {"connection_window_overflow", WindowUpdate(0, kMaxWindow), 0, kFlowControlError},
      {"stream_window_overflow", Open() + WindowUpdate(1, kMaxWindow), 1, kFlowControlError},
      {"settings_initial_window", Settings(kInitialWindowSize, kMaxWindow + 1), 0, kFlowControlError},
      {"initial_window_overflow", Open() + WindowUpdate(1, kMaxWindow - 65535) + Settings(kInitialWindowSize, 65536), 0, kFlowControlError},
      {"window_update_on_idle", WindowUpdate(5, 1), 0, kProtocolError},
  });
}

TEST(BrokenRules, OfSizes) {
  ExpectEachEndsItsScope({
      {"frame_too_long", FrameHead(e2e::kData, 16385, 1), 0, kFrameSizeError},
      {"frame_too_long", FrameHead(static_cast<e2e::FrameType>(0xfe), 0xffffff, 0), 0, kFrameSizeError},
      {"settings_length", Frame(e2e::kSettings, 0, 0, "12345"), 0, kFrameSizeError},
      {"ping_length", Frame(e2e::kPing, 0, 0, "1234567"), 0, kFrameSizeError},
      {"rst_length", Open() + Frame(e2e::kRstStream, 0, 1, "123"), 0, kFrameSizeError},
      {"window_update_length", WindowUpdate(0, 1).replace(2, 1, "\3").substr(0, 12), 0, kFrameSizeError},
      {"goaway_length", Frame(e2e::kGoAway, 0, 0, "1234567"), 0, kFrameSizeError},
      {"data_pad_too_big", Open() + Frame(e2e::kData, kPadded, 1, "\x05" "1234"), 0, kProtocolError},
      {"priority_length", Open() + Frame(e2e::kPriority, 0, 1, "1234"), 1, kFrameSizeError},
  });
}

TEST(BrokenRules, OfStreams) {
  ExpectEachEndsItsScope({
      {"headers_on_closed", Get(5, "/") + Get(3, "/"), 0, kStreamClosed},
      {"headers_bad_stream", Get(2, "/"), 0, kProtocolError},
      {"data_on_idle", Frame(e2e::kData, 0, 1, "x"), 0, kProtocolError},
      {"rst_on_idle", Reset(1), 0, kProtocolError},
      {"data_stream_0", Frame(e2e::kData, 0, 0, "x"), 0, kProtocolError},
      {"data_on_closed", HalfClosed() + Frame(e2e::kData, 0, 3, "x"), 3, kStreamClosed},
      {"headers_on_half_closed", HalfClosed() + Get(3, "/"), 3, kStreamClosed},
      {"continuation_unexpected", Frame(e2e::kContinuation, e2e::kEndHeaders, 1, {}), 0, kProtocolError},
      {"header_block_interrupted", Frame(e2e::kHeaders, 0, 1, {}) + Ping(), 0, kProtocolError},
      {"push_promise", Open() + Frame(e2e::kPushPromise, e2e::kEndHeaders, 1, Number(2) + RequestFields("GET", "/")), 0, kProtocolError},
      {"trailers_without_end", Open() + Open(), 1, kProtocolError},
      {"self_dependency", Open() + Frame(e2e::kPriority, 0, 1, Number(1) + "\x10"), 1, kProtocolError},
  });
}

}  // namespace
}  // namespace culvert::attack
