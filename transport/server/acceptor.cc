#include "transport/server/acceptor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/strings.h"

namespace culvert::server {

namespace {
constexpr std::chrono::milliseconds kPause{50};
constexpr int kAcceptsPerTurn = 64;
}  // namespace

Acceptor::Acceptor(EventLoop& loop, const io::Listener& listener, std::function<bool()> may_accept, std::function<void()> give_up,
                   std::function<void(int fd)> accepted)
    : loop_(loop),
      socket_(loop.executor(), listener.fd),
      address_(listener.address),
      may_accept_(std::move(may_accept)),
      give_up_(std::move(give_up)),
      accepted_(std::move(accepted)) {}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Stop() {
  if (stopped_) return;
  stopped_ = true;
  // The path before the socket: once nobody listens on it, a new server may make it its own.
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address_.storage);
  if (address_.family() == AF_UNIX && un->sun_path[0] != '\0') ::unlink(un->sun_path);
  std::error_code ignored;
  socket_.close(ignored);
}

Task<void> Acceptor::Run(std::shared_ptr<Acceptor> self) {
  bool warned = false;
  std::string_view pausing;  // for which limit, counted once each time
  while (!self->stopped_) {
    std::string_view pause;
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      if (!self->may_accept_()) {
        pause = "max_connections";
        break;
      }
      const int fd = ::accept4(self->socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        self->accepted_(fd);
        continue;
      }
      const int error = errno;
      self->give_up_();
      const bool exhausted = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
      if (exhausted) pause = "no_file_descriptors";
      if (exhausted && !warned) {
        base::LogLine(StrCat("accepting on ", io::FormatAddress(self->address_), " pauses: ", std::strerror(error)));
        warned = true;
      }
      break;
    }
    if (!pause.empty() && pause != pausing) base::CountLimit(pause);
    pausing = pause;
    if (!pause.empty()) {
      asio::basic_waitable_timer<io::Timer::Clock, asio::wait_traits<io::Timer::Clock>, EventLoop::Executor> timer(self->loop_.executor(), kPause);
      auto [error] = co_await timer.async_wait(kTuple);
      if (error) co_return;
      continue;
    }
    auto [error] = co_await self->socket_.async_wait(Descriptor::wait_read, kTuple);
    if (error) co_return;
  }
}

}  // namespace culvert::server
