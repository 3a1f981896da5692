#ifndef CULVERT_BENCH_COUNTERS_COSTS_H_
#define CULVERT_BENCH_COUNTERS_COSTS_H_

// What calls and messages cost in numbers that do not depend on the machine's mood: heap allocations, system calls and bytes sent, of the
// server's loop and of the client's, with empty messages, in steady state.

#include <cstdint>

namespace culvert::bench {

enum class Kind {
  kUnary,            // operation: a call
  kUnaryCoroutine,   // the same, awaited, with a handler that is a coroutine
  kPingPong,         // a message there and one back on a stream that stays open
  kServerStream,     // a message from the server
};

struct Cost {
  double allocations = 0;
  double syscalls = 0;
  double bytes_sent = 0;
};

struct Costs {
  Cost client;
  Cost server;
};

// Runs `operations` to get warm and as many again that are counted, `streams` at a time on each of `connections`; returns the cost per operation.
Costs Measure(Kind kind, int connections, int streams, int operations);

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_COUNTERS_COSTS_H_
