#ifndef CULVERT_RPC_CONTENT_TYPE_H_
#define CULVERT_RPC_CONTENT_TYPE_H_

// What makes an HTTP request a call: its content-type (gRPC over HTTP/2, "Requests"). Pure. Views returned point into the argument.

#include <optional>
#include <string_view>

namespace culvert::rpc {

// The name of the message format in a content-type of gRPC: "proto" in "application/grpc+proto", empty in
// "application/grpc" (which means proto). Case and parameters (";charset=utf-8") do not matter. nullopt when
// it is not gRPC's (gRPC-Web's is not): a server then answers HTTP status 415.
std::optional<std::string_view> ParseMessageFormat(std::string_view content_type);

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_CONTENT_TYPE_H_
