// A client's session: what it sends, and what it makes of what a server does.

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

using absl::StatusCode;
using frame::FrameType;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kPrefaceSent =
    "SETTINGS ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=262144 MAX_HEADER_LIST_SIZE=65536\n"
    "WINDOW_UPDATE increment=983041\n";

std::string Request(frame::StreamId id, std::string_view path, bool end = true) {
  return "HEADERS stream=" + std::to_string(id) + (end ? " END_STREAM" : "") +
         " END_HEADERS :method=POST :scheme=http :authority=a :path=" + std::string(path) + "\n";
}

class ClientTest : public SessionTest {
 protected:
  void Connect(const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {},
               MemoryStreamOptions stream_options = {}) {
    SessionTest::Connect(Role::kClient, options, peer_settings, stream_options);
  }
};

// --- preface and settings ---

// 3.4
TEST_F(ClientTest, SendsThePrefaceAndItsSettings) {
  Start(Role::kClient);
  EXPECT_EQ(Receive(), kPrefaceSent);
  EXPECT_EQ(Exchange(peer_.Settings({}).SettingsAck()), "SETTINGS ACK\n");
}

TEST_F(ClientTest, DoesNotWaitForTheServersSettings) {
  Start(Role::kClient);
  Open("/early");
  EXPECT_EQ(Receive(), std::string(kPrefaceSent) + Request(1, "/early"));
}

TEST_F(ClientTest, IsReadyWhenTheServersSettingsHaveCome) {
  Start(Role::kClient);
  int ready = 0;
  session()->set_on_ready([&] { ++ready; });
  Receive();
  EXPECT_EQ(ready, 0);
  EXPECT_EQ(Exchange(peer_.Settings({}).Settings({})), "SETTINGS ACK\nSETTINGS ACK\n");
  EXPECT_EQ(ready, 1);
}

TEST_F(ClientTest, AServerThatSpeaksHttp1IsNamed) {
  Start(Role::kClient);
  Receive();
  Open("/");
  EXPECT_TRUE(SendBytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(
      Receive(),
      Request(1, "/") +
          "GOAWAY last=0 FRAME_SIZE_ERROR debug=frame of 4740180 bytes exceeds 16384; the bytes look like "
          "an HTTP/1.1 response\n<end>\n");
}

TEST_F(ClientTest, AServerWithoutSettingsIsGivenUp) {
  Start(Role::kClient, {.handshake_timeout = seconds(10)});
  absl::Status unusable;
  session()->set_on_unusable([&](const absl::Status& why) { unusable = why; });
  RecordingReceiver& call = Open("/");
  PassTime(milliseconds(10100));
  EXPECT_EQ(Receive(), std::string(kPrefaceSent) + Request(1, "/") +
                           "GOAWAY last=0 SETTINGS_TIMEOUT debug=no SETTINGS within 10000 ms\n<end>\n");
  EXPECT_EQ(call.log, "closed INTERNAL: no SETTINGS within 10000 ms\n");
  EXPECT_EQ(unusable.message(), "no SETTINGS within 10000 ms");
}

TEST_F(ClientTest, AServerMayNotEnablePush) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kEnablePush, 1}})),
            "GOAWAY last=0 PROTOCOL_ERROR debug=a server sent ENABLE_PUSH other than 0\n<end>\n");
}

TEST_F(ClientTest, PushPromiseIsRefused) {
  Connect();
  RecordingReceiver& call = Open("/");
  EXPECT_EQ(
      Exchange(peer_.PushPromise(1, 2, kGet)),
      Request(1, "/") + "GOAWAY last=0 PROTOCOL_ERROR debug=PUSH_PROMISE although push is disabled\n<end>\n");
  EXPECT_EQ(call.log, "closed INTERNAL: PUSH_PROMISE although push is disabled\n");
}

// --- requests and responses ---

TEST_F(ClientTest, AskedWithBodyAndAnsweredWithBodyAndTrailers) {
  Connect();
  RecordingReceiver& call = Open("/a.B/C", false);
  EXPECT_TRUE(TrySendInPlace(call, "question"));
  SendData(call, "", true);
  EXPECT_EQ(Receive(), Request(1, "/a.B/C", false) +
                           "DATA stream=1 len=8 data=question\n"
                           "DATA stream=1 len=0 END_STREAM\n");
  EXPECT_EQ(Exchange(peer_.Headers(1, {{":status", "200"}, {"x", "y"}})
                         .Data(1, "answer")
                         .Headers(1, {{"grpc-status", "0"}}, kEndStream)),
            "");
  EXPECT_EQ(call.log, "head 200 {x=y}\ndata answer\ntrailers {grpc-status=0}\n");
  Release(call);
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ClientTest, TrailersOnly) {
  Connect();
  RecordingReceiver& call = Open("/");
  EXPECT_EQ(Exchange(peer_.Headers(1, {{":status", "200"}, {"grpc-status", "12"}}, kEndStream)),
            Request(1, "/"));
  EXPECT_EQ(call.log, "head 200 {grpc-status=12} end\n");
}

TEST_F(ClientTest, RequestTrailers) {
  Connect();
  RecordingReceiver& call = Open("/", false);
  SendData(call, "abc");
  SendTrailers(call, {{"sum", "6"}});
  EXPECT_EQ(Receive(), Request(1, "/", false) +
                           "DATA stream=1 len=3 data=abc\n"
                           "HEADERS stream=1 END_STREAM END_HEADERS sum=6\n");
}

// RFC 9110 15.2
TEST_F(ClientTest, InterimResponsesAreSwallowed) {
  Connect();
  RecordingReceiver& call = Open("/", false);
  EXPECT_EQ(
      Exchange(
          peer_.Headers(1, {{":status", "100"}}).Headers(1, {{":status", "103"}}).Headers(1, kStatus200)),
      Request(1, "/", false));
  EXPECT_EQ(call.log, "head 200\n");
}

TEST_F(ClientTest, TheAnswerToHeadHasALengthAndNoBody) {
  Connect();
  RecordingReceiver& call = Open("/", true, "HEAD");
  EXPECT_NE(Exchange(peer_.Headers(1, {{":status", "200"}, {"content-length", "10"}}, kEndStream)), "");
  EXPECT_EQ(call.log, "head 200 {content-length=10} end\n");
}

TEST_F(ClientTest, MalformedResponsesResetTheirStream) {
  const std::pair<std::string, std::function<void(FrameScript&)>> table[] = {
      {"response without :status as its first field", [](FrameScript& s) { s.Headers(1, {{"x", "y"}}); }},
      {":status is not three digits", [](FrameScript& s) { s.Headers(1, {{":status", "20"}}); }},
      {"interim response that ends the stream, or 101",
       [](FrameScript& s) { s.Headers(1, {{":status", "101"}}); }},
      {"interim response that ends the stream, or 101",
       [](FrameScript& s) { s.Headers(1, {{":status", "100"}}, kEndStream); }},
      {"DATA before HEADERS", [](FrameScript& s) { s.Data(1, "x"); }},
      {"content-length is not a number",
       [](FrameScript& s) { s.Headers(1, {{":status", "200"}, {"content-length", "x"}}); }},
      {"content-length without a body",
       [](FrameScript& s) { s.Headers(1, {{":status", "200"}, {"content-length", "1"}}, kEndStream); }},
  };
  for (const auto& [why, say] : table) {
    Connect();
    RecordingReceiver& call = Open("/");
    FrameScript script;
    say(script);
    EXPECT_EQ(Exchange(script), Request(1, "/") + "RST_STREAM stream=1 PROTOCOL_ERROR\n");
    EXPECT_EQ(call.log, "closed INTERNAL: " + why + "\n");
    Release(call);
  }
}

TEST_F(ClientTest, AResponseWhoseHeaderListIsTooLargeIsReset) {
  Connect({.max_header_list_size = 500});
  RecordingReceiver& call = Open("/");
  const std::string value(500, 'x');
  EXPECT_EQ(Exchange(peer_.Headers(1, {{":status", "200"}, {"x", value}})),
            Request(1, "/") + "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(call.log, "closed INTERNAL: header list exceeds 500 bytes or 256 fields\n");
}

TEST_F(ClientTest, OnlyAClientOpensStreams) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(2, kStatus200)).substr(0, 30), "GOAWAY last=0 PROTOCOL_ERROR d");
}

TEST_F(ClientTest, FramesOnAStreamNotYetOpenedEndTheConnection) {
  const std::function<void(FrameScript&)> table[] = {
      [](FrameScript& s) { s.Data(7, "x"); },
      [](FrameScript& s) { s.Headers(7, kStatus200); },
      [](FrameScript& s) { s.RstStream(7, ErrorCode::kCancel); },
      [](FrameScript& s) { s.WindowUpdate(7, 1); },
      [](FrameScript& s) { s.WindowUpdate(7, 0); },
  };
  for (const auto& say : table) {
    Connect();
    FrameScript script;
    say(script);
    EXPECT_EQ(Exchange(script).substr(0, 28), "GOAWAY last=0 PROTOCOL_ERROR");
  }
}

// --- MAX_CONCURRENT_STREAMS (5.1.2) ---

TEST_F(ClientTest, CallsBeyondTheServersLimitWaitTheirTurn) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 2}});
  RecordingReceiver& first = Open("/1");
  Open("/2");
  Open("/3");
  RecordingReceiver& fourth = Open("/4", false);
  SendData(fourth, "queued", true);
  EXPECT_FALSE(fourth.exchange->writable());
  EXPECT_EQ(Receive(), Request(1, "/1") + Request(3, "/2"));
  // A stream is over for the server when it is over on the wire, released or not.
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream)), Request(5, "/3"));
  EXPECT_EQ(first.log, "head 200 end\n");
  EXPECT_EQ(Exchange(peer_.RstStream(3, ErrorCode::kCancel)),
            Request(7, "/4", false) + "DATA stream=7 len=6 END_STREAM data=queued\n");
  EXPECT_EQ(fourth.log, "");
}

TEST_F(ClientTest, AWaitingCallSendsWhatWasQueuedWithIt) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 0}});
  RecordingReceiver& body = Open("/body", false);
  RecordingReceiver& trailers = Open("/trailers", false);
  RecordingReceiver& both = Open("/both", false);
  EXPECT_FALSE(TrySendInPlace(body, "abc"));
  SendData(body, "abc");
  SendTrailers(trailers, {{"sum", "0"}});
  SendData(both, "xyz");
  SendTrailers(both, {{"sum", "3"}});
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxConcurrentStreams, 3}})),
            "SETTINGS ACK\n" + Request(1, "/body", false) + Request(3, "/trailers", false) +
                Request(5, "/both", false) +
                "DATA stream=1 len=3 data=abc\n"
                "HEADERS stream=3 END_STREAM END_HEADERS sum=0\n"
                "DATA stream=5 len=3 data=xyz\n"
                "HEADERS stream=5 END_STREAM END_HEADERS sum=3\n");
  EXPECT_EQ(body.log, "writable\n");
  EXPECT_EQ(trailers.log + both.log, "");
}

TEST_F(ClientTest, AWaitingCallIsCancelledWithoutATrace) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 0}});
  RecordingReceiver& reset = Open("/reset");
  RecordingReceiver& released = Open("/released", false);
  RecordingReceiver& stays = Open("/stays");
  Reset(reset, StatusCode::kCancelled);
  SendData(reset, "dropped");
  Release(reset);
  SendData(released, "dropped");
  Release(released);
  EXPECT_NE(session()->Describe().find(" queued=0\n"), std::string::npos) << session()->Describe();
  EXPECT_EQ(Exchange(peer_.Settings({{SettingId::kMaxConcurrentStreams, 10}})),
            "SETTINGS ACK\n" + Request(1, "/stays"));
  EXPECT_EQ(reset.log + released.log + stays.log, "");
  EXPECT_EQ(session()->stream_count(), 1u);
}

TEST_F(ClientTest, BeforeTheServersSettingsAHundredCallsGoOut) {
  Start(Role::kClient);
  for (int i = 0; i < 101; ++i) Open("/");
  const std::string early = Receive();
  EXPECT_EQ(std::count(early.begin(), early.end(), '\n'), 102);
  EXPECT_EQ(Exchange(peer_.Settings({})), "SETTINGS ACK\n" + Request(201, "/"));
}

// --- RST_STREAM ---

TEST_F(ClientTest, ARefusedStreamIsUnprocessed) {
  Connect();
  RecordingReceiver& call = Open("/");
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kRefusedStream)), Request(1, "/"));
  EXPECT_EQ(call.log, "closed UNAVAILABLE: stream reset by the peer: REFUSED_STREAM (7) (unprocessed)\n");
}

TEST_F(ClientTest, ReleaseBeforeTheEndCancels) {
  Connect();
  RecordingReceiver& call = Open("/");
  Release(call);
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200).Data(1, "late").Headers(1, {{"a", "b"}}, kEndStream)),
            Request(1, "/") + "RST_STREAM stream=1 CANCEL\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ClientTest, AResetCallMayStillBeHeld) {
  Connect();
  RecordingReceiver& call = Open("/");
  Reset(call, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200).Data(1, "late", kEndStream)),
            Request(1, "/") + "RST_STREAM stream=1 CANCEL\n");
  EXPECT_EQ(call.log, "");
  EXPECT_EQ(session()->stream_count(), 1u);
}

TEST_F(ClientTest, ManyCallsMayBeCancelledWhileTheirAnswersAreInFlight) {
  Connect();
  constexpr size_t kCalls = 3000;
  for (size_t i = 0; i < kCalls; ++i) Open("/");
  for (auto& call : receivers_) Release(*call);
  Receive();
  for (size_t i = 0; i < kCalls; ++i) {
    const auto id = static_cast<frame::StreamId>(2 * i + 1);
    peer_.Headers(id, kStatus200).Data(id, "was in flight");
  }
  EXPECT_TRUE(Send(peer_));
  EXPECT_EQ(Receive().find("GOAWAY"), std::string::npos);
  EXPECT_TRUE(session()->accepts_requests());
}

TEST_F(ClientTest, AServerThatHasAnsweredMayNotWantTheRestOfTheRequest) {
  Connect();
  RecordingReceiver& call = Open("/", false);
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream).RstStream(1, ErrorCode::kNoError)),
            Request(1, "/", false));
  EXPECT_EQ(call.log, "head 200 end\nclosed INTERNAL: stream reset by the peer: NO_ERROR (0)\n");
  SendData(call, "not needed", true);
  EXPECT_EQ(Receive(), "");
}

// --- GOAWAY (6.8) ---

TEST_F(ClientTest, AGoAwayFailsWhatTheServerDidNotProcess) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 3}});
  absl::Status unusable;
  session()->set_on_unusable([&](const absl::Status& why) { unusable = why; });
  RecordingReceiver& first = Open("/1");
  RecordingReceiver& second = Open("/2");
  RecordingReceiver& third = Open("/3");
  RecordingReceiver& waiting = Open("/4");
  Receive();
  EXPECT_EQ(Exchange(peer_.GoAway(3, ErrorCode::kNoError, "restart\n")), "");
  const std::string why = "UNAVAILABLE: peer is going away: NO_ERROR \"restart\\n\"";
  EXPECT_EQ(unusable.ToString(absl::StatusToStringMode::kWithNoExtraData), why);
  EXPECT_EQ(third.log, "closed " + why + " (unprocessed)\n");
  EXPECT_EQ(waiting.log, "closed " + why + " (unprocessed)\n");
  EXPECT_FALSE(session()->accepts_requests());
  // The others finish, and then the connection closes.
  Release(third);
  Release(waiting);
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream).Headers(3, kStatus200, kEndStream)), "");
  EXPECT_EQ(first.log + second.log, "head 200 end\nhead 200 end\n");
  Release(first);
  Release(second);
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ClientTest, ACallOpenedAfterAGoAwayIsRefusedFromTheLoop) {
  Connect();
  RecordingReceiver& held = Open("/held");
  EXPECT_TRUE(Send(peer_.GoAway(1, ErrorCode::kNoError)));
  RecordingReceiver late;
  OnLoop([&] {
    late.exchange = &session()->Open({"GET", "http", "a", "/", {}, {}}, late, true);
    EXPECT_EQ(late.log, "");
  });
  EXPECT_EQ(late.log, "closed UNAVAILABLE: the connection is closed or going away (unprocessed)\n");
  Release(late);
  EXPECT_EQ(Receive(), Request(1, "/held"));
  EXPECT_EQ(held.log, "");
}

TEST_F(ClientTest, ACallOpenedOnAClosedConnectionIsRefusedFromTheLoop) {
  Connect();
  const std::shared_ptr<Session> kept = session();
  OnLoop([&] { session()->Close(absl::UnavailableError("enough")); });
  RecordingReceiver& late = Open("/");
  EXPECT_EQ(late.log, "closed UNAVAILABLE: the connection is closed or going away (unprocessed)\n");
  SendData(late, "dropped", true);
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ClientTest, DrainLetsCallsFinishAndRefusesThoseThatWait) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 1}});
  RecordingReceiver& open = Open("/open");
  RecordingReceiver& waiting = Open("/waiting");
  OnLoop([&] { session()->Drain(); });
  EXPECT_EQ(Receive(), Request(1, "/open") + "GOAWAY last=0 NO_ERROR\n");
  EXPECT_EQ(waiting.log, "closed UNAVAILABLE: the connection is draining (unprocessed)\n");
  Release(waiting);
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream)), "");
  EXPECT_EQ(open.log, "head 200 end\n");
  Release(open);
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ClientTest, AnIdleConnectionDrainsAtOnce) {
  Connect();
  int unusable = 0;
  session()->set_on_unusable([&](const absl::Status&) { ++unusable; });
  OnLoop([&] { session()->Drain(); });
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\nGOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(unusable, 1);
}

// --- the end of a connection ---

TEST_F(ClientTest, CloseTellsEveryReceiverOnce) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 2}});
  Open("/1");
  Open("/2");
  Open("/3");
  Receive();
  OnLoop([&] { session()->Close(absl::CancelledError("the channel is closed")); });
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(receivers_[0]->log, "closed UNAVAILABLE: the channel is closed\n");
  EXPECT_EQ(receivers_[1]->log, "closed UNAVAILABLE: the channel is closed\n");
  EXPECT_EQ(receivers_[2]->log, "closed UNAVAILABLE: the channel is closed (unprocessed)\n");
}

TEST_F(ClientTest, TheServerClosesInMidStream) {
  Connect();
  RecordingReceiver& call = Open("/");
  EXPECT_TRUE(Send(peer_.Headers(1, kStatus200).Data(1, "abc")));
  peer_stream_->ShutdownWrite();
  Pump();
  EXPECT_EQ(Receive(), Request(1, "/") + "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(call.log, "head 200\ndata abc\nclosed UNAVAILABLE: connection closed by the peer\n");
}

TEST_F(ClientTest, AnAnswerThatIsCompleteIsNotFailedByTheEnd) {
  Connect();
  RecordingReceiver& call = Open("/");
  EXPECT_TRUE(Send(peer_.Headers(1, kStatus200, kEndStream)));
  peer_stream_->ShutdownWrite();
  Pump();
  EXPECT_EQ(Receive(), Request(1, "/") + "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(call.log, "head 200 end\n");
}

// 5.1.1
TEST_F(ClientTest, StreamIdentifiersRiseByTwo) {
  Connect();
  for (int i = 0; i < 3; ++i) {
    RecordingReceiver& call = Open("/");
    const auto id = static_cast<frame::StreamId>(2 * i + 1);
    EXPECT_EQ(Exchange(peer_.Headers(id, kStatus200, kEndStream)), Request(id, "/"));
    Release(call);
  }
}

// --- re-entrancy ---

TEST_F(ClientTest, AReceiverOpensTheNextCallFromWithinItsCallback) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 1}});
  RecordingReceiver next;
  RecordingReceiver& call = Open("/1");
  call.on_head = [&] {
    next.exchange = &session()->Open({"POST", "http", "a", "/2", {}, {}}, next, true);
    call.Release();
  };
  EXPECT_EQ(Exchange(peer_.Headers(1, kStatus200, kEndStream)), Request(1, "/1") + Request(3, "/2"));
  Release(next);
  EXPECT_EQ(Receive(), "RST_STREAM stream=3 CANCEL\n");
}

TEST_F(ClientTest, AReceiverThatTriesAgainAtOnceIsRefusedAgainFromTheLoop) {
  Connect({}, {{SettingId::kMaxConcurrentStreams, 0}});
  constexpr int kTries = 100;
  int tries = 0, tries_in_one_turn = 0;
  std::function<void()> retry = [&] {
    if (++tries > kTries) return;
    if (tries == 2) loop_.Post([&] { tries_in_one_turn = tries - 1; });
    RecordingReceiver& again = *receivers_.emplace_back(std::make_unique<RecordingReceiver>());
    again.on_closed = retry;
    again.exchange = &session()->Open({"POST", "http", "a", "/", {}, {}}, again, true);
  };
  RecordingReceiver& call = Open("/");
  call.on_closed = retry;
  EXPECT_EQ(Exchange(peer_.GoAway(0, ErrorCode::kNoError)), "");
  EXPECT_EQ(tries, kTries + 1);
  EXPECT_LE(tries_in_one_turn, 2);
}

TEST_F(ClientTest, AReceiverReleasesAnotherWhenItIsToldOfTheGoAway) {
  Connect();
  RecordingReceiver& first = Open("/1");
  RecordingReceiver& second = Open("/2");
  first.on_closed = [&] {
    first.Release();
    second.Release();
  };
  EXPECT_EQ(
      Exchange(peer_.GoAway(0, ErrorCode::kInternalError)),
      Request(1, "/1") + Request(3, "/2") + "RST_STREAM stream=3 CANCEL\nGOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(second.log, "");
}

TEST_F(ClientTest, TheOwnerClosesTheSessionWhenItBecomesUnusable) {
  Connect();
  RecordingReceiver& call = Open("/");
  session()->set_on_unusable(
      [&](const absl::Status&) { session()->Close(absl::UnavailableError("enough")); });
  EXPECT_EQ(Exchange(peer_.GoAway(1, ErrorCode::kNoError)),
            Request(1, "/") + "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(call.log, "closed UNAVAILABLE: enough\n");
}

// A client that asks for work may be asked in return.
TEST_F(ClientTest, AServerMayPingAsItLikes) {
  Connect();
  std::string pongs;
  for (int i = 0; i < 1000; ++i) {
    peer_.Ping("12345678");
    pongs += "PING ACK 3132333435363738\n";
  }
  EXPECT_EQ(Exchange(peer_), pongs);
}

// --- a peer that does not read ---

TEST_F(ClientTest, RequestsBlockedBeforeTheSettingsCameAreTimedAfterwards) {
  Start(Role::kClient, {.handshake_timeout = seconds(10), .write_timeout = seconds(30)}, {.capacity = 150});
  for (int i = 0; i < 50; ++i) Open("/");
  EXPECT_TRUE(Send(peer_.Settings({})));
  PassTime(milliseconds(30100));
  EXPECT_TRUE(closed());
  EXPECT_EQ(receivers_[0]->log, "closed UNAVAILABLE: the peer took no bytes for 30000 ms\n");
  EXPECT_EQ(Receive().substr(0, 20), "SETTINGS ENABLE_PUSH");
}

}  // namespace
}  // namespace culvert::http2
