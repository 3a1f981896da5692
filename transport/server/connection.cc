#include "transport/server/connection.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>

#include "transport/base/limit_counts.h"
#include "transport/base/log.h"
#include "transport/base/spawn.h"
#include "transport/base/strings.h"
#include "transport/io/prefixed_stream.h"
#include "transport/io/socket_stream.h"
#include "transport/io/wait.h"

namespace culvert::server {

namespace {
// A client that is refused during the handshake may be sending its first requests already.
constexpr std::chrono::seconds kDismissTime{1};
constexpr size_t kDismissBytes = 64 * 1024;
}  // namespace

Connection::Connection(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream) : set_(set), stream_(std::move(stream)) {
  set_.connections_.PushBack(this);
  ++set_.size_;
}

Connection::~Connection() { set_.Remove(*this); }

Task<void> Connection::Serve(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream) {
  auto self = std::unique_ptr<Connection>(new Connection(set, std::move(stream)));
  Connection& connection = *self;
  First first;
  Protocol protocol = co_await connection.Sniff(first);
  const bool tls = protocol == Protocol::kTls && set.options_.tls != nullptr;
  if (tls) {
    protocol = co_await connection.StartTls(first);
  } else if (set.options_.tls != nullptr && !set.options_.plaintext_too) {
    co_return;
  }
  if (protocol == Protocol::kHttp1 && !set.options_.serve_http1) protocol = Protocol::kHttp2;  // which says what is wrong
  switch (protocol) {
    case Protocol::kHttp2: {
      const auto session =
          http2::Session::Create(http2::Role::kServer, std::move(connection.stream_), set.http2_options_, &set.handler_);
      connection.http2_ = session.get();
      session->Serve(first.span(), [owned = std::move(self)]() mutable {
        owned->http2_ = nullptr;  // it is gone
        const EventLoop::Executor executor = owned->set_.loop_.executor();
        base::Spawn(executor, End(std::move(owned)), [](std::exception_ptr) {});
      });
      co_return;
    }
    case Protocol::kHttp1:
      connection.StartHttp1(first, tls);
      co_await connection.http1_->Run(connection.http1_);
      co_await connection.http1_->Released(connection.http1_);
      break;
    case Protocol::kTls:  // not served on this port, or within TLS
    case Protocol::kUnknown:
    case Protocol::kNeedMore:
      break;
  }
  co_await End(std::move(self));
}

Task<void> Connection::End(std::unique_ptr<Connection> self) {
  self->http1_.reset();
  self->stream_.reset();
  if (!self->set_.closing_) co_await self->last_writes_.Done();
}

Task<Protocol> Connection::Sniff(First& first) {
  io::Timer timer(set_.loop_.timers(), [](void* self) { static_cast<Connection*>(self)->OnSniffTimeout(); }, this);
  timer.Start(io::Timer::Clock::now() + set_.options_.sniff_timeout);
  first.size = 0;
  Protocol protocol = Protocol::kNeedMore;
  while (protocol == Protocol::kNeedMore) {
    const io::IoResult result = stream_->TryRead(std::span(first.bytes).subspan(first.size));
    if (result.kind == io::IoResult::Kind::kBytes) {
      first.size += result.bytes;
      protocol = Classify(first.span());
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      std::error_code error;
      co_await io::Wait(*stream_, io::Direction::kRead, error);
      if (error) co_return Protocol::kUnknown;
    } else {
      co_return Protocol::kUnknown;
    }
  }
  co_return protocol;
}

Task<Protocol> Connection::StartTls(First& first) {
  stream_ = io::PrefixedStream::Make(first.span(), std::move(stream_));
  first.size = 0;
  std::unique_ptr<io::TlsStream> made = io::TlsStream::ForServer(*set_.options_.tls, std::move(stream_), set_.options_.serve_http1);
  io::TlsStream& tls = *made;
  stream_ = std::move(made);
  last_writes_ = tls.last_writes();
  io::Timer timer(set_.loop_.timers(), [](void* self) { static_cast<Connection*>(self)->OnTlsTimeout(); }, this);
  timer.Start(io::Timer::Clock::now() + set_.options_.tls_handshake_timeout);
  const absl::Status status = co_await tls.Handshake();
  timer.Cancel();
  if (absl::IsCancelled(status)) co_return Protocol::kUnknown;  // by OnTlsTimeout or the server's end
  if (!status.ok()) {
    base::CountLimit("tls_handshake_failed");
    if (base::DebugEnabled(base::Topic::kConnections)) {
      base::LogLine(StrCat(tls.peer(), " server, no handshake: ", ToStd(status.message())));
    }
    co_await Dismiss(tls);
    co_return Protocol::kUnknown;
  }
  if (tls.alpn() == "h2") co_return Protocol::kHttp2;
  if (tls.alpn() == "http/1.1") co_return Protocol::kHttp1;
  co_return co_await Sniff(first);
}

Task<void> Connection::Dismiss(io::TlsStream& tls) {
  tls.ShutdownWrite();
  io::Timer timer(set_.loop_.timers(), [](void* self) { static_cast<Connection*>(self)->Close(); }, this);
  timer.Start(io::Timer::Clock::now() + kDismissTime);
  std::array<uint8_t, 1024> dropped;
  for (size_t left = kDismissBytes; left > 0;) {
    const io::IoResult result = tls.inner().TryRead(dropped);
    if (result.kind == io::IoResult::Kind::kBytes) {
      left -= std::min(left, result.bytes);
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      std::error_code error;
      co_await io::Wait(tls.inner(), io::Direction::kRead, error);
      if (error) break;
    } else {
      break;
    }
  }
}

void Connection::StartHttp1(const First& first, bool tls) {
  http1::Options options = set_.options_.http1;
  if (tls) options.scheme = "https";
  http1_ = http1::Connection::Create(io::PrefixedStream::Make(first.span(), std::move(stream_)), options, set_.handler_);
}

void Connection::OnSniffTimeout() {
  base::CountLimit("sniff_timeout");
  Close();
}

void Connection::OnTlsTimeout() {
  base::CountLimit("tls_handshake_timeout");
  Close();
}

void Connection::Drain() {
  if (http2_ != nullptr) {
    http2_->Drain();
  } else if (http1_ != nullptr) {
    http1_->Drain();
  } else if (stream_ != nullptr) {
    Close();
  }  // or else last writes are under way
}

void Connection::Close() {
  const absl::Status why = absl::UnavailableError("the server is shutting down");
  if (http2_ != nullptr) {
    http2_->Close(why);
  } else if (http1_ != nullptr) {
    http1_->Close(why);
  } else if (stream_ != nullptr) {
    stream_->Close();
  } else {
    last_writes_.StopWaiting();  // after which *this may be gone
  }
}

void ConnectionSet::Add(int fd) {
  std::unique_ptr<io::ByteStream> stream = io::AdoptSocket(loop_, fd);
  if (stream == nullptr) base::LogLine("a connection is dropped: the event loop cannot watch its socket");
  if (stream == nullptr || shutting_down_) {
    total_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  base::Spawn(loop_.executor(), Connection::Serve(*this, std::move(stream)), [](std::exception_ptr) {});
}

void ConnectionSet::Remove(Connection& connection) {
  connections_.Remove(&connection);
  --size_;
  total_.fetch_sub(1, std::memory_order_relaxed);
  if (!visiting_) NotifyIfEmpty();
}

// May be the end of the set.
void ConnectionSet::NotifyIfEmpty() {
  if (!empty_ || !connections_.empty()) return;
  grace_timer_.reset();
  auto empty = std::exchange(empty_, nullptr);
  empty();
}

void ConnectionSet::Shutdown(std::chrono::milliseconds grace, absl::AnyInvocable<void()> empty) {
  shutting_down_ = true;
  empty_ = std::move(empty);
  if (connections_.empty()) return NotifyIfEmpty();
  grace_timer_ = std::make_unique<io::Timer>(loop_.timers(), [](void* self) { static_cast<ConnectionSet*>(self)->CloseAll(); }, this);
  if (grace.count() <= 0) return CloseAll();
  grace_timer_->Start(io::Timer::Clock::now() + grace);
  ForEach([](Connection& connection) { connection.Drain(); });
}

void ConnectionSet::CloseAll() {
  closing_ = true;
  ForEach([](Connection& connection) { connection.Close(); });
}

}  // namespace culvert::server
