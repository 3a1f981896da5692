// gRPC C++'s benchmark server: the same service, flags and output as //bench:server, to be measured against.
//
//   bazel run --config=opt //bench/peers:grpc_cpp_server -- --listen=127.0.0.1:50051 --mode=callback
//
// The three ways in which gRPC C++ serves: `callback` (its event engine's threads; --threads does not count), `async` (a completion
// queue for each of --threads), `sync` (its thread pool, of which --threads bounds the pollers).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "bench/payload.h"
#include "bench/serve.h"
#include "grpc/testing/benchmark_service.grpc.pb.h"

ABSL_FLAG(std::string, mode, "callback", "callback, async or sync");
ABSL_FLAG(bool, deadlock_checks, false, "let Debian's debug build of Abseil look for deadlocks at every lock, as it does by default");

namespace culvert::bench {
namespace {

using grpc::testing::BenchmarkService;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;

// What a server of one mode adds to the builder, and runs beside it.
class Mode {
 public:
  virtual ~Mode() = default;
  virtual void Configure(grpc::ServerBuilder& builder) = 0;
  virtual void Start() {}
  // After the server's Shutdown.
  virtual void Stop() {}
};

grpc::Status TooLarge() {
  return {grpc::StatusCode::INVALID_ARGUMENT, absl::StrCat("response_size is not in 0 to ", kMaxResponseBytes)};
}

// --- callback ---

// Each reactor deletes itself when its call is over. Fields are used by one callback at a time, those of BothWays apart.

class PingPongReactor final : public grpc::ServerBidiReactor<SimpleRequest, SimpleResponse> {
 public:
  PingPongReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    if (!CanAnswer(request_)) return Finish(TooLarge());
    Answer(request_, response_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  SimpleRequest request_;
  SimpleResponse response_;
};

class FromClientReactor final : public grpc::ServerReadReactor<SimpleRequest> {
 public:
  explicit FromClientReactor(SimpleResponse* response) : response_(response) { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (ok) return StartRead(&request_);
    if (!CanAnswer(request_)) return Finish(TooLarge());
    Answer(request_, *response_);
    Finish(grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  SimpleRequest request_;
  SimpleResponse* const response_;
};

class FromServerReactor final : public grpc::ServerWriteReactor<SimpleResponse> {
 public:
  explicit FromServerReactor(const SimpleRequest& request) {
    if (CanAnswer(request)) {
      Answer(request, response_);
      StartWrite(&response_);
    } else {
      Finish(TooLarge());
    }
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartWrite(&response_);
  }
  void OnDone() override { delete this; }

 private:
  SimpleResponse response_;
};

class BothWaysReactor final : public grpc::ServerBidiReactor<SimpleRequest, SimpleResponse> {
 public:
  BothWaysReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) {
      ended_ = true;
      return SideEnded();
    }
    if (!writing_) {
      if (!CanAnswer(request_)) return Finish(TooLarge());
      Answer(request_, response_);
      writing_ = true;
      sides_ = 2;
      StartWrite(&response_);
    }
    StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok || ended_) return SideEnded();
    StartWrite(&response_);
  }
  void OnDone() override { delete this; }

 private:
  void SideEnded() {
    if (--sides_ == 0) Finish(grpc::Status::OK);
  }

  SimpleRequest request_;
  SimpleResponse response_;
  bool writing_ = false;  // of the reading side
  std::atomic<bool> ended_{false};
  std::atomic<int> sides_{1};
};

class CallbackMode final : public Mode, public BenchmarkService::CallbackService {
 public:
  void Configure(grpc::ServerBuilder& builder) override { builder.RegisterService(this); }

  grpc::ServerUnaryReactor* UnaryCall(grpc::CallbackServerContext* context, const SimpleRequest* request,
                                      SimpleResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (CanAnswer(*request)) {
      Answer(*request, *response);
      reactor->Finish(grpc::Status::OK);
    } else {
      reactor->Finish(TooLarge());
    }
    return reactor;
  }
  grpc::ServerBidiReactor<SimpleRequest, SimpleResponse>* StreamingCall(grpc::CallbackServerContext*) override {
    return new PingPongReactor;
  }
  grpc::ServerReadReactor<SimpleRequest>* StreamingFromClient(grpc::CallbackServerContext*, SimpleResponse* response) override {
    return new FromClientReactor(response);
  }
  grpc::ServerWriteReactor<SimpleResponse>* StreamingFromServer(grpc::CallbackServerContext*, const SimpleRequest* request) override {
    return new FromServerReactor(*request);
  }
  grpc::ServerBidiReactor<SimpleRequest, SimpleResponse>* StreamingBothWays(grpc::CallbackServerContext*) override {
    return new BothWaysReactor;
  }
};

// --- sync ---

class SyncMode final : public Mode, public BenchmarkService::Service {
 public:
  explicit SyncMode(int threads) : threads_(threads) {}

  void Configure(grpc::ServerBuilder& builder) override {
    if (threads_ > 0) {
      builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, threads_);
      builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, threads_);
    }
    builder.RegisterService(this);
  }

  grpc::Status UnaryCall(grpc::ServerContext*, const SimpleRequest* request, SimpleResponse* response) override {
    if (!CanAnswer(*request)) return TooLarge();
    Answer(*request, *response);
    return grpc::Status::OK;
  }
  grpc::Status StreamingCall(grpc::ServerContext*, grpc::ServerReaderWriter<SimpleResponse, SimpleRequest>* stream) override {
    SimpleRequest request;
    SimpleResponse response;
    while (stream->Read(&request)) {
      if (!CanAnswer(request)) return TooLarge();
      Answer(request, response);
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }
  grpc::Status StreamingFromClient(grpc::ServerContext*, grpc::ServerReader<SimpleRequest>* reader, SimpleResponse* response) override {
    SimpleRequest request;
    while (reader->Read(&request)) {
    }
    if (!CanAnswer(request)) return TooLarge();
    Answer(request, *response);
    return grpc::Status::OK;
  }
  grpc::Status StreamingFromServer(grpc::ServerContext*, const SimpleRequest* request, grpc::ServerWriter<SimpleResponse>* writer) override {
    if (!CanAnswer(*request)) return TooLarge();
    SimpleResponse response;
    Answer(*request, response);
    while (writer->Write(response)) {
    }
    return grpc::Status::OK;
  }
  grpc::Status StreamingBothWays(grpc::ServerContext*, grpc::ServerReaderWriter<SimpleResponse, SimpleRequest>* stream) override {
    SimpleRequest request;
    if (!stream->Read(&request)) return grpc::Status::OK;
    if (!CanAnswer(request)) return TooLarge();
    SimpleResponse response;
    Answer(request, response);
    std::atomic<bool> ended{false};
    std::thread reader([&] {
      while (stream->Read(&request)) {
      }
      ended = true;
    });
    while (!ended && stream->Write(response)) {
    }
    reader.join();
    return grpc::Status::OK;
  }

 private:
  const int threads_;
};

// --- async ---

// What a completion queue hands back: the continuation of one operation of a call.
class Tag {
 public:
  template <class F>
  explicit Tag(F f) : run_(std::move(f)) {}
  void Run(bool ok) { run_(ok); }

 private:
  std::function<void(bool)> run_;
};

using AsyncService = BenchmarkService::AsyncService;

// Each call waits to be used, puts a successor in its place, serves, and deletes itself once nothing of it is on the queue.
class AsyncUnary {
 public:
  AsyncUnary(AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue) {
    service.RequestUnaryCall(&context_, &request_, &responder_, &queue, &queue, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return delete this;
    new AsyncUnary(service_, queue_);
    if (!CanAnswer(request_)) return responder_.FinishWithError(TooLarge(), &finished_);
    Answer(request_, response_);
    responder_.Finish(response_, grpc::Status::OK, &finished_);
  }

  AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncResponseWriter<SimpleResponse> responder_{&context_};
  Tag arrived_{[this](bool ok) { OnArrived(ok); }};
  Tag finished_{[this](bool) { delete this; }};
};

class AsyncPingPong {
 public:
  AsyncPingPong(AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue) {
    service.RequestStreamingCall(&context_, &stream_, &queue, &queue, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return delete this;
    new AsyncPingPong(service_, queue_);
    stream_.Read(&request_, &read_);
  }
  void OnRead(bool ok) {
    if (!ok) return stream_.Finish(grpc::Status::OK, &finished_);
    if (!CanAnswer(request_)) return stream_.Finish(TooLarge(), &finished_);
    Answer(request_, response_);
    stream_.Write(response_, &written_);
  }
  void OnWritten(bool ok) {
    if (!ok) return stream_.Finish(grpc::Status::OK, &finished_);
    stream_.Read(&request_, &read_);
  }

  AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncReaderWriter<SimpleResponse, SimpleRequest> stream_{&context_};
  Tag arrived_{[this](bool ok) { OnArrived(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag finished_{[this](bool) { delete this; }};
};

class AsyncFromClient {
 public:
  AsyncFromClient(AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue) {
    service.RequestStreamingFromClient(&context_, &reader_, &queue, &queue, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return delete this;
    new AsyncFromClient(service_, queue_);
    reader_.Read(&request_, &read_);
  }
  void OnRead(bool ok) {
    if (ok) return reader_.Read(&request_, &read_);
    if (!CanAnswer(request_)) return reader_.FinishWithError(TooLarge(), &finished_);
    Answer(request_, response_);
    reader_.Finish(response_, grpc::Status::OK, &finished_);
  }

  AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncReader<SimpleResponse, SimpleRequest> reader_{&context_};
  Tag arrived_{[this](bool ok) { OnArrived(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag finished_{[this](bool) { delete this; }};
};

class AsyncFromServer {
 public:
  AsyncFromServer(AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue) {
    service.RequestStreamingFromServer(&context_, &request_, &writer_, &queue, &queue, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return delete this;
    new AsyncFromServer(service_, queue_);
    if (!CanAnswer(request_)) return writer_.Finish(TooLarge(), &finished_);
    Answer(request_, response_);
    writer_.Write(response_, &written_);
  }
  void OnWritten(bool ok) {
    if (!ok) return writer_.Finish(grpc::Status::OK, &finished_);
    writer_.Write(response_, &written_);
  }

  AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncWriter<SimpleResponse> writer_{&context_};
  Tag arrived_{[this](bool ok) { OnArrived(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag finished_{[this](bool) { delete this; }};
};

class AsyncBothWays {
 public:
  AsyncBothWays(AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue) {
    service.RequestStreamingBothWays(&context_, &stream_, &queue, &queue, &arrived_);
  }

 private:
  void OnArrived(bool ok) {
    if (!ok) return delete this;
    new AsyncBothWays(service_, queue_);
    stream_.Read(&request_, &read_);
  }
  void OnRead(bool ok) {
    if (!ok) {
      ended_ = true;
      return SideEnded();
    }
    if (!writing_) {
      if (!CanAnswer(request_)) return stream_.Finish(TooLarge(), &finished_);
      Answer(request_, response_);
      writing_ = true;
      sides_ = 2;
      stream_.Write(response_, &written_);
    }
    stream_.Read(&request_, &read_);
  }
  void OnWritten(bool ok) {
    if (!ok || ended_) return SideEnded();
    stream_.Write(response_, &written_);
  }
  void SideEnded() {
    if (--sides_ == 0) stream_.Finish(grpc::Status::OK, &finished_);
  }

  AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncReaderWriter<SimpleResponse, SimpleRequest> stream_{&context_};
  bool writing_ = false;
  bool ended_ = false;
  int sides_ = 1;
  Tag arrived_{[this](bool ok) { OnArrived(ok); }};
  Tag read_{[this](bool ok) { OnRead(ok); }};
  Tag written_{[this](bool ok) { OnWritten(ok); }};
  Tag finished_{[this](bool) { delete this; }};
};

class AsyncMode final : public Mode {
 public:
  explicit AsyncMode(int threads) : count_(threads > 0 ? static_cast<unsigned>(threads) : std::max(1u, std::thread::hardware_concurrency())) {}

  void Configure(grpc::ServerBuilder& builder) override {
    builder.RegisterService(&service_);
    for (unsigned i = 0; i < count_; ++i) queues_.push_back(builder.AddCompletionQueue());
  }
  void Start() override {
    // So many calls can arrive before one has been picked up.
    constexpr int kWaiting = 100;
    for (const auto& queue : queues_) {
      for (int i = 0; i < kWaiting; ++i) {
        new AsyncUnary(service_, *queue);
        new AsyncPingPong(service_, *queue);
        new AsyncFromClient(service_, *queue);
        new AsyncFromServer(service_, *queue);
        new AsyncBothWays(service_, *queue);
      }
      threads_.emplace_back([&queue] {
        void* tag = nullptr;
        bool ok = false;
        while (queue->Next(&tag, &ok)) static_cast<Tag*>(tag)->Run(ok);
      });
    }
  }
  void Stop() override {
    for (const auto& queue : queues_) queue->Shutdown();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  const unsigned count_;
  AsyncService service_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::vector<std::thread> threads_;
};

std::unique_ptr<Mode> MakeMode(const std::string& name, int threads) {
  if (name == "callback") return std::make_unique<CallbackMode>();
  if (name == "async") return std::make_unique<AsyncMode>(threads);
  if (name == "sync") return std::make_unique<SyncMode>(threads);
  return nullptr;
}

int ServerMain(int argc, char** argv) {
  const Serving serving(argc, argv);
  if (!absl::GetFlag(FLAGS_deadlock_checks)) absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const std::unique_ptr<Mode> mode = MakeMode(absl::GetFlag(FLAGS_mode), serving.threads());
  if (mode == nullptr) {
    absl::FPrintF(stderr, "server: --mode is one of callback, async, sync\n");
    return 2;
  }
  grpc::ServerBuilder builder;
  int port = 0;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!serving.tls_certificate().empty()) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({serving.tls_key(), serving.tls_certificate()});
    credentials = grpc::SslServerCredentials(tls);
  }
  builder.AddListeningPort(serving.listen(), credentials, &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  if (serving.max_concurrent_streams() > 0) builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, serving.max_concurrent_streams());
  builder.SetMaxReceiveMessageSize(kMaxResponseBytes + 1024);
  mode->Configure(builder);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    absl::FPrintF(stderr, "server: cannot listen on %s\n", serving.listen());
    return 1;
  }
  mode->Start();
  serving.Ready(absl::StrCat(serving.listen().substr(0, serving.listen().rfind(':')), ":", port));
  serving.WaitForSignal();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  mode->Stop();
  PrintUsage();
  return 0;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::ServerMain(argc, argv); }
