// How much of a unary call is HPACK, and what does the dynamic table save?
//
// Encodes and decodes the three header blocks of a gRPC call (request head, response head, trailers), over and over on one
// connection, with the dynamic table (table:4096, the default: after the first call nearly every field is one byte) and without
// (table:0: literals and Huffman every time). `token:1` adds a bearer token of 256 bytes, which never enters the table. Counters: bytes
// of the block on the wire, heap allocations per block.
//
//   bazel run --config=opt //bench/micro:hpack_bench -- --benchmark_repetitions=5 --benchmark_report_aggregates_only=true

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "transport/hpack/decoder.h"
#include "transport/hpack/encoder.h"
#include "transport/http/header_list.h"

namespace culvert::hpack {
namespace {

using Fields = std::vector<http::HeaderField>;

Fields RequestHead(bool with_token) {
  static const std::string token(256, 'Z');
  Fields fields = {
      {":method", "POST"},
      {":scheme", "http"},
      {":path", "/grpc.testing.BenchmarkService/UnaryCall"},
      {":authority", "127.0.0.1:50051"},
      {"content-type", "application/grpc"},
      {"te", "trailers"},
      {"user-agent", "culvert-cc/0.1"},
  };
  if (with_token) fields.push_back({.name = "authorization", .value = token, .sensitive = true});
  return fields;
}

Fields ResponseHead(bool) { return {{":status", "200"}, {"content-type", "application/grpc"}}; }

Fields Trailers(bool) { return {{"grpc-status", "0"}}; }

void Report(benchmark::State& state, const testing::AllocationCounter& allocations, size_t block) {
  state.counters["allocs/block"] =
      static_cast<double>(allocations.Count()) / static_cast<double>(std::max<int64_t>(1, static_cast<int64_t>(state.iterations())));
  state.counters["bytes"] = static_cast<double>(block);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

template <Fields (*kFields)(bool)>
void BM_Encode(benchmark::State& state) {
  const Fields fields = kFields(state.range(1) != 0);
  Encoder encoder(static_cast<uint32_t>(state.range(0)));
  std::vector<uint8_t> out(encoder.Bound(fields));
  encoder.Encode(fields, out);  // enters the table
  size_t block = encoder.Encode(fields, out);
  const testing::AllocationCounter allocations;
  for (auto _ : state) {
    block = encoder.Encode(fields, out);
    benchmark::DoNotOptimize(out.data());
  }
  Report(state, allocations, block);
}

template <Fields (*kFields)(bool)>
void BM_Decode(benchmark::State& state) {
  const Fields fields = kFields(state.range(1) != 0);
  Encoder encoder(static_cast<uint32_t>(state.range(0)));
  Decoder decoder(4096);
  http::HeaderList list;
  const auto decode = [&](std::span<const uint8_t> block) {
    list.Clear();
    decoder.StartBlock(list, Decoder::Limits());
    const absl::Status status = decoder.Decode(block, true);
    if (!status.ok()) state.SkipWithError(std::string(status.message()).c_str());
  };
  std::vector<uint8_t> out(encoder.Bound(fields));
  decode(std::span(out).first(encoder.Encode(fields, out)));
  const std::span<const uint8_t> block = std::span(out).first(encoder.Encode(fields, out));
  decode(block);
  const testing::AllocationCounter allocations;
  for (auto _ : state) {
    decode(block);
    benchmark::DoNotOptimize(list.size());
  }
  Report(state, allocations, block.size());
}

BENCHMARK_TEMPLATE(BM_Encode, RequestHead)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0, 1}});
BENCHMARK_TEMPLATE(BM_Encode, ResponseHead)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0}});
BENCHMARK_TEMPLATE(BM_Encode, Trailers)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0}});
BENCHMARK_TEMPLATE(BM_Decode, RequestHead)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0, 1}});
BENCHMARK_TEMPLATE(BM_Decode, ResponseHead)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0}});
BENCHMARK_TEMPLATE(BM_Decode, Trailers)->ArgNames({"table", "token"})->ArgsProduct({{4096, 0}, {0}});

}  // namespace
}  // namespace culvert::hpack
