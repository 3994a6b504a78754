// Every published golden tensor of every published integer network, against our golden model on
// what we import; and that an altered value is noticed where it stands.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "compiler/import/import.h"
#include "compiler/quantize/integer_network.h"
#include "explore/flow/golden_files.h"
#include "explore/flow/golden_text.h"
#include "sim/golden/golden.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

struct Published {
  Graph graph;
  std::vector<GoldenFile> files;
  std::vector<Tensor> values;  // our golden model's
  NamedTensors tensors;
  double golden_seconds = 0;
};

std::set<fs::path> folders() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const fs::path root = fs::path(shared != nullptr ? shared : "../shared") / "networks" / "pulp";
  std::set<fs::path> result;
  if (!fs::exists(root)) return result;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory()) result.insert(entry.path());
  }
  return result;
}

fs::path either(const fs::path& folder, const char* one, const char* other) {
  return fs::exists(folder / one) ? folder / one : folder / other;
}

Published load(const fs::path& folder) {
  const Graph imported = import_model(either(folder, "model_int.onnx", "network.onnx"));
  const IntegerInput input =
      read_integer_input(either(folder, "input.txt", "inputs.npz"), imported);
  for (const std::string& note : input.notes) std::cout << note << "\n";
  Published result{.graph = integer_network(imported, input.tensors)};
  result.files = read_golden_folder(folder, result.graph);
  const auto begin = std::chrono::steady_clock::now();
  result.values = golden::run(result.graph, input.tensors);
  result.golden_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    result.tensors[result.graph.values[i].name] = result.values[i];
  }
  return result;
}

// Every file altered at one place: each must be a mismatch of one value, and nothing else one.
void expect_alterations_noticed(Published& published) {
  for (std::size_t f = 0; f < published.files.size(); ++f) {
    Tensor& tensor = published.files[f].tensor;
    const std::int64_t at = tensor.size() / 2;
    tensor.mutable_values<std::int64_t>()[static_cast<std::size_t>(at)] += 1;
    const auto one =
        compare({published.files[f]}, published.graph, published.tensors, published.values);
    EXPECT_EQ(one[0].mismatches, 1) << one[0].value;
    EXPECT_EQ(one[0].first, at) << one[0].value;
  }
}

TEST(PulpGolden, every_published_tensor_is_reproduced) {
  if (folders().empty()) GTEST_SKIP() << "no networks/pulp under WORKBENCH_SHARED or ../shared";
  for (const fs::path& folder : folders()) {
    SCOPED_TRACE(folder.filename().string());
    std::cout << folder.filename().string() << "\n";
    Published published;
    ASSERT_NO_THROW(published = load(folder));
    EXPECT_FALSE(published.files.empty());
    for (const GoldenFile& file : published.files) std::cout << "  " << mapping_line(file) << "\n";
    const auto differences =
        compare(published.files, published.graph, published.tensors, published.values);
    for (const Difference& one : differences) {
      EXPECT_EQ(one.mismatches, 0)
          << one.value << ": first at " << one.first << ", expected " << one.expected << ", got "
          << one.got << "; " << one.mismatches << " of " << one.values;
    }
    std::cout << "  golden model: " << published.golden_seconds << " s\n";
    expect_alterations_noticed(published);
  }
}

}  // namespace
}  // namespace workbench
