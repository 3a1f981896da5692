// What does it cost to read a frame, and what does reusing frames save?
//
// Each benchmark feeds one batch of equal frames to a Framer and reads them all; reuse:1 is the default, reuse:0 is
// SetReuseFrames(false), where each frame owns its memory. Copying the batch into the read buffer stands for the read()
// of a socket and is part of the time: it is what bytes_per_second of the large DATA frames is made of. Counters:
// time/frame, bytes per second as on the wire, heap allocations per frame and the bytes they ask for (0 with reuse, in steady state).
//
//   bazel run --config=opt //bench/micro:framer_bench -- --benchmark_repetitions=5 --benchmark_report_aggregates_only=true

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/frame/frame.h"
#include "transport/frame/framer.h"
#include "transport/frame/serialize.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"
#include "transport/io/block_pool.h"
#include "transport/io/write_buffer.h"

namespace culvert::frame {
namespace {

// What a gRPC client's HEADERS carry.
const http::HeaderField kRequest[] = {
    {":method", "POST"},
    {":scheme", "http"},
    {":path", "/grpc.testing.BenchmarkService/UnaryCall"},
    {":authority", "127.0.0.1:50051"},
    {"content-type", "application/grpc"},
    {"te", "trailers"},
    {"user-agent", "culvert-cc/0.1"},
};

// The bytes that `append` writes, taken out of the buffer.
template <class Append>
std::string Take(io::WriteBuffer& out, Append append) {
  append();
  std::string bytes;
  std::vector<iovec> pieces(1024);
  while (!out.empty()) {
    const size_t count = out.Gather(pieces);
    size_t size = 0;
    for (const iovec& piece : std::span(pieces).first(count)) {
      bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      size += piece.iov_len;
    }
    out.Consume(size);
  }
  return bytes;
}

// Frames to be read over and over, and what has to be read once before them (the HPACK table's entries).
struct Batch {
  std::string before;
  std::string frames;
  size_t count = 0;
};

size_t ReadAll(Framer& framer, const std::string& bytes, benchmark::State& state) {
  size_t count = 0;
  for (size_t fed = 0; fed < bytes.size();) {
    const std::span<uint8_t> space = framer.Space();
    const size_t n = std::min(space.size(), bytes.size() - fed);
    std::memcpy(space.data(), bytes.data() + fed, n);
    framer.Feed(n);
    fed += n;
    for (;;) {
      absl::StatusOr<FrameRef> frame = framer.ReadFrame();
      if (!frame.ok()) {
        state.SkipWithError(std::string(frame.status().message()).c_str());
        return count;
      }
      if (!*frame) break;
      benchmark::DoNotOptimize(&**frame);
      ++count;
    }
  }
  framer.Park();
  return count;
}

void ReadFrames(benchmark::State& state, bool reuse, const Batch& batch) {
  io::BlockPool pool;
  Framer framer(pool, Framer::Options());
  framer.SetReuseFrames(reuse);
  ReadAll(framer, batch.before, state);
  ReadAll(framer, batch.frames, state);
  const testing::AllocationCounter allocations;
  size_t frames = 0;
  for (auto _ : state) frames += ReadAll(framer, batch.frames, state);
  const uint64_t count = allocations.Count(), bytes = allocations.Bytes();
  const auto per_frame = static_cast<double>(std::max<size_t>(1, frames));
  state.counters["allocs/frame"] = static_cast<double>(count) / per_frame;
  state.counters["heap_bytes/frame"] = static_cast<double>(bytes) / per_frame;
  state.counters["time/frame"] = benchmark::Counter(per_frame, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.SetBytesProcessed(static_cast<int64_t>(batch.frames.size()) * static_cast<int64_t>(state.iterations()));
  if (frames != batch.count * static_cast<size_t>(state.iterations())) state.SkipWithError("frames were lost");
}

void BM_Data(benchmark::State& state) {
  const auto payload = static_cast<size_t>(state.range(0));
  Batch batch;
  batch.count = payload < 1000 ? 1000 : 4;
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  batch.frames = Take(out, [&] {
    for (size_t i = 0; i < batch.count; ++i) std::memset(AppendDataFrame(out, 1, payload, false), 'x', payload);
  });
  ReadFrames(state, state.range(1) != 0, batch);
}
BENCHMARK(BM_Data)->ArgNames({"bytes", "reuse"})->ArgsProduct({{21, 16384}, {1, 0}});

void BM_WindowUpdate(benchmark::State& state) {
  Batch batch;
  batch.count = 1000;
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  batch.frames = Take(out, [&] {
    for (size_t i = 0; i < batch.count; ++i) AppendWindowUpdate(out, 0, 65536);
  });
  ReadFrames(state, state.range(0) != 0, batch);
}
BENCHMARK(BM_WindowUpdate)->ArgNames({"reuse"})->Arg(1)->Arg(0);

// HEADERS of equal requests: the first enters the dynamic table, the others refer to it. What is sensitive in `more` is sent as it is every
// time.
void ReadHeaders(benchmark::State& state, const std::vector<http::HeaderField>& more, uint32_t max_frame_size) {
  std::vector<http::HeaderField> fields(std::begin(kRequest), std::end(kRequest));
  fields.insert(fields.end(), more.begin(), more.end());
  Batch batch;
  batch.count = 100;
  io::BlockPool pool;
  io::WriteBuffer out(pool);
  hpack::Encoder encoder;
  const auto append = [&] { AppendHeaders(out, encoder, 1, fields, false, max_frame_size); };
  batch.before = Take(out, append);
  batch.frames = Take(out, [&] {
    for (size_t i = 0; i < batch.count; ++i) append();
  });
  ReadFrames(state, state.range(0) != 0, batch);
}

void BM_Headers(benchmark::State& state) { ReadHeaders(state, {}, kMinMaxFrameSize); }
BENCHMARK(BM_Headers)->ArgNames({"reuse"})->Arg(1)->Arg(0);

// A bearer token of 256 bytes, in one HEADERS frame, and in HEADERS with two CONTINUATION frames, which the framer merges.
void ReadToken(benchmark::State& state, uint32_t max_frame_size) {
  const std::string token(256, 'Z');
  ReadHeaders(state, {{.name = "authorization", .value = token, .sensitive = true}}, max_frame_size);
}

void BM_HeadersWithToken(benchmark::State& state) { ReadToken(state, kMinMaxFrameSize); }
BENCHMARK(BM_HeadersWithToken)->ArgNames({"reuse"})->Arg(1)->Arg(0);

void BM_HeadersContinuation(benchmark::State& state) { ReadToken(state, 100); }
BENCHMARK(BM_HeadersContinuation)->ArgNames({"reuse"})->Arg(1)->Arg(0);

// 40 fields of metadata beside them: all in the dynamic table, in one HEADERS frame; and all sent as they are, in HEADERS with
// CONTINUATION.
void ReadMetadata(benchmark::State& state, bool sensitive, uint32_t max_frame_size) {
  constexpr size_t kFields = 40;
  std::vector<std::string> texts;
  for (size_t i = 0; i < kFields; ++i) {
    texts.push_back("x-bench-field-" + std::to_string(i));
    texts.push_back("the value of field " + std::to_string(i));
  }
  std::vector<http::HeaderField> fields;
  for (size_t i = 0; i < kFields; ++i) fields.push_back({.name = texts[2 * i], .value = texts[2 * i + 1], .sensitive = sensitive});
  ReadHeaders(state, fields, max_frame_size);
}

void BM_HeadersWithMetadata(benchmark::State& state) { ReadMetadata(state, false, kMinMaxFrameSize); }
BENCHMARK(BM_HeadersWithMetadata)->ArgNames({"reuse"})->Arg(1)->Arg(0);

void BM_MetadataContinuation(benchmark::State& state) { ReadMetadata(state, true, 512); }
BENCHMARK(BM_MetadataContinuation)->ArgNames({"reuse"})->Arg(1)->Arg(0);

}  // namespace
}  // namespace culvert::frame
