// Published int8 files (corpus/tflite of WORKBENCH_SHARED) on GAP8, simulated: for the recorded
// input the codes that come out are those of the reference kernels with single rounding
// (docs/facts/tflite.md 3), for noise but for a few: sums next to a tie, and Softmax, which is real
// arithmetic on the host. Prints a line per file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "compiler/import/tflite/reference.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "explore/flow/float_evaluation.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "tests/support/real_models.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;
using importer::tflite::File;
using importer::tflite::Rescaling;

constexpr int kInputs = 3;

// One seeded array of codes in the file's order.
Tensor random_codes(const Shape& shape, std::mt19937_64& random) {
  std::vector<std::int8_t> codes(static_cast<std::size_t>(element_count(shape)));
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(random() % 256);
  return Tensor::from<std::int8_t>(shape, codes);
}

// What the machine gives for the codes, as codes of the file's output.
std::vector<double> simulated_codes(const fs::path& model, const File& file, const Tensor& codes,
                                    const fs::path& folder) {
  const fs::path array = folder / "codes.npy", reals = folder / "reals.npy";
  write_file(array, npy_bytes(codes));
  const Evaluation evaluation =
      evaluate_network({.model = {.name = model.string()}, .inputs = {array}});
  write_file(reals, npy_bytes(evaluation.inputs.at(0).second));
  CompileRequest request;
  request.model.name = model.string();
  request.machine = find_machine_file("gap8");
  request.data.input = reals;
  const Compiled compiled = compile_network(request);
  const SimulatedNetwork run = run_network(compiled);
  EXPECT_TRUE(run.result.verdict && run.result.verdict->bit_exact());
  const auto& scales = *file.tensor(file.outputs.at(0)).scales;
  std::vector<double> result;
  for (const double real : numbers(run.outputs.at(0))) {
    const double code = std::round(real / static_cast<double>(scales.scales[0])) +
                        static_cast<double>(scales.zero_points[0]);
    result.push_back(std::clamp(code, -128.0, 127.0));
  }
  return result;
}

std::size_t differing(const std::vector<double>& got, const Tensor& expected) {
  const std::vector<double> wanted = numbers(expected);
  EXPECT_EQ(got.size(), wanted.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) count += got[i] != wanted[i];
  return count;
}

class TfliteIntegers : public testing::TestWithParam<const char*> {};

TEST_P(TfliteIntegers, are_those_of_the_file) {
  const fs::path model = shared_folder() / "corpus/tflite" / GetParam();
  if (!fs::exists(model)) GTEST_SKIP() << model << " is not here (WORKBENCH_SHARED)";
  const TemporaryFolder folder;
  const std::string bytes = read_file(model);
  const File file = importer::tflite::read_file(bytes);
  std::mt19937_64 random(7);
  std::vector<Tensor> inputs;
  const fs::path recorded = model.parent_path() / "ref_in_0.npy";
  if (fs::exists(recorded)) inputs.push_back(read_npy(recorded));
  while (inputs.size() < kInputs) {
    inputs.push_back(random_codes(file.tensor(file.inputs.at(0)).shape, random));
  }
  std::size_t values = 0, once = 0, twice = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& codes = inputs[i];
    const std::vector<double> got = simulated_codes(model, file, codes, folder.path());
    const auto reference = [&](Rescaling how) {
      return importer::tflite::evaluate_reference(file, {codes}, how).at(0);
    };
    values += got.size();
    const std::size_t here = differing(got, reference(Rescaling::RoundsOnce));
    if (i == 0 && fs::exists(recorded)) {
      EXPECT_EQ(here, 0U);
    }
    once += here;
    twice += differing(got, reference(Rescaling::RoundsTwice));
  }
  fmt::print("{}: of {} codes {} differ from single rounding, {} from double rounding\n",
             model.parent_path().filename().string(), values, once, twice);
  EXPECT_LE(once, values / 10 + 2);
}

INSTANTIATE_TEST_SUITE_P(MlperfTiny, TfliteIntegers,
                         testing::Values("mlperf_ic_int8/pretrainedResnet_quant.tflite",
                                         "mlperf_kws_int8/kws_ref_model.tflite",
                                         "mlperf_ad_int8/ad01_int8.tflite",
                                         "mlperf_streaming_ww/str_ww_ref_model.tflite",
                                         "tflm_person_detect/person_detect.tflite"));

}  // namespace
}  // namespace workbench
