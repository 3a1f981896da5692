#include "transport/frame/constants.h"

#include <set>
#include <string_view>

#include "gtest/gtest.h"

namespace culvert::frame {
namespace {

TEST(Names, AreThoseOfTheRfc) {
  EXPECT_EQ(FrameTypeName(FrameType::kRstStream), "RST_STREAM");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kFlowControlError), "FLOW_CONTROL_ERROR");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kHttp11Required), "HTTP_1_1_REQUIRED");
  EXPECT_EQ(SettingName(SettingId::kInitialWindowSize), "INITIAL_WINDOW_SIZE");
}

TEST(Names, EveryDefinedValueHasItsOwn) {
  std::set<std::string_view> names;
  for (uint8_t type = 0; type <= 9; ++type) names.insert(FrameTypeName(static_cast<FrameType>(type)));
  EXPECT_EQ(names.size(), 10u);
  for (uint32_t code = 0; code <= 13; ++code) names.insert(ErrorCodeName(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), 24u);
  for (const uint16_t id : {1, 2, 3, 4, 5, 6, 8}) names.insert(SettingName(static_cast<SettingId>(id)));
  EXPECT_EQ(names.size(), 31u);
  EXPECT_EQ(names.count("UNKNOWN"), 0u);
}

TEST(Names, OtherValuesAreUnknown) {
  EXPECT_EQ(FrameTypeName(static_cast<FrameType>(10)), "UNKNOWN");
  EXPECT_EQ(ErrorCodeName(static_cast<ErrorCode>(14)), "UNKNOWN");
  EXPECT_EQ(SettingName(static_cast<SettingId>(7)), "UNKNOWN");
  EXPECT_EQ(SettingName(static_cast<SettingId>(0)), "UNKNOWN");
}

}  // namespace
}  // namespace culvert::frame
