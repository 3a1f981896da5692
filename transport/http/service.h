#ifndef CULVERT_TRANSPORT_HTTP_SERVICE_H_
#define CULVERT_TRANSPORT_HTTP_SERVICE_H_

// HTTP handlers as coroutines, for any version of HTTP.
//
//   class Hello final : public culvert::http::Service {
//     culvert::Task<void> Serve(culvert::http::Request& request, culvert::http::Response& response) override {
//       response.SendHead(200, {{"content-type", "text/plain"}});
//       co_await response.Write(StrCat("you asked for ", request.head().path, "\n"));
//     }
//   };
//
// One coroutine per request, on the loop of its connection. When Serve returns, the response is finished if it was begun, and 500 if it was
// not. When it throws, a response that was begun is cut off, so that the client does not take it for whole. Request and Response live as
// long as Serve runs; after a Hijack it is to return, for until then the connection and the request stay in memory.
//
// When the connection breaks, Read and Write say so and the coroutine is cancelled (asio's terminal cancellation). A client of HTTP/1.1 that
// has closed after its request looks like one that has ended its side and still reads: its handler hears of it when a Write fails, and at
// the latest after http1::Options::half_close_timeout.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/base/task.h"
#include "transport/http/exchange.h"
#include "transport/http/header_list.h"
#include "transport/io/peer_certificate.h"

namespace culvert::http {

class Conversation;

class Request {
 public:
  // Valid as long as the request.
  const RequestHead& head() const { return head_; }
  std::string peer() const;
  // As Exchange has it: who the client is, in mutual TLS. To be asked before a Hijack.
  std::shared_ptr<const io::PeerCertificate> peer_certificate() const;
  int http_major() const;
  EventLoop& loop() const;

  // The next bytes of the body, at most into.size(); 0 at its end. Cancelled or Unavailable when the client is gone, and
  // InvalidArgument when there is no room in `into`: 0 would look like the end.
  Task<absl::StatusOr<size_t>> Read(std::span<uint8_t> into);
  // The rest of the body. ResourceExhausted beyond `limit` bytes.
  Task<absl::StatusOr<std::string>> ReadAll(size_t limit);

 private:
  friend class Conversation;
  Request(Conversation& conversation, const RequestHead& head);

  Conversation& conversation_;
  HeaderList storage_;  // what head_ points into
  RequestHead head_;
};

class Response {
 public:
  // Once, before anything else. Goes out with what follows. To HEAD, and with 204 or 304, it is the whole response (RFC 9110 6.4.1).
  // A status of 1xx is an interim response, which goes out before the one that counts, as many times as one likes (RFC 9110 15.2); to a client of
  // HTTP/1.0 it does not. But 101 does count, before a Hijack; a version that knows no upgrade drops it (RFC 9113 8.6). Of `fields`, those about
  // the connection are left out, but for `upgrade` of a 101.
  void SendHead(int status, const HeaderList& fields = {});

  // Sends body bytes; 200 first, if there was no head. Suspends while the client does not keep up. An error when the client is gone,
  // and FailedPrecondition when the response has no body, or is finished.
  Task<absl::Status> Write(std::string_view bytes);

  // Ends the body. Nothing may be sent afterwards.
  void Finish();
  void Finish(const HeaderList& trailers);

  // Takes the connection over: HTTP/1.1 only, see Exchange::Hijack. The response sends nothing more by itself, whatever happens to it. Whoever
  // serves what was taken over is another coroutine: Serve returns.
  absl::StatusOr<Hijacked> Hijack();

 private:
  friend class Conversation;
  explicit Response(Conversation& conversation) : conversation_(conversation) {}

  Conversation& conversation_;
};

class Service : public Handler {
 public:
  // Called for each request, on its loop; several run at once, on several threads if the server has them.
  virtual Task<void> Serve(Request& request, Response& response) = 0;

  void OnRequest(Exchange& exchange, const RequestHead& head, bool end) final;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_SERVICE_H_
