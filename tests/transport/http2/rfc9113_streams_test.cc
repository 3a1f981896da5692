// RFC 9113, one test per MUST and MUST NOT: the states and numbers of streams, errors, and the frames that
// begin and end streams and connections (5.1, 5.3, 5.4, 6.3, 6.4, 6.6, 6.8, 7, 8.7). Beside it:
// rfc9113_framing_test, rfc9113_flow_test, rfc9113_messages_test.
//
// A rule that binds both roles is a TEST_P.

#include <algorithm>
#include <memory>

#include "tests/transport/http2/rfc9113_fixture.h"

namespace culvert::http2 {
namespace {

using absl::StatusCode;
using frame::FrameType;
using frame::StreamId;
using frame::flags::kEndHeaders;
using frame::flags::kPadded;
using std::chrono::milliseconds;
using std::string_view_literals::operator""sv;

constexpr std::string_view kPing = "12345678";
constexpr std::string_view kPong = "PING ACK 3132333435363738\n";

class Rfc9113Test : public StreamsTest {
 protected:
  // A new connection on which stream 1 is in that state.
  void ConnectWithStream(bool ended_by_us, bool ended_by_peer) {
    Connect();
    OpenStream(ended_by_us, ended_by_peer);
  }
};

using Rfc9113Server = OfRole<Rfc9113Test, Role::kServer>;
using Rfc9113Client = OfRole<Rfc9113Test, Role::kClient>;
using Rfc9113Endpoint = OfEachRole<Rfc9113Test>;
INSTANTIATE_TEST_SUITE_P(Of, Rfc9113Endpoint, testing::Values(Role::kServer, Role::kClient), RoleName);

// --- 5.1 idle ---

// Of the client's streams:
// see session_server_test: FramesOnAnIdleStreamEndTheConnection
// see session_client_test: FramesOnAStreamNotYetOpenedEndTheConnection

TEST_F(Rfc9113Server, S5_1_Idle_AWindowUpdateOfZeroIsNoStreamError) {
  Connect();
  EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.WindowUpdate(1, 0))), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S5_1_Idle_StreamsOfTheServerTakeNoFrameButPriority) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(2, "x"); },
      [](FrameScript& s) { s.Headers(2, kGet); },
      [](FrameScript& s) { s.Headers(2, kStatus200, kEndStream); },
      [](FrameScript& s) { s.RstStream(2, ErrorCode::kCancel); },
      [](FrameScript& s) { s.PushPromise(2, 4, kGet); },
      [](FrameScript& s) { s.WindowUpdate(2, 1); },
      [](FrameScript& s) { s.WindowUpdate(2, 0); },
  };
  for (const Say& say : table) EXPECT_EQ(ErrorAfter(say), "PROTOCOL_ERROR") << &say - table;
}

TEST_P(Rfc9113Endpoint, S5_1_Idle_PriorityIsTakenAndOpensNothing) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Priority(1, {}).Priority(2, {}).Priority(77, {.depends_on = 1}).Ping(kPing)),
            kPong);
  EXPECT_EQ(session()->stream_count(), 0u);
  OpenStream(true, true);
  EXPECT_NE(stream().log.find(" end\n"), std::string::npos) << stream().log;
}

// --- 5.1 half-closed (local): we have ended the stream ---

TEST_P(Rfc9113Endpoint, S5_1_HalfClosedLocal_NothingMoreIsSent) {
  ConnectWithStream(true, false);
  SendHead(stream());
  SendData(stream(), "more");
  SendData(stream(), "", true);
  EXPECT_FALSE(TrySendInPlace(stream(), "more"));
  SendTrailers(stream(), {{"a", "b"}});
  EXPECT_EQ(Receive(), "");
}

// Credit for what comes, and a reset, still are.
TEST_P(Rfc9113Endpoint, S5_1_HalfClosedLocal_WindowUpdateAndRstStreamAreSent) {
  Connect({.initial_window = 1000});
  OpenStream(true, false);
  EXPECT_EQ(Exchange(peer_.Data(1, std::string(500, 'x'))), "WINDOW_UPDATE stream=1 increment=500\n");
  Reset(stream(), StatusCode::kCancelled);
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
}

TEST_P(Rfc9113Endpoint, S5_1_HalfClosedLocal_EveryFrameIsTaken) {
  ConnectWithStream(true, false);
  peer_.WindowUpdate(1, 1).Priority(1, {}).Data(1, "abc").Headers(1, {{"a", "b"}}, kEndStream).Ping(kPing);
  EXPECT_EQ(Exchange(peer_), kPong);
  EXPECT_EQ(heard_on_stream(), "data abc\ntrailers {a=b}\n");
}

// --- 5.1 half-closed (remote): the peer has ended the stream ---

// Of a server: see session_server_test: NothingFollowsTheEndOfARequest
TEST_F(Rfc9113Client, S5_1_HalfClosedRemote_DataAndHeadersAreAStreamError) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Data(1, "", kEndStream); },
      [](FrameScript& s) { s.Headers(1, {{"a", "b"}}, kEndStream); },
      [](FrameScript& s) { s.Headers(1, kStatus200); },
  };
  for (const Say& say : table) {
    ConnectWithStream(false, true);
    say(peer_);
    EXPECT_EQ(Exchange(peer_.Ping(kPing)), "RST_STREAM stream=1 STREAM_CLOSED\n" + std::string(kPong));
    EXPECT_NE(stream().log.find("after the peer ended the stream"), std::string::npos) << stream().log;
  }
}

TEST_P(Rfc9113Endpoint, S5_1_HalfClosedRemote_WindowUpdatePriorityAndExtensionsAreTaken) {
  ConnectWithStream(false, true);
  peer_.WindowUpdate(1, 1).Priority(1, {}).Raw(static_cast<FrameType>(0x77), 0, 1, "").Ping(kPing);
  EXPECT_EQ(Exchange(peer_), kPong);
  SendData(stream(), "goes on");
  EXPECT_EQ(Receive(), "DATA stream=1 len=7 data=goes on\n");
}

TEST_P(Rfc9113Endpoint, S5_1_HalfClosedRemote_RstStreamEndsIt) {
  ConnectWithStream(false, true);
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel).Ping(kPing)), kPong);
  EXPECT_TRUE(stream().closed);
}

// --- 5.1 closed ---

TEST_P(Rfc9113Endpoint, S5_1_Closed_NothingIsSentToAStreamThatBothHaveEnded) {
  Connect({.initial_window = 1000});
  RecordingReceiver& receiver = OpenStream(true, false);
  receiver.pays = false;
  EXPECT_TRUE(Send(peer_.Data(1, std::string(1000, 'x'), kEndStream)));
  Consume(receiver, 1000);
  SendData(receiver, "more");
  SendTrailers(receiver, {{"a", "b"}});
  Reset(receiver, StatusCode::kInternal);
  Release(receiver);
  EXPECT_EQ(Receive(), "");
}

TEST_P(Rfc9113Endpoint, S5_1_Closed_NothingIsSentToAStreamThatWeReset) {
  Connect({.initial_window = 1000});
  RecordingReceiver& receiver = OpenStream();
  receiver.pays = false;
  EXPECT_TRUE(Send(peer_.Data(1, std::string(1000, 'x'))));
  Reset(receiver, StatusCode::kCancelled);
  Consume(receiver, 1000);
  SendData(receiver, "more");
  SendTrailers(receiver, {{"a", "b"}});
  Reset(receiver, StatusCode::kInternal);
  Release(receiver);
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
}

TEST_P(Rfc9113Endpoint, S5_1_Closed_WindowUpdateRstStreamPriorityAndExtensionsAreTaken) {
  for (const bool released : {false, true}) {
    ConnectWithStream(true, true);
    if (released) Release(stream());
    peer_.WindowUpdate(1, 1).Priority(1, {.depends_on = 3}).Raw(static_cast<FrameType>(0x77), 0, 1, "");
    peer_.RstStream(1, ErrorCode::kNoError).WindowUpdate(1, 1).RstStream(1, ErrorCode::kNoError);
    EXPECT_EQ(Exchange(peer_.Ping(kPing)), kPong);
  }
}

// Frames that were in flight are discarded, but the tables of compression follow them.
// see session_server_test: WhatWasInFlightForAStreamThatWeResetIsDropped
// see session_client_test: ReleaseBeforeTheEndCancels
TEST_P(Rfc9113Endpoint, S5_1_Closed_FieldBlocksInFlightKeepTheTableInStep) {
  for (const bool released : {false, true}) {
    ConnectWithStream(false, false);
    Reset(stream(), StatusCode::kCancelled);
    if (released) Release(stream());
    EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
    EXPECT_EQ(Exchange(peer_.Headers(1, {{"new", "field"}}, kEndStream)), "");
    OpenStream();
    EXPECT_EQ(Exchange(peer_.Headers(3, {{"new", "field"}}, kEndStream)), "");  // an index by now
    EXPECT_EQ(heard_on_stream(), "trailers {new=field}\n");
  }
}

// That DATA in flight counts for the connection's window: rfc9113_flow_test, S6_9

// --- 5.1.1 stream identifiers ---

// A client's are odd, and rise: see session_client_test: StreamIdentifiersRiseByTwo

TEST_F(Rfc9113Server, S5_1_1_AnEvenStreamFromAClientIsAConnectionError) {
  for (const StreamId id : {2u, 4u, 0x7ffffffeu}) {
    Connect();
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.Headers(id, kGet, kEndStream))), "PROTOCOL_ERROR") << id;
  }
  EXPECT_TRUE(handler_.requests.empty());
}

// PROTOCOL_ERROR, or STREAM_CLOSED: the stream was closed when a higher one was opened (5.1, 5.4).
TEST_F(Rfc9113Server, S5_1_1_AnIdentifierBelowAnEarlierOneIsAConnectionError) {
  for (const StreamId id : {1u, 3u, 7u}) {
    Connect();
    EXPECT_TRUE(Send(peer_.Headers(9, kGet, kEndStream)));
    const size_t requests = handler_.requests.size();
    const std::string code = ConnectionErrorIn(Exchange(peer_.Headers(id, kGet, kEndStream)));
    EXPECT_TRUE(code == "PROTOCOL_ERROR" || code == "STREAM_CLOSED") << code;
    EXPECT_EQ(handler_.requests.size(), requests);
  }
}

TEST_F(Rfc9113Server, S5_1_1_AnIdentifierIsNotUsedTwice) {
  ConnectWithStream(true, true);
  Release(stream());
  const std::string code = ConnectionErrorIn(Exchange(peer_.Headers(1, kGet, kEndStream)));
  EXPECT_TRUE(code == "PROTOCOL_ERROR" || code == "STREAM_CLOSED") << code;
  EXPECT_EQ(handler_.requests.size(), 1u);
}

TEST_F(Rfc9113Server, S5_1_1_IdentifiersMayLeaveSomeOut) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream).Headers(0x7fffffff, kGet, kEndStream)), "");
  EXPECT_EQ(handler_.requests.size(), 2u);
}

// --- 5.1.2 concurrency ---

// see session_client_test: CallsBeyondTheServersLimitWaitTheirTurn
// see session_server_test: RefusesStreamsBeyondItsLimit
TEST_F(Rfc9113Client, S5_1_2_ALimitThatIsLoweredHoldsForTheNextStreams) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 3}});
  for (int i = 0; i < 3; ++i) Open("/");
  Receive();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxConcurrentStreams, 2}})), "SETTINGS ACK\n");
  Open("/");
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream)), "");  // two are left
  EXPECT_EQ(Exchange(peer_.Headers(3, kStatus200, kEndStream)),
            "HEADERS stream=7 END_STREAM END_HEADERS :method=POST :scheme=http :authority=a :path=/\n");
}

// Half-closed streams count, either way round.
TEST_F(Rfc9113Client, S5_1_2_HalfClosedStreamsCount) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 2}});
  OpenStream(true, false);
  OpenStream(false, true);
  Open("/");
  EXPECT_EQ(Receive(), "");
}

TEST_F(Rfc9113Server, S5_1_2_ARefusedFieldBlockKeepsTheTableInStep) {
  Connect({.max_concurrent_streams = 1});
  Fields fields = kPost;
  fields[3].value = "/new";
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Headers(3, fields)), "RST_STREAM stream=3 REFUSED_STREAM\n");
  Release(request(0));
  EXPECT_EQ(Exchange(peer_.Headers(5, fields)), "RST_STREAM stream=1 CANCEL\n");
  EXPECT_EQ(stream().log, "POST /new\n");
}

// --- 5.3 priority signals, 6.3 PRIORITY ---

TEST_P(Rfc9113Endpoint, S5_3_2_PriorityHasNoEffectInAnyState) {
  for (const bool by_us : {false, true}) {
    for (const bool by_peer : {false, true}) {
      ConnectWithStream(by_us, by_peer);
      const std::string before = session()->Describe(), log = stream().log;
      EXPECT_EQ(Exchange(peer_.Priority(1, {.depends_on = 77, .exclusive = true, .weight = 255}).Ping(kPing)),
                kPong);
      EXPECT_EQ(session()->Describe(), before);
      EXPECT_EQ(stream().log, log);
    }
  }
}

TEST_F(Rfc9113Server, S5_3_2_APriorityInHeadersHasNoEffect) {
  Connect();
  const std::string block = FrameScript().Headers(1, kPost).Bytes().substr(frame::kFrameHeaderSize);
  const uint8_t flags = kEndHeaders | frame::flags::kPriority;
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kHeaders, flags, 1, std::string("\x80\0\0\x4d\xff"sv) + block)),
            "");
  EXPECT_EQ(stream().log, "POST /\n");
}

// Self-dependency is an error by RFC 7540 5.3.1 only, and a stream error there:
// see session_server_test: StreamErrorsOfTheFramerResetTheirStream
// But PRIORITY does not change any stream's state.
TEST_F(Rfc9113Server, S6_3_APriorityOfAnIdleStreamOnItselfDoesNotUseItUp) {
  Connect();
  Exchange(peer_.Priority(5, {.depends_on = 5}));
  if (closed()) return;  // a stream error may be made one of the connection (5.4.1)
  EXPECT_TRUE(Send(peer_.Headers(3, kGet, kEndStream).Headers(5, kGet, kEndStream)));
  EXPECT_EQ(handler_.requests.size(), 2u);
}

TEST_P(Rfc9113Endpoint, S6_3_PriorityBelongsToAStream) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.Priority(0, {.depends_on = 1}); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_3_PriorityOfAnotherLengthThan5IsAStreamError) {
  for (const std::string_view payload : {""sv, "four"sv, "sixsix"sv}) {
    ConnectWithStream(false, false);
    EXPECT_EQ(Exchange(peer_.Raw(FrameType::kPriority, 0, 1, payload)),
              "RST_STREAM stream=1 FRAME_SIZE_ERROR\n");
    EXPECT_EQ(Exchange(peer_.Ping(kPing)), kPong);
  }
}

// --- 5.4.1 connection errors ---

TEST_P(Rfc9113Endpoint, S5_4_1_TheConnectionIsClosedAfterTheGoAway) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kPing, 0, 0, "")),
            "GOAWAY last=0 FRAME_SIZE_ERROR debug=PING of 0 bytes\n<end>\n");
  PassTime(milliseconds(1100));
  EXPECT_TRUE(run_ended_);
  EXPECT_FALSE(SendBytes("x"));
}

TEST_P(Rfc9113Endpoint, S5_4_1_WhatFollowsTheErrorIsNotProcessed) {
  ConnectWithStream(false, false);
  const std::string log = stream().log;
  EXPECT_EQ(ConnectionErrorIn(
                Exchange(peer_.Raw(FrameType::kPing, 0, 0, "").Data(1, "abc").Headers(3, kGet).Ping(kPing))),
            "FRAME_SIZE_ERROR");
  EXPECT_EQ(stream().log, log + "closed INTERNAL: PING of 0 bytes\n");
}

// --- 5.4.2 stream errors ---

TEST_P(Rfc9113Endpoint, S5_4_2_AStreamErrorDoesNotConcernOtherStreams) {
  Connect();
  OpenStream();
  RecordingReceiver& other = OpenStream();
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 0).Data(3, "abc", kEndStream)),
            "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_TRUE(other.log.ends_with("data abc end\n")) << other.log;
}

// Frames that were in flight when we sent RST_STREAM: S5_1_Closed, above.
TEST_P(Rfc9113Endpoint, S5_4_2_NoRstStreamAnswersARstStream) {
  for (const bool by_us : {false, true}) {
    for (const bool by_peer : {false, true}) {
      ConnectWithStream(by_us, by_peer);
      EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel).RstStream(1, ErrorCode::kCancel)), "");
      Release(stream());
      EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel)), "");
    }
  }
  ConnectWithStream(false, false);
  Reset(stream(), StatusCode::kCancelled);
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel)), "RST_STREAM stream=1 CANCEL\n");
}

// --- 6.4 RST_STREAM ---

TEST_P(Rfc9113Endpoint, S6_4_RstStreamBelongsToAStream) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.RstStream(0, ErrorCode::kCancel); }), "PROTOCOL_ERROR");
}

TEST_P(Rfc9113Endpoint, S6_4_RstStreamOfAnotherLengthThan4IsAConnectionError) {
  for (const std::string_view payload : {""sv, "\0\0\0"sv, "\0\0\0\0\0"sv}) {
    const Say say = [&](FrameScript& s) { s.Raw(FrameType::kRstStream, 0, 1, payload); };
    EXPECT_EQ(ErrorAfter(say), "FRAME_SIZE_ERROR") << payload.size();
  }
}

TEST_P(Rfc9113Endpoint, S6_4_NothingIsSentToAStreamThatThePeerReset) {
  Connect({.initial_window = 1000}, {{SettingId::kInitialWindowSize, 4}});
  RecordingReceiver& receiver = OpenStream();
  receiver.pays = false;
  SendData(receiver, "12345678");  // half of it waits for the window
  SendTrailers(receiver, {{"a", "b"}});
  EXPECT_TRUE(Send(peer_.Data(1, std::string(1000, 'x'))));
  EXPECT_EQ(Receive(), "DATA stream=1 len=4 data=1234\n");
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel).WindowUpdate(1, 100)), "");
  Consume(receiver, 1000);
  SendData(receiver, "more", true);
  Release(receiver);
  EXPECT_EQ(Receive(), "");
}

// A stream error of an idle stream is nothing, or one of the connection. RST_STREAM that comes for one:
// S5_1_Idle, above.
TEST_P(Rfc9113Endpoint, S6_4_NoRstStreamIsSentToAnIdleStream) {
  const Say table[] = {
      [](FrameScript& s) { s.Raw(FrameType::kPriority, 0, 1, "four"); },
      [](FrameScript& s) { s.Raw(FrameType::kPriority, 0, 2, "sixsix"); },
      [](FrameScript& s) { s.Priority(1, {.depends_on = 1}); },
      [](FrameScript& s) { s.WindowUpdate(1, 0); },
  };
  for (const Say& say : table) {
    Connect();
    say(peer_);
    const std::string answer = Exchange(peer_);
    EXPECT_EQ(answer.find("RST_STREAM"), answer.npos) << &say - table << ": " << answer;
  }
}

// --- 6.6 PUSH_PROMISE: we have disabled it, so that whatever one says it is a connection error ---

// see session_client_test: PushPromiseIsRefused, session_server_test: PushPromiseIsRefused
TEST_P(Rfc9113Endpoint, S6_6_PushPromiseIsAConnectionErrorOnEveryStream) {
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.PushPromise(0, 2, kGet); }), "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.PushPromise(1, 2, kGet); }), "PROTOCOL_ERROR");
  EXPECT_EQ(ErrorAfter([](FrameScript& s) { s.PushPromise(77, 2, kGet); }), "PROTOCOL_ERROR");
  for (const bool by_us : {false, true}) {
    ConnectWithStream(by_us, true);
    EXPECT_EQ(ConnectionErrorIn(Exchange(peer_.PushPromise(1, 2, kGet))), "PROTOCOL_ERROR");
  }
}

TEST_F(Rfc9113Client, S6_6_AnIllegalPromisedStreamIsAConnectionError) {
  for (const StreamId promised : {0u, 1u, 3u}) {
    EXPECT_EQ(ErrorAfter([&](FrameScript& s) { s.PushPromise(1, promised, kGet); }), "PROTOCOL_ERROR")
        << promised;
  }
}

TEST_F(Rfc9113Client, S6_6_PaddingAsLongAsThePayloadIsAConnectionError) {
  for (const std::string_view payload : {"\1"sv, "\6\0\0\0\2\x82"sv, "\xff\0\0\0\2\x82"sv}) {
    const Say say = [&](FrameScript& s) {
      s.Raw(FrameType::kPushPromise, kEndHeaders | kPadded, 1, payload);
    };
    EXPECT_EQ(ErrorAfter(say), "PROTOCOL_ERROR") << payload.size();
  }
}

TEST_F(Rfc9113Client, S6_6_OnlyAContinuationOfItsStreamFollowsAPushPromiseWithoutEndHeaders) {
  const Say table[] = {
      [](FrameScript& s) { s.Data(1, "x"); },
      [](FrameScript& s) { s.Ping(kPing); },
      [](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 3, ""); },
      [](FrameScript& s) { s.Raw(FrameType::kContinuation, kEndHeaders, 2, ""); },
  };
  for (const Say& say : table) {
    const Say interrupted = [&](FrameScript& s) {
      say(s.Raw(FrameType::kPushPromise, 0, 1, "\0\0\0\2\x82"sv));
    };
    EXPECT_EQ(ErrorAfter(interrupted), "PROTOCOL_ERROR") << &say - table;
  }
}

// That a server of ours sends none: rfc9113_framing_test, Conversation

// --- 6.8 GOAWAY ---

TEST_P(Rfc9113Endpoint, S6_8_GoAwayBelongsToTheConnection) {
  for (const frame::StreamId id : {1u, 2u, 77u}) {
    const Say say = [&](FrameScript& s) { s.Raw(FrameType::kGoAway, 0, id, "\0\0\0\1\0\0\0\0"sv); };
    EXPECT_EQ(ErrorAfter(say), "PROTOCOL_ERROR") << id;
  }
}

TEST_F(Rfc9113Client, S6_8_NoStreamIsOpenedAfterAGoAway) {
  ConnectWithStream(false, false);
  EXPECT_EQ(Exchange(peer_.GoAway(1, ErrorCode::kNoError)), "");
  Open("/late");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxConcurrentStreams, 100}})), "SETTINGS ACK\n");
  EXPECT_TRUE(stream().closed);
}

// What waited for MAX_CONCURRENT_STREAMS: see session_client_test: AGoAwayFailsWhatTheServerDidNotProcess

TEST_F(Rfc9113Client, S6_8_ASecondGoAwayMayLowerTheLastStream) {
  Connect();
  OpenStream();
  OpenStream();
  EXPECT_EQ(Exchange(peer_.GoAway(0x7fffffff, ErrorCode::kNoError)), "");
  EXPECT_FALSE(stream().closed);
  EXPECT_EQ(Exchange(peer_.GoAway(1, ErrorCode::kNoError)), "");
  EXPECT_TRUE(stream().log.ends_with("(unprocessed)\n")) << stream().log;
  EXPECT_FALSE(receivers_[0]->closed);
}

TEST_F(Rfc9113Server, S6_8_TheLastStreamIsNeverRaised) {
  ConnectWithStream(false, false);
  OnLoop([&] { session()->Drain(); });
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
  EXPECT_EQ(Exchange(peer_.Ping("draining", true)), "GOAWAY last=1 NO_ERROR debug=draining\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, kPost).Headers(5, kPost).Raw(FrameType::kPing, 0, 0, "")),
            "GOAWAY last=1 FRAME_SIZE_ERROR debug=PING of 0 bytes\n<end>\n");
}

TEST_F(Rfc9113Server, S6_8_AFieldBlockAfterTheGoAwayKeepsTheTableInStep) {
  ConnectWithStream(false, false);
  OnLoop([&] { session()->Drain(); });
  EXPECT_TRUE(Send(peer_.Ping("draining", true)));
  Receive();
  EXPECT_EQ(Exchange(peer_.Headers(3, {{"new", "field"}}, kEndStream, 3)), "");
  EXPECT_EQ(Exchange(peer_.Headers(1, {{"new", "field"}}, kEndStream)), "");
  EXPECT_EQ(heard_on_stream(), "trailers {new=field}\n");
}

TEST_F(Rfc9113Server, S6_8_DataAfterTheGoAwayCountsForTheConnectionsWindow) {
  Connect({.connection_window = 65535});
  OpenStream();
  OnLoop([&] { session()->Drain(); });
  EXPECT_TRUE(Send(peer_.Ping("draining", true)));
  Receive();
  EXPECT_EQ(
      Exchange(peer_.Headers(3, kPost).Data(3, std::string(16384, 'x')).Data(3, std::string(16384, 'x'))),
      "WINDOW_UPDATE increment=32768\n");
}

// --- 8.7 request reliability ---

// A client may send again what was refused, so nothing is that a handler has seen.
TEST_F(Rfc9113Server, S8_7_WhatTheHandlerHasSeenIsNotRefused) {
  for (const StatusCode code : {StatusCode::kUnavailable, StatusCode::kInternal, StatusCode::kCancelled,
                                StatusCode::kResourceExhausted, StatusCode::kInvalidArgument}) {
    Connect();
    EXPECT_TRUE(Send(peer_.Headers(1, kPost).Data(1, "seen")));
    Reset(stream(), code);
    const std::string answer = Receive();
    EXPECT_TRUE(answer.starts_with("RST_STREAM stream=1 ")) << answer;
    EXPECT_EQ(answer.find("REFUSED_STREAM"), answer.npos) << answer;
  }
}

TEST_F(Rfc9113Server, S8_7_AGoAwayNamesEveryStreamThatTheHandlerHasSeen) {
  Connect();
  OpenStream(true, true);
  OpenStream(false, true);
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kPing, 0, 0, "")),
            "GOAWAY last=3 FRAME_SIZE_ERROR debug=PING of 0 bytes\n<end>\n");
}

// --- 7 error codes ---

TEST_P(Rfc9113Endpoint, S7_AnUnknownErrorCodeOfAResetIsNothingSpecial) {
  for (const uint32_t code : {14u, 0xffu, 0xffffffffu}) {
    ConnectWithStream(false, false);
    EXPECT_EQ(Exchange(peer_.RstStream(1, static_cast<ErrorCode>(code)).Ping(kPing)), kPong);
    EXPECT_TRUE(stream().closed);
    EXPECT_EQ(stream().log.find("unprocessed"), std::string::npos);
    EXPECT_FALSE(closed());
  }
}

TEST_P(Rfc9113Endpoint, S7_AnUnknownErrorCodeOfAGoAwayIsNothingSpecial) {
  for (const uint32_t code : {14u, 0xffu, 0xffffffffu}) {
    ConnectWithStream(false, false);
    EXPECT_EQ(Exchange(peer_.GoAway(1, static_cast<ErrorCode>(code)).Data(1, "abc", kEndStream).Ping(kPing)),
              kPong);
    EXPECT_EQ(heard_on_stream(), "data abc end\n");  // streams up to the last go on
    EXPECT_FALSE(closed());
  }
}

}  // namespace
}  // namespace culvert::http2
