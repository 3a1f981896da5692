#ifndef CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_RECORDING_H_
#define CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_RECORDING_H_

// A receiver and a handler that write down what they are told, and that do what a test hangs into them.
//
//   RecordingHandler handler;
//   handler.on_request = [](RecordingReceiver& request) { request.exchange->SendHead({200, {}}, true);
//   request.Release(); };
//   ...
//   EXPECT_EQ(handler.at(0).log, "POST /a.B/C\ndata abc end\n");
//
// The log of a receiver: "head 200 end", "data abc end", "trailers {a=b}", "writable", "closed CANCELLED: why
// (unprocessed)", a line each. What comes in an order that Receiver forbids is a test failure.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "transport/http/exchange.h"
#include "transport/http/header_list.h"

namespace culvert::testing_support {

// "{name=value}{name=value}"
std::string DescribeFields(std::span<const http::HeaderField> fields);

class RecordingReceiver final : public http::Receiver {
 public:
  void OnHead(const http::ResponseHead& head, bool end) override;
  void OnData(std::span<const uint8_t> bytes, bool end) override;
  void OnTrailers(std::span<const http::HeaderField> trailers) override;
  void OnWritable() override;
  void OnClosed(const absl::Status& why, bool unprocessed) override;

  void Release();

  http::Exchange* exchange = nullptr;
  std::string log;
  std::string body;
  bool ended = false;  // by the peer
  bool closed = false;
  bool released = false;

  bool pays = true;         // gives credit back at once
  size_t shown_bytes = 32;  // of DATA, in the log
  std::function<void()> on_head, on_data, on_trailers, on_writable, on_closed;
};

class RecordingHandler final : public http::Handler {
 public:
  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override;

  RecordingReceiver& at(size_t i) { return *requests.at(i); }

  std::vector<std::unique_ptr<RecordingReceiver>> requests;
  std::function<void(RecordingReceiver&)> on_request;
};

}  // namespace culvert::testing_support

#endif  // CULVERT_TESTS_SUPPORT_FRAME_SCRIPT_RECORDING_H_
