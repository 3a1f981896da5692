#ifndef CULVERT_TRANSPORT_IO_TLS_STREAM_H_
#define CULVERT_TRANSPORT_IO_TLS_STREAM_H_

// TLS over any other ByteStream, as a ByteStream.
//
//   auto tls = io::TlsStream::ForServer(*options.tls, std::move(stream));
//   const absl::Status status = co_await tls->Handshake();
//   if (status.ok() && tls->alpn() == "h2") ...
//
// Reading: the end of the stream is the peer's close_notify. A connection that ends without it may have been
// cut by anybody: an error.
//
// Writing: what TryWrite has taken is encrypted, and goes out by itself as fast as the inner stream takes it;
// nothing more is taken before it is out, so that no more than 64 KB wait here. What was taken when
// ShutdownWrite was called goes out even after Close or the destructor, unless the peer takes none of it for
// 5 seconds.
//
// Errors are the inner stream's, or codes whose category is "tls" and whose message is OpenSSL's reason, or that the
// peer sent too many messages of TLS's own. While nothing is read or written it holds no buffer.
//
// Sources: tls_stream (waits and ends), tls_engine (OpenSSL, which waits for nothing), tls_bio (what couples it to
// the inner stream), tls_peer (who the peer is).

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "transport/base/task.h"
#include "transport/io/byte_stream.h"
#include "transport/io/peer_certificate.h"
#include "transport/io/tls_context.h"

namespace culvert::io {

class TlsStream final : public ByteStream {
 public:
  // The server's side. Without `http1`, h2 is all that is agreed on by ALPN.
  static std::unique_ptr<TlsStream> ForServer(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                              bool http1 = true);
  // The client's side, to a server whose certificate must be for `host`, a name or an IP address, unless the
  // context names another.
  static std::unique_ptr<TlsStream> ForClient(const TlsContext& context, std::unique_ptr<ByteStream> stream,
                                              std::string_view host);
  ~TlsStream() override;

  // Once, before anything else. Close and CancelWaits end it with Cancelled. Otherwise Unavailable says why
  // the peer was refused, or that it refused us, with the alert on its way; nothing can be read or written
  // then. A client fails also when the server does not select h2.
  Task<absl::Status> Handshake();

  // Once the handshake is done, until Close.
  // What was agreed on: "h2", "http/1.1", or nothing when the client offered nothing.
  std::string_view alpn() const;
  // "TLSv1.3"
  std::string_view version() const;

  ByteStream& inner();

  // Last writes that go on when the stream is closed, or gone: for who counts sockets. Outlives the stream.
  class LastWrites;
  LastWrites last_writes() const;

  IoResult TryRead(std::span<uint8_t> into) override;
  IoResult TryWrite(std::span<const iovec> pieces) override;
  void AsyncWait(Direction direction, WaitHandler handler) override;
  void CancelWaits() override;
  void ShutdownWrite() override;
  void Close() override;
  EventLoop& loop() override;
  std::string peer() const override;
  // Known once the handshake is done, after Close too.
  std::shared_ptr<const PeerCertificate> peer_certificate() const override;

 private:
  class Core;
  explicit TlsStream(std::shared_ptr<Core> core);

  const std::shared_ptr<Core> core_;  // also of the inner stream's waits
};

class TlsStream::LastWrites {
 public:
  LastWrites() = default;  // none

  // Suspends while the stream is closed and last writes go on; when it returns, the socket is closed, unless the
  // stream never was, or StopWaiting was called. One at a time.
  Task<void> Done();
  // Ends the wait; the writes go on.
  void StopWaiting();

 private:
  friend class TlsStream;
  explicit LastWrites(std::weak_ptr<Core> core) : core_(std::move(core)) {}

  std::weak_ptr<Core> core_;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TLS_STREAM_H_
