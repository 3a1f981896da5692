#include "transport/http/service.h"

#include <array>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/base/strings.h"
#include "transport/http/tunnel.h"
#include "transport/http1/connection.h"
#include "transport/io/event_loop.h"

namespace culvert::http {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
constexpr std::string_view kConnect = "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n";

// A Service over an HTTP/1.1 connection, over a memory stream whose other end is the test's.
class ServiceTest : public testing::Test, public Service {
 protected:
  // What the handler does; free of captures, since it is a coroutine.
  using Script = Task<void> (*)(ServiceTest& test, Request& request, Response& response);

  ~ServiceTest() override {
    if (const auto connection = weak_.lock()) connection->Close(absl::CancelledError("end of the test"));
    client_.reset();
    Pump();
    EXPECT_EQ(serving_, 0);
    EXPECT_TRUE(weak_.expired()) << "the connection outlives its handler";
  }

  Task<void> Serve(Request& request, Response& response) override {
    ++serving_;
    const std::unique_ptr<int, void (*)(int*)> gone(&serving_, [](int* n) { --*n; });
    co_await script_(*this, request, response);
    returned_ = true;
  }

  void Start(Script script, http1::Options options = {}, testing_support::MemoryStreamOptions stream_options = {}) {
    script_ = script;
    auto [client, server] = testing_support::MakeMemoryStreamPair(loop_, stream_options);
    client_ = std::move(client);
    auto connection = http1::Connection::Create(std::move(server), options, *this);
    weak_ = connection;
    asio::co_spawn(context_, connection->Run(connection), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    connection.reset();
    Pump();
  }

  void Pump() {
    context_.restart();
    context_.poll();
  }

  void Send(std::string_view text) {
    while (!text.empty()) {
      const iovec piece{const_cast<char*>(text.data()), text.size()};
      const io::IoResult result = client_->TryWrite({&piece, 1});
      ASSERT_EQ(result.kind, io::IoResult::Kind::kBytes);
      text.remove_prefix(result.bytes);
      Pump();
    }
  }

  std::string Receive() {
    std::string out;
    for (;;) {
      std::array<uint8_t, 4096> space;
      const io::IoResult result = client_->TryRead(space);
      if (result.kind == io::IoResult::Kind::kBytes) out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      if (result.kind == io::IoResult::Kind::kEnd) return out + "<end>";
      Pump();
      if (result.kind != io::IoResult::Kind::kBytes) return out;
    }
  }

  std::string Exchange(std::string_view text) {
    Send(text);
    return Receive();
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<io::ByteStream> client_;
  std::weak_ptr<http1::Connection> weak_;
  Script script_ = nullptr;
  int serving_ = 0;  // handlers that run now
  bool returned_ = false;

 public:  // for the scripts
  std::string seen_;
  std::vector<absl::Status> statuses_;
  size_t written_ = 0;
  std::unique_ptr<Tunnel> tunnel_;
  std::optional<Hijacked> hijacked_;
  asio::steady_timer* gate_ = nullptr;
};

TEST_F(ServiceTest, TheHandlerSeesTheRequestAndItsBody) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    const RequestHead& head = request.head();
    test.seen_ = StrCat(head.method, " ", head.scheme, " ", head.authority, " ", head.path, " HTTP/", request.http_major(), " from ",
                        request.peer(), request.loop().RunsHere() ? " here" : " elsewhere");
    for (const HeaderField& field : head.fields) test.seen_ += StrCat(" ", field.name, "=", field.value);
    const absl::StatusOr<std::string> body = co_await request.ReadAll(100);
    EXPECT_TRUE(body.ok()) << body.status();
    HeaderList fields;
    fields.Add("content-length", "9");
    response.SendHead(201, fields);
    co_await response.Write(StrCat("[", body.value_or("?"), "]"));
  });
  Send("POST /a?b HTTP/1.1\r\nHost: c\r\nX-D: e\r\nContent-Length: 7\r\n\r\nbo");
  EXPECT_EQ(Receive(), "");
  EXPECT_EQ(serving_, 1);
  EXPECT_EQ(Exchange("dy yes"), "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n[body ye]");
  EXPECT_EQ(serving_, 0);
  EXPECT_EQ(seen_, "POST http c /a?b HTTP/1 from memory here host=c x-d=e content-length=7");
}

TEST_F(ServiceTest, TheHeadStaysValidWhileTheConnectionReadsOn) {
  Start([](ServiceTest& test, Request& request, Response&) -> Task<void> {
    co_await request.ReadAll(1 << 20);
    test.seen_ = StrCat(request.head().method, request.head().path, request.head().fields[1].value);
  });
  Send("PUT /path HTTP/1.1\r\nHost: c\r\nX-D: value\r\nContent-Length: 300000\r\n\r\n");
  Send(std::string(300000, 'x'));
  EXPECT_EQ(seen_, "PUT/pathvalue");
}

TEST_F(ServiceTest, ReadGivesWhatIsThereAndZeroAtTheEnd) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    std::array<uint8_t, 4> piece;
    for (;;) {
      const absl::StatusOr<size_t> n = co_await request.Read(piece);
      EXPECT_TRUE(n.ok());
      test.seen_ += StrCat(std::string_view(reinterpret_cast<char*>(piece.data()), *n), "|");
      if (*n == 0) break;
    }
    EXPECT_EQ(*co_await request.Read(piece), 0u);
    response.SendHead(200);
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
  EXPECT_EQ(seen_, "abcd|ef|");
  Send("1\r\ng\r\n");
  EXPECT_EQ(seen_, "abcd|ef|g|");
  EXPECT_EQ(Exchange("0\r\n\r\n"), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(seen_, "abcd|ef|g||");
}

// 0 bytes are the end of the body, and nothing else.
TEST_F(ServiceTest, AReadWithoutRoomIsRefused) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    test.statuses_.push_back((co_await request.Read({})).status());
    test.seen_ = (co_await request.ReadAll(100)).value_or("failed");
    test.statuses_.push_back((co_await request.Read({})).status());
    response.SendHead(200);
  });
  Exchange("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n12345");
  EXPECT_EQ(seen_, "12345");
  ASSERT_EQ(statuses_.size(), 2u);
  for (const absl::Status& status : statuses_) EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_F(ServiceTest, TrailersEndTheBody) {
  Start([](ServiceTest& test, Request& request, Response&) -> Task<void> { test.seen_ = (co_await request.ReadAll(100)).value_or("failed"); });
  Send("POST / HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n\r\n");
  EXPECT_EQ(seen_, "ab");
}

TEST_F(ServiceTest, ReadAllStopsAtItsLimit) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    const absl::StatusOr<std::string> body = co_await request.ReadAll(5);
    test.statuses_.push_back(body.status());
    response.SendHead(body.ok() ? 200 : 413);
  });
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n12345").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 6\r\n\r\n123456").substr(0, 12), "HTTP/1.1 413");
  EXPECT_TRUE(statuses_.at(0).ok());
  EXPECT_EQ(statuses_.at(1), absl::ResourceExhaustedError("request body exceeds 5 bytes"));
}

// The client may send as much as is not read, and goes on as the handler reads.
TEST_F(ServiceTest, AReaderWhoNeverQuiteCatchesUpStillGetsAllBytesInOrder) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    std::vector<uint8_t> piece(997);
    for (;;) {
      const size_t n = *co_await request.Read(piece);
      if (n == 0) break;
      test.seen_.append(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(n));
      asio::steady_timer turn(request.loop().executor(), asio::steady_timer::time_point::min());
      co_await turn.async_wait(kTuple);
    }
    response.SendHead(200);
  }, {.unconsumed_limit = 5000});
  std::string body;
  for (int i = 0; body.size() < 200000; ++i) body += StrCat(i, ",");
  Send(StrCat("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  Send(body);
  EXPECT_EQ(seen_, body);
  EXPECT_EQ(Receive().substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(ServiceTest, WriteSendsTheHeadItself) {
  Start([](ServiceTest&, Request&, Response& response) -> Task<void> { co_await response.Write("hi"); });
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");  // the connection was kept
}

TEST_F(ServiceTest, AWriterIsSuspendedWhileTheClientDoesNotRead) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    for (int i = 0; i < 100; ++i) {
      if (!(co_await response.Write(std::string(10000, static_cast<char>('a' + i % 26)))).ok()) co_return;
      test.written_ += 10000;
    }
  }, {.output_limit = 20000}, {.capacity = 30000});
  Send(kGet);
  EXPECT_EQ(serving_, 1);
  EXPECT_LE(written_, 60000u);
  EXPECT_GE(written_, 20000u);
  const std::string response = Receive();
  EXPECT_EQ(written_, 1000000u);
  EXPECT_GT(response.size(), 1000000u);
  EXPECT_TRUE(response.ends_with("\r\n0\r\n\r\n"));
  EXPECT_EQ(serving_, 0);
}

TEST_F(ServiceTest, FinishWithTrailers) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    co_await response.Write("body");
    HeaderList trailers;
    trailers.Add("x-sum", "7");
    response.Finish(trailers);
    test.statuses_.push_back(co_await response.Write("late"));
    response.Finish();
  });
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n");
  EXPECT_EQ(statuses_.at(0), absl::FailedPreconditionError("the response is finished"));
}

TEST_F(ServiceTest, FinishWithoutAHeadIsAnEmpty200) {
  Start([](ServiceTest&, Request&, Response& response) -> Task<void> {
    response.Finish();
    co_return;
  });
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
}

// RFC 9110 6.4.1. Over HTTP/2 too: see server_test.
TEST_F(ServiceTest, AResponseToHeadEndsWithItsHead) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    HeaderList fields;
    fields.Add("content-length", "1000000");
    response.SendHead(200, fields);
    absl::Status status;
    for (int i = 0; i < 10 && status.ok(); ++i) status = co_await response.Write(std::string(100000, 'x'));
    test.statuses_.push_back(status);
    response.Finish();
  });
  EXPECT_EQ(Exchange("HEAD /a HTTP/1.1\r\nHost: b\r\n\r\n"), "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
  EXPECT_EQ(statuses_.at(0), absl::FailedPreconditionError("the response has no body"));
}

TEST_F(ServiceTest, AWriteWithoutAHeadAnswersHeadAllTheSame) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> { test.statuses_.push_back(co_await response.Write("x")); });
  EXPECT_EQ(Exchange("HEAD /a HTTP/1.1\r\nHost: b\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(statuses_.at(0), absl::FailedPreconditionError("the response has no body"));
}

TEST_F(ServiceTest, NoContentAndNotModifiedHaveNoBody) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    response.SendHead(request.head().path == "/204" ? 204 : 304);
    test.statuses_.push_back(co_await response.Write("x"));
  });
  EXPECT_EQ(Exchange("GET /204 HTTP/1.1\r\nHost: b\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(Exchange("GET /304 HTTP/1.1\r\nHost: b\r\n\r\n"), "HTTP/1.1 304 Not Modified\r\n\r\n");
  ASSERT_EQ(statuses_.size(), 2u);
  for (const absl::Status& status : statuses_) EXPECT_EQ(status, absl::FailedPreconditionError("the response has no body"));
}

TEST_F(ServiceTest, TheFirstHeadCounts) {
  Start([](ServiceTest&, Request&, Response& response) -> Task<void> {
    response.SendHead(404);
    response.SendHead(200);
    co_return;
  });
  EXPECT_EQ(Exchange(kGet).substr(0, 22), "HTTP/1.1 404 Not Found");
}

// RFC 9110 15.2. Over HTTP/2 too: see server_test.
TEST_F(ServiceTest, InterimHeadsGoBeforeTheOneThatCounts) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    HeaderList fields;
    fields.Add("Link", "</a>");
    response.SendHead(103, fields);
    response.SendHead(103);
    if (request.head().path == "/none") co_return;
    test.statuses_.push_back(co_await response.Write("hi"));
    response.SendHead(103);  // too late
  });
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_EQ(Exchange(kGet), StrCat(interim, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
  ASSERT_EQ(statuses_.size(), 1u);
  EXPECT_TRUE(statuses_[0].ok()) << statuses_[0];
  EXPECT_EQ(Exchange("GET /none HTTP/1.1\r\nHost: b\r\n\r\n"),
            StrCat(interim, "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"));
  EXPECT_EQ(Exchange("HEAD /a HTTP/1.1\r\nHost: b\r\n\r\n"), StrCat(interim, "HTTP/1.1 200 OK\r\n\r\n"));
}

// RFC 9110 10.1.1. The client hears it once.
TEST_F(ServiceTest, AHandlerMayAskForTheBodyItself) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    response.SendHead(100);
    test.seen_ = (co_await request.ReadAll(100)).value_or("failed");
    response.SendHead(204);
  });
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Exchange("12345"), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(seen_, "12345");
}

TEST_F(ServiceTest, AHandlerThatSendsNothingAnswers500) {
  Start([](ServiceTest&, Request&, Response&) -> Task<void> { co_return; });
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(ServiceTest, AHandlerThatThrowsAnswers500AndTheConnectionGoesOn) {
  Start([](ServiceTest&, Request&, Response&) -> Task<void> {
    throw std::runtime_error("on purpose");
    co_return;
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "culvert: an HTTP handler threw: on purpose\n");
  testing::internal::CaptureStderr();
  EXPECT_EQ(Exchange(kGet).substr(0, 12), "HTTP/1.1 500");
  testing::internal::GetCapturedStderr();
  EXPECT_FALSE(returned_);
}

TEST_F(ServiceTest, WhatIsThrownNeedNotBeAnException) {
  Start([](ServiceTest&, Request&, Response&) -> Task<void> {
    throw 1;
    co_return;
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(Exchange(kGet).substr(0, 12), "HTTP/1.1 500");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "culvert: an HTTP handler threw: something that is no std::exception\n");
}

// A complete response would tell the client that it has all.
TEST_F(ServiceTest, AHandlerThatThrowsInTheMiddleCutsTheResponseOff) {
  Start([](ServiceTest&, Request&, Response& response) -> Task<void> {
    co_await response.Write("half");
    throw std::runtime_error("on purpose");
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n<end>");
  testing::internal::GetCapturedStderr();
}

TEST_F(ServiceTest, AHandlerThatThrowsAfterTheEndHasAnswered) {
  Start([](ServiceTest&, Request&, Response& response) -> Task<void> {
    co_await response.Write("all");
    response.Finish();
    throw std::runtime_error("on purpose");
  });
  testing::internal::CaptureStderr();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n");
  testing::internal::GetCapturedStderr();
}

TEST_F(ServiceTest, AReaderHearsThatTheClientIsGone) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    test.statuses_.push_back((co_await request.ReadAll(100)).status());
    test.statuses_.push_back(co_await response.Write("to nobody"));
    test.statuses_.push_back(response.Hijack().status());
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n123");
  EXPECT_EQ(serving_, 1);
  client_->Close();
  Pump();
  ASSERT_EQ(statuses_.size(), 3u);
  for (const absl::Status& status : statuses_) EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_F(ServiceTest, ASuspendedWriterHearsThatTheClientIsGone) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    absl::Status status;
    while (status.ok()) status = co_await response.Write(std::string(10000, 'x'));
    test.statuses_.push_back(status);
  }, {.output_limit = 20000}, {.capacity = 30000});
  Send(kGet);
  EXPECT_EQ(serving_, 1);
  client_->Close();
  Pump();
  EXPECT_EQ(statuses_.at(0).code(), absl::StatusCode::kUnavailable);
}

// Nor does it take the cancellation: a coroutine that Serve has spawned without its slot is out of its reach, too.
TEST_F(ServiceTest, AReaderThatIsNotCancelledHearsThatTheClientIsGone) {
  Start([](ServiceTest& test, Request& request, Response&) -> Task<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    test.statuses_.push_back((co_await request.ReadAll(100)).status());
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n123");
  EXPECT_EQ(serving_, 1);
  client_->Close();
  Pump();
  ASSERT_EQ(statuses_.size(), 1u);
  EXPECT_EQ(statuses_[0].code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServiceTest, AWriterThatIsNotCancelledHearsThatTheClientIsGone) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    absl::Status status;
    while (status.ok()) status = co_await response.Write(std::string(10000, 'x'));
    test.statuses_.push_back(status);
  }, {.output_limit = 20000}, {.capacity = 30000});
  Send(kGet);
  EXPECT_EQ(serving_, 1);
  client_->Close();
  Pump();
  ASSERT_EQ(statuses_.size(), 1u);
  EXPECT_EQ(statuses_[0].code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServiceTest, AClientThatClosedAfterItsRequestCancelsTheHandlerAfterAWhile) {
  Start([](ServiceTest& test, Request& request, Response&) -> Task<void> {
    asio::steady_timer never(request.loop().executor(), asio::steady_timer::time_point::max());
    auto [error] = co_await never.async_wait(kTuple);
    test.seen_ = error == asio::error::operation_aborted ? "aborted" : "not aborted";
  });
  Send(kGet);
  client_->Close();
  Pump();
  EXPECT_EQ(serving_, 1);  // it may read still
  loop_.timers().RunDue(io::Timer::Clock::now() + std::chrono::seconds(61));
  Pump();
  EXPECT_EQ(seen_, "aborted");
}

TEST_F(ServiceTest, AClientThatIsGoneCancelsWhateverTheHandlerWaitsFor) {
  Start([](ServiceTest& test, Request& request, Response&) -> Task<void> {
    asio::steady_timer never(request.loop().executor(), asio::steady_timer::time_point::max());
    auto [error] = co_await never.async_wait(kTuple);
    test.seen_ = error == asio::error::operation_aborted ? "aborted" : "not aborted";
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(serving_, 1);
  client_->Close();
  Pump();
  EXPECT_EQ(seen_, "aborted");
}

// The cancellation reaches a handler as an exception, if it awaits so: nothing to make noise about.
TEST_F(ServiceTest, AHandlerThatThrowsBecauseTheClientIsGoneIsNotLogged) {
  Start([](ServiceTest&, Request& request, Response&) -> Task<void> {
    asio::steady_timer never(request.loop().executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n");
  testing::internal::CaptureStderr();
  client_->Close();
  Pump();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(serving_, 0);
}

TEST_F(ServiceTest, AReadLosesARaceAgainstATimer) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    using asio::experimental::awaitable_operators::operator||;
    asio::steady_timer at_once(request.loop().executor(), asio::steady_timer::time_point::min());
    const auto first = co_await (request.ReadAll(100) || at_once.async_wait(asio::use_awaitable));
    test.seen_ = StrCat("timer ", first.index());
    const absl::StatusOr<std::string> body = co_await request.ReadAll(100);
    test.seen_ += StrCat(", then ", body.value_or("failed"));
    response.SendHead(200);
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(seen_, "timer 1");
  Send("hello");
  EXPECT_EQ(seen_, "timer 1, then hello");
}

// --- taking over ---

// Reads the tunnel to the length that is expected, then says so through it.
Task<void> ReadThrough(Tunnel& tunnel, std::string& seen, size_t expected) {
  std::array<char, 5000> piece;
  while (seen.size() < expected) {
    auto [error, n] = co_await tunnel.async_read_some(asio::buffer(piece), kTuple);
    if (error) break;
    seen.append(piece.data(), n);
  }
}

TEST_F(ServiceTest, BytesSentWithTheHeadReachTheTunnelWhole) {
  std::string payload;
  for (int i = 0; payload.size() < 100 * 1024; ++i) payload += StrCat(i, ",");
  for (const size_t most_per_call : {size_t{1} << 20, size_t{10000}, size_t{7}}) {
    seen_.clear();
    written_ = payload.size();
    Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
      response.SendHead(200);
      absl::StatusOr<Hijacked> hijacked = response.Hijack();
      EXPECT_TRUE(hijacked.ok()) << hijacked.status();
      if (!hijacked.ok()) co_return;
      Tunnel tunnel(*std::move(hijacked));
      co_await ReadThrough(tunnel, test.seen_, test.written_);
      co_await tunnel.async_write_some(asio::buffer("bye", 3), kTuple);
    }, {}, {.capacity = 1 << 20, .most_per_call = most_per_call});
    Send(StrCat(kConnect, payload));
    EXPECT_EQ(seen_, payload);
    EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\n\r\nbye<end>");
  }
}

TEST_F(ServiceTest, AByteThatComesBetweenTheHeadAndTheHijackIsKept) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    asio::steady_timer gate(request.loop().executor(), asio::steady_timer::time_point::max());
    test.gate_ = &gate;
    co_await gate.async_wait(kTuple);
    response.SendHead(200);
    Tunnel tunnel(*response.Hijack());
    co_await ReadThrough(tunnel, test.seen_, 9);
  });
  Send(kConnect);
  Send("early,");
  gate_->cancel();
  Pump();
  Send("on");
  Send("e");
  EXPECT_EQ(seen_, "early,one");
  EXPECT_TRUE(returned_);
}

TEST_F(ServiceTest, TheWriteBufferIsHandedOverWithWhatItHolds) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    response.SendHead(200);  // still in the buffer when the connection is taken over
    test.hijacked_ = *response.Hijack();
    co_return;
  });
  Send(kConnect);
  ASSERT_TRUE(hijacked_.has_value());
  EXPECT_EQ(Receive(), "");
  EXPECT_TRUE(weak_.expired());
  EXPECT_EQ(hijacked_->write_buffer->size(), std::string_view("HTTP/1.1 200 OK\r\n\r\n").size());
  hijacked_->write_buffer->Append("more");
  const Tunnel tunnel(*std::move(hijacked_));
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\n\r\nmore");
}

TEST_F(ServiceTest, TheTunnelLivesOnWithoutHandlerAndConnection) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    response.SendHead(200);
    test.tunnel_ = std::make_unique<Tunnel>(*response.Hijack());
    co_return;
  });
  Send(kConnect);
  EXPECT_TRUE(returned_);
  EXPECT_TRUE(weak_.expired());  // connection, request and response
  asio::co_spawn(context_, ReadThrough(*tunnel_, seen_, 5), [](std::exception_ptr) {});
  Send("hello");
  EXPECT_EQ(seen_, "hello");
  tunnel_.reset();
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\n\r\n<end>");
}

TEST_F(ServiceTest, AfterAHijackTheResponseIsOfNoUse) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    test.hijacked_ = *response.Hijack();
    test.statuses_.push_back(response.Hijack().status());
    test.statuses_.push_back(co_await response.Write("lost"));
    response.SendHead(200);
    response.Finish();
    std::array<uint8_t, 10> piece;
    EXPECT_EQ((co_await request.Read(piece)).value_or(7), 0u);
  });
  Send(kConnect);
  ASSERT_EQ(statuses_.size(), 2u);
  for (const absl::Status& status : statuses_) EXPECT_EQ(status, absl::FailedPreconditionError("the connection was hijacked"));
  EXPECT_EQ(Receive(), "");  // no 500 either
}

TEST_F(ServiceTest, AHandlerThatThrowsAfterAHijackHarmsNothing) {
  Start([](ServiceTest& test, Request&, Response& response) -> Task<void> {
    test.hijacked_ = *response.Hijack();
    throw std::runtime_error("on purpose");
    co_return;
  });
  testing::internal::CaptureStderr();
  Send(kConnect);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "culvert: an HTTP handler threw: on purpose\n");
  EXPECT_EQ(Receive(), "");
  hijacked_->stream->Close();
  EXPECT_EQ(Receive(), "<end>");
}

TEST_F(ServiceTest, HijackBeforeTheBodyIsReadOrAfterAResponseHasBegunIsRefused) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    test.statuses_.push_back(response.Hijack().status());
    co_await request.ReadAll(100);
    response.SendHead(200);
    test.statuses_.push_back(response.Hijack().status());
    co_await response.Write("ok");
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Exchange("12345"), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  ASSERT_EQ(statuses_.size(), 2u);
  for (const absl::Status& status : statuses_) EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

// RFC 9110 15.2.2: it says to what. Of other responses the field is left out, as is all that is about the connection.
TEST_F(ServiceTest, AHeadThatUpgradesNamesTheProtocol) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    HeaderList fields;
    fields.Add("Connection", "x");
    fields.Add("Upgrade", "echo");
    response.SendHead(request.head().path == "/echo" ? 101 : 204, fields);
    if (absl::StatusOr<Hijacked> hijacked = response.Hijack(); hijacked.ok()) test.tunnel_ = std::make_unique<Tunnel>(*std::move(hijacked));
    co_return;
  });
  EXPECT_EQ(Exchange("GET /a HTTP/1.1\r\nHost: b\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(Exchange("GET /echo HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n");
}

TEST_F(ServiceTest, ABodyThatCameWithAnUpgradeIsReadBeforeTheTunnel) {
  Start([](ServiceTest& test, Request& request, Response& response) -> Task<void> {
    std::array<uint8_t, 2> piece;
    co_await request.Read(piece);
    while (test.hijacked_ == std::nullopt) {
      if (absl::StatusOr<Hijacked> hijacked = response.Hijack(); hijacked.ok()) test.hijacked_ = *std::move(hijacked);
    }
    test.seen_ = (co_await request.ReadAll(10)).value_or("failed");
    Tunnel tunnel(*std::exchange(test.hijacked_, std::nullopt));
    co_await ReadThrough(tunnel, test.seen_, 8);
  });
  Send("POST / HTTP/1.1\r\nHost: c\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\n12345after");
  EXPECT_EQ(seen_, "345after");
}

}  // namespace
}  // namespace culvert::http
