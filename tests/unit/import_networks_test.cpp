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

// Files of other people's exporters that need an operator or a condition which the importer did not
// know when this list was made; all others of the corpus import.
constexpr std::string_view kNeedsMore[] = {
    "bodypix_mbv1_050_s16",
    "burn_opset_21",
    "burn_opset_23",
    "deeploy_cct_fp32_opset20",
    "deeploy_tinyvit_demo",
    "espcn_subpixel_quant",
    "factorio_mnist_quant",
    "finn_cybsec_mlp",
    "gap_mnist_gru",
    "gesture_keypoint",
    "light_zfnet512",
    "netkit_convnextv2_block",
    "ort_lr_mnist_sklearn",
    "quantlab_icct",
    "selfie_landscape",
    "superres_tutorial",
    "ten_vad",
    "winml_fns_candy",
};

TEST(ImportNetworks, files_of_the_corpus_import_or_are_refused_in_one_line) {
  const std::set<fs::path> files = models(shared_folder() / "corpus" / "onnx");
  if (files.empty()) GTEST_SKIP() << "no corpus under WORKBENCH_SHARED or ../shared";
  for (const fs::path& file : files) {
    SCOPED_TRACE(file);
    const std::string folder = file.parent_path().filename();
    const bool may_be_refused = std::ranges::find(kNeedsMore, folder) != std::end(kNeedsMore);
    try {
      EXPECT_TRUE(verify(import_model(file)).empty());
    } catch (const Error& error) {
      const std::string_view text = error.what();
      EXPECT_TRUE(may_be_refused) << text;
      EXPECT_TRUE(text.starts_with(file.string() + ": ")) << text;
      EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
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
