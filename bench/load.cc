// The load generator: calls a grpc.testing.BenchmarkService through Culvert's client, and measures it.
//
//   bazel run --config=opt //bench:load -- --target=127.0.0.1:50051 --connections=64 --streams=100 --call=unary --duration=5s
//
// A channel for each connection, the channels spread over event loops, and on each channel a number of slots: a unary slot makes one
// call after the other by completion callback, a streaming slot is a coroutine that keeps a stream open. A slot lives on its channel's
// loop, so that nothing is handed from thread to thread.

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "bench/measure.h"
#include "bench/payload.h"
#include "grpc/testing/benchmark_service.culvert.h"
#include "rpc/channel.h"
#include "rpc/client_context.h"
#include "rpc/stub.h"
#include "transport/base/task.h"
#include "transport/io/event_loop.h"

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
  Worker(EventLoop& l, const SimpleRequest& r, Meter& m) : loop(l), request(r), meter(m) {}

  void OnSlotEnded() {
    if (--live == 0) ended.Notify();
  }

  EventLoop& loop;
  const SimpleRequest& request;
  Meter& meter;
  int live = 0;
  absl::Notification ended;
};

class Slot {
 public:
  Slot(Worker& worker, Stub& stub) : worker_(worker), stub_(stub) {}
  virtual ~Slot() = default;

  virtual void Start() = 0;
  // Ends the call under way; the slot ends when that has ended, the run being over.
  void Cancel() {
    if (context_) context_->Cancel();
  }

 protected:
  Worker& worker_;
  Stub& stub_;
  std::optional<ClientContext> context_;
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
    context_.emplace();
    stub_.UnaryCall(*context_, worker_.request, [this](absl::StatusOr<SimpleResponse> response) { OnDone(response.status()); });
  }
  void OnDone(const absl::Status& status) {
    if (worker_.meter.over()) return worker_.OnSlotEnded();
    if (!status.ok()) return OnFailed(status);
    const Clock::time_point now = Clock::now();
    worker_.meter.OnOperation();
    worker_.meter.OnLatency(begin_, now);
    begin_ = now;  // the next call starts at once
    Call();
  }
  void OnFailed(const absl::Status& status) {
    worker_.meter.OnError(status.ToString());
    pause_.emplace(worker_.loop.context(), kPauseAfterError);
    pause_->async_wait([this](std::error_code) {
      pause_.reset();
      if (worker_.meter.over()) return worker_.OnSlotEnded();
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
      meter_.OnOperation();
      if (timed) meter_.OnLatency(begin, Clock::now());
    }
  }

  template <class Stream>
  Task<void> WriteAll(Stream& stream) {
    for (uint64_t i = 0; !meter_.over(); ++i) {
      const bool timed = i % Meter::kTimedMessages == 0;
      const Clock::time_point begin = timed ? Clock::now() : Clock::time_point();
      if (!co_await stream.Write(worker_.request)) break;
      meter_.OnOperation();
      if (timed) meter_.OnLatency(begin, Clock::now());
    }
  }

  Meter& meter_ = worker_.meter;

 private:
  Task<void> UseAgainAndAgain() {
    while (!meter_.over()) {
      context_.emplace();
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
      if (!co_await stream.Write(worker_.request) || !co_await stream.Read(response)) break;
      const Clock::time_point now = Clock::now();
      meter_.OnOperation();
      meter_.OnLatency(begin, now);
      begin = now;
    }
    co_return co_await stream.Finish();
  }
};

class ServerStreamSlot final : public StreamSlot {
  using StreamSlot::StreamSlot;

  Task<absl::Status> Use() override {
    ClientReader<SimpleResponse> reader = stub_.StreamingFromServer(*context_, worker_.request);
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
    auto generator = std::make_unique<CulvertGenerator>(work);
    ChannelOptions options;
    // A limit that is only looked at: it makes no call slower.
    options.max_receive_bytes = std::max(options.max_receive_bytes, static_cast<size_t>(work.response_bytes) + 1024);
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
        threads_(static_cast<size_t>(std::min(work.threads, work.connections))) {}
  // Channels close on loops that run, and contexts keep them open.
  ~CulvertGenerator() override {
    slots_.clear();
    stubs_.clear();
  }

  absl::string_view name() const override { return "culvert"; }

  absl::Status Reach(absl::Duration limit) override {
    ClientContext context;
    context.set_timeout(absl::ToChronoNanoseconds(limit));
    return stubs_.front().UnaryCall(context, request_, kBlock).status();
  }

  void Start(Run& run) override {
    for (size_t i = 0; i < threads_.size(); ++i) workers_.emplace_back(threads_[i], request_, run.AddMeter());
    for (size_t i = 0; i < stubs_.size(); ++i) {
      for (int n = 0; n < work_.streams; ++n) slots_.push_back(NewSlot(workers_[i % workers_.size()], stubs_[i]));
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      // The worker's share is complete before its first slot can end.
      ForEachSlotOf(i, [this, i](Slot&) { ++workers_[i].live; });
      workers_[i].loop.Post([this, i] { ForEachSlotOf(i, [](Slot& slot) { slot.Start(); }); });
    }
  }

  bool Stop() override {
    // Calls end by themselves, streams do not.
    if (work_.call == CallKind::kUnary && WaitUntilEnded(absl::Seconds(1))) return true;
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i].loop.Post([this, i] { ForEachSlotOf(i, [](Slot& slot) { slot.Cancel(); }); });
    }
    return WaitUntilEnded(absl::Seconds(10));
  }

 private:
  std::unique_ptr<Slot> NewSlot(Worker& worker, Stub& stub) const {
    switch (work_.call) {
      case CallKind::kUnary:
        return std::make_unique<UnarySlot>(worker, stub);
      case CallKind::kPingPong:
        return std::make_unique<PingPongSlot>(worker, stub);
      case CallKind::kServerStream:
        return std::make_unique<ServerStreamSlot>(worker, stub);
      case CallKind::kClientStream:
        return std::make_unique<ClientStreamSlot>(worker, stub);
      case CallKind::kBothWays:
        return std::make_unique<BothWaysSlot>(worker, stub);
    }
    return nullptr;
  }

  template <class F>
  void ForEachSlotOf(size_t worker, F f) {
    const auto streams = static_cast<size_t>(work_.streams);
    for (size_t i = worker; i < stubs_.size(); i += workers_.size()) {
      for (size_t n = 0; n < streams; ++n) f(*slots_[i * streams + n]);
    }
  }

  bool WaitUntilEnded(absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    return std::all_of(workers_.begin(), workers_.end(),
                       [&](Worker& worker) { return worker.ended.WaitForNotificationWithTimeout(deadline - absl::Now()); });
  }

  const Workload work_;
  const SimpleRequest request_;
  std::deque<Worker> workers_;
  std::deque<Stub> stubs_;                    // one for each connection
  std::vector<std::unique_ptr<Slot>> slots_;  // those of the first connection, then of the second, ...
  EventLoopThreads threads_;                  // ends before all that its loops look at
};

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::LoadMain(argc, argv, &culvert::bench::CulvertGenerator::Make); }
