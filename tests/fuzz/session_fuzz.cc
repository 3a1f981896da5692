// Any bytes at a session of either role: receivers hear of it in order, and at the end nothing is left.

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "gtest/gtest.h"
#include "tests/support/frame_script/recording.h"
#include "tests/support/memory_stream/memory_stream.h"
#include "transport/http2/session.h"

using namespace culvert::testing_support;  // NOLINT
using culvert::http2::Role, culvert::http2::Session;

static void Echo(RecordingReceiver& r) {
  r.on_head = r.on_data = r.on_trailers = r.on_closed = [&r] {
    r.exchange->SendHead({200, {}}, false);
    r.exchange->SendData(culvert::io::SharedBytes::Copy(std::exchange(r.body, {})), r.ended);
    if (r.ended || r.closed) r.Release();
  };
  if (r.ended) r.on_data();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  GTEST_FLAG_SET(break_on_failure, true);
  asio::io_context context(1);
  RecordingHandler handler;
  RecordingReceiver nobody;
  handler.on_request = Echo;
  const Role role = size != 0 && data[0] % 2 != 0 ? Role::kClient : Role::kServer;
  auto [peer, ours] = MakeMemoryStreamPair(culvert::EventLoop::Of(context), {2000, size % 256 + 1});
  culvert::http2::Options options;
  options.output_budget = 2000;
  const auto session = Session::Create(role, std::move(ours), std::make_shared<const culvert::http2::Options>(options), &handler);
  asio::co_spawn(context, session->Run(session), asio::detached);
  for (int i = role == Role::kClient ? 3 : 0; i > 0; --i)
    handler.OnRequest(session->Open({"GET", "http", "a", "/", {}, {}}, nobody, i == 1), {}, false);
  for (size_t at = 1, n = 1; at < size && n != 0; at += n, context.restart(), context.poll()) {
    iovec piece{const_cast<uint8_t*>(data + at), size - at};
    uint8_t heard[2000];
    while ((n = peer->TryWrite({&piece, 1}).bytes) == 0 && peer->TryRead(heard).bytes != 0) context.poll();
  }
  peer.reset(), context.restart(), context.poll();
  EXPECT_TRUE(session->closed() && session.use_count() == 1);
  return 0;
}
