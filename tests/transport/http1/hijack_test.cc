#include "transport/http1/hijack.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tests/transport/http1/connection_fixture.h"
#include "transport/io/prefixed_stream.h"
#include "transport/io/socket_stream.h"

namespace culvert::http1 {
namespace {

constexpr std::string_view kConnect = "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n";
constexpr std::string_view kUpgrade =
    "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

class HijackTest : public ConnectionTest {
 protected:
  // What can be read from the hijacked stream now.
  std::string Read() {
    std::string out;
    for (;;) {
      std::array<uint8_t, 3000> space;
      const io::IoResult result = hijacked_->stream->TryRead(space);
      if (result.kind != io::IoResult::Kind::kBytes) return out;
      out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      Pump();
    }
  }

  // Writes what the hijacked buffer holds, then `text`.
  void Write(std::string_view text) {
    hijacked_->write_buffer->Append(text);
    while (!hijacked_->write_buffer->empty()) {
      std::array<iovec, 16> pieces;
      const size_t count = hijacked_->write_buffer->Gather(pieces);
      const io::IoResult result = hijacked_->stream->TryWrite({pieces.data(), count});
      if (result.kind != io::IoResult::Kind::kBytes) return;
      hijacked_->write_buffer->Consume(result.bytes);
    }
  }

  void Hijack(Received& request) {
    absl::StatusOr<http::Hijacked> hijacked = request.exchange.Hijack();
    ASSERT_TRUE(hijacked.ok()) << hijacked.status();
    hijacked_ = std::move(*hijacked);
  }

  size_t prefix_left() {
    const auto* stream = dynamic_cast<io::PrefixedStream*>(hijacked_->stream.get());
    return stream == nullptr ? 0 : stream->prefix_left();
  }

  std::optional<http::Hijacked> hijacked_;
};

TEST_F(HijackTest, OnlyTheStreamRemains) {
  on_request_ = [this](Received& r) {
    Hijack(r);
    r.Release();
  };
  Start();
  Send(kConnect);
  EXPECT_EQ(requests_.at(0)->line, "CONNECT  b:80 ");
  EXPECT_TRUE(run_ended_);
  EXPECT_TRUE(weak_.expired());  // connection, request and response
  EXPECT_EQ(prefix_left(), 0u);
  EXPECT_TRUE(hijacked_->write_buffer->empty());

  Write("HTTP/1.1 200 OK\r\n\r\nhello");
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\n\r\nhello");
  Send("ping");
  EXPECT_EQ(Read(), "ping");
  hijacked_->stream->Close();
  EXPECT_EQ(Receive(), "<end>");
}

TEST_F(HijackTest, TheConnectionLivesUntilTheExchangeIsReleased) {
  on_request_ = [this](Received& r) { Hijack(r); };
  Start();
  Send(kConnect);
  EXPECT_TRUE(run_ended_);
  EXPECT_FALSE(weak_.expired());
  requests_.at(0)->Release();
  EXPECT_TRUE(weak_.expired());
}

TEST_F(HijackTest, ALaterHijackEndsTheWaitOfTheReadLoop) {
  on_request_ = [](Received&) {};
  Start();
  Send(kConnect);
  Hijack(*requests_.at(0));
  requests_.at(0)->Release();
  Send("early");
  Pump();
  EXPECT_TRUE(run_ended_);
  EXPECT_TRUE(weak_.expired());
  EXPECT_EQ(Read(), "early");
}

// Whatever the chunking: what was read too early comes first, what was not comes after it.
TEST_F(HijackTest, BytesSentWithTheHeadArriveWhole) {
  std::string payload;
  for (int i = 0; payload.size() < 100 * 1024; ++i) absl::StrAppend(&payload, i, ",");
  for (const size_t most_per_call : {size_t{1} << 20, size_t{10000}, size_t{7}}) {
    requests_.clear();
    run_ended_ = false;
    on_request_ = [this](Received& r) {
      Hijack(r);
      r.Release();
    };
    Start({}, {.capacity = 1 << 20, .most_per_call = most_per_call});
    std::string received;
    std::string_view rest = payload;
    const std::string first = absl::StrCat(std::string(kConnect), std::string(rest));
    rest = first;
    while (!rest.empty()) {
      iovec piece{const_cast<char*>(rest.data()), rest.size()};
      rest.remove_prefix(client_->TryWrite({&piece, 1}).bytes);  // all at once, before the connection runs
    }
    Pump();
    ASSERT_TRUE(hijacked_);
    EXPECT_TRUE(weak_.expired());
    const size_t too_early = prefix_left();
    EXPECT_LT(too_early, std::max<size_t>(most_per_call, 8));
    EXPECT_TRUE(most_per_call < payload.size() || too_early > 16000u) << too_early;
    received = Read();
    EXPECT_EQ(received.size(), payload.size());
    EXPECT_EQ(received, payload);
    EXPECT_EQ(prefix_left(), 0u);
    hijacked_.reset();
  }
}

TEST_F(HijackTest, BytesThatArriveWhileTheHandlerRunsAreKept) {
  on_request_ = [](Received&) {};
  Start();
  Send(absl::StrCat(std::string(kConnect), "a"));
  Send("b");
  Send("c");
  Hijack(*requests_.at(0));
  EXPECT_EQ(prefix_left(), 1u);  // what came with the head; the rest is still in the socket
  Send("d");
  requests_.at(0)->Release();
  Send("e");
  EXPECT_EQ(Read(), "abcde");
}

TEST_F(HijackTest, TheFirstByteBehindAHeadIsKeptToo) {
  on_request_ = [](Received&) {};
  Start();
  Send(kConnect);
  Send("a");  // read ahead, to notice a lost connection
  Send("b");
  Hijack(*requests_.at(0));
  requests_.at(0)->Release();
  Send("c");
  EXPECT_EQ(Read(), "abc");
}

TEST_F(HijackTest, AResponseHeadThatWasSentIsInTheWriteBuffer) {
  on_request_ = [this](Received& r) {
    const http::HeaderField upgrade{"upgrade", "echo"};
    r.exchange.SendHead({101, {&upgrade, 1}}, false);
    Hijack(r);
    r.Release();
  };
  Start();
  Send(kUpgrade);
  EXPECT_FALSE(hijacked_->write_buffer->empty());
  EXPECT_EQ(Receive(), "");
  Write("hello");
  EXPECT_EQ(Receive(),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nhello");
}

TEST_F(HijackTest, ASuccessfulConnectIsNotFramed) {
  on_request_ = [this](Received& r) {
    const http::HeaderField length{"content-length", "5"};
    r.exchange.SendHead({200, {&length, 1}}, false);
    Hijack(r);
    r.Release();
  };
  Start();
  Send(kConnect);
  Write("");
  EXPECT_EQ(Receive(), "HTTP/1.1 200 OK\r\n\r\n");
}

TEST_F(HijackTest, OutputThatWaitsForThePeerIsHandedOver) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, std::string(5000, 'x'), false);
  };
  Start({}, {.capacity = 100});
  Send(kConnect);
  Hijack(*requests_.at(0));
  EXPECT_GT(hijacked_->write_buffer->size(), 4000u);
  requests_.at(0)->Release();
  std::string received = Receive();
  EXPECT_TRUE(weak_.expired());
  while (!hijacked_->write_buffer->empty()) {
    Write("");
    received += Receive();
  }
  EXPECT_EQ(received, absl::StrCat("HTTP/1.1 200 OK\r\n\r\n", std::string(5000, 'x')));
}

TEST_F(HijackTest, NoDeadlineRemains) {
  on_request_ = [this](Received& r) {
    Hijack(r);
    r.Release();
  };
  Start();
  Send(kConnect);
  EXPECT_TRUE(loop_.timers().empty());
  PassTime(std::chrono::hours(1000));
  Send("still here");
  EXPECT_EQ(Read(), "still here");
}

TEST_F(HijackTest, EveryUseOfTheExchangeAfterItIsDroppedOrAnError) {
  on_request_ = [this](Received& r) {
    Hijack(r);
    http::Exchange& exchange = r.exchange;
    EXPECT_EQ(exchange.Hijack().status().code(), absl::StatusCode::kFailedPrecondition);
    exchange.SendHead({200, {}}, false);
    EXPECT_EQ(exchange.TrySendInPlace(1, false), nullptr);
    SendText(exchange, "x", true);
    exchange.SendTrailers({});
    EXPECT_TRUE(exchange.writable());
    exchange.Consumed(0);
    exchange.Reset(absl::StatusCode::kInternal);
    EXPECT_EQ(exchange.peer(), "memory");
    EXPECT_EQ(&exchange.loop(), &loop_);
  };
  Start();
  Send(kConnect);
  connection()->Drain();
  connection()->Close(absl::UnavailableError("too late"));
  Pump();
  EXPECT_FALSE(requests_.at(0)->closed);
  EXPECT_EQ(Receive(), "");
  requests_.at(0)->Release();
  Pump();
  EXPECT_EQ(Receive(), "");
  EXPECT_TRUE(weak_.expired());
  Write("mine");
  EXPECT_EQ(Receive(), "mine");
}

TEST_F(HijackTest, WaitsOnTheStreamWorkAtOnce) {
  std::vector<std::error_code> results;
  on_request_ = [&](Received& r) {
    Hijack(r);
    hijacked_->stream->AsyncWait(io::Direction::kRead,
                                 [&](std::error_code error) { results.push_back(error); });
    r.Release();
  };
  Start();
  Send(absl::StrCat(std::string(kConnect), "x"));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_FALSE(results[0]);
  EXPECT_EQ(Read(), "x");
}

// The same over a real socket, whose waits the kernel and asio hold.
TEST_F(HijackTest, ASocketIsHandedOverWhole) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const int client = fds[0];
  on_request_ = [](Received&) {};
  auto connection = Connection::Create(io::AdoptSocket(loop_, fds[1]), {}, *this);
  weak_ = connection;
  asio::co_spawn(context_, connection->Run(connection), [this](std::exception_ptr) { run_ended_ = true; });
  connection.reset();

  std::string payload(100 * 1024, '\0');
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 7 >> 3);
  const std::string sent = absl::StrCat(std::string(kConnect), payload);
  ASSERT_EQ(::send(client, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
  while (requests_.empty()) context_.run_one();
  Hijack(*requests_.at(0));  // while the read loop waits on the socket
  std::optional<std::error_code> readable;
  std::string received;
  hijacked_->stream->AsyncWait(io::Direction::kRead, [&](std::error_code error) { readable = error; });
  requests_.at(0)->Release();
  ASSERT_EQ(::send(client, "last", 4, 0), 4);
  while (!readable || !run_ended_) context_.run_one();
  EXPECT_FALSE(*readable);
  EXPECT_TRUE(weak_.expired());
  EXPECT_EQ(Read(), payload + "last");

  Write("bye");
  hijacked_->stream->Close();
  char reply[8];
  EXPECT_EQ(::recv(client, reply, sizeof(reply), 0), 3);
  EXPECT_EQ(::recv(client, reply, sizeof(reply), 0), 0);
  ::close(client);
}

TEST_F(HijackTest, IsRefusedBeforeTheBodyIsRead) {
  on_request_ = [](Received& r) {
    EXPECT_EQ(r.exchange.Hijack().status().code(), absl::StatusCode::kFailedPrecondition);
  };
  Start();
  Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  Send("abc");
  Hijack(*requests_.at(0));
  requests_.at(0)->Release();
  Send("d");
  EXPECT_EQ(requests_.at(0)->body, "abc");
  EXPECT_EQ(Read(), "d");
}

TEST_F(HijackTest, IsRefusedOnceAnOrdinaryResponseHasBegun) {
  int status = 200;
  on_request_ = [&](Received& r) {
    r.exchange.SendHead({status, {}}, false);
    EXPECT_EQ(r.exchange.Hijack().status().code(), absl::StatusCode::kFailedPrecondition);
    SendText(r.exchange, "x", true);
    EXPECT_EQ(r.exchange.Hijack().status().code(), absl::StatusCode::kFailedPrecondition);
    r.Release();
  };
  Start();
  EXPECT_TRUE(Exchange(kUpgrade).ends_with("0\r\n\r\n"));
  status = 403;
  EXPECT_TRUE(Exchange(kConnect).starts_with("HTTP/1.1 403 Forbidden\r\n"));
}

TEST_F(HijackTest, IsRefusedOnADeadConnection) {
  on_request_ = [](Received&) {};
  Start();
  Send(kConnect);
  connection()->Close(absl::UnavailableError("gone"));
  EXPECT_EQ(requests_.at(0)->exchange.Hijack().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(HijackTest, ATunnelThatNobodyTakesOverIsRawUntilItsEnd) {
  on_request_ = [](Received& r) {
    r.exchange.SendHead({200, {}}, false);
    SendText(r.exchange, "raw", true);
    r.Release();
  };
  Start();
  EXPECT_EQ(Exchange(absl::StrCat(std::string(kConnect), "tunnel bytes")), "HTTP/1.1 200 OK\r\n\r\nraw<end>");
  EXPECT_EQ(requests_.size(), 1u);
}

}  // namespace
}  // namespace culvert::http1
