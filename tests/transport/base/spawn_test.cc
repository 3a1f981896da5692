#include "transport/base/spawn.h"

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "transport/base/task.h"
#include "transport/base/waiter.h"

namespace culvert::base {
namespace {

// Runs `start` on the thread of a loop, and the loop until nothing is left.
template <class F>
void OnLoop(asio::io_context& context, F start) {
  asio::post(context, std::move(start));
  context.run();
}

Task<int> Add(int a, int b) { co_return a + b; }

Task<std::string> AwaitOthers(Waiter& waiter) {
  const int sum = co_await Add(1, 2);
  co_await waiter.Wait();
  const int more = co_await Add(sum, 4);
  co_return std::to_string(more);
}

TEST(SpawnTest, TheResultOfATaskThatNeverWaits) {
  asio::io_context context;
  std::optional<int> result;
  OnLoop(context, [&] {
    Spawn(context.get_executor(), Add(3, 4), [&](std::exception_ptr thrown, int sum) {
      EXPECT_EQ(thrown, nullptr);
      result = sum;
    });
  });
  EXPECT_EQ(result, 7);
}

TEST(SpawnTest, TheResultOfATaskThatWaits) {
  asio::io_context context;
  Waiter waiter;
  std::optional<std::string> result;
  OnLoop(context, [&] {
    Spawn(context.get_executor(), AwaitOthers(waiter), [&](std::exception_ptr thrown, std::string text) {
      EXPECT_EQ(thrown, nullptr);
      result = std::move(text);
    });
    EXPECT_TRUE(waiter.waiting());
    EXPECT_FALSE(result.has_value());
    waiter.Wake();
  });
  EXPECT_EQ(result, "7");
}

Task<int> Throw(Waiter* waiter) {
  if (waiter != nullptr) co_await waiter->Wait();
  throw std::runtime_error("as asked");
}

TEST(SpawnTest, WhatATaskThrowsIsToldWithAnEmptyResult) {
  asio::io_context context;
  Waiter waiter;
  int told = 0;
  const auto done = [&](std::exception_ptr thrown, int result) {
    ++told;
    EXPECT_EQ(result, 0);
    EXPECT_THROW(std::rethrow_exception(thrown), std::runtime_error);
  };
  OnLoop(context, [&] {
    Spawn(context.get_executor(), Throw(nullptr), done);
    Spawn(context.get_executor(), Throw(&waiter), done);
    waiter.Wake();
  });
  EXPECT_EQ(told, 2);
}

Task<void> Nothing() { co_return; }
Task<void> ThrowNothing() {
  co_await Nothing();
  throw std::runtime_error("as asked");
}

TEST(SpawnTest, ATaskWithoutAResult) {
  asio::io_context context;
  int ended = 0, thrown = 0;
  OnLoop(context, [&] {
    Spawn(context.get_executor(), Nothing(), [&](std::exception_ptr error) { error == nullptr ? ++ended : ++thrown; });
    Spawn(context.get_executor(), ThrowNothing(), [&](std::exception_ptr error) { error == nullptr ? ++ended : ++thrown; });
  });
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(thrown, 1);
}

// What it is told by each of the things it awaits after it was cancelled.
Task<std::string> HearOfCancellation(asio::io_context& context, Waiter& waiter) {
  std::string heard;
  asio::steady_timer timer(context, std::chrono::hours(1));
  auto [error] = co_await timer.async_wait(kTuple);
  heard += error == asio::error::operation_aborted ? "timer ended, " : "timer ran, ";
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  heard += state.cancelled() == asio::cancellation_type::terminal ? "terminal, " : "not told, ";
  heard += std::to_string(co_await Add(1, 1));  // does not throw
  asio::post(context, [&waiter] { waiter.Wake(); });
  co_await waiter.Wait();  // the signal was then: this waits
  co_return heard;
}

TEST(SpawnTest, CancellationEndsWhatIsAwaitedAndThrowsNothing) {
  asio::io_context context;
  asio::cancellation_signal signal;
  Waiter waiter;
  std::optional<std::string> result;
  OnLoop(context, [&] {
    Spawn(
        context.get_executor(), HearOfCancellation(context, waiter),
        [&](std::exception_ptr thrown, std::string heard) {
          EXPECT_EQ(thrown, nullptr);
          result = std::move(heard);
        },
        signal.slot());
    asio::post(context, [&] { signal.emit(asio::cancellation_type::terminal); });
  });
  EXPECT_EQ(result, "timer ended, terminal, 2");
}

Task<int> WaitOnce(Waiter& waiter) {
  co_await waiter.Wait();
  co_return 1;
}

TEST(SpawnTest, CancellationEndsAWaiterFromTheLoop) {
  asio::io_context context;
  asio::cancellation_signal signal;
  Waiter waiter;
  int ended = 0;
  OnLoop(context, [&] {
    Spawn(context.get_executor(), WaitOnce(waiter), [&](std::exception_ptr, int result) { ended += result; }, signal.slot());
    signal.emit(asio::cancellation_type::terminal);
    EXPECT_EQ(ended, 0);
    EXPECT_FALSE(waiter.waiting());
  });
  EXPECT_EQ(ended, 1);
}

TEST(SpawnTest, DoneMayDestroyWhateverTheTaskWorkedOnTheSignalIncluded) {
  struct Call {
    Waiter waiter;
    asio::cancellation_signal signal;
  };
  asio::io_context context;
  auto call = std::make_unique<Call>();
  OnLoop(context, [&] {
    Spawn(context.get_executor(), WaitOnce(call->waiter), [&](std::exception_ptr, int) { call.reset(); }, call->signal.slot());
    call->waiter.Wake();
  });
  EXPECT_EQ(call, nullptr);
}

TEST(SpawnTest, WhoIsLeftWhenTheLoopEndsIsDroppedWithoutACall) {
  const auto held = std::make_shared<int>();
  {
    asio::io_context context;
    Waiter waiter;
    asio::post(context, [&] {
      Spawn(context.get_executor(), WaitOnce(waiter), [held](std::exception_ptr, int) { FAIL() << "told"; });
    });
    context.poll();  // co_spawn would keep run() going
    EXPECT_TRUE(waiter.waiting());
    EXPECT_GT(held.use_count(), 1);
  }
  EXPECT_EQ(held.use_count(), 1);
}

Task<void> SuspendOnce(asio::any_io_executor& seen, std::exception_ptr& none) {
  co_await Suspend([&](auto resume) {
    seen = asio::get_associated_executor(resume);
    asio::post(seen, std::move(resume));
  });
  none = nullptr;
}

TEST(SuspendTest, TheHandlerKnowsTheTasksExecutor) {
  asio::io_context context;
  asio::any_io_executor seen;
  std::exception_ptr left = std::make_exception_ptr(0);
  bool ended = false;
  OnLoop(context, [&] { Spawn(context.get_executor(), SuspendOnce(seen, left), [&](std::exception_ptr) { ended = true; }); });
  EXPECT_TRUE(ended);
  EXPECT_EQ(left, nullptr);
  EXPECT_EQ(seen, asio::any_io_executor(context.get_executor()));
}

}  // namespace
}  // namespace culvert::base
