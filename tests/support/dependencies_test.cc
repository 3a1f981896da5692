// One small use of each dependency, with no Culvert code in it.
//
// When this test fails, or does not build, the machine's packages are broken or of another version than the
// ones in tools/install_dependencies; when it passes, look for the fault in Culvert.

#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <zlib.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/flags/flag.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/dependencies.pb.h"

ABSL_FLAG(int, probe, 7, "A flag that only this test has.");

namespace culvert {
namespace {

TEST(Dependencies, AbseilLinks) {
  absl::StatusOr<int> answer = absl::NotFoundError(absl::StrCat("no ", absl::StrFormat("%d", 42)));
  EXPECT_EQ(answer.status().ToString(), "NOT_FOUND: no 42");
  absl::flat_hash_map<std::string, int> map = {{"one", 1}};
  EXPECT_EQ(map.at("one"), 1);
  absl::Cord cord("a");
  cord.Append("b");
  EXPECT_EQ(std::string(cord), "ab");
  EXPECT_EQ(absl::GetFlag(FLAGS_probe), 7);
  EXPECT_EQ(absl::FormatDuration(absl::Milliseconds(1500)), "1.5s");
  absl::BitGen random;
  EXPECT_LT(absl::Uniform(random, 0, 10), 10);
}

TEST(Dependencies, AbseilSynchronizesThreads) {
  absl::Mutex mutex;
  int sum = 0;
  absl::Notification go;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      go.WaitForNotification();
      for (int k = 0; k < 1000; ++k) {
        absl::MutexLock lock(&mutex);
        ++sum;
      }
    });
  }
  go.Notify();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 4000);
}

asio::awaitable<int> Twice(int value) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return 2 * value;
}

asio::awaitable<void> StoreTwice(int value, int* result) { *result = co_await Twice(value); }

TEST(Dependencies, AsioRunsCoroutines) {
  asio::io_context context;
  int result = 0;
  asio::co_spawn(context, StoreTwice(21, &result), asio::detached);
  context.run();
  EXPECT_EQ(result, 42);
}

TEST(Dependencies, AsioPostsAcrossThreads) {
  asio::io_context context;
  auto work = asio::make_work_guard(context);
  std::thread loop([&] { context.run(); });
  int in_loop = 0;  // no mutex: the loop's thread alone touches it, until it is joined
  for (int i = 0; i < 100; ++i) asio::post(context, [&] { ++in_loop; });
  work.reset();
  loop.join();
  EXPECT_EQ(in_loop, 100);
}

TEST(Dependencies, Nghttp2RoundTripsHpack) {
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_inflater* inflater = nullptr;
  ASSERT_EQ(nghttp2_hd_deflate_new(&deflater, 4096), 0);
  ASSERT_EQ(nghttp2_hd_inflate_new(&inflater), 0);
  std::string name = "content-type", value = "application/grpc";
  nghttp2_nv field = {reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()),
                      name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  std::vector<uint8_t> block(nghttp2_hd_deflate_bound(deflater, &field, 1));
  ssize_t size = nghttp2_hd_deflate_hd(deflater, block.data(), block.size(), &field, 1);
  ASSERT_GT(size, 0);

  nghttp2_nv out;
  int flags = 0;
  ssize_t used = nghttp2_hd_inflate_hd2(inflater, &out, &flags, block.data(), static_cast<size_t>(size), 1);
  ASSERT_GT(used, 0);
  ASSERT_TRUE(flags & NGHTTP2_HD_INFLATE_EMIT);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(out.name), out.namelen), name);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(out.value), out.valuelen), value);
  nghttp2_hd_inflate_end_headers(inflater);
  nghttp2_hd_deflate_del(deflater);
  nghttp2_hd_inflate_del(inflater);
}

TEST(Dependencies, ProtobufRoundTripsGeneratedMessage) {
  testing::Probe probe;
  probe.set_name("culvert");
  probe.add_numbers(3);
  probe.mutable_when()->set_seconds(1);
  probe.mutable_took()->set_nanos(2);
  testing::Probe copy;
  ASSERT_TRUE(copy.ParseFromString(probe.SerializeAsString()));
  EXPECT_EQ(copy.DebugString(), probe.DebugString());
  EXPECT_EQ(copy.took().nanos(), 2);
}

TEST(Dependencies, ZlibRoundTrips) {
  std::string text(1000, 'x');
  uLongf size = compressBound(text.size());
  std::string packed(size, '\0');
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  std::string back(text.size(), '\0');
  uLongf back_size = back.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(back.data()), &back_size,
                       reinterpret_cast<Bytef*>(packed.data()), size),
            Z_OK);
  EXPECT_EQ(back, text);
}

TEST(Dependencies, OpensslIsVersion3) {
  EXPECT_THAT(OpenSSL_version(OPENSSL_VERSION), ::testing::StartsWith("OpenSSL 3"));
  SSL_CTX* context = SSL_CTX_new(TLS_method());
  EXPECT_NE(context, nullptr);
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace culvert
