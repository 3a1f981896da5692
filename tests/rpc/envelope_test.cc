#include "rpc/envelope.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "gtest/gtest.h"
#include "transport/io/poison.h"

namespace culvert::rpc {
namespace {

using Bytes = std::vector<uint8_t>;

struct Received {
  Bytes bytes;
  bool compressed = false;
  friend bool operator==(const Received&, const Received&) = default;
};

Bytes Payload(size_t n) {
  Bytes payload(n);
  for (size_t i = 0; i < n; ++i) payload[i] = static_cast<uint8_t>(i * 31 + n);
  return payload;
}

void AppendEnvelope(Bytes& stream, const Bytes& payload, bool compressed = false) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, compressed, static_cast<uint32_t>(payload.size()));
  stream.insert(stream.end(), prefix, prefix + kEnvelopePrefix);
  stream.insert(stream.end(), payload.begin(), payload.end());
}

// Hands `bytes` to the reader as one piece in memory of its own, so that a span kept too long is seen by the
// sanitizers.
absl::Status Feed(EnvelopeReader& reader, std::span<const uint8_t> bytes, std::vector<Received>& messages) {
  const Bytes piece(bytes.begin(), bytes.end());
  std::span<const uint8_t> rest = piece;
  do {
    std::optional<Message> message;
    absl::StatusOr<size_t> taken = reader.Next(rest, &message);
    if (!taken.ok()) return taken.status();
    EXPECT_LE(*taken, rest.size());
    rest = rest.subspan(*taken);
    if (message) {
      messages.push_back({Bytes(message->bytes.begin(), message->bytes.end()), message->compressed});
    } else {
      EXPECT_TRUE(rest.empty()) << "bytes left without a message";
    }
  } while (!rest.empty());
  return absl::OkStatus();
}

// Three messages, the empty one in the middle.
const std::vector<Received>& Script() {
  static const auto* const script =
      new std::vector<Received>{{Payload(7)}, {Payload(0), true}, {Payload(11), true}};
  return *script;
}
Bytes ScriptBytes() {
  Bytes stream;
  for (const Received& message : Script()) AppendEnvelope(stream, message.bytes, message.compressed);
  return stream;
}

TEST(PutPrefix, WritesTheFlagAndABigEndianLength) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, false, 0x01020304);
  EXPECT_EQ(Bytes(prefix, prefix + kEnvelopePrefix), (Bytes{0, 1, 2, 3, 4}));
  PutPrefix(prefix, true, 0xffffffff);
  EXPECT_EQ(Bytes(prefix, prefix + kEnvelopePrefix), (Bytes{1, 255, 255, 255, 255}));
}

TEST(EnvelopeReader, LendsAWholeMessageInPlace) {
  Bytes stream;
  AppendEnvelope(stream, Payload(100), true);
  EnvelopeReader reader;
  std::optional<Message> message;
  EXPECT_EQ(reader.Next(stream, &message).value(), stream.size());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->bytes.data(), stream.data() + kEnvelopePrefix);
  EXPECT_EQ(message->bytes.size(), 100u);
  EXPECT_TRUE(message->compressed);
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.bytes_copied(), 0u);
  EXPECT_EQ(reader.held_bytes(), 0u);
}

TEST(EnvelopeReader, LendsAMessageInPlaceWhenOnlyItsPrefixCameBefore) {
  Bytes stream;
  AppendEnvelope(stream, Payload(100));
  for (size_t split = 0; split <= kEnvelopePrefix; ++split) {
    EnvelopeReader reader;
    std::optional<Message> message;
    const std::span<const uint8_t> bytes(stream);
    EXPECT_EQ(reader.Next(bytes.first(split), &message).value(), split);
    EXPECT_FALSE(message.has_value());
    EXPECT_EQ(reader.at_boundary(), split == 0);
    EXPECT_EQ(reader.Next(bytes.subspan(split), &message).value(), stream.size() - split);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->bytes.data(), stream.data() + kEnvelopePrefix);
    EXPECT_EQ(reader.bytes_copied(), 0u);
  }
}

TEST(EnvelopeReader, TakesOneMessageAtATimeFromASpanOfSeveral) {
  const Bytes stream = ScriptBytes();
  EnvelopeReader reader;
  std::span<const uint8_t> rest = stream;
  for (const Received& expected : Script()) {
    std::optional<Message> message;
    EXPECT_EQ(reader.Next(rest, &message).value(), kEnvelopePrefix + expected.bytes.size());
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(std::ranges::equal(message->bytes, expected.bytes));
    EXPECT_EQ(message->compressed, expected.compressed);
    rest = rest.subspan(kEnvelopePrefix + expected.bytes.size());
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.bytes_copied(), 0u);
}

TEST(EnvelopeReader, ReadsTheSameOneByteAtATime) {
  EnvelopeReader reader;
  std::vector<Received> messages;
  for (const uint8_t byte : ScriptBytes()) {
    ASSERT_TRUE(Feed(reader, {&byte, 1}, messages).ok());
  }
  EXPECT_EQ(messages, Script());
  EXPECT_TRUE(reader.at_boundary());
  EXPECT_EQ(reader.bytes_copied(), 7u + 11);
}

TEST(EnvelopeReader, ReadsTheSameAtEverySplitIntoThree) {
  const Bytes stream = ScriptBytes();
  const std::span<const uint8_t> bytes(stream);
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      EnvelopeReader reader;
      std::vector<Received> messages;
      ASSERT_TRUE(Feed(reader, bytes.first(first), messages).ok());
      ASSERT_TRUE(Feed(reader, bytes.subspan(first, second - first), messages).ok());
      ASSERT_TRUE(Feed(reader, bytes.subspan(second), messages).ok());
      EXPECT_EQ(messages, Script()) << first << " " << second;
      EXPECT_TRUE(reader.at_boundary());
    }
  }
}

TEST(EnvelopeReader, IsAtABoundaryOnlyBetweenMessages) {
  Bytes stream;
  AppendEnvelope(stream, Payload(3));
  EnvelopeReader reader;
  EXPECT_TRUE(reader.at_boundary());
  std::vector<Received> messages;
  for (size_t i = 0; i < stream.size(); ++i) {
    ASSERT_TRUE(Feed(reader, {&stream[i], 1}, messages).ok());
    EXPECT_EQ(reader.at_boundary(), i + 1 == stream.size()) << i;
  }
}

TEST(EnvelopeReader, DeliversAnEmptyMessageAsSoonAsItsPrefixIsThere) {
  Bytes stream;
  AppendEnvelope(stream, {});
  EnvelopeReader reader;
  std::optional<Message> message;
  EXPECT_EQ(reader.Next(stream, &message).value(), kEnvelopePrefix);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->bytes.empty());
  EXPECT_TRUE(reader.at_boundary());
}

TEST(EnvelopeReader, TakesNothingFromNoBytes) {
  EnvelopeReader reader;
  std::optional<Message> message = Message{};
  EXPECT_EQ(reader.Next({}, &message).value(), 0u);
  EXPECT_FALSE(message.has_value());
  EXPECT_TRUE(reader.at_boundary());
}

TEST(EnvelopeReader, AcceptsAMessageOfExactlyTheLimit) {
  Bytes stream;
  AppendEnvelope(stream, Payload(16));
  EnvelopeReader reader(16);
  std::vector<Received> messages;
  EXPECT_TRUE(Feed(reader, stream, messages).ok());
  EXPECT_EQ(messages.size(), 1u);
}

TEST(EnvelopeReader, RefusesALargerMessageOnItsPrefixAlone) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, false, 17);
  for (const bool torn : {false, true}) {
    EnvelopeReader reader(16);
    std::vector<Received> messages;
    if (torn) {
      EXPECT_TRUE(Feed(reader, {prefix, 4}, messages).ok());
    }
    const absl::Status status = Feed(reader, std::span(prefix).subspan(torn ? 4 : 0), messages);
    EXPECT_EQ(status, absl::ResourceExhaustedError("message of 17 bytes is larger than the limit of 16"));
    EXPECT_EQ(reader.held_bytes(), 0u);
    EXPECT_FALSE(reader.at_boundary());
  }
}

TEST(EnvelopeReader, RefusesTheLargestLengthByDefault) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, false, std::numeric_limits<uint32_t>::max());
  EnvelopeReader reader;
  std::optional<Message> message;
  EXPECT_EQ(reader.Next(prefix, &message).status(),
            absl::ResourceExhaustedError("message of 4294967295 bytes is larger than the limit of 4194304"));
}

TEST(EnvelopeReader, RefusesEveryFlagButCompressed) {
  for (int flags = 0; flags < 256; ++flags) {
    const Bytes prefix = {static_cast<uint8_t>(flags), 0, 0, 0, 0};
    EnvelopeReader reader;
    std::optional<Message> message;
    const absl::StatusOr<size_t> taken = reader.Next(prefix, &message);
    EXPECT_EQ(taken.status().code(), flags <= 1 ? absl::StatusCode::kOk : absl::StatusCode::kInternal)
        << flags;
    EXPECT_EQ(message.has_value(), flags <= 1);
  }
}

TEST(EnvelopeReader, AnswersTheSameErrorForever) {
  EnvelopeReader reader;
  std::vector<Received> messages;
  const Bytes bad = {2, 0, 0, 0, 0};
  Bytes good;
  AppendEnvelope(good, Payload(1));
  const absl::Status status = Feed(reader, bad, messages);
  EXPECT_EQ(status, absl::InternalError("message with flag byte 2, neither 0 nor 1"));
  EXPECT_EQ(Feed(reader, good, messages), status);
  EXPECT_TRUE(messages.empty());
}

TEST(EnvelopeReader, DeliversTheMessagesBeforeABadOne) {
  Bytes stream = ScriptBytes();
  stream.insert(stream.end(), {0x80, 0, 0, 0, 0});
  EnvelopeReader reader;
  std::vector<Received> messages;
  EXPECT_EQ(Feed(reader, stream, messages).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(messages, Script());
}

TEST(EnvelopeReader, HoldsWhatCameNotWhatWasAnnounced) {
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, false, kDefaultMaxReceiveBytes);
  EnvelopeReader reader;
  std::vector<Received> messages;
  ASSERT_TRUE(Feed(reader, prefix, messages).ok());
  EXPECT_EQ(reader.held_bytes(), 0u);
  size_t came = 0;
  for (const size_t n : {1, 1, 100, 16384, 16384, 1, 70000}) {
    ASSERT_TRUE(Feed(reader, Payload(n), messages).ok());
    came += n;
    EXPECT_GE(reader.held_bytes(), came);
    EXPECT_LE(reader.held_bytes(), std::max<size_t>(256, 4 * came));
  }
  EXPECT_TRUE(messages.empty());
}

TEST(EnvelopeReader, CopiesALargeMessageAtMostTwice) {
  Bytes stream;
  AppendEnvelope(stream, Payload(1 << 20));
  EnvelopeReader reader;
  std::vector<Received> messages;
  const std::span<const uint8_t> bytes(stream);
  for (size_t at = 0; at < bytes.size(); at += 16384) {
    ASSERT_TRUE(Feed(reader, bytes.subspan(at, std::min<size_t>(16384, bytes.size() - at)), messages).ok());
  }
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].bytes, Payload(1 << 20));
  EXPECT_LE(reader.bytes_copied(), 2u << 20);
}

TEST(EnvelopeReader, KeepsSmallBuffersAndGivesLargeOnesBack) {
  for (const size_t size : {size_t{1000}, EnvelopeReader::kKeptBytes, EnvelopeReader::kKeptBytes + 1}) {
    Bytes stream;
    AppendEnvelope(stream, Payload(size));
    EnvelopeReader reader;
    std::vector<Received> messages;
    const std::span<const uint8_t> bytes(stream);
    ASSERT_TRUE(Feed(reader, bytes.first(size), messages).ok());
    ASSERT_TRUE(Feed(reader, bytes.subspan(size), messages).ok());
    ASSERT_EQ(messages.size(), 1u);
    ASSERT_TRUE(Feed(reader, {}, messages).ok());  // ends the loan
    EXPECT_EQ(reader.held_bytes(), size <= EnvelopeReader::kKeptBytes ? size : 0u);
  }
}

#ifndef CULVERT_POISONS  // io::LargeBlocks keeps nothing under AddressSanitizer
TEST(EnvelopeReader, GathersLargeMessagesOneAfterTheOtherInTheSameMemory) {
  Bytes stream;
  AppendEnvelope(stream, Payload(1 << 20));
  const uint8_t* storage = nullptr;
  // What a message takes from the heap, when it comes in pieces that begin with more than the heap's own sizes.
  const auto allocations_of_message = [&](EnvelopeReader& reader) {
    const testing::AllocationCounter counter;
    std::optional<Message> message;
    for (std::span<const uint8_t> rest = stream; !rest.empty();) {
      const std::span<const uint8_t> piece = rest.first(std::min<size_t>(40'000, rest.size()));
      rest = rest.subspan(reader.Next(piece, &message).value());
    }
    EXPECT_TRUE(message.has_value() && std::ranges::equal(message->bytes, std::span(stream).subspan(kEnvelopePrefix)));
    storage = message.has_value() ? message->bytes.data() : nullptr;
    return counter.Count();
  };
  const auto in_turn = [&] {
    {
      EnvelopeReader reader;
      EXPECT_GT(allocations_of_message(reader), 0u);
      const uint8_t* const first = storage;
      EXPECT_EQ(allocations_of_message(reader), 0u);
      EXPECT_EQ(storage, first);
    }
    EnvelopeReader of_another_stream;
    EXPECT_EQ(allocations_of_message(of_another_stream), 0u);
    EnvelopeReader beside_it;
    EXPECT_GT(allocations_of_message(beside_it), 0u) << "it has memory that another holds";
  };
  std::thread(in_turn).join();  // a new one, which keeps nothing yet
}
#endif

TEST(EnvelopeReader, LendsAGatheredMessageUntilTheNextCall) {
  Bytes stream;
  AppendEnvelope(stream, Payload(40));
  const std::span<const uint8_t> bytes(stream);
  EnvelopeReader reader;
  std::vector<Received> messages;
  ASSERT_TRUE(Feed(reader, bytes.first(20), messages).ok());
  Bytes tail(bytes.begin() + 20, bytes.end());
  std::optional<Message> message;
  EXPECT_EQ(reader.Next(tail, &message).value(), tail.size());
  tail.assign(tail.size(), 0);  // the frame is gone; the message is the reader's
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(std::ranges::equal(message->bytes, Payload(40)));
  EXPECT_EQ(reader.bytes_copied(), 40u);
}

}  // namespace
}  // namespace culvert::rpc
