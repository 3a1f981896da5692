#ifndef CULVERT_RPC_STATUS_H_
#define CULVERT_RPC_STATUS_H_

// How an absl::Status travels: grpc-status, grpc-message and grpc-status-details-bin in the trailers, and
// what stands in for them when a peer, a proxy or a reset stream leaves them out (gRPC over HTTP/2,
// "Responses" and "Errors"). Pure.
//
// absl's codes and gRPC's are the same numbers. An OK status carries neither message nor details, as absl's
// does.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "transport/http/header_list.h"

namespace culvert::rpc {

// The payload of an absl::Status under this type URL is a serialized google.rpc.Status, carried by
// grpc-status-details-bin. Payloads under other URLs are not sent.
inline constexpr char kStatusDetailsUrl[] = "type.googleapis.com/google.rpc.Status";

// grpc-message: bytes outside 0x20..0x7e, '%', and a blank at either end become %XX.
std::string EncodeStatusMessage(std::string_view message);
// Never fails: what is not % and two hex digits stays as it is.
std::string DecodeStatusMessage(std::string_view text);

// "0" to "16"; anything else is kUnknown.
absl::StatusCode ParseStatusCode(std::string_view text);

// For a response without grpc-status. Never kOk.
absl::StatusCode StatusCodeFromHttp(int http_status);

// The outcome of a call from its last header block: trailers, or a trailers-only response. Without
// grpc-status it is made from http_status (the ":status" of the response; 0 if there was none) and says so.
// Undecodable details are dropped.
absl::Status StatusFromTrailers(std::span<const http::HeaderField> trailers, int http_status);

// Adds grpc-status always, grpc-message and grpc-status-details-bin when there is something to say.
void AppendStatusFields(const absl::Status& status, http::HeaderList& trailers);

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_STATUS_H_
