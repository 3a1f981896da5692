#include "tests/support/frame_script/recording.h"

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "transport/base/strings.h"

namespace culvert::testing_support {

namespace {
void Run(const std::function<void()>& hook) {
  if (hook) hook();
}
}  // namespace

std::string DescribeFields(std::span<const http::HeaderField> fields) {
  std::string text;
  for (const http::HeaderField& field : fields) text += StrCat("{", field.name, "=", field.value, "}");
  return text;
}

void RecordingReceiver::OnHead(const http::ResponseHead& head, bool end) {
  EXPECT_FALSE(released || closed || ended || log.starts_with("head")) << log;
  log += StrCat("head ", head.status, head.fields.empty() ? "" : " ", DescribeFields(head.fields),
                end ? " end\n" : "\n");
  ended = end;
  Run(on_head);
}

void RecordingReceiver::OnData(std::span<const uint8_t> bytes, bool end) {
  EXPECT_FALSE(released || closed || ended) << log;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  body += text;
  log += text.size() > shown_bytes ? StrCat("data of ", text.size())
                                   : StrCat("data", text.empty() ? "" : " ", absl::CHexEscape(ToAbsl(text)));
  log += end ? " end\n" : "\n";
  ended = end;
  if (pays && !bytes.empty()) exchange->Consumed(bytes.size());
  Run(on_data);
}

void RecordingReceiver::OnTrailers(std::span<const http::HeaderField> trailers) {
  EXPECT_FALSE(released || closed || ended) << log;
  log += StrCat("trailers ", DescribeFields(trailers), "\n");
  ended = true;
  Run(on_trailers);
}

void RecordingReceiver::OnWritable() {
  EXPECT_FALSE(released || closed) << log;
  log += "writable\n";
  Run(on_writable);
}

void RecordingReceiver::OnClosed(const absl::Status& why, bool unprocessed) {
  EXPECT_FALSE(released || closed) << log;
  log += StrCat("closed ", why.ToString(absl::StatusToStringMode::kWithNoExtraData),
                unprocessed ? " (unprocessed)\n" : "\n");
  closed = true;
  Run(on_closed);
}

void RecordingReceiver::Release() {
  EXPECT_FALSE(released);
  released = true;
  exchange->Release();
}

void RecordingHandler::OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) {
  RecordingReceiver& request = *requests.emplace_back(std::make_unique<RecordingReceiver>());
  request.exchange = &exchange;
  request.log = StrCat(head.method, " ", head.path, end ? " end\n" : "\n");
  request.ended = end;
  exchange.SetReceiver(&request);
  if (on_request) on_request(request);
}

}  // namespace culvert::testing_support
