// RFC 9113, one test per MUST and MUST NOT: flow control (5.2, 6.1, 6.9). Beside it: rfc9113_framing_test,
// rfc9113_streams_test, rfc9113_messages_test.
//
// A rule that binds both roles is a TEST_P.

#include <algorithm>
#include <memory>

#include "tests/transport/http2/rfc9113_fixture.h"

namespace culvert::http2 {
namespace {

using frame::FrameType;
using frame::StreamId;
using std::string_view_literals::operator""sv;

constexpr std::string_view kPing = "12345678";
const std::string kPong = "PING ACK 3132333435363738\n";

using Rfc9113Server = OfRole<StreamsTest, Role::kServer>;
using Rfc9113Client = OfRole<StreamsTest, Role::kClient>;
using Rfc9113Endpoint = OfEachRole<StreamsTest>;
INSTANTIATE_TEST_SUITE_P(Of, Rfc9113Endpoint, testing::Values(Role::kServer, Role::kClient), RoleName);

// --- 5.2.2 appropriate use ---

// What is not consumed holds back DATA and nothing else.
TEST_P(Rfc9113Endpoint, S5_2_2_FramesAreProcessedWhileDataIsNotConsumed) {
  Connect({.initial_window = 1000, .connection_window = 65535}, {{SettingId::kInitialWindowSize, 0}});
  RecordingReceiver& full = OpenStream();
  full.pays = false;
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(1000, 'x'))), "");
  SendData(full, "waits");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 5).Ping(kPing)), kPong + "DATA stream=1 len=5 data=waits\n");
  OpenStream();
  EXPECT_EQ(Exchange(peer_.Data(3, "abc", kEndStream)), "");
  EXPECT_EQ(heard_on_stream(), "data abc end\n");
}

// --- 6.1 DATA: all of its payload counts ---

TEST_P(Rfc9113Endpoint, S6_1_PaddingAndItsLengthCount) {
  Connect({.initial_window = 1000});
  OpenStream().pays = false;
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(800, 'x')).PaddedData(1, std::string(100, 'x'), 99)), "");
  EXPECT_EQ(Exchange(peer_.Data(1, "x")), "RST_STREAM stream=1 FLOW_CONTROL_ERROR\n");
}

// The credit for it: see session_flow_test: PaddingIsCreditedAtOnce

// --- 6.9 WINDOW_UPDATE ---

// Of a server: see session_flow_test: AnIncrementOfZeroIsAnErrorOfItsScope
TEST_F(Rfc9113Client, S6_9_AnIncrementOfZeroIsAStreamError) {
  Connect();
  OpenStream();
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 0).Ping(kPing)), "RST_STREAM stream=1 PROTOCOL_ERROR\n" + kPong);
  EXPECT_TRUE(stream().closed);
}

TEST_P(Rfc9113Endpoint, S6_9_AnIncrementOfZeroOnTheConnectionIsAConnectionError) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.WindowUpdate(0, 0); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_9_TheReservedBitOfAnIncrementIsIgnored) {
  Connect({}, {{SettingId::kInitialWindowSize, 0}});
  OpenStream();
  SendData(stream(), "0123456789");
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kWindowUpdate, 0, 1, "\x80\0\0\3"sv)),
            "DATA stream=1 len=3 data=012\n");
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kWindowUpdate, 0, 1, "\x80\0\0\0"sv)),
            "RST_STREAM stream=1 PROTOCOL_ERROR\n");
}

TEST_P(Rfc9113Endpoint, S6_9_AWindowUpdateAfterEndStreamIsNoError) {
  for (const bool by_us : {false, true}) {
    Connect();
    OpenStream(by_us, true);
    EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1).WindowUpdate(1, 100000).Ping(kPing)), kPong);
    EXPECT_FALSE(stream().closed);
    Release(stream());
    Receive();
    EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1).Ping(kPing)), kPong) << "long closed";
  }
}

// Whatever becomes of DATA, the connection's window is renewed for it: half a window, 32768 bytes, at a time.
// Dropped: see session_flow_test: WhatIsDroppedIsCreditedToTheConnection
TEST_P(Rfc9113Endpoint, S6_9_DataInErrorCountsForTheConnectionsWindow) {
  const std::string half_of_half(16384, 'x');
  const struct {
    std::string_view why;
    Options options;
    bool ended_by_peer;
    std::string_view answer;
  } table[] = {
      {"beyond the stream's window",
       {.initial_window = 100, .connection_window = 65535},
       false,
       "FLOW_CONTROL_ERROR"},
      {"on a half-closed stream", {.connection_window = 65535}, true, "STREAM_CLOSED"},
  };
  for (const auto& [why, options, ended_by_peer, answer] : table) {
    Connect(options);
    OpenStream(false, ended_by_peer);
    const std::string reset = "RST_STREAM stream=1 " + std::string(answer) + "\n";
    EXPECT_EQ(Exchange(peer_.Data(1, half_of_half)), reset) << why;
    EXPECT_EQ(Exchange(peer_.Data(1, half_of_half)), "WINDOW_UPDATE increment=32768\n")
        << why << ", and once more";
  }
}

TEST_F(Rfc9113Server, S6_9_DataOfAMalformedRequestCountsForTheConnectionsWindow) {
  Connect({.connection_window = 65535});
  Fields fields = kPost;
  fields.push_back({"content-length", "3"});
  EXPECT_EQ(Exchange(peer_.Headers(1, fields).Data(1, std::string(16384, 'x'))),
            "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))), "WINDOW_UPDATE increment=32768\n");
}

TEST_F(Rfc9113Client, S6_9_DataBeforeTheResponseCountsForTheConnectionsWindow) {
  Connect({.connection_window = 65535});
  Open("/");
  Receive();
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))), "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))), "WINDOW_UPDATE increment=32768\n");
}

TEST_P(Rfc9113Endpoint, S6_9_DataOnAForgottenStreamCountsForTheConnectionsWindow) {
  Connect({.connection_window = 65535});
  OpenStream(true, true);
  Release(stream());
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))), "RST_STREAM stream=1 STREAM_CLOSED\n");
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(16384, 'x'))),
            "WINDOW_UPDATE increment=32768\nRST_STREAM stream=1 STREAM_CLOSED\n");
}

TEST_P(Rfc9113Endpoint, S6_9_PaddingCountsForTheConnectionsWindow) {
  Connect({.connection_window = 65535});
  OpenStream();
  for (int i = 0; i < 127; ++i) peer_.PaddedData(1, "x", 255);
  EXPECT_EQ(Exchange(peer_), "");
  EXPECT_EQ(Exchange(peer_.PaddedData(1, "x", 255)), "WINDOW_UPDATE increment=32896\n");
}

// Only DATA is subject to flow control.
TEST_P(Rfc9113Endpoint, S6_9_OtherFramesNeedNoWindow) {
  Connect({.connection_window = 65535, .parked_budget = 0});
  RecordingReceiver& full = OpenStream();
  full.pays = false;
  for (int i = 0; i < 4; ++i) peer_.Data(1, std::string(16384 - (i == 3), 'x'));  // 65535 in all
  EXPECT_EQ(Exchange(peer_), "");
  EXPECT_EQ(Exchange(peer_.Ping(kPing).Settings({}).Headers(1, {{"a", "b"}}, kEndStream)),
            kPong + "SETTINGS ACK\n");
  EXPECT_TRUE(full.log.ends_with("trailers {a=b}\n"));
  OpenStream();
  EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Data(3, "x"))), "FLOW_CONTROL_ERROR");
}

// --- 6.9.1 the flow-control window ---

// Of a server: see session_flow_test: AStreamsWindowHoldsDataBackAndCreditLetsItGo,
// TheConnectionsWindowHoldsDataBackAndCreditLetsItGo, AnEndWithoutDataNeedsNoWindow

TEST_F(Rfc9113Client, S6_9_1_NoMoreIsSentThanTheStreamsWindow) {
  Connect({}, {{SettingId::kInitialWindowSize, 5}});
  OpenStream();
  EXPECT_FALSE(TrySendInPlace(stream(), "123456"));
  SendData(stream(), "0123456789", true);
  EXPECT_EQ(Receive(), "DATA stream=1 len=5 data=01234\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 100).WindowUpdate(1, 2)), "DATA stream=1 len=2 data=56\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 3)), "DATA stream=1 len=3 END_STREAM data=789\n");
}

TEST_F(Rfc9113Client, S6_9_1_NoMoreIsSentThanTheConnectionsWindow) {
  Connect({}, {{SettingId::kInitialWindowSize, 1000000}});
  OpenStream();
  OpenStream();
  SendData(*receivers_[0], std::string(65530, 'x'));
  SendData(*receivers_[1], std::string(100, 'y'));
  Receive();
  EXPECT_EQ(heard_->data(1).size() + heard_->data(3).size(), 65535u);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 100).WindowUpdate(3, 100)), "");
  Exchange(peer_.WindowUpdate(0, 7));
  EXPECT_EQ(heard_->data(1).size() + heard_->data(3).size(), 65542u);
}

TEST_F(Rfc9113Client, S6_9_1_AnEmptyEndNeedsNoWindow) {
  Connect({}, {{SettingId::kInitialWindowSize, 0}});
  OpenStream();
  SendData(stream(), "", true);
  EXPECT_EQ(Receive(), "DATA stream=1 len=0 END_STREAM\n");
}

TEST_P(Rfc9113Endpoint, S6_9_1_AWindowMayBe2To31Less1) {
  Connect();
  OpenStream();
  EXPECT_EQ(
      Exchange(peer_.WindowUpdate(1, 0x7fffffff - 65535).WindowUpdate(0, 0x7fffffff - 65535).Ping(kPing)),
      kPong);
  EXPECT_FALSE(stream().closed);
}

TEST_P(Rfc9113Endpoint, S6_9_1_AStreamsWindowThatPasses2To31EndsTheStream) {
  Connect();
  OpenStream();
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 0x7fffffff - 65534).Ping(kPing)),
            "RST_STREAM stream=1 FLOW_CONTROL_ERROR\n" + kPong);
  EXPECT_TRUE(stream().closed);
}

TEST_P(Rfc9113Endpoint, S6_9_1_AConnectionsWindowThatPasses2To31EndsTheConnection) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.WindowUpdate(0, 0x7fffffff - 65534); }), "FLOW_CONTROL_ERROR");
}

// --- 6.9.2 the initial window ---

TEST_F(Rfc9113Client, S6_9_2_BeforeTheSettingsTheWindowsAre65535) {
  Start(Role::kClient);
  Open("/", false);
  SendData(stream(), std::string(70000, 'x'));
  Receive();
  EXPECT_EQ(heard_->data(1).size(), 65535u);
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 100000).Settings({}).WindowUpdate(0, 100000)).find("DATA"),
            std::string::npos);
}

// The RFC's own example: 60 KB are sent, and then the window turns out to have been 16 KB.
// Of a server: see session_flow_test: AShrunkWindowBecomesNegativeAndMustBeRefilled
TEST_F(Rfc9113Client, S6_9_2_AWindowThatTurnsNegativeIsPaidOffFirst) {
  Start(Role::kClient);
  Open("/", false);
  SendData(stream(), std::string(60 * 1024, 'x'));
  Receive();
  EXPECT_EQ(heard_->data(1).size(), 60u * 1024);
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 16 * 1024}})), "SETTINGS ACK\n");
  SendData(stream(), "0123456789");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 100000)), "");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 44 * 1024)), "");  // 0
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1)), "DATA stream=1 len=1 data=0\n");
}

TEST_P(Rfc9113Endpoint, S6_9_2_AChangeConcernsEveryStream) {
  Connect({}, {{SettingId::kInitialWindowSize, 4}});
  RecordingReceiver& first = OpenStream();
  RecordingReceiver& second = OpenStream(false, true);
  SendData(first, "0123456789");
  SendData(second, "abcdefghij");
  EXPECT_EQ(Receive(), "DATA stream=1 len=4 data=0123\nDATA stream=3 len=4 data=abcd\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 6}})),
            "SETTINGS ACK\nDATA stream=1 len=2 data=45\nDATA stream=3 len=2 data=ef\n");
  SendData(OpenStream(), "0123456789");
  EXPECT_EQ(Receive(), "DATA stream=5 len=6 data=012345\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 1}})), "SETTINGS ACK\n");  // -5 each
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 5).WindowUpdate(3, 6).WindowUpdate(5, 5)),
            "DATA stream=3 len=1 data=g\n");
}

TEST_P(Rfc9113Endpoint, S6_9_2_SettingsDoNotChangeTheConnectionsWindow) {
  Connect({}, {{SettingId::kInitialWindowSize, 1000000}});
  SendData(OpenStream(), std::string(70000, 'x'));
  Receive();
  EXPECT_EQ(heard_->data(1).size(), 65535u);
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 2000000}})), "SETTINGS ACK\n");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 1000000}})), "SETTINGS ACK\n");
  EXPECT_EQ(Exchange(peer_.WindowUpdate(0, 5)), "DATA stream=1 len=5 data=xxxxx\n");
}

// Of a server: see session_flow_test: SettingsThatOverflowAStreamsWindowEndTheConnection
TEST_F(Rfc9113Client, S6_9_2_AChangeThatOverflowsAWindowIsAFlowControlError) {
  const Say overflow = [](FrameScript& s) {
    s.WindowUpdate(1, 0x7fffffff - 65535).Settings({{SettingId::kInitialWindowSize, 65536}});
  };
  EXPECT_EQ(ErrorAfter(overflow), "FLOW_CONTROL_ERROR");
}

// --- 6.9.3 reducing the window ---

// Of a server: see session_flow_test: ASmallWindowHoldsFromItsAcknowledgementOn
TEST_F(Rfc9113Client, S6_9_3_DataBeyondASmallWindowIsTakenUntilItIsAcknowledged) {
  Start(Role::kClient, {.initial_window = 1000});
  Open("/").pays = false;
  Receive();
  EXPECT_EQ(Exchange(peer_.Settings({}).Headers(1, kStatus200).Data(1, std::string(5000, 'x'), kEndStream)),
            "SETTINGS ACK\n");
  EXPECT_EQ(stream().log, "head 200\ndata of 5000 end\n");
  EXPECT_EQ(Exchange(peer_.SettingsAck()), "");
  Open("/").pays = false;
  Receive();
  EXPECT_EQ(Exchange(peer_.Headers(3, kStatus200).Data(3, std::string(1001, 'x'))),
            "RST_STREAM stream=3 FLOW_CONTROL_ERROR\n");
}

}  // namespace
}  // namespace culvert::http2
