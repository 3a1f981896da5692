#include "transport/io/tls_stream.h"

#include <openssl/crypto.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/certificates/certificates.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "tests/support/raw_tls/raw_tls.h"
#include "transport/base/limit_counts.h"
#include "transport/base/strings.h"
#include "transport/base/task.h"
#include "transport/io/event_loop.h"
#include "transport/io/socket_stream.h"
#include "transport/io/timer_queue.h"
#include "transport/io/tls_context.h"

namespace culvert::io {
namespace {

using testing_support::Certificate;
using testing_support::CertificateAuthority;
using testing_support::MakeMemoryStreamPair;
using testing_support::MemoryStreamOptions;
using testing_support::RawTls;
using testing_support::RawTlsOptions;
using Kind = IoResult::Kind;

// What OpenSSL holds. Each piece remembers its size before its first byte.
std::atomic<size_t> openssl_bytes{0};
constexpr size_t kBefore = alignof(std::max_align_t);

void Free(void* at, const char*, int) {
  if (at == nullptr) return;
  char* const whole = static_cast<char*>(at) - kBefore;
  openssl_bytes -= *reinterpret_cast<size_t*>(whole);
  std::free(whole);
}
void* Allocate(size_t n, const char*, int) {
  char* const whole = static_cast<char*>(std::malloc(n + kBefore));
  if (whole == nullptr) return nullptr;
  *reinterpret_cast<size_t*>(whole) = n;
  openssl_bytes += n;
  return whole + kBefore;
}
void* Reallocate(void* at, size_t n, const char* file, int line) {
  void* const moved = Allocate(n, file, line);
  if (at != nullptr && moved != nullptr) {
    std::copy_n(static_cast<char*>(at),
                std::min(n, *reinterpret_cast<size_t*>(static_cast<char*>(at) - kBefore)),
                static_cast<char*>(moved));
    Free(at, file, line);
  }
  return moved;
}
constexpr size_t kMostOfAnIdleConnection = 20000;
// Before OpenSSL's first allocation.
const bool counting = CRYPTO_set_mem_functions(Allocate, Reallocate, Free) == 1;

const CertificateAuthority& Root() {
  static const CertificateAuthority root;
  return root;
}
const Certificate& Localhost() {
  static const Certificate certificate = Root().Issue("server", "DNS:localhost,IP:127.0.0.1,IP:::1");
  return certificate;
}
const Certificate& Alice() {
  static const Certificate certificate = Root().Issue("alice", "DNS:alice");
  return certificate;
}

TlsServerOptions ServerOptions(const Certificate& certificate = Localhost()) {
  TlsServerOptions options;
  options.certificate_chain = certificate.certificate;
  options.private_key = certificate.private_key;
  return options;
}
TlsServerOptions AskingServer(bool require) {
  TlsServerOptions options = ServerOptions();
  options.client_roots = Root().certificate();
  options.require_client_certificate = require;
  return options;
}
TlsClientOptions ClientOptions() {
  TlsClientOptions options;
  options.roots = Root().certificate();
  return options;
}
TlsClientOptions ClientWith(const Certificate& certificate) {
  TlsClientOptions options = ClientOptions();
  options.certificate_chain = certificate.certificate;
  options.private_key = certificate.private_key;
  return options;
}

std::span<uint8_t> Bytes(std::string& text) { return {reinterpret_cast<uint8_t*>(text.data()), text.size()}; }

std::string Text(size_t n) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

// A TlsStream under test, over one end of a memory pipe; at the other end is a RawTls, or a TlsStream of the
// other role.
class TlsStreamTest : public testing::Test {
 protected:
  ~TlsStreamTest() override {
    stream_.reset();
    other_.reset();
    far_.reset();
    Pump();
  }

  void MakePipe(MemoryStreamOptions options) {
    auto [near, far] = MakeMemoryStreamPair(loop_, options);
    near_ = std::move(near);
    far_ = std::move(far);
  }
  void Serve(const TlsServerOptions& options = ServerOptions(), bool http1 = true,
             MemoryStreamOptions pipe = {}) {
    MakePipe(pipe);
    const auto context = TlsContext::ForServer(options);
    ASSERT_TRUE(context.ok()) << context.status();
    stream_ = TlsStream::ForServer(**context, std::move(near_), http1);
    Begin(*stream_, &status_);
  }
  void Call(const TlsClientOptions& options = ClientOptions(), std::string_view host = "localhost") {
    MakePipe({});
    const auto context = TlsContext::ForClient(options);
    ASSERT_TRUE(context.ok()) << context.status();
    stream_ = TlsStream::ForClient(**context, std::move(near_), host);
    Begin(*stream_, &status_);
  }
  // Both of ours: stream_ is the server's.
  void Pair(const TlsServerOptions& server, const TlsClientOptions& client,
            std::string_view host = "localhost", MemoryStreamOptions pipe = {}) {
    Serve(server, true, pipe);
    const auto context = TlsContext::ForClient(client);
    ASSERT_TRUE(context.ok()) << context.status();
    other_ = TlsStream::ForClient(**context, std::move(far_), host);
    Begin(*other_, &other_status_);
    Pump();
  }
  void Begin(TlsStream& stream, std::optional<absl::Status>* status) {
    status->reset();
    asio::co_spawn(context_, stream.Handshake(), [status](std::exception_ptr error, absl::Status result) {
      EXPECT_EQ(error, nullptr);
      *status = std::move(result);
    });
    Pump();
  }

  void Pump() {
    context_.restart();
    context_.poll();
  }
  void PassTime(std::chrono::milliseconds time) {
    loop_.timers().RunDue(Timer::Clock::now() + time);
    Pump();
  }

  // Carries bytes between the RawTls and its end of the pipe, until there are none.
  void Carry(RawTls& raw) {
    for (bool moved = true; moved;) {
      moved = false;
      std::string out = std::exchange(unsent_, "") + raw.TakeOutput();
      if (!out.empty()) moved = PutOnWire(out) > 0;
      const std::string in = TakeFromWire();
      raw.Receive(in);
      moved |= !in.empty();
      Pump();
    }
  }
  // Returns how much the pipe took; the rest goes first the next time.
  size_t PutOnWire(std::string_view bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    const IoResult result = far_->TryWrite({&piece, 1});
    unsent_ = bytes.substr(result.bytes);
    Pump();
    return result.bytes;
  }
  std::string TakeFromWire(size_t most = static_cast<size_t>(-1)) {
    std::string out;
    while (out.size() < most) {
      std::array<uint8_t, 4096> space;
      const IoResult result =
          far_->TryRead(std::span(space).first(std::min(space.size(), most - out.size())));
      if (result.kind == Kind::kEnd) wire_ended_ = true;
      if (result.kind != Kind::kBytes) break;
      out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      Pump();
    }
    return out;
  }
  // True when both sides are done.
  bool HandshakeWith(RawTls& raw) {
    bool done = false;
    for (int i = 0; i < 10 && !(done && status_.has_value()); ++i) {
      done = raw.Handshake();
      Carry(raw);
    }
    return done && status_.has_value() && status_->ok();
  }

  static RawTlsOptions ServerOfLongTickets() {
    return {.server = true,
            .version = 13,
            .alpn = {"h2"},
            .certificate = Localhost(),
            .ask_certificate = true,
            .long_tickets = true};
  }
  // Returns the tickets of `server`, not sent yet; stream_ is its client's.
  std::string HandshakeUpToTickets(RawTls& server) {
    Call(ClientWith(Alice()));
    server.Handshake();
    server.Receive(TakeFromWire());
    server.Handshake();
    PutOnWire(server.TakeOutput());
    EXPECT_TRUE(status_.has_value() && status_->ok());
    server.Receive(TakeFromWire());
    EXPECT_TRUE(server.Handshake()) << server.error();
    return server.TakeOutput();
  }
  static size_t FirstRecord(const std::string& records) {
    return 5 + (static_cast<uint8_t>(records.at(3)) << 8 | static_cast<uint8_t>(records.at(4)));
  }

  static std::string Read(TlsStream& stream, size_t most = 1 << 20) {
    std::string out(most, '\0');
    const IoResult result = stream.TryRead(Bytes(out));
    if (result.kind == Kind::kEnd) return "<end>";
    if (result.kind == Kind::kError)
      return StrCat("<", result.error.category().name(), ": ", result.error.message(), ">");
    out.resize(result.bytes);
    return out;
  }
  static std::string Pem(const TlsStream& stream) {
    const std::shared_ptr<const PeerCertificate> certificate = stream.peer_certificate();
    return certificate != nullptr ? certificate->pem : "";
  }
  static IoResult Write(TlsStream& stream, std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    return stream.TryWrite({&piece, 1});
  }
  void WaitFor(Direction direction) {
    (direction == Direction::kRead ? readable_ : writable_).reset();
    stream_->AsyncWait(direction, [this, direction](std::error_code error) {
      (direction == Direction::kRead ? readable_ : writable_) = error;
    });
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<ByteStream> near_;
  std::unique_ptr<ByteStream> far_;
  std::unique_ptr<TlsStream> stream_;
  std::unique_ptr<TlsStream> other_;
  std::optional<absl::Status> status_;  // of stream_'s handshake
  std::optional<absl::Status> other_status_;
  std::optional<std::error_code> readable_;
  std::optional<std::error_code> writable_;
  std::string unsent_;
  bool wire_ended_ = false;
};

// --- handshake ---

TEST_F(TlsStreamTest, AServerAgreesWithBothVersions) {
  for (const int version : {12, 13}) {
    Serve();
    RawTls client({.version = version, .alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client)) << client.error();
    EXPECT_EQ(stream_->version(), version == 12 ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(stream_->alpn(), "h2");
    EXPECT_EQ(client.alpn(), "h2");
    EXPECT_EQ(Pem(*stream_), "");
    EXPECT_EQ(stream_->peer(), "memory");
    EXPECT_EQ(&stream_->loop(), &loop_);
    ASSERT_TRUE(client.Write("question"));
    Carry(client);
    EXPECT_EQ(Read(*stream_), "question");
    EXPECT_EQ(Write(*stream_, "answer").bytes, 6u);
    Carry(client);
    EXPECT_EQ(client.Read(), "answer");
  }
}

TEST_F(TlsStreamTest, AClientAgreesWithBothVersions) {
  for (const int version : {12, 13}) {
    Call();
    RawTls server({.server = true, .version = version, .alpn = {"h2"}, .certificate = Localhost()});
    ASSERT_TRUE(HandshakeWith(server)) << server.error();
    EXPECT_EQ(stream_->version(), version == 12 ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(stream_->alpn(), "h2");
    EXPECT_EQ(Pem(*stream_), Localhost().certificate);
    EXPECT_EQ(server.server_name(), "localhost");
    EXPECT_EQ(Write(*stream_, "question").bytes, 8u);
    Carry(server);
    EXPECT_EQ(server.Read(), "question");
    ASSERT_TRUE(server.Write("answer"));
    Carry(server);
    EXPECT_EQ(Read(*stream_), "answer");
  }
}

TEST_F(TlsStreamTest, AServerTakesOnlyCiphersOfHttp2) {
  Serve();
  RawTls good(
      {.version = 12, .alpn = {"h2"}, .ciphers = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"});
  ASSERT_TRUE(HandshakeWith(good)) << good.error();
  EXPECT_EQ(good.cipher(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  Serve();
  RawTls bad({.version = 12,
              .alpn = {"h2"},
              .ciphers = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"});  // of appendix A
  EXPECT_FALSE(HandshakeWith(bad));
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(*status_, absl::UnavailableError("TLS: no shared cipher"));
}

TEST_F(TlsStreamTest, AServerPrefersHttp2) {
  const struct {
    std::vector<std::string> offered;
    const char* agreed;
  } cases[] = {{{"http/1.1", "h2"}, "h2"},
               {{"h2"}, "h2"},
               {{"http/1.1"}, "http/1.1"},
               {{"h3", "http/1.1"}, "http/1.1"},
               {{}, ""}};
  for (const auto& [offered, agreed] : cases) {
    Serve();
    RawTls client({.alpn = offered});
    ASSERT_TRUE(HandshakeWith(client)) << client.error();
    EXPECT_EQ(stream_->alpn(), agreed);
    EXPECT_EQ(client.alpn(), agreed);
  }
}

// RFC 7301 3.2
TEST_F(TlsStreamTest, AServerRefusesAClientThatOffersNothingItSpeaks) {
  for (const bool http1 : {true, false}) {
    for (const int version : {12, 13}) {
      Serve(ServerOptions(), http1);
      RawTls client({.version = version, .alpn = {http1 ? "spdy/3" : "http/1.1"}});
      EXPECT_FALSE(HandshakeWith(client));
      ASSERT_TRUE(status_.has_value());
      EXPECT_EQ(*status_, absl::UnavailableError("TLS: no application protocol"));
      EXPECT_FALSE(client.Handshake());
      EXPECT_EQ(client.error(), "tlsv1 alert no application protocol");
      EXPECT_EQ(Read(*stream_), "<tls: no application protocol>");
      EXPECT_EQ(Write(*stream_, "x").kind, Kind::kError);
    }
  }
}

TEST_F(TlsStreamTest, WithoutHttp1AServerStillAgreesOnHttp2) {
  Serve(ServerOptions(), false);
  RawTls client({.alpn = {"http/1.1", "h2"}});
  ASSERT_TRUE(HandshakeWith(client)) << client.error();
  EXPECT_EQ(stream_->alpn(), "h2");
}

TEST_F(TlsStreamTest, AClientWantsHttp2) {
  Call();
  RawTls server({.server = true, .certificate = Localhost()});  // which selects nothing
  EXPECT_FALSE(HandshakeWith(server));
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(*status_, absl::UnavailableError("TLS: the server did not select h2 by ALPN"));
  EXPECT_EQ(Write(*stream_, "x").kind, Kind::kError);

  Call();
  RawTls stubborn({.server = true, .alpn = {"http/1.1"}, .certificate = Localhost()});  // not offered
  EXPECT_FALSE(HandshakeWith(stubborn));
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(status_->code(), absl::StatusCode::kUnavailable) << *status_;  // OpenSSL's words or ours
  EXPECT_EQ(Write(*stream_, "x").kind, Kind::kError);
}

TEST_F(TlsStreamTest, OurTwoSidesAgreeHoweverTheBytesAreCut) {
  const std::string there = Text(3000), back = Text(5000);
  for (const size_t most_per_call : {size_t{1}, size_t{7}, size_t{100000}}) {
    Pair(ServerOptions(), ClientOptions(), "localhost", {.most_per_call = most_per_call});
    ASSERT_TRUE(status_.has_value() && other_status_.has_value());
    ASSERT_TRUE(status_->ok()) << *status_;
    ASSERT_TRUE(other_status_->ok()) << *other_status_;
    EXPECT_EQ(stream_->version(), "TLSv1.3");
    EXPECT_EQ(Write(*other_, there).bytes, there.size());
    EXPECT_EQ(Write(*stream_, back).bytes, back.size());
    Pump();
    EXPECT_EQ(Read(*stream_), there);
    EXPECT_EQ(Read(*other_), back);
  }
}

// More than may wait to go out while the client sends on: a wait for input would end at once, again and again.
TEST_F(TlsStreamTest, ALongCertificateChainGoesOutBeforeMoreIsRead) {
  TlsServerOptions options = ServerOptions();
  while (options.certificate_chain.size() < 133000) options.certificate_chain += Root().certificate();
  Serve(options, true, {.capacity = 100});
  RawTls client({.version = 13, .alpn = {"h2"}});
  client.Handshake();
  unsent_ = client.TakeOutput();
  for (bool moved = true; moved && !unsent_.empty();) moved = PutOnWire(std::exchange(unsent_, "")) > 0;
  ASSERT_EQ(unsent_, "");
  PutOnWire(std::string("\x14\x03\x03\0\x01\x01", 6));  // a change_cipher_spec, which is ignored (RFC 8446 5)
  EXPECT_FALSE(status_.has_value());
  EXPECT_TRUE(HandshakeWith(client)) << client.error();
}

TEST_F(TlsStreamTest, AHandshakeEndsWithCloseOrCancelWaits) {
  Serve();
  EXPECT_FALSE(status_.has_value());
  stream_->CancelWaits();
  Pump();
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(status_->code(), absl::StatusCode::kCancelled);
  Serve();
  stream_->Close();
  Pump();
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(status_->code(), absl::StatusCode::kCancelled);
}

TEST_F(TlsStreamTest, AHandshakeFailsWithAPeerThatLeavesOrTalksNonsense) {
  Serve();
  far_->Close();
  Pump();
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(*status_, absl::UnavailableError("TLS: unexpected eof while reading"));
  Serve();
  PutOnWire("\x16\x03\x01nonsense, and much more of it than fits a record's header");
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(status_->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(TakeFromWire().substr(0, 2), "\x15\x03");  // an alert
}

TEST_F(TlsStreamTest, AContextOfTheOtherRoleIsRefused) {
  MakePipe({});
  stream_ = TlsStream::ForServer(**TlsContext::ForClient({}), std::move(near_));
  Begin(*stream_, &status_);
  EXPECT_EQ(*status_, absl::FailedPreconditionError("TLS: the context is a client's"));
  MakePipe({});
  stream_ = TlsStream::ForClient(**TlsContext::ForServer(ServerOptions()), std::move(near_), "localhost");
  Begin(*stream_, &status_);
  EXPECT_EQ(*status_, absl::FailedPreconditionError("TLS: the context is a server's"));
}

// --- who is who ---

TEST_F(TlsStreamTest, AClientKnowsItsServerByNameOrAddress) {
  const Certificate wildcard = Root().Issue("server", "DNS:*.example.com");
  const struct {
    const Certificate& certificate;
    const char* host;
    const char* why_not;
  } cases[] = {
      {Localhost(), "localhost", ""},
      {Localhost(), "localhost.", ""},
      {Localhost(), "LocalHost", ""},
      {Localhost(), "127.0.0.1", ""},
      {Localhost(), "::1", ""},
      {Localhost(), "[::1]", ""},
      {Localhost(), "server", "hostname mismatch"},  // its common name alone
      {Localhost(), "localhost.example.com", "hostname mismatch"},
      {Localhost(), "127.0.0.2", "IP address mismatch"},
      {wildcard, "a.example.com", ""},
      {wildcard, "a.b.example.com", "hostname mismatch"},
      {wildcard, "example.com", "hostname mismatch"},
  };
  for (const auto& [certificate, host, why_not] : cases) {
    SCOPED_TRACE(host);
    Pair(ServerOptions(certificate), ClientOptions(), host);
    ASSERT_TRUE(other_status_.has_value());
    if (std::string_view(why_not).empty()) {
      EXPECT_TRUE(other_status_->ok()) << *other_status_;
      continue;
    }
    EXPECT_EQ(*other_status_, absl::UnavailableError(StrCat("TLS: certificate verify failed: ", why_not)));
    ASSERT_TRUE(status_.has_value());
    EXPECT_FALSE(status_->ok());
    EXPECT_NE(ToStd(status_->message()).find("alert"), std::string_view::npos) << *status_;
  }
}

TEST_F(TlsStreamTest, AServerIsToldItsNameButNotItsAddress) {
  const struct {
    const char* host;
    const char* server_name;
    const char* told;
  } cases[] = {{"localhost", "", "localhost"},
               {"localhost.", "", "localhost"},
               {"127.0.0.1", "", ""},
               {"[::1]", "", ""},
               {"10.0.0.1", "localhost", "localhost"}};
  for (const auto& [host, server_name, told] : cases) {
    SCOPED_TRACE(host);
    TlsClientOptions options = ClientOptions();
    options.server_name = server_name;
    Call(options, host);
    RawTls server({.server = true, .alpn = {"h2"}, .certificate = Localhost()});
    ASSERT_TRUE(HandshakeWith(server)) << *status_;
    EXPECT_EQ(server.server_name(), told);
  }
}

TEST_F(TlsStreamTest, ANameThatNoCertificateCanHaveIsRefused) {
  for (const std::string& host : {std::string(), std::string("."), std::string(".example.com"), std::string(300, 'a')}) {
    Call(ClientOptions(), host);
    ASSERT_TRUE(status_.has_value());
    EXPECT_EQ(status_->code(), absl::StatusCode::kFailedPrecondition) << *status_;
  }
}

TEST_F(TlsStreamTest, AClientRefusesWhomNobodyVouchesFor) {
  const std::chrono::hours hour(1);
  const CertificateAuthority stranger("stranger");
  const CertificateAuthority between = Root().IssueAuthority("between");
  const Certificate far = between.Issue("server", "DNS:localhost");
  const struct {
    Certificate certificate;
    const char* why_not;
  } cases[] = {
      {Root().Issue("server", "DNS:localhost", -2 * hour, -hour), "certificate has expired"},
      {Root().Issue("server", "DNS:localhost", hour, 2 * hour), "certificate is not yet valid"},
      {stranger.Issue("server", "DNS:localhost"), "unable to get local issuer certificate"},
      {far, "unable to get local issuer certificate"},
      {{far.certificate + between.certificate(), far.private_key}, ""},
  };
  for (const auto& [certificate, why_not] : cases) {
    SCOPED_TRACE(why_not);
    Pair(ServerOptions(certificate), ClientOptions());
    ASSERT_TRUE(other_status_.has_value());
    if (std::string_view(why_not).empty()) {
      EXPECT_TRUE(other_status_->ok()) << *other_status_;
    } else {
      EXPECT_EQ(*other_status_, absl::UnavailableError(StrCat("TLS: certificate verify failed: ", why_not)));
      EXPECT_EQ(Write(*other_, "secret").kind, Kind::kError);
    }
  }
}

TEST_F(TlsStreamTest, AServerKnowsItsClientByCertificate) {
  for (const bool require : {true, false}) {
    Pair(AskingServer(require), ClientWith(Alice()));
    ASSERT_TRUE(status_.has_value() && status_->ok());
    EXPECT_EQ(Pem(*stream_), Alice().certificate);
    EXPECT_EQ(Write(*other_, "x").bytes, 1u);
    Pump();
    EXPECT_EQ(Read(*stream_), "x");
  }
}

TEST_F(TlsStreamTest, AClientWithoutACertificateIsServedUnlessOneIsRequired) {
  Pair(AskingServer(false), ClientOptions());
  ASSERT_TRUE(status_.has_value());
  EXPECT_TRUE(status_->ok()) << *status_;
  EXPECT_EQ(Pem(*stream_), "");

  Pair(AskingServer(true), ClientOptions());
  ASSERT_TRUE(status_.has_value());
  EXPECT_EQ(*status_, absl::UnavailableError("TLS: peer did not return a certificate"));
  EXPECT_EQ(
      Read(*other_),
      "<tls: tlsv13 alert certificate required>");  // TLS 1.3: the client was done before it was looked at
}

TEST_F(TlsStreamTest, ThePeersCertificateSaysWhoItIs) {
  const Certificate certificate =
      Root().Issue("alice", "DNS:alice.example.com,URI:spiffe://example.com/alice,IP:10.0.0.1,DNS:*.example.com");
  Pair(AskingServer(true), ClientWith(certificate));
  ASSERT_TRUE(status_.has_value() && status_->ok());
  const std::shared_ptr<const PeerCertificate> alice = stream_->peer_certificate();
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->pem, certificate.certificate);
  EXPECT_EQ(alice->subject, "CN=alice");
  EXPECT_EQ(alice->common_name, "alice");
  EXPECT_EQ(alice->dns_names, (std::vector<std::string>{"alice.example.com", "*.example.com"}));
  EXPECT_EQ(alice->uris, std::vector<std::string>{"spiffe://example.com/alice"});
  EXPECT_EQ(stream_->peer_certificate(), alice) << "made once";
  const std::shared_ptr<const PeerCertificate> server = other_->peer_certificate();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->pem, Localhost().certificate);
  EXPECT_EQ(server->uris, std::vector<std::string>());
}

TEST_F(TlsStreamTest, ThePeersCertificateIsKnownBetweenTheHandshakeAndTheDestructor) {
  for (const bool asked_before : {false, true}) {
    Serve(AskingServer(true));
    EXPECT_EQ(stream_->peer_certificate(), nullptr);
    const auto context = TlsContext::ForClient(ClientWith(Alice()));
    ASSERT_TRUE(context.ok()) << context.status();
    other_ = TlsStream::ForClient(**context, std::move(far_), "localhost");
    Begin(*other_, &other_status_);
    ASSERT_TRUE(status_.has_value() && status_->ok());
    if (asked_before) {
      EXPECT_EQ(Pem(*stream_), Alice().certificate);
    }
    stream_->Close();
    EXPECT_EQ(Pem(*stream_), Alice().certificate);
  }
}

// Neither before it was verified, nor after that has failed.
TEST_F(TlsStreamTest, ACertificateThatNobodyVouchesForIsNotThePeers) {
  const Certificate mallory = CertificateAuthority("stranger").Issue("alice", "DNS:alice");
  Pair(AskingServer(false), ClientWith(mallory));
  ASSERT_TRUE(status_.has_value());
  EXPECT_FALSE(status_->ok());
  EXPECT_EQ(stream_->peer_certificate(), nullptr);
}

TEST_F(TlsStreamTest, AClientThatNobodyVouchesForIsRefused) {
  const Certificate mallory = CertificateAuthority("stranger").Issue("alice", "DNS:alice");
  for (const bool require : {true, false}) {
    Pair(AskingServer(require), ClientWith(mallory));
    ASSERT_TRUE(status_.has_value());
    EXPECT_EQ(*status_, absl::UnavailableError(
                            "TLS: certificate verify failed: unable to get local issuer certificate"));
    EXPECT_EQ(Read(*other_), "<tls: tlsv1 alert unknown ca>");
  }
}

// --- writing ---

TEST_F(TlsStreamTest, SmallPiecesShareARecord) {
  Serve();
  RawTls client({.version = 13, .alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  const std::string text = Text(1000);
  std::vector<iovec> pieces;
  for (size_t i = 0; i < text.size(); i += 10) pieces.push_back({const_cast<char*>(text.data() + i), 10});
  EXPECT_EQ(stream_->TryWrite(pieces).bytes, text.size());
  const std::string wire = TakeFromWire();
  constexpr size_t kAdded = 5 + 1 + 16;  // RFC 8446 5.2: header, type, tag
  EXPECT_EQ(wire.size(), text.size() + kAdded);
  client.Receive(wire);
  EXPECT_EQ(client.Read(), text);

  const std::string large = Text(16384 + 100);  // its end goes with what follows
  const iovec two[] = {{const_cast<char*>(large.data()), large.size()},
                       {const_cast<char*>(text.data()), text.size()}};
  EXPECT_EQ(stream_->TryWrite(two).bytes, large.size() + text.size());
  const std::string more = TakeFromWire();
  EXPECT_EQ(more.size(), large.size() + text.size() + 2 * kAdded);
  client.Receive(more);
  EXPECT_EQ(client.Read(), large + text);
}

TEST_F(TlsStreamTest, PiecesOfAnySizeArriveInOrder) {
  const std::string text = Text(200000);
  const std::vector<std::vector<size_t>> cuts = {
      {1, 16384, 3},
      {16384, 16384, 1},
      {9, 100, 9, 20000, 9, 16383, 9},
      {40000, 5},
      {0, 7, 0},
      {16383, 1, 1},
      {65536, 1},
      {65535, 1, 1},
      {9, 65536},
      {70000, 70000},
      {5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000},
      {100000},
      {16385},
      {32768},
      {1},
  };
  for (const auto& cut : cuts) {
    Serve();
    RawTls client({.alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    std::vector<iovec> pieces;
    size_t total = 0;
    for (const size_t n : cut) {
      pieces.push_back({const_cast<char*>(text.data() + total), n});
      total += n;
    }
    std::string received;
    size_t taken = 0;
    for (int writes = 0; taken < total; ++writes) {
      ASSERT_LT(writes, 10);
      const IoResult result = stream_->TryWrite(pieces);
      ASSERT_EQ(result.kind, Kind::kBytes);
      taken += result.bytes;
      Carry(client);
      received += client.Read();
      // The same again, without what was taken.
      pieces.clear();
      size_t begin = 0;
      for (const size_t n : cut) {
        const size_t skip = std::clamp(taken, begin, begin + n) - begin;
        if (skip < n) pieces.push_back({const_cast<char*>(text.data() + begin + skip), n - skip});
        begin += n;
      }
    }
    EXPECT_EQ(received, text.substr(0, total));
  }
}

TEST_F(TlsStreamTest, WhatWasTakenGoesOutByItself) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  const std::string text = Text(200000);
  const IoResult first = Write(*stream_, text);
  ASSERT_EQ(first.kind, Kind::kBytes);
  EXPECT_GT(first.bytes, 4000u);
  EXPECT_LE(first.bytes, 65536u);
  EXPECT_EQ(Write(*stream_, text).kind, Kind::kWouldBlock);  // not before that is out
  Carry(client);                                             // nobody waits for the stream
  EXPECT_EQ(client.Read(), text.substr(0, first.bytes));
  EXPECT_EQ(Write(*stream_, "x").bytes, 1u);
}

TEST_F(TlsStreamTest, WhatWouldBlockTookNothing) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  const std::string text = Text(20000);
  ASSERT_EQ(Write(*stream_, text).bytes, text.size());
  EXPECT_EQ(Write(*stream_, "one thing").kind, Kind::kWouldBlock);
  Carry(client);
  EXPECT_EQ(Write(*stream_, "another").bytes, 7u);  // who waited may have changed his mind
  Carry(client);
  EXPECT_EQ(client.Read(), text + "another");
}

TEST_F(TlsStreamTest, AWaitToWriteEndsWhenAllThatWasTakenIsOut) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  WaitFor(Direction::kWrite);
  EXPECT_FALSE(writable_.has_value());  // never within the call
  Pump();
  ASSERT_TRUE(writable_.has_value());
  EXPECT_FALSE(*writable_);

  ASSERT_EQ(Write(*stream_, Text(20000)).bytes, 20000u);
  WaitFor(Direction::kWrite);
  Pump();
  EXPECT_FALSE(writable_.has_value());
  client.Receive(TakeFromWire(10000));
  Pump();
  EXPECT_FALSE(writable_.has_value());
  Carry(client);
  ASSERT_TRUE(writable_.has_value());
  EXPECT_FALSE(*writable_);
  EXPECT_EQ(Write(*stream_, "x").bytes, 1u);
}

TEST_F(TlsStreamTest, APeerThatIsGoneBreaksWriting) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_EQ(Write(*stream_, Text(20000)).bytes, 20000u);
  WaitFor(Direction::kWrite);
  far_->Close();
  Pump();
  ASSERT_TRUE(writable_.has_value());
  const IoResult result = Write(*stream_, "x");
  EXPECT_EQ(result.kind, Kind::kError);
  EXPECT_EQ(result.error, std::errc::broken_pipe);
}

// --- reading ---

TEST_F(TlsStreamTest, ReadsAcrossRecordsAndLeavesWhatDoesNotFit) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("abc") && client.Write("def") && client.Write("ghi"));
  Carry(client);
  EXPECT_EQ(Read(*stream_, 4), "abcd");
  EXPECT_EQ(Read(*stream_, 100), "efghi");
  EXPECT_EQ(Read(*stream_, 100), "");
}

TEST_F(TlsStreamTest, AWaitToReadEndsAtOnceWhileBytesAreLeft) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("abc") && client.Write("def"));
  Carry(client);
  for (const std::string_view left : {"ab", "cd", "ef"}) {
    WaitFor(Direction::kRead);
    EXPECT_FALSE(readable_.has_value());  // never within the call
    Pump();
    ASSERT_TRUE(readable_.has_value()) << left;
    EXPECT_FALSE(*readable_);
    EXPECT_EQ(Read(*stream_, 2), left);
  }
  EXPECT_EQ(Read(*stream_, 2), "");
  WaitFor(Direction::kRead);
  Pump();
  EXPECT_FALSE(readable_.has_value());
  ASSERT_TRUE(client.Write("g"));
  Carry(client);
  ASSERT_TRUE(readable_.has_value());
  EXPECT_EQ(Read(*stream_, 2), "g");
}

TEST_F(TlsStreamTest, DataThatComesWithTheEndOfTheHandshakeIsReadAtOnce) {
  Serve();
  RawTls client({.version = 13, .alpn = {"h2"}});
  while (!client.Handshake()) {
    PutOnWire(client.TakeOutput());
    client.Receive(TakeFromWire());
  }
  ASSERT_TRUE(client.Write("preface"));
  PutOnWire(client.TakeOutput());  // with the client's Finished
  ASSERT_TRUE(status_.has_value() && status_->ok());
  WaitFor(Direction::kRead);
  Pump();
  EXPECT_TRUE(readable_.has_value());
  EXPECT_EQ(Read(*stream_), "preface");
}

TEST_F(TlsStreamTest, HalfARecordIsWaitedForWithoutSpinning) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("abc"));
  const std::string record = client.TakeOutput();
  for (size_t i = 0; i + 1 < record.size(); ++i) {
    PutOnWire(record.substr(i, 1));
    EXPECT_EQ(Read(*stream_), "");
    WaitFor(Direction::kRead);
    Pump();
    EXPECT_FALSE(readable_.has_value());
  }
  PutOnWire(record.substr(record.size() - 1));
  EXPECT_TRUE(readable_.has_value());
  EXPECT_EQ(Read(*stream_), "abc");
}

TEST_F(TlsStreamTest, CloseNotifyIsTheEnd) {
  for (const int version : {12, 13}) {
    Serve();
    RawTls client({.version = version, .alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    WaitFor(Direction::kRead);
    ASSERT_TRUE(client.Write("last"));
    client.CloseNotify();
    Carry(client);
    EXPECT_TRUE(readable_.has_value());
    EXPECT_EQ(Read(*stream_), "last");
    EXPECT_EQ(Read(*stream_), "<end>");
    EXPECT_EQ(Read(*stream_), "<end>");
    EXPECT_EQ(Write(*stream_, "answer").bytes, 6u);  // half-closed
    Carry(client);
    EXPECT_EQ(client.Read(), "answer");
  }
}

TEST_F(TlsStreamTest, AnEndWithoutCloseNotifyIsAnError) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("first"));
  Carry(client);
  far_->ShutdownWrite();
  EXPECT_EQ(Read(*stream_), "first");
  WaitFor(Direction::kRead);
  Pump();
  EXPECT_TRUE(readable_.has_value());
  EXPECT_EQ(Read(*stream_), "<tls: unexpected eof while reading>");
  EXPECT_EQ(Read(*stream_), "<tls: unexpected eof while reading>");
}

TEST_F(TlsStreamTest, ARecordThatWasChangedIsAnErrorBehindWhatIsGood) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("good"));
  Carry(client);
  ASSERT_TRUE(client.Write("changed"));
  std::string record = client.TakeOutput();
  record.back() = static_cast<char>(record.back() ^ 1);
  PutOnWire(record);
  EXPECT_EQ(Read(*stream_), "good");
  EXPECT_EQ(Read(*stream_), "<tls: decryption failed or bad record mac>");
  Carry(client);
  EXPECT_EQ(client.Read(), "");
  EXPECT_EQ(client.error(), "sslv3 alert bad record mac");
}

// --- messages of TLS's own ---

TEST_F(TlsStreamTest, NewKeysDoNotDisturb) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.version = 13, .alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  std::string sent, received;
  for (int i = 0; i < 5; ++i) {
    const std::string text = Text(20000);
    ASSERT_EQ(Write(*stream_, text).bytes, text.size());  // blocked half-way
    sent += text;
    WaitFor(Direction::kRead);
    ASSERT_TRUE(client.UpdateKeys(true) && client.Write("x"));
    PutOnWire(client.TakeOutput());
    EXPECT_TRUE(readable_.has_value());
    EXPECT_EQ(Read(*stream_), "x");
    Carry(client);
    received += client.Read();
    ASSERT_EQ(Write(*stream_, "y").bytes, 1u);
    sent += "y";
    Carry(client);
    received += client.Read();
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(client.error(), "");
}

// Key updates and tickets that may come at once; then there is one a second.
constexpr int kMessageBurst = 100;

TEST_F(TlsStreamTest, NewKeysWithinTheLimitAreRead) {
  for (const bool both : {false, true}) {
    Serve();
    RawTls client({.version = 13, .alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    for (int i = 0; i < kMessageBurst; ++i) {
      ASSERT_TRUE(client.UpdateKeys(both));
      Carry(client);
      EXPECT_EQ(Read(*stream_), "");
    }
    ASSERT_TRUE(client.Write("at last"));
    Carry(client);
    EXPECT_EQ(Read(*stream_), "at last");
    EXPECT_EQ(Write(*stream_, "answer").bytes, 6u);
    Carry(client);
    EXPECT_EQ(client.Read(), "answer");
  }
}

// All at once, so that OpenSSL has read far more of them than are taken.
TEST_F(TlsStreamTest, WhoKeepsChangingKeysIsCutOff) {
  for (const bool both : {false, true}) {
    Serve();
    RawTls client({.version = 13, .alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    const std::string text = Text(60000);
    while (Write(*stream_, text).kind == Kind::kBytes) {  // nobody reads it, nor the answers
    }
    std::string bytes;
    for (int i = 0; i < 10 * kMessageBurst; ++i) {
      ASSERT_TRUE(client.UpdateKeys(both));
      bytes += client.TakeOutput();
    }
    const uint64_t before = base::LimitCount("tls_key_updates");
    WaitFor(Direction::kWrite);
    ASSERT_EQ(PutOnWire(bytes), bytes.size());
    EXPECT_FALSE(writable_.has_value());
    EXPECT_EQ(Read(*stream_), "<tls: too many messages of TLS's own>");
    Pump();
    EXPECT_TRUE(writable_.has_value()) << "what was in the writer's way is dropped";
    EXPECT_EQ(base::LimitCount("tls_key_updates"), before + 1);
    EXPECT_EQ(Read(*stream_), "<tls: too many messages of TLS's own>");
    EXPECT_EQ(Write(*stream_, "x").kind, Kind::kError);
    WaitFor(Direction::kRead);
    WaitFor(Direction::kWrite);
    Pump();
    EXPECT_TRUE(readable_.has_value() && writable_.has_value());
    stream_->ShutdownWrite();
    stream_->Close();
    Pump();
    TakeFromWire();
    EXPECT_TRUE(std::exchange(wire_ended_, false)) << "it has nothing more to say";
  }
}

TEST_F(TlsStreamTest, DataBeforeTooManyNewKeysIsRead) {
  Serve();
  RawTls client({.version = 13, .alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_TRUE(client.Write("honest"));
  for (int i = 0; i < 2 * kMessageBurst; ++i) ASSERT_TRUE(client.UpdateKeys(false) && client.Write("x"));
  const std::string bytes = client.TakeOutput();
  ASSERT_EQ(PutOnWire(bytes), bytes.size());
  EXPECT_EQ(Read(*stream_), "honest" + std::string(kMessageBurst, 'x'));
  EXPECT_EQ(Read(*stream_), "<tls: too many messages of TLS's own>");
}

TEST_F(TlsStreamTest, AClientTakesOnlySoManyTickets) {
  Call();
  RawTls server({.server = true, .version = 13, .alpn = {"h2"}, .certificate = Localhost()});
  ASSERT_TRUE(HandshakeWith(server)) << server.error();
  for (int i = 0; i < 2 * kMessageBurst; ++i) ASSERT_TRUE(server.SendTicket()) << server.error();
  const uint64_t before = base::LimitCount("tls_messages");
  Carry(server);
  EXPECT_EQ(Read(*stream_), "<tls: too many messages of TLS's own>");
  EXPECT_EQ(base::LimitCount("tls_messages"), before + 1);
}

// RFC 9113 9.2.1
TEST_F(TlsStreamTest, NeitherSideRenegotiates) {
  Serve();
  RawTls client({.version = 12, .alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  EXPECT_FALSE(client.Renegotiate());
  EXPECT_EQ(client.error(), "") << "it waits for an answer";
  Carry(client);
  EXPECT_EQ(Read(*stream_), "");
  Carry(client);
  EXPECT_FALSE(client.Handshake());
  EXPECT_EQ(client.error(), "no renegotiation");

  Call();
  RawTls server({.server = true, .version = 12, .alpn = {"h2"}, .certificate = Localhost()});
  ASSERT_TRUE(HandshakeWith(server));
  EXPECT_TRUE(server.Renegotiate());  // has asked for it
  Carry(server);
  EXPECT_EQ(Read(*stream_), "");
  Carry(server);
  EXPECT_EQ(server.Read(), "");
  EXPECT_EQ(server.error(), "no renegotiation");
}

// RFC 8446 4.6: OpenSSL writes nothing while half a message of the handshake's kind has come.
TEST_F(TlsStreamTest, AWriteThatWaitsForTheRestOfAMessageGoesOn) {
  RawTls server(ServerOfLongTickets());
  const std::string tickets = HandshakeUpToTickets(server);
  const size_t first_record = FirstRecord(tickets);
  ASSERT_LT(first_record, tickets.size());

  PutOnWire(tickets.substr(0, first_record));
  EXPECT_EQ(Read(*stream_), "");
  EXPECT_EQ(Write(*stream_, "question").kind, Kind::kWouldBlock);
  for (const bool reader_waits_too : {false, true}) {
    WaitFor(Direction::kWrite);
    if (reader_waits_too) WaitFor(Direction::kRead);
    Pump();
    EXPECT_FALSE(writable_.has_value());
    stream_->CancelWaits();
    Pump();
    EXPECT_EQ(writable_, asio::error::operation_aborted);
  }
  WaitFor(Direction::kWrite);
  PutOnWire(tickets.substr(first_record));
  ASSERT_TRUE(writable_.has_value());
  EXPECT_FALSE(*writable_);
  EXPECT_EQ(Write(*stream_, "question").bytes, 8u);
  server.Receive(TakeFromWire());
  EXPECT_EQ(server.Read(), "question");
}

TEST_F(TlsStreamTest, WhatAWriteReadsAheadIsNotForgotten) {
  RawTls server(ServerOfLongTickets());
  const std::string tickets = HandshakeUpToTickets(server);
  const size_t first_record = FirstRecord(tickets);
  ASSERT_LT(first_record, tickets.size());
  PutOnWire(tickets.substr(0, first_record));
  EXPECT_EQ(Read(*stream_), "");  // dry
  ASSERT_TRUE(server.Write("news"));
  std::string rest = tickets.substr(first_record) + server.TakeOutput();
  const iovec piece{rest.data(), rest.size()};
  ASSERT_EQ(far_->TryWrite({&piece, 1}).bytes, rest.size());
  EXPECT_EQ(Write(*stream_, "question").bytes, 8u);  // which takes all of it from the wire
  WaitFor(Direction::kRead);
  Pump();
  EXPECT_TRUE(readable_.has_value());
  EXPECT_EQ(Read(*stream_), "news");
}

// Of a client with a large certificate, which is in each ticket.
TEST_F(TlsStreamTest, WhoSendsNothingButTicketsIsReadInTurns) {
  constexpr int kTickets = 60;
  constexpr size_t kMuch = 300000;
  std::string names = "DNS:alice";
  for (int i = 0; i < 400; ++i) names += StrCat(",DNS:alice-number-", i);
  MakePipe({.capacity = 4 * kMuch});
  const auto context = TlsContext::ForClient(ClientWith(Root().Issue("alice", names)));
  ASSERT_TRUE(context.ok()) << context.status();
  stream_ = TlsStream::ForClient(**context, std::move(near_), "localhost");
  Begin(*stream_, &status_);
  RawTls server({.server = true, .version = 13, .alpn = {"h2"}, .certificate = Localhost(), .ask_certificate = true});
  ASSERT_TRUE(HandshakeWith(server)) << server.error();
  for (int i = 0; i < kTickets; ++i) ASSERT_TRUE(server.SendTicket()) << server.error();
  ASSERT_TRUE(server.Write("at last"));
  const std::string bytes = server.TakeOutput();
  ASSERT_GT(bytes.size(), kMuch);
  ASSERT_EQ(PutOnWire(bytes), bytes.size());
  int reads = 0;
  for (std::string text; text.empty(); ++reads) {
    WaitFor(Direction::kRead);
    Pump();
    ASSERT_TRUE(readable_.has_value());
    text = Read(*stream_);
    EXPECT_TRUE(text.empty() || text == "at last") << text;
  }
  EXPECT_GE(reads, 3);
}

// --- waits and ends ---

TEST_F(TlsStreamTest, CancelledWaitsAreAbortedAndLoseNothing) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  const std::string text = Text(20000);
  ASSERT_EQ(Write(*stream_, text).bytes, text.size());
  EXPECT_EQ(Read(*stream_), "");
  for (int i = 0; i < 2; ++i) {
    WaitFor(Direction::kRead);
    WaitFor(Direction::kWrite);
    stream_->CancelWaits();
    EXPECT_FALSE(readable_.has_value() || writable_.has_value());
    Pump();
    EXPECT_EQ(readable_, asio::error::operation_aborted);
    EXPECT_EQ(writable_, asio::error::operation_aborted);
  }
  // Who waits again before the old wait of the inner stream has ended.
  stream_->AsyncWait(Direction::kRead, [](std::error_code) {});
  stream_->CancelWaits();
  WaitFor(Direction::kRead);
  WaitFor(Direction::kWrite);
  Pump();
  EXPECT_FALSE(readable_.has_value() || writable_.has_value());
  ASSERT_TRUE(client.Write("x"));
  Carry(client);
  EXPECT_TRUE(readable_.has_value() && writable_.has_value());
  EXPECT_EQ(Read(*stream_), "x");
  EXPECT_EQ(client.Read(), text);
}

TEST_F(TlsStreamTest, CloseAbortsWaitsAndEndsBothSides) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  EXPECT_EQ(Read(*stream_), "");
  WaitFor(Direction::kRead);
  stream_->Close();
  stream_->Close();
  Pump();
  EXPECT_EQ(readable_, asio::error::operation_aborted);
  EXPECT_EQ(Read(*stream_).substr(0, 1), "<");
  EXPECT_EQ(Write(*stream_, "x").kind, Kind::kError);
  EXPECT_EQ(stream_->alpn(), "");
  EXPECT_EQ(stream_->version(), "");
  EXPECT_EQ(Pem(*stream_), "");
  WaitFor(Direction::kWrite);
  Pump();
  EXPECT_EQ(writable_, asio::error::operation_aborted);
  TakeFromWire();
  EXPECT_TRUE(wire_ended_);
}

TEST_F(TlsStreamTest, WaitsOutliveTheStreamAsAborted) {
  for (const bool dry : {true, false}) {
    Serve();
    RawTls client({.alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    if (dry) {
      EXPECT_EQ(Read(*stream_), "");
    }
    WaitFor(Direction::kRead);
    WaitFor(Direction::kWrite);
    stream_.reset();
    Pump();
    EXPECT_EQ(readable_, asio::error::operation_aborted);
    EXPECT_EQ(writable_, asio::error::operation_aborted);
  }
}

TEST_F(TlsStreamTest, AWaitersHandlerMayDestroyTheStream) {
  Serve();
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  EXPECT_EQ(Read(*stream_), "");
  WaitFor(Direction::kWrite);
  stream_->AsyncWait(Direction::kRead, [this](std::error_code) { stream_.reset(); });
  ASSERT_TRUE(client.Write("x"));
  PutOnWire(client.TakeOutput());
  EXPECT_EQ(stream_, nullptr);
  EXPECT_TRUE(writable_.has_value());
}

TEST_F(TlsStreamTest, ShutdownWriteSaysGoodbyeAndReadingGoesOn) {
  for (const int version : {12, 13}) {
    Serve();
    RawTls client({.version = version, .alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    ASSERT_EQ(Write(*stream_, "last").bytes, 4u);
    stream_->ShutdownWrite();
    stream_->ShutdownWrite();
    EXPECT_EQ(Write(*stream_, "x").error, std::errc::broken_pipe);
    wire_ended_ = false;
    Carry(client);
    EXPECT_EQ(client.Read(), "last");
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(wire_ended_);
    ASSERT_TRUE(client.Write("and you?"));
    Carry(client);
    EXPECT_EQ(Read(*stream_), "and you?");
  }
}

TEST_F(TlsStreamTest, WhatWasTakenBeforeShutdownWriteGoesOutEvenAfterClose) {
  for (const bool destroy : {true, false}) {
    Serve(ServerOptions(), true, {.capacity = 4000});
    RawTls client({.alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    EXPECT_EQ(Read(*stream_), "");
    WaitFor(Direction::kRead);
    const std::string text = Text(60000);
    ASSERT_EQ(Write(*stream_, text).bytes, text.size());
    stream_->ShutdownWrite();
    stream_->CancelWaits();
    if (destroy) {
      stream_.reset();
    } else {
      stream_->Close();
    }
    Pump();
    EXPECT_EQ(readable_, asio::error::operation_aborted);
    PassTime(std::chrono::seconds(4));
    client.Receive(TakeFromWire(10000));  // it is slow, but it reads
    PassTime(std::chrono::seconds(4));
    wire_ended_ = false;
    Carry(client);
    EXPECT_EQ(client.Read(), text);
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(wire_ended_);
    EXPECT_EQ(far_->TryWrite(std::array<iovec, 1>{iovec{const_cast<char*>("x"), 1}}).kind,
              Kind::kError);  // closed
  }
}

TEST_F(TlsStreamTest, CloseEndsWaitsOfTheInnerStreamEvenWithLastWritesToCome) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  const std::string text = Text(60000);
  ASSERT_EQ(Write(*stream_, text).bytes, text.size());
  stream_->ShutdownWrite();
  std::optional<std::error_code> inner;
  stream_->inner().AsyncWait(Direction::kRead, [&inner](std::error_code error) { inner = error; });
  stream_->Close();
  Pump();
  EXPECT_EQ(inner, asio::error::operation_aborted);
  Carry(client);
  EXPECT_EQ(client.Read(), text);
  EXPECT_TRUE(client.ended());
}

TEST_F(TlsStreamTest, APeerThatTakesNothingIsNotWaitedForForever) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_EQ(Write(*stream_, Text(60000)).bytes, 60000u);
  stream_->ShutdownWrite();
  stream_.reset();
  Pump();
  const iovec piece{const_cast<char*>("x"), 1};
  EXPECT_EQ(far_->TryWrite({&piece, 1}).kind, Kind::kBytes);
  PassTime(std::chrono::seconds(31));
  EXPECT_EQ(far_->TryWrite({&piece, 1}).kind, Kind::kError);
}

Task<void> WaitUntilDone(TlsStream::LastWrites writes, bool* done) {
  co_await writes.Done();
  *done = true;
}

TEST_F(TlsStreamTest, LastWritesCanBeWaitedFor) {
  enum class End { kPeerReads, kPeerTakesNothing, kStopWaiting };
  for (const End end : {End::kPeerReads, End::kPeerTakesNothing, End::kStopWaiting}) {
    Serve(ServerOptions(), true, {.capacity = 4000});
    RawTls client({.alpn = {"h2"}});
    ASSERT_TRUE(HandshakeWith(client));
    TlsStream::LastWrites writes = stream_->last_writes();
    bool done_before = false;
    asio::co_spawn(context_, WaitUntilDone(writes, &done_before), asio::detached);
    Pump();
    EXPECT_TRUE(done_before) << "there are none of an open stream";
    const std::string text = Text(60000);
    ASSERT_EQ(Write(*stream_, text).bytes, text.size());
    stream_->ShutdownWrite();
    stream_.reset();
    bool done = false;
    asio::co_spawn(context_, WaitUntilDone(writes, &done), asio::detached);
    Pump();
    EXPECT_FALSE(done);
    if (end == End::kPeerTakesNothing) PassTime(std::chrono::seconds(31));
    if (end == End::kStopWaiting) {
      writes.StopWaiting();
      writes.StopWaiting();
      Pump();
      EXPECT_TRUE(done);
    }
    if (end != End::kPeerTakesNothing) {
      Carry(client);
      EXPECT_EQ(client.Read(), text);
    }
    EXPECT_TRUE(done);
    done = false;
    asio::co_spawn(context_, WaitUntilDone(writes, &done), asio::detached);
    Pump();
    EXPECT_TRUE(done);
  }
}

TEST_F(TlsStreamTest, WithoutShutdownWriteCloseDropsWhatIsLeft) {
  Serve(ServerOptions(), true, {.capacity = 4000});
  RawTls client({.alpn = {"h2"}});
  ASSERT_TRUE(HandshakeWith(client));
  ASSERT_EQ(Write(*stream_, Text(60000)).bytes, 60000u);
  stream_->Close();
  Pump();
  EXPECT_EQ(TakeFromWire().size(), 4000u);
  EXPECT_TRUE(wire_ended_);
}

// --- memory ---

TEST_F(TlsStreamTest, AnIdleConnectionHoldsNoBuffers) {
  ASSERT_TRUE(counting);
  const auto server = TlsContext::ForServer(ServerOptions());
  const auto client = TlsContext::ForClient(ClientOptions());
  ASSERT_TRUE(server.ok() && client.ok());
  const auto connect = [&] {
    MakePipe({.capacity = 100});
    stream_ = TlsStream::ForServer(**server, std::move(near_));
    other_ = TlsStream::ForClient(**client, std::move(far_), "localhost");
    Begin(*stream_, &status_);
    Begin(*other_, &other_status_);
    Pump();
    ASSERT_TRUE(status_->ok() && other_status_->ok());
    const std::string text = Text(50000);
    for (const auto& [from, to] :
         {std::pair(stream_.get(), other_.get()), std::pair(other_.get(), stream_.get())}) {
      std::string received;
      ASSERT_EQ(Write(*from, text).bytes, text.size());
      while (received.size() < text.size()) {
        received += Read(*to);
        Pump();
      }
      EXPECT_EQ(received, text);
    }
    EXPECT_EQ(Read(*stream_) + Read(*other_), "");
  };
  connect();  // what OpenSSL makes once and keeps
  stream_.reset();
  other_.reset();
  Pump();
  const size_t before = openssl_bytes;
  connect();
  const size_t idle = openssl_bytes - before;
  EXPECT_LT(idle, 2 * kMostOfAnIdleConnection) << "both sides";
  // What is counted counts: half a record needs a buffer.
  ASSERT_EQ(Write(*other_, Text(1000)).bytes, 1000u);
  EXPECT_EQ(Read(*stream_), "");
  EXPECT_GT(openssl_bytes - before, idle + 16384);
  Pump();
  for (std::string received; received.size() < 1000; Pump()) received += Read(*stream_);
  EXPECT_EQ(Read(*stream_), "");
  EXPECT_EQ(openssl_bytes - before, idle);
}

Task<void> WaitForever(std::unique_ptr<TlsStream> stream, std::shared_ptr<int> witness) {
  const absl::Status status = co_await stream->Handshake();
  EXPECT_TRUE(status.ok()) << status << *witness;
}

// A handler that owns the stream it waits for is all that the loop has; so there must be no circle.
TEST(TlsStreamLoop, WhoWaitsIsFreedWithTheLoop) {
  const auto context = TlsContext::ForServer(ServerOptions());
  ASSERT_TRUE(context.ok());
  std::array<int, 2> fds;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  auto io_context = std::make_unique<asio::io_context>(1);
  const auto witness = std::make_shared<int>(0);
  asio::co_spawn(
      *io_context,
      WaitForever(TlsStream::ForServer(**context, AdoptSocket(EventLoop::Of(*io_context), fds[0])), witness),
      asio::detached);
  io_context->poll();
  EXPECT_EQ(witness.use_count(), 2);
  io_context.reset();
  EXPECT_EQ(witness.use_count(), 1);
  char byte;
  EXPECT_EQ(::recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);  // closed
  ::close(fds[1]);
}

Task<void> WaitForLastWrites(TlsStream::LastWrites writes, std::shared_ptr<int> witness) {
  co_await writes.Done();
  ADD_FAILURE() << "they are not done" << *witness;
}

TEST(TlsStreamLoop, SoAreTheLastWritesOfAStreamThatIsGoneAndWhoWaitsForThem) {
  const auto context = TlsContext::ForServer(ServerOptions());
  ASSERT_TRUE(context.ok());
  std::array<int, 2> fds;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  auto io_context = std::make_unique<asio::io_context>(1);
  auto stream = TlsStream::ForServer(**context, AdoptSocket(EventLoop::Of(*io_context), fds[0]));
  std::optional<absl::Status> status;
  asio::co_spawn(*io_context, stream->Handshake(),
                 [&status](std::exception_ptr, absl::Status result) { status = std::move(result); });
  RawTls client({.alpn = {"h2"}});
  std::array<char, 16384> space;
  for (int i = 0; i < 5 && !status.has_value(); ++i) {
    client.Handshake();
    const std::string out = client.TakeOutput();
    ASSERT_EQ(::send(fds[1], out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
    io_context->restart();
    io_context->poll();
    if (const ssize_t n = ::recv(fds[1], space.data(), space.size(), MSG_DONTWAIT); n > 0)
      client.Receive({space.data(), static_cast<size_t>(n)});
  }
  ASSERT_TRUE(status.has_value() && status->ok());
  const std::string text = Text(60000);
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  while (stream->TryWrite({&piece, 1}).kind == Kind::kBytes) {
  }
  stream->ShutdownWrite();
  const TlsStream::LastWrites writes = stream->last_writes();
  stream.reset();
  const auto witness = std::make_shared<int>(0);
  asio::co_spawn(*io_context, WaitForLastWrites(writes, witness), asio::detached);
  io_context->restart();
  io_context->poll();
  EXPECT_EQ(witness.use_count(), 2);
  ssize_t received = 0;
  for (ssize_t n = 0; (n = ::recv(fds[1], space.data(), space.size(), MSG_DONTWAIT)) > 0;) received += n;
  EXPECT_GT(received, 0);
  EXPECT_EQ(errno, EAGAIN);  // open, and more to come
  io_context.reset();
  EXPECT_EQ(witness.use_count(), 1);
  EXPECT_EQ(::recv(fds[1], space.data(), space.size(), MSG_DONTWAIT), 0);
  ::close(fds[1]);
}

}  // namespace
}  // namespace culvert::io
