#ifndef CULVERT_TRANSPORT_SERVER_CONNECTION_H_
#define CULVERT_TRANSPORT_SERVER_CONNECTION_H_

// One accepted connection: looks at its first bytes, does TLS's handshake if that is what they are, and is an HTTP/2 session or an HTTP/1.1
// connection from then on.

#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/synchronization/notification.h"
#include "transport/base/intrusive_list.h"
#include "transport/base/task.h"
#include "transport/http/exchange.h"
#include "transport/http1/connection.h"
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
  // Serves `stream` until it is over. On the loop.
  static Task<void> Serve(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream);

  // Lets what is under way end, and closes then.
  void Drain();
  // Ends everything now.
  void Close();

 private:
  friend class ConnectionSet;
  Connection(ConnectionSet& set, std::unique_ptr<io::ByteStream> stream);
  ~Connection();

  Task<void> Run();
  // What `stream_` speaks, by its first bytes, which it replays. kUnknown also when it ends before it is known.
  Task<Protocol> Sniff();
  // Makes a TlsStream of `stream_`: what it speaks, by ALPN or else by its first bytes. kUnknown also when there is no TLS.
  Task<Protocol> StartTls();
  // Reads and drops for a moment, lest closing destroy the alert on its way to the peer.
  Task<void> Dismiss(io::TlsStream& tls);
  void StartHttp1(std::unique_ptr<io::ByteStream> stream, bool tls);
  void OnSniffTimeout();
  void OnTlsTimeout();

  ConnectionSet& set_;
  std::unique_ptr<io::ByteStream> stream_;   // until the protocol is known
  std::shared_ptr<http2::Session> http2_;
  std::shared_ptr<http1::Connection> http1_;
  io::Timer sniff_timer_;
  base::ListHook<Connection> hook_;
};

// The connections of one loop. Lives until the server has seen it empty.
class ConnectionSet {
 public:
  // `total` counts over all loops.
  ConnectionSet(EventLoop& loop, http::Handler& handler, const Options& options, std::atomic<size_t>& total)
      : loop_(loop), handler_(handler), options_(options), total_(total) {}

  // Takes over an accepted socket, already counted in `total`. On the loop.
  void Add(int fd);

  // On the loop: drains every connection and closes those left after `grace`; those that come later are closed at once. `empty` is notified
  // when none is left.
  void Shutdown(std::chrono::milliseconds grace, absl::Notification& empty);

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
  std::atomic<size_t>& total_;
  base::IntrusiveList<Connection, &Connection::hook_> connections_;
  size_t size_ = 0;        // of connections_
  bool visiting_ = false;  // in ForEach, which looks for the end itself
  std::unique_ptr<io::Timer> grace_timer_;
  absl::Notification* empty_ = nullptr;
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_CONNECTION_H_
