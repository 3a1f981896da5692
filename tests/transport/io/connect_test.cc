#include "transport/io/connect.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace culvert::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Connected = absl::StatusOr<std::unique_ptr<ByteStream>>;

SocketAddress Address(const std::string& text) { return *ParseAddress(text); }

class ConnectTest : public testing::Test {
 protected:
  ~ConnectTest() override {
    for (const int fd : fds_) ::close(fd);
    if (!directory_.empty()) {
      ::unlink((directory_ + "/s").c_str());
      EXPECT_EQ(::rmdir(directory_.c_str()), 0);
    }
  }

  Listener MustListen(const std::string& address, int backlog = 16) {
    const absl::StatusOr<Listener> listener = Listen(Address(address), backlog);
    EXPECT_TRUE(listener.ok()) << listener.status();
    if (!listener.ok()) return {};
    fds_.push_back(listener->fd);
    return *listener;
  }

  // Runs the loop until the attempt is over.
  Connected Connect(const SocketAddress& address, milliseconds patience = seconds(30)) {
    std::optional<Connected> result;
    asio::co_spawn(context_, ConnectSocket(loop_, address, Timer::Clock::now() + patience), [&result](std::exception_ptr error, Connected c) {
      EXPECT_EQ(error, nullptr);
      result = std::move(c);
    });
    context_.restart();
    while (!result.has_value()) context_.run_one();
    return *std::move(result);
  }

  // In a directory of the test's own; Bazel's are too long for a Unix socket.
  std::string SocketPath() {
    if (directory_.empty()) {
      directory_ = "/tmp/culvert.XXXXXX";
      EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    }
    return absl::StrCat("unix:", directory_, "/s");
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::vector<int> fds_;
  std::string directory_;
};

TEST_F(ConnectTest, ReachesAListenerAndKnowsThePeer) {
  const Listener listener = MustListen("127.0.0.1:0");
  EXPECT_NE(FormatAddress(listener.address), "127.0.0.1:0");  // the port that was taken
  const Connected stream = Connect(listener.address);
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer(), PeerName(listener.address));
  const int accepted = ::accept(listener.fd, nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  fds_.push_back(accepted);
  const iovec piece{const_cast<char*>("hi"), 2};
  EXPECT_EQ((*stream)->TryWrite({&piece, 1}).bytes, 2u);
  std::array<char, 4> space;
  EXPECT_EQ(::read(accepted, space.data(), space.size()), 2);
}

TEST_F(ConnectTest, ARefusedPortIsUnavailableWithTheReason) {
  const Listener listener = MustListen("127.0.0.1:0");
  ::close(listener.fd);
  fds_.clear();
  const absl::Status status = Connect(listener.address).status();
  EXPECT_EQ(status, absl::UnavailableError(absl::StrCat("cannot connect to ", FormatAddress(listener.address), ": Connection refused")));
}

// A listener whose backlog is full leaves newcomers without an answer.
class SilentListener {
 public:
  explicit SilentListener(const Listener& listener) {
    for (int i = 0; i < 8; ++i) {
      fds_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fds_.back(), listener.address.get(), listener.address.size);
    }
  }
  ~SilentListener() {
    for (const int fd : fds_) ::close(fd);
  }

 private:
  std::vector<int> fds_;
};

TEST_F(ConnectTest, NoAnswerByTheDeadlineIsUnavailable) {
  const Listener listener = MustListen("127.0.0.1:0", 0);
  const SilentListener silent(listener);
  const absl::Status status = Connect(listener.address, milliseconds(20)).status();
  EXPECT_EQ(status, absl::UnavailableError(absl::StrCat("cannot connect to ", FormatAddress(listener.address), ": Connection timed out")));
}

Task<size_t> Race(EventLoop& loop, SocketAddress address) {
  using asio::experimental::awaitable_operators::operator||;
  asio::steady_timer timer(loop.executor(), milliseconds(1));
  const auto first = co_await (ConnectSocket(loop, address, Timer::Clock::now() + seconds(30)) || timer.async_wait(asio::use_awaitable));
  // Cancelled, connecting ends with an error of its own: whichever ended first, both have.
  co_return first.index();
}

TEST_F(ConnectTest, CancellingGivesUp) {
  const Listener listener = MustListen("127.0.0.1:0", 0);
  const SilentListener silent(listener);
  bool over = false;
  asio::co_spawn(context_, Race(loop_, listener.address), [&](std::exception_ptr error, size_t) {
    EXPECT_EQ(error, nullptr);
    over = true;
  });
  const auto begin = Timer::Clock::now();
  while (!over) context_.run_one();
  EXPECT_LT(Timer::Clock::now() - begin, seconds(20));
}

TEST_F(ConnectTest, APortThatIsTakenIsUnavailable) {
  const Listener listener = MustListen("127.0.0.1:0");
  const absl::Status status = Listen(listener.address, 16).status();
  EXPECT_EQ(status, absl::UnavailableError(absl::StrCat("cannot listen on ", FormatAddress(listener.address), ": Address already in use")));
}

TEST_F(ConnectTest, UnixSockets) {
  for (const std::string& address : {SocketPath(), absl::StrCat("unix-abstract:culvert-connect-test-", ::getpid())}) {
    const Listener listener = MustListen(address);
    EXPECT_EQ(FormatAddress(listener.address), address);
    const Connected stream = Connect(listener.address);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->peer(), address);
    EXPECT_EQ(Listen(Address(address), 16).status().code(), absl::StatusCode::kUnavailable) << "somebody listens there";
  }
}

TEST_F(ConnectTest, AUnixPathThatNobodyListensOnAnyMoreIsReplaced) {
  ::close(MustListen(SocketPath()).fd);
  fds_.clear();
  EXPECT_EQ(Connect(Address(SocketPath())).status().code(), absl::StatusCode::kUnavailable);
  const Listener again = MustListen(SocketPath());
  EXPECT_TRUE(Connect(again.address).ok());
}

TEST_F(ConnectTest, AFileThatIsNoSocketIsLeftAlone) {
  const std::string path = SocketPath().substr(5);
  FILE* file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fclose(file);
  EXPECT_EQ(Listen(Address(SocketPath()), 16).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST_F(ConnectTest, AnAddressOfNobodyIsUnavailable) {
  EXPECT_EQ(Listen(Address("192.0.2.1:0"), 16).status().code(), absl::StatusCode::kUnavailable);  // TEST-NET-1, no address of ours
}

}  // namespace
}  // namespace culvert::io
