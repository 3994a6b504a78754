// Hostile TensorFlow Lite files: small models with bytes changed, through import, quantization and
// compilation. Each ends in a program or in an Error of one line (run it under the sanitizers of
// the `dev` preset too).
#include <gtest/gtest.h>

#include <random>

#include "compiler/import/tflite_integers.h"
#include "core/error.h"
#include "explore/flow/pipeline.h"
#include "tests/support/tflite_model.h"

namespace workbench::test {
namespace {

constexpr int kCases = 3000;
constexpr std::uint64_t kSeed = 20261123;

std::string damaged(std::string bytes, std::mt19937_64& random) {
  const std::size_t times = 1 + random() % 4;
  for (std::size_t i = 0; i < times; ++i) {
    const std::size_t at = 8 + random() % (bytes.size() - 8);  // the identifier stays
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] + (random() % 2 == 0 ? 1 : -1));
        break;
      case 2:
        bytes[at] = static_cast<char>(random() % 2 == 0 ? 0 : 0xFF);
        break;
      case 3:
        if (random() % 8 == 0) bytes.resize(at + 1);
        break;
    }
  }
  return bytes;
}

// Whether it could be compiled.
bool compile_or_error(const std::filesystem::path& path, const std::string& machine) {
  try {
    CompileRequest request{.model = {.name = path.string()}, .machine = find_machine_file(machine)};
    request.calibration_cache = "none";
    compile_network(request);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return false;
  }
}

bool import_or_error(const std::filesystem::path& path) {
  try {
    EXPECT_TRUE(verify(import_model(path)).empty());
    return true;
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with(path.string() + ": ")) << text;
    return false;
  }
}

// In the file's own integers, on inputs that are all 1.
bool evaluate_or_error(const std::filesystem::path& path) {
  try {
    const Graph interface = tflite_interface(path);
    std::vector<Tensor> inputs;
    for (const ValueId id : interface.inputs) {
      const Value& input = interface.value(id);
      if (element_count(input.shape) > (1 << 20)) return false;
      const auto count = static_cast<std::size_t>(element_count(input.shape));
      inputs.push_back(Tensor::from<float>(input.shape, std::vector<float>(count, 1.0F)));
    }
    evaluate_tflite(path, inputs, true);
    return true;
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with(path.string() + ": ")) << text;
    return false;
  }
}

TEST(TfliteFuzz, seeds_compile) {
  const TemporaryFolder folder;
  for (const bool codes : {false, true}) {
    const auto path = folder.write("net.tflite", small_tflite(codes));
    EXPECT_TRUE(compile_or_error(path, "gap8"));
    EXPECT_TRUE(compile_or_error(path, "v3_96"));
  }
}

TEST(TfliteFuzz, damaged_bytes_compile_or_end_in_one_line) {
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  const TemporaryFolder folder;
  const std::string seeds[] = {small_tflite(false), small_tflite(true)};
  int imported = 0, evaluated = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    const auto path = folder.write("net.tflite", damaged(seeds[random() % 2], random));
    evaluated += evaluate_or_error(path) ? 1 : 0;
    if (!import_or_error(path)) continue;
    ++imported;
    // Compiling takes longer than importing: one file in ten.
    if (imported % 10 == 0) compile_or_error(path, imported % 20 == 0 ? "gap8" : "v3_96");
  }
  EXPECT_GT(imported, kCases / 20);  // the damage must reach deep into the importer
  EXPECT_LT(imported, kCases * 19 / 20);
  EXPECT_GT(evaluated, kCases / 40);
}

}  // namespace
}  // namespace workbench::test
