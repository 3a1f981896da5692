#ifndef CULVERT_BENCH_TEXT_FILE_H_
#define CULVERT_BENCH_TEXT_FILE_H_

// What a flag that names a file stands for: certificates and keys.

#include <string>

#include "absl/status/statusor.h"

namespace culvert::bench {

// The whole file; NotFound when it cannot be read.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_TEXT_FILE_H_
