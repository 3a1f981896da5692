#include "transport/base/check.h"

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

TEST(CheckTest, ATrueConditionIsEvaluatedOnce) {
  int n = 0;
  CULVERT_CHECK(++n == 1, "counted");
  EXPECT_EQ(n, 1);
}

TEST(CheckTest, IsOneStatementOfAnIf) {
  if (false)
    CULVERT_CHECK(false, "not reached");
  else
    SUCCEED();
}

TEST(CheckDeathTest, AFalseConditionAbortsWithTheRule) {
  EXPECT_DEATH(CULVERT_CHECK(1 == 2, "numbers keep their value"), "culvert: numbers keep their value \\(1 == 2\\) at .*check_test.cc:[0-9]+");
}

TEST(CheckDeathTest, ADebugCheckAbortsInDebugBuildsOnly) {
  int n = 0;
#ifdef NDEBUG
  CULVERT_DCHECK(++n == 2, "not evaluated");
  EXPECT_EQ(n, 0);
#else
  EXPECT_DEATH(CULVERT_DCHECK(++n == 2, "evaluated"), "evaluated");
#endif
}

}  // namespace
}  // namespace culvert::base
