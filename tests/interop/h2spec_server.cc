// A plain HTTP server for h2spec: answers every request, once it has come whole, with 200 and a few bytes.
//
//   bazel run //tests/interop:h2spec_server -- --port=10000      on loopback; 0 takes a free port
//
// Prints "READY host:port" once it serves. SIGTERM and SIGINT stop it.

#include <pthread.h>
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "rpc/server.h"
#include "transport/http/service.h"

ABSL_FLAG(uint16_t, port, 0, "port to listen on at 127.0.0.1; 0 takes a free one");

namespace {

class Answerer final : public culvert::http::Service {
 public:
  culvert::Task<void> Serve(culvert::http::Request& request, culvert::http::Response& response) override {
    const absl::StatusOr<std::string> body = co_await request.ReadAll(1 << 20);
    if (!body.ok()) co_return;
    response.SendHead(200, {{"content-type", "text/plain"}, {"server", "culvert"}});
    const absl::Status sent = co_await response.Write("What was asked for is this.\n");
    if (sent.ok()) response.Finish();
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (const auto rest = absl::ParseCommandLine(argc, argv); rest.size() > 1) {
    std::fprintf(stderr, "h2spec_server: '%s' is not a flag; see --help\n", rest[1]);
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Answerer answerer;
  culvert::ServerOptions options;
  options.threads = 1;
  options.http_handler = &answerer;
  options.transport.serve_http1 = false;  // h2spec knows no answer to what is no preface
  culvert::Server server(options);
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:" + std::to_string(absl::GetFlag(FLAGS_port)));
  if (!address.ok()) {
    std::fprintf(stderr, "h2spec_server: %s\n", address.status().ToString().c_str());
    return 1;
  }
  std::printf("READY %s\n", address->c_str());
  std::fflush(stdout);

  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}
