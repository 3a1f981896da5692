#include "transport/io/event_loop.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "gtest/gtest.h"

namespace culvert {
namespace {

using io::Timer;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(EventLoopTest, AContextHasOneLoop) {
  asio::io_context a, b;
  EXPECT_EQ(&EventLoop::Of(a), &EventLoop::Of(a));
  EXPECT_NE(&EventLoop::Of(a), &EventLoop::Of(b));
  EXPECT_EQ(&EventLoop::Of(a).context(), &a);
}

TEST(EventLoopTest, PostedWorkRunsOnTheLoopLater) {
  asio::io_context context;
  EventLoop& loop = EventLoop::Of(context);
  bool ran = false;
  loop.Post([&] {
    ran = true;
    EXPECT_TRUE(loop.RunsHere());
  });
  EXPECT_FALSE(ran);
  EXPECT_FALSE(loop.RunsHere());
  context.run();
  EXPECT_TRUE(ran);
}

struct Stamp {
  static void Run(void* self) {
    auto* stamp = static_cast<Stamp*>(self);
    stamp->at = Timer::Clock::now();
    stamp->order = (*stamp->count)++;
  }
  explicit Stamp(EventLoop& loop, int* count) : count(count), timer(loop.timers(), &Run, this) {}
  int* count;
  std::optional<Timer::Clock::time_point> at;
  int order = -1;
  Timer timer;
};

TEST(EventLoopTest, TimersRunNoEarlierThanAskedAndInOrder) {
  asio::io_context context;
  EventLoop& loop = EventLoop::Of(context);
  int count = 0;
  Stamp late(loop, &count), early(loop, &count), never(loop, &count);
  const auto now = Timer::Clock::now();
  late.timer.Start(now + milliseconds(4));
  early.timer.Start(now + milliseconds(2));  // the loop's one timer moves forward
  never.timer.Start(now + milliseconds(3));
  never.timer.Cancel();
  context.run();
  EXPECT_EQ(early.order, 0);
  EXPECT_EQ(late.order, 1);
  EXPECT_GE(*early.at, now + milliseconds(2));
  EXPECT_GE(*late.at, now + milliseconds(4));
  EXPECT_FALSE(never.at.has_value());
}

TEST(EventLoopTest, ATimerInThePastRunsInTheNextTurn) {
  asio::io_context context;
  EventLoop& loop = EventLoop::Of(context);
  int count = 0;
  Stamp stamp(loop, &count);
  stamp.timer.Start(Timer::Clock::time_point::min());
  EXPECT_FALSE(stamp.at.has_value());
  context.run();
  EXPECT_TRUE(stamp.at.has_value());
}

// Such as deadlines of calls that were in time: who brought the context may wait for its end.
TEST(EventLoopTest, ATimerThatWasCancelledDoesNotKeepTheContextRunning) {
  asio::io_context context;
  EventLoop& loop = EventLoop::Of(context);
  int count = 0;
  std::optional<Stamp> first(std::in_place, loop, &count), second(std::in_place, loop, &count);
  loop.Post([&] {
    first->timer.Start(Timer::Clock::now() + std::chrono::hours(1));
    second->timer.Start(Timer::Clock::now() + std::chrono::hours(2));
    loop.Post([&] {
      first->timer.Cancel();
      second.reset();
    });
  });
  context.run_for(seconds(30));
  EXPECT_TRUE(context.stopped()) << "it still waits";
  EXPECT_EQ(count, 0);
  // And the loop goes on: what is started next runs in time.
  first->timer.Start(Timer::Clock::now() + milliseconds(1));
  context.restart();
  context.run_for(seconds(30));
  EXPECT_EQ(count, 1);
}

// What a queued handler owns may use the loop's buffers and timers to the last.
TEST(EventLoopTest, TheLoopOutlivesWhatIsQueuedOnIt) {
  struct Owner {
    explicit Owner(EventLoop& loop) : loop(loop), block(loop.blocks().TakeSmall()), timer(loop.timers(), [](void*) {}, nullptr) {
      timer.Start(Timer::Clock::now() + seconds(100));
    }
    ~Owner() {
      timer.Start(Timer::Clock::now());
      loop.blocks().GiveSmall(std::move(block));
    }
    EventLoop& loop;
    io::BlockPool::Block block;
    Timer timer;
  };
  asio::io_context context;
  EventLoop& loop = EventLoop::Of(context);
  loop.Post([owner = std::make_unique<Owner>(loop)] { FAIL() << "the context never ran"; });
}

TEST(EventLoopThreadsTest, EachLoopRunsOnAThreadOfItsOwn) {
  EventLoopThreads threads(3);
  ASSERT_EQ(threads.size(), 3u);
  std::set<std::thread::id> ids;
  for (size_t i = 0; i < threads.size(); ++i) {
    std::promise<std::thread::id> id;
    threads[i].Post([&] { id.set_value(std::this_thread::get_id()); });
    ids.insert(id.get_future().get());
    EXPECT_FALSE(threads[i].RunsHere());
  }
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids.count(std::this_thread::get_id()), 0u);
}

TEST(EventLoopThreadsTest, TimersRunOnIdleLoops) {
  std::promise<void> ran;
  EventLoopThreads threads(1);
  std::unique_ptr<Timer> timer;
  threads[0].Post([&] {
    timer = std::make_unique<Timer>(threads[0].timers(), [](void* p) { static_cast<std::promise<void>*>(p)->set_value(); }, &ran);
    timer->Start(Timer::Clock::now() + milliseconds(1));
  });
  EXPECT_EQ(ran.get_future().wait_for(seconds(30)), std::future_status::ready);
  std::promise<void> gone;
  threads[0].Post([&] {
    timer.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

TEST(EventLoopThreadsTest, StopDropsWhatHasNotRun) {
  const auto held = std::make_shared<int>();
  {
    EventLoopThreads threads(1);
    std::promise<void> stopped;
    std::promise<void> ran;
    threads[0].Post([&, stop = stopped.get_future().share()] {
      ran.set_value();
      stop.wait();
    });
    ran.get_future().wait();  // the loop is busy
    threads[0].Post([held] { ADD_FAILURE() << "ran after Stop"; });
    threads.Stop();
    threads.Stop();
    stopped.set_value();
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace culvert
