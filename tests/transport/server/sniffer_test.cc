#include "transport/server/sniffer.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::server {
namespace {

using namespace std::string_literals;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

Protocol ClassifyText(std::string_view text) {
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  return Classify(bytes);
}

// Classifies every prefix; the first answer that is not kNeedMore must stay.
Protocol Answer(std::string_view text) {
  Protocol answer = Protocol::kNeedMore;
  for (size_t n = 0; n <= text.size(); ++n) {
    const Protocol now = ClassifyText(text.substr(0, n));
    if (answer != Protocol::kNeedMore) {
      EXPECT_EQ(now, answer) << "after " << n << " bytes";
    }
    if (n >= kMostBytes) {
      EXPECT_NE(now, Protocol::kNeedMore) << "after " << n << " bytes";
    }
    answer = now;
  }
  return answer;
}

TEST(Sniffer, NothingNeedsMore) { EXPECT_EQ(Classify({}), Protocol::kNeedMore); }

TEST(Sniffer, TellsHttp2ByTheWholePreface) {
  for (size_t n = 0; n < kPreface.size(); ++n)
    EXPECT_EQ(ClassifyText(kPreface.substr(0, n)), Protocol::kNeedMore) << n;
  EXPECT_EQ(Answer(kPreface), Protocol::kHttp2);
  EXPECT_EQ(Answer(std::string(kPreface) + "\0\0\0\4\0\0\0\0\0"s), Protocol::kHttp2);
}

TEST(Sniffer, TellsHttp1ByItsMethod) {
  EXPECT_EQ(ClassifyText("G"), Protocol::kHttp1);
  EXPECT_EQ(Answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("CONNECT a:1 HTTP/1.1\r\n\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("m-search * HTTP/1.1\r\n\r\n"), Protocol::kHttp1);
}

TEST(Sniffer, MethodsThatBeginLikeThePrefaceNeedMore) {
  EXPECT_EQ(ClassifyText("P"), Protocol::kNeedMore);
  EXPECT_EQ(ClassifyText("PRI"), Protocol::kNeedMore);
  EXPECT_EQ(Answer("POST / HTTP/1.1\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("PROPFIND / HTTP/1.1\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("PRINT / HTTP/1.1\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("P / HTTP/1.1\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("PRI * HTTP/1.1\r\n\r\n"), Protocol::kHttp1);
  EXPECT_EQ(Answer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t"), Protocol::kHttp1);
}

TEST(Sniffer, TellsTlsByItsClientHello) {
  EXPECT_EQ(Answer("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s), Protocol::kTls);
  EXPECT_EQ(Answer("\x16\x03\x03\x00\x2f\x01"s), Protocol::kTls);
  EXPECT_EQ(ClassifyText("\x16\x03\x01\x02\x00"s), Protocol::kNeedMore);
}

TEST(Sniffer, KnowsWhatItDoesNotKnow) {
  for (const std::string& garbage :
       {"\0"s, "\x16\x02"s, "\x16\x03\x05"s, "\x16\x03\x01\x00\x10\x02"s, "\r\nGET / HTTP/1.1"s, " GET"s,
        "\x80\x2e\x01\x00\x02"s, "PR\0"s, "PRI\r\n"s, "\x7f"s, "\xff\xff"s}) {
    EXPECT_EQ(Answer(garbage), Protocol::kUnknown) << testing::PrintToString(garbage);
  }
}

TEST(Sniffer, AnyFirstByteHasAFinalAnswerAtTheEnd) {
  for (int first = 0; first < 256; ++first) {
    EXPECT_NE(Answer(std::string(1, static_cast<char>(first)) + std::string(kMostBytes, 'x')),
              Protocol::kNeedMore)
        << first;
  }
}

}  // namespace
}  // namespace culvert::server
