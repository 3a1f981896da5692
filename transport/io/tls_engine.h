#ifndef CULVERT_TRANSPORT_IO_TLS_ENGINE_H_
#define CULVERT_TRANSPORT_IO_TLS_ENGINE_H_

// One TLS connection without its waiting: OpenSSL over the inner stream. Nothing here suspends or waits; TlsStream
// does both.
//
// After each operation there may be output for Flush: answers, an alert, and what was encrypted.
//
// Messages of TLS's own are counted once the handshake is done: new keys (RFC 8446 4.6.3) and tickets cost who reads
// them dear, and bring nothing. Beyond the limit, kMessageBurst in tls_engine.cc, both directions are broken.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "transport/io/block_pool.h"
#include "transport/io/byte_stream.h"
#include "transport/io/peer_certificate.h"
#include "transport/io/tls_bio.h"
#include "transport/io/tls_context.h"

struct ssl_st;  // OpenSSL's SSL

namespace culvert::io {

class TlsEngine final {
 public:
  // `inner` and `blocks` outlive it.
  TlsEngine(const TlsContext& context, ByteStream& inner, BlockPool& blocks);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // One of the two, first. Without `http1`, h2 is all that is agreed on by ALPN.
  void ActAsServer(bool http1);
  void ActAsClient(std::string_view host);
  // Why there will be no handshake.
  void Misuse(std::string_view why) { misuse_ = std::string(why); }

  // The result, or nothing yet: wait to read.
  std::optional<absl::Status> Handshake();
  IoResult Read(std::span<uint8_t> into);
  // Returns how much was encrypted: all, unless that is too much at once, write_wants_input(), or write_error().
  size_t Write(std::span<const iovec> pieces);
  // Encrypts close_notify.
  void Shutdown();
  // Writes what there is, until the inner stream takes no more. An error becomes write_error().
  void Flush();

  bool has_output() const { return bio_.has_output(); }
  void DropOutput() { bio_.DropOutput(); }
  // Breaks writing: the inner stream did.
  void FailOutput(std::error_code error);

  // Of all reading from now on, as the next is of writing.
  std::error_code read_error() const { return read_error_; }
  std::error_code write_error() const { return write_error_; }
  // See TlsBio.
  bool dry() const { return bio_.dry(); }
  bool full() const { return bio_.full(); }
  void NoteInput() { bio_.NoteInput(); }
  // A message of TLS's own came in part, and OpenSSL will not write before it has the rest.
  bool write_wants_input() const { return write_wants_input_; }

  // Ends OpenSSL's part. Output that is left may still be written: of all the above only has_output, Flush, DropOutput, FailOutput and
  // write_error mean anything then.
  void Close();

  // Empty after Close.
  std::string_view alpn() const;
  std::string_view version() const;
  // Null before the handshake is done. Made when first asked for, and kept, after Close too.
  std::shared_ptr<const PeerCertificate> peer_certificate();

 private:
  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  using Clock = std::chrono::steady_clock;

  static void OnMessage(int sent, int version, int content, const void* message, size_t size, ssl_st*, void* self);
  void Count(uint8_t message_type);
  void BeginOperation();
  void EndOperation();
  // After an operation failed for another reason than that it wants to read.
  std::error_code Failure(int ssl_error);
  size_t Encrypt(const void* data, size_t n, int* ssl_error);

  BlockPool& blocks_;
  TlsBio bio_;
  std::unique_ptr<ssl_st, Free> ssl_;  // until Close
  std::error_code read_error_;
  std::error_code write_error_;
  std::string misuse_;
  std::shared_ptr<const PeerCertificate> peer_certificate_;
  Clock::time_point messages_paid_until_{};  // each takes its time; see Count
  bool done_ = false;                        // with the handshake
  bool flooded_ = false;                     // with messages of TLS's own
  bool write_wants_input_ = false;
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_TLS_ENGINE_H_
