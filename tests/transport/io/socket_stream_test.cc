#include "transport/io/socket_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace culvert::io {
namespace {

class SocketStreamTest : public testing::Test {
 protected:
  SocketStreamTest() {
    std::array<int, 2> fds;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    stream_ = AdoptSocket(loop_, fds[0]);
    peer_ = fds[1];
  }
  ~SocketStreamTest() override { ClosePeer(); }

  void ClosePeer() {
    if (peer_ >= 0) ::close(std::exchange(peer_, -1));
  }
  void Pump() {
    context_.restart();
    context_.poll();
  }

  IoResult Read() { return stream_->TryRead(space_); }
  IoResult Write(size_t n) {
    const iovec piece{space_.data(), n};
    return stream_->TryWrite({&piece, 1});
  }
  void Wait(Direction direction, std::optional<std::error_code>& result) {
    stream_->AsyncWait(direction, [&result](std::error_code error) { result = error; });
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<ByteStream> stream_;
  int peer_ = -1;
  std::array<uint8_t, 65536> space_{};
};

TEST_F(SocketStreamTest, ReadsWhatIsThereAndOtherwiseWouldBlock) {
  EXPECT_EQ(Read().kind, IoResult::Kind::kWouldBlock);
  ASSERT_EQ(::write(peer_, "abc", 3), 3);
  const IoResult read = Read();
  EXPECT_EQ(read.kind, IoResult::Kind::kBytes);
  EXPECT_EQ(read.bytes, 3u);
  EXPECT_EQ(space_[2], 'c');
  EXPECT_EQ(Read().kind, IoResult::Kind::kWouldBlock);
}

TEST_F(SocketStreamTest, PiecesGoOutInOneWrite) {
  const std::array<iovec, 3> pieces = {iovec{const_cast<char*>("ab"), 2}, iovec{const_cast<char*>("c"), 1}, iovec{const_cast<char*>("def"), 3}};
  EXPECT_EQ(stream_->TryWrite(pieces).bytes, 6u);
  std::array<char, 10> got;
  ASSERT_EQ(::read(peer_, got.data(), got.size()), 6);
  EXPECT_EQ(std::string(got.data(), 6), "abcdef");
}

TEST_F(SocketStreamTest, WaitsForBytesAndTellsFromTheLoop) {
  std::optional<std::error_code> readable;
  Wait(Direction::kRead, readable);
  Pump();
  EXPECT_FALSE(readable.has_value());
  ASSERT_EQ(::write(peer_, "x", 1), 1);
  EXPECT_FALSE(readable.has_value());
  Pump();
  EXPECT_EQ(readable, std::error_code());
  EXPECT_EQ(Read().bytes, 1u);
}

TEST_F(SocketStreamTest, AFullSocketWouldBlockUntilThePeerReads) {
  IoResult written;
  size_t total = 0;
  while ((written = Write(space_.size())).kind == IoResult::Kind::kBytes) total += written.bytes;
  EXPECT_EQ(written.kind, IoResult::Kind::kWouldBlock);
  std::optional<std::error_code> writable;
  Wait(Direction::kWrite, writable);
  Pump();
  EXPECT_FALSE(writable.has_value());
  while (total > 0) total -= static_cast<size_t>(::read(peer_, space_.data(), space_.size()));
  Pump();
  EXPECT_EQ(writable, std::error_code());
  EXPECT_EQ(Write(1).kind, IoResult::Kind::kBytes);
}

TEST_F(SocketStreamTest, TheEndComesAfterTheLastBytes) {
  ASSERT_EQ(::write(peer_, "x", 1), 1);
  ::shutdown(peer_, SHUT_WR);
  EXPECT_EQ(Read().bytes, 1u);
  std::optional<std::error_code> readable;
  Wait(Direction::kRead, readable);
  Pump();
  EXPECT_EQ(readable, std::error_code());
  EXPECT_EQ(Read().kind, IoResult::Kind::kEnd);
  EXPECT_EQ(Write(1).kind, IoResult::Kind::kBytes);  // our side goes on
}

TEST_F(SocketStreamTest, ShutdownWriteEndsOurSideOnly) {
  Write(1);
  stream_->ShutdownWrite();
  EXPECT_EQ(::read(peer_, space_.data(), 10), 1);
  EXPECT_EQ(::read(peer_, space_.data(), 10), 0);
  ASSERT_EQ(::write(peer_, "x", 1), 1);
  EXPECT_EQ(Read().bytes, 1u);
}

// An error, not a SIGPIPE.
TEST_F(SocketStreamTest, WritingToAPeerThatIsGoneIsAnError) {
  ClosePeer();
  const IoResult result = Write(1);
  EXPECT_EQ(result.kind, IoResult::Kind::kError);
  EXPECT_EQ(result.error, std::make_error_code(std::errc::broken_pipe));
}

TEST_F(SocketStreamTest, CancelWaitsEndsBothAndTheStreamGoesOn) {
  std::optional<std::error_code> readable, writable;
  while (Write(space_.size()).kind == IoResult::Kind::kBytes) {
  }
  Wait(Direction::kRead, readable);
  Wait(Direction::kWrite, writable);
  Pump();
  stream_->CancelWaits();
  EXPECT_FALSE(readable.has_value()) << "within CancelWaits";
  Pump();
  EXPECT_EQ(readable, asio::error::operation_aborted);
  EXPECT_EQ(writable, asio::error::operation_aborted);
  ASSERT_EQ(::write(peer_, "x", 1), 1);
  EXPECT_EQ(Read().bytes, 1u);
}

TEST_F(SocketStreamTest, CloseEndsWaitsAndBothSides) {
  std::optional<std::error_code> readable;
  Wait(Direction::kRead, readable);
  stream_->Close();
  stream_->Close();
  Pump();
  EXPECT_EQ(readable, asio::error::operation_aborted);
  EXPECT_EQ(::read(peer_, space_.data(), 10), 0);
  EXPECT_EQ(Read().kind, IoResult::Kind::kError);
  EXPECT_EQ(Write(1).kind, IoResult::Kind::kError);
  stream_->ShutdownWrite();  // does nothing
}

TEST_F(SocketStreamTest, ItsDestructorEndsTheWait) {
  std::optional<std::error_code> readable;
  Wait(Direction::kRead, readable);
  stream_.reset();
  Pump();
  EXPECT_EQ(readable, asio::error::operation_aborted);
}

TEST_F(SocketStreamTest, NamesItsLoopAndPeer) {
  EXPECT_EQ(&stream_->loop(), &loop_);
  EXPECT_EQ(stream_->peer(), "unix:");
  stream_->Close();
  EXPECT_EQ(stream_->peer(), "unknown");
}

}  // namespace
}  // namespace culvert::io
