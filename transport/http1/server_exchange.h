#ifndef CULVERT_TRANSPORT_HTTP1_SERVER_EXCHANGE_H_
#define CULVERT_TRANSPORT_HTTP1_SERVER_EXCHANGE_H_

// The one request that an HTTP/1.1 connection is answering: how its handler sends. Part of the connection and
// used again for each request.
//
// Response bodies are framed by the handler's content-length, by 0 when there is no body, otherwise chunked;
// towards HTTP/1.0 by closing. After 101, or 2xx to CONNECT, nothing is framed: such a head is followed by
// Hijack, or by raw bytes until the end. An interim head (1xx but 101) does not count as the one SendHead.

#include <cstdint>
#include <string>

#include "transport/http/exchange.h"

namespace culvert::http1 {

class Connection;
struct Request;

class ServerExchange final : public http::Exchange {
 public:
  explicit ServerExchange(Connection& connection) : connection_(connection) {}
  ~ServerExchange() = default;
  ServerExchange(const ServerExchange&) = delete;
  ServerExchange& operator=(const ServerExchange&) = delete;

  void SetReceiver(http::Receiver* receiver) override { receiver_ = receiver; }
  void Release() override;
  void SendHead(const http::ResponseHead& head, bool end) override;
  uint8_t* TrySendInPlace(size_t n, bool end) override;
  void SendData(io::SharedBytes bytes, bool end) override;
  void SendTrailers(std::span<const http::HeaderField> trailers) override;
  bool writable() const override;
  void Reset(absl::StatusCode code) override;
  void Consumed(size_t n) override;
  absl::Status Hold(size_t) override { return absl::OkStatus(); }  // the only one of its connection
  EventLoop& loop() override;
  std::string peer() const override;
  std::shared_ptr<const io::PeerCertificate> peer_certificate() const override;
  int http_major() const override { return 1; }
  // Once the request's body, if it has one, is read, and no response but 101 or 2xx to CONNECT has begun.
  absl::StatusOr<http::Hijacked> Hijack() override;

 private:
  friend class Connection;

  enum class Framing {
    kUnsent,  // no head yet
    kNoBody,  // HEAD, 204, 304: body bytes are dropped
    kLength,  // length_left_ more bytes
    kChunked,
    kUntilClose,
    kRaw,  // 101, or 2xx to CONNECT: what follows is no HTTP
  };

  void Begin(const Request& request);
  Framing ChooseFraming(const http::ResponseHead& head, bool end);
  bool sending() const;
  bool sending_body() const { return sending() && framing_ != Framing::kUnsent; }
  bool over() const { return released_ && response_ended_; }
  void End();      // with what marks the end on the wire
  void EndBody();  // without

  Connection& connection_;
  http::Receiver* receiver_ = nullptr;
  bool released_ = true;

  // The request:
  bool is_head_ = false;
  bool is_connect_ = false;
  bool is_http10_ = false;
  bool keep_alive_ = false;        // neither side wants to close after this
  bool awaits_continue_ = false;   // the client may withhold the body until it hears 100
  bool request_complete_ = false;  // its body was handed over to the end
  size_t unconsumed_ = 0;

  // The response:
  Framing framing_ = Framing::kUnsent;
  uint64_t length_left_ = 0;
  bool response_ended_ = false;
  bool wants_writable_ = false;  // OnWritable is owed
};

}  // namespace culvert::http1

#endif  // CULVERT_TRANSPORT_HTTP1_SERVER_EXCHANGE_H_
