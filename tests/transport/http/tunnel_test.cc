#include "transport/http/tunnel.h"

#include <array>
#include <asio/bind_executor.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/write.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/base/task.h"
#include "transport/io/prefixed_stream.h"

namespace culvert::http {
namespace {

// How an operation ended, once it has.
struct Outcome {
  std::optional<std::error_code> error;
  size_t bytes = 0;

  auto Token() {
    return [this](std::error_code e, size_t n) {
      EXPECT_FALSE(error.has_value()) << "completed twice";
      error = e;
      bytes = n;
    };
  }
};

class TunnelTest : public testing::Test {
 protected:
  void Start(testing_support::MemoryStreamOptions options = {}, std::string_view unread = {}, std::string_view unwritten = {}) {
    auto [peer, stream] = testing_support::MakeMemoryStreamPair(loop_, options);
    peer_ = std::move(peer);
    Hijacked hijacked;
    hijacked.stream = io::PrefixedStream::Make({reinterpret_cast<const uint8_t*>(unread.data()), unread.size()}, std::move(stream));
    hijacked.write_buffer = std::make_unique<io::WriteBuffer>(loop_.blocks());
    hijacked.write_buffer->Append(unwritten);
    tunnel_.emplace(std::move(hijacked));
  }

  void Pump() {
    context_.restart();
    context_.poll();
  }

  void Send(std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    ASSERT_EQ(peer_->TryWrite({&piece, 1}).bytes, text.size());
    Pump();
  }

  std::string Receive() {
    std::string out;
    for (;;) {
      std::array<uint8_t, 4096> space;
      const io::IoResult result = peer_->TryRead(space);
      if (result.kind == io::IoResult::Kind::kEnd) return out + "<end>";
      if (result.kind != io::IoResult::Kind::kBytes) return out;
      out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      Pump();
    }
  }

  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  std::unique_ptr<io::ByteStream> peer_;
  std::optional<Tunnel> tunnel_;
  std::array<char, 100> space_{};
};

TEST_F(TunnelTest, ReadsWhatIsThereAndThenWaits) {
  Start({}, "before,");
  Send("after");
  std::string seen;
  for (int i = 0; i < 2; ++i) {
    Outcome read;
    tunnel_->async_read_some(asio::buffer(space_), read.Token());
    EXPECT_FALSE(read.error.has_value()) << "completed within the initiating function";
    Pump();
    ASSERT_EQ(read.error, std::error_code());
    seen.append(space_.data(), read.bytes);
  }
  EXPECT_EQ(seen, "before,after");

  Outcome later;
  tunnel_->async_read_some(asio::buffer(space_), later.Token());
  Pump();
  EXPECT_FALSE(later.error.has_value());
  Send("xyz");
  EXPECT_EQ(later.bytes, 3u);
}

TEST_F(TunnelTest, AsiosComposedOperationsRunOverIt) {
  Start({.capacity = 1000, .most_per_call = 7});
  std::string out(20000, 'x'), back(20000, ' ');
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>('a' + i % 26);
  Tunnel peer(std::move(peer_));
  Outcome written, read;
  asio::async_write(peer, std::array<asio::const_buffer, 2>{asio::buffer(out.data(), 5000), asio::buffer(out.data() + 5000, 15000)},
                    written.Token());
  asio::async_read(*tunnel_, asio::buffer(back), read.Token());
  Pump();
  EXPECT_EQ(written.bytes, out.size());
  EXPECT_EQ(read.bytes, out.size());
  EXPECT_EQ(back, out);
}

Task<void> ReadToTheEnd(Tunnel& tunnel, std::string& seen, std::error_code& end) {
  std::array<char, 10> piece;
  auto [error, n] = co_await asio::async_read(tunnel, asio::buffer(piece), kTuple);
  seen.assign(piece.data(), n);
  end = error;
}

TEST_F(TunnelTest, TheEndOfThePeersSideIsEofAndWritingGoesOn) {
  Start();
  std::string seen;
  std::error_code end;
  asio::co_spawn(context_, ReadToTheEnd(*tunnel_, seen, end), [](std::exception_ptr) {});
  Send("last");
  peer_->ShutdownWrite();
  Pump();
  EXPECT_EQ(seen, "last");
  EXPECT_EQ(end, asio::error::eof);
  Outcome written;
  asio::async_write(*tunnel_, asio::buffer("reply", 5), written.Token());
  Pump();
  EXPECT_EQ(written.error, std::error_code());
  tunnel_->shutdown_write();
  EXPECT_EQ(Receive(), "reply<end>");
}

TEST_F(TunnelTest, WhatTheConnectionLeftToBeWrittenGoesOutAtOnce) {
  Start({}, {}, "head,");
  EXPECT_EQ(tunnel_->unwritten_bytes(), 0u);
  EXPECT_EQ(Receive(), "head,");
}

TEST_F(TunnelTest, WhatTheConnectionLeftToBeWrittenGoesOutFirst) {
  const std::string head(1000, 'h');
  Start({.capacity = 300}, {}, head);
  EXPECT_EQ(tunnel_->unwritten_bytes(), 700u);
  Outcome written;
  asio::async_write(*tunnel_, asio::buffer("body", 4), written.Token());
  Pump();
  EXPECT_FALSE(written.error.has_value());
  EXPECT_EQ(Receive(), head + "body");
  EXPECT_EQ(written.error, std::error_code());
  EXPECT_EQ(written.bytes, 4u);
  EXPECT_EQ(tunnel_->unwritten_bytes(), 0u);
}

TEST_F(TunnelTest, AnEmptyWriteCompletesWhenTheLeftOversAreOut) {
  const std::string head(1000, 'h');
  Start({.capacity = 300}, {}, head);
  Outcome written;
  tunnel_->async_write_some(asio::const_buffer(), written.Token());
  Pump();
  EXPECT_FALSE(written.error.has_value());
  EXPECT_EQ(Receive(), head);
  EXPECT_EQ(written.error, std::error_code());
  EXPECT_EQ(written.bytes, 0u);
}

TEST_F(TunnelTest, ReadingOfNothingCompletesAtOnce) {
  Start();
  Outcome read;
  tunnel_->async_read_some(asio::mutable_buffer(), read.Token());
  Pump();
  EXPECT_EQ(read.error, std::error_code());
  EXPECT_EQ(read.bytes, 0u);
}

TEST_F(TunnelTest, EmptyBuffersOfASequenceArePassedOver) {
  Start();
  Send("abc");
  Outcome read;
  tunnel_->async_read_some(std::array<asio::mutable_buffer, 2>{asio::mutable_buffer(), asio::buffer(space_)}, read.Token());
  Pump();
  EXPECT_EQ(read.bytes, 3u);
}

TEST_F(TunnelTest, ABrokenStreamIsAnErrorOfTheWrite) {
  Start();
  peer_.reset();
  Outcome written;
  tunnel_->async_write_some(asio::buffer("x", 1), written.Token());
  Pump();
  EXPECT_EQ(written.error, std::make_error_code(std::errc::broken_pipe));
}

TEST_F(TunnelTest, CloseEndsWhatIsUnderWay) {
  Start({.capacity = 10});
  Outcome read, written;
  tunnel_->async_read_some(asio::buffer(space_), read.Token());
  asio::async_write(*tunnel_, asio::buffer(space_), written.Token());
  Pump();
  EXPECT_FALSE(read.error || written.error);
  tunnel_->close();
  Pump();
  EXPECT_EQ(read.error, asio::error::operation_aborted);
  EXPECT_EQ(written.error, asio::error::operation_aborted);
  Outcome late;
  tunnel_->async_read_some(asio::buffer(space_), late.Token());
  Pump();
  EXPECT_EQ(late.error, asio::error::operation_aborted);
}

// Also when the wait is over already, and its handler stands in the loop's queue.
TEST_F(TunnelTest, AnOperationSurvivesTheTunnel) {
  for (const bool bytes_came : {false, true}) {
    Start({}, {}, {});
    Outcome read;
    tunnel_->async_read_some(asio::buffer(space_), read.Token());
    Pump();
    if (bytes_came) {
      const iovec piece{space_.data(), 1};
      peer_->TryWrite({&piece, 1});
    }
    tunnel_.reset();
    Pump();
    EXPECT_EQ(read.error, asio::error::operation_aborted);
    EXPECT_EQ(Receive(), "<end>");
  }
}

TEST_F(TunnelTest, AnOperationGoesOnWhenTheTunnelIsMoved) {
  Start();
  Outcome read;
  tunnel_->async_read_some(asio::buffer(space_), read.Token());
  Tunnel other = std::move(*tunnel_);
  tunnel_.reset();
  Send("abc");
  EXPECT_EQ(read.bytes, 3u);

  Outcome replaced;
  other.async_read_some(asio::buffer(space_), replaced.Token());
  Pump();
  auto [peer, stream] = testing_support::MakeMemoryStreamPair(loop_);
  other = Tunnel(std::move(stream));
  Pump();
  EXPECT_EQ(replaced.error, asio::error::operation_aborted);
}

Task<void> RaceAgainstATimer(Tunnel& tunnel, std::string& seen) {
  using asio::experimental::awaitable_operators::operator||;
  std::array<char, 10> piece;
  asio::steady_timer at_once(tunnel.get_executor(), asio::steady_timer::time_point::min());
  const auto first = co_await (tunnel.async_read_some(asio::buffer(piece), asio::use_awaitable) || at_once.async_wait(asio::use_awaitable));
  seen = first.index() == 1 ? "timer" : "bytes";
}

TEST_F(TunnelTest, ACancelledReadLeavesTheWriteAlone) {
  Start({.capacity = 10});
  Outcome written;
  asio::async_write(*tunnel_, asio::buffer(space_), written.Token());
  std::string seen;
  asio::co_spawn(context_, RaceAgainstATimer(*tunnel_, seen), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  Pump();
  EXPECT_EQ(seen, "timer");
  EXPECT_FALSE(written.error.has_value());
  EXPECT_EQ(Receive().size(), space_.size());
  EXPECT_EQ(written.error, std::error_code());

  Outcome read;  // nothing was lost
  Send("abc");
  tunnel_->async_read_some(asio::buffer(space_), read.Token());
  Pump();
  EXPECT_EQ(read.bytes, 3u);
}

TEST_F(TunnelTest, CompletesOnTheExecutorOfTheHandler) {
  Start();
  auto strand = asio::make_strand(context_);
  int in_strand = 0;
  for (int i = 0; i < 2; ++i) {  // bytes that are there, and bytes that come
    if (i == 0) Send("abc");
    tunnel_->async_read_some(asio::buffer(space_), asio::bind_executor(strand, [&](std::error_code, size_t n) {
      EXPECT_EQ(n, 3u);
      in_strand += strand.running_in_this_thread() ? 1 : 0;
    }));
    Pump();
    if (i == 1) Send("abc");
  }
  EXPECT_EQ(in_strand, 2);
}

}  // namespace
}  // namespace culvert::http
