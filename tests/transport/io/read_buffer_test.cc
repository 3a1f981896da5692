#include "transport/io/read_buffer.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"

namespace culvert::io {
namespace {

void Feed(ReadBuffer& buffer, std::string_view text) {
  const std::span<uint8_t> space = buffer.Space();
  ASSERT_GE(space.size(), text.size());
  std::memcpy(space.data(), text.data(), text.size());
  buffer.Commit(text.size());
}

std::string Unread(const ReadBuffer& buffer) { return {buffer.unread().begin(), buffer.unread().end()}; }

TEST(ReadBuffer, HoldsNothingBeforeItsFirstSpace) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  EXPECT_TRUE(buffer.holds_nothing());
  EXPECT_TRUE(buffer.unread().empty());
  buffer.Poison();
  buffer.Park();
  EXPECT_TRUE(buffer.holds_nothing());
}

TEST(ReadBuffer, GivesBytesInTheOrderTheyCame) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "abc");
  Feed(buffer, "def");
  EXPECT_EQ(Unread(buffer), "abcdef");
  buffer.Consume(2);
  EXPECT_EQ(Unread(buffer), "cdef");
  Feed(buffer, "g");
  EXPECT_EQ(Unread(buffer), "cdefg");
}

TEST(ReadBuffer, ATailThatIsMoreThanASmallBlockPinsNoReadBlock) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  std::string frame(BlockPool::kSmallBlock + 8, 'x');
  frame.back() = 'y';
  Feed(buffer, frame);
  buffer.Park();
  EXPECT_EQ(Unread(buffer), frame);
  const testing::AllocationCounter counter;
  const BlockPool::Block given_back = pool.TakeRead();
  EXPECT_EQ(counter.Count(), kPoisons ? 1u : 0u) << "under AddressSanitizer one rests";
  Feed(buffer, "z");
  EXPECT_EQ(Unread(buffer), frame + "z");
}

TEST(ReadBuffer, ParkWithNothingUnreadGivesTheBlockBack) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "abc");
  buffer.Consume(3);
  EXPECT_FALSE(buffer.holds_nothing());
  buffer.Park();
  EXPECT_TRUE(buffer.holds_nothing());
}

TEST(ReadBuffer, ParkKeepsTheTailAndNothingElse) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "abcdef");
  buffer.Consume(4);
  buffer.Park();
  EXPECT_FALSE(buffer.holds_nothing());
  EXPECT_EQ(Unread(buffer), "ef");
  Feed(buffer, "gh");
  EXPECT_EQ(Unread(buffer), "efgh");
}

TEST(ReadBuffer, AParkedTailCanBeConsumedAndParkedAgain) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "abcdef");
  buffer.Park();
  buffer.Consume(5);
  buffer.Poison();
  buffer.Park();
  EXPECT_EQ(Unread(buffer), "f");
  buffer.Consume(1);
  buffer.Park();
  EXPECT_TRUE(buffer.holds_nothing());
}

TEST(ReadBuffer, SpaceIsNeverEmptyWhileLessThanABlockIsUnread) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  std::string expected;
  uint8_t next = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::span<uint8_t> space = buffer.Space();
    ASSERT_FALSE(space.empty());
    const size_t n = std::min<size_t>(space.size(), 1 + (static_cast<size_t>(i) * 7919) % 3000);
    for (uint8_t& byte : space.first(n)) expected.push_back(static_cast<char>(byte = next++));
    buffer.Commit(n);
    const size_t take =
        i % 50 == 49 ? buffer.unread().size() : std::min<size_t>(buffer.unread().size(), 1000);
    buffer.Consume(take);
    expected.erase(0, take);
    ASSERT_EQ(Unread(buffer), expected);
  }
}

TEST(ReadBuffer, SpaceIsEmptyOnlyWhenAWholeBlockIsUnread) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, std::string(BlockPool::kReadBlock, 'x'));
  EXPECT_TRUE(buffer.Space().empty());
  buffer.Consume(1);
  EXPECT_EQ(buffer.Space().size(), 1u);
}

TEST(ReadBuffer, ConsumedBytesStayReadableUntilPoison) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "0123456789abcdef tail");
  const std::span<const uint8_t> lent = buffer.unread().first(16);
  buffer.Consume(16);
  EXPECT_EQ(std::string(lent.begin(), lent.end()), "0123456789abcdef");
  buffer.Poison();
  EXPECT_EQ(Unread(buffer), " tail");
}

TEST(ReadBuffer, SteadyStateAllocatesNothing) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  const auto turn = [&] {
    const std::span<uint8_t> space = buffer.Space();
    std::memset(space.data(), 'x', 5000);
    buffer.Commit(5000);
    buffer.Consume(buffer.unread().size() - 100);
    buffer.Poison();
    buffer.Park();
  };
  for (int i = 0; i < 8; ++i) turn();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(counter.Count(), 0u);
}

#ifdef CULVERT_POISONS
TEST(ReadBufferDeathTest, APoisonedByteIsUnreadable) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "0123456789abcdef tail");
  const uint8_t* const lent = buffer.unread().data();
  buffer.Consume(16);
  buffer.Poison();
  EXPECT_DEATH(static_cast<void>(*const_cast<volatile const uint8_t*>(lent + 15)), "use-after-poison");
}

TEST(ReadBufferDeathTest, BytesConsumedInSmallStepsAreAllUnreadable) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "0123456789abcdef tail");
  const uint8_t* const lent = buffer.unread().data();
  for (int i = 0; i < 16; ++i) {
    buffer.Consume(1);
    buffer.Poison();
  }
  for (int i = 0; i < 16; ++i) {
    EXPECT_DEATH(static_cast<void>(*const_cast<volatile const uint8_t*>(lent + i)), "use-after-poison");
  }
}

TEST(ReadBufferDeathTest, ARetainedSpanIsReportedEvenAfterTheSlotIsFilledAgain) {
  BlockPool pool;
  ReadBuffer buffer(pool);
  Feed(buffer, "0123456789abcdef tail");
  const uint8_t* const lent = buffer.unread().data();
  buffer.Consume(buffer.unread().size());
  Feed(buffer, "0123456789abcdef tail");
  EXPECT_NE(buffer.unread().data(), lent);
  EXPECT_DEATH(static_cast<void>(*const_cast<volatile const uint8_t*>(lent)), "use-after-poison");
}
#endif

}  // namespace
}  // namespace culvert::io
