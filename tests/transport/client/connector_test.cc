#include "transport/client/connector.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/e2e/raw_peer.h"
#include "tests/support/certificates/certificates.h"
#include "tests/support/raw_tls/raw_tls.h"
#include "transport/base/strings.h"
#include "transport/io/connect.h"
#include "transport/io/tls_context.h"
#include "transport/io/wait.h"

namespace culvert::client {
namespace {

using e2e::RawListener;
using e2e::RawSocket;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Connected = absl::StatusOr<std::unique_ptr<io::ByteStream>>;

std::string PortOf(const RawListener& listener) { return listener.address().substr(listener.address().rfind(':') + 1); }

// A port on which nobody listens.
std::string NobodysAddress() { return RawListener().address(); }

class ConnectorTest : public testing::Test {
 protected:
  void Begin(std::string_view target, Options options = {}) {
    target_ = *ParseTarget(target);
    options_ = std::move(options);
    result_.reset();
    asio::co_spawn(context_, Connect(loop_, target_, options_), [this](std::exception_ptr error, Connected result) {
      EXPECT_EQ(error, nullptr);
      result_ = std::move(result);
    });
  }
  Connected End() {
    context_.restart();
    while (!result_.has_value()) context_.run_one();
    return *std::move(result_);
  }
  // Meanwhile the proxy, which blocks, follows its script on a thread of its own.
  Connected EndWith(RawListener& listener, std::optional<RawSocket>& proxy, const std::function<void(RawSocket&)>& script) {
    std::thread thread([&] {
      proxy.emplace(listener.Accept());
      script(*proxy);
    });
    Connected result = End();
    thread.join();
    return result;
  }
  // Runs the loop in the middle of an attempt, until it has nothing more to do than to wait.
  void Pump() {
    context_.restart();
    context_.poll();
  }

  void PassTime(milliseconds time) { loop_.timers().RunDue(io::Timer::Clock::now() + time); }

  // What comes through the tunnel: `n` bytes, or fewer up to the end.
  std::string Read(io::ByteStream& stream, size_t n) {
    std::string out;
    while (out.size() < n) {
      std::array<uint8_t, 100> space;
      const io::IoResult result = stream.TryRead(std::span(space).first(std::min(space.size(), n - out.size())));
      if (result.kind == io::IoResult::Kind::kBytes) {
        out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
        bool ready = false;
        stream.AsyncWait(io::Direction::kRead, [&ready](std::error_code) { ready = true; });
        context_.restart();
        while (!ready) context_.run_one();
      } else {
        break;
      }
    }
    return out;
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  Target target_;
  Options options_;
  std::optional<Connected> result_;
};

// The bytes of a request that a proxy has read.
std::string ReceiveHead(RawSocket& socket) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = socket.Receive(1);
    if (byte.empty()) break;
    head += byte;
  }
  return head;
}

Options Through(const std::string& proxy) {
  Options options;
  options.proxy = proxy;
  options.connect_timeout = seconds(30);
  return options;
}

// While there is one, who looks up "slow.test" waits until it is let go (see getaddrinfo below); it is 127.0.0.1 then.
class SlowName {
 public:
  SlowName() { current_ = this; }
  ~SlowName() { current_ = nullptr; }
  static SlowName* current() { return current_; }

  void Wait() {
    if (!begun.HasBeenNotified()) begun.Notify();
    let_go.WaitForNotification();
  }

  absl::Notification begun;
  absl::Notification let_go;
  std::atomic<bool> answered{false};

 private:
  static inline std::atomic<SlowName*> current_{nullptr};
};

// An address that never answers: its backlog is full.
class BlackHole {
 public:
  BlackHole() : listener_(*io::Listen(*io::ParseAddress("127.0.0.1:0"), 0)) {
    for (int i = 0; i < 8; ++i) {
      fds_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fds_.back(), listener_.address.get(), listener_.address.size);
    }
  }
  ~BlackHole() {
    for (const int fd : fds_) ::close(fd);
    ::close(listener_.fd);
  }
  std::string address() const { return io::FormatAddress(listener_.address); }

 private:
  const io::Listener listener_;
  std::vector<int> fds_;
};

TEST_F(ConnectorTest, ANumericAddress) {
  RawListener listener;
  Begin(listener.address());
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", listener.address()));
}

TEST_F(ConnectorTest, ANameIsResolvedAndItsAddressesTriedInTurn) {
  RawListener listener;  // 127.0.0.1 only: localhost may well have ::1 first
  Begin(StrCat("dns:///localhost:", PortOf(listener)));
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", listener.address()));
}

TEST_F(ConnectorTest, OfSeveralAddressesTheFirstThatAnswersIsTaken) {
  RawListener listener;
  Begin(StrCat("ipv4:", NobodysAddress(), ",", listener.address()));
  EXPECT_TRUE(End().ok());
}

TEST_F(ConnectorTest, AnAddressThatIsSilentLeavesTimeForTheOthers) {
  const BlackHole silent;
  RawListener listener;
  Options options;
  options.connect_timeout = seconds(30);
  Begin(StrCat("ipv4:", silent.address(), ",", listener.address()), options);
  Pump();
  EXPECT_FALSE(result_.has_value());
  PassTime(seconds(16));
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", listener.address()));
}

TEST_F(ConnectorTest, ARefusedPortIsUnavailable) {
  const std::string address = NobodysAddress();
  Begin(address);
  EXPECT_EQ(End().status(), absl::UnavailableError(StrCat("cannot connect to ", address, ": Connection refused")));
}

TEST_F(ConnectorTest, ANameThatDoesNotExistIsUnavailable) {
  Begin("dns:///no-such-host.invalid:1");  // RFC 6761 6.4
  const absl::Status status = End().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ToStd(status.message()).starts_with("cannot resolve 'no-such-host.invalid': ")) << status;
}

// As when the process may have no more threads: none can have such a stack.
TEST_F(ConnectorTest, ALookupThatCannotHaveAThreadIsUnavailable) {
  pthread_attr_t usual, huge;
  ASSERT_EQ(::pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(::pthread_attr_init(&huge), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&huge, size_t{1} << 50), 0);
  ASSERT_EQ(::pthread_setattr_default_np(&huge), 0);
  Begin("dns:///no-such-host.invalid:1");
  const Connected stream = End();
  ASSERT_EQ(::pthread_setattr_default_np(&usual), 0);
  ::pthread_attr_destroy(&huge);
  ::pthread_attr_destroy(&usual);
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kUnavailable) << stream.status();
  EXPECT_NE(stream.status().message().find("cannot resolve 'no-such-host.invalid': thread"), absl::string_view::npos) << stream.status();
}

TEST_F(ConnectorTest, ANameThatIsNotResolvedInTimeIsUnavailable) {
  SlowName name;
  RawListener listener;
  const std::string target = StrCat("dns:///slow.test:", PortOf(listener));
  Options options;
  options.connect_timeout = milliseconds(100);
  Begin(target, options);
  Pump();
  ASSERT_TRUE(name.begun.WaitForNotificationWithTimeout(absl::Seconds(30)));
  EXPECT_EQ(End().status(), absl::UnavailableError("cannot resolve 'slow.test': no answer from DNS in time"));
  EXPECT_FALSE(name.answered);

  name.let_go.Notify();
  context_.restart();
  context_.run();  // until the late answer has come, which does no harm
  EXPECT_TRUE(name.answered);
  Begin(target);
  EXPECT_TRUE(End().ok());
}

TEST_F(ConnectorTest, TheEndOfALoopWaitsForALookup) {
  for (const bool given_up : {false, true}) {
    SlowName name;
    std::optional<asio::io_context> context(std::in_place, 1);
    const Target target = *ParseTarget("slow.test:1");
    Options options;
    if (given_up) options.connect_timeout = milliseconds(100);
    bool done = false;
    asio::co_spawn(*context, Connect(EventLoop::Of(*context), target, options), [&done](std::exception_ptr, Connected) { done = true; });
    context->poll();
    ASSERT_TRUE(name.begun.WaitForNotificationWithTimeout(absl::Seconds(30)));
    while (given_up && !done) context->run_one();
    std::thread dns([&name] { name.let_go.Notify(); });
    context.reset();
    EXPECT_TRUE(name.answered);
    EXPECT_EQ(done, given_up);
    dns.join();
  }
}

// --- through a proxy ---

TEST_F(ConnectorTest, AProxyIsAskedForTheNameItself) {
  const struct {
    const char* target;
    const char* asked;
  } cases[] = {{"dns:///only-the-proxy-knows.invalid:7", "only-the-proxy-knows.invalid:7"},
               {"service", "service:443"},
               {"ipv4:192.0.2.1:9,192.0.2.2:9", "192.0.2.1:9"},
               {"[2001:db8::1]:8", "[2001:db8::1]:8"}};
  for (const auto& [target, asked] : cases) {
    RawListener listener;
    std::optional<RawSocket> proxy;
    std::string head;
    Begin(target, Through(listener.address()));
    const Connected stream = EndWith(listener, proxy, [&head](RawSocket& socket) {
      head = ReceiveHead(socket);
      socket.Send("HTTP/1.1 200 Connection established\r\n\r\n");
    });
    EXPECT_EQ(head, StrCat("CONNECT ", asked, " HTTP/1.1\r\nhost: ", asked, "\r\n\r\n"));
    ASSERT_TRUE(stream.ok()) << stream.status();
    proxy->Send("through");
    EXPECT_EQ(Read(**stream, 7), "through");
    const iovec piece{const_cast<char*>("back"), 4};
    EXPECT_EQ((*stream)->TryWrite({&piece, 1}).bytes, 4u);
    EXPECT_EQ(proxy->Receive(4), "back");
  }
}

TEST_F(ConnectorTest, AProxyMayBeGivenByName) {
  RawListener listener;
  Begin("target:1", Through(StrCat("localhost:", PortOf(listener))));
  std::optional<RawSocket> proxy;
  EXPECT_TRUE(EndWith(listener, proxy, [](RawSocket& socket) { socket.Send("HTTP/1.1 200 OK\r\n\r\n"); }).ok());
}

TEST_F(ConnectorTest, AProxyThatRefusesIsUnavailableWithItsStatus) {
  for (const int status : {403, 407, 502, 301}) {
    RawListener listener;
    Begin("target:1", Through(listener.address()));
    Pump();
    RawSocket proxy = listener.Accept();
    proxy.Send(StrCat("HTTP/1.1 ", status, " No\r\nContent-Length: 4\r\n\r\nsee?"));
    EXPECT_EQ(End().status(), absl::UnavailableError(StrCat("proxy refuses CONNECT target:1 with status ", status)));
  }
}

TEST_F(ConnectorTest, AProxyThatFailsAtOneAddressIsAskedAtTheNext) {
  RawListener first, second;
  Begin("target:1", Through(StrCat("ipv4:", first.address(), ",", second.address())));
  Pump();
  RawSocket broken = first.Accept();
  ReceiveHead(broken);
  broken.Close();
  std::optional<RawSocket> proxy;
  const Connected stream = EndWith(second, proxy, [](RawSocket& socket) {
    ReceiveHead(socket);
    socket.Send("HTTP/1.1 200 OK\r\n\r\n");
  });
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", second.address()));
}

TEST_F(ConnectorTest, AProxyThatNeverAnswersIsGivenUp) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  Pump();
  EXPECT_FALSE(result_.has_value());
  PassTime(seconds(31));
  EXPECT_EQ(End().status(), absl::UnavailableError("proxy: no answer in time"));
  EXPECT_TRUE(proxy.ReceiveEnd());
}

TEST_F(ConnectorTest, AProxyThatStopsInTheMiddleOfItsAnswerIsGivenUp) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  proxy.Send("HTTP/1.1 200 OK\r\nX-");
  Pump();
  EXPECT_FALSE(result_.has_value());
  PassTime(seconds(31));
  EXPECT_EQ(End().status(), absl::UnavailableError("proxy: no answer in time"));
}

TEST_F(ConnectorTest, AProxysAnswerMayComeInPieces) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  for (const char c : std::string_view("HTTP/1.1 200 OK\r\nX-Proxy: slow\r\n\r\n")) {
    EXPECT_FALSE(result_.has_value());
    proxy.Send({&c, 1});
    Pump();
  }
  EXPECT_TRUE(End().ok());
}

TEST_F(ConnectorTest, InterimAnswersArePassedOver) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  proxy.Send("HTTP/1.1 103 Early Hints\r\n\r\n");
  Pump();
  EXPECT_FALSE(result_.has_value());
  proxy.Send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
  EXPECT_TRUE(End().ok());
}

TEST_F(ConnectorTest, AProxyThatOnlyEverPromisesIsGivenUp) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  std::string promises;
  for (int i = 0; i < 17; ++i) promises += "HTTP/1.1 102 Processing\r\n\r\n";
  proxy.Send(StrCat(promises, "HTTP/1.1 200 OK\r\n\r\n"));
  EXPECT_EQ(End().status(), absl::UnavailableError("proxy: too many interim answers"));
}

// Nobody asks the second address, and nothing throws.
TEST_F(ConnectorTest, CancellingGivesUpAltogether) {
  RawListener silent, second;
  target_ = *ParseTarget("target:1");
  options_ = Through(StrCat("ipv4:", silent.address(), ",", second.address()));
  asio::cancellation_signal cancel;
  asio::co_spawn(context_, Connect(loop_, target_, options_),
                 asio::bind_cancellation_slot(cancel.slot(), [this](std::exception_ptr error, Connected result) {
                   EXPECT_EQ(error, nullptr);
                   result_ = std::move(result);
                 }));
  Pump();
  RawSocket proxy = silent.Accept();
  ReceiveHead(proxy);
  cancel.emit(asio::cancellation_type::terminal);
  EXPECT_EQ(End().status(), absl::UnavailableError("proxy: cancelled"));
  EXPECT_TRUE(proxy.ReceiveEnd());
}

Task<size_t> RaceAgainstATimer(EventLoop& loop, const Target& target, const Options& options) {
  using asio::experimental::awaitable_operators::operator||;
  asio::steady_timer timer(loop.executor(), milliseconds(5));
  const auto first = co_await (Connect(loop, target, options) || timer.async_wait(asio::use_awaitable));
  co_return first.index();
}

TEST_F(ConnectorTest, CancellingGivesUpOnAProxyThatDoesNotAnswer) {
  RawListener listener;
  std::optional<size_t> won;
  target_ = *ParseTarget("target:1");
  options_ = Through(listener.address());
  const auto begin = io::Timer::Clock::now();
  asio::co_spawn(context_, RaceAgainstATimer(loop_, target_, options_), [&](std::exception_ptr error, size_t first) {
    EXPECT_EQ(error, nullptr);
    won = first;
  });
  while (!won.has_value()) context_.run_one();
  EXPECT_EQ(*won, 1u);  // the timer, not an attempt that failed by itself
  EXPECT_LT(io::Timer::Clock::now() - begin, seconds(20));
}

TEST_F(ConnectorTest, BytesOfTheTunnelThatComeWithTheAnswerAreKept) {
  RawListener listener;
  Begin("target:1", Through(listener.address()));
  Pump();
  RawSocket proxy = listener.Accept();
  const std::string payload(50000, 'x');
  ASSERT_TRUE(proxy.Send(StrCat("HTTP/1.1 200 OK\r\n\r\nfirst,", payload)));
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  proxy.Send(",last");
  EXPECT_EQ(Read(**stream, 6 + payload.size() + 5), StrCat("first,", payload, ",last"));
  proxy.Close();
  EXPECT_EQ(Read(**stream, 1), "");
}

TEST_F(ConnectorTest, AProxyThatClosesOrTalksNonsenseIsUnavailable) {
  const struct {
    const char* answer;
    const char* why;
  } cases[] = {{"", "proxy: closed the connection without an answer"},
               {"HTTP/1.1 200 O", "proxy: closed the connection without an answer"},
               {"SSH-2.0-OpenSSH\r\n\r\n", "proxy: "}};
  for (const auto& [answer, why] : cases) {
    RawListener listener;
    std::optional<RawSocket> proxy;
    Begin("target:1", Through(listener.address()));
    const absl::Status status = EndWith(listener, proxy, [answer = answer](RawSocket& socket) {
                                  ReceiveHead(socket);  // what is unread would turn the end into a reset
                                  socket.Send(answer);
                                  socket.Close();
                                }).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(ToStd(status.message()).starts_with(why)) << status;
  }
}

// --- TLS ---

const testing_support::CertificateAuthority& Root() {
  static const testing_support::CertificateAuthority root;
  return root;
}

Options OverTls(const std::string& server_name = "") {
  io::TlsClientOptions tls;
  tls.roots = Root().certificate();
  tls.server_name = server_name;
  Options options;
  options.tls = *io::TlsContext::ForClient(tls);
  options.connect_timeout = seconds(30);
  return options;
}

testing_support::RawTlsOptions ServerOf(std::string_view names) {
  return {.server = true, .alpn = {"h2"}, .certificate = Root().Issue("server", names)};
}

// The server's side of a handshake, up to its end or failure.
void Shake(RawSocket& socket, testing_support::RawTls& tls) {
  for (bool done = false; !done && tls.error().empty();) {
    const std::string header = socket.Receive(5);
    if (header.size() < 5) return;
    const size_t length = static_cast<size_t>(static_cast<uint8_t>(header[3])) << 8 | static_cast<uint8_t>(header[4]);
    tls.Receive(header + socket.Receive(length));
    done = tls.Handshake();
    socket.Send(tls.TakeOutput());
  }
}

// A server of one connection, on a thread of its own.
class OneHandshake {
 public:
  explicit OneHandshake(std::string_view names) : tls_(ServerOf(names)) {}
  ~OneHandshake() { thread_.join(); }
  const std::string& address() const { return listener_.address(); }

 private:
  void Serve() {
    socket_.emplace(listener_.Accept());
    Shake(*socket_, tls_);
  }

  RawListener listener_;
  testing_support::RawTls tls_;
  std::optional<RawSocket> socket_;
  std::thread thread_{[this] { Serve(); }};
};

TEST_F(ConnectorTest, AfterAHandshakeThatFailsTheNextAddressIsTried) {
  const OneHandshake wrong("DNS:example.com"), right("DNS:localhost");
  Begin(StrCat("ipv4:", wrong.address(), ",", right.address()), OverTls("localhost"));
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", right.address()));
}

TEST_F(ConnectorTest, AHandshakeThatDoesNotEndLeavesTimeForTheNextAddress) {
  RawListener silent;
  const OneHandshake right("DNS:localhost");
  Begin(StrCat("ipv4:", silent.address(), ",", right.address()), OverTls("localhost"));
  Pump();
  RawSocket server = silent.Accept();
  EXPECT_EQ(server.Receive(1), "\x16");
  Pump();
  EXPECT_FALSE(result_.has_value());
  PassTime(seconds(16));
  const Connected stream = End();
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", right.address()));
  EXPECT_TRUE(server.ReceiveEnd());
}

TEST_F(ConnectorTest, OfSeveralFailuresThatOfOneWhoAcceptedIsTold) {
  const OneHandshake wrong("DNS:example.com");
  const std::string silent = NobodysAddress(), nobody = NobodysAddress();
  Begin(StrCat("ipv4:", silent, ",", wrong.address(), ",", nobody), OverTls("localhost"));
  const absl::Status status = End().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ToStd(status.message()).starts_with("TLS: certificate verify failed")) << status;

  Begin(StrCat("ipv4:", silent, ",", nobody), OverTls("localhost"));
  EXPECT_EQ(End().status(), absl::UnavailableError(StrCat("cannot connect to ", nobody, ": Connection refused")));
}

TEST_F(ConnectorTest, OverTlsTheServerIsTheOneOfTheTarget) {
  const struct {
    const char* target;
    const char* server_name;
    const char* certified;
    const char* told;  // by SNI
    const char* why_not;
  } cases[] = {
      {"localhost:", "", "DNS:localhost", "localhost", ""},
      {"dns:///localhost:", "", "DNS:localhost", "localhost", ""},
      {"127.0.0.1:", "", "IP:127.0.0.1", "", ""},
      {"ipv4:127.0.0.1:", "", "IP:127.0.0.1", "", ""},
      {"ipv4:127.0.0.1:", "example.com", "DNS:example.com", "example.com", ""},
      {"localhost:", "", "DNS:example.com", "localhost", "TLS: certificate verify failed: hostname mismatch (localhost)"},
      {"127.0.0.1:", "", "DNS:127.0.0.1", "", "TLS: certificate verify failed: IP address mismatch (127.0.0.1)"},
      {"localhost:", "example.com", "DNS:localhost", "example.com", "TLS: certificate verify failed: hostname mismatch (localhost)"},
  };
  for (const auto& [target, server_name, certified, told, why_not] : cases) {
    SCOPED_TRACE(StrCat(target, " ", certified));
    RawListener listener;
    std::optional<RawSocket> server;
    testing_support::RawTls tls(ServerOf(certified));
    Begin(StrCat(target, PortOf(listener)), OverTls(server_name));
    const Connected stream = EndWith(listener, server, [&tls](RawSocket& socket) {
      Shake(socket, tls);
      tls.Write("hello");
      socket.Send(tls.TakeOutput());
    });
    EXPECT_EQ(tls.server_name(), told);
    if (!std::string_view(why_not).empty()) {
      EXPECT_EQ(stream.status(), absl::UnavailableError(why_not));
      continue;
    }
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ(Read(**stream, 5), "hello");
    EXPECT_EQ((*stream)->peer(), StrCat("ipv4:", listener.address()));
  }
}

TEST_F(ConnectorTest, TlsIsSpokenWithTheServerBehindTheProxy) {
  RawListener listener;
  std::optional<RawSocket> proxy;
  testing_support::RawTls tls(ServerOf("DNS:only-the-proxy-knows.invalid"));
  Options options = OverTls();
  options.proxy = listener.address();
  Begin("only-the-proxy-knows.invalid:7", options);
  std::string head;
  const Connected stream = EndWith(listener, proxy, [&](RawSocket& socket) {
    head = ReceiveHead(socket);
    socket.Send("HTTP/1.1 200 OK\r\n\r\n");
    Shake(socket, tls);
  });
  EXPECT_EQ(head, "CONNECT only-the-proxy-knows.invalid:7 HTTP/1.1\r\nhost: only-the-proxy-knows.invalid:7\r\n\r\n");
  EXPECT_TRUE(stream.ok()) << stream.status();
}

TEST_F(ConnectorTest, AServerWithoutTlsOrHttp2IsUnavailable) {
  RawListener listener;
  std::optional<RawSocket> server;
  Begin(listener.address(), OverTls());
  absl::Status status = EndWith(listener, server, [](RawSocket& socket) { socket.Send("HTTP/1.1 400 Bad Request\r\n\r\n"); }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ToStd(status.message()).starts_with("TLS: ")) << status;

  testing_support::RawTlsOptions deaf = ServerOf("IP:127.0.0.1");
  deaf.alpn.clear();
  testing_support::RawTls tls(deaf);
  server.reset();
  Begin(listener.address(), OverTls());
  status = EndWith(listener, server, [&tls](RawSocket& socket) { Shake(socket, tls); }).status();
  EXPECT_EQ(status, absl::UnavailableError("TLS: the server did not select h2 by ALPN (127.0.0.1)"));
}

TEST_F(ConnectorTest, AHandshakeThatDoesNotEndIsGivenUp) {
  RawListener listener;
  Begin(listener.address(), OverTls());
  Pump();
  RawSocket server = listener.Accept();
  EXPECT_EQ(server.Receive(1), "\x16");
  Pump();
  EXPECT_FALSE(result_.has_value());
  PassTime(seconds(31));
  EXPECT_EQ(End().status(), absl::UnavailableError("TLS: no handshake with 127.0.0.1 in time"));
  EXPECT_TRUE(server.ReceiveEnd());
}

TEST_F(ConnectorTest, AServersContextIsNoClients) {
  RawListener listener;
  const testing_support::Certificate certificate = Root().Issue("server", "DNS:localhost");
  io::TlsServerOptions tls;
  tls.certificate_chain = certificate.certificate;
  tls.private_key = certificate.private_key;
  Options options;
  options.tls = *io::TlsContext::ForServer(tls);
  Begin(listener.address(), options);
  EXPECT_EQ(End().status(), absl::UnavailableError("TLS: the context is a server's (127.0.0.1)"));
}

TEST_F(ConnectorTest, ABadProxyIsNamed) {
  Begin("target:1", Through("nonsense:"));
  EXPECT_EQ(End().status().code(), absl::StatusCode::kInvalidArgument);
  const std::string nobody = NobodysAddress();
  Begin("target:1", Through(nobody));
  EXPECT_EQ(End().status(), absl::UnavailableError(StrCat("cannot connect to ", nobody, ": Connection refused")));
}

}  // namespace

// For getaddrinfo, which has C's linkage.
void WaitForSlowName(const char*& node, std::atomic<bool>*& answered) {
  SlowName* const name = SlowName::current();
  if (name == nullptr || node == nullptr || std::string_view(node) != "slow.test") return;
  name->Wait();
  node = "127.0.0.1";
  answered = &name->answered;
}

}  // namespace culvert::client

// Stands before the system's.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  static const auto system = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  std::atomic<bool>* answered = nullptr;
  culvert::client::WaitForSlowName(node, answered);
  const int error = system(node, service, hints, result);
  if (answered != nullptr) *answered = true;
  return error;
}
