#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace workbench {
namespace {

TEST(ParallelFor, calls_the_body_once_for_every_index) {
  for (const int threads : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> calls(100);
    parallel_for(100, threads, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelFor, of_nothing_calls_nothing) {
  parallel_for(0, 4, [](std::int64_t) { FAIL(); });
}

TEST(ParallelFor, rethrows_the_exception_of_the_lowest_index) {
  for (const int threads : {1, 2, 4}) {
    std::string message;
    try {
      parallel_for(50, threads, [](std::int64_t i) {
        if (i % 10 == 3) throw std::runtime_error(std::to_string(i));
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    EXPECT_EQ(message, "3") << threads << " threads";
  }
}

}  // namespace
}  // namespace workbench
