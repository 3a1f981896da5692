#ifndef CULVERT_TRANSPORT_IO_BYTE_STREAM_H_
#define CULVERT_TRANSPORT_IO_BYTE_STREAM_H_

// The one stream interface of the house: a socket, TLS over one, a replayed prefix before one, an HTTP/2 tunnel, memory in tests.
//
// Shaped by readiness rather than by completion: a caller tries, and when nothing can be done waits until trying makes sense again. Thus a
// connection that waits lends no buffer to the kernel and may hold none. Used on its loop alone. One wait per direction at a time.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "absl/functional/any_invocable.h"
#include "transport/io/peer_certificate.h"

namespace culvert {
class EventLoop;
}  // namespace culvert

namespace culvert::io {

enum class Direction { kRead, kWrite };

struct IoResult {
  enum class Kind {
    kBytes,       // `bytes` were moved, at least one
    kWouldBlock,  // nothing now: wait
    kEnd,         // reading only: the peer ended its side
    kError,       // the stream is broken: `error`
  };
  Kind kind = Kind::kWouldBlock;
  size_t bytes = 0;
  std::error_code error;

  static IoResult Bytes(size_t n) { return {Kind::kBytes, n, {}}; }
  static IoResult WouldBlock() { return {}; }
  static IoResult End() { return {Kind::kEnd, 0, {}}; }
  static IoResult Error(std::error_code error) { return {Kind::kError, 0, error}; }
};

class ByteStream {
 public:
  // An empty code: try again. operation_aborted: CancelWaits, Close or the destructor ended the wait.
  using WaitHandler = absl::AnyInvocable<void(std::error_code)>;

  virtual ~ByteStream() = default;

  // Neither suspends. Empty spans are not allowed.
  virtual IoResult TryRead(std::span<uint8_t> into) = 0;
  virtual IoResult TryWrite(std::span<const iovec> pieces) = 0;

  // Calls `handler` from the loop, never from within AsyncWait, when TryRead or TryWrite may do something (bytes, end or error).
  virtual void AsyncWait(Direction direction, WaitHandler handler) = 0;
  // Ends waits that are under way with operation_aborted.
  virtual void CancelWaits() = 0;

  // Ends our side once what was written is out; the peer sees the end of the stream. Reading goes on.
  virtual void ShutdownWrite() = 0;
  // Ends both sides at once. Any number of times.
  virtual void Close() = 0;

  virtual EventLoop& loop() = 0;
  // "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051", "unix:/path", as gRPC names peers.
  virtual std::string peer() const = 0;
  // What the peer has shown in TLS, verified. Null: nothing, or it is not TLS.
  virtual std::shared_ptr<const PeerCertificate> peer_certificate() const { return nullptr; }
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_BYTE_STREAM_H_
