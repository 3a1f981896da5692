#include "transport/http1/connection.h"

#include "tests/transport/http1/connection_fixture.h"

namespace culvert::http1 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string Chunk(std::string_view text) {
  return absl::StrCat(absl::Hex(text.size()), "\r\n", std::string(text), "\r\n");
}

TEST_F(ConnectionTest, GivesTheHandlerTheHead) {
  Start();
  EXPECT_EQ(Exchange("GET /x?y HTTP/1.1\r\nHost: a:1\r\nX-Y: z\r\n\r\n"), kEmptyEcho);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0]->line, "GET http a:1 /x?y");
  EXPECT_EQ(requests_[0]->fields, "{host=a:1}{x-y=z}");
  EXPECT_TRUE(requests_[0]->ended);
  EXPECT_FALSE(requests_[0]->closed);
}

TEST_F(ConnectionTest, KnowsWhoAndWhatItIs) {
  on_request_ = [this](Received& r) {
    EXPECT_EQ(r.exchange.http_major(), 1);
    EXPECT_EQ(r.exchange.peer(), "memory");
    EXPECT_EQ(&r.exchange.loop(), &loop_);
    Echo(r);
  };
  Start({.scheme = "https"});
  Exchange(kGet);
  EXPECT_EQ(requests_.at(0)->line, "GET https a /");
}

TEST_F(ConnectionTest, ServesOneRequestAfterTheOther) {
  Start();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Exchange(kGet), kEmptyEcho);
  EXPECT_EQ(requests_.size(), 5u);
  EXPECT_FALSE(run_ended_);
}

TEST_F(ConnectionTest, AnIdleConnectionHoldsNoBlock) {
  Start();
  EXPECT_FALSE(connection()->holds_blocks());
  Exchange(kGet);
  EXPECT_FALSE(connection()->holds_blocks());
  EXPECT_TRUE(Send("GET"));
  EXPECT_TRUE(connection()->holds_blocks());
}

TEST_F(ConnectionTest, ReadsBodiesByContentLength) {
  Start();
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[hello]");
  EXPECT_EQ(Exchange(kGet), kEmptyEcho);
}

TEST_F(ConnectionTest, ReadsChunkedBodiesAndTrailers) {
  Start();
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n[hello!]");
  Exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA-B: c\r\n\r\n");
  EXPECT_EQ(requests_.at(1)->trailers, "{a-b=c}");
  EXPECT_EQ(requests_.at(1)->body, "x");
  EXPECT_EQ(Exchange(kGet), kEmptyEcho);
}

TEST_F(ConnectionTest, TheSameByteByByte) {
  Start({}, {.most_per_call = 1});
  const std::string requests = absl::StrCat(
      std::string(kGet), "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      "5\r\nhello\r\n0\r\nA: b\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy");
  EXPECT_EQ(Exchange(requests),
            absl::StrCat(std::string(kEmptyEcho), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[hello]",
                         "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[xy]"));
}

// --- pipelining ---

TEST_F(ConnectionTest, PipelinedRequestsAreAnsweredInOneWrite) {
  Start();
  EXPECT_EQ(Exchange(absl::StrCat(std::string(kGet), std::string(kGet), std::string(kGet))),
            absl::StrCat(std::string(kEmptyEcho), std::string(kEmptyEcho), std::string(kEmptyEcho)));
  EXPECT_EQ(writes_, 1);
}

TEST_F(ConnectionTest, PipelinedRequestsWaitTheirTurn) {
  on_request_ = [](Received&) {};
  Start();
  EXPECT_EQ(Exchange(absl::StrCat(std::string(kGet), std::string(kGet))), "");
  ASSERT_EQ(requests_.size(), 1u);
  requests_[0]->exchange.SendHead({200, {}}, true);
  Pump();
  EXPECT_EQ(requests_.size(), 1u);  // answered, but not released
  requests_[0]->Release();
  EXPECT_EQ(requests_.size(), 1u);  // no handler runs inside a call into an exchange
  Pump();
  ASSERT_EQ(requests_.size(), 2u);
  Echo(*requests_[1]);
  Pump();
  EXPECT_EQ(Receive(), absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", std::string(kEmptyEcho)));
}

TEST_F(ConnectionTest, ReadsLittleBehindARequestInProgress) {
  on_request_ = [](Received&) {};
  Start();
  Send(kGet);
  size_t taken = 0;
  while (Send(std::string(1024, 'x'))) taken += 1024;
  EXPECT_LE(taken, 64u * 1024 + io::BlockPool::kSmallBlock);
}

TEST_F(ConnectionTest, ReadsLittleTogetherWithARequest) {
  on_request_ = [](Received&) {};
  constexpr size_t kCapacity = 128 * 1024;
  Start({}, {.capacity = kCapacity});
  const std::string rest(kCapacity, 'x');
  EXPECT_TRUE(Send(absl::StrCat(std::string(kGet), rest.substr(kGet.size()))));
  ASSERT_EQ(requests_.size(), 1u);
  const iovec piece{const_cast<char*>(rest.data()), rest.size()};
  EXPECT_LE(client_->TryWrite({&piece, 1}).bytes, io::BlockPool::kSmallBlock);  // as much as was read
}

TEST_F(ConnectionTest, AClientThatReadsNothingGetsNoFurtherRequestServed) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, std::string(10000, 'x'), true);
    r.Release();
  };
  Start({}, {.capacity = 1000});
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kGet;
  EXPECT_FALSE(Send(many));
  EXPECT_LT(requests_.size(), 12u);
  const size_t before = requests_.size();
  Receive();
  EXPECT_GT(requests_.size(), before);
}

// --- response framing ---

TEST_F(ConnectionTest, StreamsChunkedWhenTheLengthIsUnknown) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, "hello", false);
    SendText(r.exchange, "", false);  // not the last chunk
    SendText(r.exchange, std::string(5000, 'x'), true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), absl::StrCat("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                                         Chunk("hello"), Chunk(std::string(5000, 'x')), "0\r\n\r\n"));
  EXPECT_EQ(writes_, 1);
}

TEST_F(ConnectionTest, WritesInPlaceWithTheChunkAroundIt) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    for (const auto& [text, end] : std::vector<std::pair<std::string, bool>>{
             {"hello", false}, {"", false}, {std::string(20, 'y'), true}}) {
      uint8_t* at = r.exchange.TrySendInPlace(text.size(), end);
      ASSERT_NE(at, nullptr);
      std::copy(text.begin(), text.end(), at);
    }
    EXPECT_EQ(r.exchange.TrySendInPlace(1, true), nullptr);  // it is over
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), absl::StrCat("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                                         Chunk("hello"), Chunk(std::string(20, 'y')), "0\r\n\r\n"));
}

TEST_F(ConnectionTest, AnEmptyInPlaceEndIsTheLastChunk) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    EXPECT_NE(r.exchange.TrySendInPlace(0, true), nullptr);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionTest, InPlaceWithContentLengthIsPlain) {
  on_request_ = [](Received& r) {
    const http::HeaderField length{"content-length", "4"};
    r.exchange.SendHead({200, {&length, 1}}, false);
    EXPECT_EQ(r.exchange.TrySendInPlace(5, false), nullptr);
    uint8_t* at = r.exchange.TrySendInPlace(4, true);
    ASSERT_NE(at, nullptr);
    std::fill_n(at, 4, 'z');
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nzzzz");
  EXPECT_FALSE(run_ended_);
}

TEST_F(ConnectionTest, SendsTrailers) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, "x", false);
    const Fields trailers = {{"grpc-status", "0"}};
    r.exchange.SendTrailers(trailers);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ngrpc-status: 0\r\n\r\n");
  EXPECT_EQ(Exchange("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nx<end>");
}

TEST_F(ConnectionTest, MoreThanTheContentLengthIsCutAndCloses) {
  on_request_ = [](Received& r) {
    const http::HeaderField length{"content-length", "4"};
    r.exchange.SendHead({200, {&length, 1}}, false);
    SendText(r.exchange, "123456789", true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n1234<end>");
}

TEST_F(ConnectionTest, LessThanTheContentLengthCloses) {
  on_request_ = [](Received& r) {
    const http::HeaderField length{"content-length", "4"};
    r.exchange.SendHead({200, {&length, 1}}, false);
    SendText(r.exchange, "12", true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n12<end>");
}

TEST_F(ConnectionTest, HeadHasNoBody) {
  Start();
  const std::string head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
  EXPECT_EQ(Exchange("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), head);
  EXPECT_EQ(Exchange(kGet), kEmptyEcho);
}

// RFC 9110 9.3.2
TEST_F(ConnectionTest, AnErrorOfOursToHeadHasNoBodyEither) {
  on_request_ = [](Received& r) { r.Release(); };
  Start();
  const std::string head =
      "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\n"
      "content-length: 29\r\nconnection: close\r\n\r\n";
  EXPECT_EQ(Exchange("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), head + "<end>");
  Start();
  EXPECT_EQ(Exchange(kGet), head + "the request was not answered\n<end>");
}

// RFC 9110 7.8
TEST_F(ConnectionTest, AnUpgradeOfHttp10IsNotSeen) {
  Start();
  Send("GET / HTTP/1.0\r\nUpgrade: a\r\nConnection: upgrade, keep-alive\r\nX: b\r\nUpgrade: c\r\n\r\n");
  EXPECT_EQ(requests_.at(0)->fields, "{connection=upgrade, keep-alive}{x=b}");
  Send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n");
  EXPECT_EQ(requests_.at(1)->fields, "{host=a}{upgrade=a}{connection=upgrade}");
}

TEST_F(ConnectionTest, NoContentAndNotModifiedHaveNoBody) {
  int status = 204;
  on_request_ = [&](Received& r) {
    const http::HeaderField length{"content-length", "9"};
    r.exchange.SendHead({status, {&length, 1}}, false);
    EXPECT_EQ(r.exchange.TrySendInPlace(1, false), nullptr);
    SendText(r.exchange, "123456789", true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 204 No Content\r\n\r\n");
  status = 304;
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n");
}

TEST_F(ConnectionTest, InterimHeadsPrecedeTheFinalOne) {
  on_request_ = [](Received& r) {
    const http::HeaderField link{"link", "</x>"};
    r.exchange.SendHead({103, {&link, 1}}, false);
    r.exchange.SendHead({200, {}}, true);
    r.exchange.SendHead({500, {}}, true);  // once
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet),
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(Exchange("GET / HTTP/1.0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n<end>");
}

// --- keep-alive ---

TEST_F(ConnectionTest, ClosesWhenTheClientAsks) {
  Start();
  EXPECT_EQ(Exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]<end>");
  EXPECT_FALSE(run_ended_);  // until the client has closed, or the linger time is over
  client_->Close();
  Pump();
  EXPECT_TRUE(run_ended_);
  EXPECT_TRUE(weak_.expired());
}

TEST_F(ConnectionTest, ClosesWhenTheHandlerAsks) {
  on_request_ = [](Received& r) {
    const http::HeaderField close{"Connection", "Close"};
    r.exchange.SendHead({200, {&close, 1}}, true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(absl::StrCat(std::string(kGet), std::string(kGet))),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n<end>");
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(ConnectionTest, Http10ClosesUnlessAskedNotTo) {
  Start();
  EXPECT_EQ(Exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n[]");
  EXPECT_EQ(Exchange("GET / HTTP/1.0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]<end>");
}

TEST_F(ConnectionTest, AnUnknownLengthTowardsHttp10EndsWithTheConnection) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, "abc", true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc<end>");
}

TEST_F(ConnectionTest, LingersForAPeerThatNeverClosesButNotForever) {
  Start();
  Exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(Send(std::string(100000, 'x')));  // read and dropped
  EXPECT_FALSE(run_ended_);
  EXPECT_FALSE(connection()->holds_blocks());
  PassTime(milliseconds(1100));
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(limits_.Text(), "http1_linger=1");
}

TEST_F(ConnectionTest, LingersForABoundedNumberOfBytes) {
  Start();
  Exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(Send(std::string(2000000, 'x')));
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(limits_.Text(), "http1_linger=1");
}

TEST_F(ConnectionTest, AClientThatEndsItsSideStillGetsTheResponse) {
  on_request_ = [](Received&) {};
  Start();
  Send(kGet);
  client_->ShutdownWrite();
  Pump();
  EXPECT_FALSE(requests_.at(0)->closed);
  Echo(*requests_.at(0));
  Pump();
  EXPECT_EQ(Receive(), absl::StrCat(std::string(kEmptyEcho), "<end>"));
  EXPECT_TRUE(run_ended_);
}

// From here it cannot be told from one that is gone.
TEST_F(ConnectionTest, AClientThatEndedItsSideIsGivenUpAfterAWhile) {
  on_request_ = [](Received&) {};
  Start();
  Send(kGet);
  client_->Close();
  Pump();
  PassTime(seconds(59));
  EXPECT_FALSE(requests_.at(0)->closed);
  PassTime(seconds(2));
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->message(),
            "the peer ended its side, and nothing of the response went out for 60000 ms");
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(limits_.Text(), "http1_half_close_timeout=1");
}

TEST_F(ConnectionTest, AClientThatEndedItsSideIsWaitedForWhileItIsAnswered) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
  Send("b");
  EXPECT_TRUE(loop_.timers().empty());
  client_->ShutdownWrite();
  Pump();
  const io::Timer::Clock::time_point before = loop_.timers().earliest();
  SendText(requests_.at(0)->exchange, "x", false);
  Pump();
  EXPECT_GT(loop_.timers().earliest(), before);
  PassTime(seconds(61));
  EXPECT_TRUE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, ACleanCloseBetweenRequestsIsQuiet) {
  Start();
  Exchange(kGet);
  client_->ShutdownWrite();
  Pump();
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_TRUE(run_ended_);
  EXPECT_EQ(limits_.Text(), "");
}

TEST_F(ConnectionTest, ACloseInTheMiddleOfAHeadIsABadRequest) {
  Start();
  Send("GET / HT");
  client_->ShutdownWrite();
  Pump();
  EXPECT_TRUE(Receive().starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(run_ended_);
}

// --- errors ---

TEST_F(ConnectionTest, AnswersErrorsAndCloses) {
  for (const auto& [text, status] : std::vector<std::pair<std::string, int>>{
           {"GET / HTTP/1.1\r\n\r\n", 400},
           {"GET / HTTP/2.0\r\n\r\n", 505},
           {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           {std::string(9000, 'x'), 414},
           {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70000, 'x'), 431},
           {"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
           {"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421},
       }) {
    requests_.clear();
    run_ended_ = false;
    Start();
    Send(text);
    const std::string response = Receive();
    EXPECT_TRUE(response.starts_with(absl::StrCat("HTTP/1.1 ", status, " "))) << response;
    EXPECT_NE(response.find("connection: close\r\n"), std::string::npos);
    EXPECT_TRUE(response.ends_with("\n<end>"));
    EXPECT_TRUE(requests_.empty());
    client_->Close();
    Pump();
    EXPECT_TRUE(run_ended_);
  }
  EXPECT_EQ(limits_.Text(), "http1_bad_request=6 http1_headers_too_large=1 http1_uri_too_long=1");
}

TEST_F(ConnectionTest, AMalformedBodyIsABadRequest) {
  Start();
  const std::string response =
      Exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 400 ")) << response;
  EXPECT_EQ(requests_.at(0)->body, "x");
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->code(), absl::StatusCode::kInternal);
  // What is sent now is dropped.
  Echo(*requests_.at(0));
  Pump();
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_EQ(limits_.Text(), "http1_bad_request=1");
}

TEST_F(ConnectionTest, AConnectionLostInABodyIsUnavailable) {
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  client_->Close();
  Pump();
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(run_ended_);
  EXPECT_FALSE(weak_.expired());  // the exchange is still held
  EXPECT_TRUE(requests_.at(0)->exchange.writable());
  requests_.at(0)->Release();
  EXPECT_TRUE(weak_.expired());
}

TEST_F(ConnectionTest, AConnectionLostInAResponseIsUnavailable) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start();
  Exchange(kGet);
  client_->Close();
  Pump();
  EXPECT_FALSE(requests_.at(0)->closed);  // it may only have ended its side
  SendText(requests_.at(0)->exchange, "x", false);
  Pump();
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->code(), absl::StatusCode::kUnavailable);
}

TEST_F(ConnectionTest, ARequestReleasedUnansweredIsAnError) {
  on_request_ = [](Received& r) { r.Release(); };
  Start();
  EXPECT_TRUE(Exchange(kGet).starts_with("HTTP/1.1 500 "));
}

TEST_F(ConnectionTest, AResponseReleasedUnfinishedEndsTheConnection) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, "x", false);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n<end>");
}

TEST_F(ConnectionTest, ResetBeforeTheHeadAnswersAnError) {
  on_request_ = [](Received& r) {
    r.exchange.Reset(absl::StatusCode::kUnavailable);
    r.exchange.SendHead({200, {}}, true);
    r.Release();
  };
  Start();
  EXPECT_TRUE(Exchange(kGet).starts_with("HTTP/1.1 503 "));
  EXPECT_FALSE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, ResetInABodyEndsTheConnectionAtOnce) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start();
  Exchange(kGet);
  SendText(requests_.at(0)->exchange, "x", false);
  requests_.at(0)->exchange.Reset(absl::StatusCode::kInternal);
  Pump();
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_TRUE(run_ended_);
  EXPECT_FALSE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, CloseTellsTheReceiver) {
  on_request_ = [](Received&) {};
  Start();
  Send(kGet);
  connection()->Close(absl::UnavailableError("server stops"));
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->message(), "server stops");
  Pump();
  EXPECT_TRUE(run_ended_);
}

TEST_F(ConnectionTest, CloseWithinTheHandlerIsHeard) {
  on_request_ = [this](Received& r) {
    connection()->Close(absl::UnavailableError("server stops"));
    EXPECT_TRUE(r.closed);
    Echo(r);  // dropped
  };
  Start();
  EXPECT_EQ(Exchange(kGet), "<end>");
  EXPECT_TRUE(run_ended_);
}

// --- Expect: 100-continue (RFC 9110 10.1.1) ---

constexpr std::string_view kExpect =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

TEST_F(ConnectionTest, SaysContinueWhenTheHandlerWantsTheBody) {
  Start();
  EXPECT_EQ(Exchange(kExpect), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Exchange("ab"), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[ab]");
  EXPECT_EQ(Exchange(kGet), kEmptyEcho);
}

TEST_F(ConnectionTest, SaysNoContinueWhenTheBodyIsHere) {
  Start();
  EXPECT_EQ(Exchange(absl::StrCat(std::string(kExpect), "ab")),
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[ab]");
  EXPECT_EQ(Exchange(kGet), kEmptyEcho);
}

TEST_F(ConnectionTest, ClosesWhenTheBodyWasNotAskedFor) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({403, {}}, true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(kExpect),
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n<end>");
}

// --- back-pressure ---

TEST_F(ConnectionTest, StopsReadingWhileBodyBytesAreUnconsumed) {
  pays_ = false;
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_FALSE(Send(std::string(1000000, 'x')));
  Received& r = *requests_.at(0);
  EXPECT_EQ(r.body.size(), 64u * 1024);
  r.exchange.Consumed(10000);
  EXPECT_EQ(r.body.size(), 64u * 1024);  // nothing is pushed inside the call
  Pump();
  EXPECT_EQ(r.body.size(), 64u * 1024 + 10000);
  r.exchange.Consumed(64 * 1024);
  Pump();
  EXPECT_EQ(r.body.size(), 2u * 64 * 1024 + 10000);
}

TEST_F(ConnectionTest, ABodyOfAnySizePassesAReceiverThatPays) {
  for (bool chunked : {false, true}) {
    requests_.clear();
    Start();
    const std::string chunk = Chunk(std::string(50000, 'x'));
    EXPECT_TRUE(Send(chunked ? "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n"));
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(Send(chunked ? chunk : std::string(50000, 'x')));
    EXPECT_TRUE(Send(chunked ? "0\r\n\r\n" : ""));
    EXPECT_EQ(requests_.at(0)->body.size(), 5000000u);
    EXPECT_TRUE(requests_.at(0)->ended);
    Receive();
    client_->Close();
    Pump();
  }
}

TEST_F(ConnectionTest, TheEndOfABodyIsSeenWithAllOfItUnconsumed) {
  pays_ = false;
  Start({.unconsumed_limit = 5});
  Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_FALSE(requests_.at(0)->ended);
  Send("0\r\nA: b\r\n\r\n");
  EXPECT_EQ(requests_.at(0)->trailers, "{a=b}");
}

TEST_F(ConnectionTest, ALostConnectionIsNoticedWithABodyUnconsumed) {
  pays_ = false;
  Start({.unconsumed_limit = 5});
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
  client_->Close();
  Pump();
  EXPECT_TRUE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, TellsWhenThereIsRoomAgain) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start({}, {.capacity = 1000});
  Send(kGet);
  Received& r = *requests_.at(0);
  size_t sent = 0;
  while (r.exchange.writable()) {
    SendText(r.exchange, std::string(5000, 'x'), false);
    sent += 5000;
    Pump();
  }
  EXPECT_LT(sent, 80000u);
  EXPECT_EQ(r.exchange.TrySendInPlace(1, false), nullptr);
  EXPECT_EQ(r.writable, 0);
  size_t received = Receive().size();
  EXPECT_GT(received, sent);
  EXPECT_EQ(r.writable, 1);
  EXPECT_TRUE(r.exchange.writable());
  EXPECT_NE(r.exchange.TrySendInPlace(0, true), nullptr);
  r.Release();
  Pump();
  EXPECT_TRUE(Receive().ends_with("0\r\n\r\n"));
}

TEST_F(ConnectionTest, ARefillInOnWritableGoesOut) {
  constexpr size_t kTotal = 2000000;
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    auto sent = std::make_shared<size_t>(0);
    r.on_writable = [&r, sent] {
      while (r.exchange.writable() && *sent < kTotal) {
        *sent += 10000;
        SendText(r.exchange, std::string(10000, 'x'), *sent == kTotal);
      }
      if (*sent == kTotal) r.Release();
    };
    r.on_writable();
  };
  Start();
  Send(kGet);
  const std::string response = Receive();
  EXPECT_GT(response.size(), kTotal);
  EXPECT_TRUE(response.ends_with("\r\n0\r\n\r\n"));
  EXPECT_FALSE(connection()->holds_blocks());
}

TEST_F(ConnectionTest, ALongResponseLeavesTurnsToOthers) {
  constexpr size_t kTotal = 2000000;
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    auto sent = std::make_shared<size_t>(0);
    r.on_writable = [&r, sent] {
      while (r.exchange.writable() && *sent < kTotal) {
        *sent += 10000;
        SendText(r.exchange, std::string(10000, 'x'), *sent == kTotal);
      }
      if (*sent == kTotal) r.Release();
    };
    r.on_writable();
  };
  Start({}, {.capacity = 2 * kTotal});  // a client that takes everything at once
  const iovec piece{const_cast<char*>(kGet.data()), kGet.size()};
  client_->TryWrite({&piece, 1});
  context_.restart();
  for (int before = 0; context_.poll_one() != 0; before = writes_) EXPECT_LE(writes_ - before, 8);
  EXPECT_GT(writes_, 8);
  EXPECT_TRUE(Receive().ends_with("\r\n0\r\n\r\n"));
}

// --- a body that its handler does not want ---

TEST_F(ConnectionTest, ASmallUnwantedBodyIsDropped) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, true);
    r.Release();
  };
  Start();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"),
              "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    EXPECT_TRUE(Send(std::string(100000, 'x')));
  }
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  Exchange(kGet);
  EXPECT_EQ(requests_.size(), 4u);
}

TEST_F(ConnectionTest, ALargeUnwantedBodyClosesTheConnection) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({413, {}}, true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"),
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n<end>");
}

TEST_F(ConnectionTest, AnEndlessUnwantedBodyClosesTheConnection) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({413, {}}, true);
    r.Release();
  };
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
  EXPECT_EQ(Receive(), "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
  for (int i = 0; i < 5; ++i) Send(std::string(60000, 'x'));
  EXPECT_EQ(Receive(), "<end>");
}

TEST_F(ConnectionTest, AnUnwantedBodyThatDoesNotComeIsNotWaitedForLong) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({413, {}}, true);
    r.Release();
  };
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  Receive();
  PassTime(seconds(11));
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_EQ(limits_.Count("http1_body_timeout"), 1u);
}

TEST_F(ConnectionTest, ABodyIsStillReceivedAfterTheResponse) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, true); };
  Start();
  EXPECT_EQ(Exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  Send("abc");
  EXPECT_EQ(requests_.at(0)->body, "abc");
  EXPECT_TRUE(requests_.at(0)->ended);
}

// --- time ---

TEST_F(ConnectionTest, ASlowHeadIsCutOff) {
  Start();
  Send("GET / HTTP/1.1\r\nHo");
  PassTime(seconds(9));
  Send("st: a\r\nX:");
  PassTime(seconds(2));
  EXPECT_TRUE(Receive().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(limits_.Count("http1_header_timeout"), 1u);
}

TEST_F(ConnectionTest, ASecondSlowHeadToo) {
  Start();
  Exchange(kGet);
  PassTime(seconds(50));
  Send("GET");
  PassTime(seconds(15));
  EXPECT_TRUE(Receive().starts_with("HTTP/1.1 408 "));
}

TEST_F(ConnectionTest, ANewConnectionThatSaysNothingIsClosedWithoutAWord) {
  Start();
  PassTime(seconds(9));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_EQ(limits_.Count("http1_header_timeout"), 1u);
}

TEST_F(ConnectionTest, AnIdleConnectionIsClosedWithoutAWord) {
  Start();
  Exchange(kGet);
  PassTime(seconds(59));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  EXPECT_EQ(Receive(), "<end>");
  EXPECT_EQ(limits_.Count("idle_timeout"), 1u);
}

TEST_F(ConnectionTest, AResponseThatIsStillGoingOutIsNoIdleTime) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, std::string(50000, 'x'), true);
    r.Release();
  };
  Start({.idle_timeout = seconds(5)}, {.capacity = 1000});
  Send(absl::StrCat(std::string(kGet), "GET / HTTP/1.1\r\n"));
  PassTime(seconds(11));
  EXPECT_TRUE(Receive().ends_with("\r\n0\r\n\r\n"));
  EXPECT_TRUE(Exchange("Host: a\r\n\r\n").ends_with("\r\n0\r\n\r\n"));
  EXPECT_EQ(requests_.size(), 2u);
  Send("GET");
  PassTime(seconds(11));
  EXPECT_TRUE(Receive().starts_with("HTTP/1.1 408 "));
}

constexpr std::string_view kTenBytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";

TEST_F(ConnectionTest, ABodyThatDoesNotComeIsCutOff) {
  Start();
  Send(kTenBytes);
  Send("abc");
  PassTime(seconds(29));
  EXPECT_EQ(Receive(), "");
  PassTime(seconds(2));
  const std::string response = Receive();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 408 ")) << response;
  EXPECT_TRUE(response.ends_with("\nno more of the request body within 30000 ms\n<end>")) << response;
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(*requests_.at(0)->closed, absl::UnavailableError("no more of the request body within 30000 ms"));
  EXPECT_EQ(limits_.Count("http1_body_timeout"), 1u);
}

TEST_F(ConnectionTest, ABodyThatDoesNotComeAfterAHeadHasGoneOutBreaksTheResponse) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start();
  Send(kTenBytes);
  PassTime(seconds(31));
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n<end>");
  EXPECT_TRUE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, EachPieceOfABodyMayTakeItsTime) {
  on_request_ = [](Received&) {};
  Start();
  Send(kTenBytes);
  for (int i = 0; i < 9; ++i) {
    const io::Timer::Clock::time_point before = loop_.timers().earliest();
    Send("x");
    EXPECT_GT(loop_.timers().earliest(), before);
  }
  Send("x");
  EXPECT_TRUE(loop_.timers().empty());
}

TEST_F(ConnectionTest, ChunksWithoutBytesBuyABodyNoTime) {
  on_request_ = [](Received&) {};
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  const io::Timer::Clock::time_point before = loop_.timers().earliest();
  Send("1;extension");
  EXPECT_EQ(loop_.timers().earliest(), before);
}

TEST_F(ConnectionTest, ABodyIsNotLateWhileItsHandlerDoesNotTakeIt) {
  pays_ = false;
  Start({.unconsumed_limit = 5});
  Send(kTenBytes);
  Send("hello");
  EXPECT_TRUE(loop_.timers().empty());
  requests_.at(0)->exchange.Consumed(5);
  Pump();
  EXPECT_FALSE(loop_.timers().empty());
  PassTime(seconds(31));
  EXPECT_TRUE(requests_.at(0)->closed);
}

TEST_F(ConnectionTest, AHandlerMayTakeItsTime) {
  on_request_ = [](Received&) {};
  Start();
  Send(kGet);
  PassTime(std::chrono::hours(10));
  Echo(*requests_.at(0));
  Pump();
  EXPECT_EQ(Receive(), kEmptyEcho);
}

TEST_F(ConnectionTest, APeerThatStopsReadingIsCutOff) {
  on_request_ = [](Received& r) { r.exchange.SendHead({200, {}}, false); };
  Start({}, {.capacity = 1000});
  Send(kGet);
  SendText(requests_.at(0)->exchange, std::string(50000, 'x'), false);
  Pump();
  PassTime(seconds(29));
  EXPECT_FALSE(requests_.at(0)->closed);
  PassTime(seconds(2));
  ASSERT_TRUE(requests_.at(0)->closed);
  EXPECT_EQ(requests_.at(0)->closed->code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(connection()->holds_blocks());  // nothing of the response stays in memory
  EXPECT_EQ(limits_.Text(), "http1_write_timeout=1");
}

// --- draining ---

TEST_F(ConnectionTest, DrainClosesAnIdleConnection) {
  Start();
  Exchange(kGet);
  connection()->Drain();
  Pump();
  EXPECT_EQ(Receive(), "<end>");
}

TEST_F(ConnectionTest, DrainFinishesTheCurrentExchange) {
  on_request_ = [](Received&) {};
  Start();
  Send(absl::StrCat(std::string(kGet), std::string(kGet)));
  connection()->Drain();
  Pump();
  EXPECT_EQ(Receive(), "");
  Echo(*requests_.at(0));
  Pump();
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]<end>");
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(ConnectionTest, DrainServesAHeadThatHasBegun) {
  Start();
  Send("GET / HTTP/1.1\r\n");
  connection()->Drain();
  Pump();
  EXPECT_EQ(Exchange("Host: a\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]<end>");
}

// A context may go while a connection waits; nothing leaks (AddressSanitizer looks).
TEST(Connection, DiesWithItsContext) {
  struct Nobody final : http::Handler {
    void OnRequest(http::Exchange&, const http::RequestHead&, bool) override {}
  } handler;
  std::weak_ptr<Connection> weak;
  {
    asio::io_context context(1);
    auto [client, server] = testing_support::MakeMemoryStreamPair(EventLoop::Of(context));
    auto connection = Connection::Create(std::move(server), {}, handler);
    weak = connection;
    asio::co_spawn(context, connection->Run(connection), [](std::exception_ptr) {});
    connection.reset();
    context.poll();
    client->Close();  // the wait is over, its handler queued
  }
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace culvert::http1
