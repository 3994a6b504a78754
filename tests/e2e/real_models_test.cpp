// Trained networks on real photos: what a user gets who calibrates on some photos and runs others.
// Prints one line per labelled model; WORKBENCH_IMAGES=N scores N photos instead of a sample.
#include "tests/support/real_models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>
#include <random>

#include "compiler/import/import.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/image.h"
#include "data/image_set.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSample = 64;
constexpr std::uint64_t kSeed = 1;

enum class PhotoSet { Imagenet, Cifar, Mnist };

// Bounds in percent and points of percent, measured on all photos and rounded outwards.
struct RealModel {
  const char* name;
  const char* path;  // under networks/models, without .onnx
  PhotoSet photos;
  double top1;         // float, on all photos, by another evaluator (PROVENANCE.txt); 0: not known
  double max_loss;     // of top-1, by going to int8
  double agreement;    // at least, photos whose best class is the same in both
  double noise_floor;  // dB, of every layer on one photo

  friend std::ostream& operator<<(std::ostream& out, const RealModel& model) {
    return out << model.name;
  }
};

// Where int8 loses more than 2 points, the published thresholds (J divergence) cut off the largest
// logits: with the thresholds of the logits alone at max|x|, SqueezeNet has 58.8 % (float 59.0,
// here 56.6) and MobileNet 52.4 % (float 57.9, here 48.1). The low floor of MobileNet is its last
// pointwise layer, which turns 19 dB of noise into 8 dB even when it is computed in float.
constexpr RealModel kModels[] = {
    {"mnist_cnn", "mnist_cnn/mnist", PhotoSet::Mnist, 98.7, 0.5, 99, 20},
    {"resnet8", "resnet8_cifar10/resnet8_cifar10", PhotoSet::Cifar, 88.1, 1.5, 97, 15},
    {"resnet20", "resnet20_cifar10/resnet20_cifar10", PhotoSet::Cifar, 91.5, 1, 98, 15},
    {"squeezenet1.1", "squeezenet1.1/squeezenet1.1_fp32_from_fp16", PhotoSet::Imagenet, 0, 3, 82,
     10},
    {"mobilenet_v1_0.25", "mobilenet_v1_0.25_224/mobilenet_v1_0.25_224", PhotoSet::Imagenet, 0, 11,
     70, 6},
};

// `begin` <= row < `end`, shuffled.
ImageSet select(const ImageSet& images, std::size_t begin, std::size_t end) {
  std::vector<std::size_t> rows(end - begin);
  std::iota(rows.begin(), rows.end(), begin);
  std::mt19937_64 random(kSeed);
  std::shuffle(rows.begin(), rows.end(), random);
  return subset(images, rows);
}

ImageSet open(const fs::path& path, const Preprocessing& steps) {
  return open_images({.path = path, .input_shape = shape_after(steps), .preprocessing = steps});
}

Photos photos_for(const RealModel& model) {
  const fs::path images = shared_folder() / "images";
  const Preprocessing steps = real_model_preprocessing(model.path);
  switch (model.photos) {
    case PhotoSet::Imagenet: {
      // One photo per class, so that those which calibrate are classes that are not scored.
      const ImageSet all = open(images / "imagenet500_256", steps);
      const ImageSet shuffled = select(all, 0, all.names.size());
      std::vector<std::size_t> rows(all.names.size());
      std::iota(rows.begin(), rows.end(), std::size_t{0});
      const auto cut = rows.begin() + kCalibrationImages;
      return {subset(shuffled, {rows.begin(), cut}), subset(shuffled, {cut, rows.end()})};
    }
    case PhotoSet::Cifar: {
      const fs::path folder = images / "cifar10_lossless";  // batch 0: training, batch 50: test
      return {select(open(folder / "cifar10_batch_0.png", steps), 0, 1000),
              select(open(folder / "cifar10_batch_50.png", steps), 0, 1000)};
    }
    case PhotoSet::Mnist: {
      const ImageSet all = open(images / "mnist_t10k/t10k-images-idx3-ubyte.gz", steps);
      return {select(all, 1000, all.names.size()), select(all, 0, 1000)};
    }
  }
  fail("no such photos");
}

// The first `count` images as one array, as a user would save them.
fs::path write_batch(const ImageSet& images, std::size_t count, const fs::path& file) {
  std::vector<float> values;
  Shape shape;
  for (std::size_t i = 0; i < count; ++i) {
    const Tensor image = images.samples.at(i).at(0);
    const auto pixels = image.values<float>();
    values.insert(values.end(), pixels.begin(), pixels.end());
    shape = image.shape();
  }
  shape.at(0) = static_cast<std::int64_t>(count);
  write_file(file, npy_bytes(Tensor::from<float>(shape, values)));
  return file;
}

Compiled compile(const fs::path& model, const ImageSet& calibration, const ImageSet& scored) {
  const TemporaryFolder folder;
  return compile_network({.model = {.name = model.string()},
                          .machine = find_machine_file("v3_96"),
                          .data = {.calibration = write_batch(calibration, kCalibrationImages,
                                                              folder.path() / "calibration.npy"),
                                   .input = write_batch(scored, 1, folder.path() / "input.npy")}});
}

// Everything that can be said of one photo: every value golden, no hazard, little noise.
void expect_exact(const Compiled& compiled, double noise_floor) {
  const SimulatedNetwork run = run_network(compiled);
  ASSERT_TRUE(run.result.verdict.has_value());
  EXPECT_EQ(run.result.verdict->mismatches, 0);
  EXPECT_GT(run.result.verdict->values_compared, 0);
  EXPECT_EQ(run.result.hazards.size(), 0U);
  EXPECT_FALSE(run.result.signal_to_noise.empty());
  for (const LayerSignalToNoise& layer : run.result.signal_to_noise) {
    EXPECT_GE(layer.decibel, noise_floor) << layer.name;
  }
}

Score score(const Graph& imported, const Compiled& compiled, const ImageSet& photos) {
  Score score;
  const std::size_t count = std::min(images_to_score(kSample), photos.names.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::vector<Tensor> input = photos.samples.at(i);
    const auto run =
        xdnn::simulate(compiled.xdnn_program(), compiled.xdnn_machine(), input, {.collect = false});
    EXPECT_EQ(run.hazards.size(), 0U) << photos.names[i];
    score.add(best_class(evaluate(imported, input).at(0)), best_class(run.outputs.at(0)),
              photos.labels[i]);
  }
  return score;
}

class LabelledModel : public testing::TestWithParam<RealModel> {};

TEST_P(LabelledModel, classifies_photos_in_int8_as_it_does_in_float) {
  const RealModel& model = GetParam();
  const fs::path file = real_model(model.path);
  if (!fs::exists(file)) GTEST_SKIP() << kNoRealModels;
  const Photos data = photos_for(model);
  const Compiled compiled = compile(file, data.calibration, data.scored);
  expect_exact(compiled, model.noise_floor);
  const Score result = score(import_model(file), compiled, data.scored);
  ASSERT_GT(result.images, 0U) << "WORKBENCH_IMAGES: expected a number of photos";
  const double in_float = result.float_top1(), in_integer = result.integer_top1();
  fmt::print("model {} {}\n", model.name, result.text());
  if (model.top1 > 0 && result.images == 1000) {
    EXPECT_NEAR(in_float, model.top1, 0.11);
  }
  // A rate over N photos strays from that over all of them by sqrt(0.25 / N) at most, one
  // deviation.
  const double stray = 50 / std::sqrt(static_cast<double>(result.images));
  EXPECT_GE(in_integer, in_float - model.max_loss - stray);
  EXPECT_GE(result.agreement(), model.agreement - stray);
}

std::string test_name(const testing::TestParamInfo<RealModel>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Real, LabelledModel, testing::ValuesIn(kModels), test_name);

TEST(UnlabelledModel, googlenet_runs_exactly_and_quietly) {
  const std::string path = "googlenet_v1_to_4c/googlenet_v1_without_lrn_to_4c";
  const fs::path file = real_model(path);
  if (!fs::exists(file)) GTEST_SKIP() << kNoRealModels;
  const ImageSet photos =
      open(shared_folder() / "images/imagenet500_256", real_model_preprocessing(path));
  const std::size_t half = photos.names.size() / 2;
  const Compiled compiled =
      compile(file, select(photos, 0, half), select(photos, half, photos.names.size()));
  expect_exact(compiled, kSignalToNoiseFloorDb);
}

}  // namespace
}  // namespace workbench
