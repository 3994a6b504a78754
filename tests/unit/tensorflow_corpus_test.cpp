// Frozen graphs that others have published, against outputs recorded from another implementation
// (corpus/tf of WORKBENCH_SHARED): every file with references is imported and agrees.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "data/arrays.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

fs::path corpus() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return fs::path(shared != nullptr ? shared : "../shared") / "corpus" / "tf";
}

std::set<fs::path> folders_with_references() {
  std::set<fs::path> folders;
  if (!fs::exists(corpus())) return folders;
  for (const auto& entry : fs::directory_iterator(corpus())) {
    if (fs::exists(entry.path() / "ref.json")) folders.insert(entry.path());
  }
  return folders;
}

fs::path graph_in(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".pb") return entry.path();
  }
  return {};
}

double relative_error(const Tensor& found, const Tensor& expected) {
  double largest = 0;
  double difference = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double a = found.values<float>()[at];
    const double b = expected.values<float>()[at];
    largest = std::max(largest, std::fabs(b));
    difference = std::max(difference, std::fabs(a - b));
  }
  return difference / std::max(largest, 1e-30);
}

void check(const fs::path& folder) {
  const auto reference = nlohmann::json::parse(std::ifstream(folder / "ref.json"));
  std::map<std::string, Tensor> given;
  ImportOptions options;
  int index = 0;
  for (const std::string name : reference.at("inputs")) {
    given[name] = read_npy(folder / ("ref_in_" + std::to_string(index++) + ".npy"));
    options.input_shapes[name] = given[name].shape();
  }
  const Graph graph = import_model(graph_in(folder), options);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) inputs.push_back(given.at(graph.value(id).name));
  const std::vector<Tensor> outputs = evaluate(graph, inputs);
  index = 0;
  for (const std::string name : reference.at("outputs")) {
    const Tensor expected = read_npy(folder / ("ref_out_" + std::to_string(index++) + ".npy"));
    const auto found = std::ranges::find_if(
        graph.outputs, [&](ValueId id) { return graph.value(id).name == name; });
    ASSERT_NE(found, graph.outputs.end()) << name;
    const Tensor& output = outputs[static_cast<std::size_t>(found - graph.outputs.begin())];
    ASSERT_EQ(output.shape(), expected.shape()) << name;
    EXPECT_LE(relative_error(output, expected), 1e-4) << name;
  }
}

TEST(TensorflowCorpus, every_graph_with_references_agrees_with_them) {
  const std::set<fs::path> folders = folders_with_references();
  if (folders.empty()) GTEST_SKIP() << corpus() << " is not there (WORKBENCH_SHARED)";
  for (const fs::path& folder : folders) {
    SCOPED_TRACE(folder);
    try {
      check(folder);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

}  // namespace
}  // namespace workbench
