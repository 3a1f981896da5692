#ifndef CULVERT_BENCH_SERVE_H_
#define CULVERT_BENCH_SERVE_H_

// What every benchmark server does around serving: flags, READY, the wait for a signal, and the account at the end.
//
//   Serving serving(argc, argv);               // --listen, --threads, ...; before any thread is made
//   ... start a server on serving.listen() ...
//   serving.Ready(address);
//   serving.WaitForSignal();
//   ... stop it ...
//   PrintUsage();

#include <csignal>
#include <string>

#include "absl/strings/string_view.h"

namespace culvert::bench {

class Serving {
 public:
  // Parses the command line, exits with code 2 when it makes no sense; blocks SIGTERM and SIGINT in this thread and its children.
  Serving(int argc, char** argv);

  const std::string& listen() const { return listen_; }
  // 0: one per core.
  int threads() const { return threads_; }
  // 0: as many as the server allows by default.
  int max_concurrent_streams() const { return max_concurrent_streams_; }
  // PEM; both are empty when it is to be served without TLS, and neither is otherwise.
  const std::string& tls_certificate() const { return tls_certificate_; }
  const std::string& tls_key() const { return tls_key_; }

  // Prints the line that tells that the server serves, and where.
  void Ready(absl::string_view address) const;
  // Blocks until SIGTERM or SIGINT.
  void WaitForSignal() const;

 private:
  std::string listen_;
  int threads_ = 0;
  int max_concurrent_streams_ = 0;
  std::string tls_certificate_;
  std::string tls_key_;
  sigset_t signals_;
};

// CPU seconds and peak memory of this process, on stderr.
void PrintUsage();

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_SERVE_H_
