#ifndef CULVERT_BENCH_PAYLOAD_H_
#define CULVERT_BENCH_PAYLOAD_H_

// The messages of grpc.testing.BenchmarkService as both Culvert's and gRPC C++'s side of a benchmark make them.

#include <cstddef>

#include "grpc/testing/messages.pb.h"

namespace culvert::bench {

// The largest response_size that a benchmark server answers; a request may ask for any int32.
inline constexpr int kMaxResponseBytes = 64 << 20;

inline bool CanAnswer(const grpc::testing::SimpleRequest& request) {
  return request.response_size() >= 0 && request.response_size() <= kMaxResponseBytes;
}

inline grpc::testing::SimpleRequest MakeRequest(int request_bytes, int response_bytes) {
  grpc::testing::SimpleRequest request;
  request.set_response_size(response_bytes);
  request.mutable_payload()->mutable_body()->assign(static_cast<size_t>(request_bytes), '\0');
  return request;
}

// CanAnswer(request). A response that is used again for the same size is left as it is.
inline void Answer(const grpc::testing::SimpleRequest& request, grpc::testing::SimpleResponse& response) {
  response.mutable_payload()->mutable_body()->resize(static_cast<size_t>(request.response_size()), '\0');
}

}  // namespace culvert::bench

#endif  // CULVERT_BENCH_PAYLOAD_H_
