// Real networks from outside: each imports, and evaluates to something finite that is not constant.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

namespace fs = std::filesystem;

std::set<fs::path> models() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const fs::path folder =
      fs::path(shared != nullptr ? shared : "../shared") / "networks" / "models";
  std::set<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".onnx") files.insert(entry.path());
  }
  return files;
}

TEST(ImportNetworks, every_shared_model_imports_and_evaluates) {
  const std::set<fs::path> files = models();
  if (files.empty()) GTEST_SKIP() << "no models under WORKBENCH_SHARED or ../shared";
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    const Graph graph = import_model(file);
    std::mt19937_64 random(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<Tensor> inputs;
    for (const ValueId id : graph.inputs) {
      Tensor tensor = Tensor::uninitialized(ElementType::Float32, graph.value(id).shape);
      std::ranges::generate(tensor.mutable_values<float>(), [&] { return uniform(random); });
      inputs.push_back(tensor);
    }
    for (const Tensor& output : evaluate(graph, inputs)) {
      const std::vector<float> values = floats_of(output);
      EXPECT_TRUE(std::ranges::all_of(values, [](float v) { return std::isfinite(v); }));
      const auto [low, high] = std::ranges::minmax(values);
      EXPECT_LT(low, high);
    }
  }
}

}  // namespace
}  // namespace workbench::test
