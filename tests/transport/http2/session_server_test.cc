// A server's session: what it answers to what a client does. RFC 9113 sections are named where a test holds
// the session to one.

#include "tests/transport/http2/session_fixture.h"

namespace culvert::http2 {
namespace {

using absl::StatusCode;
using frame::FrameType;
using std::chrono::milliseconds;
using std::chrono::seconds;

class ServerTest : public SessionTest {
 protected:
  void Connect(const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {},
               MemoryStreamOptions stream_options = {}) {
    SessionTest::Connect(Role::kServer, options, peer_settings, stream_options);
  }
  // Has every request answered at once.
  void AnswerAll() {
    handler_.on_request = [](RecordingReceiver& request) {
      request.exchange->SendHead({200, {}}, true);
      request.Release();
    };
  }
};

// --- preface and settings ---

// 3.4
TEST_F(ServerTest, SpeaksFirstWithItsSettingsAndWindow) {
  Start(Role::kServer);
  EXPECT_EQ(Receive(),
            "SETTINGS MAX_CONCURRENT_STREAMS=1000 NO_RFC7540_PRIORITIES=1 INITIAL_WINDOW_SIZE=262144 MAX_HEADER_LIST_SIZE=65536\n"
            "WINDOW_UPDATE increment=983041\n");
  EXPECT_EQ(Exchange(peer_.ClientPreface().Settings({})), "SETTINGS ACK\n");
  EXPECT_EQ(Exchange(peer_.SettingsAck()), "");
}

TEST_F(ServerTest, AdvertisesItsOptions) {
  Start(Role::kServer, {.max_concurrent_streams = 3,
                        .initial_window = 1000,
                        .max_frame_size = 20000,
                        .max_header_list_size = 500,
                        .header_table_size = 100,
                        .connection_window = 65535});
  EXPECT_EQ(Receive(),
            "SETTINGS MAX_CONCURRENT_STREAMS=3 NO_RFC7540_PRIORITIES=1 HEADER_TABLE_SIZE=100 INITIAL_WINDOW_SIZE=1000 MAX_FRAME_SIZE=20000 "
            "MAX_HEADER_LIST_SIZE=500\n");
}

// RFC 7541 4.2: whoever acknowledges a smaller table says so at the head of its next block. Until then it may use the default one.
TEST_F(ServerTest, ASmallerHeaderTableHoldsFromItsAcknowledgementOn) {
  constexpr uint8_t kWhole = frame::flags::kEndHeaders | frame::flags::kEndStream;
  const std::string get = "\x82\x86\x84\x01\x01" "a";  // :method GET, :scheme http, :path /, :authority a
  Start(Role::kServer, {.header_table_size = 0});
  Receive();
  AnswerAll();
  const std::string adds = get + "\x40\x01x\x01y", refers = get + "\xbe";
  EXPECT_TRUE(Send(peer_.ClientPreface().Settings({}).Raw(FrameType::kHeaders, kWhole, 1, adds).Raw(FrameType::kHeaders, kWhole, 3, refers)));
  EXPECT_EQ(handler_.requests.size(), 2u);
  EXPECT_TRUE(Send(peer_.SettingsAck().Raw(FrameType::kHeaders, kWhole, 5, "\x20" + get)));
  EXPECT_EQ(handler_.requests.size(), 3u);
  Receive();
  EXPECT_NE(Exchange(peer_.Raw(FrameType::kHeaders, kWhole, 7, refers)).find("GOAWAY last=5 COMPRESSION_ERROR"), std::string::npos);
}

TEST_F(ServerTest, RefusesAnythingButThePreface) {
  Start(Role::kServer);
  Receive();
  EXPECT_TRUE(SendBytes("GET / HTTP/1.1\r\n"));
  EXPECT_EQ(
      Receive(),
      "GOAWAY last=0 PROTOCOL_ERROR debug=not an HTTP/2 connection preface; the bytes look like an HTTP/1.1 "
      "request\n<end>\n");
}

// 3.4
TEST_F(ServerTest, TheFirstFrameMustBeSettings) {
  Start(Role::kServer);
  Receive();
  EXPECT_EQ(Exchange(peer_.ClientPreface().Headers(1, kGet, kEndStream)),
            "GOAWAY last=0 PROTOCOL_ERROR debug=the first frame is not SETTINGS\n<end>\n");
  EXPECT_TRUE(handler_.requests.empty());
}

TEST_F(ServerTest, AnAcknowledgementIsNoFirstSettings) {
  Start(Role::kServer);
  Receive();
  EXPECT_EQ(Exchange(peer_.ClientPreface().SettingsAck()),
            "GOAWAY last=0 PROTOCOL_ERROR debug=the first frame is not SETTINGS\n<end>\n");
}

TEST_F(ServerTest, APeerWithoutSettingsIsCutOff) {
  Start(Role::kServer, {.handshake_timeout = seconds(10)});
  EXPECT_TRUE(Send(peer_.ClientPreface()));
  Receive();
  PassTime(milliseconds(9900));
  EXPECT_EQ(Receive(), "");
  PassTime(milliseconds(200));
  EXPECT_EQ(Receive(), "GOAWAY last=0 SETTINGS_TIMEOUT debug=no SETTINGS within 10000 ms\n<end>\n");
  EXPECT_EQ(limits_.Text(), "settings_timeout=1");
}

TEST_F(ServerTest, AnIdleConnectionIsDrained) {
  Connect({.idle_timeout = seconds(60)});
  PassTime(seconds(31));
  EXPECT_EQ(Exchange(peer_.Ping("12345678")), "PING ACK 3132333435363738\n") << "which does not count as use";
  PassTime(seconds(30));
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
  EXPECT_EQ(limits_.Text(), "idle_timeout=1");
}

TEST_F(ServerTest, AnIdlePeerThatAnswersNothingIsClosedAllTheSame) {
  Connect({.idle_timeout = seconds(60), .keepalive_timeout = seconds(20)});
  PassTime(seconds(31));
  PassTime(seconds(30));
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
  PassTime(seconds(19));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR debug=draining\nGOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ServerTest, AStreamKeepsItsConnection) {
  Connect({.idle_timeout = seconds(60)});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  for (int i = 0; i < 10; ++i) PassTime(seconds(31));
  EXPECT_EQ(Receive(), "");
  Release(request(0));
  Receive();
  AnswerAll();
  for (frame::StreamId id = 3; id < 23; id += 2) {  // and so do those that come and go
    PassTime(seconds(31));
    EXPECT_EQ(Exchange(peer_.Headers(id, kGet, kEndStream)).find("GOAWAY"), std::string::npos);
  }
}

TEST_F(ServerTest, TheIdleTimeBeginsWhenTheLastStreamEnds) {
  Connect({.idle_timeout = seconds(60)});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  PassTime(seconds(31));
  PassTime(seconds(28));
  Release(request(0));
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 CANCEL\n");
  PassTime(seconds(59));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(3));
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
}

TEST_F(ServerTest, AnIdleConnectionIsDrainedHoweverSeldomItsPeerIsAsked) {
  Connect({.idle_timeout = seconds(60), .keepalive_time = seconds(7200)});
  PassTime(seconds(31));
  PassTime(seconds(30));
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
}

TEST_F(ServerTest, AnIdleConnectionIsDrainedHoweverOftenItsPeerIsAsked) {
  Connect({.idle_timeout = seconds(60), .keepalive_time = seconds(10), .keepalive_timeout = seconds(20)});
  std::string heard;
  for (int i = 0; i < 9; ++i) {
    PassTime(seconds(10));
    const std::string asked = Receive();
    if (asked == "PING 7374696c6c207570\n") peer_.Ping("still up", true);
    EXPECT_TRUE(Send(peer_));
    heard += asked;
  }
  EXPECT_NE(heard.find("PING 7374696c6c207570\n"), std::string::npos);
  EXPECT_NE(heard.find("GOAWAY last=2147483647 NO_ERROR debug=draining\n"), std::string::npos) << heard;
}

TEST_F(ServerTest, WithoutAnIdleTimeoutItIsKeptForEver) {
  Connect({.idle_timeout = seconds(0)});
  PassTime(seconds(1000000));
  EXPECT_EQ(Exchange(peer_.Ping("12345678")), "PING ACK 3132333435363738\n");
}

TEST_F(ServerTest, AHeaderBlockMustEndInTime) {
  Connect({.header_block_timeout = seconds(10)});
  EXPECT_TRUE(Send(peer_.Raw(FrameType::kHeaders, 0, 1, "")));
  PassTime(seconds(9));
  EXPECT_TRUE(Send(peer_.Raw(FrameType::kContinuation, 0, 1, "")));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  EXPECT_EQ(Receive(), "GOAWAY last=0 ENHANCE_YOUR_CALM debug=a header block is not ended in time\n<end>\n");
  EXPECT_EQ(limits_.Text(), "slow_header_block=1");
}

TEST_F(ServerTest, EachHeaderBlockHasItsOwnTime) {
  Connect({.header_block_timeout = seconds(10), .idle_timeout = seconds(0)});  // nothing else is watched
  EXPECT_TRUE(Send(peer_.Raw(FrameType::kHeaders, 0, 1, "")));
  const io::Timer::Clock::time_point first = loop_.timers().earliest();
  const std::string fields = "\x82\x86\x84\x41\x01" "a";  // GET http://a/
  EXPECT_TRUE(Send(peer_.Raw(FrameType::kContinuation, frame::flags::kEndHeaders, 1, fields).Raw(FrameType::kHeaders, 0, 3, "")));
  EXPECT_GT(loop_.timers().earliest(), first) << "of a block that came together with the end of the one before";
  EXPECT_TRUE(Send(peer_.Raw(FrameType::kContinuation, frame::flags::kEndHeaders, 3, fields)));
  EXPECT_TRUE(loop_.timers().empty());
  EXPECT_EQ(handler_.requests.size(), 2u);
}

TEST_F(ServerTest, ASilentPeerIsAskedAndThenCutOff) {
  Connect({.keepalive_time = seconds(60), .keepalive_timeout = seconds(20)});
  PassTime(seconds(61));  // it has said its SETTINGS in that time
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(60));
  EXPECT_EQ(Receive(), "PING 7374696c6c207570\n");
  EXPECT_TRUE(Send(peer_.Ping("still up", true)));
  PassTime(seconds(20));
  PassTime(seconds(60));
  EXPECT_EQ(Receive(), "PING 7374696c6c207570\n");
  PassTime(seconds(21));
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(limits_.Text(), "keepalive_timeout=1");
}

TEST_F(ServerTest, AKeepaliveTimeoutOfZeroIsTheDefault) {
  Connect({.keepalive_time = seconds(60), .keepalive_timeout = seconds(0)});
  PassTime(seconds(61));
  PassTime(seconds(60));
  EXPECT_EQ(Receive(), "PING 7374696c6c207570\n");
  PassTime(seconds(19));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
  EXPECT_EQ(limits_.Text(), "keepalive_timeout=1");
}

TEST_F(ServerTest, AcknowledgesEverySettings) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Settings({}).Settings({{SettingId::kHeaderTableSize, 0}})),
            "SETTINGS ACK\nSETTINGS ACK\n");
  AnswerAll();
  EXPECT_EQ(Exchange(peer_.Headers(1, kGet, kEndStream)),
            "HEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
}

TEST_F(ServerTest, UnknownSettingsAndFramesAreIgnored) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Settings({{static_cast<SettingId>(0x99), 7}})
                         .Raw(static_cast<FrameType>(0x77), 0xff, 5, "whatever")
                         .Raw(static_cast<FrameType>(0x78), 0, 0, "")
                         .Priority(3, {.depends_on = 1, .exclusive = false, .weight = 3})),
            "SETTINGS ACK\n");
}

// 6.5.2, 6.9.2
TEST_F(ServerTest, AWindowBeyondItsLargestSizeIsAConnectionError) {
  Connect();
  EXPECT_EQ(
      Exchange(peer_.Settings({{SettingId::kInitialWindowSize, 0x80000000u}})),
      "GOAWAY last=0 FLOW_CONTROL_ERROR debug=INITIAL_WINDOW_SIZE of 2147483648 exceeds 2^31-1\n<end>\n");
}

TEST_F(ServerTest, TheSameByteByByte) {
  SessionTest::Connect(Role::kServer, {}, {}, {.most_per_call = 1});
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Data(1, "hello", kEndStream)), "");
  EXPECT_EQ(request(0).body, "hello");
  SendHead(request(0));
  SendData(request(0), "world", true);
  EXPECT_EQ(Receive(),
            "HEADERS stream=1 END_HEADERS :status=200\nDATA stream=1 len=5 END_STREAM data=world\n");
}

// --- requests and responses ---

// RFC 9110 15.2
TEST_F(ServerTest, InterimHeadsGoBeforeTheOneThatCounts) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kGet, kEndStream)), "");
  OnLoop([&] {
    http::Exchange& exchange = *request(0).exchange;
    const Fields fields = {{"link", "</a>"}};
    exchange.SendHead({100, {}}, false);
    exchange.SendHead({103, fields}, false);
    exchange.SendHead({200, {}}, true);
    exchange.SendHead({103, fields}, false);  // too late
  });
  EXPECT_EQ(Receive(),
            "HEADERS stream=1 END_HEADERS :status=100\n"
            "HEADERS stream=1 END_HEADERS :status=103 link=</a>\n"
            "HEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
  Release(request(0));
}

TEST_F(ServerTest, ServesARequestWithBodyAndTrailers) {
  Connect();
  EXPECT_EQ(
      Exchange(peer_.Headers(1, kPost).Data(1, "abc").Data(1, "").Headers(1, {{"sum", "6"}}, kEndStream)),
      "");
  EXPECT_EQ(request(0).log, "POST /\ndata abc\ndata\ntrailers {sum=6}\n");
  OnLoop([&] {
    http::Exchange& exchange = *request(0).exchange;
    EXPECT_EQ(exchange.http_major(), 2);
    EXPECT_EQ(exchange.peer(), "memory");
    EXPECT_EQ(&exchange.loop(), &loop_);
    EXPECT_EQ(exchange.Hijack().status().code(), StatusCode::kFailedPrecondition);
    const Fields fields = {{"server", "culvert"}}, trailers = {{"grpc-status", "0"}};
    exchange.SendHead({200, fields}, false);
    exchange.SendData(io::SharedBytes::Copy("xyz"), false);
    exchange.SendTrailers(trailers);
    exchange.SendHead({500, {}}, true);  // once is enough
    request(0).Release();
  });
  EXPECT_EQ(Receive(),
            "HEADERS stream=1 END_HEADERS :status=200 server=culvert\n"
            "DATA stream=1 len=3 data=xyz\n"
            "HEADERS stream=1 END_STREAM END_HEADERS grpc-status=0\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ServerTest, HeadMessageAndTrailersLeaveInOneWrite) {
  Connect({}, {}, {.capacity = 16 * 1024});
  handler_.on_request = [](RecordingReceiver& request) {
    request.exchange->SendHead({200, {}}, false);
    std::copy_n("in place", 8, request.exchange->TrySendInPlace(8, false));
    request.exchange->SendTrailers(Fields{{"grpc-status", "0"}});
    request.Release();
  };
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  std::array<uint8_t, 1000> space;
  const io::IoResult read = peer_stream_->TryRead(space);
  EXPECT_EQ(heard_->Read({reinterpret_cast<const char*>(space.data()), read.bytes}),
            "HEADERS stream=1 END_HEADERS :status=200\n"
            "DATA stream=1 len=8 data=in place\n"
            "HEADERS stream=1 END_STREAM END_HEADERS grpc-status=0\n");
}

TEST_F(ServerTest, AnIdleConnectionHoldsNoBlock) {
  Start(Role::kServer);
  EXPECT_FALSE(session()->holds_blocks());
  EXPECT_TRUE(Send(peer_.ClientPreface().Settings({})));
  AnswerAll();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  Receive();
  EXPECT_FALSE(session()->holds_blocks());
  EXPECT_TRUE(SendBytes("torn"));
  EXPECT_TRUE(session()->holds_blocks());
  EXPECT_EQ(Receive(), "");
}

// --- malformed requests (8.1.1) ---

TEST_F(ServerTest, AMalformedHeadResetsItsStreamAlone) {
  Connect();
  AnswerAll();
  EXPECT_EQ(
      Exchange(
          peer_.Headers(1, {{":method", "GET"}, {":path", "/"}}, kEndStream)
              .Headers(3, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"Upper", "x"}},
                       kEndStream)
              .Headers(5, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"te", "gzip"}},
                       kEndStream)
              .Headers(7, {{"x", "y"}, {":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, kEndStream)
              .Headers(9, kGet, kEndStream)),
      "RST_STREAM stream=1 PROTOCOL_ERROR\n"
      "RST_STREAM stream=3 PROTOCOL_ERROR\n"
      "RST_STREAM stream=5 PROTOCOL_ERROR\n"
      "RST_STREAM stream=7 PROTOCOL_ERROR\n"
      "HEADERS stream=9 END_STREAM END_HEADERS :status=200\n");
  EXPECT_EQ(handler_.requests.size(), 1u);
}

TEST_F(ServerTest, TrailersMustEndTheStream) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Headers(1, {{"a", "b"}})),
            "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: trailers without END_STREAM\n");
}

TEST_F(ServerTest, TrailersHaveNoPseudoFields) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Headers(1, {{":path", "/"}}, kEndStream)),
            "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: pseudo-header field in trailers\n");
}

TEST_F(ServerTest, ContentLengthMustAgreeWithTheBody) {
  Connect();
  const auto post = [](std::string_view length) {
    Fields fields = kPost;
    fields.push_back({"content-length", length});
    return fields;
  };
  EXPECT_EQ(Exchange(peer_.Headers(1, post("3")).Data(1, "abc", kEndStream)), "");
  EXPECT_EQ(Exchange(peer_.Headers(3, post("3")).Data(3, "abcd")), "RST_STREAM stream=3 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Headers(5, post("3")).Data(5, "ab", kEndStream)),
            "RST_STREAM stream=5 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Headers(7, post("3")).Data(7, "ab").Headers(7, {{"a", "b"}}, kEndStream)),
            "RST_STREAM stream=7 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Headers(9, post("3"), kEndStream)), "RST_STREAM stream=9 PROTOCOL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Headers(11, post("three"))), "RST_STREAM stream=11 PROTOCOL_ERROR\n");
  EXPECT_EQ(request(0).log, "POST /\ndata abc end\n");
  EXPECT_EQ(request(1).log, "POST /\nclosed INTERNAL: DATA and content-length do not agree\n");
}

TEST_F(ServerTest, AHeaderListThatIsTooLargeIsAnsweredWith431) {
  Connect({.max_header_list_size = 500});
  AnswerAll();
  Fields large = kGet;
  const std::string value(500, 'x');
  large.push_back({"x", value});
  EXPECT_EQ(Exchange(peer_.Headers(1, large, kEndStream)),
            "HEADERS stream=1 END_STREAM END_HEADERS :status=431\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, large)),
            "HEADERS stream=3 END_STREAM END_HEADERS :status=431\nRST_STREAM stream=3 NO_ERROR\n");
  // The table of the compression is in step all the same.
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream)),
            "HEADERS stream=5 END_STREAM END_HEADERS :status=200\n");
  EXPECT_EQ(session()->stream_count(), 0u);
  EXPECT_EQ(limits_.Text(), "header_list_too_large=2");
}

TEST_F(ServerTest, ALongHeadComesInContinuations) {
  Connect();
  AnswerAll();
  Fields fields = kGet;
  const std::string value(100, 'x');
  fields.push_back({"x", value});
  EXPECT_EQ(Exchange(peer_.Headers(1, fields, kEndStream, 30)),
            "HEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
}

// 6.10
TEST_F(ServerTest, NothingMayInterruptAHeaderBlock) {
  Connect();
  EXPECT_EQ(
      Exchange(peer_.Raw(FrameType::kHeaders, 0, 1, "").Ping("12345678")),
      "GOAWAY last=0 PROTOCOL_ERROR debug=PING on stream 0 within the header block of stream 1\n<end>\n");
}

TEST_F(ServerTest, AContinuationFloodIsCutOff) {
  Connect();
  peer_.Raw(FrameType::kHeaders, 0, 1, "");
  for (int i = 0; i < 100; ++i) peer_.Raw(FrameType::kContinuation, 0, 1, "");
  EXPECT_EQ(
      Exchange(peer_),
      "GOAWAY last=0 ENHANCE_YOUR_CALM debug=more than 8 CONTINUATION frames in one header block\n<end>\n");
  EXPECT_EQ(limits_.Text(), "continuation_flood=1");
}

TEST_F(ServerTest, ABrokenHeaderBlockEndsTheConnection) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kHeaders, frame::flags::kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"))
                .substr(0, 32),
            "GOAWAY last=0 COMPRESSION_ERROR ");
}

TEST_F(ServerTest, AFrameThatIsTooLongEndsTheConnection) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Data(1, std::string(16385, 'x'))),
            "GOAWAY last=1 FRAME_SIZE_ERROR debug=frame of 16385 bytes exceeds 16384\n<end>\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: frame of 16385 bytes exceeds 16384\n");
}

// --- streams and their states (5.1) ---

TEST_F(ServerTest, FramesOnAnIdleStreamEndTheConnection) {
  const auto goaway_to = [this](FrameScript& script) {
    Connect();
    return Exchange(script);
  };
  EXPECT_EQ(goaway_to(FrameScript().Data(1, "x")),
            "GOAWAY last=0 PROTOCOL_ERROR debug=DATA on an idle stream\n<end>\n");
  EXPECT_EQ(goaway_to(FrameScript().RstStream(1, ErrorCode::kCancel)),
            "GOAWAY last=0 PROTOCOL_ERROR debug=RST_STREAM on an idle stream\n<end>\n");
  EXPECT_EQ(goaway_to(FrameScript().WindowUpdate(1, 1)),
            "GOAWAY last=0 PROTOCOL_ERROR debug=WINDOW_UPDATE on an idle stream\n<end>\n");
  EXPECT_EQ(goaway_to(FrameScript().Headers(2, kGet)).substr(0, 30), "GOAWAY last=0 PROTOCOL_ERROR d");
}

// 5.1.1
TEST_F(ServerTest, AStreamIdentifierIsUsedOnceAndOnlyRisesInOrder) {
  Connect();
  AnswerAll();
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream)),
            "HEADERS stream=5 END_STREAM END_HEADERS :status=200\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, kGet, kEndStream)),
            "GOAWAY last=5 STREAM_CLOSED debug=HEADERS on a closed stream\n<end>\n");
}

TEST_F(ServerTest, NothingFollowsTheEndOfARequest) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kGet, kEndStream).Data(1, "x")), "RST_STREAM stream=1 STREAM_CLOSED\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, kGet, kEndStream).Headers(3, {{"a", "b"}}, kEndStream)),
            "RST_STREAM stream=3 STREAM_CLOSED\n");
  EXPECT_EQ(request(0).log, "GET / end\nclosed INTERNAL: DATA after the peer ended the stream\n");
  EXPECT_EQ(request(1).log, "GET / end\nclosed INTERNAL: HEADERS after the peer ended the stream\n");
}

TEST_F(ServerTest, WhatWasInFlightForAStreamThatWeResetIsDropped) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  Reset(request(0), StatusCode::kInternal);
  EXPECT_EQ(Receive(), "RST_STREAM stream=1 INTERNAL_ERROR\n");
  EXPECT_EQ(Exchange(peer_.Data(1, "late").WindowUpdate(1, 5).Headers(1, {{"a", "b"}}, kEndStream)), "");
  EXPECT_EQ(request(0).log, "POST /\n");  // Reset: OnClosed is not called
  Release(request(0));
  EXPECT_EQ(Exchange(peer_.Data(1, "later")), "");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ServerTest, DataForStreamsLongForgottenIsNoFlood) {
  Connect();
  handler_.on_request =
      [](RecordingReceiver& request) {  // ends each call early, as a handler that fails does
        request.exchange->SendHead({200, {}}, true);
        request.Release();
      };
  constexpr frame::StreamId kStreams = 3000;
  for (frame::StreamId i = 0; i < kStreams; ++i) peer_.Headers(2 * i + 1, kPost);
  EXPECT_TRUE(Send(peer_));
  Receive();
  for (frame::StreamId i = 0; i < kStreams; ++i) peer_.Data(2 * i + 1, "was in flight");
  EXPECT_TRUE(Send(peer_));
  const std::string answer = Receive();
  EXPECT_EQ(answer.substr(0, answer.find('\n')), "RST_STREAM stream=1 STREAM_CLOSED");
  EXPECT_EQ(answer.find("GOAWAY"), answer.npos);
  EXPECT_EQ(Exchange(peer_.Ping("12345678")), "PING ACK 3132333435363738\n");
}

TEST_F(ServerTest, TrailersForStreamsLongForgottenAreNoReuse) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.exchange->SendHead({200, {}}, true);
    request.Release();
  };
  constexpr frame::StreamId kStreams = 100;
  for (frame::StreamId i = 0; i < kStreams; ++i) peer_.Headers(2 * i + 1, kPost);
  EXPECT_TRUE(Send(peer_));
  Receive();
  for (frame::StreamId i = 0; i < kStreams; ++i) peer_.Headers(2 * i + 1, {{"a", "b"}}, kEndStream);
  EXPECT_EQ(Exchange(peer_.Ping("12345678")), "PING ACK 3132333435363738\n");
}

TEST_F(ServerTest, WhatFollowsThePeersOwnResetIsNotInFlight) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  Reset(request(0), StatusCode::kInternal);
  Receive();
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel).Data(1, "late")), "RST_STREAM stream=1 STREAM_CLOSED\n");
}

TEST_F(ServerTest, StreamErrorsOfTheFramerResetTheirStream) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).WindowUpdate(1, 0)), "RST_STREAM stream=1 PROTOCOL_ERROR\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: WINDOW_UPDATE with increment 0\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, kPost).Priority(3, {.depends_on = 3})),
            "RST_STREAM stream=3 PROTOCOL_ERROR\n");
}

TEST_F(ServerTest, PushPromiseIsRefused) {
  Connect();
  EXPECT_EQ(Exchange(peer_.PushPromise(1, 2, kGet)),
            "GOAWAY last=0 PROTOCOL_ERROR debug=PUSH_PROMISE although push is disabled\n<end>\n");
}

// --- MAX_CONCURRENT_STREAMS (5.1.2) ---

TEST_F(ServerTest, RefusesStreamsBeyondItsLimit) {
  Connect({.max_concurrent_streams = 2});
  EXPECT_EQ(Exchange(peer_.Headers(1, kGet, kEndStream).Headers(3, kPost).Headers(5, kPost).Data(5, "x")),
            "RST_STREAM stream=5 REFUSED_STREAM\n");
  EXPECT_EQ(handler_.requests.size(), 2u);
  EXPECT_EQ(limits_.Text(), "refused_stream=1");
}

TEST_F(ServerTest, AStreamCountsUntilItsHandlerHasReleasedIt) {
  Connect({.max_concurrent_streams = 1});
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).RstStream(1, ErrorCode::kCancel)), "");
  EXPECT_EQ(request(0).log, "POST /\nclosed CANCELLED: stream reset by the peer: CANCEL (8)\n");
  EXPECT_EQ(Exchange(peer_.Headers(3, kGet, kEndStream)), "RST_STREAM stream=3 REFUSED_STREAM\n");
  Release(request(0));
  AnswerAll();
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream)),
            "HEADERS stream=5 END_STREAM END_HEADERS :status=200\n");
}

// --- RST_STREAM ---

TEST_F(ServerTest, AResetReachesTheReceiverOnce) {
  Connect();
  EXPECT_EQ(
      Exchange(peer_.Headers(1, kPost).RstStream(1, ErrorCode::kCancel).RstStream(1, ErrorCode::kCancel)),
      "");
  EXPECT_EQ(request(0).log, "POST /\nclosed CANCELLED: stream reset by the peer: CANCEL (8)\n");
  // What is sent to a stream that is over is dropped.
  SendHead(request(0));
  SendData(request(0), "x");
  SendTrailers(request(0), {{"a", "b"}});
  EXPECT_FALSE(TrySendInPlace(request(0), "x"));
  Reset(request(0), StatusCode::kInternal);
  Release(request(0));
  EXPECT_EQ(Receive(), "");
}

TEST_F(ServerTest, ReleaseBeforeTheEndResets) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost).Headers(5, kPost)));
  Release(request(0));  // neither side has ended
  SendHead(request(1), true);
  Release(request(1));  // the answer is complete, the rest of the request is not needed
  SendHead(request(2));
  SendData(request(2), "cut off");
  Release(request(2));
  EXPECT_EQ(Receive(),
            "RST_STREAM stream=1 CANCEL\n"
            "HEADERS stream=3 END_STREAM END_HEADERS :status=200\n"
            "RST_STREAM stream=3 NO_ERROR\n"
            "HEADERS stream=5 END_HEADERS :status=200\n"
            "DATA stream=5 len=7 data=cut off\n"
            "RST_STREAM stream=5 CANCEL\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ServerTest, AReleasedStreamSendsWhatIsQueued) {
  Connect({}, {{SettingId::kInitialWindowSize, 4}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kGet, kEndStream)));
  for (RecordingReceiver* r : {&request(0), &request(1)}) {
    SendHead(*r);
    SendData(*r, "12345678");
    SendTrailers(*r, {{"grpc-status", "0"}});
    Release(*r);
  }
  Receive();
  EXPECT_EQ(session()->stream_count(), 2u);
  EXPECT_EQ(Exchange(peer_.Data(1, "dropped").WindowUpdate(1, 4).WindowUpdate(3, 4)),
            "DATA stream=1 len=4 data=5678\n"
            "HEADERS stream=1 END_STREAM END_HEADERS grpc-status=0\n"
            "RST_STREAM stream=1 NO_ERROR\n"
            "DATA stream=3 len=4 data=5678\n"
            "HEADERS stream=3 END_STREAM END_HEADERS grpc-status=0\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ServerTest, AReleasedStreamThatThePeerResetsIsForgotten) {
  Connect({}, {{SettingId::kInitialWindowSize, 4}});
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  SendData(request(0), "12345678", true);
  Release(request(0));
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_HEADERS :status=200\nDATA stream=1 len=4 data=1234\n");
  EXPECT_EQ(session()->stream_count(), 1u);
  EXPECT_EQ(Exchange(peer_.RstStream(1, ErrorCode::kCancel)), "");
  EXPECT_EQ(session()->stream_count(), 0u);
}

// --- GOAWAY ---

// 6.8
TEST_F(ServerTest, DrainsInTwoStepsAndClosesWhenTheLastStreamIsDone) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  OnLoop([&] { session()->Drain(); });
  EXPECT_FALSE(session()->accepts_requests());
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
  // Was in flight when the client heard of it.
  EXPECT_EQ(Exchange(peer_.Headers(3, kGet, kEndStream)), "");
  EXPECT_EQ(handler_.requests.size(), 2u);
  EXPECT_EQ(Exchange(peer_.Ping("draining", true)), "GOAWAY last=3 NO_ERROR debug=draining\n");
  SendHead(request(0), true);
  Release(request(0));
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
  SendHead(request(1), true);
  Release(request(1));
  EXPECT_EQ(Receive(),
            "HEADERS stream=3 END_STREAM END_HEADERS :status=200\nGOAWAY last=3 NO_ERROR\n<end>\n");
}

// 6.8: the last stream is never raised again, and what concerns later ones is ignored.
TEST_F(ServerTest, StreamsAfterTheSecondGoAwayAreIgnored) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  OnLoop([&] { session()->Drain(); });
  EXPECT_TRUE(Send(peer_.Ping("draining", true)));
  Receive();
  EXPECT_EQ(
      Exchange(peer_.Headers(3, kPost).Data(3, "x").WindowUpdate(3, 1).Headers(3, {{"a", "b"}}, kEndStream)),
      "");
  EXPECT_EQ(handler_.requests.size(), 1u);
  SendHead(request(0), true);
  Release(request(0));
  EXPECT_EQ(Receive(),
            "HEADERS stream=1 END_STREAM END_HEADERS :status=200\nGOAWAY last=1 NO_ERROR\n<end>\n");
}

TEST_F(ServerTest, AnIdleConnectionDrainsWithARoundTrip) {
  Connect();
  OnLoop([&] { session()->Drain(); });
  OnLoop([&] { session()->Drain(); });
  EXPECT_EQ(Receive(), "GOAWAY last=2147483647 NO_ERROR debug=draining\nPING 647261696e696e67\n");
  EXPECT_EQ(Exchange(peer_.Ping("draining", true)),
            "GOAWAY last=0 NO_ERROR debug=draining\nGOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ServerTest, DrainingEndsWithoutAnAnswerToo) {
  Connect({.idle_timeout = seconds(0), .keepalive_timeout = seconds(20)});  // nothing else is watched
  OnLoop([&] { session()->Drain(); });
  Receive();
  PassTime(seconds(19));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(60));
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR debug=draining\nGOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ServerTest, ADrainedPeerHasItsTimeToAnswerWheneverTheConnectionIsWatched) {
  Connect({.idle_timeout = seconds(60), .keepalive_timeout = seconds(40)});
  OnLoop([&] { session()->Drain(); });
  Receive();
  PassTime(seconds(31));  // half the idle timeout
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(60));
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR debug=draining\nGOAWAY last=0 NO_ERROR\n<end>\n");
}

TEST_F(ServerTest, AClientsGoAwayLetsItsStreamsFinish) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream).GoAway(0, ErrorCode::kNoError)));
  EXPECT_EQ(Receive(), "");
  SendHead(request(0), true);
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_STREAM END_HEADERS :status=200\n");
}

// --- PING ---

// 6.7
TEST_F(ServerTest, AnswersPings) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Ping("abcdefgh").Ping("ijklmnop").Ping("qrstuvwx", true)),
            "PING ACK 6162636465666768\nPING ACK 696a6b6c6d6e6f70\n");
}

constexpr std::string_view kPing = "12345678";
const std::string kPong = "PING ACK 3132333435363738\n";
const std::string kTooManyPings = "ENHANCE_YOUR_CALM debug=too_many_pings\n<end>\n";

TEST_F(ServerTest, APingFloodIsCutOff) {
  Connect();
  for (int i = 0; i < 100; ++i) peer_.Ping(kPing);
  EXPECT_EQ(Exchange(peer_), kPong + kPong + kPong + "GOAWAY last=0 " + kTooManyPings);
  EXPECT_EQ(limits_.Text(), "too_many_pings=1");
}

TEST_F(ServerTest, AnOpenStreamIsNoLeaveToFlood) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  for (int i = 0; i < 100; ++i) peer_.Ping(kPing);
  EXPECT_EQ(Exchange(peer_), kPong + kPong + kPong + "GOAWAY last=1 " + kTooManyPings);
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: too_many_pings\n");
}

TEST_F(ServerTest, StrikesAreAnOption) {
  Connect({.max_ping_strikes = 0});
  EXPECT_EQ(Exchange(peer_.Ping(kPing).Ping(kPing)), kPong + "GOAWAY last=0 " + kTooManyPings);
}

// As peers do that measure their path.
TEST_F(ServerTest, APingForEachHeadAndDataThatWeSendIsNoFlood) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  SendHead(request(0));
  Receive();
  for (int i = 0; i < 1000; ++i) {
    SendData(request(0), "x");
    ASSERT_EQ(Exchange(peer_.Ping(kPing)), "DATA stream=1 len=1 data=x\n" + kPong) << i;
  }
  AnswerAll();
  for (frame::StreamId i = 0; i < 1000; ++i) {
    ASSERT_EQ(Exchange(peer_.Headers(2 * i + 3, kGet, kEndStream).Ping(kPing)),
              "HEADERS stream=" + std::to_string(2 * i + 3) + " END_STREAM END_HEADERS :status=200\n" + kPong);
  }
  EXPECT_EQ(limits_.Text(), "");
}

TEST_F(ServerTest, AcknowledgementsAreNoPings) {
  Connect();
  for (int i = 0; i < 100; ++i) peer_.Ping(kPing, true);
  EXPECT_EQ(Exchange(peer_.Ping(kPing)), kPong);
}

// --- the end of a connection ---

TEST_F(ServerTest, CloseTellsEachReceiverOnce) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kGet, kEndStream).Headers(5, kGet, kEndStream)));
  SendHead(request(2), true);  // complete, though not released: nothing to tell
  Receive();
  OnLoop([&] { session()->Close(absl::UnavailableError("enough")); });
  OnLoop([&] { session()->Close(absl::UnavailableError("and again")); });
  EXPECT_EQ(Receive(), "GOAWAY last=5 NO_ERROR\n<end>\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed UNAVAILABLE: enough\n");
  EXPECT_EQ(request(1).log, "GET / end\nclosed UNAVAILABLE: enough\n");
  EXPECT_EQ(request(2).log, "GET / end\n");
}

TEST_F(ServerTest, ThePeerClosesInMidStream) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Data(1, "abc")));
  SendHead(request(0));
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_HEADERS :status=200\n");
  peer_stream_->ShutdownWrite();
  Pump();
  EXPECT_EQ(request(0).log, "POST /\ndata abc\nclosed UNAVAILABLE: connection closed by the peer\n");
  EXPECT_EQ(Receive(), "GOAWAY last=1 NO_ERROR\n<end>\n");
  EXPECT_FALSE(run_ended_);
  Release(request(0));
  EXPECT_TRUE(run_ended_);
}

TEST_F(ServerTest, ThePeerVanishes) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  EXPECT_EQ(Exchange(peer_.Ping("12345678")), "PING ACK 3132333435363738\n");
  peer_stream_->Close();
  Pump();
  EXPECT_EQ(request(0).log, "POST /\nclosed UNAVAILABLE: connection closed by the peer\n");
  Release(request(0));
  EXPECT_TRUE(run_ended_);
}

TEST_F(ServerTest, TheConnectionLastsUntilItsLastStreamIsReleased) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost)));
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kWindowUpdate, 0, 0, "1")),
            "GOAWAY last=3 FRAME_SIZE_ERROR debug=WINDOW_UPDATE of 1 bytes\n<end>\n");
  peer_stream_.reset();
  Pump();
  Release(request(0));
  EXPECT_FALSE(run_ended_);
  ASSERT_FALSE(weak_.expired());
  Release(request(1));
  EXPECT_TRUE(run_ended_);
  EXPECT_TRUE(weak_.expired());
}

TEST_F(ServerTest, LingersForAPeerThatHasNotHeardTheGoAwayYet) {
  Connect();
  OnLoop([&] { session()->Close(absl::UnavailableError("enough")); });
  EXPECT_TRUE(SendBytes(std::string(1000, 'x')));  // taken, so that no reset destroys the GOAWAY
  EXPECT_FALSE(run_ended_);
  EXPECT_EQ(Receive(), "GOAWAY last=0 NO_ERROR\n<end>\n");
  PassTime(milliseconds(1100));
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(limits_.Text(), "linger=1");
}

// --- a peer that does not read ---

// Of frames that may come as often as the peer likes: here, of pings.
TEST_F(ServerTest, WhoMakesUsAnswerAndReadsNothingIsReadNoFurther) {
  Connect({.output_budget = 1000, .min_ping_interval = seconds(0)}, {}, {.capacity = 2000});
  std::string pings;
  for (int i = 0; i < 20000; ++i) pings += FrameScript().Ping("12345678").Bytes();
  EXPECT_FALSE(SendBytes(pings));
  // In the pipe, and four times the budget within the session; one batch more was read before it noticed.
  const std::string described = session()->Describe();
  const size_t output = std::stoul(described.substr(described.find("output=") + 7));
  EXPECT_GT(output, 4000u);
  EXPECT_LE(output, 6000u);
  EXPECT_EQ(limits_.Text(), "output_stalled=1");
  bytes_heard_ = 0;
  const std::string answers = Receive();
  EXPECT_EQ(answers.substr(0, 27), "PING ACK 3132333435363738\nP");
  EXPECT_LE(bytes_heard_, 2000u + 6000u + 2000u);
  // It reads again: the connection lives on.
  EXPECT_FALSE(closed());
  EXPECT_TRUE(Send(FrameScript().Ping("12345678")) || true);
  EXPECT_NE(Receive(), "");
}

TEST_F(ServerTest, ReadingGoesOnOnceTheAnswersAreRead) {
  Connect({.output_budget = 1000, .min_ping_interval = seconds(0)}, {}, {.capacity = 2000});
  std::string pings;
  for (int i = 0; i < 2000; ++i) pings += FrameScript().Ping("12345678").Bytes();
  size_t answers = 0;
  while (!pings.empty()) {
    iovec piece{pings.data(), pings.size()};
    const io::IoResult result = peer_stream_->TryWrite({&piece, 1});
    if (result.kind == io::IoResult::Kind::kBytes) pings.erase(0, result.bytes);
    Pump();
    if (result.kind != io::IoResult::Kind::kBytes) {
      const std::string text = Receive();
      ASSERT_NE(text, "");
      answers += static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
    }
  }
  const std::string text = Receive();
  answers += static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  EXPECT_EQ(answers, 2000u);
}

TEST_F(ServerTest, APeerThatTakesNothingIsCutOff) {
  Connect({.write_timeout = seconds(30)}, {}, {.capacity = 1000});
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  SendData(request(0), std::string(5000, 'x'));
  PassTime(milliseconds(29900));
  EXPECT_FALSE(closed());
  PassTime(milliseconds(200));
  EXPECT_TRUE(closed());
  EXPECT_EQ(request(0).log, "GET / end\nclosed UNAVAILABLE: the peer took no bytes for 30000 ms\n");
  // What the pipe held, and no more.
  EXPECT_EQ(Receive(), "HEADERS stream=1 END_HEADERS :status=200\n<end>\n");
  EXPECT_EQ(limits_.Text(), "write_timeout=1");
}

TEST_F(ServerTest, AResponseThatNoWindowLetsGoIsResetInTheEnd) {
  Connect({.stall_timeout = seconds(60)}, {{SettingId::kInitialWindowSize, 10}});
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream).Headers(3, kGet, kEndStream)));
  for (int i = 0; i < 2; ++i) {
    SendHead(request(i));
    SendData(request(i), std::string(100, 'x'), true);
    Release(request(i));
  }
  Receive();
  for (int i = 0; i < 5; ++i) {  // the second is slow, and wants it all the same
    PassTime(milliseconds(30100));
    EXPECT_TRUE(Send(peer_.WindowUpdate(3, 1)));
  }
  const std::string heard = Receive();
  EXPECT_NE(heard.find("RST_STREAM stream=1 CANCEL\n"), std::string::npos) << heard;
  EXPECT_EQ(heard.find("RST_STREAM stream=3"), std::string::npos) << heard;
  EXPECT_EQ(session()->stream_count(), 1u);
  EXPECT_EQ(limits_.Text(), "stalled_response=1");
}

// --- batches ---

TEST_F(ServerTest, ALongBatchIsAnsweredAsItGoesWhenThereIsNoOtherConnection) {
  Connect();
  size_t heard_before_the_last = 0;
  handler_.on_request = [&](RecordingReceiver& request) {
    if (handler_.requests.size() == 300) {
      std::array<uint8_t, 4096> space;
      const io::IoResult result = peer_stream_->TryRead(space);
      heard_before_the_last = result.bytes;
    }
    request.exchange->SendHead({200, {}}, true);
    request.Release();
  };
  for (frame::StreamId i = 0; i < 300; ++i) peer_.Headers(2 * i + 1, kGet, kEndStream);
  EXPECT_TRUE(Send(peer_));
  EXPECT_EQ(handler_.requests.size(), 300u);
  EXPECT_GE(heard_before_the_last, 1024u);
}

TEST_F(ServerTest, ABatchEndsWithItsConnection) {
  Connect();
  handler_.on_request = [&](RecordingReceiver& request) {
    EXPECT_FALSE(session()->closed());  // nobody would ever end it
    if (handler_.requests.size() == 10) peer_stream_->Close();
    request.exchange->SendHead({200, {}}, true);
    request.Release();
  };
  for (frame::StreamId i = 0; i < 300; ++i) peer_.Headers(2 * i + 1, kGet, kEndStream);
  Send(peer_);
  EXPECT_LT(handler_.requests.size(), 300u);
  EXPECT_TRUE(closed());
}

// CVE-2026-47774: many lists, each within its limit, and handlers that hold on to them.
TEST_F(ServerTest, HeadersThatHandlersHoldAreBounded) {
  Connect({.max_concurrent_streams = 1000, .header_budget_per_stream = 2});
  const std::string value(900, 'x');
  Fields big = kGet;
  big.push_back({"x-big", value});
  EXPECT_TRUE(Send(peer_.Headers(1, big, kEndStream)));
  EXPECT_EQ(Exchange(peer_.Headers(3, big, kEndStream)), "RST_STREAM stream=3 REFUSED_STREAM\n");
  EXPECT_EQ(limits_.Text(), "header_budget=1");
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream)), "") << "which still fits";
  SendHead(request(0), true);
  Release(request(0));
  Receive();
  EXPECT_EQ(Exchange(peer_.Headers(7, big, kEndStream)), "") << "once the first is released";
  EXPECT_EQ(limits_.Text(), "header_budget=1");
}

TEST_F(ServerTest, AWriteTimeoutCountsFromTheLastByteTaken) {
  Connect({.write_timeout = seconds(30)}, {}, {.capacity = 1000});
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  SendData(request(0), std::string(5000, 'x'), true);
  PassTime(seconds(20));
  std::array<uint8_t, 500> space;
  std::string text;
  for (;;) {
    const io::IoResult read = peer_stream_->TryRead(space);
    if (read.kind != io::IoResult::Kind::kBytes) break;
    text += heard_->Read({reinterpret_cast<const char*>(space.data()), read.bytes});
    Pump();
  }
  EXPECT_EQ(text,
            "HEADERS stream=1 END_HEADERS :status=200\nDATA stream=1 len=5000 END_STREAM "
            "data=xxxxxxxxxxxxxxxx...\n");
  PassTime(seconds(100));
  EXPECT_FALSE(closed());
}

TEST_F(ServerTest, AWriteThatWasBlockedBeforeTheSettingsCameIsTimedToo) {
  Start(Role::kServer, {.handshake_timeout = seconds(10), .write_timeout = seconds(30)}, {.capacity = 40});
  peer_.ClientPreface();
  EXPECT_TRUE(Send(peer_));
  EXPECT_TRUE(Send(peer_.Settings({})));
  PassTime(milliseconds(30100));
  EXPECT_TRUE(closed());
  EXPECT_EQ(
      Receive(),
      "SETTINGS MAX_CONCURRENT_STREAMS=1000 NO_RFC7540_PRIORITIES=1 INITIAL_WINDOW_SIZE=262144 MAX_HEADER_LIST_SIZE=65536\n<end>\n");
}

// --- floods ---

TEST_F(ServerTest, RapidResetIsCutOff) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_closed = [&request] { request.Release(); };
  };
  for (frame::StreamId i = 0; i < 3000; ++i) {
    if (!Send(peer_.Headers(2 * i + 1, kGet, kEndStream).RstStream(2 * i + 1, ErrorCode::kCancel))) break;
  }
  EXPECT_NE(Receive().find(" ENHANCE_YOUR_CALM debug=too many reset streams\n<end>\n"), std::string::npos);
  EXPECT_GT(handler_.requests.size(), 2000u);
  EXPECT_LT(handler_.requests.size(), 3000u);  // the clock runs meanwhile, and so does the allowance
  EXPECT_EQ(limits_.Text(), "reset_flood=1");
}

TEST_F(ServerTest, StreamsThatThePeerMakesUsResetCountAsWell) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_closed = [&request] { request.Release(); };
  };
  for (frame::StreamId i = 0; i < 3000; ++i)
    peer_.Headers(2 * i + 1, kGet, kEndStream).WindowUpdate(2 * i + 1, 0);
  Send(peer_);
  EXPECT_NE(Receive().find(" ENHANCE_YOUR_CALM debug=too many reset streams\n<end>\n"), std::string::npos);
  EXPECT_GT(handler_.requests.size(), 2000u);
  EXPECT_LT(handler_.requests.size(), 3000u);
  EXPECT_EQ(limits_.Text(), "reset_flood=1 window_update_0=" + std::to_string(handler_.requests.size()));
}

TEST_F(ServerTest, ResetsOfCallsThatTheServerHasEndedAreNoFlood) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.exchange->SendHead({200, {}}, true);
    request.Release();
  };
  // As clients do that have not ended their stream of requests when the status comes.
  for (frame::StreamId i = 0; i < 10000; ++i) {
    ASSERT_TRUE(Send(peer_.Headers(2 * i + 1, kPost).RstStream(2 * i + 1, ErrorCode::kNoError)));
    ASSERT_EQ(Receive().find("GOAWAY"), std::string::npos) << i;
  }
}

TEST_F(ServerTest, OneSettingsFrameMayChangeTheWindowOften) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  SendData(request(0), std::string(70000, 'x'));
  Receive();  // 65535 bytes have gone
  std::vector<frame::Setting> settings;
  for (int i = 0; i < 15; ++i) {
    settings.push_back({SettingId::kInitialWindowSize, 1u << 20});
    settings.push_back({SettingId::kInitialWindowSize, 65535 + 10});
  }
  EXPECT_EQ(Exchange(peer_.Settings(settings).WindowUpdate(0, 10000)), "SETTINGS ACK\nDATA stream=1 len=10 data=xxxxxxxxxx\n");
  settings.assign(33, {SettingId::kInitialWindowSize, 1});
  EXPECT_NE(Exchange(peer_.Settings(settings)).find("ENHANCE_YOUR_CALM"), std::string::npos);
  EXPECT_EQ(limits_.Text(), "settings_too_many=1");
}

TEST_F(ServerTest, AHugeMaxFrameSizeMakesNoHugeFrames) {
  Connect({}, {{SettingId::kMaxFrameSize, frame::kMaxMaxFrameSize}, {SettingId::kInitialWindowSize, 1 << 30}});
  EXPECT_TRUE(Send(peer_.WindowUpdate(0, 1 << 30).Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  SendData(request(0), std::string(200000, 'x'), true);
  const std::string sent = Receive();
  EXPECT_NE(sent.find("DATA stream=1 len=66560 "), std::string::npos) << sent;
}

TEST_F(ServerTest, AReceiverThatAsksForMoreRoomThanThereEverIsDoesNotSpin) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  int asked = 0;
  request(0).on_writable = [&] { asked += request(0).exchange->TrySendInPlace(100000, false) == nullptr; };
  OnLoop([&] { EXPECT_EQ(request(0).exchange->TrySendInPlace(100000, false), nullptr); });
  EXPECT_TRUE(Send(peer_.WindowUpdate(1, 10)));
  EXPECT_LE(asked, 2);
}

TEST_F(ServerTest, CreditInCrumbsIsCutOff) {
  Connect();
  for (int i = 0; i < 1001; ++i) peer_.WindowUpdate(0, 1);
  EXPECT_EQ(Exchange(peer_), "GOAWAY last=0 ENHANCE_YOUR_CALM debug=too many WINDOW_UPDATE frames for the data sent\n<end>\n");
  EXPECT_EQ(limits_.Text(), "window_update_flood=1");
}

// Some clients widen each stream's window when they open it.
TEST_F(ServerTest, CreditForResponsesWithoutABodyIsNoFlood) {
  Connect();
  AnswerAll();
  for (frame::StreamId id = 1; id < 4000; id += 2) {
    ASSERT_EQ(Exchange(peer_.Headers(id, kGet, kEndStream).WindowUpdate(id, 1 << 20)),
              "HEADERS stream=" + std::to_string(id) + " END_STREAM END_HEADERS :status=200\n");
  }
}

TEST_F(ServerTest, EmptyDataIsCutOff) {
  Connect();
  peer_.Headers(1, kPost);
  for (int i = 0; i < 101; ++i) peer_.Data(1, "");
  EXPECT_EQ(Exchange(peer_), "GOAWAY last=1 ENHANCE_YOUR_CALM debug=too many empty DATA frames\n<end>\n");
  EXPECT_EQ(limits_.Text(), "empty_data_flood=1");
}

TEST_F(ServerTest, SettingsAndUnknownFramesAreCutOff) {
  Connect();
  for (int i = 0; i < 2000; ++i) peer_.Raw(static_cast<FrameType>(0x77), 0, 0, "");
  EXPECT_EQ(Exchange(peer_),
            "GOAWAY last=0 ENHANCE_YOUR_CALM debug=too many SETTINGS, PRIORITY, PRIORITY_UPDATE or unknown frames\n<end>\n");
  EXPECT_EQ(limits_.Text(), "control_flood=1");
}

// --- re-entrancy: what receivers do from within their callbacks ---

TEST_F(ServerTest, AReceiverReleasesFromWithinEachCallback) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_data = request.on_trailers = request.on_closed = [&request] { request.Release(); };
  };
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost)
                         .Data(1, "abc")
                         .Data(1, "def")
                         .Headers(3, kPost)
                         .Data(3, "abc", kEndStream)
                         .Headers(5, kPost)
                         .Headers(5, {{"a", "b"}}, kEndStream)
                         .Headers(7, kPost)
                         .RstStream(7, ErrorCode::kCancel)),
            "RST_STREAM stream=1 CANCEL\n"
            "RST_STREAM stream=3 CANCEL\n"
            "RST_STREAM stream=5 CANCEL\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(ServerTest, AReceiverReleasesWhenThereIsRoomAgain) {
  Connect({}, {{SettingId::kInitialWindowSize, 0}});
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_writable = [&request] { request.Release(); };
  };
  EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
  SendHead(request(0));
  EXPECT_FALSE(TrySendInPlace(request(0), "abc"));
  EXPECT_EQ(Exchange(peer_.WindowUpdate(1, 1)),
            "HEADERS stream=1 END_HEADERS :status=200\nRST_STREAM stream=1 CANCEL\n");
}

TEST_F(ServerTest, AReceiverResetsFromWithinItsCallback) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_data = [&request] { request.exchange->Reset(StatusCode::kResourceExhausted); };
  };
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Data(1, "abc").Data(1, "def")),
            "RST_STREAM stream=1 ENHANCE_YOUR_CALM\n");
  EXPECT_EQ(request(0).log, "POST /\ndata abc\n");
}

TEST_F(ServerTest, AReceiverReleasesAllOthersWhenTheConnectionCloses) {
  Connect();
  const auto release_all = [this] {
    for (auto& request : handler_.requests) {
      if (!request->released) request->Release();
    }
  };
  handler_.on_request = [&](RecordingReceiver& request) { request.on_closed = release_all; };
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost).Headers(5, kPost)));
  EXPECT_EQ(Exchange(peer_.Raw(FrameType::kPing, 0, 0, "short")),
            "GOAWAY last=5 FRAME_SIZE_ERROR debug=PING of 5 bytes\n<end>\n");
  EXPECT_EQ(request(0).log, "POST /\nclosed INTERNAL: PING of 5 bytes\n");
  EXPECT_EQ(request(1).log, "POST /\n");
}

TEST_F(ServerTest, AReceiverClosesTheConnectionFromWithinItsCallback) {
  Connect();
  handler_.on_request = [this](RecordingReceiver& request) {
    request.on_data = [this] { session()->Close(absl::UnavailableError("enough")); };
  };
  EXPECT_EQ(Exchange(peer_.Headers(1, kPost).Data(1, "abc").Data(1, "def")),
            "GOAWAY last=1 NO_ERROR\n<end>\n");
  EXPECT_EQ(request(0).log, "POST /\ndata abc\nclosed UNAVAILABLE: enough\n");
}

// --- for humans ---

TEST_F(ServerTest, DescribesItself) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Data(1, "abc")));
  EXPECT_EQ(session()->Describe(),
            "memory server streams=1 send_window=65535 output=0 unconsumed=0 unfinished=0 queued=0\n"
            "  stream 1 open send_window=65535 queued=0 unconsumed=0");
  EXPECT_EQ(Receive(), "");
}

}  // namespace
}  // namespace culvert::http2
