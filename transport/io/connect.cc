#include "transport/io/connect.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transport/base/strings.h"
#include "transport/io/socket_stream.h"

namespace culvert::io {

namespace {

absl::Status Failed(std::string_view what, const SocketAddress& address, int error) {
  return absl::UnavailableError(StrCat(what, " ", FormatAddress(address), ": ", std::strerror(error)));
}

// Whether the path is a socket that nobody listens on any more. (Connecting to a plain file is refused just the same.)
bool IsStale(const SocketAddress& address) {
  struct stat file {};
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  if (::lstat(un->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool stale = ::connect(fd, address.get(), address.size) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return stale;
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<ByteStream>>> ConnectSocket(EventLoop& loop, SocketAddress address, Timer::Clock::time_point deadline) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) co_return Failed("cannot make a socket for", address, errno);
  using Descriptor = asio::posix::basic_stream_descriptor<EventLoop::Executor>;
  Descriptor socket(loop.executor());
  std::error_code unwatched;
  socket.assign(fd, unwatched);  // the constructor that takes it would throw
  if (unwatched) {
    ::close(fd);
    co_return Failed("cannot watch a socket for", address, unwatched.value());
  }
  if (::connect(fd, address.get(), address.size) != 0) {
    if (errno != EINPROGRESS) co_return Failed("cannot connect to", address, errno);
    std::pair<Descriptor*, bool> waiting{&socket, false};
    Timer timer(
        loop.timers(),
        [](void* self) {
          auto& [descriptor, timed_out] = *static_cast<std::pair<Descriptor*, bool>*>(self);
          timed_out = true;
          std::error_code ignored;
          descriptor->cancel(ignored);
        },
        &waiting);
    timer.Start(deadline);
    auto [error] = co_await socket.async_wait(Descriptor::wait_write, kTuple);
    if (waiting.second) co_return Failed("cannot connect to", address, ETIMEDOUT);
    if (error) co_return absl::CancelledError(StrCat("connecting to ", FormatAddress(address), " was cancelled"));
    int result = 0;
    socklen_t size = sizeof(result);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size);
    if (result != 0) co_return Failed("cannot connect to", address, result);
  }
  std::unique_ptr<ByteStream> stream = AdoptSocket(loop, socket.release());
  if (stream == nullptr) co_return Failed("cannot watch a socket for", address, ENOMEM);
  co_return stream;
}

absl::StatusOr<Listener> Listen(const SocketAddress& address, int backlog) {
  Listener listener;
  listener.fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener.fd < 0) return Failed("cannot make a socket for", address, errno);
  const int on = 1;
  if (address.family() != AF_UNIX) ::setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  int bound = ::bind(listener.fd, address.get(), address.size);
  if (bound != 0 && errno == EADDRINUSE && address.family() == AF_UNIX && un->sun_path[0] != '\0' && IsStale(address)) {
    ::unlink(un->sun_path);
    bound = ::bind(listener.fd, address.get(), address.size);
  }
  if (bound != 0 || ::listen(listener.fd, backlog) != 0) {
    const int error = errno;
    ::close(listener.fd);
    return Failed("cannot listen on", address, error);
  }
  listener.address.size = sizeof(listener.address.storage);
  ::getsockname(listener.fd, reinterpret_cast<sockaddr*>(&listener.address.storage), &listener.address.size);
  return listener;
}

}  // namespace culvert::io
