#include "transport/server/acceptor.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::server {
namespace {

class AcceptorTest : public testing::Test {
 protected:
  ~AcceptorTest() override {
    if (acceptor_ != nullptr) acceptor_->Stop();
    context_.restart();
    context_.poll();
    for (const int fd : clients_) ::close(fd);
    for (const int fd : accepted_) ::close(fd);
  }

  void Start(const std::string& address = "127.0.0.1:0") {
    const absl::StatusOr<io::Listener> listener = io::Listen(*io::ParseAddress(address), 16);
    ASSERT_TRUE(listener.ok()) << listener.status();
    address_ = listener->address;
    acceptor_ = std::make_shared<Acceptor>(
        loop_, *listener,
        [this] {
          if (room_ == 0) return false;
          --room_;
          return true;
        },
        [this] { ++room_; }, [this](int fd) { accepted_.push_back(fd); });
    asio::co_spawn(context_, Acceptor::Run(acceptor_), [this](std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      over_ = true;
    });
  }

  void Connect() {
    const int fd = ::socket(address_.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, address_.get(), address_.size), 0);
    clients_.push_back(fd);
  }

  void AwaitAccepted(size_t n) {
    while (accepted_.size() < n) context_.run_one();
    EXPECT_EQ(accepted_.size(), n);
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  io::SocketAddress address_;
  std::shared_ptr<Acceptor> acceptor_;
  size_t room_ = 1000;
  bool over_ = false;
  std::vector<int> clients_, accepted_;
};

TEST_F(AcceptorTest, HandsEachConnectionOut) {
  Start();
  for (size_t n = 1; n <= 3; ++n) {
    Connect();
    AwaitAccepted(n);
  }
  EXPECT_EQ(room_, 997u);  // what was reserved in vain was given back
}

TEST_F(AcceptorTest, ManyAtOnce) {
  Start();
  for (int i = 0; i < 10; ++i) Connect();
  AwaitAccepted(10);
}

TEST_F(AcceptorTest, AtTheLimitNewcomersWaitUntilThereIsRoom) {
  room_ = 2;
  Start();
  for (int i = 0; i < 3; ++i) Connect();
  AwaitAccepted(2);
  context_.poll();
  EXPECT_EQ(accepted_.size(), 2u);
  room_ = 1;
  AwaitAccepted(3);
  EXPECT_EQ(room_, 0u);
}

TEST_F(AcceptorTest, OutOfFileDescriptorsItPausesSaysSoOnceAndGoesOn) {
  Start();
  Connect();
  AwaitAccepted(1);
  Connect();
  testing::internal::CaptureStderr();
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const size_t room = room_;
  for (int turns = 0; turns < 4; ++turns) context_.run_one();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said, "culvert: accepting on " + io::FormatAddress(address_) + " pauses: Too many open files\n");
  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(room_, room);
  AwaitAccepted(2);
}

TEST_F(AcceptorTest, StopClosesTheSocketAndEndsRun) {
  Start();
  Connect();
  AwaitAccepted(1);
  acceptor_->Stop();
  acceptor_->Stop();
  context_.restart();
  context_.poll();
  EXPECT_TRUE(over_);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_NE(::connect(fd, address_.get(), address_.size), 0);
  ::close(fd);
}

TEST_F(AcceptorTest, StopAtTheLimitEndsRun) {
  room_ = 0;
  Start();
  Connect();
  context_.poll();
  acceptor_->Stop();
  while (!over_) context_.run_one();
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(AcceptorTest, StopRemovesAUnixPath) {
  std::string directory = "/tmp/culvert.XXXXXX";  // Bazel's own directories are too long for a Unix socket
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/s";
  Start("unix:" + path);
  Connect();
  AwaitAccepted(1);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  acceptor_->Stop();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_EQ(::rmdir(directory.c_str()), 0);
}

}  // namespace
}  // namespace culvert::server
