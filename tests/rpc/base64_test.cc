#include "rpc/base64.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace culvert::rpc {
namespace {

TEST(Base64, IsSentWithoutPadding) {
  EXPECT_EQ(EncodeBase64(""), "");
  EXPECT_EQ(EncodeBase64("f"), "Zg");
  EXPECT_EQ(EncodeBase64("fo"), "Zm8");
  EXPECT_EQ(EncodeBase64("foo"), "Zm9v");
  EXPECT_EQ(EncodeBase64("\xfb\xff"), "+/8");
}

TEST(Base64, IsReadWithAndWithoutPadding) {
  for (const std::string_view text : {"Zg", "Zg=="}) {
    std::string bytes;
    EXPECT_TRUE(DecodeBase64(text, &bytes)) << text;
    EXPECT_EQ(bytes, "f");
  }
  std::string bytes = "old";
  EXPECT_TRUE(DecodeBase64("", &bytes));
  EXPECT_EQ(bytes, "");
}

TEST(Base64, ReadsBackAllBytesAtEveryLength) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
    std::string bytes;
    ASSERT_TRUE(DecodeBase64(EncodeBase64(all), &bytes));
    EXPECT_EQ(bytes, all);
  }
}

TEST(Base64, IsRefusedWhenTornOrOfAnotherAlphabet) {
  for (const std::string_view bad : {"Z", "Zm9vZ", "Zg=", "=", "Zm9v=", "Zm$v", "-_8", "Zm9v\xff"}) {
    std::string bytes = "old";
    EXPECT_FALSE(DecodeBase64(bad, &bytes)) << bad;
    EXPECT_EQ(bytes, "") << bad;
  }
}

}  // namespace
}  // namespace culvert::rpc
