// Frames without end: each makes the server work, answer or remember, and costs its sender next to nothing.

#include <cstdint>
#include <functional>
#include <optional>
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
using e2e::ReceivedFrame;
using e2e::ReceiveFrame;

constexpr uint8_t kNoFlags = 0;

std::string Repeat(std::string_view bytes, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += bytes;
  return all;
}

// `frame` without end, until `limit` ends the connection with ENHANCE_YOUR_CALM.
void ExpectFloodStopped(std::string_view frame, const std::string& limit) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  server.AttackUntilCounted(limit, socket, [&](int) { return Repeat(frame, 100); });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

// CVE-2019-9512, and the pings of a client that does not heed gRPC's rule.
TEST(Flood, Pings) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  server.AttackUntilCounted("too_many_pings", socket, [](int) { return Ping(); });
  const std::optional<GoAway> goaway = ReceiveGoAway(socket);
  ASSERT_TRUE(goaway);
  EXPECT_EQ(goaway->code, kEnhanceYourCalm);
  EXPECT_EQ(goaway->debug, "too_many_pings");
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectUnharmed();
}

// CVE-2019-9515
TEST(Flood, Settings) { ExpectFloodStopped(Frame(e2e::kSettings, 0, 0, {}), "control_flood"); }

TEST(Flood, SettingsWithTooManyEntries) {
  ExpectFloodStopped(Frame(e2e::kSettings, 0, 0, Repeat(Setting(kHeaderTableSize, 0), 33)), "settings_too_many");
}

// Each makes the server go through all its streams.
TEST(Flood, SettingsThatMoveEveryWindow) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  std::string streams;
  for (int i = 0; i < 500; ++i) streams += Get(Stream(i), "/hold");
  ASSERT_TRUE(socket.Send(streams));
  const std::string once = Setting(kInitialWindowSize, 0) + Setting(kInitialWindowSize, kMaxWindow);
  const std::string up_and_down = Frame(e2e::kSettings, 0, 0, Repeat(once, 16));
  server.AttackUntilCounted("control_flood", socket, [&](int) { return Repeat(up_and_down, 100); });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

// CVE-2019-9513
TEST(Flood, Priorities) {
  std::string tree;  // all streams below each other, again and again
  for (int i = 0; i < 100; ++i) tree += Frame(e2e::kPriority, 0, Stream(i), Number(Stream(i + 1)) + "\xff");
  ExpectFloodStopped(tree, "control_flood");
}

// RFC 9218: of streams that are still to come, which the server remembers.
TEST(Flood, PriorityUpdates) {
  AttackedServer server;
  RawSocket socket = Greet(server);
  int stream = 0;
  server.AttackUntilCounted("control_flood", socket, [&](int) {
    std::string updates;
    for (int i = 0; i < 100; ++i) updates += Frame(static_cast<e2e::FrameType>(0x10), 0, 0, Number(Stream(stream++)) + "u=7");
    return updates;
  });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

TEST(Flood, UnknownFrames) {
  ExpectFloodStopped(Frame(static_cast<e2e::FrameType>(0xfe), 0, 0, "nobody knows"), "control_flood");
}

// CVE-2019-9518
TEST(Flood, EmptyData) {
  for (const std::string& empty : {Frame(e2e::kData, kNoFlags, 1, {}), Frame(e2e::kData, kPadded, 1, "\xff" + std::string(255, '\0'))}) {
    AttackedServer server;
    RawSocket socket = Greet(server);
    ASSERT_TRUE(socket.Send(GrpcHead(1, kStreamingInput)));
    server.AttackUntilCounted("empty_data_flood", socket, [&](int) { return Repeat(empty, 20); });
    ExpectGoAway(socket, kEnhanceYourCalm);
    server.ExpectUnharmed();
  }
}

TEST(Flood, WindowUpdates) { ExpectFloodStopped(WindowUpdate(0, 1), "window_update_flood"); }

// CVE-2019-9511: the windows of many streams, each with much to send, are opened by a byte at a time.
TEST(Flood, WindowsOpenedByteByByte) {
  constexpr int kStreams = 10;
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  const std::string request = e2e::OutputRequest(1, 50000).SerializeAsString();
  std::string streams;
  for (int i = 0; i < kStreams; ++i) streams += GrpcHead(Stream(i), kStreamingOutput) + GrpcData(Stream(i), request, true);
  ASSERT_TRUE(socket.Send(streams));
  uint32_t window = 0;
  server.AttackUntilCounted("control_flood", socket, [&](int) {
    std::string wider;
    for (int i = 0; i < 50; ++i) wider += Settings(kInitialWindowSize, ++window);
    return wider;
  });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

// As above by WINDOW_UPDATE: a crumb for a crumb, and no more once there is nothing left to send.
TEST(Flood, CreditInCrumbs) {
  AttackedServer server;
  RawSocket socket = Greet(server, Setting(kInitialWindowSize, 0));
  const std::string request = e2e::OutputRequest(1, 500).SerializeAsString();
  ASSERT_TRUE(socket.Send(GrpcHead(1, kStreamingOutput) + GrpcData(1, request, true)));
  server.AttackUntilCounted("window_update_flood", socket, [](int) { return Repeat(WindowUpdate(1, 1), 100); });
  ExpectGoAway(socket, kEnhanceYourCalm);
  server.ExpectUnharmed();
}

// CVE-2024-27316 and others. Empty ones cost no header list anything.
TEST(Flood, Continuations) {
  for (const size_t size : {0, 1000}) {
    AttackedServer server;
    RawSocket socket = Greet(server);
    const std::string fragment = Repeat("\xa0", static_cast<int>(size));
    ASSERT_TRUE(socket.Send(Frame(e2e::kHeaders, kNoFlags, 1, RequestFields("GET", "/"))));
    server.AttackUntilCounted("continuation_flood", socket, [&](int) { return Frame(e2e::kContinuation, kNoFlags, 1, fragment); });
    ExpectGoAway(socket, kEnhanceYourCalm);
    server.ExpectUnharmed();
  }
}

// `stream(id)` without end, a new stream each time, until the bucket of resets is empty.
void ExpectResetsStopped(AttackedServer& server, const std::function<std::string(uint32_t)>& stream,
                         const std::string& limit = "reset_flood") {
  RawSocket socket = Greet(server);
  server.AttackUntilCounted(limit, socket, [&](int burst) {
    std::string bytes;
    for (int i = 0; i < 250; ++i) bytes += stream(Stream(250 * burst + i));
    return bytes;
  });
  ExpectGoAway(socket, kEnhanceYourCalm);
}

// CVE-2023-44487 rapid reset: the client undoes each request at once.
TEST(ResetFlood, RapidReset) {
  AttackedServer server;
  ExpectResetsStopped(server, [](uint32_t id) { return GrpcHead(id, kFullDuplex) + Reset(id); });
  server.ExpectUnharmed();
}

// CVE-2019-9514: the client makes the server refuse each request.
TEST(ResetFlood, MalformedRequests) {
  AttackedServer server;
  ExpectResetsStopped(server, [](uint32_t id) { return Frame(e2e::kHeaders, e2e::kEndHeaders, id, e2e::Field("no", "request")); });
  server.ExpectCounted("malformed_request", 1000);
  server.ExpectUnharmed();
}

// CVE-2025-8671 MadeYouReset: the client makes the server reset streams whose handlers are at work.
struct Mistake {
  const char* name;
  std::string (*stream)(uint32_t id);
  const char* limit = "reset_flood";
};

class MadeYouReset : public testing::TestWithParam<Mistake> {};

TEST_P(MadeYouReset, CountsLikeTheClientsOwnResets) {
  AttackedServer server;
  ExpectResetsStopped(server, GetParam().stream, GetParam().limit);
  server.ExpectCounted(GetParam().name, 1000);
  server.ExpectUnharmed();
}

constexpr Mistake kMistakes[] = {
    {"window_update_0", [](uint32_t id) { return GrpcHead(id, kFullDuplex) + WindowUpdate(id, 0); }},
    {"stream_window_overflow", [](uint32_t id) { return GrpcHead(id, kFullDuplex) + WindowUpdate(id, kMaxWindow); }, "window_update_flood"},
    {"data_on_closed", [](uint32_t id) { return Get(id, "/hold") + Frame(e2e::kData, 0, id, "more"); }},
    {"headers_on_half_closed", [](uint32_t id) { return Get(id, "/hold") + Get(id, "/hold"); }},
    {"trailers_without_end", [](uint32_t id) { return GrpcHead(id, kFullDuplex) + GrpcHead(id, kFullDuplex); }},
    {"content_length_mismatch",
     [](uint32_t id) { return GrpcHead(id, kFullDuplex, e2e::Field("content-length", "3")) + Frame(e2e::kData, 0, id, "four"); }},
    {"priority_length", [](uint32_t id) { return GrpcHead(id, kFullDuplex) + Frame(e2e::kPriority, 0, id, "four"); }},
    {"self_dependency", [](uint32_t id) { return GrpcHead(id, kFullDuplex) + Frame(e2e::kPriority, 0, id, Number(id) + "\x10"); }},
};
INSTANTIATE_TEST_SUITE_P(Mistakes, MadeYouReset, testing::ValuesIn(kMistakes),
                         [](const testing::TestParamInfo<Mistake>& info) { return std::string(info.param.name); });

// A stream counts until its handler has ended: there are never more handlers than that.
TEST(StreamFlood, StreamsBeyondTheLimitAreRefused) {
  constexpr int kLimit = 1000;
  AttackedServer server;
  RawSocket socket = Greet(server);
  server.AttackUntilCounted("refused_stream", socket, [](int burst) {
    std::string bytes;
    for (int i = 0; i < 50; ++i) bytes += Get(Stream(50 * burst + i), "/hold");
    return bytes;
  });
  ExpectReset(socket, Stream(kLimit), kRefusedStream);
  server.ExpectUnharmed();
}

// CVE-2019-9512, 9514 and GHSA-hrxh-6v49-42gf: whatever makes the server answer, and nobody reads the answers. DATA on a stream that is
// over is answered with RST_STREAM, and may be but in flight: only that nothing more is read stops it.
TEST(UnreadAnswers, StopTheReading) {
  AttackedServer server({"--write_timeout=3000"});
  RawSocket socket = Greet(server, {}, 4096);
  ASSERT_TRUE(socket.Send(GrpcHead(1, kEmptyCall) + GrpcData(1, {}, true)));
  ASSERT_TRUE(ReceiveFrame(socket, e2e::kData, 1));
  const std::optional<ReceivedFrame> trailers = ReceiveFrame(socket, e2e::kHeaders, 1);
  ASSERT_TRUE(trailers);
  ASSERT_EQ(trailers->flags & e2e::kEndStream, e2e::kEndStream);
  server.AttackUntilCounted("output_stalled", socket, [](int) { return Repeat(Frame(e2e::kData, kNoFlags, 1, {}), 10000); });
  server.ExpectCounted("write_timeout");
  EXPECT_TRUE(socket.ReceiveEnd());
  server.ExpectUnharmed();
}

}  // namespace
}  // namespace culvert::attack
