// The ways to wait for a call: co_await on the channel's loop and on a foreign io_context, callbacks, futures, blocking, cancellation slots.

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "rpc/block.h"
#include "rpc/stub.h"
#include "tests/e2e/fixture.h"

namespace culvert::e2e {
namespace {

constexpr int kRounds = 20;

// All four kinds of call, awaited; each step checks that it runs on the thread that awaits.
Task<int> CallAllKinds(Stub stub, std::thread::id home) {
  int good = 0;
  {
    ClientContext context;
    const absl::StatusOr<SimpleResponse> response = co_await stub.UnaryCall(context, UnaryRequest(10, 20));
    good += response.ok() && response->payload().body().size() == 20 && std::this_thread::get_id() == home;
  }
  {
    ClientContext context;
    auto call = stub.StreamingOutputCall(context, OutputRequest(3, 30));
    StreamingOutputCallResponse response;
    int read = 0;
    while (co_await call.Read(response)) read += response.payload().body().size() == 30 && std::this_thread::get_id() == home;
    const absl::Status status = co_await call.Finish();
    good += status.ok() && read == 3 && std::this_thread::get_id() == home;
  }
  {
    ClientContext context;
    auto call = stub.StreamingInputCall(context);
    int written = 0;
    for (int i = 0; i < 3; ++i) written += co_await call.Write(InputRequest(40)) && std::this_thread::get_id() == home;
    const absl::StatusOr<StreamingInputCallResponse> response = co_await call.Finish();
    good += response.ok() && response->aggregated_payload_size() == 120 && written == 3 && std::this_thread::get_id() == home;
  }
  {
    ClientContext context;
    auto call = stub.FullDuplexCall(context);
    StreamingOutputCallResponse response;
    int rounds = 0;
    for (int i = 0; i < kRounds; ++i) {
      if (!co_await call.Write(OutputRequest(1, 50))) break;
      if (!co_await call.Read(response)) break;
      rounds += response.payload().body().size() == 50 && std::this_thread::get_id() == home;
    }
    call.WritesDone();
    const bool more = co_await call.Read(response);
    const absl::Status status = co_await call.Finish();
    good += status.ok() && !more && rounds == kRounds && std::this_thread::get_id() == home;
  }
  co_return good;
}

// Runs `task` on `context`, from this thread: to its end when `stop`, otherwise until the context is out of work.
template <class T>
T RunOn(asio::io_context& context, Task<T> task, bool stop) {
  std::optional<T> result;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, T value) {
    EXPECT_EQ(thrown, nullptr);
    result = std::move(value);
    if (stop) context.stop();
  });
  context.run();
  EXPECT_TRUE(result.has_value()) << "the context ran out of work while a call was under way";
  return result.value_or(T());
}

TEST(Tokens, CoAwaitOnAForeignContextThatIsTheChannels) {
  interop::TestService service;
  Loopback loopback(service);
  asio::io_context context(1);
  {
    const absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(EventLoop::Of(context), loopback.address(), Impatient());
    ASSERT_TRUE(channel.ok());
    EXPECT_EQ(RunOn(context, CallAllKinds(Stub(*channel), std::this_thread::get_id()), true), 4);
    // The channel's connection is left as it is: suspended on a context that nobody runs any more.
  }
}

TEST(Tokens, CoAwaitOnAForeignContextWithAChannelElsewhere) {
  interop::TestService service;
  // These outlive the channel's thread, which may still be in asio::post when what it has posted is done.
  std::deque<asio::io_context> contexts(10);
  Loopback loopback(service);
  for (size_t i = 0; i < contexts.size(); ++i) {
    EXPECT_EQ(RunOn(contexts[i], CallAllKinds(loopback.stub(), std::this_thread::get_id()), i % 2 == 0), 4);
  }
}

TEST(Tokens, CoAwaitOnTheChannelsOwnLoop) {
  interop::TestService service;
  Loopback loopback(service);
  std::promise<std::thread::id> id;
  loopback.channel()->loop().Post([&] { id.set_value(std::this_thread::get_id()); });
  std::future<int> good = asio::co_spawn(loopback.channel()->loop().executor(), CallAllKinds(loopback.stub(), id.get_future().get()),
                                         asio::use_future);
  EXPECT_EQ(good.get(), 4);
}

TEST(Tokens, ServerAndClientOnOneForeignContext) {
  interop::TestService service;
  asio::io_context context(1);
  auto work = asio::make_work_guard(context);
  std::thread thread([&] { context.run(); });
  const std::thread::id home = thread.get_id();
  {
    ServerOptions options;
    options.loops = {&EventLoop::Of(context)};
    Server server(options);
    server.AddService(service);
    const absl::StatusOr<std::string> address = server.Listen("127.0.0.1:0");
    EXPECT_TRUE(address.ok()) << address.status();
    absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(EventLoop::Of(context), *address, Impatient());
    EXPECT_TRUE(channel.ok()) << channel.status();
    EXPECT_EQ(asio::co_spawn(context, CallAllKinds(Stub(*channel), home), asio::use_future).get(), 4);
  }
  work.reset();
  thread.join();
}

TEST(Tokens, CallbacksRunOnTheChannelsLoop) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext context;
  absl::Notification done;
  bool on_loop = false;
  absl::Status status;
  loopback.stub().EmptyCall(context, Empty(), [&](absl::StatusOr<Empty> response) {
    on_loop = loopback.channel()->loop().RunsHere();
    status = response.status();
    done.Notify();
  });
  ASSERT_TRUE(Came(done));
  EXPECT_OK(status);
  EXPECT_TRUE(on_loop);
}

TEST(Tokens, CallbacksMayStartTheNextCall) {
  interop::TestService service;
  Loopback loopback(service);
  absl::Notification done;
  int calls = 0;
  struct Chain {
    Loopback& loopback;
    int& calls;
    absl::Notification& done;
    std::unique_ptr<ClientContext> context = std::make_unique<ClientContext>();
    void operator()(const absl::StatusOr<Empty>& response) {
      if (!response.ok() || ++calls == 100) return done.Notify();
      context = std::make_unique<ClientContext>();
      ClientContext& next = *context;
      loopback.stub().EmptyCall(next, Empty(), std::move(*this));
    }
  };
  Chain chain{loopback, calls, done};
  ClientContext& first = *chain.context;
  loopback.stub().EmptyCall(first, Empty(), std::move(chain));
  ASSERT_TRUE(Came(done));
  EXPECT_EQ(calls, 100);
}

TEST(Tokens, WhatACallbackThrowsLeavesTheLoopAndNotTheConnection) {
  interop::TestService service;
  Loopback loopback(service);
  asio::io_context context(1);
  const auto channel = Channel::Create(EventLoop::Of(context), loopback.address(), Impatient());
  ASSERT_TRUE(channel.ok());
  const Stub stub(*channel);
  const Empty request;
  ClientContext first, second;
  stub.EmptyCall(first, request, [](const absl::StatusOr<Empty>&) { throw std::runtime_error("a user's"); });
  EXPECT_THROW(context.run(), std::runtime_error);
  std::optional<absl::Status> status;
  stub.EmptyCall(second, request, [&](const absl::StatusOr<Empty>& answer) { status = answer.status(); });
  while (!status) context.run_one();
  EXPECT_OK(*status);
}

// Reads, and throws when there is nothing more.
Task<void> ReadAndThrow(Stub stub) {
  ClientContext context;
  auto call = stub.StreamingOutputCall(context, OutputRequest(1, 10));
  StreamingOutputCallResponse response;
  while (co_await call.Read(response)) {
  }
  throw std::runtime_error("a user's");
}

TEST(Tokens, WhatACoroutineThrowsLeavesTheLoopAndNotTheConnection) {
  interop::TestService service;
  Loopback loopback(service);
  asio::io_context context(1);
  const auto channel = Channel::Create(EventLoop::Of(context), loopback.address(), Impatient());
  ASSERT_TRUE(channel.ok());
  const Stub stub(*channel);
  asio::co_spawn(context, ReadAndThrow(stub), [](std::exception_ptr thrown) { std::rethrow_exception(thrown); });
  EXPECT_THROW(context.run(), std::runtime_error);
  ClientContext second;
  std::optional<absl::Status> status;
  stub.EmptyCall(second, Empty(), [&](const absl::StatusOr<Empty>& answer) { status = answer.status(); });
  while (!status) context.run_one();
  EXPECT_OK(*status);
}

TEST(Tokens, WritesDoneLetsAWriteThatWaitsForRoomComplete) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext context;
  auto call = loopback.stub().FullDuplexCall(context);
  // Far more than any window: the service reads nothing while its own answer is not read.
  StreamingOutputCallRequest request = OutputRequest(1, 3000000);
  request.mutable_payload()->mutable_body()->assign(3000000, 'x');
  std::promise<bool> written;
  ASSERT_TRUE(call.Write(request, kBlock));
  call.Write(request, [&](bool sent) { written.set_value(sent); });
  call.WritesDone();
  EXPECT_TRUE(written.get_future().get());
  StreamingOutputCallResponse response;
  while (call.Read(response, kBlock)) {
  }
  EXPECT_OK(call.Finish(kBlock));
}

using FullDuplex = ClientStream<StreamingOutputCallRequest, StreamingOutputCallResponse>;

// The second Write waits: its service answers the first, which nobody reads, and reads nothing meanwhile. `waiting` tells of that.
Task<bool> WriteTwice(FullDuplex& call, absl::Notification& waiting) {
  StreamingOutputCallRequest request = OutputRequest(1, 3000000);
  request.mutable_payload()->mutable_body()->assign(3000000, 'x');
  const bool first = co_await call.Write(request);
  asio::post(co_await asio::this_coro::executor, [&] { waiting.Notify(); });
  const bool second = co_await call.Write(request);
  co_return first && second;
}

// A coroutine on the channel's own loop waits in another way than callbacks do.
TEST(Tokens, WritesDoneLetsACoroutinesWriteComplete) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext context;
  FullDuplex call = loopback.stub().FullDuplexCall(context);
  absl::Notification waiting;
  std::future<bool> written = asio::co_spawn(loopback.channel()->loop().executor(), WriteTwice(call, waiting), asio::use_future);
  ASSERT_TRUE(Came(waiting));
  call.WritesDone();
  EXPECT_TRUE(written.get());
  StreamingOutputCallResponse response;
  while (call.Read(response, kBlock)) {
  }
  EXPECT_OK(call.Finish(kBlock));
}

// The slot belongs to the awaiting thread, which cancels while the channel's thread completes.
TEST(Tokens, CancellingRacesWithCompletionOnAnotherThread) {
  interop::TestService service;
  Loopback loopback(service);
  asio::io_context context(1);
  const Stub stub = loopback.stub();
  for (int i = 0; i < 300; ++i) {
    context.restart();
    asio::cancellation_signal cancel;
    ClientContext call;
    const Empty request;
    bool over = false;
    stub.EmptyCall(call, request,
                   asio::bind_cancellation_slot(
                       cancel.slot(), asio::bind_executor(context.get_executor(), [&](const absl::StatusOr<Empty>&) { over = true; })));
    asio::post(context, [&] { cancel.emit(asio::cancellation_type::all); });
    context.run();
    EXPECT_TRUE(over);
  }
}

TEST(Tokens, CancelFromAnotherThreadIsNeverLost) {
  interop::TestService service;
  Loopback loopback(service);
  StreamingOutputCallRequest request = OutputRequest(1, 10);
  request.mutable_response_parameters(0)->set_interval_us(1000 * 1000 * 1000);
  for (int i = 0; i < 200; ++i) {
    ClientContext context;
    std::thread other([&] { context.Cancel(); });
    auto call = loopback.stub().StreamingOutputCall(context, request);
    EXPECT_EQ(call.Finish(kBlock).code(), absl::StatusCode::kCancelled);
    other.join();
  }
}

TEST(Tokens, CancelComesToNothingOnceTheChannelIsGone) {
  ClientContext context;
  {
    interop::TestService service;
    Loopback loopback(service);
    EXPECT_OK(loopback.stub().EmptyCall(context, Empty(), kBlock).status());
  }
  context.Cancel();
}

// The loop is the channel's own, and ends with it.
TEST(Tokens, AReadIsToldThatItsStreamAndChannelAreGone) {
  interop::TestService service;
  Loopback loopback(service);
  std::shared_ptr<Channel> channel = loopback.NewChannel();
  ClientContext context;
  std::optional<FullDuplex> call(Stub(channel).FullDuplexCall(context));
  StreamingOutputCallResponse response;
  bool read = true;
  absl::Notification done;
  EventLoop& loop = channel->loop();
  loop.Post([&, channel = std::move(channel)]() mutable {
    call->Read(response, [&](bool came) {
      read = came;
      done.Notify();
    });
    call.reset();
    channel.reset();
    // Were the loop stopped before it has completed the Read, it would be by now.
    for (int i = 0; i < 10000 && !loop.context().stopped(); ++i) std::this_thread::yield();
  });
  ASSERT_TRUE(Came(done));
  EXPECT_FALSE(read);
}

// Whether each step of a call runs on `strand`.
Task<bool> StaysOn(asio::strand<EventLoop::Executor> strand, Stub stub) {
  ClientContext context, second;
  bool on_it = (co_await stub.EmptyCall(context, Empty())).ok() && strand.running_in_this_thread();
  auto call = stub.StreamingOutputCall(second, OutputRequest(1, 10));
  StreamingOutputCallResponse response;
  on_it &= co_await call.Read(response) && strand.running_in_this_thread();
  on_it &= (co_await call.Finish()).ok() && strand.running_in_this_thread();
  co_return on_it;
}

TEST(Tokens, CoAwaitOnAStrandOfTheChannelsLoop) {
  interop::TestService service;
  Loopback loopback(service);
  const auto strand = asio::make_strand(loopback.channel()->loop().executor());
  EXPECT_TRUE(asio::co_spawn(strand, StaysOn(strand, loopback.stub()), asio::use_future).get());
}

Task<int> CountReads(ClientReader<StreamingOutputCallResponse>& call) {
  StreamingOutputCallResponse response;
  int count = 0;
  while (co_await call.Read(response)) ++count;
  co_return count;
}

// Queues something on the strand in each turn of the loop, so that whoever is resumed there has to wait.
void KeepBusy(EventLoop& loop, const asio::strand<EventLoop::Executor>& strand, const absl::Notification& until) {
  if (until.HasBeenNotified()) return;
  asio::post(strand, [] {});
  loop.Post([&loop, strand, &until] { KeepBusy(loop, strand, until); });
}

TEST(Tokens, FinishLeavesAReadOnABusyStrandWhatCame) {
  interop::TestService service;
  Loopback loopback(service);
  const Stub stub = loopback.stub();
  ClientContext context;
  std::optional<ClientReader<StreamingOutputCallResponse>> call;
  absl::Status status;
  int count = 0;
  absl::Notification read, finished;
  EventLoop& loop = loopback.channel()->loop();
  loop.Post([&] {
    const auto strand = asio::make_strand(loop.executor());
    call.emplace(stub.StreamingOutputCall(context, OutputRequest(3, 10)));
    asio::co_spawn(strand, CountReads(*call), [&](std::exception_ptr, int messages) {
      count = messages;
      read.Notify();
    });
    call->Finish([&](absl::Status outcome) {
      status = std::move(outcome);
      finished.Notify();
    });
    KeepBusy(loop, strand, read);
  });
  ASSERT_TRUE(Came(read));
  ASSERT_TRUE(Came(finished));
  EXPECT_EQ(count, 3);
  EXPECT_OK(status);
}

Task<int> WriteAfterMakingFinish(Stub stub) {
  ClientContext context;
  auto call = stub.StreamingInputCall(context);
  auto finish = call.Finish();
  static_cast<void>(co_await call.Write(InputRequest(40)));
  const absl::StatusOr<StreamingInputCallResponse> response = co_await std::move(finish);
  co_return response.ok() ? response->aggregated_payload_size() : -1;
}

TEST(Tokens, FinishEndsTheRequestsOnceItIsAwaited) {
  interop::TestService service;
  Loopback loopback(service);
  EXPECT_EQ(asio::co_spawn(loopback.channel()->loop().executor(), WriteAfterMakingFinish(loopback.stub()), asio::use_future).get(), 40);
}

TEST(Tokens, CallbacksRunOnTheExecutorTheyAreBoundTo) {
  interop::TestService service;
  Loopback loopback(service);
  asio::thread_pool pool(1);
  ClientContext context;
  absl::Notification done;
  bool in_pool = false;
  loopback.stub().EmptyCall(context, Empty(), asio::bind_executor(pool.get_executor(), [&](const absl::StatusOr<Empty>&) {
                              in_pool = pool.get_executor().running_in_this_thread();
                              done.Notify();
                            }));
  ASSERT_TRUE(Came(done));
  EXPECT_TRUE(in_pool);
  pool.join();
}

TEST(Tokens, Futures) {
  interop::TestService service;
  Loopback loopback(service);
  ClientContext contexts[10];
  std::vector<std::future<absl::StatusOr<SimpleResponse>>> responses;
  for (ClientContext& context : contexts) responses.push_back(loopback.stub().UnaryCall(context, UnaryRequest(10, 20), asio::use_future));
  for (auto& response : responses) EXPECT_EQ(response.get()->payload().body().size(), 20u);

  ClientContext context;
  auto call = loopback.stub().FullDuplexCall(context);
  StreamingOutputCallResponse response;
  std::future<bool> read = call.Read(response, asio::use_future);
  EXPECT_TRUE(call.Write(OutputRequest(1, 30), asio::use_future).get());
  EXPECT_TRUE(read.get());
  call.WritesDone();
  EXPECT_OK(call.Finish(asio::use_future).get());
}

TEST(Tokens, BlockingFromManyThreads) {
  interop::TestService service;
  ServerOptions options;
  options.threads = 2;
  Loopback loopback(service, options);
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) good += CallOnce(loopback.channel()).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
}

TEST(Tokens, ACancellationSlotCancelsTheCall) {
  WaitingService service;
  Loopback loopback(service);
  asio::cancellation_signal signal;
  ClientContext context;
  auto call = loopback.stub().StreamingOutputCall(context, StreamingOutputCallRequest());
  ASSERT_TRUE(Came(service.started));
  absl::Notification done;
  absl::Status status;
  // A slot is connected and emitted to on the loop: it has no lock.
  loopback.channel()->loop().Post([&] {
    call.Finish(asio::bind_cancellation_slot(signal.slot(), [&](absl::Status outcome) {
      status = std::move(outcome);
      done.Notify();
    }));
    loopback.channel()->loop().Post([&] { signal.emit(asio::cancellation_type::terminal); });
  });
  ASSERT_TRUE(Came(done));
  EXPECT_CODE(status, kCancelled);
  ASSERT_TRUE(Came(service.ended));
  EXPECT_TRUE(service.cancelled);
}

Task<int> RaceATimer(Stub stub) {
  using asio::experimental::awaitable_operators::operator||;
  ClientContext context;
  auto call = stub.StreamingOutputCall(context, StreamingOutputCallRequest());
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
  const auto winner = co_await (call.Finish() || timer.async_wait(asio::use_awaitable));
  co_return static_cast<int>(winner.index());
}

TEST(Tokens, AwaitingEitherTheCallOrATimerCancelsTheCall) {
  WaitingService service;
  Loopback loopback(service);
  EXPECT_OK(CallOnce(loopback.channel()));
  EXPECT_EQ(asio::co_spawn(loopback.channel()->loop().executor(), RaceATimer(loopback.stub()), asio::use_future).get(), 1);
  if (service.started.HasBeenNotified()) {
    ASSERT_TRUE(Came(service.ended));
    EXPECT_TRUE(service.cancelled);
  }
}

Task<bool> ReadOnce(FullDuplex& call, absl::Notification& waiting) {
  asio::post(co_await asio::this_coro::executor, [&] { waiting.Notify(); });
  StreamingOutputCallResponse response;
  const bool read = co_await call.Read(response);
  co_return read;
}

// Does `operation`, hearing of its cancellation from that alone, and then finishes the call.
Task<std::pair<bool, absl::Status>> Uninterrupted(FullDuplex& call, Task<bool> (*operation)(FullDuplex&, absl::Notification&),
                                                  absl::Notification& waiting) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  const bool succeeded = co_await operation(call, waiting);
  absl::Status status = co_await call.Finish();
  co_return std::pair(succeeded, std::move(status));
}

TEST(Tokens, CancellingACoroutineThatReadsOrWritesCancelsTheCall) {
  for (const auto operation : {&ReadOnce, &WriteTwice}) {
    for (const bool before : {false, true}) {  // before it waits: it does not begin to
      SCOPED_TRACE(testing::Message() << (operation == &ReadOnce ? "read " : "write ") << before);
      interop::TestService service;
      Loopback loopback(service);
      ClientContext context;
      FullDuplex call = loopback.stub().FullDuplexCall(context);
      asio::cancellation_signal signal;
      absl::Notification waiting, done;
      std::pair<bool, absl::Status> result;
      EventLoop& loop = loopback.channel()->loop();
      loop.Post([&] {
        asio::co_spawn(loop.executor(), Uninterrupted(call, operation, waiting),
                       asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown, std::pair<bool, absl::Status> answer) {
                         EXPECT_EQ(thrown, nullptr);
                         result = std::move(answer);
                         done.Notify();
                       }));
        if (before) signal.emit(asio::cancellation_type::terminal);
      });
      if (!before) {
        ASSERT_TRUE(Came(waiting));
        loop.Post([&] { signal.emit(asio::cancellation_type::terminal); });
      }
      ASSERT_TRUE(Came(done));
      EXPECT_FALSE(result.first);
      EXPECT_CODE(result.second, kCancelled);
    }
  }
}

}  // namespace
}  // namespace culvert::e2e
