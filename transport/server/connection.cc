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

Connection::Connection(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream)
    : set_(set),
      stream_(std::move(stream)),
      sniff_timer_(set.loop_.timers(), [](void* self) { static_cast<Connection*>(self)->OnSniffTimeout(); }, this) {
  set_.connections_.PushBack(this);
  ++set_.size_;
}

Connection::~Connection() { set_.Remove(*this); }

Task<void> Connection::Serve(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream) {
  Connection connection(set, std::move(stream));
  co_await connection.Run();
}

Task<void> Connection::Run() {
  Protocol protocol = co_await Sniff();
  const bool tls = protocol == Protocol::kTls && set_.options_.tls != nullptr;
  if (tls) {
    protocol = co_await StartTls();
  } else if (set_.options_.tls != nullptr && !set_.options_.plaintext_too) {
    co_return;
  }
  std::unique_ptr<io::ByteStream> stream = std::move(stream_);
  if (protocol == Protocol::kHttp1 && !set_.options_.serve_http1) protocol = Protocol::kHttp2;  // which says what is wrong
  switch (protocol) {
    case Protocol::kHttp2:
      http2_ = http2::Session::Create(http2::Role::kServer, std::move(stream), set_.options_.http2, &set_.handler_);
      co_return co_await http2_->Run(http2_);
    case Protocol::kHttp1:
      StartHttp1(std::move(stream), tls);
      co_await http1_->Run(http1_);
      co_return co_await http1_->Released(http1_);
    case Protocol::kTls:  // not served on this port, or within TLS
    case Protocol::kUnknown:
    case Protocol::kNeedMore:
      co_return;
  }
}

Task<Protocol> Connection::Sniff() {
  sniff_timer_.Start(io::Timer::Clock::now() + set_.options_.sniff_timeout);
  std::array<uint8_t, kMostBytes> first;
  size_t size = 0;
  Protocol protocol = Protocol::kNeedMore;
  while (protocol == Protocol::kNeedMore) {
    const io::IoResult result = stream_->TryRead(std::span(first).subspan(size));
    if (result.kind == io::IoResult::Kind::kBytes) {
      size += result.bytes;
      protocol = Classify(std::span(first).first(size));
    } else if (result.kind == io::IoResult::Kind::kWouldBlock) {
      std::error_code error;
      co_await io::Wait(*stream_, io::Direction::kRead, error);
      if (error) co_return Protocol::kUnknown;
    } else {
      co_return Protocol::kUnknown;
    }
  }
  sniff_timer_.Cancel();
  stream_ = io::PrefixedStream::Make(std::span(first).first(size), std::move(stream_));
  co_return protocol;
}

Task<Protocol> Connection::StartTls() {
  std::unique_ptr<io::TlsStream> made = io::TlsStream::ForServer(*set_.options_.tls, std::move(stream_), set_.options_.serve_http1);
  io::TlsStream& tls = *made;
  stream_ = std::move(made);
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
  co_return co_await Sniff();
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

void Connection::StartHttp1(std::unique_ptr<io::ByteStream> stream, bool tls) {
  http1::Options options = set_.options_.http1;
  if (tls) options.scheme = "https";
  http1_ = http1::Connection::Create(std::move(stream), options, set_.handler_);
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
  } else {
    Close();
  }
}

void Connection::Close() {
  const absl::Status why = absl::UnavailableError("the server is shutting down");
  if (http2_ != nullptr) {
    http2_->Close(why);
  } else if (http1_ != nullptr) {
    http1_->Close(why);
  } else if (stream_ != nullptr) {
    stream_->Close();
  }
}

void ConnectionSet::Add(int fd) {
  std::unique_ptr<io::ByteStream> stream = io::AdoptSocket(loop_, fd);
  if (stream == nullptr) base::LogLine("a connection is dropped: the event loop cannot watch its socket");
  if (stream == nullptr || empty_ != nullptr) {  // or shutting down
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
  if (empty_ == nullptr || !connections_.empty()) return;
  grace_timer_.reset();
  empty_->Notify();
}

void ConnectionSet::Shutdown(std::chrono::milliseconds grace, absl::Notification& empty) {
  empty_ = &empty;
  if (connections_.empty()) return empty.Notify();
  grace_timer_ = std::make_unique<io::Timer>(loop_.timers(), [](void* self) { static_cast<ConnectionSet*>(self)->CloseAll(); }, this);
  if (grace.count() <= 0) return CloseAll();
  grace_timer_->Start(io::Timer::Clock::now() + grace);
  ForEach([](Connection& connection) { connection.Drain(); });
}

void ConnectionSet::CloseAll() {
  ForEach([](Connection& connection) { connection.Close(); });
}

}  // namespace culvert::server
