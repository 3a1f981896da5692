#ifndef CULVERT_RPC_CLIENT_CALL_H_
#define CULVERT_RPC_CLIENT_CALL_H_

// One call on the client: between a stub above and an exchange below.
//
// ClientCall is what all kinds share: waiting for a session, the request's head, the deadline, cancellation, and the status. ClientUnaryCall
// is one operation; ClientStreamCall is what the streaming objects of stub.h hold. Everything happens on the channel's loop; operations begun
// on other threads are posted there. A call keeps itself alive until it is over.

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/bind_executor.hpp>
#include <asio/use_awaitable.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "rpc/channel.h"
#include "rpc/client_context.h"
#include "rpc/codec.h"
#include "rpc/completion.h"
#include "transport/base/recycled.h"
#include "transport/base/ref.h"
#include "transport/base/task.h"
#include "transport/base/waiter.h"
#include "transport/client/connection.h"
#include "transport/http/exchange.h"
#include "transport/io/timer_queue.h"

namespace culvert::rpc {

class ClientCall : public base::RefCounted, public base::Recycled, public http::Receiver, public client::SessionWaiter {
 public:
  // Starts a call with one request message, from any thread. `request` is serialized before this returns.
  static void StartUnary(base::Ref<ClientCall> call, const google::protobuf::MessageLite& request);

  // Ends the call with CANCELLED. Any thread.
  void Cancel();
  // The context is going away. Any thread.
  void ForgetContext();

 protected:
  ClientCall(std::shared_ptr<Channel> channel, std::string_view path, ClientContext& context);
  ~ClientCall() override;

  // Bytes of messages are in input(), lent: read what is wanted.
  virtual void OnInput() = 0;
  // There is room again for what waited to be sent.
  virtual void OnRoom() = 0;
  // The call is over and status() final. Called once, possibly from within Begin: see in_initiation().
  virtual void OnOver() = 0;

  EventLoop& loop() { return loop_; }
  size_t max_send_bytes() const { return max_send_bytes_; }
  MessageInput& input() { return input_; }
  const absl::Status& status() const { return status_; }
  bool over() const { return over_; }
  bool in_initiation() const { return in_initiation_; }

  // On the loop, once: asks for a session.
  void Begin();
  // On the loop, after Begin: the only request of a call.
  void SendOnly(const google::protobuf::MessageLite& message);
  // On the loop. One message at a time waits for the session; after that the exchange queues.
  void Send(const google::protobuf::MessageLite& message, bool end);
  void SendBytes(io::SharedBytes bytes, bool end);
  void EndRequests();
  // Whether another message may be sent without growing a queue.
  bool writable() const { return exchange_ != nullptr && exchange_->writable(); }
  // Reads from input(), and settles with the exchange while there is one.
  MessageInput::Result ReadMessage(google::protobuf::MessageLite& message) { return input_.Next(message, exchange_); }
  void PayBack(size_t bytes) {
    if (exchange_ != nullptr && bytes != 0) exchange_->Consumed(bytes);
  }
  // What gRPC calls a response cardinality violation (statuscodes.md).
  static absl::Status MoreThanOneResponse();
  static absl::Status NoResponse();
  // Ends the call with `status`, whatever the peer says.
  void Fail(const absl::Status& status);

  // Wraps a user's handler: its cancellation slot, which belongs to the handler's executor, cancels the call.
  template <class R, class Handler>
  Completion<R> Bind(Handler handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return MakeCompletion<R>(loop(), std::move(handler));
    slot.assign([self = base::Ref<ClientCall>(this)](asio::cancellation_type_t) { self->Cancel(); });
    auto executor = asio::get_associated_executor(handler, loop().executor());
    return MakeCompletion<R>(loop(), asio::bind_executor(executor, [slot, handler = std::move(handler)](R result) mutable {
                               slot.clear();
                               std::move(handler)(std::move(result));
                             }));
  }

 private:
  static constexpr int kMostRetries = 3;

  // http::Receiver
  void OnHead(const http::ResponseHead& head, bool end) final;
  void OnData(std::span<const uint8_t> bytes, bool end) final;
  void OnTrailers(std::span<const http::HeaderField> trailers) final;
  void OnWritable() final;
  void OnClosed(const absl::Status& why, bool unprocessed) final;
  // client::SessionWaiter
  void OnSession() final;
  void OnNoSession(const absl::Status& why) final;

  // True when the context was cancelled already.
  bool PutInto(ClientContext& context);
  void OnDeadline();
  void SendKept();
  void Retry();
  // Metadata that the peer sent, for the context.
  absl::Status Keep(Metadata ClientContext::*which, std::span<const http::HeaderField> fields);
  void FinishFromTrailers(std::span<const http::HeaderField> fields);
  void Over(absl::Status status);

  EventLoop& loop_;
  const size_t max_send_bytes_;
  std::shared_ptr<Channel> channel_;  // until the call is over
  const std::string_view path_;
  const ClientContext::Clock::time_point deadline_;
  const bool wait_for_ready_;
  std::mutex mutex_;  // the context may be destroyed, or cancel, on its own thread while the call ends on the loop
  ClientContext* context_;  // guarded by mutex_; null once the call is over or the context gone
  base::Ref<ClientCall> self_;
  http::Exchange* exchange_ = nullptr;
  MessageInput input_;
  io::Timer deadline_timer_;
  absl::Status status_;
  KeptRequest kept_;                        // the only one, until the response's head has come
  int retries_ = 0;
  std::optional<io::SharedBytes> pending_;  // waits for the session
  bool pending_end_ = false;
  int http_status_ = 0;
  const bool cancelled_early_;              // before it was made
  bool waiting_for_session_ = false;
  bool in_initiation_ = false;
  bool over_ = false;
};

template <class Response, class Handler>
class ClientUnaryCall final : public ClientCall {
 public:
  ClientUnaryCall(std::shared_ptr<Channel> channel, std::string_view path, ClientContext& context, Handler handler)
      : ClientCall(std::move(channel), path, context), completion_(Bind<absl::StatusOr<Response>>(std::move(handler))) {}

 private:
  void OnInput() override {
    const MessageInput::Result result = ReadMessage(response_);
    if (result == MessageInput::Result::kMessage) {
      if (received_) return Fail(MoreThanOneResponse());
      received_ = true;
      OnInput();  // to the end of what has come
    } else if (result == MessageInput::Result::kError) {
      Fail(input().error());
    }
  }
  void OnRoom() override {}
  void OnOver() override {
    absl::StatusOr<Response> result;
    if (!status().ok()) {
      result = status();
    } else if (!received_) {
      result = NoResponse();
    } else if (ReadMessage(response_) == MessageInput::Result::kError) {  // there was nothing more to read but, maybe, part of another message
      result = input().error();
    } else {
      result = std::move(response_);
    }
    auto completion = std::move(completion_);  // not kept: it may own the context, which keeps the call
    if (!in_initiation()) return completion(std::move(result));
    loop().Post([completion = std::move(completion), result = std::move(result)]() mutable { completion(std::move(result)); });
  }

  Completion<absl::StatusOr<Response>> completion_;
  Response response_;
  bool received_ = false;
};

class ClientStreamCall final : public ClientCall {
 public:
  static base::Ref<ClientStreamCall> Start(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context);
  static base::Ref<ClientStreamCall> StartWithRequest(const std::shared_ptr<Channel>& channel, std::string_view path, ClientContext& context,
                                                      const google::protobuf::MessageLite& request);

  template <class Token>
  auto AsyncRead(google::protobuf::MessageLite& message, Token&& token) {
    if constexpr (std::is_same_v<std::decay_t<Token>, asio::use_awaitable_t<>>) {
      return ReadTask(base::Ref<ClientStreamCall>(this), message);
    } else {
      return InitiateRead(message, std::forward<Token>(token));
    }
  }
  template <class Token>
  auto AsyncWrite(const google::protobuf::MessageLite& message, Token&& token) {
    if constexpr (std::is_same_v<std::decay_t<Token>, asio::use_awaitable_t<>>) {
      return WriteTask(base::Ref<ClientStreamCall>(this), message);
    } else {
      return InitiateWrite(message, std::forward<Token>(token));
    }
  }
  void WritesDone();
  template <class Token>
  auto AsyncFinish(Token&& token) {
    return asio::async_initiate<Token, void(absl::Status)>(
        [](auto handler, base::Ref<ClientStreamCall> call) {
          auto done = call->Bind<absl::Status>(std::move(handler));
          call->OnLoop([call, done = std::move(done)]() mutable { call->StartFinish(std::move(done)); });
        },
        token, base::Ref<ClientStreamCall>(this));
  }
  // Ends the requests, too.
  template <class Response, class Token>
  auto AsyncFinishWithResponse(Token&& token) {
    return asio::async_initiate<Token, void(absl::StatusOr<Response>)>(
        [](auto handler, base::Ref<ClientStreamCall> call) {
          call->WritesDone();
          auto response = std::make_unique<Response>();
          Response* message = response.get();
          auto done = call->Bind<absl::StatusOr<Response>>(std::move(handler));
          Completion<absl::Status> finish = [response = std::move(response), done = std::move(done)](absl::Status status) mutable {
            if (status.ok()) return done(std::move(*response));
            done(std::move(status));
          };
          call->OnLoop([call, message, finish = std::move(finish)]() mutable { call->StartFinishWithResponse(message, std::move(finish)); });
        },
        token, base::Ref<ClientStreamCall>(this));
  }

  // Nobody will use the call any more: cancels it unless it is over. Any thread.
  void Abandon();

 private:
  using ClientCall::ClientCall;

  // Reading and writing from a coroutine, which need not care whether an operation is complete within its initiation.
  static Task<bool> ReadTask(base::Ref<ClientStreamCall> self, google::protobuf::MessageLite& message);
  static Task<bool> WriteTask(base::Ref<ClientStreamCall> self, const google::protobuf::MessageLite& message);

  template <class Token>
  auto InitiateRead(google::protobuf::MessageLite& message, Token&& token) {
    return asio::async_initiate<Token, void(bool)>(
        [](auto handler, ClientStreamCall* call, google::protobuf::MessageLite* message) {
          call->OnLoop([self = base::Ref<ClientStreamCall>(call), message, done = call->Bind<bool>(std::move(handler))]() mutable {
            self->StartRead(*message, std::move(done));
          });
        },
        token, this, &message);
  }
  template <class Token>
  auto InitiateWrite(const google::protobuf::MessageLite& message, Token&& token) {
    return asio::async_initiate<Token, void(bool)>(
        [](auto handler, ClientStreamCall* call, const google::protobuf::MessageLite* message) {
          absl::StatusOr<io::SharedBytes> bytes = SerializeMessage(*message, call->max_send_bytes());
          call->OnLoop([self = base::Ref<ClientStreamCall>(call), bytes = std::move(bytes),
                        done = call->Bind<bool>(std::move(handler))]() mutable { self->StartWrite(std::move(bytes), std::move(done)); });
        },
        token, this, &message);
  }
  template <class F>
  void OnLoop(F&& f) {
    if (loop().RunsHere()) return f();
    loop().Post(std::forward<F>(f));
  }

  void StartRead(google::protobuf::MessageLite& message, Completion<bool> done);
  void StartWrite(absl::StatusOr<io::SharedBytes> bytes, Completion<bool> done);
  void StartFinish(Completion<absl::Status> done);
  void StartFinishWithResponse(google::protobuf::MessageLite* response, Completion<absl::Status> done);
  void EndWrite();

  void OnInput() override;
  void OnRoom() override;
  void OnOver() override;
  // Completes the read under way, and those that its completion begins, as long as there is something to answer.
  void Deliver();
  void ScheduleDeliver();
  void CompleteFinish();
  // Reads and drops, for Finish: nobody reads any more.
  bool discarding() const { return finishing_ && response_ == nullptr && !reading_ && !task_reads_; }

  base::Waiter input_came_;  // for ReadTask
  base::Waiter room_;        // for WriteTask
  google::protobuf::MessageLite* target_ = nullptr;  // of reading_
  Completion<bool> reading_;
  Completion<bool> writing_;
  Completion<absl::Status> finishing_;
  google::protobuf::MessageLite* response_ = nullptr;  // of a client-streaming call that finishes
  int responses_ = 0;                                  // to it; no more than one too many
  bool task_reads_ = false;  // a ReadTask waits, or was woken and has not run yet: its executor may be a strand
  bool delivering_ = false;
  bool deliver_scheduled_ = false;
  bool writes_done_ = false;
};

// Sole owner of a call's streaming side.
class StreamHandle {
 public:
  StreamHandle(std::shared_ptr<Channel> channel, base::Ref<ClientStreamCall> call) : channel_(std::move(channel)), call_(std::move(call)) {}
  StreamHandle(StreamHandle&&) noexcept = default;
  StreamHandle& operator=(StreamHandle&& other) noexcept {
    if (this != &other) {
      if (call_) call_->Abandon();
      call_ = std::move(other.call_);
      channel_ = std::move(other.channel_);
    }
    return *this;
  }
  ~StreamHandle() {
    if (call_) call_->Abandon();
  }
  ClientStreamCall* operator->() const { return call_.get(); }

 private:
  std::shared_ptr<Channel> channel_;  // whose loop the operations run on
  base::Ref<ClientStreamCall> call_;
};

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_CLIENT_CALL_H_
