#include "transport/io/socket_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <utility>

#include "transport/io/address.h"

namespace culvert::io {

namespace {

// A peer that vanished without a word is noticed after two minutes, even while nobody has anything to send.
constexpr int kKeepaliveIdle = 60;      // seconds
constexpr int kKeepaliveInterval = 10;  // seconds
constexpr int kKeepaliveProbes = 6;

class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(EventLoop& loop) : loop_(loop), socket_(loop.executor()) {}

  // False when the loop cannot watch `fd`, which stays the caller's.
  bool Adopt(int fd) {
    std::error_code error;
    socket_.assign(fd, error);  // the constructor that takes it would throw
    return !error;
  }

  IoResult TryRead(std::span<uint8_t> into) override {
    for (;;) {
      const ssize_t n = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
      if (n > 0) return IoResult::Bytes(static_cast<size_t>(n));
      if (n == 0) return IoResult::End();
      if (errno == EINTR) continue;
      return Failed();
    }
  }

  IoResult TryWrite(std::span<const iovec> pieces) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    for (;;) {
      const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
      if (n >= 0) return IoResult::Bytes(static_cast<size_t>(n));
      if (errno == EINTR) continue;
      return Failed();
    }
  }

  void AsyncWait(Direction direction, WaitHandler handler) override {
    socket_.async_wait(direction == Direction::kRead ? Socket::wait_read : Socket::wait_write, std::move(handler));
  }

  void CancelWaits() override {
    std::error_code ignored;
    socket_.cancel(ignored);
  }

  void ShutdownWrite() override {
    if (socket_.is_open()) ::shutdown(socket_.native_handle(), SHUT_WR);
  }

  void Close() override {
    std::error_code ignored;
    socket_.close(ignored);
  }

  EventLoop& loop() override { return loop_; }

  std::string peer() const override {
    SocketAddress address;
    address.size = sizeof(address.storage);
    auto& socket = const_cast<Socket&>(socket_);
    if (::getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) return "unknown";
    return PeerName(address);
  }

 private:
  using Socket = asio::posix::basic_stream_descriptor<EventLoop::Executor>;

  static IoResult Failed() {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return IoResult::WouldBlock();
    return IoResult::Error(std::error_code(errno, std::generic_category()));
  }

  EventLoop& loop_;
  Socket socket_;
};

}  // namespace

std::unique_ptr<ByteStream> AdoptSocket(EventLoop& loop, int fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  // TCP's options are refused on a Unix socket, which needs none.
  const auto set = [fd](int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof(value)); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdle);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveInterval);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
  auto stream = std::make_unique<SocketStream>(loop);
  if (stream->Adopt(fd)) return stream;
  ::close(fd);
  return nullptr;
}

}  // namespace culvert::io
