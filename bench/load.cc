// The load generator: calls a grpc.testing.BenchmarkService through Culvert's client, and measures it.
//
//   bazel run --config=opt //bench:load -- --target=127.0.0.1:50051 --connections=64 --streams=100 --call=unary --duration=5s
//
// A channel for each connection, the channels spread over event loops, and on each channel a number of slots: a unary slot makes one
// call after the other by completion callback, a streaming slot is a coroutine that keeps a stream open. A slot lives on its channel's
// loop, so that nothing is handed from thread to thread. --bulk_streams puts streaming slots of large messages beside them, which have
// meters of their own.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_future.hpp>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "bench/measure.h"
#include "bench/payload.h"
#include "grpc/testing/benchmark_service.culvert.h"
#include "rpc/channel.h"
#include "rpc/client_context.h"
#include "rpc/metadata.h"
#include "rpc/stub.h"
#include "transport/base/task.h"
#include "transport/io/event_loop.h"
#include "transport/io/tls_context.h"

ABSL_FLAG(int, metadata_fields, 0, "custom metadata fields sent with each call; //bench:server sends them back with unary ones");

namespace culvert::bench {
namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using Clock = Meter::Clock;
using Stub = grpc::testing::BenchmarkService::Stub;

// Between a call that failed and the next one of its slot.
constexpr std::chrono::milliseconds kPauseAfterError(50);

// What the slots of one loop share.
struct Worker {
  Worker(EventLoop& l, const Metadata& m) : loop(l), metadata(m) {}

  void OnSlotEnded() {
    if (--live == 0) ended.Notify();
  }

  EventLoop& loop;
  const Metadata& metadata;  // of each call
  int live = 0;
  absl::Notification ended;
};

class Slot {
 public:
  Slot(Worker& worker, Stub& stub, const SimpleRequest& request, Meter& meter)
      : worker_(worker), stub_(stub), request_(request), meter_(meter) {}
  virtual ~Slot() = default;

  virtual void Start() = 0;
  // Ends the call under way; the slot ends when that has ended, the run being over.
  void Cancel() {
    if (context_) context_->Cancel();
  }
  // The operations that it did within the measured window.
  uint64_t share() const { return share_; }

 protected:
  ClientContext& NewContext() {
    context_.emplace();
    if (!worker_.metadata.empty()) context_->metadata() = worker_.metadata;
    return *context_;
  }
  void OnOperation() {
    meter_.OnOperation();
    if (meter_.measured()) ++share_;
  }

  Worker& worker_;
  Stub& stub_;
  const SimpleRequest& request_;
  Meter& meter_;
  std::optional<ClientContext> context_;

 private:
  uint64_t share_ = 0;
};

class UnarySlot final : public Slot {
 public:
  using Slot::Slot;

  void Start() override {
    begin_ = Clock::now();
    Call();
  }

 private:
  void Call() {
    stub_.UnaryCall(NewContext(), request_, [this](absl::StatusOr<SimpleResponse> response) { OnDone(response.status()); });
  }
  void OnDone(const absl::Status& status) {
    if (meter_.over()) return worker_.OnSlotEnded();
    if (!status.ok()) return OnFailed(status);
    const Clock::time_point now = Clock::now();
    OnOperation();
    meter_.OnLatency(begin_, now);
    begin_ = now;  // the next call starts at once
    Call();
  }
  void OnFailed(const absl::Status& status) {
    meter_.OnError(status.ToString());
    pause_.emplace(worker_.loop.context(), kPauseAfterError);
    pause_->async_wait([this](std::error_code) {
      pause_.reset();
      if (meter_.over()) return worker_.OnSlotEnded();
      Start();
    });
  }

  Clock::time_point begin_;
  std::optional<asio::steady_timer> pause_;
};

// A stream that stays open as long as the run; when it breaks, another is opened.
class StreamSlot : public Slot {
 public:
  using Slot::Slot;

  void Start() override {
    asio::co_spawn(worker_.loop.executor(), UseAgainAndAgain(), [this](std::exception_ptr) { worker_.OnSlotEnded(); });
  }

 protected:
  // Opens a stream, uses it until it ends or the run does, and answers how it ended.
  virtual Task<absl::Status> Use() = 0;

  template <class Stream>
  Task<void> ReadAll(Stream& stream) {
    SimpleResponse response;
    for (uint64_t i = 0; !meter_.over(); ++i) {
      const bool timed = i % Meter::kTimedMessages == 0;
      const Clock::time_point begin = timed ? Clock::now() : Clock::time_point();
      if (!co_await stream.Read(response)) break;
      OnOperation();
      if (timed) meter_.OnLatency(begin, Clock::now());
    }
  }

  template <class Stream>
  Task<void> WriteAll(Stream& stream) {
    for (uint64_t i = 0; !meter_.over(); ++i) {
      const bool timed = i % Meter::kTimedMessages == 0;
      const Clock::time_point begin = timed ? Clock::now() : Clock::time_point();
      if (!co_await stream.Write(request_)) break;
      OnOperation();
      if (timed) meter_.OnLatency(begin, Clock::now());
    }
  }

 private:
  Task<void> UseAgainAndAgain() {
    while (!meter_.over()) {
      NewContext();
      const absl::Status status = co_await Use();
      if (meter_.over()) break;
      meter_.OnError(status.ok() ? "the server ended the stream" : status.ToString());
      asio::steady_timer pause(worker_.loop.context(), kPauseAfterError);
      co_await pause.async_wait(kTuple);
    }
  }
};

class PingPongSlot final : public StreamSlot {
  using StreamSlot::StreamSlot;

  Task<absl::Status> Use() override {
    ClientStream<SimpleRequest, SimpleResponse> stream = stub_.StreamingCall(*context_);
    SimpleResponse response;
    Clock::time_point begin = Clock::now();
    while (!meter_.over()) {
      if (!co_await stream.Write(request_) || !co_await stream.Read(response)) break;
      const Clock::time_point now = Clock::now();
      OnOperation();
      meter_.OnLatency(begin, now);
      begin = now;
    }
    co_return co_await stream.Finish();
  }
};

class ServerStreamSlot final : public StreamSlot {
  using StreamSlot::StreamSlot;

  Task<absl::Status> Use() override {
    ClientReader<SimpleResponse> reader = stub_.StreamingFromServer(*context_, request_);
    co_await ReadAll(reader);
    co_return co_await reader.Finish();
  }
};

class ClientStreamSlot final : public StreamSlot {
  using StreamSlot::StreamSlot;

  Task<absl::Status> Use() override {
    ClientWriter<SimpleRequest, SimpleResponse> writer = stub_.StreamingFromClient(*context_);
    co_await WriteAll(writer);
    co_return (co_await writer.Finish()).status();
  }
};

class BothWaysSlot final : public StreamSlot {
  using StreamSlot::StreamSlot;

  Task<absl::Status> Use() override {
    using namespace asio::experimental::awaitable_operators;
    ClientStream<SimpleRequest, SimpleResponse> stream = stub_.StreamingBothWays(*context_);
    co_await (ReadAll(stream) && WriteAll(stream));
    co_return co_await stream.Finish();
  }
};

class CulvertGenerator final : public Generator {
 public:
  static absl::StatusOr<std::unique_ptr<Generator>> Make(const Workload& work) {
    const int fields = absl::GetFlag(FLAGS_metadata_fields);
    if (fields < 0 || fields > 200) return absl::InvalidArgumentError("--metadata_fields is not in 0 to 200");
    auto generator = std::make_unique<CulvertGenerator>(work);
    for (int i = 0; i < fields; ++i) {
      const absl::Status added =
          generator->metadata_.Add(absl::StrFormat("x-bench-field-%d", i), absl::StrFormat("the value of field %d", i));
      if (!added.ok()) return added;
    }
    ChannelOptions options;
    // A limit that is only looked at: it makes no call slower.
    options.max_receive_bytes =
        std::max(options.max_receive_bytes, static_cast<size_t>(std::max(work.response_bytes, work.bulk_response_bytes())) + 1024);
    if (!work.tls_roots.empty()) {
      io::TlsClientOptions tls;
      tls.roots = work.tls_roots;
      tls.server_name = work.tls_server_name;
      absl::StatusOr<std::shared_ptr<const io::TlsContext>> context = io::TlsContext::ForClient(tls);
      if (!context.ok()) return context.status();
      options.transport.tls = *std::move(context);
    }
    for (int i = 0; i < work.connections; ++i) {
      EventLoop& loop = generator->threads_[static_cast<size_t>(i) % generator->threads_.size()];
      absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(loop, work.target, options);
      if (!channel.ok()) return channel.status();
      generator->stubs_.emplace_back(*std::move(channel));
    }
    return generator;
  }

  explicit CulvertGenerator(const Workload& work)
      : work_(work),
        request_(MakeRequest(work.request_bytes, work.response_bytes)),
        bulk_request_(MakeRequest(work.bulk_request_bytes(), work.bulk_response_bytes())),
        threads_(static_cast<size_t>(std::min(work.threads, work.connections))) {}
  // Channels close on loops that run, and contexts keep them open.
  ~CulvertGenerator() override {
    slots_.clear();
    stubs_.clear();
  }

  absl::string_view name() const override { return "culvert"; }

  absl::Status Reach(absl::Duration limit) override {
    constexpr size_t kAtOnce = 100;  // less than any server's backlog
    const SimpleRequest request = MakeRequest(0, 0);
    for (size_t begin = 0; begin < stubs_.size(); begin += kAtOnce) {
      std::deque<ClientContext> contexts;
      std::vector<std::future<absl::StatusOr<SimpleResponse>>> answers;
      for (size_t i = begin; i < std::min(begin + kAtOnce, stubs_.size()); ++i) {
        ClientContext& context = contexts.emplace_back();
        context.set_timeout(absl::ToChronoNanoseconds(limit));
        answers.push_back(stubs_[i].UnaryCall(context, request, asio::use_future));
      }
      absl::Status reached;
      for (auto& answer : answers) reached.Update(answer.get().status());
      if (!reached.ok()) return reached;
    }
    return absl::OkStatus();
  }

  void Start(Run& run) override {
    for (size_t i = 0; i < threads_.size(); ++i) {
      workers_.emplace_back(threads_[i], metadata_);
      run.AddMeter();
      run.AddBulkMeter();
    }
    for (size_t i = 0; i < stubs_.size(); ++i) {
      const size_t worker = i % workers_.size();
      for (int n = 0; n < work_.streams; ++n) {
        slots_.push_back(NewSlot(work_.call, workers_[worker], stubs_[i], request_, *run.meters[worker]));
      }
      for (int n = 0; n < work_.bulk_streams; ++n) {
        slots_.push_back(NewSlot(work_.bulk_call, workers_[worker], stubs_[i], bulk_request_, *run.bulk_meters[worker]));
      }
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      // The worker's share is complete before its first slot can end.
      ForEachSlotOf(i, [this, i](Slot&) { ++workers_[i].live; });
      workers_[i].loop.Post([this, i] { ForEachSlotOf(i, [](Slot& slot) { slot.Start(); }); });
    }
  }

  bool Stop() override {
    // Calls end by themselves, streams do not.
    if (work_.call == CallKind::kUnary && work_.bulk_streams == 0 && WaitUntilEnded(absl::Seconds(1))) return true;
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i].loop.Post([this, i] { ForEachSlotOf(i, [](Slot& slot) { slot.Cancel(); }); });
    }
    return WaitUntilEnded(absl::Seconds(10));
  }

  std::vector<uint64_t> Shares() const override {
    std::vector<uint64_t> shares;
    for (size_t i = 0; i < slots_.size(); ++i) {
      const bool bulk = i % slots_per_connection() >= static_cast<size_t>(work_.streams);
      if (!bulk) shares.push_back(slots_[i]->share());
    }
    return shares;
  }

 private:
  size_t slots_per_connection() const { return static_cast<size_t>(work_.streams + work_.bulk_streams); }

  static std::unique_ptr<Slot> NewSlot(CallKind call, Worker& worker, Stub& stub, const SimpleRequest& request, Meter& meter) {
    switch (call) {
      case CallKind::kUnary:
        return std::make_unique<UnarySlot>(worker, stub, request, meter);
      case CallKind::kPingPong:
        return std::make_unique<PingPongSlot>(worker, stub, request, meter);
      case CallKind::kServerStream:
        return std::make_unique<ServerStreamSlot>(worker, stub, request, meter);
      case CallKind::kClientStream:
        return std::make_unique<ClientStreamSlot>(worker, stub, request, meter);
      case CallKind::kBothWays:
        return std::make_unique<BothWaysSlot>(worker, stub, request, meter);
    }
    return nullptr;
  }

  template <class F>
  void ForEachSlotOf(size_t worker, F f) {
    for (size_t i = worker; i < stubs_.size(); i += workers_.size()) {
      for (size_t n = 0; n < slots_per_connection(); ++n) f(*slots_[i * slots_per_connection() + n]);
    }
  }

  bool WaitUntilEnded(absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    return std::all_of(workers_.begin(), workers_.end(),
                       [&](Worker& worker) { return worker.ended.WaitForNotificationWithTimeout(deadline - absl::Now()); });
  }

  const Workload work_;
  const SimpleRequest request_;
  const SimpleRequest bulk_request_;
  Metadata metadata_;
  std::deque<Worker> workers_;
  std::deque<Stub> stubs_;                    // one for each connection
  std::vector<std::unique_ptr<Slot>> slots_;  // those of the first connection and then its bulk ones, those of the second, ...
  EventLoopThreads threads_;                  // ends before all that its loops look at
};

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::LoadMain(argc, argv, &culvert::bench::CulvertGenerator::Make); }
