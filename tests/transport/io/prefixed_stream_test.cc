#include "transport/io/prefixed_stream.h"

#include <array>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/io/event_loop.h"

namespace culvert::io {
namespace {

class PrefixedStreamTest : public testing::Test {
 protected:
  PrefixedStreamTest() {
    auto [here, there] = testing_support::MakeMemoryStreamPair(loop_);
    inner_ = std::move(here);
    peer_ = std::move(there);
  }

  std::unique_ptr<PrefixedStream> With(std::string_view prefix) {
    return std::make_unique<PrefixedStream>(
        std::span(reinterpret_cast<const uint8_t*>(prefix.data()), prefix.size()), std::move(inner_));
  }
  void Pump() {
    context_.restart();
    context_.poll();
  }
  void PeerWrites(std::string_view text) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    ASSERT_EQ(peer_->TryWrite({&piece, 1}).bytes, text.size());
  }
  static std::string Read(ByteStream& stream, size_t most) {
    std::string out(most, '\0');
    const IoResult result = stream.TryRead({reinterpret_cast<uint8_t*>(out.data()), most});
    if (result.kind == IoResult::Kind::kEnd) return "<end>";
    if (result.kind == IoResult::Kind::kError) return "<error>";
    out.resize(result.bytes);
    return out;
  }
  void WaitFor(ByteStream& stream, Direction direction) {
    stream.AsyncWait(direction, [this](std::error_code error) { waited_ = error; });
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<ByteStream> inner_;
  std::unique_ptr<ByteStream> peer_;
  std::optional<std::error_code> waited_;
};

TEST_F(PrefixedStreamTest, ReplaysThenReadsOn) {
  auto stream = With("abcde");
  PeerWrites("fgh");
  EXPECT_EQ(stream->prefix_left(), 5u);
  EXPECT_EQ(Read(*stream, 2), "ab");
  EXPECT_EQ(stream->prefix_left(), 3u);
  EXPECT_EQ(Read(*stream, 100), "cde");
  EXPECT_EQ(stream->prefix_left(), 0u);
  EXPECT_EQ(Read(*stream, 100), "fgh");
  EXPECT_EQ(Read(*stream, 100), "");
  peer_->ShutdownWrite();
  EXPECT_EQ(Read(*stream, 100), "<end>");
}

TEST_F(PrefixedStreamTest, NothingToReplayIsTheStreamItself) {
  ByteStream* inner = inner_.get();
  EXPECT_EQ(PrefixedStream::Make({}, std::move(inner_)).get(), inner);
}

TEST_F(PrefixedStreamTest, TheReplayComesBeforeTheEnd) {
  auto stream = With("a");
  peer_->ShutdownWrite();
  EXPECT_EQ(Read(*stream, 1), "a");
  EXPECT_EQ(Read(*stream, 1), "<end>");
}

TEST_F(PrefixedStreamTest, AWaitToReadEndsAtOnceButNotWithinTheCall) {
  auto stream = With("a");
  WaitFor(*stream, Direction::kRead);
  EXPECT_FALSE(waited_);
  Pump();
  ASSERT_TRUE(waited_);
  EXPECT_FALSE(*waited_);
}

TEST_F(PrefixedStreamTest, AfterTheReplayAWaitIsTheStreams) {
  auto stream = With("a");
  Read(*stream, 1);
  WaitFor(*stream, Direction::kRead);
  Pump();
  EXPECT_FALSE(waited_);
  PeerWrites("b");
  Pump();
  ASSERT_TRUE(waited_);
  EXPECT_FALSE(*waited_);
}

TEST_F(PrefixedStreamTest, WritesPassThrough) {
  auto stream = With("a");
  WaitFor(*stream, Direction::kWrite);
  Pump();
  ASSERT_TRUE(waited_);
  iovec piece{const_cast<char*>("xyz"), 3};
  EXPECT_EQ(stream->TryWrite({&piece, 1}).bytes, 3u);
  stream->ShutdownWrite();
  EXPECT_EQ(Read(*peer_, 10), "xyz");
  EXPECT_EQ(Read(*peer_, 10), "<end>");
  EXPECT_EQ(stream->prefix_left(), 1u);
  EXPECT_EQ(stream->peer(), "memory");
  EXPECT_EQ(&stream->loop(), &loop_);
}

TEST_F(PrefixedStreamTest, CancelledWaitsAreAborted) {
  auto stream = With("a");
  WaitFor(*stream, Direction::kRead);
  stream->CancelWaits();
  Pump();
  EXPECT_EQ(*waited_, asio::error::operation_aborted);
  EXPECT_EQ(Read(*stream, 1), "a");  // nothing is lost
  WaitFor(*stream, Direction::kRead);
  stream->CancelWaits();
  Pump();
  EXPECT_EQ(*waited_, asio::error::operation_aborted);
}

TEST_F(PrefixedStreamTest, WaitsOutliveTheStreamAsAborted) {
  auto stream = With("a");
  WaitFor(*stream, Direction::kRead);
  stream.reset();
  Pump();
  EXPECT_EQ(*waited_, asio::error::operation_aborted);
}

TEST_F(PrefixedStreamTest, CloseDropsThePrefix) {
  auto stream = With("a");
  stream->Close();
  EXPECT_EQ(stream->prefix_left(), 0u);
  EXPECT_EQ(Read(*stream, 1), "<error>");
}

}  // namespace
}  // namespace culvert::io
