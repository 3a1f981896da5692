// gRPC's interop test server on Culvert.
//
//   bazel run //tests/interop:server -- --port=10000             on loopback; 0 takes a free port
//   bazel run //tests/interop:server -- --listen=0.0.0.0:10000   anywhere Server::Listen can
//
// Prints "READY host:port" once it serves. SIGTERM and SIGINT stop it: calls under way get a moment to end.

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "rpc/server.h"
#include "tests/interop/test_service.h"

ABSL_FLAG(uint16_t, port, 0, "port to listen on at 127.0.0.1; 0 takes a free one");
ABSL_FLAG(std::string, listen, "", "host:port, [v6]:port or unix:/path to listen on, instead of --port");
ABSL_FLAG(bool, use_tls, false, "TLS; there is none yet, so only false is accepted");
ABSL_FLAG(size_t, threads, 0, "threads that serve; 0: one per core");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("gRPC's interop test server on Culvert");
  if (const auto rest = absl::ParseCommandLine(argc, argv); rest.size() > 1) {
    std::fprintf(stderr, "server: '%s' is not a flag; see --help\n", rest[1]);
    return 2;
  }
  if (absl::GetFlag(FLAGS_use_tls)) {
    std::fprintf(stderr, "server: --use_tls: Culvert has no TLS yet\n");
    return 2;
  }
  std::string listen = absl::GetFlag(FLAGS_listen);
  if (listen.empty()) listen = "127.0.0.1:" + std::to_string(absl::GetFlag(FLAGS_port));

  // Blocked before there are other threads, so that the signals wait for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  culvert::interop::TestService service;
  culvert::ServerOptions options;
  options.threads = absl::GetFlag(FLAGS_threads);
  culvert::Server server(options);
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen(listen);
  if (!address.ok()) {
    std::fprintf(stderr, "server: cannot listen on %s: %s\n", listen.c_str(), address.status().ToString().c_str());
    return 1;
  }
  std::printf("READY %s\n", address->c_str());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  server.Shutdown(std::chrono::seconds(1));
  return 0;
}
