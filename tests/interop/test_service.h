#ifndef CULVERT_TESTS_INTEROP_TEST_SERVICE_H_
#define CULVERT_TESTS_INTEROP_TEST_SERVICE_H_

// grpc.testing.TestService, as gRPC's interop description has servers behave (grpc/grpc doc/interop-test-descriptions.md, "Server").
//
// Holds no state: one object serves any number of servers and threads. UnimplementedCall stays unimplemented on purpose.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpc/testing/empty.pb.h"
#include "grpc/testing/messages.pb.h"
#include "grpc/testing/test.culvert.h"
#include "rpc/server_context.h"
#include "rpc/service.h"
#include "rpc/unary.h"
#include "transport/base/task.h"

namespace culvert::interop {

class TestService : public grpc::testing::TestService::Service {
 public:
  Unary<grpc::testing::Empty> EmptyCall(ServerContext& call, const grpc::testing::Empty& request) override;

  Unary<grpc::testing::SimpleResponse> UnaryCall(ServerContext& call, const grpc::testing::SimpleRequest& request) override;

  Unary<grpc::testing::SimpleResponse> CacheableUnaryCall(ServerContext& call, const grpc::testing::SimpleRequest& request) override;

  Task<absl::Status> StreamingOutputCall(ServerContext& call, const grpc::testing::StreamingOutputCallRequest& request,
                                         Writer<grpc::testing::StreamingOutputCallResponse>& writer) override;

  Task<absl::StatusOr<grpc::testing::StreamingInputCallResponse>> StreamingInputCall(
      ServerContext& call, Reader<grpc::testing::StreamingInputCallRequest>& reader) override;

  Task<absl::Status> FullDuplexCall(
      ServerContext& call,
      Stream<grpc::testing::StreamingOutputCallRequest, grpc::testing::StreamingOutputCallResponse>& stream) override;

  Task<absl::Status> HalfDuplexCall(
      ServerContext& call,
      Stream<grpc::testing::StreamingOutputCallRequest, grpc::testing::StreamingOutputCallResponse>& stream) override;
};

}  // namespace culvert::interop

#endif  // CULVERT_TESTS_INTEROP_TEST_SERVICE_H_
