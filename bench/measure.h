#ifndef CULVERT_BENCH_MEASURE_H_
#define CULVERT_BENCH_MEASURE_H_

// The course of a measurement, the same for every load generator: reach the server, warm up, measure, stop, report.
//
//   int main(int argc, char** argv) { return culvert::bench::LoadMain(argc, argv, MakeGenerator); }

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/meter.h"
#include "bench/workload.h"

namespace culvert::bench {

// Makes the calls. All of it is called from the main thread.
class Generator {
 public:
  virtual ~Generator() = default;

  // Whose calls they are, for the report: "culvert".
  virtual absl::string_view name() const = 0;
  // One small unary call on each of the connections, within `limit` each, so that what is measured does not have the connecting in it, and
  // a server which is not there is told at once and by its reason.
  virtual absl::Status Reach(absl::Duration limit) = 0;
  // Starts the threads and their calls.
  virtual void Start(Run& run) = 0;
  // The run is over: ends the calls, then the threads. False when calls would not end: the process is to go down with them.
  virtual bool Stop() = 0;
  // After Stop: the operations that each call slot or stream got done within the measured window, those of the first connection first.
  virtual std::vector<uint64_t> Shares() const = 0;
};

using GeneratorMaker = absl::StatusOr<std::unique_ptr<Generator>> (*)(const Workload&);

// A whole load generator: parses the flags, measures, prints. Exit codes: 0; 1 when no operation succeeded or the server was not reached;
// 2 when the flags make no sense together (1 when one of them cannot be parsed); 3 when calls would not end.
int LoadMain(int argc, char** argv, GeneratorMaker make);

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_MEASURE_H_
