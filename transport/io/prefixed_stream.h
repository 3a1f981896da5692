#ifndef CULVERT_TRANSPORT_IO_PREFIXED_STREAM_H_
#define CULVERT_TRANSPORT_IO_PREFIXED_STREAM_H_

// A stream some of whose bytes were read already: they are replayed first, then it reads on. For what a
// sniffer looked at, and for what a connection had read ahead when it was hijacked.

#include <memory>
#include <span>
#include <string>

#include "transport/io/byte_stream.h"

namespace culvert::io {

class PrefixedStream final : public ByteStream {
 public:
  // Copies `prefix`, into memory of exactly that size; it is freed as soon as the last of it was read.
  PrefixedStream(std::span<const uint8_t> prefix, std::unique_ptr<ByteStream> stream);
  ~PrefixedStream() override;

  // A PrefixedStream, or `stream` itself when there is nothing to replay.
  static std::unique_ptr<ByteStream> Make(std::span<const uint8_t> prefix,
                                          std::unique_ptr<ByteStream> stream);

  IoResult TryRead(std::span<uint8_t> into) override;
  IoResult TryWrite(std::span<const iovec> pieces) override { return stream_->TryWrite(pieces); }
  void AsyncWait(Direction direction, WaitHandler handler) override;
  void CancelWaits() override;
  void ShutdownWrite() override { stream_->ShutdownWrite(); }
  void Close() override;
  EventLoop& loop() override { return stream_->loop(); }
  std::string peer() const override { return stream_->peer(); }
  std::shared_ptr<const PeerCertificate> peer_certificate() const override { return stream_->peer_certificate(); }

  // Bytes not yet replayed. 0: nothing is held.
  size_t prefix_left() const { return size_ - begin_; }

 private:
  struct Wait;

  void CancelOwnWait();

  std::unique_ptr<ByteStream> stream_;
  std::unique_ptr<uint8_t[]> prefix_;
  size_t begin_ = 0;
  size_t size_ = 0;
  std::weak_ptr<Wait> wait_;  // of a read that the prefix will satisfy
};

}  // namespace culvert::io

#endif  // CULVERT_TRANSPORT_IO_PREFIXED_STREAM_H_
