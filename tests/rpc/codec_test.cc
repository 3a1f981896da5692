#include "rpc/codec.h"

#include <asio/io_context.hpp>

#include "tests/rpc/fake_exchange.h"

namespace culvert::rpc {
namespace {

using Result = MessageInput::Result;

class CodecTest : public testing::Test {
 protected:
  // Every message there is to read now, and how it ended: "[a][b]more", "end" or "error".
  std::string ReadAll() {
    std::string out;
    for (;;) {
      switch (input_.Next(message_, &consumed_)) {
        case Result::kMessage:
          out += "[" + message_.value() + "]";
          continue;
        case Result::kNeedMore:
          return out + "more";
        case Result::kEnd:
          return out + "end";
        case Result::kError:
          return out + "error";
      }
    }
  }
  // A frame for which a reader waits.
  std::string Read(std::string_view bytes, bool end = false) {
    input_.Lend(AsBytes(bytes), end);
    const std::string out = ReadAll();
    input_.EndLoan();
    return out;
  }
  // A frame for which nobody waits.
  void Park(std::string_view bytes, bool end = false) {
    input_.Lend(AsBytes(bytes), end);
    input_.EndLoan();
  }

  MessageInput input_{100};
  Text message_;
  size_t consumed_ = 0;
};

// --- messages that come ---

TEST_F(CodecTest, AMessageThatAReaderWaitsForIsReadInPlace) {
  EXPECT_EQ(ReadAll(), "more");
  const std::string frame = Enveloped("hello");
  EXPECT_EQ(Read(frame), "[hello]more");
  EXPECT_EQ(consumed_, frame.size());
  EXPECT_EQ(input_.bytes_copied(), 0u);
}

TEST_F(CodecTest, SeveralMessagesInOneFrameAreReadInPlace) {
  const std::string frame = Enveloped("a") + Enveloped("") + Enveloped("b");
  EXPECT_EQ(Read(frame, true), "[a][][b]end");
  EXPECT_EQ(consumed_, frame.size());
  EXPECT_EQ(input_.bytes_copied(), 0u);
}

TEST_F(CodecTest, AMessageThatNobodyWaitsForIsCopiedOnce) {
  const std::string frame = Enveloped("hello");
  Park(frame);
  EXPECT_EQ(input_.bytes_copied(), frame.size());
  EXPECT_EQ(consumed_, 0u);
  EXPECT_EQ(ReadAll(), "[hello]more");
  EXPECT_EQ(input_.bytes_copied(), frame.size());
  EXPECT_EQ(consumed_, frame.size());
}

TEST_F(CodecTest, WhatAReaderLeavesOfAFrameIsParked) {
  const std::string a = Enveloped("a"), b = Enveloped("b"), c = Enveloped("c");
  const std::string frame = a + b;
  input_.Lend(AsBytes(frame), false);
  // The reader takes one and is busy with it.
  EXPECT_EQ(input_.Next(message_, &consumed_), Result::kMessage);
  EXPECT_EQ(message_.value(), "a");
  input_.EndLoan();
  EXPECT_EQ(input_.bytes_copied(), b.size());
  Park(c);
  EXPECT_EQ(Read(Enveloped("d"), true), "[b][c][d]end");
  EXPECT_EQ(input_.bytes_copied(), b.size() + c.size());
  EXPECT_EQ(consumed_, 4 * a.size());
}

TEST_F(CodecTest, AMessageMayBeTornAnywhere) {
  const std::string stream = Enveloped("hello") + Enveloped("") + Enveloped("world");
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    for (const bool first_parked : {false, true}) {
      MessageInput input(100);
      std::string out;
      size_t consumed = 0;
      const auto read = [&] {
        while (input.Next(message_, &consumed) == Result::kMessage) out += message_.value() + ".";
      };
      input.Lend(AsBytes(stream).first(cut), false);
      if (!first_parked) read();
      input.EndLoan();
      input.Lend(AsBytes(stream).subspan(cut), true);
      read();
      input.EndLoan();
      EXPECT_EQ(out, "hello..world.") << cut;
      EXPECT_EQ(consumed, stream.size()) << cut;
      EXPECT_EQ(input.Next(message_, &consumed), Result::kEnd);
    }
  }
}

// Its reader may be busy with it for long.
TEST_F(CodecTest, WhatWasGatheredOfALargeMessageIsGivenBackAsSoonAsItIsRead) {
  MessageInput input(1 << 20);
  const std::string frame = Enveloped(std::string(3 * EnvelopeReader::kKeptBytes, 'x'));
  input.Lend(AsBytes(frame).first(1000), false);
  EXPECT_EQ(input.Next(message_, &consumed_), Result::kNeedMore);
  input.EndLoan();
  EXPECT_GE(input.held_bytes(), 995u);
  input.Lend(AsBytes(frame).subspan(1000), false);
  EXPECT_EQ(input.Next(message_, &consumed_), Result::kMessage);
  EXPECT_EQ(message_.value().size(), 3 * EnvelopeReader::kKeptBytes);
  EXPECT_EQ(input.held_bytes(), 0u);
}

struct Nobody final : http::Receiver {
  void OnHead(const http::ResponseHead&, bool) override {}
  void OnData(std::span<const uint8_t>, bool) override {}
  void OnTrailers(std::span<const http::HeaderField>) override {}
  void OnWritable() override {}
  void OnClosed(const absl::Status&, bool) override {}
};

TEST_F(CodecTest, WhatMayNotBeHeldIsLetGo) {
  asio::io_context context{1};
  FakeExchange exchange(EventLoop::Of(context));
  Nobody nobody;
  exchange.SetReceiver(&nobody);
  exchange.may_hold = 300;
  MessageInput input(1 << 20);
  const std::string frame = Enveloped(std::string(500, 'x'));
  input.Lend(AsBytes(frame).first(400), false);
  EXPECT_EQ(input.Next(message_, &exchange), Result::kError);
  input.EndLoan();
  EXPECT_EQ(input.error(), absl::ResourceExhaustedError("too much is held"));
  EXPECT_EQ(input.held_bytes(), 0u);
  EXPECT_EQ(exchange.held, 0u);
  EXPECT_EQ(exchange.consumed, 400u);
}

TEST_F(CodecTest, ByteByByte) {
  std::string out;
  const std::string stream = Enveloped("hello") + Enveloped("world");
  for (const char& c : stream) out += Read({&c, 1});
  input_.End();
  out += ReadAll();
  EXPECT_EQ(out.substr(out.find('['), 7), "[hello]");
  EXPECT_EQ(out.substr(out.size() - 14), "[world]moreend");
  EXPECT_EQ(consumed_, stream.size());
}

TEST_F(CodecTest, TheEndMayComeWithAMessageOrAfterIt) {
  EXPECT_EQ(Read(Enveloped("a"), true), "[a]end");
  EXPECT_EQ(ReadAll(), "end");
  MessageInput later(100);
  later.Lend({}, true);
  EXPECT_EQ(later.Next(message_, &consumed_), Result::kEnd);
}

TEST_F(CodecTest, AnEndWithinAMessageIsAnError) {
  EXPECT_EQ(Read(Enveloped("hello").substr(0, 7), true), "error");
  EXPECT_EQ(input_.error(), absl::InternalError("the stream ended within a message"));
  EXPECT_EQ(consumed_, 7u);
}

TEST_F(CodecTest, AnEndWithinAPrefixIsAnError) {
  EXPECT_EQ(Read(std::string(3, '\0'), true), "error");
  EXPECT_EQ(input_.error().code(), absl::StatusCode::kInternal);
}

TEST_F(CodecTest, AMessageBeyondTheLimitIsRefusedAtItsPrefix) {
  const std::string frame = Enveloped(std::string(200, 'x')).substr(0, 6);
  EXPECT_EQ(Read(Enveloped("fits") + frame), "[fits]error");
  EXPECT_EQ(input_.error(),
            absl::ResourceExhaustedError("message of 203 bytes is larger than the limit of 100"));
  EXPECT_EQ(consumed_, Enveloped("fits").size() + frame.size());  // all of it is paid back
  EXPECT_EQ(ReadAll(), "error");
}

TEST_F(CodecTest, BytesThatAreNoMessageAreAnError) {
  EXPECT_EQ(Read(std::string("\0\0\0\0\2\xff\xff", 7)), "error");
  EXPECT_EQ(input_.error(),
            absl::InternalError("message of 2 bytes is not a valid google.protobuf.StringValue"));
}

TEST_F(CodecTest, CompressedMessagesWereNotAgreedOn) {
  EXPECT_EQ(Read(Enveloped("hello", true)), "error");
  EXPECT_EQ(input_.error().code(), absl::StatusCode::kInternal);
}

TEST_F(CodecTest, AnUnknownFlagIsAnError) {
  EXPECT_EQ(Read(std::string("\2\0\0\0\0", 5)), "error");
  EXPECT_EQ(input_.error().code(), absl::StatusCode::kInternal);
}

TEST_F(CodecTest, DiscardDropsAllAndSaysHowMuch) {
  const std::string frame = Enveloped("a") + Enveloped("b");
  Park(frame);
  EXPECT_EQ(input_.Next(message_, &consumed_), Result::kMessage);
  input_.Lend(AsBytes(frame), false);
  EXPECT_EQ(input_.Discard(), frame.size() / 2 + frame.size());
  EXPECT_EQ(ReadAll(), "more");
  EXPECT_EQ(input_.Discard(), 0u);
}

TEST_F(CodecTest, AfterADiscardNotEvenTheRestOfAMessageIsRead) {
  const std::string frame = Enveloped("hello");
  input_.Lend(AsBytes(std::string_view(frame).substr(0, 7)), false);
  EXPECT_EQ(input_.Discard(), 7u);
  const std::string rest = frame.substr(7) + Enveloped("b");
  input_.Lend(AsBytes(rest), false);
  EXPECT_EQ(input_.Next(message_, &consumed_), Result::kNeedMore);
  EXPECT_EQ(consumed_, rest.size());
  input_.End();
  EXPECT_EQ(input_.Next(message_, &consumed_), Result::kEnd);
}

// --- messages that are sent ---

class SendMessageTest : public testing::Test {
 protected:
  asio::io_context context_{1};
  FakeExchange exchange_{EventLoop::Of(context_)};
};

TEST_F(SendMessageTest, GoesStraightIntoTheOutputWhenThereIsRoom) {
  EXPECT_EQ(SendMessage(exchange_, MakeText("hello"), false, 100), absl::OkStatus());
  EXPECT_EQ(SendMessage(exchange_, MakeText(""), true, 100), absl::OkStatus());
  EXPECT_EQ(exchange_.TakeLog(), "data in place hello\ndata in place  end\n");
}

TEST_F(SendMessageTest, IsQueuedOtherwise) {
  exchange_.room = false;
  EXPECT_EQ(SendMessage(exchange_, MakeText("hello"), true, 100), absl::OkStatus());
  EXPECT_EQ(exchange_.TakeLog(), "data queued hello end\n");
}

TEST_F(SendMessageTest, IsRefusedBeyondTheLimit) {
  const Text large = MakeText(std::string(99, 'x'));  // 101 bytes
  const absl::Status refused =
      absl::ResourceExhaustedError("message of 101 bytes to be sent, the limit is 100");
  EXPECT_EQ(SendMessage(exchange_, large, true, 100), refused);
  EXPECT_EQ(SerializeMessage(large, 100).status(), refused);
  EXPECT_EQ(exchange_.TakeLog(), "");
}

TEST_F(SendMessageTest, SerializesForAnotherThread) {
  const auto bytes = SerializeMessage(MakeText("hello"), 100);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->data), bytes->size), Enveloped("hello"));
}

}  // namespace
}  // namespace culvert::rpc
