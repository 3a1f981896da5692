#include "tests/attack/attacked_server.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"

namespace culvert::attack {

using e2e::RawSocket;

namespace {

std::string TargetPath() {
  const auto text = [](const char* name) { return std::string(std::getenv(name) != nullptr ? std::getenv(name) : ""); };
  return text("TEST_SRCDIR") + "/" + text("TEST_WORKSPACE") + "/tests/attack/target";
}

}  // namespace

AttackedServer::AttackedServer(std::vector<std::string> flags) {
  flags.insert(flags.begin(), TargetPath());
  std::vector<char*> arguments;
  for (std::string& flag : flags) arguments.push_back(flag.data());
  arguments.push_back(nullptr);

  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int failed = ::posix_spawn(&pid_, flags[0].c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  said_ = ::fdopen(ends[0], "r");
  if (failed != 0) {
    pid_ = -1;
    ADD_FAILURE() << flags[0] << " cannot be run: error " << failed;
    return;
  }
  const std::string ready = ReadLine();
  EXPECT_EQ(ready.substr(0, 6), "READY ") << flags[0] << " says '" << ready << "'";
  address_ = ready.substr(std::min<size_t>(ready.size(), 6));

  honest_ = e2e::MustCreateChannel(address_);
  for (int i = 0; i < 100; ++i) ExpectServesOthers();
  e2e::ExpectServes(address_);
  RawSocket http1 = RawSocket::Connect(address_);
  http1.Send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(http1.Receive(12), "HTTP/1.1 200");
  EXPECT_TRUE(http1.ReceiveEnd());

  std::ofstream("/proc/" + std::to_string(pid_) + "/clear_refs") << "5";  // proc(5): the peak begins anew
  memory_before_ = PeakMemory();
  cpu_before_ = CpuTime();
}

AttackedServer::~AttackedServer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0) << "the server has not ended well";
  }
  if (said_ != nullptr) std::fclose(said_);
}

void AttackedServer::ExpectServesOthers() {
  ClientContext context;
  context.set_timeout(absl::ToChronoNanoseconds(e2e::kLong));
  const absl::StatusOr<e2e::SimpleResponse> response = e2e::Stub(honest_).UnaryCall(context, e2e::UnaryRequest(1000, 2000), kBlock);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->payload().body().size(), 2000u);
}

void AttackedServer::ExpectUnharmed(const Budget& budget) {
  ExpectServesOthers();
  e2e::ExpectServes(address_);
  if (kSanitized || testing::Test::HasFailure()) return;
  const std::chrono::nanoseconds cpu = CpuTime() - cpu_before_;
  const size_t peak = PeakMemory();
  EXPECT_LT(peak, memory_before_ + budget.bytes) << "at the beginning: " << memory_before_;
  EXPECT_LT(cpu.count(), std::chrono::nanoseconds(budget.cpu).count()) << "ns of CPU time";
  testing::Test::RecordProperty("kib_more", std::to_string((peak - memory_before_) / 1024));
  testing::Test::RecordProperty("cpu_ms", std::to_string(cpu.count() / 1000000));
}

void AttackedServer::ExpectServesOthersFor(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    ExpectServesOthers();
  } while (std::chrono::steady_clock::now() < end && !testing::Test::HasFatalFailure());
}

std::map<std::string, uint64_t> AttackedServer::Counts() {
  std::map<std::string, uint64_t> counts;
  ::kill(pid_, SIGUSR1);
  for (;;) {
    const std::string line = ReadLine();
    if (line == "END") return counts;
    const size_t space = line.find(' ');
    if (space == std::string::npos) {
      ADD_FAILURE() << "the server is gone, or talks nonsense: '" << line << "'";
      return counts;
    }
    counts[line.substr(0, space)] = std::strtoull(line.c_str() + space, nullptr, 10);
  }
}

void AttackedServer::ExpectCounted(const std::string& limit, uint64_t times) {
  const absl::Time give_up = absl::Now() + e2e::kLong;
  std::map<std::string, uint64_t> counts = Counts();
  while (counts[limit] < times && absl::Now() < give_up && !testing::Test::HasFatalFailure()) counts = Counts();
  EXPECT_GE(counts[limit], times) << limit << "; what was counted: " << testing::PrintToString(counts);
}

void AttackedServer::AttackUntilCounted(const std::string& limit, RawSocket& socket, const std::function<std::string(int)>& burst) {
  const uint64_t before = Count(limit);
  const absl::Time give_up = absl::Now() + e2e::kLong;
  std::string bytes;
  int bursts = 0;
  bool open = true;
  while (Count(limit) == before) {
    if (absl::Now() > give_up || testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << limit << " has stopped nobody; what was counted: " << testing::PrintToString(Counts());
      return;
    }
    if (open) {
      if (bytes.empty()) bytes = burst(bursts++);
      const std::optional<size_t> taken = socket.TrySend(bytes);
      open = taken.has_value();
      bytes.erase(0, taken.value_or(0));
    }
    ExpectServesOthers();
  }
}

std::string AttackedServer::ReadLine() {
  char* line = nullptr;
  size_t room = 0;
  const ssize_t n = ::getline(&line, &room, said_);
  std::string text;
  if (n > 0) text.assign(line, static_cast<size_t>(n) - 1);
  std::free(line);
  return text;
}

// proc(5): "VmHWM:      5644 kB"
size_t AttackedServer::PeakMemory() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  ADD_FAILURE() << "/proc tells nothing of the server's memory";
  return 0;
}

std::chrono::nanoseconds AttackedServer::CpuTime() const {
  clockid_t clock;
  timespec time{};
  EXPECT_EQ(::clock_getcpuclockid(pid_, &clock), 0);
  EXPECT_EQ(::clock_gettime(clock, &time), 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace culvert::attack
