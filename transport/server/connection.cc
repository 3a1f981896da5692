#include "transport/server/connection.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <array>
#include <utility>

#include "transport/base/log.h"
#include "transport/io/prefixed_stream.h"
#include "transport/io/socket_stream.h"
#include "transport/io/wait.h"
#include "transport/server/sniffer.h"

namespace culvert::server {

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
      auto [error] = co_await io::Wait(*stream_, io::Direction::kRead, kTuple);
      if (error) co_return;
    } else {
      co_return;
    }
  }
  sniff_timer_.Cancel();
  std::unique_ptr<io::ByteStream> stream = io::PrefixedStream::Make(std::span(first).first(size), std::move(stream_));
  if (protocol == Protocol::kHttp1 && !set_.options_.serve_http1) protocol = Protocol::kHttp2;  // which says what is wrong
  switch (protocol) {
    case Protocol::kHttp2:
      http2_ = http2::Session::Create(http2::Role::kServer, std::move(stream), set_.options_.http2, &set_.handler_);
      co_return co_await http2_->Run(http2_);
    case Protocol::kHttp1:
      http1_ = http1::Connection::Create(std::move(stream), set_.options_.http1, set_.handler_);
      co_await http1_->Run(http1_);
      co_return co_await http1_->Released(http1_);
    case Protocol::kTls:  // not served on this port
    case Protocol::kUnknown:
    case Protocol::kNeedMore:
      co_return;
  }
}

void Connection::OnSniffTimeout() { Close(); }

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
  asio::co_spawn(loop_.executor(), Connection::Serve(*this, std::move(stream)), asio::detached);
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
