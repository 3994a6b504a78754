// Seeds of property tests: the same in every run of the tests, others in long runs by hand.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace workbench {

inline bool has_usual_seeds() { return std::getenv("WORKBENCH_SEED") == nullptr; }

// `usual`, or another one for each number in WORKBENCH_SEED.
inline std::uint64_t seed_of(std::uint64_t usual) {
  const char* number = std::getenv("WORKBENCH_SEED");
  return number == nullptr ? usual : usual + 1'000'003 * std::strtoull(number, nullptr, 10);
}

}  // namespace workbench
