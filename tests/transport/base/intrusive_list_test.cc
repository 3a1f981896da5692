#include "transport/base/intrusive_list.h"

#include <string>

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

struct Item {
  explicit Item(char name) : name(name) {}
  char name;
  ListHook<Item> hook;
  ListHook<Item> other;
};
using List = IntrusiveList<Item, &Item::hook>;

// The names in order, both ways: forward alone would not see a broken backward link.
std::string Names(const List& list) {
  std::string forward, backward;
  const Item* last = nullptr;
  for (const Item* i = list.front(); i != nullptr; i = i->hook.next) {
    forward += i->name;
    last = i;
  }
  for (const Item* i = last; i != nullptr; i = i->hook.previous == i ? nullptr : i->hook.previous) backward.insert(backward.begin(), i->name);
  EXPECT_EQ(forward, backward);
  return forward;
}

class IntrusiveListTest : public testing::Test {
 protected:
  void PushAll() {
    for (Item* item : {&a_, &b_, &c_}) list_.PushBack(item);
  }
  Item a_{'a'}, b_{'b'}, c_{'c'};
  List list_;
};

TEST_F(IntrusiveListTest, FirstInFirstOut) {
  EXPECT_TRUE(list_.empty());
  EXPECT_EQ(list_.PopFront(), nullptr);
  PushAll();
  EXPECT_EQ(Names(list_), "abc");
  EXPECT_EQ(list_.PopFront(), &a_);
  EXPECT_EQ(list_.PopFront(), &b_);
  EXPECT_EQ(list_.PopFront(), &c_);
  EXPECT_TRUE(list_.empty());
}

TEST_F(IntrusiveListTest, AMemberLeavesFromAnyPlace) {
  const struct {
    Item* item;
    const char* left;
  } cases[] = {{&a_, "bc"}, {&b_, "ac"}, {&c_, "ab"}};
  for (const auto& [item, left] : cases) {
    PushAll();
    list_.Remove(item);
    EXPECT_EQ(Names(list_), left);
    EXPECT_FALSE(item->hook.linked());
    list_.PushBack(item);  // and may come back, at the end
    EXPECT_EQ(Names(list_), std::string(left) + item->name);
    while (list_.PopFront() != nullptr) {
    }
  }
}

TEST_F(IntrusiveListTest, PushingAMemberAgainKeepsItsPlace) {
  PushAll();
  list_.PushBack(&a_);
  EXPECT_EQ(Names(list_), "abc");
}

TEST_F(IntrusiveListTest, RemovingWhoIsNotInDoesNothing) {
  PushAll();
  Item stranger('x');
  list_.Remove(&stranger);
  EXPECT_EQ(Names(list_), "abc");
}

TEST_F(IntrusiveListTest, OneItemIsInSeveralListsByDifferentHooks) {
  PushAll();
  IntrusiveList<Item, &Item::other> other;
  other.PushBack(&b_);
  list_.Remove(&b_);
  EXPECT_EQ(Names(list_), "ac");
  EXPECT_EQ(other.front(), &b_);
}

}  // namespace
}  // namespace culvert::base
