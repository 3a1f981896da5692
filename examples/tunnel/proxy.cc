// An HTTP CONNECT proxy with a list of where it may lead to.
//
//   proxy --listen=127.0.0.1:8080 --allow=example.com:443,127.0.0.1:50051
//
// prints "READY 127.0.0.1:8080" and serves until SIGINT or SIGTERM. A CONNECT is a handler like any other; once the target is reached it
// takes its connection over, and nothing of HTTP is left in memory but two sockets.

#include <signal.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "culvert/rpc/server.h"
#include "culvert/transport/http/service.h"
#include "culvert/transport/http/tunnel.h"
#include "culvert/transport/io/address.h"
#include "culvert/transport/io/connect.h"
#include "culvert/transport/io/wait.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:8080", "where to serve: host:port, with port 0 for a free one, or unix:/path");
ABSL_FLAG(std::vector<std::string>, allow, {}, "host:port,host:port...: the targets that clients may reach, spelled as they ask for them");
ABSL_FLAG(uint32_t, connect_timeout_ms, 10000, "how long to try to reach a target");

namespace tunnel {
namespace {

namespace http = culvert::http;
namespace io = culvert::io;
using culvert::EventLoop;
using culvert::kTuple;
using culvert::Task;
using Stream = std::unique_ptr<io::ByteStream>;

// --- the way to the target ---

Task<absl::StatusOr<std::vector<io::SocketAddress>>> Resolve(EventLoop& loop, std::string authority) {
  if (const auto numeric = io::ParseAddress(authority); numeric.ok()) co_return std::vector{*numeric};
  const auto host_port = io::SplitHostPort(authority);
  if (!host_port.ok()) co_return host_port.status();
  asio::ip::basic_resolver<asio::ip::tcp, EventLoop::Executor> resolver(loop.executor());
  auto [error, results] = co_await resolver.async_resolve(host_port->first, std::to_string(host_port->second), kTuple);
  if (error) co_return absl::UnavailableError(absl::StrCat("cannot resolve ", authority, ": ", error.message()));
  std::vector<io::SocketAddress> addresses;
  for (const auto& entry : results) {
    io::SocketAddress& address = addresses.emplace_back();
    address.size = static_cast<socklen_t>(entry.endpoint().size());
    std::memcpy(&address.storage, entry.endpoint().data(), address.size);
  }
  co_return addresses;
}

Task<absl::StatusOr<Stream>> Reach(EventLoop& loop, std::string authority) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(absl::GetFlag(FLAGS_connect_timeout_ms));
  const auto addresses = co_await Resolve(loop, authority);
  if (!addresses.ok()) co_return addresses.status();
  absl::StatusOr<Stream> stream = absl::UnavailableError(absl::StrCat(authority, " has no address"));
  // In turn, each for its share of the time that is left: one that is silent does not use it up.
  auto left = static_cast<ptrdiff_t>(addresses->size());
  for (const io::SocketAddress& address : *addresses) {
    const auto now = std::chrono::steady_clock::now();
    stream = co_await io::ConnectSocket(loop, address, now + (deadline - now) / left--);
    if (stream.ok()) break;
  }
  co_return stream;
}

// --- the relay ---

// The two ends of a tunnel. Its two directions own it; when both are over it closes what is still open.
struct Relay {
  http::Tunnel client;
  http::Tunnel target;
};

Task<bool> WriteAll(io::ByteStream& to, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
    const io::IoResult written = to.TryWrite({&piece, 1});
    if (written.kind == io::IoResult::Kind::kBytes) {
      bytes = bytes.subspan(written.bytes);
    } else if (written.kind == io::IoResult::Kind::kWouldBlock) {
      auto [error] = co_await io::Wait(to, io::Direction::kWrite, kTuple);
      if (error) co_return false;
    } else {
      co_return false;
    }
  }
  co_return true;
}

// Passes on what `from` sends until it ends its side. False when either stream is broken.
//
// A block of the loop's is borrowed for each read and given back once its bytes are out: a direction that waits for bytes holds none, one
// that waits for a slow reader holds one and reads no further.
Task<bool> Forward(io::ByteStream& from, io::ByteStream& to) {
  constexpr int kBlocksPerTurn = 16;  // then it is the others' turn
  EventLoop& loop = from.loop();
  for (int blocks = 1;; ++blocks) {
    io::BlockPool::Block block = loop.blocks().TakeSmall();
    const io::IoResult read = from.TryRead({block.get(), io::BlockPool::kSmallBlock});
    const bool passed_on = read.kind != io::IoResult::Kind::kBytes || co_await WriteAll(to, {block.get(), read.bytes});
    loop.blocks().GiveSmall(std::move(block));
    if (!passed_on) co_return false;
    switch (read.kind) {
      case io::IoResult::Kind::kBytes:
        if (blocks % kBlocksPerTurn == 0) co_await asio::post(loop.executor(), asio::use_awaitable);
        break;
      case io::IoResult::Kind::kWouldBlock: {
        auto [error] = co_await io::Wait(from, io::Direction::kRead, kTuple);
        if (error) co_return false;
        break;
      }
      case io::IoResult::Kind::kEnd:
        co_return true;
      case io::IoResult::Kind::kError:
        co_return false;
    }
  }
}

// One direction: its end is passed on, and the other direction goes on without it; a broken stream ends both.
Task<void> RunDirection(std::shared_ptr<Relay> relay, http::Tunnel& from, http::Tunnel& to) {
  // What the HTTP connection has not written yet, the answer to CONNECT, goes first.
  auto [error, n] = co_await to.async_write_some(asio::const_buffer(), kTuple);
  if (!error && co_await Forward(from.stream(), to.stream())) {
    to.shutdown_write();
  } else {
    relay->client.close();
    relay->target.close();
  }
}

void StartRelay(http::Tunnel client, http::Tunnel target) {
  const auto relay = std::make_shared<Relay>(Relay{std::move(client), std::move(target)});
  const EventLoop::Executor executor = relay->client.get_executor();
  asio::co_spawn(executor, RunDirection(relay, relay->client, relay->target), asio::detached);
  asio::co_spawn(executor, RunDirection(relay, relay->target, relay->client), asio::detached);
}

// --- the proxy ---

class Proxy final : public http::Service {
 public:
  explicit Proxy(const std::vector<std::string>& allowed) {
    for (const std::string& target : allowed) allowed_.insert(absl::AsciiStrToLower(target));
  }

  Task<void> Serve(http::Request& request, http::Response& response) override {
    const http::RequestHead& head = request.head();
    const std::string authority = absl::AsciiStrToLower(std::string(head.authority));
    if (head.method != "CONNECT") {
      co_return co_await Refuse(response, head.method == "GET" || head.method == "HEAD" ? 404 : 405, "this is a proxy for CONNECT");
    }
    if (request.http_major() != 1) co_return co_await Refuse(response, 501, "CONNECT is served over HTTP/1.1 only");
    if (!allowed_.contains(authority)) co_return co_await Refuse(response, 403, absl::StrCat(authority, " is not on the list"));

    absl::StatusOr<Stream> target = co_await Reach(request.loop(), authority);
    if (!target.ok()) co_return co_await Refuse(response, 502, std::string(target.status().message()));

    response.SendHead(200);
    absl::StatusOr<http::Hijacked> hijacked = response.Hijack();
    if (hijacked.ok()) StartRelay(http::Tunnel(*std::move(hijacked)), http::Tunnel(*std::move(target)));
    // Otherwise the client has gone in the meantime.
  }

 private:
  static Task<void> Refuse(http::Response& response, int status, std::string why) {
    const std::string text = absl::StrCat(why, "\n\nAsk for a tunnel to a target on the list, as in\n    curl --proxytunnel --proxy http://PROXY http://TARGET/\n");
    const std::string length = std::to_string(text.size());
    http::HeaderList fields;
    fields.Add("content-type", "text/plain; charset=utf-8");
    fields.Add("content-length", length);
    if (status == 405) fields.Add("allow", "CONNECT");
    response.SendHead(status, fields);
    co_await response.Write(text);
  }

  std::set<std::string> allowed_;
};

int Serve() {
  // Before the server starts its threads, which inherit it: the signals are for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  for (const std::string& target : absl::GetFlag(FLAGS_allow)) {
    if (const auto parts = io::SplitHostPort(target); !parts.ok()) {
      std::cerr << "proxy: --allow: " << parts.status() << "\n";
      return 1;
    }
  }
  Proxy proxy(absl::GetFlag(FLAGS_allow));
  culvert::ServerOptions options;
  options.http_handler = &proxy;
  culvert::Server server(std::move(options));
  const absl::StatusOr<std::string> address = server.Listen(absl::GetFlag(FLAGS_listen));
  if (!address.ok()) {
    std::cerr << "proxy: " << address.status() << "\n";
    return 1;
  }
  std::cout << "READY " << *address << std::endl;

  int signal = 0;
  sigwait(&signals, &signal);
  std::cout << "shutting down" << std::endl;
  server.Shutdown();  // requests; the tunnels end with the server's threads
  return 0;
}

}  // namespace
}  // namespace tunnel

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("an HTTP CONNECT proxy; --listen=HOST:PORT --allow=HOST:PORT,...");
  if (absl::ParseCommandLine(argc, argv).size() > 1) {
    std::cerr << "proxy: there are no arguments besides flags; see --help\n";
    return 1;
  }
  return tunnel::Serve();
}
