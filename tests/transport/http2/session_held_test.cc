// Requests that are held while more than Options::send_queue_budget of responses waits.

#include <asio/co_spawn.hpp>
#include <charconv>
#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/support/frame_script/recording.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "tests/transport/http2/session_fixture.h"
#include "transport/base/strings.h"

namespace culvert::http2 {
namespace {

using std::chrono::seconds;
using testing_support::RecordingReceiver;

constexpr Options kSmallBudget = {.send_queue_budget = 1000};
constexpr size_t kResponse = 1200;

Fields Post(std::string_view path) { return {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", path}}; }

// With a whole response that is more than the budget.
void Answer(RecordingReceiver& request, size_t size = kResponse, char what = 'x') {
  request.exchange->SendHead({200, {}}, false);
  request.exchange->SendData(io::SharedBytes::Copy(std::string(size, what)), true);
  request.Release();
}

class HeldTest : public SessionTest {
 protected:
  // To a client whose windows are closed. The response on stream 1 waits.
  void Connect(const Options& options = kSmallBudget) {
    SessionTest::Connect(Role::kServer, options, {{SettingId::kInitialWindowSize, 0}});
    EXPECT_TRUE(Send(peer_.Headers(1, kGet, kEndStream)));
    OnLoop([this] { Answer(request(0)); });
    Receive();
  }

  // The response on stream 1 goes out.
  std::string LetGo() { return Exchange(peer_.WindowUpdate(1, kResponse)); }

  size_t handled() const { return handler_.requests.size(); }
  bool Describes(std::string_view what) { return session()->Describe().find(what) != std::string::npos; }
  size_t queued() {
    const std::string text = session()->Describe();
    const size_t at = text.find(" queued=") + 8;
    size_t bytes = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), bytes);
    return bytes;
  }
};

// --- their turn ---

TEST_F(HeldTest, StartInTheirOrderOnceTheQueueIsShort) {
  Connect();
  std::string expected;
  for (frame::StreamId id = 3; id < 103; id += 2) {
    const std::string path = "/" + std::to_string(id);
    EXPECT_EQ(Exchange(peer_.Headers(id, Post(path), kEndStream)), "");
    expected += "POST " + path + " end\n";
  }
  EXPECT_EQ(handled(), 1u);
  EXPECT_TRUE(Describes(" request held"));
  EXPECT_EQ(limits_.Text(), "request_held=50");
  LetGo();
  std::string logs;
  for (size_t i = 1; i < handled(); ++i) logs += request(i).log;
  EXPECT_EQ(logs, expected);
  EXPECT_FALSE(Describes(" request held"));
}

TEST_F(HeldTest, StartOneByOneWhenEachFillsTheQueue) {
  Connect();
  handler_.on_request = [](RecordingReceiver& request) { Answer(request); };
  EXPECT_TRUE(Send(peer_.Headers(3, kGet, kEndStream).Headers(5, kGet, kEndStream)));
  LetGo();
  EXPECT_EQ(handled(), 2u);
  EXPECT_EQ(queued(), kResponse);
  EXPECT_TRUE(Send(peer_.WindowUpdate(3, 100)));
  EXPECT_EQ(handled(), 2u) << "more than the budget is still there";
  EXPECT_TRUE(Send(peer_.WindowUpdate(3, 100)));
  EXPECT_EQ(handled(), 3u);
  EXPECT_TRUE(Send(peer_.WindowUpdate(3, 1000).WindowUpdate(5, kResponse)));
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(HeldTest, AreNotOvertaken) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, Post("/3"), kEndStream)));
  // The queue is empty at once, and there is room when the next one comes.
  EXPECT_TRUE(Send(peer_.RstStream(1, ErrorCode::kCancel).Headers(5, Post("/5"), kEndStream)));
  ASSERT_EQ(handled(), 3u);
  EXPECT_EQ(request(1).log, "POST /3 end\n");
  EXPECT_EQ(request(2).log, "POST /5 end\n");
  EXPECT_EQ(limits_.Text(), "request_held=2");
}

TEST_F(HeldTest, KeepTheirPriority) {
  Connect();
  Fields urgent = Post("/5");
  urgent.push_back({"priority", "u=1"});
  EXPECT_TRUE(Send(peer_.Headers(3, Post("/3"), kEndStream).Headers(5, urgent, kEndStream)));
  EXPECT_TRUE(Describes(" request held urgency=1"));
  LetGo();
  ASSERT_EQ(handled(), 3u);
  EXPECT_EQ(request(1).log, "POST /3 end\n");
  EXPECT_TRUE(Describes(" urgency=1"));
}

TEST_F(HeldTest, AClientThatReadsSlowlyGetsAllItHasAskedFor) {
  constexpr size_t kEach = 100'000;
  constexpr size_t kBudget = 64 * 1024;
  SessionTest::Connect(Role::kServer, {.send_queue_budget = kBudget}, {{SettingId::kInitialWindowSize, kEach}});
  handler_.on_request = [this](RecordingReceiver& request) { Answer(request, kEach, static_cast<char>('a' + handled() % 26)); };
  for (frame::StreamId i = 0; i < 100; ++i) peer_.Headers(2 * i + 1, kGet, kEndStream);
  EXPECT_TRUE(Send(peer_));
  std::string heard = Receive();
  for (int i = 0; i < 250 && session()->stream_count() > 0; ++i) {
    EXPECT_LE(queued(), kBudget + kEach);
    heard += Exchange(peer_.WindowUpdate(0, 50'000));
  }
  ASSERT_EQ(handled(), 100u);
  for (frame::StreamId i = 0; i < 100; ++i) {
    EXPECT_TRUE(heard_->data(2 * i + 1) == std::string(kEach, static_cast<char>('a' + (i + 1) % 26))) << i;
  }
  EXPECT_EQ(heard.find("RST_STREAM"), std::string::npos);
  EXPECT_EQ(session()->stream_count(), 0u);
  EXPECT_EQ(limits_.Count("send_queue_full"), 0u);
}

// --- what came meanwhile ---

TEST_F(HeldTest, BodyAndTrailersComeWhole) {
  Connect();
  const Fields connect = {{":method", "CONNECT"}, {":authority", "a:1"}};
  const Fields head = {{":method", "HEAD"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Data(3, "abc").Data(3, "def").Headers(3, {{"a", "b"}}, kEndStream)));
  EXPECT_TRUE(Send(peer_.Headers(5, kPost).Data(5, "abc").Data(5, "def", kEndStream)));
  EXPECT_TRUE(Send(peer_.Headers(7, kPost).Data(7, "abc").Data(7, "", kEndStream)));
  EXPECT_TRUE(Send(peer_.Headers(9, kPost).Data(9, "", kEndStream)));
  EXPECT_TRUE(Send(peer_.Headers(11, kPost).Headers(11, {{"a", "b"}}, kEndStream)));
  EXPECT_TRUE(Send(peer_.Headers(13, kPost).Data(13, "abc")));
  EXPECT_TRUE(Send(peer_.Headers(15, connect).Data(15, "abc")));
  EXPECT_TRUE(Send(peer_.Headers(17, head, kEndStream)));
  EXPECT_EQ(handled(), 1u);
  LetGo();
  ASSERT_EQ(handled(), 9u);
  EXPECT_EQ(request(1).log, "POST /\ndata abcdef\ntrailers {a=b}\n");
  EXPECT_EQ(request(2).log, "POST /\ndata abcdef end\n");
  EXPECT_EQ(request(3).log, "POST /\ndata abc end\n");
  EXPECT_EQ(request(4).log, "POST / end\n");
  EXPECT_EQ(request(5).log, "POST /\ntrailers {a=b}\n");
  EXPECT_EQ(request(6).log, "POST /\ndata abc\n");
  EXPECT_EQ(request(7).log, "CONNECT \ndata abc\n");
  EXPECT_EQ(request(8).log, "HEAD / end\n");
  EXPECT_TRUE(Send(peer_.Data(13, "def", kEndStream)));
  EXPECT_EQ(request(6).log, "POST /\ndata abc\ndata def end\n");
}

// Answers with more than the budget and releases the request before it looks at the head, which lives until OnRequest returns.
class HeadReader final : public http::Handler {
 public:
  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override {
    exchange.SendHead({200, {}}, false);
    exchange.SendData(io::SharedBytes::Copy(std::string(kResponse, 'x')), true);
    exchange.Release();
    seen += StrCat(head.method, " ", head.scheme, "://", head.authority, head.path, " ", testing_support::DescribeFields(head.fields),
                   head.fields.back().sensitive ? " sensitive" : "", end ? " end\n" : "\n");
  }
  std::string seen;
};

TEST_F(HeldTest, AHeadComesWithAllItsFields) {
  HeadReader reader;
  auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_, {});
  auto session = Session::Create(Role::kServer, std::move(ours), std::make_shared<const Options>(kSmallBudget), &reader);
  asio::co_spawn(context_, session->Run(session), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  session.reset();
  Fields fields = Post("/b?c");
  fields.push_back({"te", "trailers"});
  fields.push_back({"x-secret", "d", true});
  peer_.ClientPreface().Settings({{SettingId::kInitialWindowSize, 0}}).SettingsAck();
  const std::string bytes = peer_.Headers(1, fields, kEndStream).Headers(3, fields, kEndStream).RstStream(1, ErrorCode::kCancel).Bytes();
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  EXPECT_EQ(peer->TryWrite({&piece, 1}).bytes, bytes.size());
  Pump();
  const std::string once = "POST http://a/b?c {te=trailers}{x-secret=d} sensitive end\n";
  EXPECT_EQ(reader.seen, once + once);
  EXPECT_EQ(limits_.Text(), "request_held=1");
  peer->Close();
  Pump();
}

TEST_F(HeldTest, BodiesGetNoCreditBeforeTheyAreConsumed) {
  Connect({.initial_window = 1000, .send_queue_budget = 1000});
  EXPECT_EQ(Exchange(peer_.Headers(3, kPost).Data(3, std::string(600, 'a')).Data(3, std::string(300, 'b'))), "");
  EXPECT_TRUE(Describes(" unconsumed=900 "));
  handler_.on_request = [](RecordingReceiver& request) { request.pays = false; };
  EXPECT_EQ(LetGo().find("WINDOW_UPDATE"), std::string::npos);
  EXPECT_EQ(request(1).body, std::string(600, 'a') + std::string(300, 'b'));
  Consume(request(1), 900);
  EXPECT_EQ(Receive(), "WINDOW_UPDATE stream=3 increment=900\n");
  EXPECT_TRUE(Describes(" unconsumed=0 "));
}

TEST_F(HeldTest, HeadsCountWithThoseOfOthers) {
  Connect({.max_concurrent_streams = 1000, .header_budget_per_stream = 2, .send_queue_budget = 1000});
  Fields big = kGet;
  const std::string value(900, 'x');
  big.push_back({"x-big", value});
  EXPECT_EQ(Exchange(peer_.Headers(3, big, kEndStream)), "");
  EXPECT_EQ(Exchange(peer_.Headers(5, big, kEndStream)), "RST_STREAM stream=5 REFUSED_STREAM\n");
  EXPECT_EQ(limits_.Text(), "header_budget=1 request_held=1");
  EXPECT_TRUE(Send(peer_.RstStream(3, ErrorCode::kCancel)));
  EXPECT_EQ(Exchange(peer_.Headers(7, big, kEndStream)), "");
}

TEST_F(HeldTest, TrailersCountWithTheHeads) {
  Connect({.max_concurrent_streams = 1000, .header_budget_per_stream = 2, .send_queue_budget = 1000});
  const std::string value(900, 'x');
  const Fields big = {{"x-big", value}};
  EXPECT_EQ(Exchange(peer_.Headers(3, kPost).Headers(3, big, kEndStream)), "");
  EXPECT_EQ(Exchange(peer_.Headers(5, kPost).Headers(5, big, kEndStream)), "RST_STREAM stream=5 ENHANCE_YOUR_CALM\n");
  EXPECT_EQ(session()->stream_count(), 2u);
  EXPECT_EQ(limits_.Text(), "header_budget=1 request_held=2");
  EXPECT_TRUE(Send(peer_.RstStream(3, ErrorCode::kCancel)));
  EXPECT_EQ(Exchange(peer_.Headers(7, kPost).Headers(7, big, kEndStream)), "");
  LetGo();
  ASSERT_EQ(handled(), 2u);
  EXPECT_EQ(request(1).log, StrCat("POST /\ntrailers {x-big=", value, "}\n"));
}

// --- the end of a request that was begun ---

// Whose handler answers when it has the whole request, as gRPC's unary methods do: all heads may come before the first end.
TEST_F(HeldTest, TheEndOfARequestWaitsToo) {
  handler_.on_request = [](RecordingReceiver& request) {
    request.on_data = [&request] {
      if (request.ended) Answer(request);
    };
    request.on_trailers = [&request] { Answer(request); };
  };
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  for (const frame::StreamId id : {1, 3, 5, 7}) peer_.Headers(id, kPost);
  EXPECT_TRUE(Send(peer_.Data(1, "a", kEndStream).Data(3, "b").Data(3, "c", kEndStream).Headers(5, {{"a", "b"}}, kEndStream)));
  EXPECT_EQ(handled(), 4u);
  EXPECT_EQ(request(1).log, "POST /\ndata b\n") << "only the end waits";
  EXPECT_EQ(request(2).log, "POST /\n");
  EXPECT_EQ(limits_.Text(), "request_held=2");
  LetGo();
  EXPECT_EQ(request(1).log, "POST /\ndata b\ndata c end\n");
  EXPECT_EQ(request(2).log, "POST /\n");
  EXPECT_TRUE(Send(peer_.WindowUpdate(3, kResponse)));
  EXPECT_EQ(request(2).log, "POST /\ntrailers {a=b}\n");
  EXPECT_TRUE(Send(peer_.WindowUpdate(5, kResponse)));
  EXPECT_TRUE(Send(peer_.Data(7, "d", kEndStream).WindowUpdate(7, kResponse)));
  EXPECT_EQ(request(3).log, "POST /\ndata d end\n");
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(HeldTest, TheEndOfOneThatWasAnsweredDoesNotWait) {
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost)));
  SendHead(request(0));
  SendData(request(0), std::string(kResponse, 'x'));
  EXPECT_TRUE(Send(peer_.Data(1, "a", kEndStream)));
  EXPECT_EQ(request(0).log, "POST /\ndata a end\n");
  EXPECT_EQ(limits_.Text(), "");
}

// Its handler goes on meanwhile, and may end it.
TEST_F(HeldTest, AHandlerThatEndsBeforeItsRequestDoes) {
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  for (const frame::StreamId id : {1, 3, 5, 7, 9}) peer_.Headers(id, kPost);
  EXPECT_TRUE(Send(peer_));
  OnLoop([this] { Answer(request(0)); });
  for (const frame::StreamId id : {3, 5, 7, 9}) peer_.Data(id, "a", kEndStream);
  EXPECT_TRUE(Send(peer_));
  Receive();
  Release(request(1));
  EXPECT_EQ(Receive(), "RST_STREAM stream=3 CANCEL\n");
  Reset(request(2), absl::StatusCode::kInternal);
  EXPECT_EQ(Receive(), "RST_STREAM stream=5 INTERNAL_ERROR\n");
  EXPECT_TRUE(Describes(" unconsumed=2 ")) << "those of streams 7 and 9";
  SendHead(request(3), true);
  EXPECT_EQ(Receive(), "HEADERS stream=7 END_STREAM END_HEADERS :status=200\n");
  SendHead(request(4), true);
  Receive();
  EXPECT_TRUE(Send(peer_.RstStream(1, ErrorCode::kCancel)));
  EXPECT_EQ(request(1).log, "POST /\n");
  EXPECT_EQ(request(2).log, "POST /\n");
  EXPECT_EQ(request(3).log, "POST /\ndata a end\n");
  EXPECT_EQ(request(4).log, "POST /\ndata a end\n");
  for (size_t i = 2; i < 5; ++i) Release(request(i));
  EXPECT_EQ(session()->stream_count(), 0u);
}

// --- ends ---

TEST_F(HeldTest, AResetByThePeerForgetsThem) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Data(3, "abc").Headers(5, kGet, kEndStream)));
  EXPECT_EQ(session()->stream_count(), 3u);
  EXPECT_EQ(Exchange(peer_.RstStream(3, ErrorCode::kCancel)), "");
  EXPECT_EQ(session()->stream_count(), 2u);
  EXPECT_TRUE(Describes(" unconsumed=0 "));
  LetGo();
  ASSERT_EQ(handled(), 2u);
  EXPECT_EQ(request(1).log, "GET / end\n");
}

TEST_F(HeldTest, AFaultOfThePeersForgetsThem) {
  Connect();
  Fields fields = kPost;
  fields.push_back({"content-length", "2"});
  EXPECT_EQ(Exchange(peer_.Headers(3, fields).Data(3, "abc")), "RST_STREAM stream=3 PROTOCOL_ERROR\n");
  LetGo();
  EXPECT_EQ(handled(), 1u);
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(HeldTest, AResetBeforeTheEndIsToldIsTold) {
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost)));
  OnLoop([this] { Answer(request(0)); });
  EXPECT_TRUE(Send(peer_.Data(3, "a", kEndStream).RstStream(3, ErrorCode::kCancel)));
  EXPECT_EQ(request(1).log, "POST /\nclosed CANCELLED: stream reset by the peer: CANCEL (8)\n");
  EXPECT_TRUE(Send(peer_.RstStream(1, ErrorCode::kCancel)));
  Release(request(1));
  EXPECT_EQ(session()->stream_count(), 0u);
}

TEST_F(HeldTest, TheEndOfTheConnectionForgetsThem) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Data(3, "abc").Headers(5, kGet, kEndStream)));
  peer_stream_->Close();
  Pump();
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(handled(), 1u);
}

TEST_F(HeldTest, TheEndOfTheConnectionIsToldToWhomTheEndOfTheRequestWasNot) {
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost).Headers(5, kPost)));
  OnLoop([this] { Answer(request(0)); });
  EXPECT_TRUE(Send(peer_.Data(3, "a", kEndStream).Data(5, "a", kEndStream)));
  SendHead(request(1), true);  // complete on the wire
  peer_stream_->Close();
  Pump();
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(request(i).closed) << request(i).log;
    Release(request(i));
  }
  Pump();
  EXPECT_TRUE(run_ended_);
}

TEST_F(HeldTest, TheConnectionMayEndWhileTheyStart) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kPost).Data(3, "abc").Headers(5, kGet, kEndStream)));
  handler_.on_request = [this](RecordingReceiver& request) {
    session()->Close(absl::UnavailableError("enough"));
    request.Release();
  };
  LetGo();
  ASSERT_EQ(handled(), 2u);
  EXPECT_EQ(request(1).log, "POST /\nclosed UNAVAILABLE: enough\n");
}

TEST_F(HeldTest, HandlersMayLetGoAtAnyPoint) {
  Connect();
  for (const frame::StreamId id : {3, 5, 7, 9}) {
    peer_.Headers(id, kPost).Data(id, "abc").Headers(id, {{"a", "b"}}, kEndStream);
  }
  EXPECT_TRUE(Send(peer_));
  handler_.on_request = [this](RecordingReceiver& request) {
    switch (handled()) {
      case 2:
        request.exchange->SendHead({200, {}}, true);
        return request.Release();
      case 3:
        request.exchange->Reset(absl::StatusCode::kInternal);
        return;
      case 4:
        request.on_data = [&request] { Answer(request, 1); };
        return;
      case 5:
        request.on_data = [&request] { request.exchange->Reset(absl::StatusCode::kInternal); };
        return;
      default:
        ADD_FAILURE() << handled();
    }
  };
  LetGo();
  ASSERT_EQ(handled(), 5u);
  EXPECT_EQ(request(1).log, "POST /\n");
  EXPECT_EQ(request(2).log, "POST /\n");
  EXPECT_EQ(request(3).log, "POST /\ndata abc\n");
  EXPECT_EQ(request(4).log, "POST /\ndata abc\n");
  EXPECT_TRUE(Describes(" unconsumed=0 "));
  Release(request(2));
  Release(request(4));
  EXPECT_EQ(session()->stream_count(), 1u) << "the response on stream 7 waits";
  EXPECT_TRUE(Send(peer_.WindowUpdate(7, 1)));
  EXPECT_EQ(session()->stream_count(), 0u);
}

// What its handler has queued is gone again before the next is looked for.
TEST_F(HeldTest, TheLastOneMayGiveUpItsResponse) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kGet, kEndStream)));
  handler_.on_request = [](RecordingReceiver& request) {
    request.exchange->SendHead({200, {}}, false);
    request.exchange->SendData(io::SharedBytes::Copy("half of it"), false);
    request.Release();
  };
  EXPECT_NE(LetGo().find("RST_STREAM stream=3 CANCEL\n"), std::string::npos);
  EXPECT_EQ(handled(), 2u);
  EXPECT_EQ(queued(), 0u);
  EXPECT_TRUE(Send(peer_.Headers(5, kGet, kEndStream)));
  EXPECT_EQ(handled(), 3u);
}

TEST_F(HeldTest, ADrainWaitsForThem) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kGet, kEndStream)));
  OnLoop([this] { session()->Drain(); });
  EXPECT_NE(Exchange(peer_.Ping("draining", true)).find("GOAWAY last=3 NO_ERROR"), std::string::npos);
  handler_.on_request = [](RecordingReceiver& request) {
    request.exchange->SendHead({200, {}}, true);
    request.Release();
  };
  EXPECT_FALSE(closed());
  EXPECT_NE(LetGo().find("HEADERS stream=3 END_STREAM END_HEADERS :status=200\n"), std::string::npos);
  EXPECT_TRUE(closed());
}

// --- patience ---

TEST_F(HeldTest, AreRefusedWhenTheQueueStandsStill) {
  Connect();
  EXPECT_EQ(Exchange(peer_.Headers(3, kPost).Data(3, "abc")), "");
  PassTime(seconds(5));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(15));
  EXPECT_EQ(Receive(), "RST_STREAM stream=3 REFUSED_STREAM\n");
  EXPECT_EQ(session()->stream_count(), 1u);
  EXPECT_EQ(limits_.Text(), "request_held=1 send_queue_full=1");
  EXPECT_EQ(Exchange(peer_.Data(3, "def", kEndStream)), "") << "it was in flight";
  // Another try, which comes when there is room again.
  EXPECT_EQ(Exchange(peer_.Headers(5, kGet, kEndStream)), "");
  LetGo();
  ASSERT_EQ(handled(), 2u);
  EXPECT_EQ(request(1).log, "GET / end\n");
}

TEST_F(HeldTest, AreNotRefusedWhileTheQueueGetsShorter) {
  Connect();
  EXPECT_TRUE(Send(peer_.Headers(3, kGet, kEndStream)));
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(Send(peer_.WindowUpdate(1, 10)));
    PassTime(seconds(8));
  }
  EXPECT_EQ(Receive().find("RST_STREAM"), std::string::npos);
  EXPECT_EQ(handled(), 1u);
  LetGo();
  EXPECT_EQ(handled(), 2u);
  EXPECT_EQ(limits_.Text(), "request_held=1");
}

TEST_F(HeldTest, ThoseThatWereBegunAreNotRefused) {
  SessionTest::Connect(Role::kServer, kSmallBudget, {{SettingId::kInitialWindowSize, 0}});
  EXPECT_TRUE(Send(peer_.Headers(1, kPost).Headers(3, kPost)));
  OnLoop([this] { Answer(request(0)); });
  EXPECT_TRUE(Send(peer_.Data(3, "a", kEndStream).Headers(5, kGet, kEndStream)));
  Receive();
  PassTime(seconds(30));
  EXPECT_EQ(Receive(), "RST_STREAM stream=5 REFUSED_STREAM\n");
  EXPECT_TRUE(Send(peer_.RstStream(1, ErrorCode::kCancel)));
  EXPECT_EQ(request(1).log, "POST /\ndata a end\n");
}

// More than a peer may make us reset: it has done nothing of the kind.
TEST_F(HeldTest, ManyThatAreRefusedDoNotEndTheConnection) {
  constexpr frame::StreamId kMany = 2500;
  Connect({.max_concurrent_streams = kMany + 1, .send_queue_budget = 1000});
  for (frame::StreamId i = 1; i <= kMany; ++i) peer_.Headers(2 * i + 1, kGet, kEndStream);
  EXPECT_TRUE(Send(peer_));
  PassTime(seconds(60));
  EXPECT_EQ(Receive().find("GOAWAY"), std::string::npos);
  EXPECT_EQ(limits_.Text(), "request_held=2500 send_queue_full=2500");
  EXPECT_EQ(session()->stream_count(), 1u);
  LetGo();
  EXPECT_TRUE(Send(peer_.Headers(2 * kMany + 3, kGet, kEndStream)));
  EXPECT_EQ(handled(), 2u);
}

}  // namespace
}  // namespace culvert::http2
