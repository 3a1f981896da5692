// The server that the attacks are mounted on, in a process of its own, so that its memory and CPU time can be told from the attacker's:
// gRPC's TestService, and for other requests
//
//   /hold      reads nothing and answers nothing until the client is gone
//   /flood     answers without end
//   /upload    reads the body, at most 1 MiB, and answers with its size, or with 413
//   others     are answered with a few bytes at once; their bodies are not wanted
//
// One thread, so that attackers and honest callers share everything. Limits are the defaults, but for time-outs and the like given by
// flags.
//
// Prints "READY host:port". On SIGUSR1 prints how often each limit has stopped someone, a line "name count" each, and "END": at once when
// that has changed since it was last asked, and a moment later otherwise. SIGTERM stops it.

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "rpc/server.h"
#include "tests/interop/test_service.h"
#include "tests/support/certificates/certificates.h"
#include "transport/base/limit_counts.h"
#include "transport/http/service.h"
#include "transport/io/tls_context.h"

// Time-outs are in milliseconds; 0: the default.
ABSL_FLAG(uint32_t, sniff_timeout, 0, "");
ABSL_FLAG(uint32_t, handshake_timeout, 0, "");
ABSL_FLAG(uint32_t, header_block_timeout, 0, "");
ABSL_FLAG(uint32_t, http2_idle_timeout, 0, "");
ABSL_FLAG(uint32_t, keepalive_time, 0, "");
ABSL_FLAG(uint32_t, keepalive_timeout, 0, "");
ABSL_FLAG(uint32_t, stall_timeout, 0, "");
ABSL_FLAG(uint32_t, write_stall_timeout, 0, "");
ABSL_FLAG(uint32_t, held_timeout, 0, "");
ABSL_FLAG(uint32_t, write_timeout, 0, "of HTTP/2 and of HTTP/1.1");
ABSL_FLAG(uint32_t, header_timeout, 0, "");
ABSL_FLAG(uint32_t, body_timeout, 0, "");
ABSL_FLAG(uint32_t, http1_idle_timeout, 0, "");
ABSL_FLAG(bool, tls, false, "serve TLS as well on the same port");
ABSL_FLAG(uint32_t, tls_handshake_timeout, 0, "");
ABSL_FLAG(uint32_t, max_connections, 0, "0: the default");
ABSL_FLAG(uint32_t, max_files, 0, "file descriptors that the process may have open; 0: as it is");

namespace {

using culvert::Task;

constexpr size_t kLargestUpload = 1024 * 1024;

class Site final : public culvert::http::Service {
 public:
  Task<void> Serve(culvert::http::Request& request, culvert::http::Response& response) override {
    const std::string_view path = request.head().path;
    if (path == "/hold") {
      asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      co_await never.async_wait(culvert::kTuple);  // until it is cancelled
    } else if (path == "/flood") {
      const std::string piece(64 * 1024, 'x');
      absl::Status sent;
      while (sent.ok()) sent = co_await response.Write(piece);
    } else if (path == "/upload") {
      const absl::StatusOr<std::string> body = co_await request.ReadAll(kLargestUpload);
      response.SendHead(body.ok() ? 200 : 413, {{"content-type", "text/plain"}});
      const absl::Status sent = co_await response.Write(std::to_string(body.ok() ? body->size() : 0));
      if (sent.ok()) response.Finish();
    } else {
      response.SendHead(200, {{"content-type", "text/plain"}});
      const absl::Status sent = co_await response.Write("hello\n");
      if (sent.ok()) response.Finish();
    }
  }
};

void Set(std::chrono::milliseconds& timeout, const absl::Flag<uint32_t>& flag) {
  if (const uint32_t given = absl::GetFlag(flag); given != 0) timeout = std::chrono::milliseconds(given);
}

culvert::ServerOptions Options(Site& site) {
  culvert::ServerOptions options;
  options.threads = 1;
  options.http_handler = &site;
  culvert::server::Options& transport = options.transport;
  Set(transport.sniff_timeout, FLAGS_sniff_timeout);
  Set(transport.http2.handshake_timeout, FLAGS_handshake_timeout);
  Set(transport.http2.header_block_timeout, FLAGS_header_block_timeout);
  Set(transport.http2.idle_timeout, FLAGS_http2_idle_timeout);
  Set(transport.http2.keepalive_time, FLAGS_keepalive_time);
  Set(transport.http2.keepalive_timeout, FLAGS_keepalive_timeout);
  Set(transport.http2.stall_timeout, FLAGS_stall_timeout);
  Set(transport.http2.write_stall_timeout, FLAGS_write_stall_timeout);
  Set(transport.http2.held_timeout, FLAGS_held_timeout);
  Set(transport.http2.write_timeout, FLAGS_write_timeout);
  Set(transport.http1.write_timeout, FLAGS_write_timeout);
  Set(transport.http1.header_timeout, FLAGS_header_timeout);
  Set(transport.http1.body_timeout, FLAGS_body_timeout);
  Set(transport.http1.idle_timeout, FLAGS_http1_idle_timeout);
  Set(transport.tls_handshake_timeout, FLAGS_tls_handshake_timeout);
  if (absl::GetFlag(FLAGS_tls)) {
    const culvert::testing_support::Certificate mine = culvert::testing_support::CertificateAuthority().Issue("target", "IP:127.0.0.1");
    culvert::io::TlsServerOptions tls;
    tls.certificate_chain = mine.certificate;
    tls.private_key = mine.private_key;
    transport.tls = culvert::io::TlsContext::ForServer(tls).value();
    transport.plaintext_too = true;
  }
  if (const uint32_t most = absl::GetFlag(FLAGS_max_connections); most != 0) transport.max_connections = most;
  return options;
}

using Counts = std::vector<std::pair<std::string_view, uint64_t>>;

void Print(const Counts& counts) {
  for (const auto& [name, count] : counts) {
    std::printf("%.*s %llu\n", static_cast<int>(name.size()), name.data(), static_cast<unsigned long long>(count));
  }
  std::printf("END\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that crashes
  if (const auto rest = absl::ParseCommandLine(argc, argv); rest.size() > 1) {
    std::fprintf(stderr, "target: '%s' is not a flag\n", rest[1]);
    return 2;
  }
  if (const rlim_t most = absl::GetFlag(FLAGS_max_files); most != 0) {
    const rlimit limit{.rlim_cur = most, .rlim_max = most};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  // Blocked before there are other threads, so that the signals wait for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  culvert::interop::TestService service;
  Site site;
  culvert::Server server(Options(site));
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
  if (!address.ok()) {
    std::fprintf(stderr, "target: %s\n", address.status().ToString().c_str());
    return 1;
  }
  std::printf("READY %s\n", address->c_str());
  std::fflush(stdout);

  const timespec moment{.tv_sec = 0, .tv_nsec = 10'000'000};
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  Counts told;
  for (int signal = 0; signal != SIGTERM;) {
    sigwait(&signals, &signal);
    if (signal != SIGUSR1) continue;
    if (culvert::base::LimitCounts() == told) signal = sigtimedwait(&stop, nullptr, &moment);
    told = culvert::base::LimitCounts();
    Print(told);
  }
  return 0;
}
