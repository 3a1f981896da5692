// What a call and a streamed message cost, in allocations, system calls and bytes, as one JSON object a line. tools/counters makes a table of them,
// and adds instructions.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "bench/counters/costs.h"

namespace {

using culvert::bench::Cost;
using culvert::bench::Costs;
using culvert::bench::Kind;

struct Named {
  std::string_view name;
  Kind kind;
  int connections;
  int streams;
  int operations;
};

// A server that streams runs ahead of its client by a window, 75,000 messages: of so many more that it does not matter.
constexpr Named kAll[] = {
    {"unary", Kind::kUnary, 1, 1, 20000},
    {"unary_1x100", Kind::kUnary, 1, 100, 20000},
    {"unary_64x100", Kind::kUnary, 64, 100, 20000},
    {"unary_coroutine", Kind::kUnaryCoroutine, 1, 100, 20000},
    {"pingpong", Kind::kPingPong, 1, 100, 20000},
    {"server_stream", Kind::kServerStream, 1, 1, 1000000},
};

void Print(const char* side, const Cost& cost, const char* end) {
  std::printf("\"%s\": {\"allocations\": %.4f, \"syscalls\": %.4f, \"bytes_sent\": %.2f}%s", side, cost.allocations, cost.syscalls,
              cost.bytes_sent, end);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  const int operations = argc > 2 ? std::atoi(argv[2]) : 0;
  if (argc > 3 || (argc > 2 && operations <= 0)) {
    std::fprintf(stderr, "counters: [NAME [OPERATIONS]]\n");
    return 2;
  }
  bool found = false;
  for (const Named& measured : kAll) {
    if (!only.empty() && only != measured.name) continue;
    found = true;
    const Costs costs = Measure(measured.kind, measured.connections, measured.streams, operations > 0 ? operations : measured.operations);
    std::printf("{\"name\": \"%.*s\", ", static_cast<int>(measured.name.size()), measured.name.data());
    Print("client", costs.client, ", ");
    Print("server", costs.server, "}\n");
    std::fflush(stdout);
  }
  if (found) return 0;
  std::fprintf(stderr, "counters: there is no '%s'\n", argv[1]);
  return 2;
}
