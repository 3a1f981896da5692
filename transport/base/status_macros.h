#ifndef CULVERT_TRANSPORT_BASE_STATUS_MACROS_H_
#define CULVERT_TRANSPORT_BASE_STATUS_MACROS_H_

// Early return on a failed absl::Status or absl::StatusOr, in a function or (CO_ forms) in a coroutine.
//
//   CULVERT_RETURN_IF_ERROR(ParseHead(bytes, &head));
//   CULVERT_ASSIGN_OR_RETURN(Frame frame, Parse(bytes));

#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define CULVERT_MACRO_CAT_(a, b) a##b
#define CULVERT_MACRO_CAT(a, b) CULVERT_MACRO_CAT_(a, b)

#define CULVERT_RETURN_IF_ERROR(expr)                                        \
  do {                                                                       \
    if (absl::Status culvert_status_ = (expr); ABSL_PREDICT_FALSE(!culvert_status_.ok())) { \
      return culvert_status_;                                                \
    }                                                                        \
  } while (false)

#define CULVERT_CO_RETURN_IF_ERROR(expr)                                     \
  do {                                                                       \
    if (absl::Status culvert_status_ = (expr); ABSL_PREDICT_FALSE(!culvert_status_.ok())) { \
      co_return culvert_status_;                                             \
    }                                                                        \
  } while (false)

#define CULVERT_ASSIGN_OR_RETURN_(tmp, lhs, expr, ret)             \
  auto tmp = (expr);                                               \
  if (ABSL_PREDICT_FALSE(!tmp.ok())) ret std::move(tmp).status();  \
  lhs = *std::move(tmp)

#define CULVERT_ASSIGN_OR_RETURN(lhs, expr) \
  CULVERT_ASSIGN_OR_RETURN_(CULVERT_MACRO_CAT(culvert_or_, __LINE__), lhs, expr, return)
#define CULVERT_CO_ASSIGN_OR_RETURN(lhs, expr) \
  CULVERT_ASSIGN_OR_RETURN_(CULVERT_MACRO_CAT(culvert_or_, __LINE__), lhs, expr, co_return)

#endif  // CULVERT_TRANSPORT_BASE_STATUS_MACROS_H_
