#include "tests/support/delayed_link/delayed_link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include "transport/base/check.h"

namespace culvert::testing_support {

namespace {

using Clock = std::chrono::steady_clock;

// Read and passed on at a time: small beside what fits into the line, so that its rate is even.
constexpr size_t kMostPerChunk = 16 * 1024;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) { CULVERT_CHECK(fd >= 0, "the system gives a socket"); }
  Socket(const Socket&) = delete;
  ~Socket() { ::close(fd_); }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t PortOf(std::string_view address) {
  uint16_t port = 0;
  std::from_chars(address.data() + address.rfind(':') + 1, address.data() + address.size(), port);
  CULVERT_CHECK(port != 0, "an address ends with its port");
  return port;
}

// Small messages are not to wait for the acknowledgement of earlier ones: the line is the only delay.
void SetNoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int ConnectTo(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = LoopbackAddress(port);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    ::close(fd);
    return -1;
  }
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// One way of the link.
struct Line {
  // When bytes that are given to it now have come out at the other end.
  Clock::time_point Carry(size_t bytes, Clock::time_point now, const DelayedLinkOptions& options) {
    free_at = std::max(free_at, now) + std::chrono::nanoseconds(bytes * 1'000'000'000 / options.bytes_per_second);
    return free_at + options.delay;
  }

  Clock::time_point free_at;
};

// The bytes of one connection that are on their way, one way.
class Flow {
 public:
  Flow(int from, int to, Line& line) : from_(from), to_(to), line_(line) {}

  bool over() const { return over_; }
  bool broken() const { return broken_; }
  bool wants_to_read(size_t most) const { return !ended_ && held_ < most; }
  bool wants_to_write(Clock::time_point now) const { return !over_ && !chunks_.empty() && chunks_.front().due <= now; }
  Clock::time_point due() const { return chunks_.empty() ? Clock::time_point::max() : chunks_.front().due; }
  int from() const { return from_; }
  int to() const { return to_; }

  // The end of what comes is a chunk of no bytes, and as long on its way.
  void Read(const DelayedLinkOptions& options) {
    std::string bytes(kMostPerChunk, '\0');
    const ssize_t n = ::recv(from_, bytes.data(), bytes.size(), 0);
    if (n < 0) {
      broken_ = errno != EAGAIN && errno != EINTR;
      return;
    }
    ended_ = n == 0;
    bytes.resize(static_cast<size_t>(n));
    held_ += bytes.size();
    const Clock::time_point due = line_.Carry(bytes.size(), Clock::now(), options);
    chunks_.push_back({std::move(bytes), due});
  }

  void Write(Clock::time_point now) {
    while (wants_to_write(now)) {
      Chunk& chunk = chunks_.front();
      if (chunk.bytes.empty()) {
        ::shutdown(to_, SHUT_WR);
        over_ = true;
        return;
      }
      const ssize_t n = ::send(to_, chunk.bytes.data() + chunk.written, chunk.bytes.size() - chunk.written, MSG_NOSIGNAL);
      if (n < 0) {
        broken_ = errno != EAGAIN && errno != EINTR;
        return;
      }
      chunk.written += static_cast<size_t>(n);
      if (chunk.written < chunk.bytes.size()) return;
      held_ -= chunk.bytes.size();
      chunks_.pop_front();
    }
  }

 private:
  struct Chunk {
    std::string bytes;
    Clock::time_point due;
    size_t written = 0;
  };

  const int from_;
  const int to_;
  Line& line_;
  std::deque<Chunk> chunks_;
  size_t held_ = 0;
  bool ended_ = false;   // nothing more comes
  bool over_ = false;    // and that has been passed on
  bool broken_ = false;  // the connection, either end of it
};

struct Connection {
  Connection(int near_fd, int far_fd, Line& up, Line& down)
      : near(near_fd), far(far_fd), flows{{near_fd, far_fd, up}, {far_fd, near_fd, down}} {}
  bool over() const { return (flows[0].over() && flows[1].over()) || flows[0].broken() || flows[1].broken(); }

  Socket near;
  Socket far;
  Flow flows[2];
};

}  // namespace

class DelayedLink::Relay {
 public:
  Relay(uint16_t to, DelayedLinkOptions options)
      : to_(to),
        options_(options),
        most_held_(kMostPerChunk + 2 * options.bytes_per_second * static_cast<size_t>(options.delay.count()) / 1000),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
        stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    const sockaddr_in any_port = LoopbackAddress(0);
    CULVERT_CHECK(::bind(listener_.fd(), reinterpret_cast<const sockaddr*>(&any_port), sizeof(any_port)) == 0, "a port is free");
    CULVERT_CHECK(::listen(listener_.fd(), 16) == 0, "a bound socket listens");
  }

  std::string Address() const {
    sockaddr_in at{};
    socklen_t size = sizeof(at);
    ::getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&at), &size);
    return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  }

  // From any thread.
  void Stop() { ::eventfd_write(stop_.fd(), 1); }

  void Run() {
    for (;;) {
      std::vector<pollfd> waits = {{stop_.fd(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
      Clock::time_point wake = Clock::time_point::max();
      const Clock::time_point before = Clock::now();
      ForEachFlow([&](Flow& flow) {
        // What nobody waits for is not there for poll: it would tell of an end again and again.
        waits.push_back({flow.wants_to_read(most_held_) ? flow.from() : -1, POLLIN, 0});
        const bool full = flow.wants_to_write(before);  // or else it had been written
        waits.push_back({full ? flow.to() : -1, POLLOUT, 0});
        if (!full) wake = std::min(wake, flow.due());
      });
      if (!Poll(waits, wake)) return;

      size_t at = 2;
      const Clock::time_point now = Clock::now();
      ForEachFlow([&](Flow& flow) {
        if (waits[at].revents != 0) flow.Read(options_);
        flow.Write(now);
        at += 2;
      });
      connections_.remove_if([](const Connection& connection) { return connection.over(); });
      if (waits[1].revents != 0) Accept();
    }
  }

 private:
  template <class F>
  void ForEachFlow(F f) {
    for (Connection& connection : connections_) {
      for (Flow& flow : connection.flows) f(flow);
    }
  }

  // Waits until `wake` at most; false when it is time to stop.
  static bool Poll(std::vector<pollfd>& waits, Clock::time_point wake) {
    timespec left{};
    if (wake != Clock::time_point::max()) {
      const auto ns = std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(wake - Clock::now())).count();
      left = {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    }
    const int ready = ::ppoll(waits.data(), waits.size(), wake == Clock::time_point::max() ? nullptr : &left, nullptr);
    CULVERT_CHECK(ready >= 0 || errno == EINTR, "poll is asked what it can answer");
    if (ready < 0) {
      for (pollfd& wait : waits) wait.revents = 0;
    }
    return waits[0].revents == 0;
  }

  void Accept() {
    const int near = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (near < 0) return;
    const int far = ConnectTo(to_);
    if (far < 0) {  // nobody listens there any more: so it looks from here
      ::close(near);
      return;
    }
    SetNoDelay(near);
    SetNoDelay(far);
    connections_.emplace_back(near, far, up_, down_);
  }

  const uint16_t to_;
  const DelayedLinkOptions options_;
  const size_t most_held_;  // of each flow
  Socket listener_;
  Socket stop_;
  Line up_, down_;
  std::list<Connection> connections_;
};

DelayedLink::DelayedLink(std::string_view to, DelayedLinkOptions options)
    : relay_(std::make_unique<Relay>(PortOf(to), options)), address_(relay_->Address()), thread_([this] { relay_->Run(); }) {}

DelayedLink::~DelayedLink() {
  relay_->Stop();
  thread_.join();
}

}  // namespace culvert::testing_support
