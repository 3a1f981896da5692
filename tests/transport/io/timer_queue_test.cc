#include "transport/io/timer_queue.h"

#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::io {
namespace {

using Clock = Timer::Clock;
using std::chrono::milliseconds;

class TimerQueueTest : public testing::Test {
 protected:
  static Clock::time_point At(int ms) { return Clock::time_point() + milliseconds(ms); }

  // What the loop was told, or nothing since the last call.
  std::optional<Clock::time_point> Told() { return std::exchange(told_, std::nullopt); }

  std::optional<Clock::time_point> told_;
  TimerQueue queue_{[](void* self, Clock::time_point earliest) { static_cast<TimerQueueTest*>(self)->told_ = earliest; }, this};
};

// Writes down when it runs.
struct Recorder {
  Recorder(TimerQueue& queue, int name, std::vector<int>& log)
      : name(name), log(log), timer(queue, [](void* self) { static_cast<Recorder*>(self)->Run(); }, this) {}
  void Run() {
    log.push_back(name);
    if (then) then(*this);
  }
  int name;
  std::vector<int>& log;
  void (*then)(Recorder&) = nullptr;
  Recorder* other = nullptr;
  Timer timer;
};

TEST_F(TimerQueueTest, RunsWhatIsDueInOrderOfTime) {
  std::vector<int> log;
  Recorder a(queue_, 1, log), b(queue_, 2, log), c(queue_, 3, log);
  a.timer.Start(At(30));
  b.timer.Start(At(10));
  c.timer.Start(At(20));
  EXPECT_EQ(queue_.earliest(), At(10));
  queue_.RunDue(At(9));
  EXPECT_TRUE(log.empty());
  queue_.RunDue(At(20));
  EXPECT_EQ(log, (std::vector<int>{2, 3}));
  EXPECT_FALSE(b.timer.running());
  EXPECT_TRUE(a.timer.running());
  queue_.RunDue(At(100));
  EXPECT_EQ(log, (std::vector<int>{2, 3, 1}));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(TimerQueueTest, TheLoopIsToldOnlyOfAnEarlierTime) {
  std::vector<int> log;
  Recorder a(queue_, 1, log), b(queue_, 2, log), c(queue_, 3, log);
  a.timer.Start(At(20));
  EXPECT_EQ(Told(), At(20));
  b.timer.Start(At(30));
  EXPECT_EQ(Told(), std::nullopt);
  c.timer.Start(At(20));
  EXPECT_EQ(Told(), std::nullopt);
  b.timer.Start(At(10));
  EXPECT_EQ(Told(), At(10));
}

TEST_F(TimerQueueTest, TheLoopIsToldWhenTheLastTimerIsCancelled) {
  std::vector<int> log;
  Recorder a(queue_, 1, log), b(queue_, 2, log);
  a.timer.Start(At(10));
  b.timer.Start(At(20));
  Told();
  a.timer.Cancel();
  EXPECT_EQ(Told(), std::nullopt);
  b.timer.Start(At(30));  // moved, not cancelled
  EXPECT_EQ(Told(), At(30));
  b.timer.Cancel();
  EXPECT_EQ(Told(), Clock::time_point::max());
  b.timer.Cancel();
  EXPECT_EQ(Told(), std::nullopt);
}

TEST_F(TimerQueueTest, StartingAgainMovesATimer) {
  std::vector<int> log;
  Recorder a(queue_, 1, log);
  a.timer.Start(At(10));
  a.timer.Start(At(30));
  EXPECT_EQ(a.timer.when(), At(30));
  queue_.RunDue(At(20));
  EXPECT_TRUE(log.empty());
  queue_.RunDue(At(30));
  EXPECT_EQ(log.size(), 1u);
}

TEST_F(TimerQueueTest, ACancelledOrDestroyedTimerDoesNotRun) {
  std::vector<int> log;
  Recorder a(queue_, 1, log);
  a.timer.Start(At(10));
  a.timer.Cancel();
  a.timer.Cancel();
  {
    Recorder b(queue_, 2, log);
    b.timer.Start(At(10));
  }
  EXPECT_TRUE(queue_.empty());
  queue_.RunDue(At(20));
  EXPECT_TRUE(log.empty());
}

TEST_F(TimerQueueTest, ACallbackMayStartItsTimerAgain) {
  std::vector<int> log;
  Recorder a(queue_, 1, log);
  a.then = [](Recorder& self) { self.timer.Start(self.timer.when() + milliseconds(10)); };
  a.timer.Start(At(10));
  queue_.RunDue(At(35));  // those that come due meanwhile included
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(a.timer.when(), At(40));
}

TEST_F(TimerQueueTest, ACallbackMayCancelAnotherThatIsDue) {
  std::vector<int> log;
  Recorder a(queue_, 1, log), b(queue_, 2, log);
  a.other = &b;
  a.then = [](Recorder& self) { self.other->timer.Cancel(); };
  a.timer.Start(At(10));
  b.timer.Start(At(10) + milliseconds(1));
  queue_.RunDue(At(20));
  EXPECT_EQ(log, std::vector<int>{1});
}

TEST_F(TimerQueueTest, ACallbackMayDestroyItsTimer) {
  std::vector<int> log;
  auto* a = new Recorder(queue_, 1, log);
  a->then = [](Recorder& self) { delete &self; };
  a->timer.Start(At(10));
  queue_.RunDue(At(10));
  EXPECT_EQ(log.size(), 1u);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(TimerQueueTest, ManyTimersStartedMovedAndCancelledAtRandomRunInOrder) {
  std::vector<int> log;
  std::vector<std::unique_ptr<Recorder>> timers;
  std::minstd_rand random(1);
  for (int i = 0; i < 500; ++i) timers.push_back(std::make_unique<Recorder>(queue_, i, log));
  for (int i = 0; i < 5000; ++i) {
    Recorder& one = *timers[random() % timers.size()];
    if (random() % 4 == 0) {
      one.timer.Cancel();
    } else {
      one.timer.Start(At(static_cast<int>(random() % 1000)));
    }
  }
  size_t running = 0;
  for (const auto& one : timers) running += one->timer.running() ? 1 : 0;
  queue_.RunDue(At(1000));
  EXPECT_EQ(log.size(), running);
  for (size_t i = 1; i < log.size(); ++i) {
    EXPECT_LE(timers[static_cast<size_t>(log[i - 1])]->timer.when(), timers[static_cast<size_t>(log[i])]->timer.when());
  }
}

}  // namespace
}  // namespace culvert::io
