// `workbench accuracy` as a function: the float network and the integer one over a set of labelled
// images, image after image, and what each layer has to do with the difference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/image_set.h"
#include "explore/flow/quantization.h"
#include "explore/flow/signal_to_noise.h"

namespace workbench {

// A fraction of the images, and its 95 % interval by Wilson's score method.
struct Proportion {
  double value = 0, low = 0, high = 0;
};
Proportion proportion(std::int64_t count, std::int64_t of);

// Top-1 of the integer network less that of the float network, on the same images. The interval is
// a paired one of 95 %: Agresti and Min's (2005), Wald's on the discordant pairs with half an image
// added to each cell of the table, which holds for few discordant pairs, too. `p_value`: exact
// two-sided binomial test of the discordant pairs (McNemar).
struct PairedDifference {
  double value = 0, low = 0, high = 0, p_value = 1;
  std::int64_t only_float = 0, only_integer = 0;  // images that one of the two gets right
};
PairedDifference paired_difference(std::int64_t only_float, std::int64_t only_integer,
                                   std::int64_t images);

struct TopScores {
  Proportion top1, top5;
};

// What to try, and why.
struct Advice {
  std::string cause;   // "channel range ratio 120 of the weights"
  std::string remedy;  // "weights per channel, or equalization"
};

// A layer whose result or weights are codes. Sums run over all images. Decibels are 10 log10 of
// signal over noise, both sums of squares; infinite without noise, 0 without signal.
struct LayerAccuracy {
  std::string name, op;             // of the node; "Quantize" for the network's input
  std::string value;                // name of its result in the float network
  std::string format;               // "int8, threshold 6"
  std::int64_t macs = 0;            // 0: it has no weights
  bool weights_per_channel = true;  // their scales
  std::int64_t values = 0;          // compared
  double sqnr_db = 0;               // the integers against the float network
  // The layer's own noise: against the layer computed in float on the integers' operands.
  double own_sqnr_db = 0;
  // Inherited noise: the float layer on the integers' operands, as if only this layer were exact.
  double inherited_sqnr_db = 0;
  double clipped = 0;  // fraction of the values that lie beyond the last code
  // Largest magnitude of a channel over the median one; 0: has no weights, fewer than two channels,
  // or a median of 0.
  double weight_range_ratio = 0, activation_range_ratio = 0;
  std::int64_t channels = 0, constant_channels = 0;  // in the float network, over these images
  std::int64_t prunable_channels = 0;                // constant ones that have weights
  // Of the noise it adds, what rounding to the steps of its codes explains; the rest is its weights
  // and what it clips.
  double rounding_share = 0;
  bool dead = false;  // all zero in the float network
  // Signed, of the sums of products with their bias: the largest on these images, and the bound
  // over any input; 0: the layer has none, or the target no accumulator.
  int accumulator_bits_used = 0, accumulator_bits_bound = 0;
  double threshold = 0;          // of its codes: what the last positive one stands for
  MagnitudeHistogram histogram;  // of |x| over the calibration set; no counts: not known
  std::vector<Advice> advice;
};

struct AccuracyReport {
  std::string network, target, scheme, machine;  // machine: its name, empty without one
  std::string image_set;
  std::int64_t images = 0, classes = 0, calibration_images = 0;
  TopScores in_float, in_integer;
  Proportion agreement;  // the best class is the same
  PairedDifference difference;
  std::vector<LayerAccuracy> layers;  // in graph order
  std::vector<std::size_t> by_cost;   // of `layers`, least own_sqnr_db first
  int accumulator_bits = 0;           // of the hardware; 0: no hardware
  std::int64_t golden_images = 0;     // compared with the golden model, value by value, ...
  std::int64_t golden_values = 0;
  std::int64_t golden_mismatches = 0;  // ... of which this many were different
  std::int64_t hazards = 0;            // that the simulator found
  std::vector<std::string> notes, warnings;

  bool passed() const { return golden_mismatches == 0 && hazards == 0; }  // the exit code
};

struct MeasureOptions {
  std::size_t golden_images = 1;
  bool layers = true;  // false: only the classes, in a fraction of the time
};

// Classes of the network's first output. Throws Error for a network of several inputs or whose
// first output is no classifier's: [1, C] or [1, C, 1, 1].
std::int64_t classes_of(const Graph& graph);
// Throws Error for a set without labels.
void require_labels(const ImageSet& set);

// `network` with everything kept, compiled as `request` says. Throws Error for no image, no labels
// or labels beyond the classes, a network that the machine cannot run.
AccuracyReport measure_accuracy(const Quantized& network, const ImageSet& scored,
                                const MeasureOptions& options = {},
                                const CompileRequest& request = {}, const Progress& progress = {});

// All that `workbench accuracy` is asked.
struct AccuracyRequest {
  CompileRequest network;
  // path, labels, preprocessing, ...; input_shape and classes are found here. `selection.size`: at
  // most that many are scored.
  ImageRequest images;
  // Images to calibrate with; an empty path: `calibration.selection.size` (32 if 0) seeded ones of
  // `images`, which are then not scored.
  ImageRequest calibration;
  std::filesystem::path preprocessing;       // empty: MODEL.preprocess.yaml, if there
  PreprocessingOptions preprocessing_steps;  // override the file's
  MeasureOptions measure;
};

struct Accuracy {
  Quantized network;
  AccuracyReport report;
};
Accuracy run_accuracy(const AccuracyRequest& request, const Progress& progress = {});

}  // namespace workbench
