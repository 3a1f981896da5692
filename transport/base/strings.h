#ifndef CULVERT_TRANSPORT_BASE_STRINGS_H_
#define CULVERT_TRANSPORT_BASE_STRINGS_H_

// std::string_view across absl's interfaces, whether or not absl::string_view is the same type: Debian builds Abseil with a type of its
// own (ABSL_OPTION_USE_STD_STRING_VIEW 0), a user's copy mostly does not.

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace culvert {

inline absl::string_view ToAbsl(std::string_view s) { return {s.data(), s.size()}; }

template <class View>
  requires std::is_same_v<View, absl::string_view>
std::string_view ToStd(View s) {
  return {s.data(), s.size()};
}

namespace base {

template <class T>
decltype(auto) StrCatArgument(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return ToAbsl(value);
  } else {
    return (value);
  }
}

}  // namespace base

// absl::StrCat that takes std::string_view as well.
template <class... T>
std::string StrCat(const T&... values) {
  return absl::StrCat(base::StrCatArgument(values)...);
}

}  // namespace culvert

#endif  // CULVERT_TRANSPORT_BASE_STRINGS_H_
