#include "transport/base/log.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::base {
namespace {

TEST(LogTest, ALineSaysWhoSpeaks) {
  testing::internal::CaptureStderr();
  LogLine("something happened");
  LogLine("");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "culvert: something happened\nculvert: \n");
}

TEST(LogTest, LinesOfSeveralThreadsStayWhole) {
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (const char c : {'a', 'b', 'c', 'd'}) {
    threads.emplace_back([c] {
      for (int i = 0; i < 100; ++i) LogLine(std::string(200, c));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::string text = testing::internal::GetCapturedStderr();
  const size_t line = std::string("culvert: ").size() + 200 + 1;
  ASSERT_EQ(text.size(), 400 * line);
  for (size_t i = 0; i < text.size(); i += line) EXPECT_EQ(text.substr(i, line), "culvert: " + std::string(200, text[i + 9]) + "\n");
}

// The topics are read once for a process, so each list has one of its own.
int ExitCode(const char* topics) {
  ::setenv("CULVERT_DEBUG", topics, 1);
  return (DebugEnabled(Topic::kFrames) ? 1 : 0) + (DebugEnabled(Topic::kConnections) ? 2 : 0);
}

TEST(LogDeathTest, TopicsAreAListOfWholeWords) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const struct {
    const char* topics;
    int enabled;
  } cases[] = {{"", 0}, {"frames", 1}, {"connections", 2}, {"frames,connections", 3}, {"x,frames,", 1}, {"frame", 0}, {"frames2", 0}, {"FRAMES", 0}};
  for (const auto& [topics, enabled] : cases) {
    EXPECT_EXIT(std::_Exit(ExitCode(topics)), testing::ExitedWithCode(enabled), "") << topics;
  }
}

}  // namespace
}  // namespace culvert::base
