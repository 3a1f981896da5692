#ifndef CULVERT_TESTS_ATTACK_ATTACKED_SERVER_H_
#define CULVERT_TESTS_ATTACK_ATTACKED_SERVER_H_

// A server in a process of its own, to be attacked: what it spends is read from the system, what its limits did it tells by itself, and an
// honest client calls it all the while.
//
//   AttackedServer server({"--sniff_timeout=1000"});       // flags of target.cc
//   RawSocket socket = RawSocket::Connect(server.address());
//   ...                                                    // the attack, and server.ExpectServesOthers() in the midst of it
//   server.ExpectCounted("sniff_timeout");
//   server.ExpectUnharmed();                               // memory, CPU time, honest calls

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/channel.h"
#include "tests/e2e/raw_peer.h"

namespace culvert::attack {

// Sanitizers have memory of their own and are several times slower: with them, memory and CPU time are not looked at.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// What an attack may cost the server: bytes of resident memory more than before at any time since, and CPU time. The time is ten times
// what the most expensive of the attacks here takes, honest calls included.
struct Budget {
  size_t bytes = 4 * 1024 * 1024;
  std::chrono::milliseconds cpu{5000};
};

class AttackedServer {
 public:
  // Begins to count memory and CPU time once the server has served a few honest calls of each kind.
  explicit AttackedServer(std::vector<std::string> flags = {});
  // Ends the process, which must end well: what a sanitizer has found there fails the test.
  ~AttackedServer();
  AttackedServer(const AttackedServer&) = delete;
  AttackedServer& operator=(const AttackedServer&) = delete;

  // "127.0.0.1:41233"
  const std::string& address() const { return address_; }

  // Honest calls over a connection from before the attack.
  void ExpectServesOthers();
  // One after the other for so long: what an honest but slow peer may be doing instead.
  void ExpectServesOthersFor(std::chrono::milliseconds time);
  // Honest calls over that connection and a new one; and that all since the constructor has stayed within the budget.
  void ExpectUnharmed(const Budget& budget = {});

  // How often each limit has stopped someone, by name. Waits a moment when nothing has changed since the last time.
  std::map<std::string, uint64_t> Counts();
  uint64_t Count(const std::string& limit) { return Counts()[limit]; }
  // Waits for the limit to have done so.
  void ExpectCounted(const std::string& limit, uint64_t times = 1);

  // Sends `burst(0)`, `burst(1)` and so on, an honest call after each, until `limit` has stopped somebody once more. Gives up, and fails
  // the test, after a long while. A peer that reads nothing: it goes on when the server takes no more, or has ended the connection.
  void AttackUntilCounted(const std::string& limit, e2e::RawSocket& socket, const std::function<std::string(int)>& burst);

 private:
  std::string ReadLine();
  size_t PeakMemory() const;
  std::chrono::nanoseconds CpuTime() const;

  pid_t pid_ = -1;
  FILE* said_ = nullptr;  // its standard output
  std::string address_;
  std::shared_ptr<Channel> honest_;
  size_t memory_before_ = 0;
  std::chrono::nanoseconds cpu_before_{};
};

}  // namespace culvert::attack

#endif  // CULVERT_TESTS_ATTACK_ATTACKED_SERVER_H_
