// What the kernel and asio cost with nothing on top: the figures that an RPC library can at best approach.
//
//   bazel run --config=opt //bench/raw:echo -- --mode=raw --bytes=16              one message there and back at a time
//   bazel run --config=opt //bench/raw:echo -- --mode=asio --one_cpu              the same between coroutines, both ends on one CPU
//   bazel run --config=opt //bench/raw:echo -- --call=server_stream --bytes=65536 one way, as fast as it goes
//
// One TCP connection over loopback between this process and a child of it, so that CPU time can be told apart. `raw`: blocking read and
// write on each side. `asio`: coroutines on one io_context a side.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "bench/cpu_time.h"
#include "bench/histogram.h"
#include "transport/base/task.h"

ABSL_FLAG(std::string, mode, "raw", "raw or asio");
ABSL_FLAG(std::string, call, "pingpong", "pingpong: one message there and back at a time; server_stream: messages to the client without pause");
ABSL_FLAG(int, bytes, 16, "size of a message");
ABSL_FLAG(bool, one_cpu, false, "both ends on one CPU");
ABSL_FLAG(absl::Duration, warmup, absl::Milliseconds(500), "time before the measured window");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(3), "the measured window");
ABSL_FLAG(bool, json, false, "print one line of JSON");

namespace culvert::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Buffer = std::vector<char>;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "echo: %s: %s\n", what, std::strerror(errno));
  std::_Exit(1);
}

// Counts what comes back, or comes, within the measured window.
class Window {
 public:
  Window()
      : begin_(Clock::now() + absl::ToChronoNanoseconds(absl::GetFlag(FLAGS_warmup))),
        end_(begin_ + absl::ToChronoNanoseconds(absl::GetFlag(FLAGS_duration))) {}

  // False once the window has closed. Call it after every operation.
  bool Count(uint64_t bytes) {
    const Clock::time_point now = Clock::now();
    if (now >= end_) {
      cpu_ = OwnCpuTime() - cpu_at_begin_;
      return false;
    }
    if (now >= begin_) {
      if (operations_ == 0) cpu_at_begin_ = OwnCpuTime();
      ++operations_;
      bytes_ += bytes;
      latencies_.Record(static_cast<uint64_t>(std::chrono::nanoseconds(now - last_).count()));
    }
    last_ = now;
    return true;
  }

  uint64_t operations() const { return operations_; }
  double rate() const { return static_cast<double>(operations_) / seconds(); }
  double mib_per_second() const { return static_cast<double>(bytes_) / seconds() / (1 << 20); }
  const Histogram& latencies() const { return latencies_; }
  double cpu_us_per_operation() const {
    return operations_ == 0 ? 0 : cpu_.total() * 1e6 / static_cast<double>(operations_);
  }

 private:
  double seconds() const { return std::chrono::duration<double>(end_ - begin_).count(); }

  const Clock::time_point begin_, end_;
  Clock::time_point last_ = Clock::now();
  CpuTime cpu_at_begin_, cpu_;
  uint64_t operations_ = 0;
  uint64_t bytes_ = 0;
  Histogram latencies_;
};

// --- blocking ---

bool WriteAll(int fd, const Buffer& message) {
  for (size_t done = 0; done < message.size();) {
    const ssize_t n = send(fd, message.data() + done, message.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

bool ReadAll(int fd, Buffer& message) {
  for (size_t done = 0; done < message.size();) {
    const ssize_t n = recv(fd, message.data() + done, message.size() - done, 0);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

void ServeRaw(int fd, bool stream, Buffer& message) {
  if (stream) {
    while (WriteAll(fd, message)) {
    }
  } else {
    while (ReadAll(fd, message) && WriteAll(fd, message)) {
    }
  }
}

void CallRaw(int fd, bool stream, Buffer& message, Window& window) {
  while ((stream || WriteAll(fd, message)) && ReadAll(fd, message) && window.Count(message.size())) {
  }
}

// --- coroutines ---

using Socket = asio::ip::tcp::socket;

Task<void> ServeAsio(Socket socket, bool stream, Buffer& message) {
  for (;;) {
    if (!stream) {
      const auto [read_error, read] = co_await asio::async_read(socket, asio::buffer(message), kTuple);
      if (read_error) co_return;
    }
    const auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(message), kTuple);
    if (write_error) co_return;
  }
}

Task<void> CallAsio(Socket socket, bool stream, Buffer& message, Window& window) {
  for (;;) {
    if (!stream) {
      const auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(message), kTuple);
      if (write_error) co_return;
    }
    const auto [read_error, read] = co_await asio::async_read(socket, asio::buffer(message), kTuple);
    if (read_error || !window.Count(message.size())) co_return;
  }
}

template <class Coroutine, class... Arguments>
void RunAsio(int fd, Coroutine coroutine, Arguments&... arguments) {
  asio::io_context context(1);
  Socket socket(context, asio::ip::tcp::v4(), fd);
  socket.non_blocking(true);
  asio::co_spawn(context, coroutine(std::move(socket), arguments...), [](std::exception_ptr) {});
  context.run();
}

// --- the two processes ---

int Listen(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 1) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("listen");
  }
  return fd;
}

void SetNoDelay(int fd) {
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) Die("TCP_NODELAY");
}

void ShareOneCpu() {
  cpu_set_t allowed, one;
  CPU_ZERO(&allowed);
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) Die("sched_getaffinity");
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) Die("sched_setaffinity");
}

int EchoMain(int argc, char** argv) {
  absl::SetProgramUsageMessage("Measures one TCP connection over loopback: raw sockets or asio coroutines.");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  const std::string mode = absl::GetFlag(FLAGS_mode), call = absl::GetFlag(FLAGS_call);
  const int bytes = absl::GetFlag(FLAGS_bytes);
  const bool with_asio = mode == "asio", stream = call == "server_stream";
  if (arguments.size() > 1 || (mode != "raw" && !with_asio) || (call != "pingpong" && !stream) || bytes < 1 || bytes > 64 << 20) {
    std::fprintf(stderr, "echo: --mode is raw or asio, --call is pingpong or server_stream, --bytes is 1 to 64 Mi\n");
    return 2;
  }
  if (absl::GetFlag(FLAGS_one_cpu)) ShareOneCpu();
  Buffer message(static_cast<size_t>(bytes), 'x');
  sockaddr_in address;
  const int listener = Listen(address);
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) Die("accept");
    SetNoDelay(fd);
    if (with_asio) {
      RunAsio(fd, &ServeAsio, stream, message);
    } else {
      ServeRaw(fd, stream, message);
    }
    std::_Exit(0);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) Die("connect");
  SetNoDelay(fd);
  Window window;
  if (with_asio) {
    RunAsio(fd, &CallAsio, stream, message, window);
  } else {
    CallRaw(fd, stream, message, window);
    close(fd);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (window.operations() == 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::fprintf(stderr, "echo: the other end failed\n");
    return 1;
  }
  const Histogram& latencies = window.latencies();
  const auto us = [&](double percent) { return static_cast<double>(latencies.Percentile(percent)) / 1e3; };
  if (absl::GetFlag(FLAGS_json)) {
    absl::PrintF(
        "{\"client\": \"%s\", \"call\": \"%s\", \"bytes\": %d, \"one_cpu\": %s, \"operations\": %d, \"rate\": %.1f, \"mib_per_s\": %.2f, "
        "\"errors\": 0, \"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f, \"client_us_per_op\": %.3f}\n",
        mode, call, bytes, absl::GetFlag(FLAGS_one_cpu) ? "true" : "false", window.operations(), window.rate(), window.mib_per_second(),
        us(50), us(90), us(99), us(99.9), window.cpu_us_per_operation());
  } else {
    absl::PrintF("%s, %s, %d B%s\n  rate      %.0f /s, %.1f MiB/s\n  latency   p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f us\n"
                 "  CPU       %.2f us of the client per operation\n",
                 mode, call, bytes, absl::GetFlag(FLAGS_one_cpu) ? ", both ends on one CPU" : "", window.rate(), window.mib_per_second(),
                 us(50), us(90), us(99), us(99.9), window.cpu_us_per_operation());
  }
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::EchoMain(argc, argv); }
