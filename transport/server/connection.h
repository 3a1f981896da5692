#ifndef CULVERT_TRANSPORT_SERVER_CONNECTION_H_
#define CULVERT_TRANSPORT_SERVER_CONNECTION_H_

// One accepted connection: looks at its first bytes, does TLS's handshake if that is what they are, and is an HTTP/2 session or an HTTP/1.1
// connection from then on.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/functional/any_invocable.h"
#include "transport/base/intrusive_list.h"
#include "transport/base/task.h"
#include "transport/http/exchange.h"
#include "transport/http1/connection.h"
#include "transport/http2/options.h"
#include "transport/http2/session.h"
#include "transport/io/byte_stream.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"
#include "transport/io/tls_stream.h"
#include "transport/server/options.h"
#include "transport/server/sniffer.h"

namespace culvert::server {

class ConnectionSet;

class Connection final {
 public:
  // Finds out what `stream` speaks and serves it. Over HTTP/2 the task ends where the session goes on by itself, which then owns the connection:
  // most connections are idle, and a coroutine is memory. On the loop.
  static Task<void> Serve(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream);
  ~Connection();

  // Lets what is under way end, and closes then.
  void Drain();
  // Ends everything now.
  void Close();

 private:
  friend class ConnectionSet;

  // What was read of a stream to see what it speaks.
  struct First {
    std::array<uint8_t, kMostBytes> bytes;
    size_t size = 0;
    std::span<const uint8_t> span() const { return std::span(bytes).first(size); }
  };

  Connection(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream);

  // A socket counts until it is closed, and TLS may still have something to write. A shutdown waits for that no longer than its grace.
  static Task<void> End(std::unique_ptr<Connection> self);
  // What `stream_` speaks, by its first bytes. kUnknown also when it ends before it is known.
  Task<Protocol> Sniff(First& first);
  // Makes a TlsStream of `stream_`, after `first`: what it speaks, by ALPN or else by its first bytes. kUnknown also when there is no TLS.
  Task<Protocol> StartTls(First& first);
  // Reads and drops for a moment, lest closing destroy the alert on its way to the peer.
  Task<void> Dismiss(io::TlsStream& tls);
  void StartHttp1(const First& first, bool tls);
  void OnSniffTimeout();
  void OnTlsTimeout();

  ConnectionSet& set_;
  std::unique_ptr<io::ByteStream> stream_;   // until the protocol is known
  http2::Session* http2_ = nullptr;          // which owns the connection, until it is over
  std::shared_ptr<http1::Connection> http1_;
  io::TlsStream::LastWrites last_writes_;
  base::ListHook<Connection> hook_;
};

// The connections of one loop. Lives until the server has seen it empty.
class ConnectionSet {
 public:
  // `total` counts over all loops.
  ConnectionSet(EventLoop& loop, http::Handler& handler, const Options& options, std::atomic<size_t>& total)
      : loop_(loop),
        handler_(handler),
        options_(options),
        http2_options_(std::make_shared<const http2::Options>(options.http2)),
        total_(total) {}

  // Takes over an accepted socket, already counted in `total`. On the loop.
  void Add(int fd);

  // On the loop: drains every connection and closes those left after `grace`; those that come later are closed at once. `empty` is called
  // when none is left, and may destroy the set.
  void Shutdown(std::chrono::milliseconds grace, absl::AnyInvocable<void()> empty);

 private:
  friend class Connection;
  void Remove(Connection& connection);
  void CloseAll();

  void NotifyIfEmpty();

  // Each at least once, whatever `f` destroys meanwhile: the connection it is given, or others that hung on it.
  template <class F>
  void ForEach(F f) {
    visiting_ = true;
    for (size_t left = size_; left > 0 && !connections_.empty(); --left) {
      Connection* const connection = connections_.PopFront();
      connections_.PushBack(connection);
      f(*connection);
    }
    visiting_ = false;
    NotifyIfEmpty();
  }

  EventLoop& loop_;
  http::Handler& handler_;
  const Options& options_;
  const std::shared_ptr<const http2::Options> http2_options_;  // of all sessions
  std::atomic<size_t>& total_;
  base::IntrusiveList<Connection, &Connection::hook_> connections_;
  size_t size_ = 0;        // of connections_
  bool visiting_ = false;  // in ForEach, which looks for the end itself
  std::unique_ptr<io::Timer> grace_timer_;
  bool shutting_down_ = false;
  bool closing_ = false;  // and the grace is over
  absl::AnyInvocable<void()> empty_;  // from Shutdown until it is called
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_CONNECTION_H_
