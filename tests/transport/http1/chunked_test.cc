#include "transport/http1/chunked.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "transport/io/block_pool.h"

namespace culvert::http1 {
namespace {

struct Result {
  std::string data;
  std::string outcome;  // "end", "need more", or the error
  std::string trailers;
  size_t consumed = 0;

  friend bool operator==(const Result&, const Result&) = default;
};

// Feeds the pieces; what a step leaves unread is presented again with the next piece, in memory of its own.
Result Feed(const std::vector<std::string_view>& pieces, ChunkedLimits limits = {}) {
  ChunkedDecoder decoder(limits);
  Result result;
  std::string pending;
  for (std::string_view piece : pieces) {
    pending += piece;
    for (;;) {
      auto memory = std::make_unique<uint8_t[]>(pending.size());
      std::copy(pending.begin(), pending.end(), memory.get());
      const ChunkedDecoder::Step step = decoder.Next({memory.get(), pending.size()});
      result.data.append(step.data.begin(), step.data.end());
      result.consumed += step.consumed;
      pending.erase(0, step.consumed);
      if (step.kind == ChunkedDecoder::Kind::kData) {
        EXPECT_FALSE(step.data.empty());
        EXPECT_EQ(step.data.data() + step.data.size(), memory.get() + step.consumed);
        continue;
      }
      if (step.kind == ChunkedDecoder::Kind::kNeedMore) break;
      if (step.kind == ChunkedDecoder::Kind::kError) result.outcome = std::string(decoder.error().message());
      if (step.kind == ChunkedDecoder::Kind::kEnd) result.outcome = "end";
      for (const http::HeaderField& f : decoder.trailers()) {
        absl::StrAppend(&result.trailers, "{", std::string(f.name), "=", std::string(f.value), "}");
      }
      return result;
    }
  }
  result.outcome = "need more";
  return result;
}

Result Decode(std::string_view text, ChunkedLimits limits = {}) {
  const Result whole = Feed({text}, limits);
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  Result other = Feed(bytes, limits);
  if (whole.outcome != "end") other.consumed = whole.consumed;
  EXPECT_EQ(other.data, whole.data);
  EXPECT_EQ(other.outcome, whole.outcome);
  for (size_t i = 1; i < text.size(); ++i) {
    other = Feed({text.substr(0, i), text.substr(i)}, limits);
    EXPECT_EQ(other.data, whole.data) << "split at " << i;
    EXPECT_EQ(other.outcome, whole.outcome) << "split at " << i;
    EXPECT_EQ(other.trailers, whole.trailers) << "split at " << i;
  }
  return whole;
}

TEST(ChunkedDecoder, DecodesInPlace) {
  const Result r = Decode("5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\nGET");
  EXPECT_EQ(r.data, "hello 0123456789");
  EXPECT_EQ(r.outcome, "end");
  EXPECT_EQ(r.consumed, 38u);  // and not the next request
  EXPECT_EQ(r.trailers, "");
}

TEST(ChunkedDecoder, CollectsTrailers) {
  const Result r = Decode("1\r\nx\r\n0\r\nGrpc-Status: 0\r\nX:  y \r\n\r\n");
  EXPECT_EQ(r.data, "x");
  EXPECT_EQ(r.outcome, "end");
  EXPECT_EQ(r.trailers, "{grpc-status=0}{x=y}");
}

TEST(ChunkedDecoder, SkipsExtensions) {
  EXPECT_EQ(Decode("5;a=b;c=\"d e\"\r\nhello\r\n0;z\r\n\r\n").data, "hello");
  EXPECT_EQ(Decode("5;\xc3\xa9\r\nhello\r\n0\r\n\r\n").outcome, "end");
}

TEST(ChunkedDecoder, NeedsMore) {
  for (const char* text : {"", "5", "5\r", "5\r\nhell", "5\r\nhello", "5\r\nhello\r", "0\r\n", "0\r\n\r",
                           "0\r\na: b\r\n", "5;x"}) {
    EXPECT_EQ(Decode(text).outcome, "need more") << text;
  }
}

TEST(ChunkedDecoder, RefusesWhatSmuggles) {
  for (const char* text : {"\r\n",
                           "5\n",
                           "5\r5\r\n",
                           "g\r\n",
                           "0x5\r\n",
                           "+5\r\n",
                           "-5\r\n",
                           " 5\r\n",
                           "5 \r\n",
                           "5 ;x\r\n",
                           "5,5\r\n",
                           ";x\r\n",
                           "1\r\nab\r\n",
                           "1\r\na\n",
                           "1\r\na\r\r\n",
                           "1\r\na0\r\n",
                           "5;a\nb\r\n",
                           "5;a\rb\r\n",
                           "5;a\x01\r\n",
                           "1000000000000000\r\n",
                           "ffffffffffffffff\r\n",
                           "0000000000000001\r\n",
                           "0\r\n\n",
                           "0\r\nx: y\n\r\n",
                           "0\r\nx : y\r\n\r\n",
                           "0\r\n x: y\r\n\r\n",
                           "0\r\nx: a\r\n b\r\n\r\n",
                           "0\r\nnocolon\r\n\r\n",
                           "0\r\nContent-Length: 5\r\n\r\n",
                           "0\r\nTransfer-Encoding: chunked\r\n\r\n",
                           "0\r\nHost: a\r\n\r\n",
                           "0\r\nConnection: close\r\n\r\n"}) {
    const Result r = Decode(text);
    EXPECT_NE(r.outcome, "end") << text;
    EXPECT_NE(r.outcome, "need more") << text;
  }
}

TEST(ChunkedDecoder, StaysWithItsErrorUntilReset) {
  ChunkedDecoder decoder;
  const std::string bad = "x", good = "0\r\n\r\n";
  const auto span = [](const std::string& s) {
    return std::span(reinterpret_cast<const uint8_t*>(s.data()), s.size());
  };
  EXPECT_EQ(decoder.Next(span(bad)).kind, ChunkedDecoder::Kind::kError);
  EXPECT_EQ(decoder.Next(span(good)).kind, ChunkedDecoder::Kind::kError);
  decoder.Reset();
  EXPECT_EQ(decoder.Next(span(good)).kind, ChunkedDecoder::Kind::kEnd);
}

TEST(ChunkedDecoder, StopsAFloodOfExtensions) {
  const std::string chunk = absl::StrCat("1;", std::string(200, 'e'), "\r\nx\r\n");
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += chunk;
  EXPECT_EQ(Feed({flood}).outcome, "too many bytes of chunk extensions");
  EXPECT_EQ(Decode("1;eeeee\r\nx\r\n", {.extension_bytes = 4}).outcome, "too many bytes of chunk extensions");
}

TEST(ChunkedDecoder, LetsSignedUploadsPass) {
  const std::string chunk =
      absl::StrCat("10000;chunk-signature=", std::string(64, 'f'), "\r\n", std::string(65536, 'x'), "\r\n");
  std::vector<std::string_view> pieces(500, chunk);
  pieces.push_back("0\r\n\r\n");
  const Result r = Feed(pieces);
  EXPECT_EQ(r.outcome, "end");
  EXPECT_EQ(r.data.size(), 500u * 65536);
}

TEST(ChunkedDecoder, BoundsTrailers) {
  const ChunkedLimits limits{.trailer_bytes = 20, .trailer_count = 2};
  EXPECT_EQ(Decode("0\r\na: 456789012345678\r\n\r\n", limits).outcome, "trailers too long");
  EXPECT_EQ(Decode("0\r\na: 4567890123456\r\n\r\n", limits).outcome, "end");
  EXPECT_EQ(Decode("0\r\na:\r\nb:\r\n\r\n", limits).outcome, "end");
  EXPECT_EQ(Decode("0\r\na:\r\nb:\r\nc:\r\n\r\n", limits).outcome, "too many trailers");
  EXPECT_EQ(Decode("0\r\n" + std::string(40, 'x'), limits).outcome, "trailers too long");
}

TEST(WriteChunkHeader, IsWhatTheDecoderReads) {
  for (uint64_t n :
       {uint64_t{1}, uint64_t{10}, uint64_t{255}, uint64_t{65536}, uint64_t{0xfffffffffffffff}}) {
    uint8_t header[kMostChunkHeader];
    const size_t size = WriteChunkHeader(n, header);
    EXPECT_EQ(std::string(header, header + size), absl::StrCat(absl::Hex(n), "\r\n"));
  }
  uint8_t header[kMostChunkHeader];
  EXPECT_EQ(WriteChunkHeader(UINT64_MAX, header), kMostChunkHeader);
}

TEST(AppendChunkHeader, TakesNoMoreThanItNeeds) {
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  AppendChunkHeader(0x1f, out);
  iovec piece{};
  ASSERT_EQ(out.Gather({&piece, 1}), 1u);
  EXPECT_EQ(std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len), "1f\r\n");
}

}  // namespace
}  // namespace culvert::http1
