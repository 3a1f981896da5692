#include "transport/frame/constants.h"

#include <set>
#include <string_view>

#include "gtest/gtest.h"

namespace culvert::frame {
namespace {

TEST(Names, AreThoseOfTheRfc) {
  EXPECT_EQ(FrameTypeName(FrameType::kRstStream), "RST_STREAM");
  EXPECT_EQ(FrameTypeName(static_cast<FrameType>(0x10)), "PRIORITY_UPDATE");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kFlowControlError), "FLOW_CONTROL_ERROR");
  EXPECT_EQ(ErrorCodeName(ErrorCode::kHttp11Required), "HTTP_1_1_REQUIRED");
  EXPECT_EQ(SettingName(SettingId::kInitialWindowSize), "INITIAL_WINDOW_SIZE");
  EXPECT_EQ(SettingName(static_cast<SettingId>(9)), "NO_RFC7540_PRIORITIES");
}

TEST(Names, EveryDefinedValueHasItsOwn) {
  std::set<std::string_view> names;
  for (uint8_t type = 0; type <= 9; ++type) names.insert(FrameTypeName(static_cast<FrameType>(type)));
  names.insert(FrameTypeName(FrameType::kPriorityUpdate));
  EXPECT_EQ(names.size(), 11u);
  for (uint32_t code = 0; code <= 13; ++code) names.insert(ErrorCodeName(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), 25u);
  for (const uint16_t id : {1, 2, 3, 4, 5, 6, 8, 9}) names.insert(SettingName(static_cast<SettingId>(id)));
  EXPECT_EQ(names.size(), 33u);
  EXPECT_EQ(names.count("UNKNOWN"), 0u);
}

TEST(Names, OtherValuesAreUnknown) {
  EXPECT_EQ(FrameTypeName(static_cast<FrameType>(10)), "UNKNOWN");
  EXPECT_EQ(FrameTypeName(static_cast<FrameType>(0x11)), "UNKNOWN");
  EXPECT_EQ(ErrorCodeName(static_cast<ErrorCode>(14)), "UNKNOWN");
  EXPECT_EQ(SettingName(static_cast<SettingId>(7)), "UNKNOWN");
  EXPECT_EQ(SettingName(static_cast<SettingId>(0)), "UNKNOWN");
}

}  // namespace
}  // namespace culvert::frame
