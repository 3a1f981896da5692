// gRPC's interop cases with Culvert on both sides, in one process, so that they run under the sanitizers too.

#include <string>

#include "gtest/gtest.h"
#include "tests/e2e/fixture.h"
#include "tests/interop/client_cases.h"

namespace culvert::e2e {
namespace {

class InteropCase : public testing::TestWithParam<interop::Case> {};

TEST_P(InteropCase, Passes) {
  interop::TestService service;
  Loopback loopback(service);
  for (int i = 0; i < 3; ++i) EXPECT_OK(GetParam().run(loopback.channel()));
  EXPECT_OK(CallOnce(loopback.channel()));
}

INSTANTIATE_TEST_SUITE_P(All, InteropCase, testing::ValuesIn(interop::Cases().begin(), interop::Cases().end()),
                         [](const testing::TestParamInfo<interop::Case>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace culvert::e2e
