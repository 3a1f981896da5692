#include "transport/client/connector.h"

#include <netinet/in.h>

#include <asio/basic_waitable_timer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/this_coro.hpp>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "transport/base/status_macros.h"
#include "transport/base/strings.h"
#include "transport/http1/parser.h"
#include "transport/http1/serialize.h"
#include "transport/io/address.h"
#include "transport/io/connect.h"
#include "transport/io/prefixed_stream.h"
#include "transport/io/read_buffer.h"
#include "transport/io/timer_queue.h"
#include "transport/io/tls_stream.h"
#include "transport/io/wait.h"
#include "transport/io/write_buffer.h"

namespace culvert::client {

namespace {

constexpr int kMostInterimAnswers = 16;  // of a proxy: beyond it, it only seems to be alive

using Resolver = asio::ip::basic_resolver<asio::ip::tcp, EventLoop::Executor>;

std::string Bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : StrCat("[", host, "]"); }

// What the resolver's thread answers. getaddrinfo cannot be interrupted: the answer may come when nobody waits for it any more.
struct Lookup {
  explicit Lookup(EventLoop& loop) : waiting(loop.executor()) {}

  // Cancelled by the answer.
  asio::basic_waitable_timer<io::Timer::Clock, asio::wait_traits<io::Timer::Clock>, EventLoop::Executor> waiting;
  bool answered = false;
  std::error_code error;
  Resolver::results_type results;
};

Task<absl::StatusOr<std::vector<io::SocketAddress>>> Resolve(EventLoop& loop, const Target& target, io::Timer::Clock::time_point deadline) {
  Resolver resolver(loop.executor());  // gone, a lookup that has not begun yet is none
  const auto lookup = std::make_shared<Lookup>(loop);
  lookup->waiting.expires_at(deadline);
  try {
    resolver.async_resolve(target.host, std::to_string(target.port), [lookup](std::error_code error, Resolver::results_type results) {
      lookup->answered = true;
      lookup->error = error;
      lookup->results = std::move(results);
      lookup->waiting.cancel();
    });
  } catch (const std::system_error& error) {  // the first lookup of a loop makes a thread
    co_return absl::UnavailableError(StrCat("cannot resolve '", target.host, "': ", error.what()));
  }
  auto [cancelled] = co_await lookup->waiting.async_wait(kTuple);
  if (!lookup->answered) {
    const std::string_view why = cancelled ? "cancelled" : "no answer from DNS in time";
    co_return absl::UnavailableError(StrCat("cannot resolve '", target.host, "': ", why));
  }
  if (lookup->error) co_return absl::UnavailableError(StrCat("cannot resolve '", target.host, "': ", lookup->error.message()));
  std::vector<io::SocketAddress> addresses;
  for (const auto& entry : lookup->results) {
    io::SocketAddress address;
    address.size = static_cast<socklen_t>(entry.endpoint().size());
    std::memcpy(&address.storage, entry.endpoint().data(), address.size);
    addresses.push_back(address);
  }
  co_return addresses;
}

// Asks the HTTP/1.1 proxy behind `stream` for a tunnel to `authority` (RFC 9110 9.3.6).
Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> AskProxy(std::unique_ptr<io::ByteStream> stream, std::string authority,
                                                               io::Timer::Clock::time_point deadline) {
  bool timed_out = false;
  std::pair<io::ByteStream*, bool*> waiting{stream.get(), &timed_out};
  io::Timer timer(
      stream->loop().timers(),
      [](void* self) {
        auto& [waiter, flag] = *static_cast<std::pair<io::ByteStream*, bool*>*>(self);
        *flag = true;
        waiter->CancelWaits();
      },
      &waiting);
  timer.Start(deadline);

  io::WriteBuffer request(stream->loop().blocks());
  const http::HeaderField host[] = {{"host", authority}};
  http1::AppendRequestHead(request, "CONNECT", authority, host);
  while (!request.empty()) {
    iovec pieces[4];
    const io::IoResult written = stream->TryWrite({pieces, request.Gather(pieces)});
    if (written.kind == io::IoResult::Kind::kBytes) {
      request.Consume(written.bytes);
      continue;
    }
    if (written.kind != io::IoResult::Kind::kWouldBlock) co_return absl::UnavailableError(StrCat("proxy: ", written.error.message()));
    if (timed_out) co_return absl::UnavailableError("proxy: no answer in time");
    auto [error] = co_await io::Wait(*stream, io::Direction::kWrite, kTuple);
    if (error) co_return absl::UnavailableError(timed_out ? "proxy: no answer in time" : "proxy: cancelled");
  }

  io::ReadBuffer answer(stream->loop().blocks());
  http1::ResponseParser parser("CONNECT");
  int interim = 0;
  for (;;) {
    const http1::Parsed parsed = parser.Parse(answer.unread());
    if (parsed == http1::Parsed::kError) co_return absl::UnavailableError(StrCat("proxy: ", ToStd(parser.error().message())));
    if (parsed == http1::Parsed::kHead) {
      const int status = parser.response().head.status;
      answer.Consume(parser.response().bytes);
      if (status / 100 == 1) {  // interim: the next may be here already
        if (++interim > kMostInterimAnswers) co_return absl::UnavailableError("proxy: too many interim answers");
        parser.Reset();
        continue;
      }
      if (status / 100 != 2) co_return absl::UnavailableError(StrCat("proxy refuses CONNECT ", authority, " with status ", status));
      co_return io::PrefixedStream::Make(answer.unread(), std::move(stream));
    }
    // A proxy that is never at a loss for bytes leaves the timer no turn.
    if (timed_out || io::Timer::Clock::now() >= deadline) co_return absl::UnavailableError("proxy: no answer in time");
    const io::IoResult read = stream->TryRead(answer.Space());
    if (read.kind == io::IoResult::Kind::kWouldBlock) {
      answer.Park();
      auto [error] = co_await io::Wait(*stream, io::Direction::kRead, kTuple);
      if (error) co_return absl::UnavailableError(timed_out ? "proxy: no answer in time" : "proxy: cancelled");
      continue;
    }
    if (read.kind != io::IoResult::Kind::kBytes) co_return absl::UnavailableError("proxy: closed the connection without an answer");
    answer.Commit(read.bytes);
  }
}

// Whom the server's certificate must be for.
std::string HostOf(const Target& target) {
  if (!target.host.empty()) return target.host;
  absl::StatusOr<std::pair<std::string, uint16_t>> host_port = io::SplitHostPort(target.authority);
  return host_port.ok() ? std::move(host_port->first) : target.authority;
}

Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> StartTls(const io::TlsContext& context, std::unique_ptr<io::ByteStream> stream,
                                                               std::string host, io::Timer::Clock::time_point deadline) {
  std::unique_ptr<io::TlsStream> tls = io::TlsStream::ForClient(context, std::move(stream), host);
  io::Timer timer(tls->loop().timers(), [](void* waiter) { static_cast<io::TlsStream*>(waiter)->Close(); }, tls.get());
  timer.Start(deadline);
  const absl::Status status = co_await tls->Handshake();
  const bool timed_out = absl::IsCancelled(status) && !timer.running();
  if (timed_out) co_return absl::UnavailableError(StrCat("TLS: no handshake with ", host, " in time"));
  if (!status.ok()) co_return absl::UnavailableError(StrCat(ToStd(status.message()), " (", host, ")"));
  co_return std::unique_ptr<io::ByteStream>(std::move(tls));
}

// Tries `addresses`, the target's or its proxy's, in turn until one is all that is wanted, each for its share of the time that is left: one
// that is silent does not use it up. Of the failures, the last of those that accepted a connection tells most.
Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> ConnectAny(EventLoop& loop, std::vector<io::SocketAddress> addresses,
                                                                 const Target& target, const Options& options, io::Timer::Clock::time_point deadline) {
  absl::Status failure = absl::UnavailableError("the name has no address");
  bool any_accepted = false;
  auto left = static_cast<ptrdiff_t>(addresses.size());
  for (const io::SocketAddress& address : addresses) {
    const auto now = io::Timer::Clock::now();
    const auto until = now + (deadline - now) / left--;
    absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await io::ConnectSocket(loop, address, until);
    const bool accepted = stream.ok();
    if (stream.ok() && !options.proxy.empty()) {
      // The proxy resolves the name, as it may know more names than we do.
      const std::string authority = target.host.empty() ? target.authority : StrCat(Bracketed(target.host), ":", target.port);
      stream = co_await AskProxy(*std::move(stream), authority, until);
    }
    if (stream.ok() && options.tls != nullptr) stream = co_await StartTls(*options.tls, *std::move(stream), HostOf(target), until);
    if (stream.ok()) co_return stream;
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return stream;
    if (accepted || !any_accepted) failure = stream.status();
    any_accepted = any_accepted || accepted;
  }
  co_return failure;
}

}  // namespace

Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> Connect(EventLoop& loop, const Target& target, const Options& options) {
  const auto deadline = io::Timer::Clock::now() + options.connect_timeout;
  Target next = target;
  if (!options.proxy.empty()) {
    CULVERT_CO_ASSIGN_OR_RETURN(next, ParseTarget(options.proxy));
  }
  if (next.addresses.empty()) {
    CULVERT_CO_ASSIGN_OR_RETURN(next.addresses, co_await Resolve(loop, next, deadline));
  }
  co_return co_await ConnectAny(loop, std::move(next.addresses), target, options, deadline);
}

}  // namespace culvert::client
