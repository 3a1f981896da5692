#include "transport/base/waiter.h"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <memory>

#include "gtest/gtest.h"
#include "transport/base/task.h"

namespace culvert::base {
namespace {

Task<void> WaitTwice(Waiter& waiter, int& woken) {
  co_await waiter.Wait();
  ++woken;
  co_await waiter.Wait(asio::use_awaitable);  // the same, as any token is
  ++woken;
}

TEST(WaiterTest, WakeRunsTheWaiterBeforeItReturns) {
  asio::io_context context;
  Waiter waiter;
  int woken = 0, ended = 0;
  asio::co_spawn(context, WaitTwice(waiter, woken), [&](std::exception_ptr) { ++ended; });
  asio::post(context, [&] {
    EXPECT_TRUE(waiter.waiting());
    waiter.Wake();
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(waiter.waiting());  // again, from within
    waiter.Wake();
    EXPECT_EQ(woken, 2);
    EXPECT_FALSE(waiter.waiting());
    waiter.Wake();  // nobody is there
  });
  context.run();
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(ended, 1);
}

TEST(WaiterTest, AHandlerWithItsOwnExecutorRunsThere) {
  asio::io_context here, there;
  Waiter waiter;
  bool woken = false;
  waiter.Wait(asio::bind_executor(there.get_executor(), [&] { woken = true; }));
  asio::post(here, [&] { waiter.Wake(); });
  here.run();
  EXPECT_FALSE(woken);
  there.run();
  EXPECT_TRUE(woken);
}

TEST(WaiterTest, CancellationEndsTheWaitButNotFromWithinTheEmission) {
  asio::io_context context;
  Waiter waiter;
  asio::cancellation_signal signal;
  int woken = 0;
  waiter.Wait(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(context.get_executor(), [&] { ++woken; })));
  signal.emit(asio::cancellation_type::partial);
  EXPECT_EQ(woken, 0);
  EXPECT_FALSE(waiter.waiting());
  waiter.Wake();  // comes too late
  EXPECT_EQ(woken, 0);
  context.run();
  EXPECT_EQ(woken, 1);
}

TEST(WaiterTest, CancellationAfterTheWakeDoesNothing) {
  asio::io_context context;
  Waiter waiter;
  asio::cancellation_signal signal;
  int woken = 0;
  const auto wait = [&] {
    waiter.Wait(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(context.get_executor(), [&] { ++woken; })));
  };
  wait();
  waiter.Wake();
  signal.emit(asio::cancellation_type::terminal);
  context.run();
  EXPECT_EQ(woken, 1);
  wait();
  signal.emit(asio::cancellation_type::terminal);
  context.restart();
  context.run();
  EXPECT_EQ(woken, 2);
}

TEST(WaiterTest, TheWaiterMayDestroyIt) {
  asio::io_context context;
  auto waiter = std::make_unique<Waiter>();
  waiter->Wait(asio::bind_executor(context.get_executor(), [&] { waiter.reset(); }));
  asio::post(context, [&] { waiter->Wake(); });
  context.run();
  EXPECT_EQ(waiter, nullptr);
}

TEST(WaiterTest, DestroyingItDropsWhoWaits) {
  const auto held = std::make_shared<int>();
  {
    Waiter waiter;
    waiter.Wait([held] { FAIL() << "woken"; });
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

#ifndef NDEBUG
TEST(WaiterDeathTest, OneWaitAtATime) {
  Waiter waiter;
  waiter.Wait([] {});
  EXPECT_DEATH(waiter.Wait([] {}), "two waits at once");
}
#endif

}  // namespace
}  // namespace culvert::base
