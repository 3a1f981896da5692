#ifndef CULVERT_TESTS_RPC_FAKE_EXCHANGE_H_
#define CULVERT_TESTS_RPC_FAKE_EXCHANGE_H_

// An exchange without a connection: writes down what is sent on it, a line each ("head 200 {a=b} end", "data
// in place hello", "data queued hello", "trailers {grpc-status=0}", "reset CANCELLED", "release"), and lets
// the test be the peer.
//
// Data is shown as the text of the google.protobuf.StringValue in its envelope.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "rpc/envelope.h"
#include "tests/support/frame_script/recording.h"
#include "transport/base/strings.h"
#include "transport/http/exchange.h"
#include "transport/io/event_loop.h"

namespace culvert::rpc {

using Text = google::protobuf::StringValue;

inline Text MakeText(std::string_view value) {
  Text text;
  text.set_value(std::string(value));
  return text;
}

// A message in its envelope.
inline std::string Enveloped(std::string_view value, bool compressed = false) {
  const std::string message = MakeText(value).SerializeAsString();
  uint8_t prefix[kEnvelopePrefix];
  PutPrefix(prefix, compressed, static_cast<uint32_t>(message.size()));
  return std::string(reinterpret_cast<char*>(prefix), kEnvelopePrefix) + message;
}

inline std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class FakeExchange final : public http::Exchange {
 public:
  explicit FakeExchange(EventLoop& loop) : loop_(loop) {}

  void SetReceiver(http::Receiver* to) override { receiver = to; }
  void Release() override {
    Note("release");
    receiver = nullptr;
    held = 0;
  }
  void SendHead(const http::ResponseHead& head, bool end) override {
    Note(StrCat("head ", head.status, head.fields.empty() ? "" : " ",
                testing_support::DescribeFields(head.fields), end ? " end" : ""));
  }
  uint8_t* TrySendInPlace(size_t n, bool end) override {
    if (!room) return nullptr;
    Note("data in place");
    sent_.push_back({std::string(n, '\0'), end});
    return reinterpret_cast<uint8_t*>(sent_.back().bytes.data());
  }
  void SendData(io::SharedBytes bytes, bool end) override {
    Note("data queued");
    sent_.push_back({std::string(reinterpret_cast<const char*>(bytes.data), bytes.size), end});
  }
  void SendTrailers(std::span<const http::HeaderField> trailers) override {
    Note(StrCat("trailers ", testing_support::DescribeFields(trailers)));
  }
  bool writable() const override { return room; }
  void Reset(absl::StatusCode code) override { Note(StrCat("reset ", absl::StatusCodeToString(code))); }
  void Consumed(size_t n) override {
    EXPECT_TRUE(receiver != nullptr);
    EXPECT_NE(n, 0u);
    consumed += n;
  }
  absl::Status Hold(size_t n) override {
    EXPECT_TRUE(receiver != nullptr);
    ++told_of_held;
    const bool allowed = n <= std::max(held, may_hold);
    held = n;
    return allowed ? absl::OkStatus() : absl::ResourceExhaustedError("too much is held");
  }
  EventLoop& loop() override { return loop_; }
  std::string peer() const override { return "fake"; }
  std::shared_ptr<const io::PeerCertificate> peer_certificate() const override { return nullptr; }
  int http_major() const override { return major; }
  absl::StatusOr<http::Hijacked> Hijack() override { return absl::FailedPreconditionError("fake"); }

  bool released() const { return receiver == nullptr; }

  // What was sent since the last call.
  std::string TakeLog() {
    Flush();
    return std::exchange(log_, {});
  }

  http::Receiver* receiver = nullptr;
  bool room = true;
  int major = 2;
  size_t consumed = 0;
  size_t held = 0;
  size_t may_hold = SIZE_MAX;
  int told_of_held = 0;  // how often

 private:
  struct Sent {
    std::string bytes;
    bool end;
  };

  // What was sent in place is filled in after TrySendInPlace has returned: described at the next call.
  void Flush() {
    for (const Sent& sent : sent_) {
      Text text;
      EXPECT_GE(sent.bytes.size(), kEnvelopePrefix);
      EXPECT_TRUE(text.ParseFromString(sent.bytes.substr(kEnvelopePrefix)));
      EXPECT_EQ(sent.bytes, Enveloped(text.value()));
      log_.insert(log_.size() - 1, StrCat(" ", text.value(), sent.end ? " end" : ""));
    }
    sent_.clear();
  }
  void Note(const std::string& line) {
    Flush();
    log_ += line + "\n";
  }

  EventLoop& loop_;
  std::deque<Sent> sent_;  // at most one
  std::string log_;
};

}  // namespace culvert::rpc

#endif  // CULVERT_TESTS_RPC_FAKE_EXCHANGE_H_
