// Peers that speak nonsense or vanish: each connection ends for itself, and whoever is honest notices nothing.

#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::e2e {
namespace {

using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kEmptyCall = "/grpc.testing.TestService/EmptyCall";
constexpr std::string_view kStreamingInput = "/grpc.testing.TestService/StreamingInputCall";
constexpr std::string_view kStreamingOutput = "/grpc.testing.TestService/StreamingOutputCall";

std::string Hello() { return std::string(kPreface) + Frame(kSettings, 0, 0, {}); }

// --- a server and its bad clients ---

TEST(BadClient, GarbageEndsItsConnectionOnly) {
  interop::TestService service;
  Loopback loopback(service);
  EXPECT_OK(CallOnce(loopback.channel()));
  const std::string garbage[] = {
      std::string(64, '\xff'),
      std::string(64, '\0'),
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv),  // the beginning of a TLS ClientHello
      "\r\n\r\n\r\n\r\n",
      "SSH-2.0-client\r\n",
      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
      "NONSENSE\r\n\r\n",
      std::string(kPreface) + "this is not a SETTINGS frame",
      Hello() + Frame(kData, 0, 0, "data on stream 0"),
      Hello() + Frame(kHeaders, kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff"),  // no HPACK
      Hello() + Frame(kHeaders, kEndHeaders, 2, Field(":method", "GET")),        // a stream of the server's
      Hello() + Frame(kWindowUpdate, 0, 0, std::string(4, '\0')),
      Hello() + std::string(100, '\xee'),
  };
  for (const std::string& bytes : garbage) {
    SCOPED_TRACE(testing::PrintToString(bytes.substr(0, 60)));
    RawSocket socket = RawSocket::Connect(loopback.address());
    socket.Send(bytes);
    EXPECT_TRUE(socket.ReceiveEnd());
  }
  EXPECT_OK(CallOnce(loopback.channel()));
  ExpectServes(loopback.address());
}

TEST(BadClient, SilenceAndHalfAPrefaceHurtNobody) {
  interop::TestService service;
  Loopback loopback(service);
  RawSocket silent = RawSocket::Connect(loopback.address());
  RawSocket halfway = RawSocket::Connect(loopback.address());
  halfway.Send(kPreface.substr(0, 11));
  RawSocket torn = RawSocket::Connect(loopback.address());
  torn.Send(Hello() + Frame(kData, 0, 1, "0123456789").substr(0, 12));
  ExpectServes(loopback.address());
  silent.Close();
  halfway.Close();
  torn.Abort();
  ExpectServes(loopback.address());
}

TEST(BadClient, ASilentOneIsSentAwayInTime) {
  interop::TestService service;
  ServerOptions options = OneThread();
  options.transport.sniff_timeout = std::chrono::milliseconds(50);
  options.transport.http2.handshake_timeout = std::chrono::milliseconds(50);
  Loopback loopback(service, options);
  RawSocket silent = RawSocket::Connect(loopback.address());
  EXPECT_TRUE(silent.ReceiveEnd());
  RawSocket no_settings = RawSocket::Connect(loopback.address());
  no_settings.Send(kPreface);
  EXPECT_TRUE(no_settings.ReceiveEnd());
  ExpectServes(loopback.address());
}

TEST(BadClient, AnHonestOneByHandIsServed) {
  interop::TestService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(Hello() + GrpcHead(1, kEmptyCall) + GrpcData(1, "", true));
  const std::optional<ReceivedFrame> data = ReceiveFrame(socket, kData, 1);
  ASSERT_TRUE(data);
  EXPECT_EQ(data->payload, std::string(5, '\0'));
  const std::optional<ReceivedFrame> trailers = ReceiveFrame(socket, kHeaders, 1);
  ASSERT_TRUE(trailers);
  EXPECT_EQ(trailers->flags & kEndStream, kEndStream);
}

TEST(BadClient, ARequestByteByByteIsServed) {
  interop::TestService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  for (const char c : Hello() + GrpcHead(1, kEmptyCall) + GrpcData(1, "", true)) socket.Send({&c, 1});
  EXPECT_TRUE(ReceiveFrame(socket, kData, 1));
}

// The handler waits at a gate when its client goes away; `vanish` says how.
void ExpectHandlerHearsOf(void (*vanish)(RawSocket&)) {
  WaitingService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(Hello() + GrpcHead(1, kStreamingOutput) + GrpcData(1, "", true));
  ASSERT_TRUE(Came(service.started));
  vanish(socket);
  ASSERT_TRUE(Came(service.ended));
  EXPECT_TRUE(service.cancelled);
  EXPECT_FALSE(service.let_through);
  ExpectServes(loopback.address());
}

TEST(VanishingClient, ClosedSocketCancelsTheHandler) {
  ExpectHandlerHearsOf([](RawSocket& socket) { socket.Close(); });
}

TEST(VanishingClient, TcpResetCancelsTheHandler) {
  ExpectHandlerHearsOf([](RawSocket& socket) { socket.Abort(); });
}

TEST(VanishingClient, RstStreamCancelsTheHandler) {
  ExpectHandlerHearsOf([](RawSocket& socket) { socket.Send(Frame(kRstStream, 0, 1, std::string("\0\0\0\x08"sv))); });
}

TEST(VanishingClient, AProtocolErrorCancelsTheHandler) {
  ExpectHandlerHearsOf([](RawSocket& socket) { socket.Send(Frame(kData, 0, 0, "x")); });
}

// A handler that is reading when its client goes away.
class ReadingService : public interop::TestService {
 public:
  Task<absl::StatusOr<StreamingInputCallResponse>> StreamingInputCall(ServerContext& call,
                                                                      Reader<StreamingInputCallRequest>& reader) override {
    StreamingInputCallRequest request;
    while (co_await reader.Read(request)) {
      if (++messages == 2) two_came.Notify();
    }
    cancelled = call.cancelled();
    ended.Notify();
    co_return StreamingInputCallResponse();
  }

  absl::Notification two_came;
  absl::Notification ended;
  int messages = 0;
  bool cancelled = false;
};

TEST(VanishingClient, AReadUnderWayEnds) {
  ReadingService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(Hello() + GrpcHead(1, kStreamingInput) + GrpcData(1, "", false) + GrpcData(1, "", false));
  ASSERT_TRUE(Came(service.two_came));
  // In the middle of a message.
  socket.Send(GrpcData(1, "0123456789", false).substr(0, 20));
  socket.Close();
  ASSERT_TRUE(Came(service.ended));
  EXPECT_EQ(service.messages, 2);
  EXPECT_TRUE(service.cancelled);
  ExpectServes(loopback.address());
}

TEST(VanishingClient, AHalfClosedRequestIsNoCancellation) {
  ReadingService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(Hello() + GrpcHead(1, kStreamingInput) + GrpcData(1, "", false) + GrpcData(1, "", true));
  ASSERT_TRUE(Came(service.ended));
  EXPECT_EQ(service.messages, 2);
  EXPECT_FALSE(service.cancelled);
  EXPECT_TRUE(ReceiveFrame(socket, kData, 1));
}

// --- a client and its bad servers ---

// A server that answers what it is told to, whatever it was asked.
absl::Status CallAServerThatSays(std::string_view bytes, bool close) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket socket = listener.Accept();
  EXPECT_EQ(socket.Receive(kPreface.size()), kPreface);
  socket.Send(bytes);
  if (close) socket.Close();
  caller.join();
  return status;
}

TEST(BadServer, GarbageIsUnavailable) {
  for (const std::string& bytes : {std::string(100, '\xff'), std::string(100, '\0'), std::string("HTTP/1.1 400 Bad Request\r\n\r\n"),
                                   std::string("SSH-2.0-OpenSSH\r\n")}) {
    SCOPED_TRACE(testing::PrintToString(bytes.substr(0, 30)));
    EXPECT_CODE(CallAServerThatSays(bytes, false), kUnavailable);
  }
}

TEST(BadServer, ClosingAtOnceIsUnavailable) { EXPECT_CODE(CallAServerThatSays("", true), kUnavailable); }

TEST(BadServer, ClosingAfterSettingsIsUnavailable) { EXPECT_CODE(CallAServerThatSays(Frame(kSettings, 0, 0, {}), true), kUnavailable); }

TEST(BadServer, AnAnswerThatIsNotGrpcSaysSo) {
  // ":status" 404 with a web page.
  const absl::Status status = CallAServerThatSays(
      Frame(kSettings, 0, 0, {}) + Frame(kHeaders, kEndHeaders, 1, Field(":status", "404") + Field("content-type", "text/html")) +
          Frame(kData, kEndStream, 1, "<html>"),
      false);
  EXPECT_CODE(status, kUnimplemented);
  EXPECT_NE(status.message().find("404"), absl::string_view::npos) << status;
}

TEST(BadServer, TrailersWithoutStatusAreAnError) {
  const absl::Status status = CallAServerThatSays(
      Frame(kSettings, 0, 0, {}) +
          Frame(kHeaders, kEndHeaders, 1, Field(":status", "200") + Field("content-type", "application/grpc")) + GrpcData(1, "", false) +
          Frame(kHeaders, kEndHeaders | kEndStream, 1, Field("x-other", "1")),
      false);
  EXPECT_FALSE(status.ok());
}

TEST(BadServer, OkWithoutAMessageIsAnError) {
  EXPECT_CODE(CallAServerThatSays(Frame(kSettings, 0, 0, {}) + Frame(kHeaders, kEndHeaders | kEndStream, 1,
                                                                      Field(":status", "200") + Field("content-type", "application/grpc") +
                                                                          Field("grpc-status", "0")),
                                  false),
              kUnimplemented);
}

// The head of a second message, and none of its bytes: neither one response nor a whole second one.
TEST(BadServer, OkWithAMessageAndPartOfAnotherIsAnError) {
  const absl::Status status = CallAServerThatSays(
      Frame(kSettings, 0, 0, {}) +
          Frame(kHeaders, kEndHeaders, 1, Field(":status", "200") + Field("content-type", "application/grpc")) + GrpcData(1, "", false) +
          Frame(kData, 0, 1, std::string_view("\0\0\0\0\7abc", 8)) + Frame(kHeaders, kEndHeaders | kEndStream, 1, Field("grpc-status", "0")),
      false);
  EXPECT_CODE(status, kInternal);
}

// The call that would hold more than all together may fails alone; the one that holds most of it is answered in the end.
TEST(BadServer, UnfinishedMessagesAreBounded) {
  RawListener listener;
  ChannelOptions options = Impatient();
  options.transport.http2.unfinished_budget = 100000;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address(), options);
  absl::Status statuses[2];
  std::thread callers[2];
  for (int i = 0; i < 2; ++i) {
    callers[i] = std::thread([&channel, &status = statuses[i]] {
      ClientContext context;
      context.set_timeout(absl::ToChronoNanoseconds(kLong));
      status = Stub(channel).UnaryCall(context, SimpleRequest(), kBlock).status();
    });
  }
  RawSocket socket = AcceptClient(listener);
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 3));
  SimpleResponse response;
  response.mutable_payload()->set_body(std::string(80000, 'x'));
  const std::string whole = GrpcData(1, response.SerializeAsString(), false).substr(9);  // without the frame's own head
  const std::string head = Field(":status", "200") + Field("content-type", "application/grpc");
  socket.Send(Frame(kHeaders, kEndHeaders, 1, head) + Frame(kHeaders, kEndHeaders, 3, head));
  constexpr size_t kPiece = 16000;
  std::string rest = whole;
  for (; rest.size() > kPiece; rest.erase(0, kPiece)) socket.Send(Frame(kData, 0, 1, rest.substr(0, kPiece)));
  socket.Send(Frame(kData, 0, 3, whole.substr(0, kPiece)) + Frame(kData, 0, 3, whole.substr(kPiece, kPiece)));
  EXPECT_TRUE(ReceiveFrame(socket, kRstStream, 3));
  socket.Send(Frame(kData, 0, 1, rest) + Frame(kHeaders, kEndHeaders | kEndStream, 1, Field("grpc-status", "0")));
  for (std::thread& caller : callers) caller.join();
  if (!statuses[0].ok()) std::swap(statuses[0], statuses[1]);  // either may have been first
  EXPECT_OK(statuses[0]);
  EXPECT_EQ(statuses[1], absl::ResourceExhaustedError("the connection's unfinished messages exceed 100000 bytes"));
}

TEST(VanishingServer, ClosedInMidCallIsUnavailable) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  {
    RawSocket socket = listener.Accept();
    socket.Receive(kPreface.size());
    socket.Send(Frame(kSettings, 0, 0, {}));
    EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
    socket.Send(Frame(kHeaders, kEndHeaders, 1, Field(":status", "200") + Field("content-type", "application/grpc")));
  }
  caller.join();
  EXPECT_CODE(status, kUnavailable);
}

TEST(VanishingServer, RstStreamEndsTheCallAndNotTheConnection) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status first, second;
  std::thread caller([&] {
    first = CallOnce(channel);
    second = CallOnce(channel);
  });
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  socket.Send(Frame(kRstStream, 0, 1, std::string("\0\0\0\x02"sv)));  // INTERNAL_ERROR
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 3));
  socket.Send(Frame(kHeaders, kEndHeaders, 3, Field(":status", "200") + Field("content-type", "application/grpc")) + GrpcData(3, "", false) +
              Frame(kHeaders, kEndHeaders | kEndStream, 3, Field("grpc-status", "0")));
  caller.join();
  EXPECT_CODE(first, kInternal);
  EXPECT_OK(second);
}

TEST(VanishingServer, TheNextCallConnectsAnew) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  for (int i = 0; i < 3; ++i) {
    absl::Status status;
    std::thread caller([&] { status = CallOnce(channel); });
    RawSocket socket = listener.Accept();
    socket.Receive(kPreface.size());
    socket.Send(Frame(kSettings, 0, 0, {}));
    EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
    socket.Abort();
    caller.join();
    EXPECT_CODE(status, kUnavailable);
  }
}

}  // namespace
}  // namespace culvert::e2e
