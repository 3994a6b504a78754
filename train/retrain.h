// `workbench retrain` as a function: a network is quantized by a scheme, its thresholds and weights
// are trained through the quantizers (TQT, docs/facts/quantization.md 1), and what comes of it is
// the description that `quantize` writes, with other numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image_set.h"
#include "explore/flow/quantization.h"
#include "train/trainer.h"

namespace workbench::train {

enum class Loss {
  Labels,   // cross-entropy with the classes of the images
  Distill,  // with what the float network says of them
  Both,     // with the mean of the two
};

// As --loss has it.
std::string_view name_of(Loss loss);

struct RetrainRequest {
  CompileRequest network;
  ImageRequest calibration;  // no path: 32 of the training images
  std::filesystem::path preprocessing;
  PreprocessingOptions preprocessing_steps;
  ImageRequest lessons;
  std::optional<ImageRequest> validation;  // chooses the best look; none: a tenth of the lessons
  std::optional<ImageRequest> test;        // scored at the end, chooses nothing
  Loss loss = Loss::Distill;
  Schedule schedule;
  std::filesystem::path checkpoint;
  std::size_t golden_images = 1;  // whose codes are compared with the golden model
  std::string device = "cpu";
  int threads = 0;
};

// What the float network, the scheme without training and what was trained make of some images.
struct Scores {
  std::int64_t images = 0;
  bool labelled = true;  // false: top-1 is agreement with the float network
  Look floats, unchanged, best;
};

struct Retrained {
  Quantized network;  // as quantize_network() gives it, of the best look
  Loss loss = Loss::Distill;
  std::int64_t images = 0, steps = 0, batch = 0;
  bool held_out = false;  // the validation images are training images that were not trained with
  Scores validation;
  std::optional<Scores> test;
  bool improved = true;  // false: nothing was better than the scheme without training
  Trainable what;
  State state;
  // Codes of activations of the trained graph in libtorch against the golden model's of the
  // target's integers.
  std::int64_t compared_codes = 0, differing_codes = 0;
  std::string first_difference;  // the first value in the network that has one; empty: none
  std::vector<std::string> warnings;
};

using RetrainProgress = std::function<void(const std::string& stage, double fraction)>;

// Throws Error for whatever the user's files or options get wrong.
Retrained retrain(const RetrainRequest& request, const RetrainProgress& progress);

// The trained graph's codes of one image against the golden model's, by value name.
struct CodeComparison {
  std::int64_t codes = 0, differing = 0;
  std::string first;  // in graph order the first value that differs
};
CodeComparison compare_codes(const TorchNetwork& network, const Parameters& parameters,
                             const Graph& integers, const Tensor& image);

std::string to_text(const Retrained& retrained);
std::string to_json(const Retrained& retrained);

}  // namespace workbench::train
