#ifndef CULVERT_RPC_ROUTER_H_
#define CULVERT_RPC_ROUTER_H_

// From HTTP requests to calls: what is gRPC goes to its method, everything else to the HTTP handler beside it, if there is one.

#include "rpc/server_call.h"
#include "rpc/service.h"
#include "transport/http/exchange.h"

namespace culvert::rpc {

class Router final : public http::Handler {
 public:
  // All outlive the router. `other` answers requests that are not gRPC; null: 415 for them, as the gRPC protocol says.
  Router(const MethodRegistry& methods, const CallLimits& limits, http::Handler* other) : methods_(methods), limits_(limits), other_(other) {}

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override;

 private:
  const MethodRegistry& methods_;
  const CallLimits& limits_;
  http::Handler* const other_;
};

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_ROUTER_H_
