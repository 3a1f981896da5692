#ifndef CULVERT_BENCH_CPU_TIME_H_
#define CULVERT_BENCH_CPU_TIME_H_

// What a process has used so far, in seconds of CPU and bytes of memory. Linux.

#include <cstdint>
#include <optional>

namespace culvert::bench {

struct CpuTime {
  double user_seconds = 0;
  double system_seconds = 0;

  double total() const { return user_seconds + system_seconds; }
  friend CpuTime operator-(const CpuTime& a, const CpuTime& b) {
    return {a.user_seconds - b.user_seconds, a.system_seconds - b.system_seconds};
  }
};

// This process, all threads, those that have ended included.
CpuTime OwnCpuTime();
// Another process, in steps of 10 ms; nullopt when there is none.
std::optional<CpuTime> CpuTimeOf(int pid);
// The most memory that this process ever had resident.
int64_t OwnMaxResidentKib();

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_CPU_TIME_H_
