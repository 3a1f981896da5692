#include "rpc/router.h"

#include <optional>

#include "rpc/content_type.h"
#include "rpc/status.h"
#include "transport/base/strings.h"

namespace culvert::rpc {

namespace {

std::string_view ContentType(std::span<const http::HeaderField> fields) {
  for (const http::HeaderField& field : fields) {
    if (field.name == "content-type") return field.value;
  }
  return {};
}

// Answers with a status alone, in one HEADERS frame.
void Refuse(http::Exchange& exchange, const absl::Status& status) {
  http::HeaderList fields;
  fields.Add("content-type", "application/grpc");
  AppendStatusFields(status, fields);
  exchange.SendHead({.status = 200, .fields = fields.fields()}, true);
  exchange.Release();
}

}  // namespace

void Router::OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) {
  const std::optional<std::string_view> format = ParseMessageFormat(ContentType(head.fields));
  if (!format || exchange.http_major() != 2) {
    if (other_ != nullptr) return other_->OnRequest(exchange, head, end);
    exchange.SendHead({.status = format ? 505 : 415, .fields = {}}, true);
    return exchange.Release();
  }
  if (head.method != "POST") {
    constexpr http::HeaderField kAllow[] = {{"allow", "POST"}};  // RFC 9110 15.5.6
    exchange.SendHead({.status = 405, .fields = kAllow}, true);
    return exchange.Release();
  }
  if (!format->empty() && *format != "proto") {
    return Refuse(exchange, absl::UnimplementedError(StrCat("message format '", *format, "' is not supported, only proto is")));
  }
  const Method* method = methods_.Find(head.path);
  if (method == nullptr) return Refuse(exchange, absl::UnimplementedError(StrCat("unknown method ", head.path)));
  method->NewCall(exchange, limits_).Start(head, end);
}

}  // namespace culvert::rpc
