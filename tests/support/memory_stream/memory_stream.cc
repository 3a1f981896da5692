#include "tests/support/memory_stream/memory_stream.h"

#include <algorithm>
#include <asio/error.hpp>
#include <string>
#include <vector>

namespace culvert::testing_support {

namespace {

using io::Direction;
using io::IoResult;
using WaitHandler = io::ByteStream::WaitHandler;

// Someone waiting; at most one.
class Waiting {
 public:
  explicit Waiting(EventLoop& loop) : loop_(loop) {}
  void Set(WaitHandler handler) { handler_ = std::move(handler); }
  void End(std::error_code result) {
    if (!handler_) return;
    loop_.Post([handler = std::exchange(handler_, nullptr), result]() mutable { handler(result); });
  }

 private:
  EventLoop& loop_;
  WaitHandler handler_;
};

// One direction.
struct Pipe {
  Pipe(EventLoop& loop, MemoryStreamOptions options) : options(options), reader(loop), writer(loop) {}

  size_t size() const { return bytes.size() - begin; }
  bool readable() const { return size() > 0 || ended; }
  bool writable() const { return size() < options.capacity || reader_gone; }
  void Wake() {
    if (readable()) reader.End({});
    if (writable()) writer.End({});
  }

  const MemoryStreamOptions options;
  std::vector<uint8_t> bytes;
  size_t begin = 0;
  bool ended = false;  // the writer's side
  bool reader_gone = false;
  Waiting reader;
  Waiting writer;
};

class MemoryStream final : public io::ByteStream {
 public:
  MemoryStream(EventLoop& loop, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : loop_(loop), in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override { Close(); }

  IoResult TryRead(std::span<uint8_t> into) override {
    if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
    Pipe& pipe = *in_;
    if (pipe.size() == 0) return pipe.ended ? IoResult::End() : IoResult::WouldBlock();
    const size_t n = std::min({into.size(), pipe.size(), pipe.options.most_per_call});
    std::copy_n(pipe.bytes.begin() + static_cast<ptrdiff_t>(pipe.begin), n, into.begin());
    pipe.begin += n;
    if (pipe.size() == 0) {
      pipe.bytes.clear();
      pipe.begin = 0;
    }
    pipe.Wake();
    return IoResult::Bytes(n);
  }

  IoResult TryWrite(std::span<const iovec> pieces) override {
    Pipe& pipe = *out_;
    if (closed_) return IoResult::Error(std::make_error_code(std::errc::bad_file_descriptor));
    if (pipe.reader_gone || pipe.ended) return IoResult::Error(std::make_error_code(std::errc::broken_pipe));
    size_t room = std::min(pipe.options.capacity - pipe.size(), pipe.options.most_per_call);
    size_t written = 0;
    for (const iovec& piece : pieces) {
      const size_t n = std::min(room, piece.iov_len);
      const auto* data = static_cast<const uint8_t*>(piece.iov_base);
      pipe.bytes.insert(pipe.bytes.end(), data, data + n);
      room -= n;
      written += n;
    }
    if (written == 0) return IoResult::WouldBlock();
    pipe.Wake();
    return IoResult::Bytes(written);
  }

  void AsyncWait(Direction direction, WaitHandler handler) override {
    Pipe& pipe = direction == Direction::kRead ? *in_ : *out_;
    (direction == Direction::kRead ? pipe.reader : pipe.writer).Set(std::move(handler));
    pipe.Wake();
  }

  void CancelWaits() override {
    in_->reader.End(asio::error::operation_aborted);
    out_->writer.End(asio::error::operation_aborted);
  }

  void ShutdownWrite() override {
    out_->ended = true;
    out_->Wake();
  }

  void Close() override {
    if (closed_) return;
    closed_ = true;
    CancelWaits();
    in_->reader_gone = true;
    in_->Wake();
    ShutdownWrite();
  }

  EventLoop& loop() override { return loop_; }
  std::string peer() const override { return "memory"; }

 private:
  EventLoop& loop_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  bool closed_ = false;
};

}  // namespace

std::pair<std::unique_ptr<io::ByteStream>, std::unique_ptr<io::ByteStream>> MakeMemoryStreamPair(
    EventLoop& loop, MemoryStreamOptions options) {
  auto there = std::make_shared<Pipe>(loop, options);
  auto back = std::make_shared<Pipe>(loop, options);
  return {std::make_unique<MemoryStream>(loop, there, back),
          std::make_unique<MemoryStream>(loop, back, there)};
}

}  // namespace culvert::testing_support
