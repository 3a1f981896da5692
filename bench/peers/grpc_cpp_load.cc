// gRPC C++'s load generator: the same calls, flags and output as //bench:load, through gRPC C++'s own client.
//
//   bazel run --config=opt //bench/peers:grpc_cpp_load -- --target=127.0.0.1:50051 --connections=64 --streams=100 --call=unary
//
// A channel with a connection of its own for each of --connections. --api=async: a completion queue for each of --threads.
// --api=callback: the reactor API, whose threads gRPC C++ makes itself (--threads does not count).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/measure.h"
#include "bench/payload.h"
#include "grpc/testing/benchmark_service.grpc.pb.h"

ABSL_FLAG(std::string, api, "async", "async or callback");
ABSL_FLAG(bool, deadlock_checks, false, "let Debian's debug build of Abseil look for deadlocks at every lock, as it does by default");

namespace culvert::bench {
namespace {

using grpc::testing::BenchmarkService;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using Clock = Meter::Clock;
using Stub = BenchmarkService::Stub;

// Between a call that failed and the next one of its slot.
constexpr std::chrono::milliseconds kPauseAfterError(50);

// What all slots share.
class Shared {
 public:
  // More threads than gRPC C++ makes for callbacks: each gets a meter when it first asks for one.
  static constexpr size_t kMeters = 256;

  // `bulk`: whose slots are measured apart.
  Shared(Run& run, bool bulk, const SimpleRequest& request, int slots) : request_(request), live_(slots) {
    for (size_t i = 0; i < (slots > 0 ? kMeters : 1); ++i) meters_.push_back(bulk ? &run.AddBulkMeter() : &run.AddMeter());
    if (slots == 0) ended_.Notify();
  }

  const SimpleRequest& request() const { return request_; }
  bool over() const { return meters_[0]->over(); }
  // Of the calling thread.
  Meter& meter() {
    static std::atomic<size_t> threads{0};
    static thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
    return *meters_.at(mine);
  }
  void OnSlotEnded() {
    if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1) ended_.Notify();
  }
  bool WaitUntilEnded(absl::Duration limit) { return ended_.WaitForNotificationWithTimeout(limit); }

 private:
  const SimpleRequest& request_;
  std::vector<Meter*> meters_;
  std::atomic<int> live_;
  absl::Notification ended_;
};

class Slot {
 public:
  Slot(Shared& shared, Stub& stub) : shared_(shared), stub_(stub) {}
  virtual ~Slot() = default;

  // On any thread: makes calls until the run is over.
  void Start() {
    DropCall();
    {
      absl::MutexLock lock(&mutex_);
      context_.emplace();
      if (shared_.over()) context_->TryCancel();
    }
    Call();
  }
  void Cancel() {
    absl::MutexLock lock(&mutex_);
    if (context_) context_->TryCancel();
  }
  // The operations that it did within the measured window.
  uint64_t share() const { return share_.load(std::memory_order_relaxed); }

 protected:
  virtual void Call() = 0;
  // Destroys what lives in the memory of the last call, which goes away with its context.
  virtual void DropCall() {}
  virtual void Pause() = 0;

  // Returns the meter that it was noted in.
  Meter& OnOperation() {
    Meter& meter = shared_.meter();
    meter.OnOperation();
    if (meter.measured()) share_.fetch_add(1, std::memory_order_relaxed);
    return meter;
  }

  // The call is over. The next one follows, after a pause.
  void OnBroken(const grpc::Status& status) {
    if (shared_.over()) return shared_.OnSlotEnded();
    shared_.meter().OnError(status.ok() ? std::string("the server ended the stream")
                                        : absl::StrCat("code ", status.error_code(), ": ", status.error_message()));
    Pause();
  }
  void OnPaused() {
    if (shared_.over()) return shared_.OnSlotEnded();
    Start();
  }
  gpr_timespec PauseEnd() const { return grpc::TimePoint(std::chrono::system_clock::now() + kPauseAfterError).raw_time(); }

  Shared& shared_;
  Stub& stub_;
  absl::Mutex mutex_;  // a stream is opened while the main thread cancels
  std::optional<grpc::ClientContext> context_;
  grpc::Alarm pause_;

 private:
  std::atomic<uint64_t> share_{0};  // both directions of a stream may count at once
};

// One in kTimedMessages of the messages that go one way.
class Stopwatch {
 public:
  void Begin() {
    timed_ = messages_++ % Meter::kTimedMessages == 0;
    if (timed_) begin_ = Clock::now();
  }
  void End(Meter& meter) {
    if (timed_) meter.OnLatency(begin_, Clock::now());
  }

 private:
  uint64_t messages_ = 0;
  bool timed_ = false;
  Clock::time_point begin_;
};

// --- completion queue ---

// What a completion queue hands back: the continuation of one operation of a slot.
class Tag {
 public:
  template <class F>
  explicit Tag(F f) : run_(std::move(f)) {}
  void Run(bool ok) { run_(ok); }

 private:
  std::function<void(bool)> run_;
};

class AsyncUnarySlot final : public Slot {
 public:
  AsyncUnarySlot(Shared& shared, Stub& stub, grpc::CompletionQueue& queue) : Slot(shared, stub), queue_(queue) {}

 private:
  void Call() override {
    begin_ = Clock::now();
    Next();
  }
  void Next() {
    reader_ = stub_.AsyncUnaryCall(&*context_, shared_.request(), &queue_);
    reader_->Finish(&response_, &status_, &done_);
  }
  void OnDone() {
    if (!status_.ok() || shared_.over()) return OnBroken(status_);
    const Clock::time_point now = Clock::now();
    OnOperation().OnLatency(begin_, now);
    begin_ = now;
    DropCall();
    context_.emplace();
    Next();
  }
  void DropCall() override { reader_.reset(); }
  void Pause() override { pause_.Set(&queue_, PauseEnd(), &paused_); }

  grpc::CompletionQueue& queue_;
  Clock::time_point begin_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<SimpleResponse>> reader_;
  SimpleResponse response_;
  grpc::Status status_;
  Tag done_{[this](bool) { OnDone(); }};
  Tag paused_{[this](bool) { OnPaused(); }};
};

// A message there, a message back.
class AsyncPingPongSlot final : public Slot {
 public:
  AsyncPingPongSlot(Shared& shared, Stub& stub, grpc::CompletionQueue& queue) : Slot(shared, stub), queue_(queue) {}

 private:
  void Call() override {
    stream_ = stub_.PrepareAsyncStreamingCall(&*context_, &queue_);
    stream_->StartCall(&started_);
  }
  void OnStarted(bool ok) {
    if (!ok) return stream_->Finish(&status_, &finished_);
    Exchange(Clock::now());
  }
  void Exchange(Clock::time_point now) {
    begin_ = now;
    pending_ = 2;
    failed_ = false;
    stream_->Write(shared_.request(), &moved_);
    stream_->Read(&response_, &moved_);
  }
  void OnMoved(bool ok) {
    failed_ = failed_ || !ok;
    if (--pending_ != 0) return;
    if (failed_ || shared_.over()) return stream_->Finish(&status_, &finished_);
    const Clock::time_point now = Clock::now();
    OnOperation().OnLatency(begin_, now);
    Exchange(now);
  }
  void DropCall() override { stream_.reset(); }
  void Pause() override { pause_.Set(&queue_, PauseEnd(), &paused_); }

  grpc::CompletionQueue& queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<SimpleRequest, SimpleResponse>> stream_;
  SimpleResponse response_;
  grpc::Status status_;
  Clock::time_point begin_;
  int pending_ = 0;
  bool failed_ = false;
  Tag started_{[this](bool ok) { OnStarted(ok); }};
  Tag moved_{[this](bool ok) { OnMoved(ok); }};
  Tag finished_{[this](bool) { OnBroken(status_); }};
  Tag paused_{[this](bool) { OnPaused(); }};
};

// Messages that flow without waiting for each other, in the directions that Stream has.
template <class Stream>
class AsyncFlowSlot final : public Slot {
  static constexpr bool kReads = !std::is_same_v<Stream, grpc::ClientAsyncWriter<SimpleRequest>>;
  static constexpr bool kWrites = !std::is_same_v<Stream, grpc::ClientAsyncReader<SimpleResponse>>;

 public:
  AsyncFlowSlot(Shared& shared, Stub& stub, grpc::CompletionQueue& queue) : Slot(shared, stub), queue_(queue) {}

 private:
  void Call() override {
    if constexpr (kReads && kWrites) {
      stream_ = stub_.PrepareAsyncStreamingBothWays(&*context_, &queue_);
    } else if constexpr (kReads) {
      stream_ = stub_.PrepareAsyncStreamingFromServer(&*context_, shared_.request(), &queue_);
    } else {
      stream_ = stub_.PrepareAsyncStreamingFromClient(&*context_, &response_, &queue_);
    }
    stream_->StartCall(&started_);
  }
  void OnStarted(bool ok) {
    if (!ok) return stream_->Finish(&status_, &finished_);
    sides_ = (kReads ? 1 : 0) + (kWrites ? 1 : 0);
    Read();
    Write();
  }
  void Read() {
    if constexpr (kReads) {
      reading_.Begin();
      stream_->Read(&response_, &read_);
    }
  }
  void Write() {
    if constexpr (kWrites) {
      writing_.Begin();
      stream_->Write(shared_.request(), &written_);
    }
  }
  void OnRead(bool ok) {
    if (!ok || shared_.over()) return SideEnded();
    reading_.End(OnOperation());
    Read();
  }
  void OnWritten(bool ok) {
    if (!ok || shared_.over()) return SideEnded();
    writing_.End(OnOperation());
    Write();
  }
  void SideEnded() {
    if (--sides_ == 0) stream_->Finish(&status_, &finished_);
  }
  void DropCall() override { stream_.reset(); }
  void Pause() override { pause_.Set(&queue_, PauseEnd(), &paused_); }

  grpc::CompletionQueue& queue_;
  std::unique_ptr<Stream> stream_;
  SimpleResponse response_;
  grpc::Status status_;
  Stopwatch reading_, writing_;
  int sides_ = 0;
  Tag started_{[this](bool ok) { OnStarted(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag finished_{[this](bool) { OnBroken(status_); }};
  Tag paused_{[this](bool) { OnPaused(); }};
};

// --- callback ---

class CallbackUnarySlot final : public Slot {
 public:
  using Slot::Slot;

 private:
  void Call() override {
    begin_ = Clock::now();
    Next();
  }
  void Next() {
    stub_.async()->UnaryCall(&*context_, &shared_.request(), &response_, [this](const grpc::Status& status) { OnDone(status); });
  }
  void OnDone(const grpc::Status& status) {
    if (!status.ok() || shared_.over()) return OnBroken(status);
    const Clock::time_point now = Clock::now();
    OnOperation().OnLatency(begin_, now);
    begin_ = now;
    context_.emplace();
    Next();
  }
  void Pause() override {
    pause_.Set(PauseEnd(), [this](bool) { OnPaused(); });
  }

  Clock::time_point begin_;
  SimpleResponse response_;
};

class CallbackPingPongSlot final : public Slot, public grpc::ClientBidiReactor<SimpleRequest, SimpleResponse> {
 public:
  using Slot::Slot;

 private:
  void Call() override {
    stub_.async()->StreamingCall(&*context_, this);
    Exchange(Clock::now());
    StartCall();
  }
  void Exchange(Clock::time_point now) {
    begin_ = now;
    pending_.store(2, std::memory_order_relaxed);
    failed_.store(false, std::memory_order_relaxed);
    StartRead(&response_);
    StartWrite(&shared_.request());
  }
  void OnReadDone(bool ok) override { OnMoved(ok); }
  void OnWriteDone(bool ok) override { OnMoved(ok); }
  void OnMoved(bool ok) {
    if (!ok) failed_.store(true, std::memory_order_relaxed);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (failed_.load(std::memory_order_relaxed) || shared_.over()) return;  // OnDone follows, by itself or by Cancel
    const Clock::time_point now = Clock::now();
    OnOperation().OnLatency(begin_, now);
    Exchange(now);
  }
  void OnDone(const grpc::Status& status) override { OnBroken(status); }
  void Pause() override {
    pause_.Set(PauseEnd(), [this](bool) { OnPaused(); });
  }

  SimpleResponse response_;
  Clock::time_point begin_;
  std::atomic<int> pending_{0};
  std::atomic<bool> failed_{false};
};

template <class Reactor>
class CallbackFlowSlot final : public Slot, public Reactor {
  static constexpr bool kReads = !std::is_same_v<Reactor, grpc::ClientWriteReactor<SimpleRequest>>;
  static constexpr bool kWrites = !std::is_same_v<Reactor, grpc::ClientReadReactor<SimpleResponse>>;

 public:
  using Slot::Slot;

 private:
  void Call() override {
    if constexpr (kReads && kWrites) {
      stub_.async()->StreamingBothWays(&*context_, this);
    } else if constexpr (kReads) {
      stub_.async()->StreamingFromServer(&*context_, &shared_.request(), this);
    } else {
      stub_.async()->StreamingFromClient(&*context_, &response_, this);
    }
    Read();
    Write();
    this->StartCall();
  }
  void Read() {
    if constexpr (kReads) {
      reading_.Begin();
      this->StartRead(&response_);
    }
  }
  void Write() {
    if constexpr (kWrites) {
      writing_.Begin();
      this->StartWrite(&shared_.request());
    }
  }
  // Of the two only those of Reactor override something.
  void OnReadDone(bool ok) {
    if (!ok || shared_.over()) return;  // OnDone follows, by itself or by Cancel
    reading_.End(OnOperation());
    Read();
  }
  void OnWriteDone(bool ok) {
    if (!ok || shared_.over()) return;
    writing_.End(OnOperation());
    Write();
  }
  void OnDone(const grpc::Status& status) override { OnBroken(status); }
  void Pause() override {
    pause_.Set(PauseEnd(), [this](bool) { OnPaused(); });
  }

  SimpleResponse response_;
  Stopwatch reading_, writing_;
};

// --- the generator ---

class GrpcCppGenerator final : public Generator {
 public:
  static absl::StatusOr<std::unique_ptr<Generator>> Make(const Workload& work) {
    const std::string api = absl::GetFlag(FLAGS_api);
    if (!absl::GetFlag(FLAGS_deadlock_checks)) absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    if (api != "async" && api != "callback") return absl::InvalidArgumentError("--api is async or callback");
    return std::make_unique<GrpcCppGenerator>(work, api == "async");
  }

  GrpcCppGenerator(const Workload& work, bool async)
      : work_(work),
        async_(async),
        request_(MakeRequest(work.request_bytes, work.response_bytes)),
        bulk_request_(MakeRequest(work.bulk_request_bytes(), work.bulk_response_bytes())) {
    std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
    if (!work.tls_roots.empty()) {
      grpc::SslCredentialsOptions tls;
      tls.pem_root_certs = work.tls_roots;
      credentials = grpc::SslCredentials(tls);
    }
    for (int i = 0; i < work.connections; ++i) {
      grpc::ChannelArguments arguments;
      // Channels of equal arguments share their connection otherwise.
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetMaxReceiveMessageSize(kMaxResponseBytes + 1024);
      if (!work.tls_roots.empty()) arguments.SetSslTargetNameOverride(std::string(work.tls_server_name));
      channels_.push_back(grpc::CreateCustomChannel(work.target, credentials, arguments));
      stubs_.push_back(BenchmarkService::NewStub(channels_.back()));
    }
    if (!async) return;
    for (int i = 0; i < std::min(work.threads, work.connections); ++i) queues_.push_back(std::make_unique<grpc::CompletionQueue>());
  }
  ~GrpcCppGenerator() override {
    for (const auto& queue : queues_) queue->Shutdown();
    for (std::thread& thread : threads_) thread.join();
    if (!threads_.empty()) return;
    for (const auto& queue : queues_) RunQueue(*queue);
  }

  absl::string_view name() const override { return async_ ? "grpc_cpp async" : "grpc_cpp callback"; }

  absl::Status Reach(absl::Duration limit) override {
    constexpr size_t kAtOnce = 100;
    const SimpleRequest request = MakeRequest(0, 0);
    for (size_t i = 0; i < stubs_.size(); ++i) {
      if (i % kAtOnce == 0) {
        for (size_t n = i; n < std::min(i + kAtOnce, stubs_.size()); ++n) channels_[n]->GetState(/*try_to_connect=*/true);
      }
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
      SimpleResponse response;
      const grpc::Status status = stubs_[i]->UnaryCall(&context, request, &response);
      if (!status.ok()) return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    }
    return absl::OkStatus();
  }

  void Start(Run& run) override {
    shared_.emplace(run, /*bulk=*/false, request_, work_.connections * work_.streams);
    bulk_.emplace(run, /*bulk=*/true, bulk_request_, work_.connections * work_.bulk_streams);
    for (size_t i = 0; i < stubs_.size(); ++i) {
      for (int n = 0; n < work_.streams; ++n) slots_.push_back(NewSlot(work_.call, *shared_, i));
      for (int n = 0; n < work_.bulk_streams; ++n) bulk_slots_.push_back(NewSlot(work_.bulk_call, *bulk_, i));
    }
    for (const auto& queue : queues_) threads_.emplace_back([&queue] { RunQueue(*queue); });
    for (const auto& slot : slots_) slot->Start();
    for (const auto& slot : bulk_slots_) slot->Start();
  }

  bool Stop() override {
    // Calls end by themselves, streams do not.
    for (const auto& slot : bulk_slots_) slot->Cancel();
    if (work_.call != CallKind::kUnary) {
      for (const auto& slot : slots_) slot->Cancel();
    }
    return shared_->WaitUntilEnded(absl::Seconds(10)) && bulk_->WaitUntilEnded(absl::Seconds(10));
  }

  std::vector<uint64_t> Shares() const override {
    std::vector<uint64_t> shares;
    for (const auto& slot : slots_) shares.push_back(slot->share());
    return shares;
  }

 private:
  static void RunQueue(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) static_cast<Tag*>(tag)->Run(ok);
  }

  std::unique_ptr<Slot> NewSlot(CallKind call, Shared& shared, size_t connection) {
    Stub& stub = *stubs_[connection];
    return async_ ? NewAsyncSlot(call, shared, stub, *queues_[connection % queues_.size()]) : NewCallbackSlot(call, shared, stub);
  }

  static std::unique_ptr<Slot> NewAsyncSlot(CallKind call, Shared& shared, Stub& stub, grpc::CompletionQueue& queue) {
    switch (call) {
      case CallKind::kUnary:
        return std::make_unique<AsyncUnarySlot>(shared, stub, queue);
      case CallKind::kPingPong:
        return std::make_unique<AsyncPingPongSlot>(shared, stub, queue);
      case CallKind::kServerStream:
        return std::make_unique<AsyncFlowSlot<grpc::ClientAsyncReader<SimpleResponse>>>(shared, stub, queue);
      case CallKind::kClientStream:
        return std::make_unique<AsyncFlowSlot<grpc::ClientAsyncWriter<SimpleRequest>>>(shared, stub, queue);
      case CallKind::kBothWays:
        return std::make_unique<AsyncFlowSlot<grpc::ClientAsyncReaderWriter<SimpleRequest, SimpleResponse>>>(shared, stub, queue);
    }
    return nullptr;
  }

  static std::unique_ptr<Slot> NewCallbackSlot(CallKind call, Shared& shared, Stub& stub) {
    switch (call) {
      case CallKind::kUnary:
        return std::make_unique<CallbackUnarySlot>(shared, stub);
      case CallKind::kPingPong:
        return std::make_unique<CallbackPingPongSlot>(shared, stub);
      case CallKind::kServerStream:
        return std::make_unique<CallbackFlowSlot<grpc::ClientReadReactor<SimpleResponse>>>(shared, stub);
      case CallKind::kClientStream:
        return std::make_unique<CallbackFlowSlot<grpc::ClientWriteReactor<SimpleRequest>>>(shared, stub);
      case CallKind::kBothWays:
        return std::make_unique<CallbackFlowSlot<grpc::ClientBidiReactor<SimpleRequest, SimpleResponse>>>(shared, stub);
    }
    return nullptr;
  }

  const Workload work_;
  const bool async_;
  const SimpleRequest request_;
  const SimpleRequest bulk_request_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;        // one for each connection
  std::vector<std::unique_ptr<Stub>> stubs_;                    // of each channel
  std::vector<std::unique_ptr<grpc::CompletionQueue>> queues_;  // async: one for each thread
  std::vector<std::thread> threads_;
  std::optional<Shared> shared_;
  std::optional<Shared> bulk_;
  std::vector<std::unique_ptr<Slot>> slots_;  // those of the first connection, then of the second, ...
  std::vector<std::unique_ptr<Slot>> bulk_slots_;
};

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::LoadMain(argc, argv, &culvert::bench::GrpcCppGenerator::Make); }
