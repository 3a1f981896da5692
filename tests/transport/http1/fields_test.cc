#include "transport/http1/fields.h"

#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::http1 {
namespace {

std::string Add(std::string_view line) {
  http::HeaderList fields;
  if (!AddFieldLine(line, fields).ok()) return "refused";
  return std::string(fields[0].name) + "=" + std::string(fields[0].value);
}

TEST(AddFieldLine, LowersTheNameAndTrimsTheValue) {
  EXPECT_EQ(Add("Content-TYPE: \t Text/Plain \t"), "content-type=Text/Plain");
  EXPECT_EQ(Add("a:"), "a=");
  EXPECT_EQ(Add("a: : b"), "a=: b");
  EXPECT_EQ(Add(std::string(100, 'A') + ":x"), std::string(100, 'a') + "=x");
}

TEST(AddFieldLine, RefusesWhatIsNoFieldLine) {
  for (const char* line : {"", "a", ":", ": a", " a: b", "\ta: b", "a : b", "a b: c", "a: \x1f", "a: b\rc",
                           "\x80: b", "a@: b"}) {
    EXPECT_EQ(Add(line), "refused") << line;
  }
}

TEST(NextElement, SkipsEmptyElementsAndTrims) {
  std::string_view list = " , a ,,b\t, c d,";
  std::vector<std::string_view> elements;
  while (const std::optional<std::string_view> element = NextElement(list)) elements.push_back(*element);
  EXPECT_EQ(elements, (std::vector<std::string_view>{"a", "b", "c d"}));
  EXPECT_TRUE(list.empty());
}

TEST(EqualsIgnoringCase, OnlyAsciiLettersHaveCase) {
  EXPECT_TRUE(EqualsIgnoringCase("Keep-Alive", "keep-alive"));
  EXPECT_FALSE(EqualsIgnoringCase("keep-alive ", "keep-alive"));
  EXPECT_FALSE(EqualsIgnoringCase("[", "{"));
}

TEST(IsFramingField, KnowsThemAll) {
  for (const char* name : {"te", "host", "trailer", "upgrade", "connection", "keep-alive", "content-length",
                           "proxy-connection", "transfer-encoding"}) {
    EXPECT_TRUE(IsFramingField(name)) << name;
  }
  EXPECT_FALSE(IsFramingField("content-type"));
  EXPECT_FALSE(IsFramingField(""));
}

}  // namespace
}  // namespace culvert::http1
