#ifndef CULVERT_RPC_SERVER_CALL_H_
#define CULVERT_RPC_SERVER_CALL_H_

// One call on the server: between the exchange below and a handler above.
//
// The part that knows no message type. Subclasses in service.h bind the types and run the handler; there is one per kind of method. A
// call owns itself: it is gone when its handler has ended and its exchange is released. On its connection's loop only.

#include <asio/cancellation_signal.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "rpc/codec.h"
#include "rpc/server_context.h"
#include "transport/base/recycled.h"
#include "transport/base/spawn.h"
#include "transport/base/task.h"
#include "transport/base/waiter.h"
#include "transport/http/exchange.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"

namespace culvert::rpc {

// What a server allows each call.
struct CallLimits {
  size_t max_receive_bytes = kDefaultMaxReceiveBytes;
  size_t max_send_bytes = SIZE_MAX;
};

class ServerCall;

// One method: makes the call object that serves a request to it. Outlives its calls.
class Method {
 public:
  explicit Method(std::string path) : path_(std::move(path)) {}
  virtual ~Method() = default;
  virtual ServerCall& NewCall(http::Exchange& exchange, const CallLimits& limits) const = 0;
  // "/package.Service/Method".
  std::string_view path() const { return path_; }

 private:
  const std::string path_;
};

class ServerCall : public http::Receiver, public base::Recycled {
 public:
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  // Takes the request in: metadata, deadline, and whatever the kind of method does first.
  void Start(const http::RequestHead& head, bool end);

  ServerContext& context() { return context_; }
  http::Exchange& exchange() { return exchange_; }
  const Method& method() const { return method_; }
  ServerContext::Clock::time_point deadline() const {
    return deadline_timer_ != nullptr ? deadline_timer_->when() : ServerContext::Clock::time_point::max();
  }

  // --- for the handler's reader and writer ---

  // True with the next message in `message`; false when the client has sent its last one or the call is over.
  Task<bool> Read(google::protobuf::MessageLite& message);
  // Sends `message`; suspends while the client does not keep up. False when the call is over.
  Task<bool> Write(const google::protobuf::MessageLite& message);
  void SendInitialMetadata();

 protected:
  ServerCall(http::Exchange& exchange, const CallLimits& limits, const Method& method);
  virtual ~ServerCall();

  // Runs the handler. Of a method with one request message, when that has been read into request().
  virtual void Run() = 0;
  // Where the one request message goes; null for a method with a stream of them.
  virtual google::protobuf::MessageLite* request() = 0;

  // The handler has ended: sends the response, if any, and the status; destroys the call.
  void Finish(const absl::Status& status, const google::protobuf::MessageLite* response);

  // Runs the handler's coroutine, which `start` makes, and finishes the call with its result: a status, or the response or a status.
  template <class R, class StartTask>
  void Spawn(StartTask start) {
    std::optional<Task<R>> task;
    try {
      task.emplace(start());
    } catch (...) {
      return Finish(DescribeException(std::current_exception()), nullptr);
    }
    running_ = true;
    base::Spawn(exchange_.loop().executor(), *std::move(task), Ended<R>{this}, cancel_.slot());
  }

  // What a handler threw, as a status.
  static absl::Status DescribeException(std::exception_ptr thrown);

 private:
  // The handler's coroutine has ended. A name, since a lambda's type would be one of a template that a user's file may instantiate without linkage.
  template <class R>
  struct Ended {
    ServerCall* call;
    void operator()(std::exception_ptr thrown, const R& result) const {
      if (thrown != nullptr) {
        call->Finish(DescribeException(std::move(thrown)), nullptr);
      } else if constexpr (std::is_same_v<R, absl::Status>) {
        call->Finish(result, nullptr);
      } else {
        call->Finish(result.status(), result.ok() ? &*result : nullptr);
      }
    }
  };

  struct DeadlineTimer : io::Timer, base::Recycled {
    using io::Timer::Timer;
  };

  // http::Receiver
  void OnHead(const http::ResponseHead& head, bool end) final;
  void OnData(std::span<const uint8_t> bytes, bool end) final;
  void OnTrailers(std::span<const http::HeaderField> trailers) final;
  void OnWritable() final;
  void OnClosed(const absl::Status& why, bool unprocessed) final;

  // Runs `f`, which may resume the handler; false when that has destroyed the call.
  template <class F>
  bool Survives(F&& f) {
    bool destroyed = false;
    bool* const outer = std::exchange(destroyed_, &destroyed);
    f();
    if (destroyed) {
      if (outer != nullptr) *outer = true;
      return false;
    }
    destroyed_ = outer;
    return true;
  }

  void ReadOneRequest();
  void Cancel();
  void OnDeadline();
  // Ends the call for a reason of ours, before or while the handler runs.
  void Fail(const absl::Status& status);
  void SendStatus(const absl::Status& status);
  void Destroy();

  http::Exchange& exchange_;
  const CallLimits& limits_;
  const Method& method_;
  ServerContext context_;
  MessageInput input_;
  base::Waiter readable_;
  base::Waiter writable_;
  asio::cancellation_signal cancel_;
  bool one_request_ = false;   // the method takes one message
  bool have_request_ = false;  // and it has come
  bool request_ended_ = false;
  bool running_ = false;       // a handler's coroutine will call Finish
  bool head_sent_ = false;
  bool over_ = false;          // the status is sent, or the exchange is closed
  std::unique_ptr<DeadlineTimer> deadline_timer_;  // of a call that has one
  bool* destroyed_ = nullptr;  // to be told of the destruction; see Survives
};

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_SERVER_CALL_H_
