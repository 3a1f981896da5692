#ifndef CULVERT_TRANSPORT_SERVER_ACCEPTOR_H_
#define CULVERT_TRANSPORT_SERVER_ACCEPTOR_H_

// Accepts on one listening socket and hands the connections out. Out of file descriptors, or at the limit of connections, it pauses and goes
// on serving those who are in.

#include <asio/posix/basic_stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "transport/base/task.h"
#include "transport/io/connect.h"
#include "transport/io/event_loop.h"

namespace culvert::server {

class Acceptor final : public std::enable_shared_from_this<Acceptor> {
 public:
  // `may_accept` reserves room for one more connection, `give_up` returns it when none came, and `accepted` takes each one over. All are
  // called on the loop.
  Acceptor(EventLoop& loop, const io::Listener& listener, std::function<bool()> may_accept, std::function<void()> give_up,
           std::function<void(int fd)> accepted);
  ~Acceptor();

  // On the loop.
  static Task<void> Run(std::shared_ptr<Acceptor> self);
  void Stop();

 private:
  using Descriptor = asio::posix::basic_stream_descriptor<EventLoop::Executor>;

  EventLoop& loop_;
  Descriptor socket_;
  const io::SocketAddress address_;
  const std::function<bool()> may_accept_;
  const std::function<void()> give_up_;
  const std::function<void(int)> accepted_;
  bool stopped_ = false;
};

}  // namespace culvert::server

#endif  // CULVERT_TRANSPORT_SERVER_ACCEPTOR_H_
