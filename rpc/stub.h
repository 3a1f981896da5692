#ifndef CULVERT_RPC_STUB_H_
#define CULVERT_RPC_STUB_H_

// What the code generated for a service is built from, on the client's side: starting calls, and the objects that stream them.
//
//   absl::StatusOr<Feature> feature = co_await stub.GetFeature(context, point);
//
//   culvert::ClientReader<Feature> features = stub.ListFeatures(context, area);
//   Feature feature;
//   while (co_await features.Read(feature)) Print(feature);
//   absl::Status status = co_await features.Finish();
//
// Every operation takes an asio completion token; the default is to co_await, and starts the operation only then: what is passed by reference
// lives until it has completed. culvert::kBlock waits, asio::use_future and callbacks work
// as with asio. A handler runs on its associated executor, or on the channel's loop when it has none. Destroying a streaming object before
// Finish has completed cancels the call; its operations under way complete.
//
// Cancelling an operation (asio's cancellation slots, || and &&) cancels the whole call. Each streaming object: one Read, one Write and one Finish under way at a time, from any thread.

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/block.h"
#include "rpc/channel.h"
#include "rpc/client_call.h"
#include "rpc/client_context.h"
#include "transport/base/task.h"

namespace culvert {

using DefaultToken = asio::use_awaitable_t<>;

// Server streaming. Movable.
template <class Response>
class ClientReader {
 public:
  ClientReader(std::shared_ptr<Channel> channel, base::Ref<rpc::ClientStreamCall> call) : handle_(std::move(channel), std::move(call)) {}

  // bool: true with the next message in `message`, which outlives the operation; false when there are no more: Finish tells why.
  template <class Token = DefaultToken>
  auto Read(Response& message, Token&& token = {}) {
    return handle_->AsyncRead(message, std::forward<Token>(token));
  }
  // absl::Status: how the call ended. What is left unread is dropped: a Read under way still gets the next message, one begun later
  // may get none.
  template <class Token = DefaultToken>
  auto Finish(Token&& token = {}) {
    return handle_->AsyncFinish(std::forward<Token>(token));
  }

 private:
  rpc::StreamHandle handle_;
};

// Client streaming. Movable.
template <class Request, class Response>
class ClientWriter {
 public:
  ClientWriter(std::shared_ptr<Channel> channel, base::Ref<rpc::ClientStreamCall> call) : handle_(std::move(channel), std::move(call)) {}

  // bool: true when there is room for the next; false when the call is over: Finish tells why. `message` may be changed once
  // the operation has completed.
  template <class Token = DefaultToken>
  auto Write(const Request& message, Token&& token = {}) {
    return handle_->AsyncWrite(message, std::forward<Token>(token));
  }
  // absl::StatusOr<Response>: ends the stream of requests, if WritesDone has not, and waits for the response.
  template <class Token = DefaultToken>
  auto Finish(Token&& token = {}) {
    return handle_->template AsyncFinishWithResponse<Response>(std::forward<Token>(token));
  }
  // Ends the stream of requests.
  void WritesDone() { handle_->WritesDone(); }

 private:
  rpc::StreamHandle handle_;
};

// Bidirectional streaming. Movable.
template <class Request, class Response>
class ClientStream {
 public:
  ClientStream(std::shared_ptr<Channel> channel, base::Ref<rpc::ClientStreamCall> call) : handle_(std::move(channel), std::move(call)) {}

  template <class Token = DefaultToken>
  auto Read(Response& message, Token&& token = {}) {
    return handle_->AsyncRead(message, std::forward<Token>(token));
  }
  template <class Token = DefaultToken>
  auto Write(const Request& message, Token&& token = {}) {
    return handle_->AsyncWrite(message, std::forward<Token>(token));
  }
  void WritesDone() { handle_->WritesDone(); }
  // absl::Status: how the call ended. Does not end the stream of requests by itself. What is left unread is dropped, as by a ClientReader.
  template <class Token = DefaultToken>
  auto Finish(Token&& token = {}) {
    return handle_->AsyncFinish(std::forward<Token>(token));
  }

 private:
  rpc::StreamHandle handle_;
};

namespace rpc {

// What generated stubs call. `path` is "/package.Service/Method" with static storage.
template <class Response, class Token>
auto CallUnary(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context,
               const google::protobuf::MessageLite& request, Token&& token) {
  return asio::async_initiate<Token, void(absl::StatusOr<Response>)>(
      [](auto handler, const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext* context,
         const google::protobuf::MessageLite* request) {
        using Handler = decltype(handler);
        ClientCall::StartUnary(base::Ref<ClientCall>(new ClientUnaryCall<Response, Handler>(channel, path, *context, std::move(handler))),
                               *request);
      },
      token, channel, path, &context, &request);
}

// The request is serialized before this returns.
template <class Response>
ClientReader<Response> CallServerStreaming(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context,
                                           const google::protobuf::MessageLite& request) {
  return ClientReader<Response>(channel, ClientStreamCall::StartWithRequest(channel, path, context, request));
}

template <class Request, class Response>
ClientWriter<Request, Response> CallClientStreaming(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context) {
  return ClientWriter<Request, Response>(channel, ClientStreamCall::Start(channel, path, context));
}

template <class Request, class Response>
ClientStream<Request, Response> CallBidiStreaming(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context) {
  return ClientStream<Request, Response>(channel, ClientStreamCall::Start(channel, path, context));
}

}  // namespace rpc
}  // namespace culvert

#endif  // CULVERT_RPC_STUB_H_
