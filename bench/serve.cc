#include "bench/serve.h"

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "bench/cpu_time.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051", "address to serve on, HOST:PORT; port 0 takes a free one");
ABSL_FLAG(int, threads, 0, "threads that serve; 0: one per core");

namespace culvert::bench {

Serving::Serving(int argc, char** argv) {
  absl::SetProgramUsageMessage("Serves grpc.testing.BenchmarkService until SIGTERM or SIGINT; prints READY HOST:PORT.");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() > 1) {
    absl::FPrintF(stderr, "server: unexpected argument '%s'\n", arguments[1]);
    std::exit(2);
  }
  listen_ = absl::GetFlag(FLAGS_listen);
  threads_ = absl::GetFlag(FLAGS_threads);
  if (threads_ < 0 || threads_ > 1024) {
    absl::FPrintF(stderr, "server: --threads=%d is not in 0 to 1024\n", threads_);
    std::exit(2);
  }
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

void Serving::Ready(absl::string_view address) const {
  absl::PrintF("READY %s\n", address);
  std::fflush(stdout);
}

void Serving::WaitForSignal() const {
  int signal = 0;
  sigwait(&signals_, &signal);
}

void PrintUsage() {
  const CpuTime used = OwnCpuTime();
  absl::FPrintF(stderr, "CPU: user %.3f s, system %.3f s; max RSS %d KiB\n", used.user_seconds, used.system_seconds,
                OwnMaxResidentKib());
}

}  // namespace culvert::bench
