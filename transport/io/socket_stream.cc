#include "transport/io/socket_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <utility>

#include "transport/io/address.h"

namespace culvert::io {

namespace {

class SocketStream final : public ByteStream {
 public:
  SocketStream(EventLoop& loop, int fd) : loop_(loop), socket_(loop.executor(), fd) {}

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
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // refused on a Unix socket, which needs none
  return std::make_unique<SocketStream>(loop, fd);
}

}  // namespace culvert::io
