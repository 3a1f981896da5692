#ifndef CULVERT_EXAMPLES_ROUTE_GUIDE_FEATURES_H_
#define CULVERT_EXAMPLES_ROUTE_GUIDE_FEATURES_H_

// What there is to see along a stretch of the Danube. The names are made up, and so is what stands there.

#include <cstdint>
#include <span>
#include <string_view>

namespace routeguide {

struct Place {
  std::string_view name;
  // In degrees times 10^7, as in route_guide.proto.
  int32_t latitude;
  int32_t longitude;
};

// Going north row by row, and eastwards in a row.
std::span<const Place> Places();

}  // namespace routeguide

#endif  // CULVERT_EXAMPLES_ROUTE_GUIDE_FEATURES_H_
