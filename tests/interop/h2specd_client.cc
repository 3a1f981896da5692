// A plain HTTP/2 client for h2specd, which runs it once for each of its cases: asks for what the URL names, and then stays until the
// connection is over. One that hung up after its answer would pass many a case by just that.
//
//   bazel run //tests/interop:h2specd_client -- http://127.0.0.1:30000/
//
// Says how the request ended and exits with 0, since h2specd judges by what it has seen on the wire; with 1 when nobody was there.

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/base/strings.h"
#include "transport/base/task.h"
#include "transport/http/exchange.h"
#include "transport/http2/options.h"
#include "transport/http2/session.h"
#include "transport/io/address.h"
#include "transport/io/byte_stream.h"
#include "transport/io/connect.h"
#include "transport/io/event_loop.h"
#include "transport/io/timer_queue.h"

namespace {

using culvert::EventLoop;
using culvert::StrCat;
using culvert::Task;
namespace http = culvert::http;
namespace http2 = culvert::http2;
namespace io = culvert::io;

// Keeps its exchange to the end of the connection: of a stream that its client has let go of, the session does not know any more what is
// wrong with a frame.
class Answer final : public http::Receiver {
 public:
  void Begin(http::Exchange& exchange) { exchange_ = &exchange; }
  void Release() { exchange_->Release(); }
  void Fail(const absl::Status& why) { outcome_ = why.ToString(); }
  bool begun() const { return exchange_ != nullptr; }
  const std::string& outcome() const { return outcome_; }

  void OnHead(const http::ResponseHead& head, bool end) override {
    outcome_ = StrCat("status ", head.status, end ? ", no body" : ", body open");
  }
  void OnData(std::span<const uint8_t> bytes, bool end) override {
    if (!bytes.empty()) exchange_->Consumed(bytes.size());
    received_ += bytes.size();
    if (end) outcome_ = StrCat("whole, ", received_, " bytes");
  }
  void OnTrailers(std::span<const http::HeaderField>) override { outcome_ = "whole, with trailers"; }
  void OnWritable() override {}
  void OnClosed(const absl::Status& why, bool) override { outcome_ = why.ToString(); }

 private:
  http::Exchange* exchange_ = nullptr;
  size_t received_ = 0;
  std::string outcome_ = "no answer";
};

// Asks on a new connection and stays until that is over.
Task<void> Ask(EventLoop& loop, io::SocketAddress to, std::string authority, std::string path, Answer& answer) {
  const auto deadline = io::Timer::Clock::now() + std::chrono::seconds(2);
  absl::StatusOr<std::unique_ptr<io::ByteStream>> stream = co_await io::ConnectSocket(loop, to, deadline);
  if (!stream.ok()) co_return answer.Fail(stream.status());
  const auto session = http2::Session::Create(http2::Role::kClient, *std::move(stream), std::make_shared<const http2::Options>(), nullptr);
  const http::RequestHead head{.method = "GET", .scheme = "http", .authority = authority, .path = path, .protocol = {}, .fields = {}};
  answer.Begin(session->Open(head, answer, true));
  // Run waits for it. Not at once: the answer is first told how it ended.
  session->set_on_unusable([&loop, &answer](const absl::Status&) { loop.Post([&answer] { answer.Release(); }); });
  co_await session->Run(session);
}

int Main(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  const size_t slash = url.starts_with(kScheme) ? url.find('/', kScheme.size()) : url.npos;
  const std::string_view host = slash == url.npos ? std::string_view() : url.substr(kScheme.size(), slash - kScheme.size());
  const absl::StatusOr<io::SocketAddress> address = io::ParseAddress(host);
  if (!address.ok()) {
    std::fprintf(stderr, "h2specd_client: '%s' is no http://ADDRESS:PORT/PATH\n", std::string(url).c_str());
    return 2;
  }
  asio::io_context context(1);
  Answer answer;
  asio::co_spawn(context, Ask(EventLoop::Of(context), *address, std::string(host), std::string(url.substr(slash)), answer), asio::detached);
  context.run();
  std::printf("%s\n", answer.outcome().c_str());
  return answer.begun() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "h2specd_client: the only argument is a URL\n");
    return 2;
  }
  return Main(argv[1]);
}
