#ifndef CULVERT_RPC_SERVICE_H_
#define CULVERT_RPC_SERVICE_H_

// What the code generated for a service is built from, on the server's side: the abstract Service, the readers and writers of its
// handlers, and the registry in which its methods are looked up.
//
//   culvert::Task<absl::Status> RouteChat(culvert::ServerContext& call, culvert::Stream<RouteNote, RouteNote>& chat) override {
//     RouteNote note;
//     while (co_await chat.Read(note)) {
//       if (!co_await chat.Write(note)) break;          // the client is gone
//     }
//     co_return absl::OkStatus();
//   }
//
// Handlers run on the loop of the call's connection; different calls of one service run on different threads at once.

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "rpc/server_call.h"
#include "rpc/server_context.h"
#include "rpc/unary.h"
#include "transport/base/strings.h"
#include "transport/base/task.h"

namespace culvert {

class MethodRegistry;

// The messages that the client streams. Lives as long as the handler runs.
template <class Request>
class Reader {
 public:
  explicit Reader(rpc::ServerCall& call) : call_(call) {}

  // True with the next message in `message`, whose memory is reused; false when the client has sent its last one, or the call is over (see
  // ServerContext::cancelled). One Read at a time; a Write may be under way. asio's cancellation ends the wait; a message that came in the same
  // moment may be taken and lost.
  Task<bool> Read(Request& message) { return call_.Read(message); }

 private:
  rpc::ServerCall& call_;
};

// The messages that we stream to the client. Lives as long as the handler runs.
template <class Response>
class Writer {
 public:
  explicit Writer(rpc::ServerCall& call) : call_(call) {}

  // Sends `message`, which may be changed as soon as the task is done. Suspends while the client does not keep up. False when the call is
  // over: what more is written is dropped. One Write at a time; a Read may be under way.
  Task<bool> Write(const Response& message) { return call_.Write(message); }

 private:
  rpc::ServerCall& call_;
};

template <class Request, class Response>
class Stream : public Reader<Request>, public Writer<Response> {
 public:
  explicit Stream(rpc::ServerCall& call) : Reader<Request>(call), Writer<Response>(call) {}
};

// A service as generated code declares it and users implement it. Outlives the server it is added to.
class Service {
 public:
  virtual ~Service() = default;
  // Generated: names the methods.
  virtual void Register(MethodRegistry& methods) = 0;
  // "package.Service".
  virtual std::string_view name() const = 0;
};

namespace rpc {

template <class Call, class S>
class MethodOf;

template <class S, class Request, class Response>
class UnaryCall final : public ServerCall {
 public:
  using Handler = Unary<Response> (S::*)(ServerContext&, const Request&);
  UnaryCall(http::Exchange& exchange, const CallLimits& limits, const Method& method)
      : ServerCall(exchange, limits, method) {}

 private:
  google::protobuf::MessageLite* request() override { return &request_; }
  void Run() override {
    Unary<Response> outcome = Invoke();
    if (!outcome.ready()) return Spawn<absl::StatusOr<Response>>([&outcome] { return outcome.TakeTask(); });
    const absl::StatusOr<Response>& result = outcome.result();
    Finish(result.status(), result.ok() ? &*result : nullptr);
  }
  Unary<Response> Invoke() {
    try {
      return MethodOf<UnaryCall, S>::Invoke(*this, std::as_const(request_));
    } catch (...) {
      return DescribeException(std::current_exception());
    }
  }

  Request request_;
};

template <class S, class Request, class Response>
class ServerStreamingCall final : public ServerCall {
 public:
  using Handler = Task<absl::Status> (S::*)(ServerContext&, const Request&, Writer<Response>&);
  ServerStreamingCall(http::Exchange& exchange, const CallLimits& limits, const Method& method)
      : ServerCall(exchange, limits, method), writer_(*this) {}

 private:
  google::protobuf::MessageLite* request() override { return &request_; }
  void Run() override {
    Spawn<absl::Status>([this] { return MethodOf<ServerStreamingCall, S>::Invoke(*this, std::as_const(request_), writer_); });
  }

  Request request_;
  Writer<Response> writer_;
};

template <class S, class Request, class Response>
class ClientStreamingCall final : public ServerCall {
 public:
  using Handler = Task<absl::StatusOr<Response>> (S::*)(ServerContext&, Reader<Request>&);
  ClientStreamingCall(http::Exchange& exchange, const CallLimits& limits, const Method& method)
      : ServerCall(exchange, limits, method), reader_(*this) {}

 private:
  google::protobuf::MessageLite* request() override { return nullptr; }
  void Run() override {
    Spawn<absl::StatusOr<Response>>([this] { return MethodOf<ClientStreamingCall, S>::Invoke(*this, reader_); });
  }

  Reader<Request> reader_;
};

template <class S, class Request, class Response>
class BidiStreamingCall final : public ServerCall {
 public:
  using Handler = Task<absl::Status> (S::*)(ServerContext&, Stream<Request, Response>&);
  BidiStreamingCall(http::Exchange& exchange, const CallLimits& limits, const Method& method)
      : ServerCall(exchange, limits, method), stream_(*this) {}

 private:
  google::protobuf::MessageLite* request() override { return nullptr; }
  void Run() override {
    Spawn<absl::Status>([this] { return MethodOf<BidiStreamingCall, S>::Invoke(*this, stream_); });
  }

  Stream<Request, Response> stream_;
};

template <class Call, class S>
class MethodOf final : public Method {
 public:
  MethodOf(std::string path, S& service, typename Call::Handler handler) : Method(std::move(path)), service_(service), handler_(handler) {}
  ServerCall& NewCall(http::Exchange& exchange, const CallLimits& limits) const override { return *new Call(exchange, limits, *this); }

  // Runs the handler of a Call of this method. Not for lambdas to do: g++ 12 miscompiles a call through a member pointer there, under
  // UndefinedBehaviorSanitizer.
  template <class... Args>
  static auto Invoke(Call& call, Args&... args) {
    const auto& method = static_cast<const MethodOf&>(call.method());
    return (method.service_.*method.handler_)(call.context(), args...);
  }

 private:
  S& service_;
  const typename Call::Handler handler_;
};

}  // namespace rpc

// The methods of a server by path. Filled before it serves, read by all of its loops afterwards. The kind of a method is the signature of
// its handler.
class MethodRegistry {
 public:
  // "/package.Service/Method"; a path that is registered already is replaced, as the later service wins.
  template <class S, class Request, class Response>
  void Add(std::string_view path, S& service, Unary<Response> (S::*handler)(ServerContext&, const Request&)) {
    Insert<rpc::UnaryCall<S, Request, Response>>(path, service, handler);
  }
  template <class S, class Request, class Response>
  void Add(std::string_view path, S& service, Task<absl::Status> (S::*handler)(ServerContext&, const Request&, Writer<Response>&)) {
    Insert<rpc::ServerStreamingCall<S, Request, Response>>(path, service, handler);
  }
  template <class S, class Request, class Response>
  void Add(std::string_view path, S& service, Task<absl::StatusOr<Response>> (S::*handler)(ServerContext&, Reader<Request>&)) {
    Insert<rpc::ClientStreamingCall<S, Request, Response>>(path, service, handler);
  }
  template <class S, class Request, class Response>
  void Add(std::string_view path, S& service, Task<absl::Status> (S::*handler)(ServerContext&, Stream<Request, Response>&)) {
    Insert<rpc::BidiStreamingCall<S, Request, Response>>(path, service, handler);
  }

  const rpc::Method* Find(std::string_view path) const {
    const auto it = methods_.find(ToAbsl(path));
    return it == methods_.end() ? nullptr : it->second.get();
  }

 private:
  template <class Call, class S, class Handler>
  void Insert(std::string_view path, S& service, Handler handler) {
    methods_[std::string(path)] = std::make_unique<rpc::MethodOf<Call, S>>(std::string(path), service, handler);
  }

  absl::flat_hash_map<std::string, std::unique_ptr<rpc::Method>> methods_;
};

}  // namespace culvert

#endif  // CULVERT_RPC_SERVICE_H_
