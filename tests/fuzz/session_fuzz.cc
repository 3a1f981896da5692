// Any bytes, cut anywhere, at a session of either role that has streams: nothing breaks, and when the peer is gone nothing is left.

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cstdlib>

#include "tests/support/memory_stream/memory_stream.h"
#include "transport/http2/session.h"

using namespace culvert;

struct Echo final : http::Receiver {
  void OnHead(const http::ResponseHead&, bool end) override { Answer({}, end); }
  void OnData(std::span<const uint8_t> bytes, bool end) override { Answer({bytes.begin(), bytes.end()}, end); }
  void OnTrailers(std::span<const http::HeaderField>) override { Answer({}, true); }
  void OnWritable() override { Answer("more", false); }
  void OnClosed(const absl::Status&, bool) override { exchange->Release(), delete this; }
  void Answer(std::string bytes, bool end) {
    if (!bytes.empty()) exchange->Consumed(bytes.size() == 4 && end ? 1 : 0);
    exchange->SendData(io::SharedBytes::FromString(std::move(bytes)), end);
    if (end) OnClosed({}, false);
  }
  http::Exchange* exchange = nullptr;
};
