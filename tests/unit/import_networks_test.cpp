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

fs::path shared_folder() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return shared != nullptr ? shared : "../shared";
}

std::set<fs::path> models(const fs::path& folder) {
  std::set<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".onnx") files.insert(entry.path());
  }
  return files;
}

TEST(ImportNetworks, every_shared_model_imports_and_evaluates) {
  const std::set<fs::path> files = models(shared_folder() / "networks" / "models");
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

// Files of other people's exporters. Those that cannot be imported, and why.
constexpr std::pair<std::string_view, std::string_view> kRefused[] = {
    {"burn_opset_21", "(If): input 0 (cond): expected a constant"},
    {"burn_opset_23", "(If): input 0 (cond): expected a constant"},
    {"ort_lr_mnist_sklearn", "operator of domain 'ai.onnx.ml' is not supported"},
};

std::string_view reason_to_refuse(const fs::path& file) {
  for (const auto& [folder, reason] : kRefused) {
    if (file.parent_path().filename() == folder) return reason;
  }
  return {};
}

TEST(ImportNetworks, files_of_the_corpus_import_or_name_their_obstacles) {
  const std::set<fs::path> files = models(shared_folder() / "corpus" / "onnx");
  if (files.empty()) GTEST_SKIP() << "no corpus under WORKBENCH_SHARED or ../shared";
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    const std::string_view reason = reason_to_refuse(file);
    try {
      EXPECT_TRUE(verify(import_model(file)).empty());
      EXPECT_EQ(reason, "");
    } catch (const Error& error) {
      const std::string_view text = error.what();
      EXPECT_FALSE(reason.empty()) << text;
      EXPECT_NE(text.find(reason), std::string_view::npos) << text;
    }
  }
}

TEST(ImportNetworks, a_file_of_the_corpus_gives_its_recorded_output) {
  const fs::path folder = shared_folder() / "corpus" / "onnx" / "mnist_cntk_qonnx";
  if (!fs::exists(folder)) GTEST_SKIP() << "no corpus under WORKBENCH_SHARED or ../shared";
  const std::vector<Tensor> inputs{read_tensor_proto(folder / "input_0.pb")};
  const std::vector<float> found =
      floats_of(evaluate(import_model(folder / "model.onnx"), inputs)[0]);
  const std::vector<float> expected = floats_of(read_tensor_proto(folder / "output_0.pb"));
  ASSERT_EQ(found.size(), expected.size());
  const float largest =
      std::abs(*std::ranges::max_element(expected, {}, [](float v) { return std::abs(v); }));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-4F * largest);
  }
}

}  // namespace
}  // namespace workbench::test
