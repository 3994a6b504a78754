// Caffe networks as others trained and published them, against what OpenCV computes on the same
// input (corpus/caffe of WORKBENCH_SHARED: ref_in_K.npy, ref_out_K.npy, ref.json). Skips where they
// are not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "data/arrays.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;  // of the largest magnitude

std::vector<fs::path> folders() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const fs::path corpus = fs::path(shared != nullptr ? shared : "../shared") / "corpus/caffe";
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(corpus, none)) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path network_of(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".prototxt") return entry.path();
  }
  return {};
}

// The output of that name, or of the layer of that name.
std::optional<std::size_t> output_named(const Graph& graph, const std::string& name) {
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    if (graph.value(graph.outputs[i]).name == name) return i;
    for (const Node& node : graph.nodes) {
      if (node.name == name && node.outputs[0] == graph.outputs[i]) return i;
    }
  }
  return std::nullopt;
}

double relative_error(const Tensor& found, const Tensor& expected) {
  double error = 0, magnitude = 1e-30;
  for (std::size_t i = 0; i < expected.values<float>().size(); ++i) {
    const double e = expected.values<float>()[i];
    error = std::max(error, std::abs(found.values<float>()[i] - e));
    magnitude = std::max(magnitude, std::abs(e));
  }
  return error / magnitude;
}

void expect_references(const fs::path& folder, const Graph& graph) {
  const auto names = nlohmann::json::parse(read_file(folder / "ref.json")).at("outputs");
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    inputs.push_back(read_npy(folder / fmt::format("ref_in_{}.npy", i)));
    ASSERT_EQ(inputs.back().shape(), graph.value(graph.inputs[i]).shape);
  }
  const std::vector<Tensor> outputs = evaluate(graph, inputs);
  for (std::size_t k = 0; k < names.size(); ++k) {
    const auto name = names[k].get<std::string>();
    const std::optional<std::size_t> which = output_named(graph, name);
    ASSERT_TRUE(which.has_value()) << name;
    const Tensor expected = read_npy(folder / fmt::format("ref_out_{}.npy", k));
    ASSERT_EQ(outputs[*which].size(), expected.size()) << name;
    EXPECT_LE(relative_error(outputs[*which], expected), kTolerance) << name;
  }
}

// Every network imports, with its weights where they are there.
TEST(CaffeCorpus, networks_compute_what_opencv_does) {
  const std::vector<fs::path> all = folders();
  if (all.empty()) GTEST_SKIP() << "corpus/caffe is not under WORKBENCH_SHARED or ../shared";
  int compared = 0;
  for (const fs::path& folder : all) {
    SCOPED_TRACE(folder.filename().string());
    try {
      const Graph graph = import_model(network_of(folder));
      if (!fs::exists(folder / "ref.json")) continue;
      expect_references(folder, graph);
      ++compared;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace workbench
