#ifndef CULVERT_BENCH_COUNTERS_SYSCALL_COUNTER_H_
#define CULVERT_BENCH_COUNTERS_SYSCALL_COUNTER_H_

// How often the calling thread has asked the kernel for something that a connection or a loop needs: recv, sendmsg, read, write, epoll_wait,
// epoll_ctl and timerfd_settime. Linking this in replaces the C library's wrappers of them in the program.

#include <cstdint>

namespace culvert::bench {

struct Syscalls {
  uint64_t calls = 0;
  uint64_t bytes_sent = 0;  // by sendmsg
};

// Since the thread began.
Syscalls SyscallsOfThisThread();

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_COUNTERS_SYSCALL_COUNTER_H_
