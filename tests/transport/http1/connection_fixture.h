#ifndef CULVERT_TESTS_TRANSPORT_HTTP1_CONNECTION_FIXTURE_H_
#define CULVERT_TESTS_TRANSPORT_HTTP1_CONNECTION_FIXTURE_H_

// An HTTP/1.1 connection over a memory stream, a client's end of it in the test's hands, and a handler that
// records. Time stands still but for PassTime.

#include <algorithm>
#include <array>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "tests/transport/base/limits_hit.h"
#include "transport/http/exchange.h"
#include "transport/http1/connection.h"
#include "transport/io/event_loop.h"

namespace culvert::http1 {

using Fields = std::vector<http::HeaderField>;

inline std::string Describe(std::span<const http::HeaderField> fields) {
  std::string out;
  for (const http::HeaderField& f : fields)
    absl::StrAppend(&out, "{", std::string(f.name), "=", std::string(f.value), "}");
  return out;
}

// Passes everything on; counts writes.
class CountedStream final : public io::ByteStream {
 public:
  CountedStream(std::unique_ptr<io::ByteStream> stream, int& writes)
      : stream_(std::move(stream)), writes_(writes) {}
  io::IoResult TryRead(std::span<uint8_t> into) override { return stream_->TryRead(into); }
  io::IoResult TryWrite(std::span<const iovec> pieces) override {
    ++writes_;
    return stream_->TryWrite(pieces);
  }
  void AsyncWait(io::Direction direction, WaitHandler handler) override {
    stream_->AsyncWait(direction, std::move(handler));
  }
  void CancelWaits() override { stream_->CancelWaits(); }
  void ShutdownWrite() override { stream_->ShutdownWrite(); }
  void Close() override { stream_->Close(); }
  EventLoop& loop() override { return stream_->loop(); }
  std::string peer() const override { return stream_->peer(); }

 private:
  std::unique_ptr<io::ByteStream> stream_;
  int& writes_;
};

// One request as its receiver saw it.
struct Received final : http::Receiver {
  explicit Received(http::Exchange& exchange) : exchange(exchange) {}

  void OnHead(const http::ResponseHead&, bool) override { ADD_FAILURE() << "OnHead at a server"; }
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    EXPECT_FALSE(ended);
    body.append(bytes.begin(), bytes.end());
    ended = end;
    if (pays) exchange.Consumed(bytes.size());
    if (on_data) on_data();
    if (end && on_end) on_end();
  }
  void OnTrailers(std::span<const http::HeaderField> fields) override {
    EXPECT_FALSE(ended);
    trailers = Describe(fields);
    ended = true;
    if (on_end) on_end();
  }
  void OnWritable() override {
    ++writable;
    if (on_writable) on_writable();
  }
  void OnClosed(const absl::Status& why, bool unprocessed) override {
    EXPECT_FALSE(closed.has_value());
    EXPECT_FALSE(unprocessed);
    closed = why;
  }
  void Release() {
    released = true;
    exchange.Release();
  }

  http::Exchange& exchange;
  std::string line;  // method, scheme, authority, path
  std::string fields;
  std::string body;
  std::string trailers;
  bool ended = false;
  bool pays = true;
  bool released = false;
  int writable = 0;
  std::optional<absl::Status> closed;
  std::function<void()> on_data, on_end, on_writable;
};

class ConnectionTest : public testing::Test, public http::Handler {
 protected:
  ~ConnectionTest() override {
    for (auto& request : requests_) {
      if (!request->released) request->Release();
    }
    if (auto connection = weak_.lock()) connection->Close(absl::CancelledError("end of the test"));
    client_.reset();
    Pump();
    EXPECT_TRUE(weak_.expired()) << "the connection outlives Run and its exchange";
  }

  void Start(const Options& options = {}, testing_support::MemoryStreamOptions stream_options = {}) {
    auto [client, server] = testing_support::MakeMemoryStreamPair(loop_, stream_options);
    client_ = std::move(client);
    auto connection =
        Connection::Create(std::make_unique<CountedStream>(std::move(server), writes_), options, *this);
    weak_ = connection;
    asio::co_spawn(context_, connection->Run(connection), [this](std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      run_ended_ = true;
    });
    connection.reset();
    Pump();
  }

  // Runs whatever is ready, until nothing is.
  void Pump() {
    context_.restart();
    context_.poll();
  }

  void PassTime(std::chrono::milliseconds time) {
    now_ += time;
    loop_.timers().RunDue(now_);
    Pump();
  }

  // Writes all of `text` from the client, as fast as the connection takes it; false when it stops taking.
  bool Send(std::string_view text) {
    while (!text.empty()) {
      iovec piece{const_cast<char*>(text.data()), text.size()};
      const io::IoResult result = client_->TryWrite({&piece, 1});
      if (result.kind != io::IoResult::Kind::kBytes) return false;
      text.remove_prefix(result.bytes);
      Pump();
    }
    return true;
  }

  // What the client can read now; a final "<end>" or "<error>" says how it went on.
  std::string Receive() {
    std::string out;
    for (;;) {
      std::array<uint8_t, 4096> space;
      const io::IoResult result = client_->TryRead(space);
      if (result.kind == io::IoResult::Kind::kBytes)
        out.append(space.begin(), space.begin() + static_cast<ptrdiff_t>(result.bytes));
      if (result.kind == io::IoResult::Kind::kEnd) return out + "<end>";
      if (result.kind == io::IoResult::Kind::kError) return out + "<error>";
      Pump();
      if (result.kind == io::IoResult::Kind::kWouldBlock) return out;
    }
  }

  std::string Exchange(std::string_view text) {
    EXPECT_TRUE(Send(text));
    return Receive();
  }

  void OnRequest(http::Exchange& exchange, const http::RequestHead& head, bool end) override {
    requests_.push_back(std::make_unique<Received>(exchange));
    Received& request = *requests_.back();
    request.line = absl::StrCat(std::string(head.method), " ", std::string(head.scheme), " ",
                                std::string(head.authority), " ", std::string(head.path));
    request.fields = Describe(head.fields);
    request.ended = end;
    request.pays = pays_;
    exchange.SetReceiver(&request);
    if (on_request_) {
      on_request_(request);
    } else if (end) {
      Echo(request);
    } else {
      request.on_end = [&request] { Echo(request); };
    }
  }

  // Answers with what was received.
  static void Echo(Received& request) {
    const std::string body = absl::StrCat("[", request.body, "]");
    const std::string length = std::to_string(body.size());
    const http::HeaderField field{"content-length", length};
    request.exchange.SendHead({200, {&field, 1}}, false);
    request.exchange.SendData(io::SharedBytes::Copy(body), true);
    request.Release();
  }

  static void SendText(http::Exchange& exchange, std::string text, bool end) {
    exchange.SendData(io::SharedBytes::Copy(text), end);
  }

  std::shared_ptr<Connection> connection() { return weak_.lock(); }

  const testing_support::LimitsHit limits_;  // since the test began
  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  io::Timer::Clock::time_point now_ = io::Timer::Clock::now();
  std::unique_ptr<io::ByteStream> client_;
  std::weak_ptr<Connection> weak_;
  bool run_ended_ = false;
  int writes_ = 0;
  bool pays_ = true;
  std::function<void(Received&)> on_request_;  // instead of an echo
  std::vector<std::unique_ptr<Received>> requests_;
};

inline constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr std::string_view kEmptyEcho = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]";

}  // namespace culvert::http1

#endif  // CULVERT_TESTS_TRANSPORT_HTTP1_CONNECTION_FIXTURE_H_
