// Any fields: metadata that was read can be sent, and is read as the same again; base64 likewise.

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rpc/base64.h"
#include "rpc/content_type.h"
#include "rpc/metadata.h"
#include "rpc/status.h"
#include "tests/fuzz/fuzz.h"
#include "transport/http/header_list.h"
#include "transport/http/validate.h"

static bool Same(const culvert::Metadata& a, const culvert::Metadata& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace culvert;  // NOLINT
  fuzz::Input input(data, size);
  const std::string_view text = input.Text();

  std::string bytes;
  if (rpc::DecodeBase64(text, &bytes)) {
    std::string again;
    FUZZ_EXPECT(rpc::DecodeBase64(rpc::EncodeBase64(bytes), &again) && again == bytes);
  }
  FUZZ_EXPECT(rpc::DecodeBase64(rpc::EncodeBase64(text), &bytes) && bytes == text);

  rpc::ParseMessageFormat(text);

  http::HeaderList fields;
  while (!input.empty() && fields.size() < 30) {
    std::string name(input.Text());
    if (input.Byte() % 2 == 0) name += "-bin";
    fields.Add(name, input.Text());
  }
  const absl::Status status = rpc::StatusFromTrailers(fields.fields(), static_cast<int>(input.Byte()) * 4);
  http::HeaderList trailers;
  rpc::AppendStatusFields(status, trailers);
  FUZZ_EXPECT(http::ValidateTrailers(trailers.fields()).ok());
  FUZZ_EXPECT(rpc::StatusFromTrailers(trailers.fields(), 200).code() == status.code());

  Metadata metadata;
  if (!metadata.AssignFromFields(fields.fields()).ok()) {
    FUZZ_EXPECT(metadata.empty());
    return 0;
  }
  http::HeaderList sent;
  metadata.AppendTo(sent);
  Metadata again;
  FUZZ_EXPECT(again.AssignFromFields(sent.fields()).ok());
  FUZZ_EXPECT(Same(metadata, again));
  return 0;
}
