#include "rpc/server_call.h"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <stdexcept>

#include "rpc/service.h"
#include "tests/rpc/fake_exchange.h"
#include "transport/base/waiter.h"

namespace culvert::rpc {
namespace {

using absl::StatusOr;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kHead = "head 200 {content-type=application/grpc}\n";
constexpr std::string_view kOk = "trailers {grpc-status=0}\nrelease\n";

// What a client hears of a call that failed before anything was sent.
std::string TrailersOnly(int status, std::string_view message) {
  return StrCat("head 200 {content-type=application/grpc}{grpc-status=", status, "}{grpc-message=", message,
                "}", status == 12 ? "{grpc-accept-encoding=identity}" : "", " end\n");
}

// Each kind of method; a test says what it does.
struct TestService {
  Unary<Text> One(ServerContext& call, const Text& request) { return one(call, request); }
  Task<absl::Status> Down(ServerContext& call, const Text& request, Writer<Text>& out) {
    return down(call, request, out);
  }
  Task<StatusOr<Text>> Up(ServerContext& call, Reader<Text>& in) { return up(call, in); }
  Task<absl::Status> Chat(ServerContext& call, culvert::Stream<Text, Text>& chat) {
    return this->chat(call, chat);
  }

  std::function<Unary<Text>(ServerContext&, const Text&)> one;
  std::function<Task<absl::Status>(ServerContext&, const Text&, Writer<Text>&)> down;
  std::function<Task<StatusOr<Text>>(ServerContext&, Reader<Text>&)> up;
  std::function<Task<absl::Status>(ServerContext&, culvert::Stream<Text, Text>&)> chat;
};

// What the coroutines below tell the test, which outlive none.
std::string told;

Unary<Text> Echo(ServerContext&, const Text& request) { return request; }
Unary<Text> EchoLater(ServerContext& call, const Text& request) {
  asio::steady_timer timer(call.loop().executor(), seconds(0));
  co_await timer.async_wait(kTuple);
  co_return request;
}
Unary<Text> WaitForCancel(ServerContext& call, const Text&) {
  asio::steady_timer timer(call.loop().executor(), seconds(3600));
  auto [error] = co_await timer.async_wait(kTuple);
  told += StrCat(error == asio::error::operation_aborted ? "aborted" : "expired",
                 call.cancelled() ? " cancelled" : "");
  co_return MakeText("dropped");
}
Unary<Text> ThrowLater(ServerContext&, const Text&) {
  co_await asio::this_coro::executor;
  throw std::runtime_error("oops");
}
Task<absl::Status> CountDown(ServerContext& call, const Text& request, Writer<Text>& out) {
  for (int i = std::stoi(request.value()); i > 0; --i) {
    if (!co_await out.Write(MakeText(std::to_string(i)))) {
      told += StrCat("write ", i, " refused", call.cancelled() ? " cancelled" : "");
      co_return absl::OkStatus();
    }
    told += StrCat(i, ".");
  }
  co_return absl::OkStatus();
}
Task<absl::Status> ThrowInStream(ServerContext&, const Text&, Writer<Text>& out) {
  co_await out.Write(MakeText("first"));
  throw 42;
}
Task<StatusOr<Text>> Join(ServerContext& call, Reader<Text>& in) {
  Text text;
  std::string joined;
  while (co_await in.Read(text)) joined += text.value();
  if (call.cancelled()) told += StrCat("cancelled after ", joined);
  if (co_await in.Read(text)) told += "read after the end";
  co_return MakeText(joined);
}
Task<absl::Status> EchoAll(ServerContext&, culvert::Stream<Text, Text>& chat) {
  Text text;
  while (co_await chat.Read(text)) co_await chat.Write(text);
  co_return absl::OkStatus();
}
Task<absl::Status> FailAfterOne(ServerContext&, culvert::Stream<Text, Text>& chat) {
  Text text;
  co_await chat.Read(text);
  co_return absl::NotFoundError("no such thing");
}

// Takes its time when there is nothing more to read.
base::Waiter* let_go;
Task<absl::Status> ReadAllAndLinger(ServerContext&, culvert::Stream<Text, Text>& chat) {
  Text text;
  while (co_await chat.Read(text)) continue;
  co_await let_go->Wait();
  co_return absl::OkStatus();
}

class ServerCallTest : public testing::Test {
 protected:
  ServerCallTest() {
    told.clear();
    methods_.Add("/One", service_, &TestService::One);
    methods_.Add("/Down", service_, &TestService::Down);
    methods_.Add("/Up", service_, &TestService::Up);
    methods_.Add("/Chat", service_, &TestService::Chat);
  }
  ~ServerCallTest() override { EXPECT_TRUE(exchange_.released()) << "the call is still there"; }

  void Pump() {
    context_.restart();
    context_.poll();
  }
  void OnLoop(std::function<void()> f) {
    loop_.Post(std::move(f));
    Pump();
  }
  void PassTime(milliseconds time) {
    now_ += time;
    OnLoop([this] { loop_.timers().RunDue(now_); });
  }

  void Start(std::string_view path, const std::vector<http::HeaderField>& fields = {}, bool end = false) {
    OnLoop([&] {
      const Method& method = *methods_.Find(path);
      method.NewCall(exchange_, limits_).Start({"POST", "http", "a", path, {}, fields}, end);
    });
  }
  void Data(std::string_view bytes, bool end = false) {
    received_ += bytes.size();
    OnLoop([&] { exchange_.receiver->OnData(AsBytes(bytes), end); });
  }
  void End() { Data("", true); }
  void PeerCloses() {
    OnLoop([&] { exchange_.receiver->OnClosed(absl::CancelledError("reset by the peer"), false); });
  }
  void RoomAgain() {
    exchange_.room = true;
    OnLoop([&] { exchange_.receiver->OnWritable(); });
  }
  // A whole unary call.
  std::string Ask(std::string_view message, const std::vector<http::HeaderField>& fields = {}) {
    Start("/One", fields);
    if (!exchange_.released()) Data(Enveloped(message), true);
    return exchange_.TakeLog();
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  io::Timer::Clock::time_point now_ = io::Timer::Clock::now();
  FakeExchange exchange_{loop_};
  TestService service_;
  MethodRegistry methods_;
  CallLimits limits_{.max_receive_bytes = 1000, .max_send_bytes = 1000};
  size_t received_ = 0;
};

// --- unary ---

TEST_F(ServerCallTest, APlainFunctionAnswersAtOnce) {
  service_.one = Echo;
  EXPECT_EQ(Ask("hello"), StrCat(kHead, "data in place hello\n", kOk));
  EXPECT_EQ(exchange_.consumed, received_);
}

TEST_F(ServerCallTest, ACoroutineAnswersLater) {
  service_.one = EchoLater;
  Start("/One");
  Data(Enveloped("hello"), true);
  PassTime(milliseconds(0));
  for (int i = 0; i < 100 && !exchange_.released(); ++i) Pump();  // the timer is asio's own
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place hello\n", kOk));
}

TEST_F(ServerCallTest, TheRequestMayComeInPiecesAndEndLater) {
  service_.one = Echo;
  Start("/One");
  const std::string frame = Enveloped("hello");
  for (const char& c : frame) Data({&c, 1});
  EXPECT_EQ(exchange_.TakeLog(), "");
  EXPECT_EQ(exchange_.consumed, received_);
  End();
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place hello\n", kOk));
}

TEST_F(ServerCallTest, AnAnswerWithoutRoomIsQueued) {
  service_.one = Echo;
  exchange_.room = false;
  EXPECT_EQ(Ask("hello"), StrCat(kHead, "data queued hello\n", kOk));
}

TEST_F(ServerCallTest, AnErrorIsTrailersOnly) {
  service_.one = [](ServerContext&, const Text&) { return Unary<Text>(absl::NotFoundError("nö such\nrow")); };
  EXPECT_EQ(Ask("hello"), TrailersOnly(5, "n%C3%B6 such%0Arow") + "release\n");
}

TEST_F(ServerCallTest, MetadataBothWays) {
  service_.one = [](ServerContext& call, const Text& request) {
    told = std::string(*call.metadata().Find("x-id")) + call.peer() + std::string(call.method());
    EXPECT_TRUE(call.initial_metadata().Add("x-first", "1").ok());
    EXPECT_TRUE(call.trailing_metadata().Add("x-last-bin", "\xff").ok());
    return Unary<Text>(request);
  };
  EXPECT_EQ(Ask("hello", {{"x-id", "42"}}),
            "head 200 {content-type=application/grpc}{x-first=1}\n"
            "data in place hello\n"
            "trailers {grpc-status=0}{x-last-bin=/w}\nrelease\n");
  EXPECT_EQ(told, "42fake/One");
}

TEST_F(ServerCallTest, ARequestWithoutMessageIsUnimplemented) {
  Start("/One", {}, true);
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(12, "the request has no message, the method takes one") + "release\n");
  Start("/One");
  End();
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(12, "the request has no message, the method takes one") + "release\n");
}

TEST_F(ServerCallTest, ASecondMessageIsUnimplemented) {
  const std::string refused =
      TrailersOnly(12, "the request has more than one message, the method takes one") + "release\n";
  Start("/One");
  Data(Enveloped("one") + Enveloped("two"), true);
  EXPECT_EQ(exchange_.TakeLog(), refused);
  Start("/One");
  Data(Enveloped("one"));
  Data(Enveloped("two"));
  EXPECT_EQ(exchange_.TakeLog(), refused);
  EXPECT_EQ(exchange_.consumed, received_);
}

TEST_F(ServerCallTest, ARequestThatEndsWithinItsMessageIsInternal) {
  Start("/One");
  Data(Enveloped("hello").substr(0, 8), true);
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(13, "the stream ended within a message") + "release\n");
}

TEST_F(ServerCallTest, ARequestBeyondTheLimitIsRefusedAtItsPrefix) {
  Start("/One");
  Data(Enveloped(std::string(1000, 'x')).substr(0, 5));
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(8, "message of 1003 bytes is larger than the limit of 1000") + "release\n");
  EXPECT_EQ(exchange_.consumed, received_);
}

// --- what is held of a message that is not whole yet ---

TEST_F(ServerCallTest, TheConnectionHearsHowMuchIsHeldOfARequestAndWhenItIsWhole) {
  service_.one = WaitForCancel;
  Start("/One");
  const std::string frame = Enveloped(std::string(500, 'x'));
  Data(frame.substr(0, 100));
  const size_t held = exchange_.held;
  EXPECT_GE(held, 95u);
  Data(frame.substr(100, 300));
  EXPECT_GT(exchange_.held, held);
  Data(frame.substr(400), true);
  EXPECT_FALSE(exchange_.released());  // the handler is still busy with it
  EXPECT_EQ(exchange_.held, 0u);
  PeerCloses();
}

TEST_F(ServerCallTest, AndOfEachMessageOfAStream) {
  service_.chat = EchoAll;
  Start("/Chat");
  const std::string frame = Enveloped(std::string(500, 'x'));
  for (int i = 0; i < 3; ++i) {
    Data(frame.substr(0, 100));
    EXPECT_GE(exchange_.held, 95u);
    Data(frame.substr(100));
    EXPECT_EQ(exchange_.held, 0u);
  }
  // The end of one and the beginning of the next.
  Data(frame.substr(0, 400));
  const size_t of_the_first = exchange_.held;
  Data(frame.substr(400) + frame.substr(0, 6));
  EXPECT_GT(exchange_.held, 0u);
  EXPECT_GE(of_the_first, 395u);
  Data(frame.substr(6), true);
  EXPECT_TRUE(exchange_.released());
}

TEST_F(ServerCallTest, OfWholeMessagesItHearsNothing) {
  service_.chat = EchoAll;
  Start("/Chat");
  Data(Enveloped("a"));
  Data(Enveloped("b") + Enveloped("c") + Enveloped("d").substr(0, 4));  // nor of a prefix, which lies in the call itself
  Data(Enveloped("d").substr(4));
  exchange_.room = false;
  Data(Enveloped("e"));
  Data(Enveloped("parked"));
  RoomAgain();
  End();
  EXPECT_EQ(exchange_.told_of_held, 0);
  EXPECT_TRUE(exchange_.released());
}

TEST_F(ServerCallTest, ARequestThatMayNotBeHeldIsRefused) {
  exchange_.may_hold = 300;
  Start("/One");
  const std::string frame = Enveloped(std::string(500, 'x'));
  Data(frame.substr(0, 100));
  EXPECT_EQ(exchange_.TakeLog(), "");
  Data(frame.substr(100, 300));
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(8, "too much is held") + "release\n");
  EXPECT_EQ(exchange_.consumed, received_);
}

TEST_F(ServerCallTest, AMessageOfAStreamThatMayNotBeHeldEndsIt) {
  service_.up = Join;
  exchange_.may_hold = 300;
  Start("/Up");
  const std::string frame = Enveloped(std::string(500, 'x'));
  Data(Enveloped("a") + frame.substr(0, 100));
  EXPECT_EQ(told, "");
  Data(frame.substr(100, 300));
  EXPECT_EQ(told, "cancelled after a");
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(8, "too much is held") + "release\n");
  EXPECT_EQ(exchange_.consumed, received_);
}

// While the handler has not ended yet.
TEST_F(ServerCallTest, WhatComesAfterARefusalIsDropped) {
  base::Waiter waiter;
  let_go = &waiter;
  service_.chat = ReadAllAndLinger;
  exchange_.may_hold = 300;
  Start("/Chat");
  const std::string frame = Enveloped(std::string(500, 'x'));
  Data(frame.substr(0, 400));
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(8, "too much is held"));
  EXPECT_EQ(exchange_.held, 0u);
  const int told_before = exchange_.told_of_held;
  Data(frame.substr(400) + frame.substr(0, 400));
  EXPECT_EQ(exchange_.told_of_held, told_before);
  EXPECT_EQ(exchange_.consumed, received_);
  OnLoop([] { let_go->Wake(); });
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

TEST_F(ServerCallTest, AnAnswerBeyondTheLimitIsNotSent) {
  service_.one = [](ServerContext&, const Text&) { return Unary<Text>(MakeText(std::string(1000, 'x'))); };
  EXPECT_EQ(Ask("hello"), StrCat(kHead,
                                 "trailers {grpc-status=8}{grpc-message=message of 1003 bytes to be sent, "
                                 "the limit is 1000}\nrelease\n"));
}

TEST_F(ServerCallTest, TrailersOfARequestEndIt) {
  service_.one = Echo;
  Start("/One");
  Data(Enveloped("hello"));
  OnLoop([&] { exchange_.receiver->OnTrailers({}); });
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place hello\n", kOk));
}

TEST_F(ServerCallTest, WhatAHandlerThrowsIsUnknown) {
  service_.one = [](ServerContext&, const Text&) -> Unary<Text> { throw std::runtime_error("oops"); };
  EXPECT_EQ(Ask("hello"), TrailersOnly(2, "the handler threw: oops") + "release\n");
  service_.one = ThrowLater;
  Start("/One");
  Data(Enveloped("hello"), true);
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(2, "the handler threw: oops") + "release\n");
  service_.down = ThrowInStream;
  Start("/Down");
  Data(Enveloped(""), true);
  EXPECT_EQ(
      exchange_.TakeLog(),
      StrCat(kHead,
             "data in place first\ntrailers {grpc-status=2}{grpc-message=the handler threw}\nrelease\n"));
}

TEST_F(ServerCallTest, WhatAPlainFunctionThrowsBeforeItHasATaskIsUnknownToo) {
  service_.down = [](ServerContext&, const Text&, Writer<Text>&) -> Task<absl::Status> { throw std::runtime_error("early"); };
  Start("/Down");
  Data(Enveloped(""), true);
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(2, "the handler threw: early") + "release\n");
}

// --- what a request's head may get wrong ---

TEST_F(ServerCallTest, ATimeoutThatIsNoneIsInternal) {
  EXPECT_EQ(Ask("hello", {{"grpc-timeout", "soon"}}).substr(0, 56),
            "head 200 {content-type=application/grpc}{grpc-status=13}");
  EXPECT_TRUE(exchange_.released());
}

TEST_F(ServerCallTest, BinaryMetadataThatIsNoBase64IsInternal) {
  EXPECT_EQ(Ask("hello", {{"x-bin", "!"}}).substr(0, 56),
            "head 200 {content-type=application/grpc}{grpc-status=13}");
  EXPECT_TRUE(exchange_.released());
}

TEST_F(ServerCallTest, ACompressedRequestIsUnimplementedAndToldWhatIsNot) {
  EXPECT_EQ(
      Ask("hello", {{"grpc-encoding", "gzip"}}),
      TrailersOnly(12, "grpc-encoding of the request is not supported; this server takes identity only") +
          "release\n");
  service_.one = Echo;
  EXPECT_EQ(Ask("hello", {{"grpc-encoding", "identity"}}), StrCat(kHead, "data in place hello\n", kOk));
}

// --- deadlines and cancellation ---

TEST_F(ServerCallTest, ADeadlineEndsACallWhoseRequestDoesNotCome) {
  Start("/One", {{"grpc-timeout", "10S"}});
  PassTime(milliseconds(9900));
  EXPECT_EQ(exchange_.TakeLog(), "");
  PassTime(milliseconds(200));
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(4, "the call's deadline has passed on the server") + "release\n");
}

TEST_F(ServerCallTest, ADeadlineCancelsTheHandlerAndWhatItReturnsIsDropped) {
  service_.one = WaitForCancel;
  Start("/One", {{"grpc-timeout", "10S"}});
  Data(Enveloped("hello"), true);
  PassTime(milliseconds(10100));
  EXPECT_EQ(told, "aborted cancelled");
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(4, "the call's deadline has passed on the server") + "release\n");
}

TEST_F(ServerCallTest, ADeadlineIsToldToTheHandlerAndEndsWithTheCall) {
  service_.one = [](ServerContext& call, const Text& request) {
    told = call.deadline() == ServerContext::Clock::time_point::max() ? "none" : "one";
    return Unary<Text>(request);
  };
  Ask("hello", {{"grpc-timeout", "10S"}});
  EXPECT_EQ(told, "one");
  Ask("hello");
  EXPECT_EQ(told, "none");
  Ask("hello", {{"grpc-timeout", "99999999H"}});  // beyond what the clock can say
  EXPECT_EQ(told, "none");
  EXPECT_TRUE(loop_.timers().empty());
}

TEST_F(ServerCallTest, APeerThatLeavesCancelsTheHandler) {
  service_.one = WaitForCancel;
  Start("/One");
  Data(Enveloped("hello"), true);
  PeerCloses();
  EXPECT_EQ(told, "aborted cancelled");
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

TEST_F(ServerCallTest, APeerThatLeavesBeforeTheRequestIsCompleteEndsTheCall) {
  Start("/One");
  Data(Enveloped("hello"));
  PeerCloses();
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

// --- streams ---

TEST_F(ServerCallTest, StreamsDown) {
  service_.down = CountDown;
  Start("/Down");
  Data(Enveloped("3"), true);
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place 3\ndata in place 2\ndata in place 1\n", kOk));
}

TEST_F(ServerCallTest, AWriterSuspendsUntilThereIsRoom) {
  service_.down = CountDown;
  exchange_.room = false;
  Start("/Down");
  Data(Enveloped("2"), true);
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data queued 2\n"));
  EXPECT_EQ(told, "");
  RoomAgain();
  EXPECT_EQ(told, "2.1.");
  EXPECT_EQ(exchange_.TakeLog(), StrCat("data in place 1\n", kOk));
}

TEST_F(ServerCallTest, ASuspendedWriterHearsOfTheCancellation) {
  service_.down = CountDown;
  exchange_.room = false;
  Start("/Down");
  Data(Enveloped("2"), true);
  exchange_.TakeLog();
  PeerCloses();
  EXPECT_EQ(told, "write 2 refused cancelled");
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

TEST_F(ServerCallTest, StreamsUp) {
  service_.up = Join;
  Start("/Up");
  Data(Enveloped("a") + Enveloped("b"));
  const std::string torn = Enveloped("cde");
  Data(torn.substr(0, 6));
  Data(torn.substr(6));
  EXPECT_EQ(exchange_.consumed, received_);
  End();
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place abcde\n", kOk));
  EXPECT_EQ(told, "");
}

TEST_F(ServerCallTest, AStreamOfNoMessagesIsOne) {
  service_.up = Join;
  Start("/Up", {}, true);
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place \n", kOk));
}

TEST_F(ServerCallTest, AReaderHearsOfTheCancellation) {
  service_.up = Join;
  Start("/Up");
  Data(Enveloped("a"));
  PeerCloses();
  EXPECT_EQ(told, "cancelled after a");
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

// In a coroutine of its own, which the call's cancellation reaches by way of the handler's.
Task<void> ReadAll(Reader<Text>& in) {
  Text text;
  bool more = true;
  while (more) {
    more = co_await in.Read(text);
    told += more ? text.value() : "end ";
  }
}
Task<absl::Status> ReadBesideATimer(ServerContext& call, culvert::Stream<Text, Text>& chat) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(call.loop().executor(), seconds(3600));
  co_await (ReadAll(chat) || timer.async_wait(asio::use_awaitable));
  told += call.cancelled() ? "cancelled" : "not cancelled";
  co_return absl::OkStatus();
}

TEST_F(ServerCallTest, AReaderBesideAnotherCoroutine) {
  service_.chat = ReadBesideATimer;
  Start("/Chat");
  Data(Enveloped("a"));
  Data(Enveloped("b"), true);
  EXPECT_EQ(told, "abend not cancelled");
  EXPECT_EQ(exchange_.TakeLog(), "head 200 {content-type=application/grpc}{grpc-status=0} end\nrelease\n");
}

TEST_F(ServerCallTest, ACancelledReaderBesideAnotherCoroutine) {
  service_.chat = ReadBesideATimer;
  Start("/Chat");
  Data(Enveloped("a"));
  PeerCloses();
  EXPECT_EQ(told, "aend cancelled");
  EXPECT_EQ(exchange_.TakeLog(), "release\n");
}

TEST_F(ServerCallTest, ABadMessageEndsTheStream) {
  service_.up = Join;
  Start("/Up");
  Data(Enveloped("a") + std::string("\0\0\0\0\2\xff\xff", 7) + Enveloped("b"));
  EXPECT_EQ(told, "cancelled after a");
  EXPECT_EQ(exchange_.TakeLog(),
            TrailersOnly(13, "message of 2 bytes is not a valid google.protobuf.StringValue") + "release\n");
  EXPECT_EQ(exchange_.consumed, received_);
}

TEST_F(ServerCallTest, Chats) {
  service_.chat = EchoAll;
  Start("/Chat");
  Data(Enveloped("a"));
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data in place a\n"));
  Data(Enveloped("b") + Enveloped("c"), true);
  EXPECT_EQ(exchange_.TakeLog(), StrCat("data in place b\ndata in place c\n", kOk));
}

TEST_F(ServerCallTest, WhatComesWhileAHandlerWritesIsParkedAndPaidBackWhenRead) {
  service_.chat = EchoAll;
  Start("/Chat");
  exchange_.room = false;
  Data(Enveloped("a"));
  const size_t consumed = exchange_.consumed;
  Data(Enveloped("b"), true);
  EXPECT_EQ(exchange_.consumed, consumed);
  RoomAgain();
  EXPECT_EQ(exchange_.consumed, received_);
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead, "data queued a\ndata in place b\n", kOk));
}

TEST_F(ServerCallTest, AHandlerMayEndBeforeItsClient) {
  service_.chat = FailAfterOne;
  Start("/Chat");
  Data(Enveloped("a") + Enveloped("b"));
  EXPECT_EQ(exchange_.TakeLog(), TrailersOnly(5, "no such thing") + "release\n");
}

TEST_F(ServerCallTest, ADeadlineEndsAChatAndWhatStillComesIsPaidBack) {
  service_.chat = EchoAll;
  Start("/Chat", {{"grpc-timeout", "1S"}});
  exchange_.room = false;
  Data(Enveloped("a"));
  Data(Enveloped("parked"));
  PassTime(milliseconds(1100));
  EXPECT_EQ(exchange_.consumed, received_);
  EXPECT_EQ(exchange_.TakeLog(), StrCat(kHead,
                                        "data queued a\ntrailers {grpc-status=4}{grpc-message=the call's "
                                        "deadline has passed on the server}\nrelease\n"));
}

TEST_F(ServerCallTest, InitialMetadataMayGoAheadOfMessages) {
  service_.one = [](ServerContext& call, const Text&) {
    EXPECT_TRUE(call.initial_metadata().Add("x-first", "1").ok());
    call.SendInitialMetadata();
    call.SendInitialMetadata();
    return Unary<Text>(absl::AbortedError("changed my mind"));
  };
  EXPECT_EQ(Ask("hello"),
            "head 200 {content-type=application/grpc}{x-first=1}\n"
            "trailers {grpc-status=10}{grpc-message=changed my mind}\nrelease\n");
}

}  // namespace
}  // namespace culvert::rpc
