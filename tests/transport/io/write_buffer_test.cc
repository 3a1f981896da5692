#include "transport/io/write_buffer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/io/poison.h"

namespace culvert::io {
namespace {

std::string Bytes(const WriteBuffer& buffer) {
  std::array<iovec, 1000> pieces;
  const size_t count = buffer.Gather(pieces);
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

size_t Pieces(const WriteBuffer& buffer) {
  std::array<iovec, 1000> pieces;
  return buffer.Gather(pieces);
}

void Fill(uint8_t* at, std::string_view text) { std::memcpy(at, text.data(), text.size()); }

TEST(WriteBuffer, IsEmptyAtFirst) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(Pieces(buffer), 0u);
  buffer.Consume(0);
  buffer.Append("");
  EXPECT_TRUE(buffer.empty());
}

TEST(WriteBuffer, SmallPiecesLieSideBySideInOnePiece) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  buffer.Append("abc");
  Fill(buffer.Grow(3), "def");
  buffer.Append("g");
  EXPECT_EQ(buffer.size(), 7u);
  EXPECT_EQ(Bytes(buffer), "abcdefg");
  EXPECT_EQ(Pieces(buffer), 1u);
}

TEST(WriteBuffer, GrowIsContiguousForEverySize) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  std::string expected;
  for (const size_t n : {size_t{1}, BlockPool::kSmallBlock - 1, size_t{2}, BlockPool::kSmallBlock,
                         BlockPool::kSmallBlock + 1, size_t{100000}, size_t{9}}) {
    const std::string text(n, static_cast<char>('a' + expected.size() % 26));
    Fill(buffer.Grow(n), text);
    expected += text;
    ASSERT_EQ(buffer.size(), expected.size());
    ASSERT_EQ(Bytes(buffer), expected);
  }
  buffer.Consume(buffer.size());
  EXPECT_TRUE(buffer.empty());
}

TEST(WriteBuffer, ShrinkTakesBackTheEndOfTheLastGrow) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  buffer.Append("abc");
  Fill(buffer.Grow(10), "defghijklm");
  buffer.Shrink(8);
  buffer.Append("X");
  EXPECT_EQ(Bytes(buffer), "abcdeX");
}

TEST(WriteBuffer, ShrinkOfAllLeavesWhatWasThereBefore) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  buffer.Grow(10);
  buffer.Shrink(10);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(Pieces(buffer), 0u);
  buffer.Append("abc");
  buffer.AppendShared(SharedBytes::Copy(std::string(5000, 's')));
  buffer.Grow(10);
  buffer.Shrink(10);
  EXPECT_EQ(Bytes(buffer), "abc" + std::string(5000, 's'));
  buffer.Append("def");
  EXPECT_EQ(Bytes(buffer), "abc" + std::string(5000, 's') + "def");
  buffer.Consume(buffer.size());
  EXPECT_TRUE(buffer.empty());
}

TEST(WriteBuffer, ALargePayloadIsHeldByReferenceUntilItIsWritten) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  auto owner = std::make_shared<const std::string>(5000, 's');
  const auto* const data = reinterpret_cast<const uint8_t*>(owner->data());
  buffer.Append("head");
  buffer.AppendShared({owner, data, owner->size()});
  EXPECT_EQ(owner.use_count(), 2);
  std::array<iovec, 4> pieces;
  ASSERT_EQ(buffer.Gather(pieces), 2u);
  EXPECT_EQ(pieces[1].iov_base, data);
  buffer.Consume(4 + 4999);
  EXPECT_EQ(owner.use_count(), 2);
  EXPECT_EQ(Bytes(buffer), "s");
  buffer.Consume(1);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(WriteBuffer, ASmallPayloadIsCopiedAndReleasedAtOnce) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  auto owner = std::make_shared<const std::string>(WriteBuffer::kShareFrom - 1, 's');
  buffer.AppendShared({owner, reinterpret_cast<const uint8_t*>(owner->data()), owner->size()});
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_EQ(Bytes(buffer), *owner);
}

TEST(WriteBuffer, HeadsBetweenLargePayloadsShareOneBlock) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  const SharedBytes payload = SharedBytes::Copy(std::string(5000, 's'));
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string head = "head" + std::to_string(i);
    buffer.Append(head);
    buffer.AppendShared(payload);
    expected += head + std::string(5000, 's');
  }
  std::array<iovec, 1000> pieces;
  ASSERT_EQ(buffer.Gather(pieces), 200u);
  EXPECT_EQ(static_cast<const char*>(pieces[2].iov_base), static_cast<const char*>(pieces[0].iov_base) + 5);
  while (!expected.empty()) {
    ASSERT_EQ(Bytes(buffer), expected);
    const size_t n = std::min<size_t>(expected.size(), 3001);
    buffer.Consume(n);
    expected.erase(0, n);
  }
  EXPECT_TRUE(buffer.empty());
}

TEST(WriteBuffer, GatherFillsNoMoreThanItIsGiven) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  for (int i = 0; i < 5; ++i) buffer.AppendShared(SharedBytes::Copy(std::string(5000, 's')));
  std::array<iovec, 3> pieces;
  EXPECT_EQ(buffer.Gather(pieces), 3u);
}

TEST(WriteBuffer, PiecesStayWhereTheyAreWhileMoreIsAppended) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  buffer.Append("first");
  std::array<iovec, 1> pieces;
  ASSERT_EQ(buffer.Gather(pieces), 1u);
  const iovec before = pieces[0];
  for (int i = 0; i < 50; ++i) {
    buffer.AppendShared(SharedBytes::Copy(std::string(5000, 's')));
    buffer.Append(std::string(1000, 'c'));
  }
  EXPECT_EQ(std::string(static_cast<const char*>(before.iov_base), before.iov_len), "first");
}

TEST(WriteBuffer, AnyMixOfAppendsAndConsumesKeepsTheBytesInOrder) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  std::string expected;
  std::mt19937 random(1);
  char next = 0;
  for (int i = 0; i < 5000; ++i) {
    const size_t n = random() % (random() % 8 == 0 ? 40000 : 300);
    std::string text(n, next++);
    switch (random() % 4) {
      case 0:
        buffer.Append(text);
        expected += text;
        break;
      case 1: {
        const size_t kept = n == 0 ? 0 : random() % n;
        uint8_t* const at = buffer.Grow(n);
        Fill(at, text);
        buffer.Shrink(n - kept);
        expected += text.substr(0, kept);
        break;
      }
      case 2:
        expected += text;
        buffer.AppendShared(SharedBytes::Copy(text));
        break;
      case 3: {
        const size_t taken =
            random() % 3 == 0 ? expected.size() : std::min<size_t>(expected.size(), random() % 30000);
        buffer.Consume(taken);
        expected.erase(0, taken);
        break;
      }
    }
    ASSERT_EQ(buffer.size(), expected.size());
    if (i % 16 == 0) {
      ASSERT_EQ(Bytes(buffer), expected);
    }
  }
}

#ifndef CULVERT_POISONS  // LargeBlocks keeps nothing under AddressSanitizer
TEST(WriteBuffer, LargeMessagesOneAfterTheOtherAllocateOnce) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  const auto turn = [&](size_t n) {
    buffer.AppendShared(SharedBytes::Make(n, [](uint8_t* to) { *to = 's'; }));
    buffer.Consume(buffer.size());
    buffer.Grow(n)[n - 1] = 's';
    buffer.Shrink(n / 2);
    buffer.Consume(buffer.size());
  };
  for (const size_t n : {40'000, 65'536, 1 << 20}) {
    turn(n);
    const testing::AllocationCounter counter;
    for (int i = 0; i < 10; ++i) turn(n);
    EXPECT_EQ(counter.Count(), 0u) << n;
  }
}
#endif

TEST(WriteBuffer, SteadyStateAllocatesNothing) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  const SharedBytes payload = SharedBytes::Copy(std::string(5000, 's'));
  const auto turn = [&] {
    for (int i = 0; i < 10; ++i) {
      buffer.Append("head of nine");
      buffer.AppendShared(payload);
      buffer.Grow(100);
      buffer.Shrink(50);
    }
    buffer.Consume(buffer.size() - 7);
    buffer.Append("more");
    buffer.Consume(buffer.size());
  };
  for (int i = 0; i < 4; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

TEST(WriteBuffer, SteadyStateOfABacklogThatNeverEmptiesAllocatesNothing) {
  BlockPool pool;
  WriteBuffer buffer(pool);
  const SharedBytes payload = SharedBytes::Copy(std::string(5000, 's'));
  buffer.AppendShared(payload);
  const auto turn = [&] {
    buffer.Append("head of nine");
    buffer.AppendShared(payload);
    buffer.Consume(5012);
  };
  for (int i = 0; i < 100; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 1000; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

}  // namespace
}  // namespace culvert::io
