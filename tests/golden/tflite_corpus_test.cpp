// Published TensorFlow Lite files (corpus/tflite of WORKBENCH_SHARED) against the TensorFlow Lite
// interpreter's results: float to 1e-4 of the largest value, codes to a few steps. Prints a line
// per file; `ref.json` beside each says which interpreter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "compiler/import/tflite/reference.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "explore/flow/float_evaluation.h"
#include "tests/support/real_models.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> arrays(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> files;
  for (std::size_t i = 0; fs::exists(folder / fmt::format("{}_{}.npy", prefix, i)); ++i) {
    files.push_back(folder / fmt::format("{}_{}.npy", prefix, i));
  }
  return files;
}

std::vector<fs::path> models() {
  std::vector<fs::path> files;
  const fs::path folder = shared_folder() / "corpus/tflite";
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".tflite" &&
        fs::exists(entry.path().parent_path() / "ref_in_0.npy")) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

// Files whose network is no function of its inputs alone.
bool keeps_state(const std::string& error) {
  return error.find("keeps state from one call to the next") != std::string::npos;
}

TEST(TfliteCorpus, results_are_the_interpreters) {
  const std::vector<fs::path> files = models();
  if (files.empty()) GTEST_SKIP() << "corpus/tflite is not there (WORKBENCH_SHARED)";
  std::size_t compared = 0;
  for (const fs::path& path : files) {
    SCOPED_TRACE(path.string());
    const fs::path folder = path.parent_path();
    // Activations of 16 bits are real numbers here: the arrays' codes have no scale to be read by.
    if (read_npy(folder / "ref_in_0.npy").type() == ElementType::Int16) continue;
    try {
      const Evaluation result = evaluate_network({.model = {.name = path.string()},
                                                  .inputs = arrays(folder, "ref_in"),
                                                  .expected = arrays(folder, "ref_out")});
      ++compared;
      for (const Evaluation::Comparison& one : result.comparisons) {
        const auto& [difference, relative, step] = one;
        fmt::print("{} {}: relative {:.1e}, {} codes, {} of {} values off by more\n",
                   folder.filename().string(), difference.value, relative,
                   step > 0 ? std::lround(difference.largest_error / step) : 0,
                   difference.mismatches, difference.values);
        // Of codes one value in twenty may be off by more than one: layers add up.
        EXPECT_LE(difference.mismatches, step > 0 ? difference.values / 20 : 0);
      }
    } catch (const Error& error) {
      EXPECT_TRUE(keeps_state(error.what())) << error.what();
    }
  }
  EXPECT_GE(compared * 10, files.size() * 9);
}

// Layers that XNNPACK computes round once; the interpreter's own kernels, which compute depthwise
// layers of some shapes, round twice: files of both kinds are off by some codes either way.
TEST(TfliteCorpus, reference_arithmetic_is_the_interpreters) {
  using importer::tflite::Rescaling;
  const std::vector<fs::path> files = models();
  if (files.empty()) GTEST_SKIP() << "corpus/tflite is not there (WORKBENCH_SHARED)";
  constexpr std::string_view kExact[] = {"mlperf_ad_int8", "mlperf_ic_int8", "mlperf_kws_int8",
                                         "mlperf_streaming_ww", "coral_mobilenet_v1_025"};
  for (const fs::path& path : files) {
    SCOPED_TRACE(path.string());
    const fs::path folder = path.parent_path();
    const std::string bytes = read_file(path);
    const importer::tflite::File file = importer::tflite::read_file(bytes);
    std::vector<Tensor> inputs, expected;
    for (const fs::path& array : arrays(folder, "ref_in")) inputs.push_back(read_npy(array));
    for (const fs::path& array : arrays(folder, "ref_out")) expected.push_back(read_npy(array));
    if (inputs.size() != file.inputs.size() || expected.size() != file.outputs.size()) continue;
    std::map<Rescaling, std::size_t> different;
    std::size_t values = 0;
    try {
      for (const Rescaling how : {Rescaling::RoundsOnce, Rescaling::RoundsTwice}) {
        const std::vector<Tensor> results = importer::tflite::evaluate_reference(file, inputs, how);
        for (std::size_t i = 0; i < results.size(); ++i) {
          const std::vector<double> got = numbers(results[i]), wanted = numbers(expected[i]);
          ASSERT_EQ(got.size(), wanted.size());
          for (std::size_t k = 0; k < got.size(); ++k) different[how] += got[k] != wanted[k];
          values += how == Rescaling::RoundsOnce ? got.size() : 0;
        }
      }
    } catch (const Error&) {
      continue;  // float, or an operator without a reference
    }
    const std::string name = folder.filename().string();
    fmt::print("{}: of {} codes {} differ rounded once, {} rounded twice\n", name, values,
               different[Rescaling::RoundsOnce], different[Rescaling::RoundsTwice]);
    const std::size_t least =
        std::min(different[Rescaling::RoundsOnce], different[Rescaling::RoundsTwice]);
    EXPECT_LE(least, values / 8);
    if (std::ranges::find(kExact, name) != std::end(kExact)) {
      EXPECT_EQ(different[Rescaling::RoundsOnce], 0U);
    }
  }
}

}  // namespace
}  // namespace workbench
