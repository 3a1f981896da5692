#ifndef CULVERT_TRANSPORT_BASE_CHECK_H_
#define CULVERT_TRANSPORT_BASE_CHECK_H_

// Checks of our own invariants; never of input (a peer's bytes answer with a Status).
//
// CULVERT_CHECK always aborts with the rule's text; CULVERT_DCHECK only where NDEBUG is absent. `rule` is a string literal that
// names the broken rule, as in CULVERT_DCHECK(live == born, "frame used after the next ReadFrame").

#include "absl/base/optimization.h"

namespace culvert::base {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* rule);

}  // namespace culvert::base

#define CULVERT_CHECK(condition, rule)                                              \
  do {                                                                              \
    if (ABSL_PREDICT_FALSE(!(condition))) {                                         \
      ::culvert::base::CheckFailed(__FILE__, __LINE__, #condition, rule);           \
    }                                                                               \
  } while (false)

#ifdef NDEBUG
#define CULVERT_DCHECK(condition, rule) \
  do {                                  \
    if (false) {                        \
      static_cast<void>(condition);     \
    }                                   \
  } while (false)
#else
#define CULVERT_DCHECK(condition, rule) CULVERT_CHECK(condition, rule)
#endif

#endif  // CULVERT_TRANSPORT_BASE_CHECK_H_
