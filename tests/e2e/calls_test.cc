// What a call can go through besides success: unknown methods, handlers that throw, requests and responses with too few or too many messages.

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::e2e {
namespace {

TEST(Calls, UnknownServicesAndMethodsAreUnimplemented) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext no_service, no_handler;
  const absl::Status status =
      grpc::testing::UnimplementedService::Stub(loopback.channel()).UnimplementedCall(no_service, Empty(), kBlock).status();
  EXPECT_CODE(status, kUnimplemented);
  EXPECT_NE(status.message().find("grpc.testing.UnimplementedService/UnimplementedCall"), absl::string_view::npos) << status;
  EXPECT_CODE(loopback.stub().UnimplementedCall(no_handler, Empty(), kBlock).status(), kUnimplemented);
}

TEST(Calls, StreamsToUnknownMethodsAreUnimplemented) {
  class Other : public grpc::testing::UnimplementedService::Service {};
  Other service;
  Loopback loopback(service);
  ClientContext contexts[3];
  auto duplex = loopback.stub().FullDuplexCall(contexts[0]);
  duplex.Write(OutputRequest(1, 100000), kBlock);
  EXPECT_CODE(duplex.Finish(kBlock), kUnimplemented);
  auto input = loopback.stub().StreamingInputCall(contexts[1]);
  while (input.Write(InputRequest(100000), kBlock)) {
  }
  EXPECT_CODE(input.Finish(kBlock).status(), kUnimplemented);
  EXPECT_CODE(loopback.stub().StreamingOutputCall(contexts[2], OutputRequest(1, 1)).Finish(kBlock), kUnimplemented);
}

TEST(Calls, AServiceAddedLaterWins) {
  class First : public interop::TestService {
    Unary<Empty> EmptyCall(ServerContext&, const Empty&) override { return absl::AbortedError("first"); }
  };
  class Second : public interop::TestService {
    Unary<Empty> EmptyCall(ServerContext&, const Empty&) override { return absl::AbortedError("second"); }
  };
  First first;
  Second second;
  Server server(OneThread());
  server.AddService(first);
  server.AddService(second);
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(CallOnce(MustCreateChannel(*address)), absl::AbortedError("second"));
}

// Throws at every turn.
class ThrowingService : public interop::TestService {
 public:
  Unary<Empty> EmptyCall(ServerContext&, const Empty&) override { throw std::runtime_error("plain"); }
  Unary<SimpleResponse> UnaryCall(ServerContext&, const SimpleRequest&) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    throw std::runtime_error("coroutine");
  }
  Task<absl::Status> StreamingOutputCall(ServerContext&, const StreamingOutputCallRequest&,
                                         Writer<StreamingOutputCallResponse>& writer) override {
    StreamingOutputCallResponse response;
    co_await writer.Write(response);
    throw 42;
  }
};

TEST(Calls, AHandlerThatThrowsFailsItsCallOnly) {
  ThrowingService service;
  Loopback loopback(service);
  for (int i = 0; i < 3; ++i) {
    ClientContext plain, coroutine, streaming;
    const absl::Status first = loopback.stub().EmptyCall(plain, Empty(), kBlock).status();
    EXPECT_CODE(first, kUnknown);
    EXPECT_NE(first.message().find("plain"), absl::string_view::npos) << first;
    const absl::Status second = loopback.stub().UnaryCall(coroutine, SimpleRequest(), kBlock).status();
    EXPECT_CODE(second, kUnknown);
    EXPECT_NE(second.message().find("coroutine"), absl::string_view::npos) << second;
    auto call = loopback.stub().StreamingOutputCall(streaming, StreamingOutputCallRequest());
    StreamingOutputCallResponse response;
    EXPECT_TRUE(call.Read(response, kBlock));
    EXPECT_FALSE(call.Read(response, kBlock));
    EXPECT_CODE(call.Finish(kBlock), kUnknown);
  }
}

TEST(Calls, AHandlerMayEndBeforeItHasReadEverything) {
  class Hasty : public interop::TestService {
    Task<absl::StatusOr<StreamingInputCallResponse>> StreamingInputCall(ServerContext&, Reader<StreamingInputCallRequest>& reader) override {
      StreamingInputCallRequest request;
      co_await reader.Read(request);
      StreamingInputCallResponse response;
      response.set_aggregated_payload_size(7);
      co_return response;
    }
  };
  Hasty service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().StreamingInputCall(context);
  // Far more than fits under way: the writes end because the call does.
  while (call.Write(InputRequest(100000), kBlock)) {
  }
  const absl::StatusOr<StreamingInputCallResponse> response = call.Finish(kBlock);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->aggregated_payload_size(), 7);
  EXPECT_OK(CallOnce(loopback.channel()));
}

TEST(Calls, TheBeginningComesWhenTheHandlerSendsIt) {
  class Early : public interop::TestService {
   public:
    Task<absl::Status> FullDuplexCall(ServerContext& call, DuplexStream& stream) override {
      call.SendInitialMetadata();
      call.SendInitialMetadata();  // once is enough
      StreamingOutputCallRequest request;
      while (co_await stream.Read(request)) {
      }
      co_return absl::OkStatus();
    }
  };
  Early service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(std::string(kPreface) + Frame(kSettings, 0, 0, {}) + GrpcHead(1, "/grpc.testing.TestService/FullDuplexCall"));
  const std::optional<ReceivedFrame> head = ReceiveFrame(socket, kHeaders, 1);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->flags & kEndStream, 0);
  socket.Send(Frame(kData, kEndStream, 1, {}));
  const std::optional<ReceivedFrame> trailers = ReceiveFrame(socket, kHeaders, 1);
  ASSERT_TRUE(trailers);
  EXPECT_EQ(trailers->flags & kEndStream, kEndStream);
}

// --- requests that no stub makes ---

// Sends `request` and waits for the answer, which is a status without a message.
void ExpectRefused(absl::StatusCode code, const std::string& request) {
  interop::TestService service;
  Loopback loopback(service);
  RawSocket socket = RawSocket::Connect(loopback.address());
  socket.Send(std::string(kPreface) + Frame(kSettings, 0, 0, {}) + request);
  const std::optional<ReceivedFrame> answer = ReceiveFrame(socket, kHeaders, 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->flags & kEndStream, kEndStream);
  std::map<std::string, std::string> fields = FirstFields(answer->payload);
  EXPECT_EQ(fields[":status"], "200");
  EXPECT_EQ(fields["grpc-status"], std::to_string(static_cast<int>(code))) << fields["grpc-message"];
  EXPECT_NE(fields["grpc-message"], "");
  // The connection goes on.
  socket.Send(GrpcHead(3, "/grpc.testing.TestService/EmptyCall") + GrpcData(3, "", true));
  EXPECT_TRUE(ReceiveFrame(socket, kData, 3));
}

TEST(Calls, AUnaryRequestWithoutAMessageIsRefused) {
  ExpectRefused(absl::StatusCode::kUnimplemented, GrpcHead(1, "/grpc.testing.TestService/EmptyCall") + Frame(kData, kEndStream, 1, {}));
}

TEST(Calls, AUnaryRequestWithTwoMessagesIsRefused) {
  ExpectRefused(absl::StatusCode::kUnimplemented,
                GrpcHead(1, "/grpc.testing.TestService/EmptyCall") + GrpcData(1, "", false) + GrpcData(1, "", true));
}

TEST(Calls, AMessageThatIsNoProtobufIsRefused) {
  ExpectRefused(absl::StatusCode::kInternal, GrpcHead(1, "/grpc.testing.TestService/UnaryCall") + GrpcData(1, "\xff\xff\xff", true));
}

TEST(Calls, ATornMessageIsRefused) {
  ExpectRefused(absl::StatusCode::kInternal,
                GrpcHead(1, "/grpc.testing.TestService/UnaryCall") + Frame(kData, kEndStream, 1, std::string("\0\0\0\0\x09" "abc", 8)));
}

TEST(Calls, ACompressedMessageIsRefused) {
  ExpectRefused(absl::StatusCode::kInternal,
                GrpcHead(1, "/grpc.testing.TestService/UnaryCall") + Frame(kData, kEndStream, 1, std::string("\1\0\0\0\0", 5)));
}

TEST(Calls, AnUnknownEncodingIsRefused) {
  ExpectRefused(absl::StatusCode::kUnimplemented,
                GrpcHead(1, "/grpc.testing.TestService/EmptyCall", Field("grpc-encoding", "brotli")) + GrpcData(1, "", true));
}

TEST(Calls, ATimeoutThatIsNoneIsRefused) {
  ExpectRefused(absl::StatusCode::kInternal,
                GrpcHead(1, "/grpc.testing.TestService/EmptyCall", Field("grpc-timeout", "soon")) + GrpcData(1, "", true));
}

// --- responses that no handler makes ---

absl::Status CallWithAnswer(const std::string& answer) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  absl::Status status;
  std::thread caller([&] { status = CallOnce(channel); });
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  socket.Send(answer);
  caller.join();
  return status;
}

std::string Head() {
  return Frame(kHeaders, kEndHeaders, 1, Field(":status", "200") + Field("content-type", "application/grpc"));
}
std::string Trailers(std::string_view fields) { return Frame(kHeaders, kEndHeaders | kEndStream, 1, fields); }

TEST(Calls, AnAnswerByHandIsUnderstood) { EXPECT_OK(CallWithAnswer(Head() + GrpcData(1, "", false) + Trailers(Field("grpc-status", "0")))); }

TEST(Calls, AUnaryResponseWithTwoMessagesIsAnError) {
  EXPECT_CODE(CallWithAnswer(Head() + GrpcData(1, "", false) + GrpcData(1, "", false) + Trailers(Field("grpc-status", "0"))), kUnimplemented);
}

TEST(Calls, AUnaryResponseWithoutAMessageIsAnError) {
  EXPECT_CODE(CallWithAnswer(Head() + Trailers(Field("grpc-status", "0"))), kUnimplemented);
}

// `late`: all of the answer is there before anybody asks for it.
absl::Status FinishWithAnswer(const std::string& answer, bool late) {
  RawListener listener;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address());
  ClientContext context;
  auto call = Stub(channel).StreamingInputCall(context);
  call.WritesDone();
  RawSocket socket = AcceptClient(listener);
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  if (late) {
    socket.Send(answer + Frame(kPing, 0, 0, "12345678"));
    EXPECT_TRUE(ReceiveFrame(socket, kPing, 0));
    return call.Finish(kBlock).status();
  }
  absl::Status status;
  absl::Notification finished;
  call.Finish([&](const absl::StatusOr<StreamingInputCallResponse>& response) {
    status = response.status();
    finished.Notify();
  });
  socket.Send(answer);
  EXPECT_TRUE(Came(finished));
  return status;
}

TEST(Calls, AClientStreamingCallIsAnsweredByOneMessageToo) {
  const std::string ok = Trailers(Field("grpc-status", "0"));
  const std::string one = GrpcData(1, "", false);
  for (const bool late : {false, true}) {
    EXPECT_OK(FinishWithAnswer(Head() + one + ok, late));
    EXPECT_CODE(FinishWithAnswer(Head() + one + one + ok, late), kUnimplemented);
    EXPECT_CODE(FinishWithAnswer(Head() + ok, late), kUnimplemented);
  }
}

TEST(Calls, AFailureAfterTheMessageCounts) {
  EXPECT_EQ(CallWithAnswer(Head() + GrpcData(1, "", false) + Trailers(Field("grpc-status", "10") + Field("grpc-message", "too%20late"))),
            absl::AbortedError("too late"));
}

TEST(Calls, ATornResponseIsAnError) {
  EXPECT_FALSE(CallWithAnswer(Head() + Frame(kData, 0, 1, std::string("\0\0\0\0\x09" "abc", 8)) + Trailers(Field("grpc-status", "0"))).ok());
}

TEST(Calls, AResponseThatEndsWithoutTrailersIsAnError) {
  EXPECT_FALSE(CallWithAnswer(Head() + Frame(kData, kEndStream, 1, std::string(5, '\0'))).ok());
}

// A server-streaming call whose whole answer has come, trailers with OK included, before anybody reads: `good` empty messages, then `bad`.
absl::Status ReadLate(int good, const std::string& bad) {
  RawListener listener;
  ChannelOptions options = Impatient();
  options.max_receive_bytes = 1000;
  const std::shared_ptr<Channel> channel = MustCreateChannel(listener.address(), options);
  ClientContext context;
  auto call = Stub(channel).StreamingOutputCall(context, StreamingOutputCallRequest());
  RawSocket socket = listener.Accept();
  socket.Receive(kPreface.size());
  socket.Send(Frame(kSettings, 0, 0, {}));
  EXPECT_TRUE(ReceiveFrame(socket, kHeaders, 1));
  std::string answer = Head();
  for (int i = 0; i < good; ++i) answer += GrpcData(1, "", false);
  socket.Send(answer + bad + Trailers(Field("grpc-status", "0")) + Frame(kPing, 0, 0, "12345678"));
  EXPECT_TRUE(ReceiveFrame(socket, kPing, 0));  // all of it has been read and taken in
  StreamingOutputCallResponse response;
  int read = 0;
  while (call.Read(response, kBlock)) ++read;
  EXPECT_EQ(read, good);
  return call.Finish(kBlock);
}

TEST(Calls, AnAnswerThatCameBeforeItWasReadIsReadWhole) { EXPECT_OK(ReadLate(5, "")); }

TEST(Calls, AMessageThatCannotBeReadFailsACallThatHasEndedWell) {
  EXPECT_CODE(ReadLate(1, GrpcData(1, std::string(1001, 'x'), false)), kResourceExhausted);
  EXPECT_CODE(ReadLate(1, GrpcData(1, "\xff\xff\xff", false)), kInternal);
  EXPECT_FALSE(ReadLate(1, Frame(kData, 0, 1, std::string("\0\0\0\0\x09" "abc", 8))).ok());
}

TEST(Calls, AStatusThatIsNoNumberIsUnknown) {
  EXPECT_CODE(CallWithAnswer(Head() + GrpcData(1, "", false) + Trailers(Field("grpc-status", "fine"))), kUnknown);
}

}  // namespace
}  // namespace culvert::e2e
