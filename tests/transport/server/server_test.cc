#include "transport/server/server.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/e2e/raw_peer.h"
#include "tests/support/certificates/certificates.h"
#include "transport/base/strings.h"
#include "transport/http/service.h"
#include "transport/io/tls_context.h"

namespace culvert::server {
namespace {

using e2e::RawSocket;
using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::string_view_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

// Says "ok"; to a POST not before its body has come.
class Answering final : public http::Service {
 public:
  Task<void> Serve(http::Request& request, http::Response& response) override {
    Note(request.loop());
    if (request.head().method == "POST") {
      if (!begun.HasBeenNotified()) begun.Notify();
      const absl::StatusOr<std::string> body = co_await request.ReadAll(100);
      if (!body.ok()) {
        if (!broken.HasBeenNotified()) broken.Notify();
        co_return;
      }
    }
    http::HeaderList fields;
    fields.Add("content-length", "2");
    for (const http::HeaderField& field : request.head().fields) {
      if (field.name == "cookie") fields.Add("X-Cookie", field.value);
    }
    if (request.head().path == "/close") fields.Add("Connection", "close");
    if (request.head().path == "/hints") {
      http::HeaderList hints;
      hints.Add("Link", "</a>");
      response.SendHead(103, hints);
      response.SendHead(101);  // of no use to HTTP/2
    }
    response.SendHead(200, fields);
    co_await response.Write("ok");
  }

  size_t requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  size_t loops() const {
    absl::MutexLock lock(&mutex_);
    return loops_.size();
  }

  absl::Notification begun;
  absl::Notification broken;

 private:
  void Note(EventLoop& loop) {
    absl::MutexLock lock(&mutex_);
    ++requests_;
    loops_.insert(&loop);
  }

  mutable absl::Mutex mutex_;
  size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<EventLoop*> loops_ ABSL_GUARDED_BY(mutex_);
};

bool Came(const absl::Notification& notification) { return notification.WaitForNotificationWithTimeout(absl::Seconds(30)); }

class ServerTest : public testing::Test {
 protected:
  void Start(const Options& options = {}, size_t loops = 2) {
    threads_.emplace(loops);
    std::vector<EventLoop*> all;
    for (size_t i = 0; i < loops; ++i) all.push_back(&(*threads_)[i]);
    server_.emplace(all, handler_, options);
    address_ = Listen("127.0.0.1:0");
  }
  std::string Listen(std::string_view address) {
    const absl::StatusOr<io::SocketAddress> bound = server_->Listen(*io::ParseAddress(address));
    EXPECT_TRUE(bound.ok()) << bound.status();
    return bound.ok() ? io::FormatAddress(*bound) : "";
  }

  static std::string Ask(RawSocket& socket) {
    socket.Send(kGet);
    return socket.Receive(kAnswer.size());
  }
  void ExpectServes() {
    RawSocket socket = RawSocket::Connect(address_);
    EXPECT_EQ(Ask(socket), kAnswer);
  }

  std::optional<EventLoopThreads> threads_;
  Answering handler_;
  std::optional<Server> server_;
  std::string address_;
};

TEST_F(ServerTest, WithoutHttp1ItSaysWhatItMisses) {
  Options options;
  options.serve_http1 = false;
  Start(options);
  RawSocket socket = RawSocket::Connect(address_);
  socket.Send(kGet);
  const std::optional<e2e::ReceivedFrame> goaway = e2e::ReceiveFrame(socket, e2e::FrameType::kGoAway, 0);
  ASSERT_TRUE(goaway);
  EXPECT_NE(goaway->payload.find("not an HTTP/2 connection preface; the bytes look like an HTTP/1.1 request"), std::string::npos);
}

TEST_F(ServerTest, AnswersBothProtocolsByteByByte) {
  Start();
  RawSocket http1 = RawSocket::Connect(address_);
  for (const char c : kGet) http1.Send({&c, 1});
  EXPECT_EQ(http1.Receive(kAnswer.size()), kAnswer);

  RawSocket http2 = RawSocket::Connect(address_);
  const std::string get = e2e::Field(":method", "GET") + e2e::Field(":scheme", "http") + e2e::Field(":path", "/") + e2e::Field(":authority", "b");
  const std::string hello = StrCat(e2e::kPreface, e2e::Frame(e2e::kSettings, 0, 0, ""),
                                   e2e::Frame(e2e::kHeaders, e2e::kEndHeaders | e2e::kEndStream, 1, get));
  for (const char c : hello) http2.Send({&c, 1});
  const std::optional<e2e::ReceivedFrame> data = e2e::ReceiveFrame(http2, e2e::kData, 1);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->payload, "ok");
}

// RFC 9113 8.2, 8.2.3
TEST_F(ServerTest, FieldsAreSentAsHttp2HasThemAndCookieCrumbsAreJoined) {
  Start();
  RawSocket http2 = RawSocket::Connect(address_);
  const std::string get = e2e::Field(":method", "GET") + e2e::Field(":scheme", "http") + e2e::Field(":path", "/close") +
                          e2e::Field(":authority", "b") + e2e::Field("cookie", "a=b") + e2e::Field("x", "y") + e2e::Field("cookie", "c=d");
  http2.Send(StrCat(e2e::kPreface, e2e::Frame(e2e::kSettings, 0, 0, ""), e2e::Frame(e2e::kHeaders, e2e::kEndHeaders | e2e::kEndStream, 1, get)));
  const std::optional<e2e::ReceivedFrame> headers = e2e::ReceiveFrame(http2, e2e::kHeaders, 1);
  ASSERT_TRUE(headers.has_value());
  const std::map<std::string, std::string> fields = e2e::FirstFields(headers->payload);
  EXPECT_EQ(fields, (std::map<std::string, std::string>{{":status", "200"}, {"content-length", "2"}, {"x-cookie", "a=b; c=d"}}));
}

// RFC 9110 15.2, RFC 9113 8.1, 8.6
TEST_F(ServerTest, InterimHeadsGoOverHttp2AndAnUpgradeDoesNot) {
  Start();
  RawSocket http2 = RawSocket::Connect(address_);
  const std::string get = e2e::Field(":method", "GET") + e2e::Field(":scheme", "http") + e2e::Field(":path", "/hints") +
                          e2e::Field(":authority", "b");
  http2.Send(StrCat(e2e::kPreface, e2e::Frame(e2e::kSettings, 0, 0, ""), e2e::Frame(e2e::kHeaders, e2e::kEndHeaders | e2e::kEndStream, 1, get)));
  const std::optional<e2e::ReceivedFrame> interim = e2e::ReceiveFrame(http2, e2e::kHeaders, 1);
  ASSERT_TRUE(interim.has_value());
  EXPECT_EQ(interim->flags, e2e::kEndHeaders);
  EXPECT_EQ(e2e::FirstFields(interim->payload), (std::map<std::string, std::string>{{":status", "103"}, {"link", "</a>"}}));
  const std::optional<e2e::ReceivedFrame> headers = e2e::ReceiveFrame(http2, e2e::kHeaders, 1);
  ASSERT_TRUE(headers.has_value());
  EXPECT_EQ(static_cast<uint8_t>(headers->payload.at(0)), 0x88);  // ":status: 200", the eighth of HPACK's static table
  const std::optional<e2e::ReceivedFrame> data = e2e::ReceiveFrame(http2, e2e::kData, 1);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->payload, "ok");
}

TEST_F(ServerTest, AResponseToHeadHasNoBodyOverHttp2) {
  Start();
  RawSocket http2 = RawSocket::Connect(address_);
  const std::string head = e2e::Field(":method", "HEAD") + e2e::Field(":scheme", "http") + e2e::Field(":path", "/") + e2e::Field(":authority", "b");
  http2.Send(StrCat(e2e::kPreface, e2e::Frame(e2e::kSettings, 0, 0, ""),
                    e2e::Frame(e2e::kHeaders, e2e::kEndHeaders | e2e::kEndStream, 1, head)));
  const std::optional<e2e::ReceivedFrame> headers = e2e::ReceiveFrame(http2, e2e::kHeaders, 1);
  ASSERT_TRUE(headers.has_value());
  EXPECT_EQ(headers->flags, e2e::kEndHeaders | e2e::kEndStream);
}

TEST_F(ServerTest, ConnectionsAreSpreadOverTheLoops) {
  Start({}, 3);
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 9; ++i) {
    sockets.push_back(RawSocket::Connect(address_));
    EXPECT_EQ(Ask(sockets.back()), kAnswer);
  }
  EXPECT_EQ(handler_.loops(), 3u);
}

TEST_F(ServerTest, GarbageIsClosedAndTheServerGoesOn) {
  Start();
  for (const std::string_view garbage : {"\0\0\0\0\0\0\0\0"sv, "\xff\xff\xff\xff"sv, "\x16\x03\x01\x00\x05\x01"sv}) {
    RawSocket socket = RawSocket::Connect(address_);
    socket.Send(garbage);
    EXPECT_TRUE(socket.ReceiveEnd());
  }
  RawSocket almost = RawSocket::Connect(address_);
  almost.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX");
  EXPECT_TRUE(almost.ReceiveEnd());
  ExpectServes();
}

TEST_F(ServerTest, ASlowSnifferIsClosed) {
  Options options;
  options.sniff_timeout = milliseconds(20);
  Start(options);
  RawSocket silent = RawSocket::Connect(address_);
  RawSocket slow = RawSocket::Connect(address_);
  slow.Send("PRI * HT");
  EXPECT_TRUE(silent.ReceiveEnd());
  EXPECT_TRUE(slow.ReceiveEnd());
  ExpectServes();
}

TEST_F(ServerTest, AtTheLimitANewcomerWaitsForALeaver) {
  Options options;
  options.max_connections = 2;
  Start(options, 1);  // which would see the newcomer long before it has answered the others again and again
  RawSocket a = RawSocket::Connect(address_), b = RawSocket::Connect(address_);
  EXPECT_EQ(Ask(a), kAnswer);
  EXPECT_EQ(Ask(b), kAnswer);
  RawSocket c = RawSocket::Connect(address_);  // in the kernel's backlog
  c.Send(kGet);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(a), kAnswer);
  EXPECT_EQ(handler_.requests(), 22u);
  a.Close();
  EXPECT_EQ(c.Receive(kAnswer.size()), kAnswer);
}

TEST_F(ServerTest, AClientThatAbortsIsForgotten) {
  Options options;
  options.max_connections = 1;
  Start(options);
  for (int i = 0; i < 5; ++i) {
    RawSocket socket = RawSocket::Connect(address_);
    EXPECT_EQ(Ask(socket), kAnswer);
    socket.Abort();
  }
}

TEST_F(ServerTest, SeveralAddresses) {
  Start();
  const std::string other = Listen("127.0.0.1:0");
  EXPECT_NE(other, address_);
  RawSocket socket = RawSocket::Connect(other);
  EXPECT_EQ(Ask(socket), kAnswer);
  ExpectServes();
}

TEST_F(ServerTest, APortThatIsTakenIsAnErrorAndTheServerGoesOn) {
  Start();
  EXPECT_EQ(server_->Listen(*io::ParseAddress(address_)).status(),
            absl::UnavailableError(StrCat("cannot listen on ", address_, ": Address already in use")));
  ExpectServes();
}

TEST_F(ServerTest, ShutdownWaitsForWhatIsUnderWay) {
  Start({}, 1);  // so that the busy one has heard of it when the idle one is closed
  RawSocket idle = RawSocket::Connect(address_), busy = RawSocket::Connect(address_);
  EXPECT_EQ(Ask(idle), kAnswer);
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  ASSERT_TRUE(Came(handler_.begun));
  std::thread shutdown([this] { server_->Shutdown(seconds(30)); });
  EXPECT_TRUE(idle.ReceiveEnd());
  idle.Close();
  busy.Send("345");
  const std::string answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
  EXPECT_EQ(busy.Receive(answer.size()), answer);
  EXPECT_TRUE(busy.ReceiveEnd());
  busy.Close();
  shutdown.join();
  EXPECT_FALSE(handler_.broken.HasBeenNotified());
}

TEST_F(ServerTest, ShutdownClosesWhatIsLeftAfterTheGrace) {
  Start();
  RawSocket busy = RawSocket::Connect(address_);
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  ASSERT_TRUE(Came(handler_.begun));
  server_->Shutdown(milliseconds(20));
  EXPECT_TRUE(handler_.broken.HasBeenNotified() || Came(handler_.broken));
  EXPECT_TRUE(busy.ReceiveEnd());
  server_->Shutdown(milliseconds(0));  // does nothing more
}

TEST_F(ServerTest, ListenIsRefusedDuringAShutdownAndAfterIt) {
  Start({}, 1);
  RawSocket idle = RawSocket::Connect(address_), busy = RawSocket::Connect(address_);
  EXPECT_EQ(Ask(idle), kAnswer);
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  ASSERT_TRUE(Came(handler_.begun));
  std::thread shutdown([this] { server_->Shutdown(seconds(30)); });
  EXPECT_TRUE(idle.ReceiveEnd());
  idle.Close();
  const absl::Status refused = absl::FailedPreconditionError("the server is shut down");
  EXPECT_EQ(server_->Listen(*io::ParseAddress("127.0.0.1:0")).status(), refused);
  busy.Close();
  shutdown.join();
  EXPECT_EQ(server_->Listen(*io::ParseAddress("127.0.0.1:0")).status(), refused);
}

TEST_F(ServerTest, TheDestructorEndsEverything) {
  Start();
  RawSocket silent = RawSocket::Connect(address_), busy = RawSocket::Connect(address_);
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  ASSERT_TRUE(Came(handler_.begun));
  server_.reset();
  EXPECT_TRUE(silent.ReceiveEnd());
  EXPECT_TRUE(busy.ReceiveEnd());
}

TEST_F(ServerTest, AClientsTlsContextIsRefusedAtOnce) {
  io::TlsClientOptions tls;
  tls.roots = testing_support::CertificateAuthority().certificate();
  Options options;
  options.tls = *io::TlsContext::ForClient(tls);
  threads_.emplace(1);
  server_.emplace(std::vector<EventLoop*>{&(*threads_)[0]}, handler_, options);
  EXPECT_EQ(server_->Listen(*io::ParseAddress("127.0.0.1:0")).status(),
            absl::InvalidArgumentError("TLS: a server's context is made by TlsContext::ForServer, this one is a client's"));
}

// --- shut down from a loop ---

// On the loop that it is awaited on, where the server is destroyed too.
Task<void> EndOn(std::optional<Server>& server, milliseconds grace, EventLoop& loop, bool& over) {
  co_await server->AsyncShutdown(grace);
  EXPECT_TRUE(loop.RunsHere());
  server.reset();
  over = true;
}

TEST_F(ServerTest, AServerOnItsUsersOnlyLoopIsShutDownThere) {
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  server_.emplace(std::vector<EventLoop*>{&loop}, handler_, Options());
  RawSocket busy = RawSocket::Connect(Listen("127.0.0.1:0"));
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  while (!handler_.begun.HasBeenNotified()) context.run_one();

  bool over = false;
  asio::co_spawn(context, EndOn(server_, seconds(30), loop, over), asio::detached);
  context.poll();
  EXPECT_FALSE(over);
  ASSERT_TRUE(server_.has_value());
  EXPECT_EQ(server_->Listen(*io::ParseAddress("127.0.0.1:0")).status(), absl::FailedPreconditionError("the server is shut down"));
  std::string answer;
  std::thread client([&] {
    busy.Send("345");
    while (!answer.ends_with("\r\n\r\nok")) {
      const std::string byte = busy.Receive(1);
      if (byte.empty()) break;
      answer += byte;
    }
    EXPECT_TRUE(busy.ReceiveEnd());
    busy.Close();
  });
  while (!over) context.run_one();
  client.join();
  EXPECT_EQ(answer, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_FALSE(handler_.broken.HasBeenNotified());
}

TEST_F(ServerTest, AnAsyncShutdownClosesWhatIsLeftAfterTheGrace) {
  asio::io_context context{1};
  EventLoop& loop = EventLoop::Of(context);
  server_.emplace(std::vector<EventLoop*>{&loop}, handler_, Options());
  RawSocket busy = RawSocket::Connect(Listen("127.0.0.1:0"));
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  while (!handler_.begun.HasBeenNotified()) context.run_one();
  bool over = false;
  asio::co_spawn(context, EndOn(server_, milliseconds(20), loop, over), asio::detached);
  while (!over) context.run_one();
  EXPECT_TRUE(handler_.broken.HasBeenNotified());
  EXPECT_TRUE(busy.ReceiveEnd());
}

// The caller's loop is none of the server's, and has nothing else to do.
TEST_F(ServerTest, AnAsyncShutdownOfOtherLoopsResumesItsCallerAndWhoeverElseWaits) {
  Start({}, 3);
  RawSocket busy = RawSocket::Connect(address_);
  busy.Send("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n12");
  ASSERT_TRUE(Came(handler_.begun));
  asio::io_context context{1};
  int ended = 0;
  const auto count = [&ended](std::exception_ptr error) {
    EXPECT_EQ(error, nullptr);
    ++ended;
  };
  asio::co_spawn(context, server_->AsyncShutdown(seconds(30)), count);
  asio::co_spawn(context, server_->AsyncShutdown(seconds(30)), count);
  context.poll();
  EXPECT_EQ(ended, 0);
  std::thread blocked([this] { server_->Shutdown(seconds(30)); });
  busy.Close();
  context.run();
  EXPECT_EQ(ended, 2);
  blocked.join();
  asio::co_spawn(context, server_->AsyncShutdown(seconds(30)), count);  // over already
  context.restart();
  context.run();
  EXPECT_EQ(ended, 3);
}

TEST(ServerDeathTest, AShutdownThatWouldWaitForItsOwnLoopAborts) {
  const auto shut_down = [] {
    asio::io_context context{1};
    EventLoop& loop = EventLoop::Of(context);
    Answering handler;
    Server server({&loop}, handler, Options());
    loop.Post([&server] { server.Shutdown(milliseconds(0)); });
    context.run();
  };
  EXPECT_DEATH(shut_down(), "co_await AsyncShutdown");
}

TEST_F(ServerTest, AServerThatNeverListenedShutsDown) {
  threads_.emplace(1);
  server_.emplace(std::vector<EventLoop*>{&(*threads_)[0]}, handler_, Options());
  server_->Shutdown(seconds(30));
}

}  // namespace
}  // namespace culvert::server
