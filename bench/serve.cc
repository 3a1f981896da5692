#include "bench/serve.h"

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "bench/cpu_time.h"
#include "bench/text_file.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:50051", "address to serve on, HOST:PORT; port 0 takes a free one");
ABSL_FLAG(int, threads, 0, "threads that serve; 0: one per core");
ABSL_FLAG(int, max_concurrent_streams, 0, "streams that a client may have open on a connection; 0: the server's default");
ABSL_FLAG(std::string, tls_certificate, "", "PEM file of the server's certificate: serves TLS, with --tls_key");
ABSL_FLAG(std::string, tls_key, "", "PEM file of its private key");

namespace culvert::bench {

namespace {

// The content of the file that a flag names; empty when it names none.
std::string FileOf(const std::string& path) {
  if (path.empty()) return "";
  absl::StatusOr<std::string> text = ReadTextFile(path);
  if (text.ok() && !text->empty()) return *std::move(text);
  absl::FPrintF(stderr, "server: cannot read '%s', or it is empty\n", path);
  std::exit(2);
}

}  // namespace

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
  max_concurrent_streams_ = absl::GetFlag(FLAGS_max_concurrent_streams);
  if (max_concurrent_streams_ < 0) {
    absl::FPrintF(stderr, "server: --max_concurrent_streams=%d is negative\n", max_concurrent_streams_);
    std::exit(2);
  }
  tls_certificate_ = FileOf(absl::GetFlag(FLAGS_tls_certificate));
  tls_key_ = FileOf(absl::GetFlag(FLAGS_tls_key));
  if (tls_certificate_.empty() != tls_key_.empty()) {
    absl::FPrintF(stderr, "server: --tls_certificate and --tls_key go together\n");
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
