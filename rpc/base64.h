#ifndef CULVERT_RPC_BASE64_H_
#define CULVERT_RPC_BASE64_H_

// Base64 as gRPC writes it into "-bin" headers (gRPC over HTTP/2, "Custom-Metadata"; RFC 4648 4): no padding
// when sent, padded or not when received. Pure.

#include <string>
#include <string_view>

namespace culvert::rpc {

std::string EncodeBase64(std::string_view bytes);

// Replaces *bytes by what `text` encodes and returns true; false, and *bytes empty, when it is not base64.
// White space and bits beyond the last byte are ignored.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace culvert::rpc

#endif  // CULVERT_RPC_BASE64_H_
