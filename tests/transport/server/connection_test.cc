#include "transport/server/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/support/certificates/certificates.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "tests/support/raw_tls/raw_tls.h"
#include "transport/base/limit_counts.h"
#include "transport/io/tls_context.h"
#include "transport/io/write_buffer.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
using namespace std::string_view_literals;
constexpr std::string_view kEmptySettings = "\0\0\0\x04\0\0\0\0\0"sv;

// Connections of one loop over memory streams; answers every request at once, or holds it.
class ConnectionTest : public testing::Test, public http::Handler, public http::Receiver {
 protected:
  ~ConnectionTest() override {
    on_closed_ = nullptr;
    client_.reset();
    if (held_ != nullptr) std::exchange(held_, nullptr)->Release();
    absl::Notification empty;
    set_->Shutdown(milliseconds(0), [&empty] { empty.Notify(); });
    Pump();
    EXPECT_TRUE(empty.HasBeenNotified());
    EXPECT_EQ(total_, 0u);
  }

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool) override {
    seen_ += std::string(head.method) + " " + std::string(head.path) + " HTTP/" + std::to_string(exchange.http_major()) + "\n";
    scheme_ = std::string(head.scheme);
    if (hold_) {
      held_ = &exchange;
      exchange.SetReceiver(this);
      return;
    }
    exchange.SendHead({.status = 204, .fields = {}}, true);
    exchange.Release();
  }
  void OnHead(const http::ResponseHead&, bool) override {}
  void OnData(std::span<const uint8_t>, bool) override {}
  void OnTrailers(std::span<const http::HeaderField>) override {}
  void OnWritable() override {}
  void OnClosed(const absl::Status& why, bool) override {
    closed_ = why;
    if (on_closed_) on_closed_();
  }

  void Start() {
    auto [client, server] = testing_support::MakeMemoryStreamPair(loop_, pipe_);
    client_ = std::move(client);
    ++total_;
    asio::co_spawn(context_, Connection::Serve(*set_, std::move(server)), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    Pump();
  }
  bool over() const { return total_ == 0; }

  void Pump() {
    context_.restart();
    context_.poll();
  }
  void PassTime(milliseconds time) {
    now_ += time;
    loop_.timers().RunDue(now_);
    Pump();
  }
  void Send(std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    ASSERT_EQ(client_->TryWrite({&piece, 1}).bytes, text.size());
    Pump();
  }
  std::string Receive() {
    std::string out;
    for (;;) {
      std::array<uint8_t, 4096> space;
      const io::IoResult result = client_->TryRead(space);
      if (result.kind == io::IoResult::Kind::kEnd) return out + "<end>";
      if (result.kind != io::IoResult::Kind::kBytes) return out;
      out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      Pump();
    }
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  io::Timer::Clock::time_point now_ = io::Timer::Clock::now();
  Options options_;
  std::atomic<size_t> total_{0};
  std::optional<ConnectionSet> set_{std::in_place, loop_, *this, options_, total_};
  testing_support::MemoryStreamOptions pipe_;
  std::unique_ptr<io::ByteStream> client_;

  std::string seen_;
  std::string scheme_;  // of the last
  bool hold_ = false;
  http::Exchange* held_ = nullptr;
  std::optional<absl::Status> closed_;
  std::function<void()> on_closed_;
};

TEST_F(ConnectionTest, Http1InOnePieceOrByteByByte) {
  for (const size_t piece : {kGet.size(), size_t{1}, size_t{5}}) {
    Start();
    for (size_t i = 0; i < kGet.size(); i += piece) Send(kGet.substr(i, piece));
    EXPECT_EQ(Receive(), "HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(std::exchange(seen_, ""), "GET /a HTTP/1\n");
    client_->Close();
    Pump();
    EXPECT_TRUE(over());
  }
}

TEST_F(ConnectionTest, Http2InOnePieceOrByteByByte) {
  const std::string hello = std::string(kPreface) + std::string(kEmptySettings);
  for (const size_t piece : {hello.size(), size_t{1}, size_t{5}}) {
    Start();
    for (size_t i = 0; i < hello.size(); i += piece) Send(std::string_view(hello).substr(i, piece));
    const std::string answer = Receive();
    ASSERT_GE(answer.size(), 18u);
    EXPECT_EQ(answer[3], '\x04');                                // its SETTINGS come first
    EXPECT_NE(answer.find("\0\0\0\x04\x01\0\0\0\0"sv), std::string::npos);  // and it acknowledges ours
    EXPECT_FALSE(over());
    client_->Close();
    Pump();
    EXPECT_TRUE(over());
  }
}

TEST_F(ConnectionTest, AMethodThatBeginsLikeThePrefaceIsHttp1) {
  Start();
  Send("PRIMARY ");
  Send("/a HTTP/1.1\r\nHost: b\r\n\r\n");
  EXPECT_EQ(seen_, "PRIMARY /a HTTP/1\n");
}

TEST_F(ConnectionTest, GarbageAndTlsAreClosedWithoutAWord) {
  for (const std::string_view garbage : {"\0\0\0\0"sv, "\xff\xfe"sv, "\r\n\r\n"sv, "\x16\x03\x01\x02\x00\x01"sv}) {
    Start();
    Send(garbage);
    EXPECT_EQ(Receive(), "<end>");
    EXPECT_TRUE(over());
  }
  EXPECT_EQ(total_, 0u);
  EXPECT_EQ(seen_, "");
}

TEST_F(ConnectionTest, AClientThatLeavesBeforeItHasSaidAnythingIsForgotten) {
  Start();
  EXPECT_EQ(total_, 1u);
  client_->Close();
  Pump();
  EXPECT_TRUE(over());
  EXPECT_EQ(total_, 0u);
}

TEST_F(ConnectionTest, AClientThatDoesNotSayWhatItSpeaksIsClosedAfterAWhile) {
  options_.sniff_timeout = milliseconds(300);
  for (const std::string_view begun : {""sv, "PRI * HTT"sv}) {
    Start();
    Send(begun.empty() ? "P"sv : begun);
    PassTime(milliseconds(0));
    EXPECT_FALSE(over());
    PassTime(seconds(1));
    EXPECT_TRUE(over());
    EXPECT_EQ(Receive(), "<end>");
    now_ = io::Timer::Clock::now();
  }
}

TEST_F(ConnectionTest, TheSniffTimeoutEndsWithTheSniffing) {
  Start();
  Send("G");
  EXPECT_FALSE(over());
  PassTime(options_.sniff_timeout - milliseconds(100));
  Send(kGet.substr(1));
  EXPECT_EQ(Receive(), "HTTP/1.1 204 No Content\r\n\r\n");
  PassTime(seconds(1));
  EXPECT_FALSE(over());
}

TEST_F(ConnectionTest, ShutdownClosesWhoIsIdleAndWhoHasSaidNothing) {
  for (const std::string_view said : {kGet, ""sv, "PRI"sv}) {
    Start();
    if (!said.empty()) Send(said);
    Receive();
    absl::Notification empty;
    set_->Shutdown(seconds(10), [&empty] { empty.Notify(); });
    Pump();
    client_->Close();  // a lingering connection waits for its client
    Pump();
    EXPECT_TRUE(over()) << said;
    EXPECT_TRUE(empty.HasBeenNotified());
    set_.emplace(loop_, *this, options_, total_);
  }
}

TEST_F(ConnectionTest, ShutdownLetsARequestEndWithinTheGrace) {
  hold_ = true;
  Start();
  Send(kGet);
  absl::Notification empty;
  set_->Shutdown(seconds(10), [&empty] { empty.Notify(); });
  Pump();
  EXPECT_FALSE(empty.HasBeenNotified());
  held_->SendHead({.status = 204, .fields = {}}, true);
  std::exchange(held_, nullptr)->Release();
  Pump();
  EXPECT_EQ(Receive(), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n<end>");
  client_->Close();
  Pump();
  EXPECT_TRUE(empty.HasBeenNotified());
  EXPECT_FALSE(closed_.has_value());
  set_.emplace(loop_, *this, options_, total_);
}

TEST_F(ConnectionTest, ShutdownClosesWhatIsLeftAfterTheGrace) {
  hold_ = true;
  Start();
  Send(kGet);
  absl::Notification empty;
  set_->Shutdown(seconds(10), [&empty] { empty.Notify(); });
  PassTime(seconds(9));
  EXPECT_FALSE(empty.HasBeenNotified());
  PassTime(seconds(2));
  EXPECT_EQ(closed_, absl::UnavailableError("the server is shutting down"));
  EXPECT_FALSE(empty.HasBeenNotified());  // not before the handler has ended
  std::exchange(held_, nullptr)->Release();
  Pump();
  EXPECT_TRUE(empty.HasBeenNotified());
  EXPECT_EQ(Receive(), "<end>");
  set_.emplace(loop_, *this, options_, total_);
}

// A handler that hears of the end of one connection may end another with it.
TEST_F(ConnectionTest, WhoIsClosedMayTakeTheNextOneAlong) {
  hold_ = true;
  Start();
  Send(kGet);
  http::Exchange* const first = std::exchange(held_, nullptr);
  const std::unique_ptr<io::ByteStream> first_client = std::move(client_);
  Start();
  Send("POST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  client_->Close();
  Pump();
  ASSERT_TRUE(closed_.has_value());  // and waits for its handler
  EXPECT_FALSE(over());
  on_closed_ = [this] { std::exchange(held_, nullptr)->Release(); };
  absl::Notification empty;
  loop_.Post([&] {
    set_->Shutdown(milliseconds(0), [&empty] { empty.Notify(); });
    EXPECT_EQ(total_, 1u);
  });
  Pump();
  EXPECT_FALSE(empty.HasBeenNotified());
  first->Release();
  Pump();
  EXPECT_TRUE(empty.HasBeenNotified());
  set_.emplace(loop_, *this, options_, total_);
}

// --- TLS ---

class TlsConnectionTest : public ConnectionTest {
 protected:
  TlsConnectionTest() {
    const testing_support::Certificate certificate = testing_support::CertificateAuthority().Issue("server", "DNS:localhost");
    io::TlsServerOptions options;
    options.certificate_chain = certificate.certificate;
    options.private_key = certificate.private_key;
    options_.tls = *io::TlsContext::ForServer(options);
  }

  void StartWith(const testing_support::RawTlsOptions& options) {
    Start();
    raw_.emplace(options);
    for (int i = 0; i < 5 && !raw_->Handshake(); ++i) Carry();
    Carry();
  }
  void Carry() {
    const std::string out = raw_->TakeOutput();
    if (!out.empty()) Send(out);
    raw_->Receive(Receive());
  }
  std::string Ask(std::string_view text) {
    EXPECT_TRUE(raw_->Write(text));
    Carry();
    return raw_->Read();
  }

  std::optional<testing_support::RawTls> raw_;
};

TEST_F(TlsConnectionTest, AlpnTellsTheProtocol) {
  StartWith({.alpn = {"http/1.1"}});
  EXPECT_EQ(Ask(kGet), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(std::exchange(seen_, ""), "GET /a HTTP/1\n");
  EXPECT_EQ(scheme_, "https");
  client_.reset();
  Pump();
  EXPECT_TRUE(over());

  StartWith({.alpn = {"h2", "http/1.1"}});
  const std::string answer = Ask(std::string(kPreface) + std::string(kEmptySettings));
  ASSERT_GE(answer.size(), 18u);
  EXPECT_EQ(answer[3], '\x04');                                           // SETTINGS
  EXPECT_NE(answer.find("\0\0\0\x04\x01\0\0\0\0"sv), std::string::npos);  // and the acknowledgement of ours
  client_.reset();
  Pump();
  EXPECT_TRUE(over());
}

TEST_F(TlsConnectionTest, WithoutAlpnTheDecryptedBytesTell) {
  StartWith({});
  EXPECT_EQ(Ask(kGet), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(std::exchange(seen_, ""), "GET /a HTTP/1\n");
  EXPECT_EQ(scheme_, "https");
  StartWith({});
  EXPECT_EQ(Ask(std::string(kPreface) + std::string(kEmptySettings)).at(3), '\x04');
  StartWith({});
  EXPECT_EQ(Ask("\x16\x03\x01\x02\x00\x01"sv), "");  // no TLS within TLS
  EXPECT_TRUE(over());
}

TEST_F(TlsConnectionTest, WithoutAlpnSilenceIsBounded) {
  options_.sniff_timeout = milliseconds(300);
  StartWith({});
  EXPECT_FALSE(over());
  PassTime(seconds(1));
  EXPECT_TRUE(over());
}

TEST_F(TlsConnectionTest, PlaintextIsClosedWithoutAWordUnlessItIsServedToo) {
  for (const std::string_view text : {kGet, kPreface}) {
    Start();
    Send(text);
    EXPECT_EQ(Receive(), "<end>");
    EXPECT_TRUE(over());
  }
  EXPECT_EQ(seen_, "");
  options_.plaintext_too = true;
  Start();
  Send(kGet);
  EXPECT_EQ(Receive(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(scheme_, "http");
  StartWith({.alpn = {"http/1.1"}});
  EXPECT_EQ(Ask(kGet), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(scheme_, "https");
}

TEST_F(TlsConnectionTest, AServerOfHttp2AloneDoesNotOfferHttp1) {
  options_.serve_http1 = false;
  StartWith({.alpn = {"http/1.1"}});
  raw_->Read();
  EXPECT_EQ(raw_->error(), "tlsv1 alert no application protocol");
  StartWith({.alpn = {"http/1.1", "h2"}});
  EXPECT_EQ(raw_->alpn(), "h2");
}

TEST_F(TlsConnectionTest, AHandshakeThatDoesNotEndIsClosedAfterAWhile) {
  const uint64_t before = base::LimitCount("tls_handshake_timeout");
  options_.sniff_timeout = milliseconds(100);
  options_.tls_handshake_timeout = milliseconds(500);
  Start();
  Send("\x16\x03\x01\x02\x00\x01"sv);  // the beginning of a ClientHello
  PassTime(milliseconds(200));             // it has been sniffed
  EXPECT_FALSE(over());
  PassTime(seconds(1));
  EXPECT_TRUE(over());
  EXPECT_EQ(base::LimitCount("tls_handshake_timeout"), before + 1);
}

TEST_F(TlsConnectionTest, ARefusedClientHearsWhyAndIsNotReadForLong) {
  const uint64_t before = base::LimitCount("tls_handshake_failed");
  StartWith({.alpn = {"spdy/3"}});
  raw_->Read();
  EXPECT_EQ(raw_->error(), "tlsv1 alert no application protocol");
  EXPECT_EQ(base::LimitCount("tls_handshake_failed"), before + 1);
  EXPECT_FALSE(over());  // closing now might destroy the alert on its way
  Send("whatever");
  EXPECT_FALSE(over());
  PassTime(seconds(2));
  EXPECT_TRUE(over());
  StartWith({.alpn = {"spdy/3"}});
  client_->Close();
  Pump();
  EXPECT_TRUE(over());
}

TEST_F(TlsConnectionTest, ShutdownClosesAHandshakeThatIsUnderWay) {
  Start();
  Send("\x16\x03\x01\x02\x00\x01"sv);
  absl::Notification empty;
  set_->Shutdown(seconds(10), [&empty] { empty.Notify(); });
  Pump();
  EXPECT_TRUE(empty.HasBeenNotified());
  EXPECT_EQ(Receive(), "<end>");
  set_.emplace(loop_, *this, options_, total_);
}

TEST_F(TlsConnectionTest, TheEndOfAnHttp1ConnectionIsCloseNotify) {
  StartWith({.alpn = {"http/1.1"}});
  EXPECT_EQ(Ask("GET /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(raw_->ended());
}

// A response that is out as far as HTTP is concerned, and of which the client has read nothing.
class TlsLastWritesTest : public TlsConnectionTest {
 protected:
  TlsLastWritesTest() {
    pipe_.capacity = 4000;
    hold_ = true;
    Begin();
  }
  void Begin() {
    Ask();
    Answer();
  }
  void Ask() {
    StartWith({.alpn = {"http/1.1"}});
    EXPECT_TRUE(raw_->Write("GET /a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"));
    Send(raw_->TakeOutput());
    EXPECT_NE(held_, nullptr);
  }
  void Answer() {
    held_->SendHead({.status = 200, .fields = {}}, false);
    held_->SendData(io::SharedBytes::Copy(text_), true);
    std::exchange(held_, nullptr)->Release();
    Pump();
    PassTime(options_.http1.linger_timeout + milliseconds(100));  // it closes the stream
    EXPECT_FALSE(over());
    EXPECT_EQ(total_, 1u) << "the socket is open";
  }
  void ExpectTheClientGetsItAll() {
    std::string response;
    for (int i = 0; i < 100 && !raw_->ended(); ++i) {
      raw_->Receive(Receive());
      response += raw_->Read();
    }
    EXPECT_TRUE(raw_->ended()) << raw_->error();
    EXPECT_NE(response.find(text_), std::string::npos);
  }

  const std::string text_ = std::string(30000, 'x');
};

TEST_F(TlsLastWritesTest, CountUntilTheyAreOut) {
  ExpectTheClientGetsItAll();
  EXPECT_TRUE(over());
  EXPECT_EQ(total_, 0u);
}

TEST_F(TlsLastWritesTest, OrUntilTheyAreGivenUp) {
  PassTime(seconds(31));
  EXPECT_TRUE(over());
  EXPECT_EQ(total_, 0u);
}

TEST_F(TlsLastWritesTest, HaveTheGraceOfAShutdown) {
  bool empty = false;
  set_->Shutdown(seconds(10), [&empty] { empty = true; });
  Pump();
  EXPECT_FALSE(empty);
  ExpectTheClientGetsItAll();
  EXPECT_TRUE(empty);
  EXPECT_EQ(total_, 0u);
  set_.emplace(loop_, *this, options_, total_);
}

TEST_F(TlsLastWritesTest, AreNotWaitedForAfterTheGrace) {
  for (const seconds grace : {seconds(0), seconds(2)}) {
    if (grace > seconds(0)) Begin();
    bool empty = false;
    set_->Shutdown(grace, [&empty] { empty = true; });
    Pump();
    EXPECT_EQ(empty, grace == seconds(0));
    PassTime(grace + milliseconds(100));
    EXPECT_TRUE(empty);
    EXPECT_EQ(total_, 0u);
    ExpectTheClientGetsItAll();  // all the same
    set_.emplace(loop_, *this, options_, total_);
  }
}

// Of one that ends during the shutdown.
TEST_F(TlsLastWritesTest, OfAConnectionThatDrainsHaveTheGraceToo) {
  ExpectTheClientGetsItAll();
  Ask();
  bool empty = false;
  set_->Shutdown(seconds(10), [&empty] { empty = true; });
  Answer();
  EXPECT_FALSE(empty);
  ExpectTheClientGetsItAll();
  EXPECT_TRUE(empty);
  set_.emplace(loop_, *this, options_, total_);
}

TEST_F(ConnectionTest, ASocketThatTheLoopCannotWatchIsDroppedAndNotCounted) {
  ++total_;
  testing::internal::CaptureStderr();
  set_->Add(-1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "culvert: a connection is dropped: the event loop cannot watch its socket\n");
  EXPECT_EQ(total_, 0u);
}

TEST_F(ConnectionTest, AConnectionThatComesAfterTheShutdownIsClosed) {
  absl::Notification empty;
  set_->Shutdown(seconds(10), [&empty] { empty.Notify(); });
  EXPECT_TRUE(empty.HasBeenNotified());
  std::array<int, 2> fds;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  ++total_;
  set_->Add(fds[0]);
  char byte;
  EXPECT_EQ(::read(fds[1], &byte, 1), 0);
  ::close(fds[1]);
  EXPECT_EQ(total_, 0u);
  set_.emplace(loop_, *this, options_, total_);
}

}  // namespace
}  // namespace culvert::server
