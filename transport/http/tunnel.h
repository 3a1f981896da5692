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
//
// As with asio's sockets, an operation may be cancelled by itself (the other direction goes on), completes on the executor its handler is
// bound to, and survives the tunnel: closed, destroyed or assigned to, it completes with operation_aborted.

#include <array>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <memory>
#include <optional>
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
  // asio::ssl::stream and others ask for it.
  using lowest_layer_type = Tunnel;

  // What the connection left to be written goes out now, as far as the socket takes it, and the rest before the first write.
  explicit Tunnel(Hijacked hijacked) : state_(std::make_shared<State>(std::move(hijacked.stream), std::move(hijacked.write_buffer))) {}
  // Any other stream, an outgoing socket for example.
  explicit Tunnel(std::unique_ptr<io::ByteStream> stream) : state_(std::make_shared<State>(std::move(stream), nullptr)) {}
  Tunnel(Tunnel&& other) noexcept = default;
  Tunnel& operator=(Tunnel&& other) noexcept {
    const Tunnel replaced(std::exchange(state_, std::move(other.state_)));
    return *this;
  }
  ~Tunnel() {
    if (state_ != nullptr) state_->Close();
  }

  executor_type get_executor() const noexcept { return state_->stream->loop().executor(); }
  lowest_layer_type& lowest_layer() { return *this; }

  // void(std::error_code, size_t); asio::error::eof when the peer has ended its side.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return Start<io::Direction::kRead>(First<asio::mutable_buffer>(buffers), std::forward<Token>(token));
  }

  // void(std::error_code, size_t). Of nothing: completes when what the connection left to be written is out.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return Start<io::Direction::kWrite>(First<asio::const_buffer>(buffers), std::forward<Token>(token));
  }

  // Ends our side once what was written is out. While unwritten_bytes() is not 0 that would be too early.
  void shutdown_write() { state_->stream->ShutdownWrite(); }
  // Ends both; what is under way completes with operation_aborted.
  void close() { state_->Close(); }

  // Bytes of the connection that the socket has not taken yet.
  size_t unwritten_bytes() const { return state_->unwritten == nullptr ? 0 : state_->unwritten->size(); }
  io::ByteStream& stream() { return *state_->stream; }

 private:
  struct State;
  struct Result {
    std::error_code error;
    size_t bytes = 0;
  };

  explicit Tunnel(std::shared_ptr<State> state) : state_(std::move(state)) {}

  // Shared with the operations under way.
  struct State {
    State(std::unique_ptr<io::ByteStream> s, std::unique_ptr<io::WriteBuffer> u) : stream(std::move(s)), unwritten(std::move(u)) { Flush(); }

    void Close() {
      closed = true;
      unwritten.reset();
      stream->Close();
    }

    void Cancel(io::Direction direction) {
      Cancelled(direction) = true;
      stream->CancelWaits();  // both: the other one sees that it was not meant
    }
    bool& Cancelled(io::Direction direction) { return direction == io::Direction::kRead ? read_cancelled : write_cancelled; }

    // The result, or nothing while there is none.
    std::optional<Result> Try(asio::mutable_buffer into) {
      if (into.size() == 0) return Result();
      return Settle(stream->TryRead({static_cast<uint8_t*>(into.data()), into.size()}));
    }
    std::optional<Result> Try(asio::const_buffer from) {
      const std::optional<Result> flushed = Flush();
      if (!flushed || flushed->error || from.size() == 0) return flushed;
      const iovec piece{const_cast<void*>(from.data()), from.size()};
      return Settle(stream->TryWrite({&piece, 1}));
    }

    // Done with no bytes of ours, failed, or nothing while the socket takes no more.
    std::optional<Result> Flush() {
      while (unwritten != nullptr && !unwritten->empty()) {
        std::array<iovec, 16> pieces;
        const std::optional<Result> result = Settle(stream->TryWrite({pieces.data(), unwritten->Gather(pieces)}));
        if (!result || result->error) return result;
        unwritten->Consume(result->bytes);
      }
      unwritten.reset();
      return Result();
    }

    static std::optional<Result> Settle(const io::IoResult& result) {
      switch (result.kind) {
        case io::IoResult::Kind::kBytes:
          return Result{{}, result.bytes};
        case io::IoResult::Kind::kEnd:
          return Result{asio::error::eof, 0};
        case io::IoResult::Kind::kError:
          return Result{result.error, 0};
        case io::IoResult::Kind::kWouldBlock:
          return std::nullopt;
      }
      __builtin_unreachable();
    }

    std::unique_ptr<io::ByteStream> stream;
    std::unique_ptr<io::WriteBuffer> unwritten;  // goes out first
    bool closed = false;
    bool read_cancelled = false;
    bool write_cancelled = false;
  };

  template <io::Direction direction, class Buffer, class Handler>
  class Operation {
   public:
    Operation(std::shared_ptr<State> state, Buffer buffer, Handler handler)
        : state_(std::move(state)),
          buffer_(buffer),
          work_(asio::get_associated_executor(handler, state_->stream->loop().executor())),
          handler_(std::move(handler)) {}

    // Never completes before it returns.
    void Start() {
      state_->Cancelled(direction) = false;
      const std::optional<Result> result = Try();
      if (!result) return Wait();
      asio::post(work_.get_executor(), [work = work_, handler = std::move(handler_), result = *result]() mutable {
        std::move(handler)(result.error, result.bytes);
      });
    }

    // The wait is over: there is something to do, or it was cancelled, or only the other direction's was.
    void operator()(std::error_code) {
      asio::get_associated_cancellation_slot(handler_).clear();
      const std::optional<Result> result = Try();
      if (!result) return Wait();
      asio::dispatch(work_.get_executor(),
                     [handler = std::move(handler_), result = *result]() mutable { std::move(handler)(result.error, result.bytes); });
    }

   private:
    // Cancelled, it moves no bytes: nobody may be there to take them.
    std::optional<Result> Try() {
      if (state_->closed || state_->Cancelled(direction)) return Result{asio::error::operation_aborted, 0};
      return state_->Try(buffer_);
    }

    void Wait() {
      auto slot = asio::get_associated_cancellation_slot(handler_);
      if (slot.is_connected()) {
        slot.assign([state = std::weak_ptr<State>(state_)](asio::cancellation_type_t) {
          if (const std::shared_ptr<State> alive = state.lock()) alive->Cancel(direction);
        });
      }
      io::ByteStream& stream = *state_->stream;
      stream.AsyncWait(direction, std::move(*this));
    }

    std::shared_ptr<State> state_;
    Buffer buffer_;
    asio::executor_work_guard<asio::associated_executor_t<Handler, executor_type>> work_;
    Handler handler_;
  };

  template <io::Direction direction, class Buffer, class Token>
  auto Start(Buffer buffer, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, size_t)>(
        [](auto handler, std::shared_ptr<State> state, Buffer buffer) {
          Operation<direction, Buffer, decltype(handler)>(std::move(state), buffer, std::move(handler)).Start();
        },
        token, state_, buffer);
  }

  // asio's composed operations take what is left over in another turn.
  template <class Buffer, class Buffers>
  static Buffer First(const Buffers& buffers) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      if (Buffer(*it).size() != 0) return *it;
    }
    return {};
  }

  std::shared_ptr<State> state_;
};

}  // namespace culvert::http

#endif  // CULVERT_TRANSPORT_HTTP_TUNNEL_H_
