#include "bench/counters/syscall_counter.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace {

constinit thread_local culvert::bench::Syscalls counted{};

template <class... Args>
long Count(long number, Args... args) {
  ++counted.calls;
  return ::syscall(number, args...);
}

}  // namespace

namespace culvert::bench {

Syscalls SyscallsOfThisThread() { return counted; }

}  // namespace culvert::bench

extern "C" {

ssize_t recv(int fd, void* bytes, size_t n, int flags) { return Count(SYS_recvfrom, fd, bytes, n, flags, nullptr, nullptr); }
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  const ssize_t sent = Count(SYS_sendmsg, fd, message, flags);
  if (sent > 0) counted.bytes_sent += static_cast<uint64_t>(sent);
  return sent;
}
ssize_t read(int fd, void* bytes, size_t n) { return Count(SYS_read, fd, bytes, n); }
ssize_t write(int fd, const void* bytes, size_t n) { return Count(SYS_write, fd, bytes, n); }
int epoll_wait(int fd, epoll_event* events, int count, int timeout) {
  return static_cast<int>(Count(SYS_epoll_pwait, fd, events, count, timeout, nullptr, 8));
}
int epoll_ctl(int fd, int operation, int other, epoll_event* event) noexcept {
  return static_cast<int>(Count(SYS_epoll_ctl, fd, operation, other, event));
}
int timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old) noexcept {
  return static_cast<int>(Count(SYS_timerfd_settime, fd, flags, value, old));
}

}  // extern "C"
