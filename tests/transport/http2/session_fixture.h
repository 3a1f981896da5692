#ifndef CULVERT_TESTS_TRANSPORT_HTTP2_SESSION_FIXTURE_H_
#define CULVERT_TESTS_TRANSPORT_HTTP2_SESSION_FIXTURE_H_

// A session over a memory stream, its peer in the test's hands: the peer's frames are written as a
// FrameScript and what the session sends is compared as a transcript. Time stands still but for PassTime.

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

#include "gtest/gtest.h"
#include "tests/support/frame_script/frame_script.h"
#include "tests/support/frame_script/recording.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "tests/transport/base/limits_hit.h"
#include "transport/http2/session.h"
#include "transport/io/event_loop.h"

namespace culvert::http2 {

using frame::ErrorCode;
using frame::SettingId;
using testing_support::Fields;
using testing_support::FrameScript;
using testing_support::FrameTranscript;
using testing_support::kEndStream;
using testing_support::MemoryStreamOptions;
using testing_support::RecordingReceiver;

inline const Fields kGet = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
inline const Fields kPost = {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
inline const Fields kStatus200 = {{":status", "200"}};

// What a transcript says of a peer that has nothing more to say, and of one that hung up.
inline constexpr std::string_view kEnd = "<end>\n";

class SessionTest : public ::testing::Test {
 protected:
  ~SessionTest() override {
    OnLoop([this] {
      for (auto& request : handler_.requests) {
        if (!request->released) request->Release();
      }
      for (auto& receiver : receivers_) {
        if (!receiver->released) receiver->Release();
      }
      if (auto session = weak_.lock()) session->Close(absl::CancelledError("end of the test"));
    });
    peer_stream_.reset();
    Pump();
    EXPECT_TRUE(weak_.expired()) << "the session outlives Run and its streams";
  }

  // Starts a session and leaves it to the test to speak first.
  void Start(Role role, const Options& options = {}, MemoryStreamOptions stream_options = {}) {
    auto [peer, ours] = testing_support::MakeMemoryStreamPair(loop_, stream_options);
    peer_stream_ = std::move(peer);
    heard_.emplace(role == Role::kClient ? FrameTranscript::From::kClient : FrameTranscript::From::kServer);
    Options used = options;
    if (!windows_grow_) used.max_window = 0;
    auto session =
        Session::Create(role, std::move(ours), std::make_shared<const Options>(used), role == Role::kServer ? &handler_ : nullptr);
    weak_ = session;
    asio::co_spawn(context_, session->Run(session), [this](std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      run_ended_ = true;
    });
    session.reset();
    Pump();
  }

  // Starts a session and brings it past the exchange of SETTINGS, of which the transcript tells nothing.
  void Connect(Role role, const Options& options = {}, const std::vector<frame::Setting>& peer_settings = {},
               MemoryStreamOptions stream_options = {}) {
    Start(role, options, stream_options);
    if (role == Role::kServer) peer_.ClientPreface();
    Send(peer_.Settings(peer_settings).SettingsAck());
    Receive();
  }

  // Runs whatever is ready, until nothing is.
  void Pump() {
    context_.restart();
    context_.poll();
  }

  // A session is used on its loop alone.
  void OnLoop(std::function<void()> f) {
    loop_.Post(std::move(f));
    Pump();
  }

  void PassTime(std::chrono::milliseconds time) {
    now_ += time;
    OnLoop([this] { loop_.timers().RunDue(now_); });
  }

  // What the script has gathered, as fast as the session takes it; false, and the rest is lost, when it stops
  // taking.
  bool Send(FrameScript& script) { return SendBytes(script.Bytes()); }
  bool SendBytes(std::string_view bytes) {
    while (!bytes.empty()) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      const io::IoResult result = peer_stream_->TryWrite({&piece, 1});
      if (result.kind != io::IoResult::Kind::kBytes) return false;
      bytes.remove_prefix(result.bytes);
      Pump();
    }
    return true;
  }

  // What the session has sent since the last call.
  std::string Receive() {
    std::string text;
    for (;;) {
      std::array<uint8_t, 64 * 1024> space;
      const io::IoResult result = peer_stream_->TryRead(space);
      if (result.kind == io::IoResult::Kind::kBytes) {
        bytes_heard_ += result.bytes;
        text += heard_->Read({reinterpret_cast<const char*>(space.data()), result.bytes});
        Pump();
      } else {
        return result.kind == io::IoResult::Kind::kWouldBlock ? text : text + std::string(kEnd);
      }
    }
  }

  std::string Exchange(FrameScript& script) {
    EXPECT_TRUE(Send(script));
    return Receive();
  }

  // --- the client's side ---

  RecordingReceiver& Open(std::string_view path, bool end = true, std::string_view method = "POST") {
    RecordingReceiver& receiver = *receivers_.emplace_back(std::make_unique<RecordingReceiver>());
    OnLoop([&, session = weak_.lock()] {
      const http::RequestHead head{method, "http", "a", path, {}, {}};
      receiver.exchange = &session->Open(head, receiver, end);
    });
    return receiver;
  }

  // --- the server's side ---

  RecordingReceiver& request(size_t i) { return handler_.at(i); }

  // Answers 200 and leaves the response open.
  void SendHead(RecordingReceiver& request, bool end = false) {
    OnLoop([&] { request.exchange->SendHead({200, {}}, end); });
  }

  // --- both ---

  void SendData(RecordingReceiver& receiver, std::string data, bool end = false) {
    OnLoop([&] { receiver.exchange->SendData(io::SharedBytes::Copy(data), end); });
  }
  void SendTrailers(RecordingReceiver& receiver, const Fields& trailers) {
    OnLoop([&] { receiver.exchange->SendTrailers(trailers); });
  }
  // Null for no room.
  bool TrySendInPlace(RecordingReceiver& receiver, std::string_view data, bool end = false) {
    bool sent = false;
    OnLoop([&] {
      uint8_t* const at = receiver.exchange->TrySendInPlace(data.size(), end);
      if (at != nullptr) std::copy(data.begin(), data.end(), at);
      sent = at != nullptr;
    });
    return sent;
  }
  void Consume(RecordingReceiver& receiver, size_t n) {
    OnLoop([&] { receiver.exchange->Consumed(n); });
  }
  void Release(RecordingReceiver& receiver) {
    OnLoop([&] { receiver.Release(); });
  }
  void Reset(RecordingReceiver& receiver, absl::StatusCode code) {
    OnLoop([&] { receiver.exchange->Reset(code); });
  }

  std::shared_ptr<Session> session() { return weak_.lock(); }
  bool closed() { return weak_.expired() || session()->closed(); }

  const testing_support::LimitsHit limits_;  // since the test began
  asio::io_context context_{1};
  EventLoop& loop_ = EventLoop::Of(context_);
  io::Timer::Clock::time_point now_ = io::Timer::Clock::now();
  std::unique_ptr<io::ByteStream> peer_stream_;
  FrameScript peer_;
  std::optional<FrameTranscript> heard_;
  size_t bytes_heard_ = 0;
  testing_support::RecordingHandler handler_;
  std::vector<std::unique_ptr<RecordingReceiver>> receivers_;  // of a client's requests
  std::weak_ptr<Session> weak_;
  bool windows_grow_ = false;  // otherwise no PING of ours is in the transcripts
  bool run_ended_ = false;
};

}  // namespace culvert::http2

#endif  // CULVERT_TESTS_TRANSPORT_HTTP2_SESSION_FIXTURE_H_
