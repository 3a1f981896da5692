#ifndef CULVERT_TRANSPORT_HTTP_TUNNEL_H_
#define CULVERT_TRANSPORT_HTTP_TUNNEL_H_

// A taken-over connection as asio's libraries like one: an AsyncReadStream and AsyncWriteStream.
//
//   CULVERT_CO_ASSIGN_OR_RETURN(http::Hijacked hijacked, response.Hijack());
//   http::Tunnel tunnel(std::move(hijacked));
//   auto [error, n] = co_await tunnel.async_read_some(asio::buffer(bytes), kTuple);
//
// Outlives the handler and the connection it came from. On its loop only; one read and one write at a time. While nothing is read or
// written it holds no buffer, but for bytes of the connection that are still to be read or written.

#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <memory>
#include <system_error>
#include <utility>

#include "transport/http/exchange.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/write_buffer.h"

namespace culvert::http {

class Tunnel {
 public:
  using executor_type = EventLoop::Executor;

  explicit Tunnel(Hijacked hijacked)
      : stream_(std::move(hijacked.stream)),
        unwritten_(hijacked.write_buffer != nullptr && !hijacked.write_buffer->empty() ? std::move(hijacked.write_buffer) : nullptr) {}
  // Any other stream, an outgoing socket for example.
  explicit Tunnel(std::unique_ptr<io::ByteStream> stream) : stream_(std::move(stream)) {}

  executor_type get_executor() { return stream_->loop().executor(); }

  // void(std::error_code, size_t); asio::error::eof when the peer has ended its side.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(std::error_code, size_t)>(ReadOp{*stream_, First<asio::mutable_buffer>(buffers)}, token,
                                                                    get_executor());
  }

  // void(std::error_code, size_t).
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(std::error_code, size_t)>(WriteOp{*stream_, First<asio::const_buffer>(buffers), unwritten_}, token,
                                                                    get_executor());
  }

  // Ends our side once what was written is out.
  void shutdown_write() { stream_->ShutdownWrite(); }
  // Ends both; what is under way completes with operation_aborted.
  void close() { stream_->Close(); }

  io::ByteStream& stream() { return *stream_; }

 private:
  template <class Buffer, class Buffers>
  static Buffer First(const Buffers& buffers) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      if (Buffer(*it).size() != 0) return *it;
    }
    return {};
  }

  struct ReadOp {
    io::ByteStream& stream;
    asio::mutable_buffer into;
    bool started = false;

    template <class Self>
    void operator()(Self& self, std::error_code error = {}) {
      // Never completes from within the initiating function.
      if (!std::exchange(started, true)) return asio::post(stream.loop().executor(), std::move(self));
      if (error) return self.complete(error, 0);
      if (into.size() == 0) return self.complete({}, 0);
      const io::IoResult result = stream.TryRead({static_cast<uint8_t*>(into.data()), into.size()});
      switch (result.kind) {
        case io::IoResult::Kind::kBytes:
          return self.complete({}, result.bytes);
        case io::IoResult::Kind::kEnd:
          return self.complete(asio::error::eof, 0);
        case io::IoResult::Kind::kError:
          return self.complete(result.error, 0);
        case io::IoResult::Kind::kWouldBlock:
          return stream.AsyncWait(io::Direction::kRead, std::move(self));
      }
    }
  };

  struct WriteOp {
    io::ByteStream& stream;
    asio::const_buffer from;
    std::unique_ptr<io::WriteBuffer>& unwritten;  // goes out first
    bool started = false;

    template <class Self>
    void operator()(Self& self, std::error_code error = {}) {
      if (!std::exchange(started, true)) return asio::post(stream.loop().executor(), std::move(self));
      if (error) return self.complete(error, 0);
      for (;;) {
        iovec pieces[16];
        size_t count = 0;
        if (unwritten != nullptr) {
          count = unwritten->Gather(pieces);
        } else if (from.size() != 0) {
          pieces[count++] = {const_cast<void*>(from.data()), from.size()};
        } else {
          return self.complete({}, 0);
        }
        const io::IoResult result = stream.TryWrite({pieces, count});
        switch (result.kind) {
          case io::IoResult::Kind::kBytes:
            if (unwritten == nullptr) return self.complete({}, result.bytes);
            unwritten->Consume(result.bytes);
            if (unwritten->empty()) unwritten.reset();
            continue;
          case io::IoResult::Kind::kEnd:
          case io::IoResult::Kind::kError:
            return self.complete(result.error, 0);
          case io::IoResult::Kind::kWouldBlock:
            return stream.AsyncWait(io::Direction::kWrite, std::move(self));
        }
      }
    }
  };

  std::unique_ptr<io::ByteStream> stream_;
  std::unique_ptr<io::WriteBuffer> unwritten_;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_TUNNEL_H_
