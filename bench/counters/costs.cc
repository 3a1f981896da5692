#include "bench/counters/costs.h"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/synchronization/notification.h"
#include "bench/allocation_counter/allocation_counter.h"
#include "bench/counters/syscall_counter.h"
#include "grpc/testing/benchmark_service.culvert.h"
#include "rpc/server.h"
#include "rpc/stub.h"
#include "transport/base/check.h"

namespace culvert::bench {

namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using Stub = grpc::testing::BenchmarkService::Stub;

// Messages are empty, so that none of what is counted is theirs.
class EmptyService final : public grpc::testing::BenchmarkService::Service {
 public:
  explicit EmptyService(bool coroutines) : coroutines_(coroutines) {}

  Unary<SimpleResponse> UnaryCall(ServerContext& call, const SimpleRequest&) override {
    if (coroutines_) return Later(call);
    return SimpleResponse();
  }
  Task<absl::Status> StreamingCall(ServerContext&, Stream<SimpleRequest, SimpleResponse>& stream) override {
    SimpleRequest request;
    const SimpleResponse response;
    while (co_await stream.Read(request)) {
      if (!co_await stream.Write(response)) break;
    }
    co_return absl::OkStatus();
  }
  Task<absl::Status> StreamingFromServer(ServerContext&, const SimpleRequest&, Writer<SimpleResponse>& out) override {
    const SimpleResponse response;
    for (bool open = true; open;) open = co_await out.Write(response);
    co_return absl::OkStatus();
  }

 private:
  static Unary<SimpleResponse> Later(ServerContext&) {
    SimpleResponse response;
    co_return response;
  }

  const bool coroutines_;
};

struct Counts {
  uint64_t allocations = 0;
  Syscalls syscalls;
};

Counts Read(EventLoop& loop) {
  Counts counts;
  absl::Notification done;
  loop.Post([&] {
    counts = {testing::AllocationCounter::Total(), SyscallsOfThisThread()};
    done.Notify();
  });
  done.WaitForNotification();
  return counts;
}

Cost PerOperation(const Counts& before, const Counts& after, int operations) {
  const auto per = [&](uint64_t a, uint64_t b) { return static_cast<double>(b - a) / operations; };
  return {per(before.allocations, after.allocations), per(before.syscalls.calls, after.syscalls.calls),
          per(before.syscalls.bytes_sent, after.syscalls.bytes_sent)};
}

// Drives calls on the client's loop: so many operations at a time, and tells when they are done.
class Driver {
 public:
  Driver(EventLoop& loop, Kind kind) : loop_(loop), kind_(kind) {}

  void Add(std::shared_ptr<Channel> channel) { stubs_.emplace_back(std::move(channel)); }

  // Opens what stays open.
  void Open(int streams) {
    OnLoop([&] {
      for (const Stub& stub : stubs_) {
        for (int i = 0; i < streams; ++i) {
          slots_.emplace_back(*this, stub);
          if (kind_ == Kind::kPingPong) slots_.back().stream.emplace(stub.StreamingCall(slots_.back().context.emplace()));
          if (kind_ == Kind::kServerStream) slots_.back().reader.emplace(stub.StreamingFromServer(slots_.back().context.emplace(), request_));
        }
      }
    });
  }

  void Run(int operations) {
    done_.emplace();
    OnLoop([&] {
      left_ = operations;
      active_ = slots_.size();
      for (Slot& slot : slots_) Start(slot);
    });
    done_->WaitForNotification();
  }

  void Close() {
    OnLoop([&] { slots_.clear(); });
  }

 private:
  struct Slot {
    Slot(Driver& d, const Stub& s) : driver(d), stub(s) {}
    Driver& driver;
    const Stub& stub;
    std::optional<ClientContext> context;
    std::optional<ClientStream<SimpleRequest, SimpleResponse>> stream;
    std::optional<ClientReader<SimpleResponse>> reader;
    SimpleResponse response;
  };

  template <class F>
  void OnLoop(F f) {
    absl::Notification done;
    loop_.Post([&] {
      f();
      done.Notify();
    });
    done.WaitForNotification();
  }

  bool Take() {
    if (left_-- > 0) return true;
    if (--active_ == 0) done_->Notify();
    return false;
  }

  void Start(Slot& slot) {
    if (kind_ == Kind::kUnary) return Call(slot);
    asio::co_spawn(loop_.executor(), Loop(slot), asio::detached);
  }

  void Call(Slot& slot) {
    if (!Take()) return;
    slot.stub.UnaryCall(slot.context.emplace(), request_, [&slot](const absl::StatusOr<SimpleResponse>& response) {
      CULVERT_CHECK(response.ok(), "a call failed");
      slot.driver.Call(slot);
    });
  }

  Task<void> Loop(Slot& slot) {
    while (Take()) {
      bool good = false;
      if (kind_ == Kind::kUnaryCoroutine) {
        const absl::StatusOr<SimpleResponse> response = co_await slot.stub.UnaryCall(slot.context.emplace(), request_);
        good = response.ok();
      } else if (kind_ == Kind::kPingPong) {
        good = co_await slot.stream->Write(request_);
        good = good && co_await slot.stream->Read(slot.response);
      } else {
        good = co_await slot.reader->Read(slot.response);
      }
      CULVERT_CHECK(good, "a call failed");
    }
  }

  EventLoop& loop_;
  const Kind kind_;
  std::deque<Stub> stubs_;
  std::deque<Slot> slots_;
  const SimpleRequest request_;
  int left_ = 0;
  size_t active_ = 0;
  std::optional<absl::Notification> done_;
};

}  // namespace

Costs Measure(Kind kind, int connections, int streams, int operations) {
  EventLoopThreads server_loops(1);
  EventLoopThreads client_loops(1);
  EmptyService service(kind == Kind::kUnaryCoroutine);
  ServerOptions options;
  options.loops = {&server_loops[0]};
  Server server(options);
  server.AddService(service);
  const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
  CULVERT_CHECK(address.ok(), "cannot listen");

  Driver driver(client_loops[0], kind);
  for (int i = 0; i < connections; ++i) driver.Add(*Channel::Create(client_loops[0], *address));
  driver.Open(streams);
  driver.Run(operations);
  const Counts client = Read(client_loops[0]);
  const Counts served = Read(server_loops[0]);
  driver.Run(operations);
  const Costs costs{PerOperation(client, Read(client_loops[0]), operations), PerOperation(served, Read(server_loops[0]), operations)};
  driver.Close();
  return costs;
}

}  // namespace culvert::bench
