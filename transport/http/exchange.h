#ifndef CULVERT_TRANSPORT_HTTP_EXCHANGE_H_
#define CULVERT_TRANSPORT_HTTP_EXCHANGE_H_

// One request and its response (RFC 9110 3.4): the face that HTTP/2 streams and HTTP/1.1 connections share, for server and client alike.
//
// Two parties hold each other. An Exchange is how we send; it is implemented by http2::Stream and http1::ServerExchange. A Receiver is
// what the peer's bytes are pushed into; it is implemented by RPC calls and by the coroutine face in service.h. Everything happens on
// the connection's loop and nothing here suspends; whoever wants to suspend builds it on OnWritable and OnData.
//
// Lifetime. The exchange lives until its receiver calls Release(), exactly once, even when the connection is long gone; a stream counts
// against the connection's limit until then. The receiver outlives its Release(). After OnClosed everything sent is silently dropped.
//
// Handlers and receivers do not throw: they are called from the middle of a connection, which nothing would bring back into order. (A
// coroutine of service.h may.)
//
// Legal order of calls to a receiver:   OnHead? OnData* OnTrailers?   then at most one OnClosed, at any point; OnWritable between.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/http/header_list.h"
#include "transport/http/message.h"
#include "transport/io/byte_stream.h"
#include "transport/io/peer_certificate.h"
#include "transport/io/write_buffer.h"

namespace culvert {
class EventLoop;
}  // namespace culvert

namespace culvert::http {

class Receiver {
 public:
  // Client only: the final response head; 1xx are swallowed. `end`: no body and no trailers follow. The head's views die on return.
  virtual void OnHead(const ResponseHead& head, bool end) = 0;

  // Body bytes, lent until return: parse them in place or copy them. `end`: the peer is done; `bytes` may be empty then.
  // Each byte is to be paid back by Exchange::Consumed, now or later: what was not paid back bounds what the peer may send.
  virtual void OnData(std::span<const uint8_t> bytes, bool end) = 0;

  // The trailers, after which the peer is done. Views die on return.
  virtual void OnTrailers(std::span<const HeaderField> trailers) = 0;

  // There is room again after TrySendInPlace or SendData met none (see Exchange::writable).
  virtual void OnWritable() = 0;

  // The exchange ended before it was complete: reset by the peer, connection lost, protocol broken, or our own Reset. The last call.
  // kCancelled: the peer does not want it any more. kUnavailable: the connection is gone or the peer refused it.
  // `unprocessed`: the peer vouches that it did nothing (REFUSED_STREAM, GOAWAY): safe to retry.
  virtual void OnClosed(const absl::Status& why, bool unprocessed) = 0;

 protected:
  ~Receiver() = default;
};

// What a hijack hands over (HTTP/1.1): the connection itself. Bytes that were read and not consumed are replayed by `stream` first.
struct Hijacked {
  std::unique_ptr<io::ByteStream> stream;
  std::unique_ptr<io::WriteBuffer> write_buffer;  // the connection's own, handed over rather than allocated anew; may hold bytes to be written first
};

class Exchange {
 public:
  // Server: to be called within Handler::OnRequest. Client: given on opening.
  virtual void SetReceiver(Receiver* receiver) = 0;

  // The rest of the exchange happens without the receiver: what was sent still goes out, what comes is dropped. If our side is not yet
  // ended, or the peer's is not, the stream is reset. The exchange must not be touched afterwards.
  virtual void Release() = 0;

  // --- sending; after an `end` nothing more may be sent ---

  // Server only, once; before it any number with 1xx, each without an end (RFC 9110 15.2). Goes out together with what follows in the same turn
  // of the loop. Names in fields and trailers are in lower case, and none is about the connection (RFC 9113 8.2); http::Service sees to that
  // for its users.
  virtual void SendHead(const ResponseHead& head, bool end) = 0;

  // Room for exactly `n` body bytes directly in the connection's output, to be filled before any other call; or null when they cannot go
  // out now: then use SendData, or wait for OnWritable if what is in the way is the window, the output budget, or earlier data. More than the
  // peer takes in one frame (HTTP/2: at least 16 KiB) never can. Never null for a small message on a fresh exchange
  // unless the peer stops reading.
  virtual uint8_t* TrySendInPlace(size_t n, bool end) = 0;

  // Queues body bytes. Always accepted, so that a message is never torn; heed writable() before the next.
  virtual void SendData(io::SharedBytes bytes, bool end) = 0;
  virtual void SendTrailers(std::span<const HeaderField> trailers) = 0;

  // False while earlier data waits for the window or for the peer to read; OnWritable is called when it turns true again.
  virtual bool writable() const = 0;

  // Ends the exchange at once. kCancelled: we do not want it any more. Others: an error on our side. OnClosed is not called.
  virtual void Reset(absl::StatusCode code) = 0;

  // --- receiving ---

  // Pays back `n` bytes of OnData: the peer may send as many more.
  virtual void Consumed(size_t n) = 0;

  // Says how much memory the receiver holds for bytes that it has paid back although they are of no use before more comes: the part of a
  // message. Replaces what it said before; Release() says 0. ResourceExhausted when it is more than before and all exchanges of the connection
  // together hold more than they may (http2::Options::unfinished_budget): the receiver lets go of it, and ends the exchange.
  virtual absl::Status Hold(size_t n) = 0;

  // --- the connection ---

  virtual EventLoop& loop() = 0;
  virtual std::string peer() const = 0;
  // The certificate that the peer has shown in TLS, verified, also when the connection is gone. Null: none, no TLS, or hijacked. Made when it is
  // first asked for.
  virtual std::shared_ptr<const io::PeerCertificate> peer_certificate() const = 0;
  virtual int http_major() const = 0;  // 1 or 2

  // Takes the connection over (HTTP/1.1, server; RFC 9110 7.8, 9.3.6). The exchange sends nothing more by itself, every later call is
  // dropped or answers an error; Release() as usual. On HTTP/2: FailedPrecondition.
  virtual absl::StatusOr<Hijacked> Hijack() = 0;

 protected:
  ~Exchange() = default;
};

// Answers requests. Server, router and user handlers implement it; shared by all loops of a server, so it is called from several threads.
class Handler {
 public:
  virtual ~Handler() = default;

  // A request's head has arrived. `head` dies on return. Either sets a receiver, or answers at once and releases the exchange. `end`: no body.
  virtual void OnRequest(Exchange& exchange, const RequestHead& head, bool end) = 0;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_EXCHANGE_H_
