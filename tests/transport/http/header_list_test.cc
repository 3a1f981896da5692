#include "transport/http/header_list.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "bench/allocation_counter/allocation_counter.h"

namespace culvert::http {
namespace {

std::vector<std::pair<std::string, std::string>> Pairs(const HeaderList& list) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const HeaderField& field : list) pairs.emplace_back(field.name, field.value);
  return pairs;
}

TEST(HeaderList, KeepsFieldsInOrderWithTheirBytes) {
  HeaderList list;
  {
    std::string name = "accept";
    std::string value = "text/html";
    list.Add(name, value);
    name.assign(6, '!');
    value.assign(9, '!');
  }
  list.Add("cookie", "a=b", true);
  list.Add("cookie", "c=d");
  list.Add("empty", "");
  EXPECT_EQ(Pairs(list), (std::vector<std::pair<std::string, std::string>>{
                             {"accept", "text/html"}, {"cookie", "a=b"}, {"cookie", "c=d"}, {"empty", ""}}));
  EXPECT_FALSE(list[0].sensitive);
  EXPECT_TRUE(list[1].sensitive);
  EXPECT_FALSE(list[2].sensitive);
}

TEST(HeaderList, FindAnswersTheFirstOfAName) {
  const HeaderList list{{"a", "1"}, {"b", "2"}, {"a", "3"}, {"c", ""}};
  EXPECT_EQ(list.Find("a"), "1");
  EXPECT_EQ(list.Find("b"), "2");
  EXPECT_EQ(list.Find("c"), "");
  EXPECT_EQ(list.Find("d"), std::nullopt);
  EXPECT_EQ(list.Find("A"), std::nullopt);
  EXPECT_EQ(list.Find(""), std::nullopt);
}

TEST(HeaderList, CountsItsSizeAsTheProtocolDoes) {
  HeaderList list;
  EXPECT_EQ(list.list_size(), 0u);
  list.Add("ab", "cde");
  EXPECT_EQ(list.list_size(), 37u);
  list.Add("", "");
  EXPECT_EQ(list.list_size(), 69u);
  list.Clear();
  EXPECT_EQ(list.list_size(), 0u);
}

TEST(HeaderList, ViewsSurviveGrowth) {
  HeaderList list;
  list.Add("first", "value");
  const HeaderField first = list[0];
  for (int i = 0; i < 1000; ++i) list.Add("name-" + std::to_string(i), std::string(100, 'v'));
  EXPECT_EQ(first.name, "first");
  EXPECT_EQ(first.value, "value");
  EXPECT_EQ(list[0].name.data(), first.name.data());
  EXPECT_EQ(list[1000].name, "name-999");
}

TEST(HeaderList, ViewsSurviveAMove) {
  HeaderList list{{"name", "value"}};
  const HeaderField field = list[0];
  HeaderList moved = std::move(list);
  EXPECT_EQ(moved[0], field);
  EXPECT_EQ(moved[0].name.data(), field.name.data());
  EXPECT_EQ(moved.list_size(), FieldSize("name", "value"));
  EXPECT_TRUE(list.empty());  // NOLINT(bugprone-use-after-move): what a moved-from list is
  EXPECT_EQ(list.list_size(), 0u);
  list.Add("again", "x");
  EXPECT_EQ(list[0].name, "again");
  list = std::move(moved);
  EXPECT_EQ(list[0].name.data(), field.name.data());
}

TEST(HeaderList, ACopyHasBytesOfItsOwn) {
  HeaderList list{{"name", "value", true}};
  const HeaderList copy = list;
  list.Clear();
  list.Add("other", "bytes");
  EXPECT_EQ(copy[0], (HeaderField{"name", "value", true}));
  HeaderList assigned{{"x", "y"}};
  assigned = copy;
  EXPECT_EQ(Pairs(assigned), Pairs(copy));
  HeaderList& self = assigned;
  assigned = self;
  EXPECT_EQ(Pairs(assigned), Pairs(copy));
}

TEST(HeaderList, ClearWipesWhatItKeeps) {
  HeaderList list;
  list.Add("authorization", "secret");
  const char* const value = list[0].value.data();
  list.Clear();
  list.Add("x", "");  // the same storage again
  EXPECT_EQ(std::string(value, 6), std::string(6, '\0'));
}

TEST(HeaderList, ClearKeepsStorageSoThatTheNextListAllocatesNothing) {
  HeaderList list;
  const auto fill = [&] {
    list.Clear();
    for (size_t i = 0; i < HeaderList::kKeptFields; ++i) list.Add("a-name-of-fair-length", "and a value");
  };
  for (int i = 0; i < 4; ++i) fill();
  const testing::AllocationCounter counter;
  for (int i = 0; i < 100; ++i) fill();
  EXPECT_EQ(counter.Count(), 0u);
}

TEST(HeaderList, ClearGivesBackTheStorageOfManyFields) {
  HeaderList list;
  for (size_t i = 0; i <= HeaderList::kKeptFields; ++i) list.Add("a", "b");
  list.Clear();
  const testing::AllocationCounter counter;
  list.Add("a", "b");
  EXPECT_GE(counter.Count(), 1u);
}

TEST(HeaderList, ClearGivesBackTheStorageOfManyBytes) {
  HeaderList list;
  list.Add("a", std::string(HeaderList::kKeptBytes + 1, 'v'));
  list.Clear();
  const testing::AllocationCounter counter;
  list.Add("a", "b");
  EXPECT_GE(counter.Count(), 1u);
}

}  // namespace
}  // namespace culvert::http
