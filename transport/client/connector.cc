#include "transport/client/connector.h"

#include <netinet/in.h>

#include <asio/ip/tcp.hpp>
#include <cstddef>
#include <cstring>
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

std::string Bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : StrCat("[", host, "]"); }

Task<absl::StatusOr<std::vector<io::SocketAddress>>> Resolve(EventLoop& loop, const Target& target) {
  asio::ip::basic_resolver<asio::ip::tcp, EventLoop::Executor> resolver(loop.executor());
  auto [error, results] = co_await resolver.async_resolve(target.host, std::to_string(target.port), kTuple);
  if (error) co_return absl::UnavailableError(StrCat("cannot resolve '", target.host, "': ", error.message()));
  std::vector<io::SocketAddress> addresses;
  for (const auto& entry : results) {
    io::SocketAddress address;
    address.size = static_cast<socklen_t>(entry.endpoint().size());
    std::memcpy(&address.storage, entry.endpoint().data(), address.size);
    addresses.push_back(address);
  }
  co_return addresses;
}

// Tries `addresses` in turn until one answers, each for its share of the time that is left: one that is silent does not use it up.
Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> ConnectAny(EventLoop& loop, std::vector<io::SocketAddress> addresses,
                                                                 io::Timer::Clock::time_point deadline) {
  absl::Status last = absl::UnavailableError("the name has no address");
  auto left = static_cast<ptrdiff_t>(addresses.size());
  for (const io::SocketAddress& address : addresses) {
    const auto now = io::Timer::Clock::now();
    absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await io::ConnectSocket(loop, address, now + (deadline - now) / left--);
    if (stream.ok()) co_return stream;
    last = stream.status();
  }
  co_return last;
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

}  // namespace

Task<absl::StatusOr<std::unique_ptr<io::ByteStream>>> Connect(EventLoop& loop, const Target& target, const Options& options) {
  const auto deadline = io::Timer::Clock::now() + options.connect_timeout;
  Target next = target;
  if (!options.proxy.empty()) {
    CULVERT_CO_ASSIGN_OR_RETURN(next, ParseTarget(options.proxy));
  }
  if (next.addresses.empty()) {
    CULVERT_CO_ASSIGN_OR_RETURN(next.addresses, co_await Resolve(loop, next));
  }
  absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await ConnectAny(loop, std::move(next.addresses), deadline);
  if (stream.ok() && !options.proxy.empty()) {
    // The proxy resolves the name, as it may know more names than we do.
    const std::string authority = target.host.empty() ? target.authority : StrCat(Bracketed(target.host), ":", target.port);
    stream = co_await AskProxy(*std::move(stream), authority, deadline);
  }
  if (stream.ok() && options.tls != nullptr) stream = co_await StartTls(*options.tls, *std::move(stream), HostOf(target), deadline);
  co_return stream;
}

}  // namespace culvert::client
