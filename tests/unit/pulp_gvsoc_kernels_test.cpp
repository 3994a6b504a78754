// The model of configs/pulp_open_2026.yaml against kernel calls that GVSoC ran, with and without
// conflicts at the banks and misses of the instruction cache (docs/facts/pulp.md 1.9.9). Bench
// pulp_gvsoc prints every call.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tests/support/gvsoc_kernels.h"

namespace workbench::pulp {
namespace {

std::filesystem::path file() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : "../shared") / "networks" / "pulp" /
         "gvsoc_kernels.json";
}

// Contention differs by so much from run to run (docs/facts/pulp.md 1.9.4), of short calls by more.
double most(const MeasuredCall& call) { return call.cycles < 3000 ? 0.25 : 0.12; }

double error(std::int64_t modelled, std::int64_t measured) {
  return std::abs(static_cast<double>(modelled) / static_cast<double>(measured) - 1);
}

TEST(PulpGvsocKernels, take_as_long_as_measured) {
  if (!std::filesystem::exists(file())) {
    GTEST_SKIP() << "networks/pulp is not under WORKBENCH_SHARED or ../shared";
  }
  const Machine machine = load_machine("configs/pulp_open_2026.yaml");
  std::map<std::string, std::vector<double>> errors;  // by variant
  for (const MeasuredCall& call : measured_calls(file())) {
    const ModelledCall model = modelled(call, machine);
    const std::string variant =
        std::string(call.conflicts ? "bank" : "base") + (call.misses ? "" : "big");
    errors[variant].push_back(error(model.warm, call.cycles));
    EXPECT_LT(errors[variant].back(), most(call)) << call.text << " " << variant;
    if (!call.cold) continue;
    errors[variant + " cold"].push_back(error(model.cold, *call.cold));
    EXPECT_LT(errors[variant + " cold"].back(), most(call))
        << call.text << " " << variant << " cold";
  }
  EXPECT_EQ(errors.size(), 8U);
  for (auto& [variant, list] : errors) {
    std::sort(list.begin(), list.end());
    EXPECT_LT(list[list.size() / 2], 0.05) << variant;
  }
}

}  // namespace
}  // namespace workbench::pulp
