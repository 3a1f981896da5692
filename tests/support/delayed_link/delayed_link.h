#ifndef CULVERT_TESTS_SUPPORT_DELAYED_LINK_DELAYED_LINK_H_
#define CULVERT_TESTS_SUPPORT_DELAYED_LINK_DELAYED_LINK_H_

// A long link between two programs on one machine: a relay that takes connections and passes their bytes on, both ways, as a line with a
// rate and a delay would. Plain sockets and a thread of its own; neither Culvert's streams nor the kernel's traffic control are involved.
//
//   DelayedLink link(server_address, {.delay = std::chrono::milliseconds(20), .bytes_per_second = 16 << 20});
//   Connect(link.address());
//
// Each way is one line for all connections: bytes go onto it one after the other, at its rate, and come out `delay` later, so that a round
// trip takes twice the delay. A connection may have twice as much on its way as fits into the line; the rest waits in the sender's socket,
// as at a network's edge.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace culvert::testing_support {

struct DelayedLinkOptions {
  std::chrono::milliseconds delay{20};         // one way
  size_t bytes_per_second = 16 * 1024 * 1024;  // each way
};

class DelayedLink {
 public:
  // To "127.0.0.1:port", where somebody has to listen as long as connections are made. Aborts when the system refuses it a socket.
  DelayedLink(std::string_view to, DelayedLinkOptions options);
  // Cuts what is still connected.
  ~DelayedLink();
  DelayedLink(const DelayedLink&) = delete;
  DelayedLink& operator=(const DelayedLink&) = delete;

  // Where it listens: "127.0.0.1:41233".
  const std::string& address() const { return address_; }

 private:
  class Relay;

  std::unique_ptr<Relay> relay_;  // the thread's own
  std::string address_;
  std::thread thread_;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_DELAYED_LINK_DELAYED_LINK_H_
