#include "transport/http2/priority.h"

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace culvert::http2 {

void PrintTo(const Priority& priority, std::ostream* out) {
  *out << "u=" << int{priority.urgency} << (priority.incremental ? ", i" : "");
}

namespace {

using namespace std::string_view_literals;  // NOLINT

struct Case {
  std::string_view value;
  std::optional<Priority> priority;
};

constexpr std::optional<Priority> Is(uint8_t urgency, bool incremental) { return Priority{urgency, incremental}; }

void Check(const Case& c) { EXPECT_EQ(ParsePriority(c.value), c.priority) << "\"" << c.value << "\""; }

TEST(ParsePriority, ReadsUrgencyAndIncremental) {
  const Case table[] = {
      {"u=0", Is(0, false)},
      {"u=7", Is(7, false)},
      {"u=3", Is(3, false)},
      {"i", Is(3, true)},
      {"i=?1", Is(3, true)},
      {"i=?0", Is(3, false)},
      {"u=5, i", Is(5, true)},
      {"i,u=5", Is(5, true)},
      {"u=5 \t,\t i", Is(5, true)},
      {"  u=5  ", Is(5, false)},
      {"u=5\t", Is(5, false)},
      {"u=-0", Is(0, false)},
      {"u=000000000000002", Is(2, false)},
  };
  for (const Case& c : table) Check(c);
}

// Not the same as a stream that is said not to be incremental: see kUnsignalled.
TEST(ParsePriority, NothingSaidIsNoSignal) {
  for (const std::string_view value : {"", "  ", "high", "a=1, b"}) Check({value, kUnsignalled});
}

// RFC 8941 4.2.2
TEST(ParsePriority, OfAKeyThatComesTwiceTheLastCounts) {
  const Case table[] = {
      {"u=1, u=2", Is(2, false)},
      {"i, i=?0", Is(3, false)},
      {"u=1, i, u=9", Is(3, true)},  // the last one is out of range, and so there is none
      {"u=1, u=x", kUnsignalled},
  };
  for (const Case& c : table) Check(c);
}

// RFC 9218 4
TEST(ParsePriority, ValuesOfAWrongTypeOrOutOfRangeAreIgnored) {
  for (const std::string_view value : {"8", "-1", "999999999999999", "1.0", "1.5", "?1", "x", "\"1\"", ":MQ==:", "(1)", "()"}) {
    Check({"u=" + std::string(value), kUnsignalled});
    Check({"i, u=" + std::string(value), Is(3, true)});
  }
  Check({"u", kUnsignalled});  // true
  for (const std::string_view value : {"1", "0", "1.0", "x", "\"?1\"", ":MQ==:", "(?1)"}) {
    Check({"i=" + std::string(value), kUnsignalled});
    Check({"u=1, i=" + std::string(value), Is(1, false)});
  }
}

// RFC 9218 4, RFC 8941 3.1.2
TEST(ParsePriority, ParametersAreSkipped) {
  const Case table[] = {
      {"u=1;a", Is(1, false)},
      {"u=1;a;b=2; c=\"x,;\";*d=:aaaa:", Is(1, false)},
      {"i;u=1", Is(3, true)},
      {"i=?0;x=?1", Is(3, false)},
      {"u=1;u=2", Is(1, false)},
  };
  for (const Case& c : table) Check(c);
}

constexpr std::string_view kItems[] = {
    "0", "-0", "-999999999999999", "999999999999.999", "-0.1",  // numbers
    "\"\"", "\"a, u=7\"", "\"\\\"\\\\\"", "\" ~\"",             // strings
    "a", "A", "*", "*a:/!#$%&'*+-.^_`|~09Z",                    // tokens
    "::", ":YWJj:", ":+/0=:",                                   // bytes
    "?0", "?1",                                                 // booleans
};

TEST(ParsePriority, UnknownMembersAreSkipped) {
  const auto skipped = [](const std::string& member) {
    Check({member, kUnsignalled});
    Check({member + ", u=1", Is(1, false)});
    Check({"u=1, " + member, Is(1, false)});
    Check({"i," + member + " ,u=6", Is(6, true)});
  };
  for (const std::string key : {"a", "*", "uu", "u1", "u_-.*", "*i"}) {
    skipped(key);
    for (const std::string_view item : kItems) {
      const std::string text(item);
      skipped(key + "=" + text);
      skipped(key + ";p=" + text + "; q");
      skipped(key + "=(" + text + ")");
      skipped(key + "=( " + text + " u " + text + ";p=" + text + "  )");
      skipped(key + "=(" + text + ");p=" + text);
    }
    skipped(key + "=()");
    skipped(key + "=(  )");
  }
}

TEST(ParsePriority, WhatIsNoDictionaryIsIgnoredWhole) {
  constexpr std::string_view kBroken[] = {
      // keys
      "A", "A=1", "1", "=1", "_=1", "-", ".", "a b", "a\0"sv, "\xc3\xa4", "a/", "\"a\"",
      // commas and blanks
      ",", "a,", "a, ", "a,,b", "a;", "a; ,b", "a ;b", "a =1", "a= 1", "a\nb", "a\n",
      // numbers
      "a=", "a=-", "a=--1", "a=+1", "a=.1", "a=1.", "a=1.2345", "a=1.a", "a=-a", "a=1000000000000000", "a=1234567890123.1",
      "a=0x1", "a=1e3",
      // strings
      "a=\"", "a=\"b", "a=\"\\", "a=\"\\\"", "a=\"\\b\"", "a=\"\x7f\"", "a=\"\t\"", "a=\"\0\""sv, "a=\"\xe4\"", "a='b'", "a=\"b\"c",
      // tokens
      "a=b\"", "a=b(", "a=b=c", "a=_", "a=b@", "a=\xe4",
      // bytes
      "a=:", "a=:YQ", "a=:Y Q:", "a=:-:", "a=:a:b",
      // booleans
      "a=?", "a=?2", "a=?true", "a=?1?1", "a=??1",
      // inner lists
      "a=(", "a=(1", "a=(1 ", "a=(1,2)", "a=(1\t2)", "a=((1))", "a=(1\"b\")", "a=(;b)", "a=(1;)", "a=(u=1)", "a=)", "a=()1", "a=(\"b)",
      // parameters
      "a;A", "a;1", "a;b=", "a;b=(1)", "a;b=\"", "a;\tb", "a;=1", "a=1;b=?",
      // what RFC 8941 does not know
      "a=@1659578233", "a=%\"b\"", "a={}", "a=[1]",
  };
  for (const std::string_view broken : kBroken) {
    Check({broken, std::nullopt});
    Check({"u=1, " + std::string(broken), std::nullopt});
  }
  constexpr std::string_view kBrokenAlone[] = {"\tu=1", "u=", "u=1 i", "u=1;", "u=1,", "u=1, i,", "u=0000000000000001", "i=?", "i=true=",
                                               "u=1\ti", "u==1", "(u=1)"};
  for (const std::string_view broken : kBrokenAlone) Check({broken, std::nullopt});
}

TEST(ParsePriority, LongValuesAreReadToTheirEnd) {
  std::string members, nested = "a=(";
  for (int i = 0; i < 10000; ++i) {
    members += "k" + std::to_string(i) + "=\"\\\\\";p, ";
    nested += "(";
  }
  Check({members + "u=2", Is(2, false)});
  Check({members + "u=2,", std::nullopt});
  Check({nested, std::nullopt});
}

TEST(EarlyPriorities, TheLastOneSaidCounts) {
  EarlyPriorities early;
  early.Set(3, {1, false});
  early.Set(5, {2, false});
  early.Set(3, {6, true});
  EXPECT_EQ(early.size(), 2u);
  EXPECT_EQ(early.Take(3), Is(6, true));
  EXPECT_EQ(early.Take(3), std::nullopt);
  EXPECT_EQ(early.Take(5), Is(2, false));
  EXPECT_EQ(early.size(), 0u);
}

TEST(EarlyPriorities, AStreamThatOpensClosesThoseBelow) {
  EarlyPriorities early;
  early.Set(5, {1, false});
  early.Set(9, {2, false});
  early.Set(3, {3, false});
  EXPECT_EQ(early.Take(7), std::nullopt);
  EXPECT_EQ(early.size(), 1u);
  EXPECT_EQ(early.Take(5), std::nullopt);
  EXPECT_EQ(early.Take(9), Is(2, false));
}

TEST(EarlyPriorities, BeyondTheBoundTheOldestIsForgotten) {
  EarlyPriorities early;
  for (frame::StreamId id = 1; id <= 2 * EarlyPriorities::kMost - 1; id += 2) early.Set(id, {1, false});
  EXPECT_EQ(early.size(), EarlyPriorities::kMost);
  early.Set(1, {2, false});  // now the newest
  early.Set(101, {3, false});
  EXPECT_EQ(early.size(), EarlyPriorities::kMost);
  EXPECT_EQ(early.Take(1), Is(2, false));
  EXPECT_EQ(early.Take(3), std::nullopt);
  EXPECT_EQ(early.Take(5), Is(1, false));
  EXPECT_EQ(early.Take(101), Is(3, false));
}

}  // namespace
}  // namespace culvert::http2
