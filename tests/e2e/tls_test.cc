// TLS between a real server and a real client, and with peers that are OpenSSL alone.

#include <unistd.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"
#include "tests/e2e/secure_socket.h"
#include "tests/interop/client_cases.h"
#include "tests/support/certificates/certificates.h"
#include "transport/base/limit_counts.h"
#include "transport/base/strings.h"
#include "transport/http/service.h"
#include "transport/http/tunnel.h"
#include "transport/io/peer_certificate.h"
#include "transport/io/tls_context.h"

namespace culvert::e2e {
namespace {

using testing_support::Certificate;
using testing_support::CertificateAuthority;

const CertificateAuthority& Root() {
  static const CertificateAuthority root;
  return root;
}
const Certificate& ServerCertificate() {
  static const Certificate certificate = Root().Issue("server", "DNS:localhost,IP:127.0.0.1");
  return certificate;
}

io::TlsServerOptions ServerTls() {
  io::TlsServerOptions tls;
  tls.certificate_chain = ServerCertificate().certificate;
  tls.private_key = ServerCertificate().private_key;
  return tls;
}
io::TlsClientOptions ClientTls() {
  io::TlsClientOptions tls;
  tls.roots = Root().certificate();
  return tls;
}

ServerOptions Secure(const io::TlsServerOptions& tls = ServerTls()) {
  ServerOptions options = OneThread();
  const auto context = io::TlsContext::ForServer(tls);
  EXPECT_TRUE(context.ok()) << context.status();
  if (context.ok()) options.transport.tls = *context;
  return options;
}
ChannelOptions Over(const io::TlsClientOptions& tls = ClientTls()) {
  ChannelOptions options = Impatient();
  const auto context = io::TlsContext::ForClient(tls);
  EXPECT_TRUE(context.ok()) << context.status();
  if (context.ok()) options.transport.tls = *context;
  return options;
}

// --- calls ---

class TlsInteropCase : public testing::TestWithParam<interop::Case> {};

TEST_P(TlsInteropCase, Passes) {
  interop::TestService service;
  Loopback loopback(service, Secure(), Over());
  for (int i = 0; i < 2; ++i) EXPECT_OK(GetParam().run(loopback.channel()));
  EXPECT_OK(CallOnce(loopback.channel()));
}

INSTANTIATE_TEST_SUITE_P(All, TlsInteropCase,
                         testing::ValuesIn(interop::Cases().begin(), interop::Cases().end()),
                         [](const testing::TestParamInfo<interop::Case>& info) {
                           return std::string(info.param.name);
                         });

TEST(Tls, LargeMessagesPassBothWays) {
  interop::TestService service;
  Loopback loopback(service, Secure(), Over());
  constexpr size_t kBytes = 3 << 20;
  for (int i = 0; i < 3; ++i) {
    ClientContext context;
    context.set_timeout(absl::ToChronoNanoseconds(kLong));
    const absl::StatusOr<SimpleResponse> response =
        loopback.stub().UnaryCall(context, UnaryRequest(kBytes, kBytes), kBlock);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->payload().body().size(), kBytes);
  }
}

TEST(Tls, TheServerIsReachedByNameAndAddressAndUnixSocket) {
  interop::TestService service;
  Loopback loopback(service, Secure(), Over());
  const std::string port = loopback.address().substr(loopback.address().find(':') + 1);
  for (const std::string& target :
       {"127.0.0.1:" + port, "ipv4:127.0.0.1:" + port, "dns:///localhost:" + port, "localhost:" + port}) {
    SCOPED_TRACE(target);
    EXPECT_OK(CallOnce(MustCreateChannel(target, Over())));
  }
  const absl::StatusOr<std::string> address =
      loopback.server().Listen(StrCat("unix-abstract:culvert-tls-test-", ::getpid()));
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_OK(CallOnce(MustCreateChannel(*address, Over())));  // as localhost
}

TEST(Tls, AServerThatIsNotWhoItShouldBeIsUnavailable) {
  interop::TestService service;
  Loopback loopback(service, Secure(), Over());
  io::TlsClientOptions other = ClientTls();
  other.server_name = "example.com";
  absl::Status status = CallOnce(loopback.NewChannel(Over(other)));
  EXPECT_CODE(status, kUnavailable);
  EXPECT_EQ(ToStd(status.message()), "TLS: certificate verify failed: hostname mismatch (127.0.0.1)");

  io::TlsClientOptions stranger;
  stranger.roots = CertificateAuthority("stranger").certificate();
  status = CallOnce(loopback.NewChannel(Over(stranger)));
  EXPECT_CODE(status, kUnavailable);
  EXPECT_EQ(ToStd(status.message()),
            "TLS: certificate verify failed: unable to get local issuer certificate (127.0.0.1)");

  status = CallOnce(loopback.NewChannel(Over({})));  // whom the system trusts
  EXPECT_CODE(status, kUnavailable);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Tls, AContextOfTheOtherRoleIsRefusedBeforeAnyConnection) {
  ServerOptions server_options = Secure();
  ChannelOptions channel_options = Over();
  std::swap(server_options.transport.tls, channel_options.transport.tls);
  Server server(std::move(server_options));
  EXPECT_CODE(server.Listen("127.0.0.1:0").status(), kInvalidArgument);
  EXPECT_CODE(Channel::Create("127.0.0.1:1", channel_options).status(), kInvalidArgument);
  asio::io_context context{1};
  EXPECT_CODE(Channel::Create(EventLoop::Of(context), "127.0.0.1:1", channel_options).status(), kInvalidArgument);
}

TEST(Tls, MutualTlsAsksForTheClientsCertificate) {
  io::TlsServerOptions asking = ServerTls();
  asking.client_roots = Root().certificate();
  asking.require_client_certificate = true;
  io::TlsClientOptions known = ClientTls();
  const Certificate alice = Root().Issue("alice", "DNS:alice");
  known.certificate_chain = alice.certificate;
  known.private_key = alice.private_key;

  interop::TestService service;
  Loopback loopback(service, Secure(asking), Over(known));
  EXPECT_OK(CallOnce(loopback.channel()));

  const absl::Status unknown = CallOnce(loopback.NewChannel(Over()));
  EXPECT_CODE(unknown, kUnavailable);
  EXPECT_NE(ToStd(unknown.message()).find("tlsv13 alert certificate required"), std::string_view::npos)
      << unknown;

  const Certificate mallory = CertificateAuthority("stranger").Issue("alice", "DNS:alice");
  io::TlsClientOptions false_friend = known;
  false_friend.certificate_chain = mallory.certificate;
  false_friend.private_key = mallory.private_key;
  EXPECT_CODE(CallOnce(loopback.NewChannel(Over(false_friend))), kUnavailable);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Tls, AClientSaysHttpsAndItsTarget) {
  RawListener listener;
  std::optional<absl::Status> status;
  std::thread caller([&] { status = CallOnce(MustCreateChannel(listener.address(), Over())); });
  SecureSocket server(listener.Accept(),
                      {.server = true, .alpn = {"h2"}, .certificate = ServerCertificate()});
  server.Send(Frame(kSettings, 0, 0, ""));
  EXPECT_EQ(server.Receive(kPreface.size()), kPreface);
  std::map<std::string, std::string> fields;
  while (fields.empty()) {
    const std::string header = server.Receive(9);
    ASSERT_EQ(header.size(), 9u) << server.tls().error();
    const size_t length =
        static_cast<size_t>(static_cast<uint8_t>(header[1])) << 8 | static_cast<uint8_t>(header[2]);
    const std::string payload = server.Receive(length);
    if (header[3] == kHeaders) fields = FirstFields(payload);
  }
  EXPECT_EQ(fields[":scheme"], "https");
  EXPECT_EQ(fields[":authority"], listener.address());
  server.Send(Frame(kRstStream, 0, 1, std::string_view("\0\0\0\x08", 4)));  // CANCEL
  caller.join();
  EXPECT_CODE(*status, kCancelled);
}

// --- one port ---

TEST(Tls, PlaintextIsRefusedUnlessItIsServedToo) {
  interop::TestService service;
  for (const bool plaintext_too : {false, true}) {
    ServerOptions options = Secure();
    options.transport.plaintext_too = plaintext_too;
    Loopback loopback(service, std::move(options), Over());
    EXPECT_OK(CallOnce(loopback.channel()));
    const absl::Status plain = CallOnce(loopback.NewChannel());
    EXPECT_EQ(plain.ok(), plaintext_too) << plain;
    if (!plaintext_too) EXPECT_CODE(plain, kUnavailable);
    RawSocket http1 = RawSocket::Connect(loopback.address());
    http1.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(http1.Receive(12), plaintext_too ? "HTTP/1.1 415" : "");
  }
}

TEST(Tls, APlaintextServerIsUnavailableOverTls) {
  interop::TestService service;
  Loopback loopback(service);
  EXPECT_CODE(CallOnce(loopback.NewChannel(Over())), kUnavailable);
  EXPECT_OK(CallOnce(loopback.channel()));
}

Task<void> Echo(std::unique_ptr<http::Tunnel> tunnel) {
  std::array<char, 1000> bytes;
  for (;;) {
    auto [error, n] = co_await tunnel->async_read_some(asio::buffer(bytes), kTuple);
    if (error) break;
    auto [write_error, written] = co_await asio::async_write(*tunnel, asio::buffer(bytes.data(), n), kTuple);
    if (write_error) break;
  }
  tunnel->shutdown_write();
}

std::string Who(const std::shared_ptr<const io::PeerCertificate>& certificate) {
  return certificate != nullptr ? StrCat(certificate->subject, " ", certificate->dns_names.at(0)) : "nobody knows";
}

// GET says what it was asked, and /who by whom; a request to upgrade makes the connection an echo.
class Pages final : public http::Service {
 public:
  Task<void> Serve(http::Request& request, http::Response& response) override {
    if (request.head().path == "/echo") {
      response.SendHead(101, Upgrade());
      absl::StatusOr<http::Hijacked> hijacked = response.Hijack();
      if (!hijacked.ok()) co_return;
      auto tunnel = std::make_unique<http::Tunnel>(*std::move(hijacked));
      const auto executor = tunnel->get_executor();
      asio::co_spawn(executor, Echo(std::move(tunnel)), asio::detached);
      co_return;
    }
    const std::string text = request.head().path == "/who" ? Who(request.peer_certificate())
                                                            : StrCat(request.head().scheme, " over HTTP/", request.http_major());
    const std::string length = std::to_string(text.size());
    http::HeaderList fields;
    fields.Add("content-length", length);
    response.SendHead(200, fields);
    co_await response.Write(text);
  }

 private:
  static http::HeaderList Upgrade() {
    http::HeaderList fields;
    fields.Add("connection", "upgrade");
    fields.Add("upgrade", "echo");
    return fields;
  }
};

TEST(Tls, Http1AndAHijackedConnectionOnTheSamePort) {
  interop::TestService service;
  Pages pages;
  ServerOptions options = Secure();
  options.http_handler = &pages;
  Loopback loopback(service, std::move(options), Over());
  for (const int version : {12, 13}) {
    SecureSocket client(RawSocket::Connect(loopback.address()), {.version = version, .alpn = {"http/1.1"}});
    client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.ReceiveUntil("\r\n\r\n").substr(0, 12), "HTTP/1.1 200") << client.tls().error();
    EXPECT_EQ(client.Receive(17), "https over HTTP/1");
    client.Send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly");
    EXPECT_EQ(client.ReceiveUntil("\r\n\r\n").substr(0, 12), "HTTP/1.1 101");
    EXPECT_EQ(client.Receive(5), "early");
    const std::string text(50000, 'x');
    client.Send(text);
    EXPECT_EQ(client.Receive(text.size()), text);
    client.CloseNotify();
    EXPECT_TRUE(client.ReceiveEnd());
  }
  EXPECT_OK(CallOnce(loopback.channel()));
}

class Asking final : public interop::TestService {
 public:
  Unary<SimpleResponse> UnaryCall(ServerContext& call, const SimpleRequest&) override {
    SimpleResponse response;
    response.set_username(Who(call.peer_certificate()));
    return response;
  }
};

std::string WhoCalls(const std::shared_ptr<Channel>& channel) {
  ClientContext context;
  context.set_timeout(absl::ToChronoNanoseconds(kLong));
  const absl::StatusOr<SimpleResponse> response = Stub(channel).UnaryCall(context, UnaryRequest(0, 0), kBlock);
  EXPECT_OK(response.status());
  return response.ok() ? response->username() : "";
}

TEST(Tls, HandlersAreToldWhoTheClientIs) {
  io::TlsServerOptions asking = ServerTls();
  asking.client_roots = Root().certificate();
  const Certificate alice = Root().Issue("alice", "DNS:alice.example.com");
  io::TlsClientOptions known = ClientTls();
  known.certificate_chain = alice.certificate;
  known.private_key = alice.private_key;

  Asking service;
  Pages pages;
  ServerOptions options = Secure(asking);
  options.http_handler = &pages;
  options.transport.plaintext_too = true;
  Loopback loopback(service, std::move(options), Over(known));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(WhoCalls(loopback.channel()), "CN=alice alice.example.com");
  EXPECT_EQ(WhoCalls(loopback.NewChannel(Over())), "nobody knows");
  EXPECT_EQ(WhoCalls(loopback.NewChannel()), "nobody knows");

  constexpr std::string_view kWho = "GET /who HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const auto& [certificate, who] :
       {std::pair(alice, std::string_view("CN=alice alice.example.com")), std::pair(Certificate(), std::string_view("nobody knows"))}) {
    SecureSocket client(RawSocket::Connect(loopback.address()), {.alpn = {"http/1.1"}, .certificate = certificate});
    client.Send(kWho);
    EXPECT_EQ(client.ReceiveUntil("\r\n\r\n").substr(0, 12), "HTTP/1.1 200") << client.tls().error();
    EXPECT_EQ(client.Receive(who.size()), who);
  }
}

// --- peers that mean no good ---

TEST(Tls, AClientThatIsSilentDuringTheHandshakeIsClosed) {
  interop::TestService service;
  ServerOptions options = Secure();
  options.transport.tls_handshake_timeout = std::chrono::milliseconds(50);
  Loopback loopback(service, std::move(options), Over());
  const uint64_t before = base::LimitCount("tls_handshake_timeout");
  RawSocket silent = RawSocket::Connect(loopback.address());
  silent.Send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));  // the beginning of a ClientHello
  EXPECT_TRUE(silent.ReceiveEnd());
  EXPECT_EQ(base::LimitCount("tls_handshake_timeout"), before + 1);
}

TEST(Tls, AHandshakeThatFailsIsCountedAndHurtsNobodyElse) {
  interop::TestService service;
  Loopback loopback(service, Secure(), Over());
  EXPECT_OK(CallOnce(loopback.channel()));
  const uint64_t before = base::LimitCount("tls_handshake_failed");
  SecureSocket client(RawSocket::Connect(loopback.address()), {.alpn = {"spdy/3"}});
  EXPECT_EQ(client.tls().error(), "tlsv1 alert no application protocol");
  EXPECT_EQ(base::LimitCount("tls_handshake_failed"), before + 1);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Tls, ShutdownLetsCallsEnd) {
  WaitingService service;
  Loopback loopback(service, Secure(), Over());
  std::optional<absl::Status> status;
  std::thread caller([&] {
    ClientContext context;
    context.set_timeout(absl::ToChronoNanoseconds(kLong));
    auto stream = loopback.stub().StreamingOutputCall(context, OutputRequest(1, 1));
    status = stream.Finish(kBlock);
  });
  ASSERT_TRUE(Came(service.started));
  std::thread opener([&] { service.gate.Open(); });
  loopback.server().Shutdown(absl::ToChronoMilliseconds(kLong));
  opener.join();
  caller.join();
  EXPECT_OK(*status);
  EXPECT_TRUE(service.let_through);
}

}  // namespace
}  // namespace culvert::e2e
