#include "bench/measure.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/cpu_time.h"
#include "bench/fairness.h"
#include "bench/histogram.h"

namespace culvert::bench {

namespace {

using Clock = Meter::Clock;

struct Counts {
  uint64_t operations = 0;
  uint64_t bulk_operations = 0;
  uint64_t errors = 0;  // of both
};

Counts Count(const Run& run) {
  Counts counts;
  for (const auto& meter : run.meters) {
    counts.operations += meter->operations();
    counts.errors += meter->errors();
  }
  for (const auto& meter : run.bulk_meters) {
    counts.bulk_operations += meter->operations();
    counts.errors += meter->errors();
  }
  return counts;
}

double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// One edge of the measured window.
struct Edge {
  Clock::time_point time;
  Counts counts;
  CpuTime cpu;
  std::optional<CpuTime> server_cpu;

  static Edge Now(const Run& run, const Workload& work) {
    Edge edge;
    if (work.server_pid != 0) edge.server_cpu = CpuTimeOf(work.server_pid);
    edge.cpu = OwnCpuTime();
    edge.counts = Count(run);
    edge.time = Clock::now();
    return edge;
  }
};

// Sleeps until `end`, and says once a second how it goes.
void Watch(const Run& run, const char* phase, Clock::time_point end) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point last = begin;
  Counts before = Count(run);
  while (last < end) {
    std::this_thread::sleep_until(std::min(end, last + std::chrono::seconds(1)));
    const Clock::time_point now = Clock::now();
    const Counts counts = Count(run);
    const double rate = static_cast<double>(counts.operations - before.operations) / Seconds(now - last);
    absl::FPrintF(stderr, "%-8s %5.1f of %.1f s  %10.0f /s  %d errors\n", phase, Seconds(now - begin),
                  Seconds(end - begin), rate, counts.errors);
    last = now;
    before = counts;
  }
}

struct Result {
  double seconds = 0;
  uint64_t operations = 0;
  uint64_t errors = 0;  // of the whole run
  double rate = 0;
  double client_us_per_op = 0;
  std::optional<double> server_us_per_op;
  double bulk_rate = 0;
  Histogram latencies;
  Spread streams;      // of the operations of each slot
  Spread connections;  // of those of each connection

  double percentile_us(double percent) const { return static_cast<double>(latencies.Percentile(percent)) / 1e3; }
};

double MicrosecondsPer(uint64_t operations, const CpuTime& used) {
  return operations == 0 ? 0 : used.total() * 1e6 / static_cast<double>(operations);
}

Result Evaluate(const Run& run, const Edge& begin, const Edge& end) {
  Result result;
  result.seconds = Seconds(end.time - begin.time);
  result.operations = end.counts.operations - begin.counts.operations;
  result.errors = end.counts.errors;
  result.rate = static_cast<double>(result.operations) / result.seconds;
  result.client_us_per_op = MicrosecondsPer(result.operations, end.cpu - begin.cpu);
  if (begin.server_cpu && end.server_cpu) {
    result.server_us_per_op = MicrosecondsPer(result.operations, *end.server_cpu - *begin.server_cpu);
  }
  result.bulk_rate = static_cast<double>(end.counts.bulk_operations - begin.counts.bulk_operations) / result.seconds;
  for (const auto& meter : run.meters) result.latencies.Merge(meter->latencies());
  return result;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Whose shares, and how even they were.
std::array<std::pair<const char*, Spread>, 2> Shares(const Result& result) {
  return {{{"stream", result.streams}, {"connection", result.connections}}};
}

double BulkMibPerSecond(const Workload& work, const Result& result) { return result.bulk_rate * work.bulk_bytes / (1 << 20); }

void PrintJson(const Workload& work, absl::string_view name, const Result& result) {
  std::string more;
  if (result.server_us_per_op) absl::StrAppendFormat(&more, ", \"server_us_per_op\": %.3f", *result.server_us_per_op);
  for (const auto& [who, spread] : Shares(result)) {
    absl::StrAppendFormat(&more, ", \"%s_ops_min\": %d, \"%s_ops_max\": %d, \"%s_jain\": %.5f", who, spread.min, who, spread.max, who,
                          spread.jain);
  }
  if (work.bulk_streams > 0) {
    absl::StrAppendFormat(&more, ", \"bulk_streams\": %d, \"bulk_call\": \"%s\", \"bulk_bytes\": %d", work.bulk_streams, Name(work.bulk_call),
                          work.bulk_bytes);
    absl::StrAppendFormat(&more, ", \"bulk_rate\": %.1f, \"bulk_mib_per_s\": %.2f", result.bulk_rate, BulkMibPerSecond(work, result));
  }
  absl::PrintF(
      "{\"client\": %s, \"call\": \"%s\", \"target\": %s, \"tls\": %s, \"connections\": %d, \"streams\": %d, \"threads\": %d, "
      "\"request_bytes\": %d, \"response_bytes\": %d, \"warmup_s\": %.3f, \"duration_s\": %.3f, \"operations\": %d, "
      "\"rate\": %.1f, \"errors\": %d, \"mean_us\": %.3f, \"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, "
      "\"p999_us\": %.3f, \"max_us\": %.3f, \"client_us_per_op\": %.3f%s}\n",
      JsonString(name), Name(work.call), JsonString(work.target), work.tls_roots.empty() ? "false" : "true", work.connections, work.streams, work.threads,
      work.request_bytes, work.response_bytes, absl::ToDoubleSeconds(work.warmup), result.seconds, result.operations,
      result.rate, result.errors, result.latencies.mean() / 1e3, result.percentile_us(50), result.percentile_us(90),
      result.percentile_us(99), result.percentile_us(99.9), result.percentile_us(100), result.client_us_per_op, more);
}

void PrintTable(const Workload& work, absl::string_view name, const Result& result) {
  const char* const unit = work.call == CallKind::kUnary      ? "calls"
                           : work.call == CallKind::kPingPong ? "round trips"
                                                              : "messages";
  absl::PrintF("%s, %s: %d connections x %d, %d threads, %d B requests, %d B responses, %.2f s\n", name,
               Name(work.call), work.connections, work.streams, work.threads, work.request_bytes, work.response_bytes,
               result.seconds);
  absl::PrintF("  rate      %.0f %s/s\n", result.rate, unit);
  absl::PrintF("  latency   p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f us\n", result.percentile_us(50),
               result.percentile_us(90), result.percentile_us(99), result.percentile_us(99.9),
               result.percentile_us(100));
  absl::PrintF("  CPU       %.2f us of the client per operation", result.client_us_per_op);
  if (result.server_us_per_op) absl::PrintF(", %.2f us of the server", *result.server_us_per_op);
  absl::PrintF("\n");
  for (const auto& [who, spread] : Shares(result)) {
    absl::PrintF("  shares    of a %s %d to %d, Jain's index %.4f\n", who, spread.min, spread.max, spread.jain);
  }
  if (work.bulk_streams > 0) {
    absl::PrintF("  bulk      %d streams beside on each connection, %s of %d B: %.0f messages/s, %.1f MiB/s\n", work.bulk_streams,
                 Name(work.bulk_call), work.bulk_bytes, result.bulk_rate, BulkMibPerSecond(work, result));
  }
  absl::PrintF("  errors    %d\n", result.errors);
}

}  // namespace

int LoadMain(int argc, char** argv, GeneratorMaker make) {
  absl::SetProgramUsageMessage(
      "Calls a grpc.testing.BenchmarkService and measures it.\n"
      "  load --target=127.0.0.1:50051 --connections=64 --streams=100 --call=unary --duration=5s");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() > 1) {
    absl::FPrintF(stderr, "load: unexpected argument '%s'\n", arguments[1]);
    return 2;
  }
  const absl::StatusOr<Workload> work = WorkloadFromFlags();
  if (!work.ok()) {
    absl::FPrintF(stderr, "load: %s\n", work.status().message());
    return 2;
  }
  absl::StatusOr<std::unique_ptr<Generator>> made = make(*work);
  if (!made.ok()) {
    absl::FPrintF(stderr, "load: %s\n", made.status().message());
    return 2;
  }
  Generator& generator = **made;
  if (const absl::Status reached = generator.Reach(absl::Seconds(10)); !reached.ok()) {
    absl::FPrintF(stderr, "load: %s does not answer: %s\n", work->target, reached.ToString());
    return 1;
  }

  Run run;
  generator.Start(run);
  Watch(run, "warm-up", Clock::now() + absl::ToChronoNanoseconds(work->warmup));
  const Edge begin = Edge::Now(run, *work);
  run.phase = Phase::kMeasured;
  Watch(run, "measured", begin.time + absl::ToChronoNanoseconds(work->duration));
  const Edge end = Edge::Now(run, *work);
  run.phase = Phase::kOver;
  const bool stopped = generator.Stop();

  Result result = Evaluate(run, begin, end);
  if (stopped) {
    const std::vector<uint64_t> shares = generator.Shares();
    result.streams = SpreadOf(shares);
    result.connections = SpreadOf(SumsOfEach(static_cast<size_t>(work->streams), shares));
  }
  if (work->json) {
    PrintJson(*work, generator.name(), result);
  } else {
    PrintTable(*work, generator.name(), result);
  }
  std::fflush(stdout);
  const int exit_code = result.operations == 0 ? 1 : 0;
  if (!stopped) {
    absl::FPrintF(stderr, "load: calls did not end when they were cancelled\n");
    std::_Exit(3);
  }
  return exit_code;
}

}  // namespace culvert::bench
