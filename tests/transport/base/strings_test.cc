#include "transport/base/strings.h"

#include "gtest/gtest.h"

namespace culvert {
namespace {

TEST(StringsTest, StrCatTakesBothKindsOfViews) {
  const std::string_view std_view = "a";
  const absl::string_view absl_view = "b";
  EXPECT_EQ(StrCat(std_view, absl_view, std::string("c"), "d", 'e' - 'a', -1, size_t{5}), "abcd4-15");
  EXPECT_EQ(StrCat(), "");
}

TEST(StringsTest, ViewsConvertWithoutCopying) {
  const std::string text("with\0zero", 9);
  const absl::string_view there = ToAbsl(text);
  EXPECT_EQ(there.data(), text.data());
  EXPECT_EQ(there.size(), 9u);
  const std::string_view back = ToStd(there);
  EXPECT_EQ(back.data(), text.data());
  EXPECT_EQ(back.size(), 9u);
  EXPECT_TRUE(ToAbsl({}).empty());
}

}  // namespace
}  // namespace culvert
