#include "transport/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace culvert::base {

void CheckFailed(const char* file, int line, const char* condition, const char* rule) {
  std::fprintf(stderr, "culvert: %s (%s) at %s:%d\n", rule, condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace culvert::base
