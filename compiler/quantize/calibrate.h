// Activation thresholds from calibration data (xdnn.md 3.7), and where that data comes from.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

using Thresholds = std::map<std::string, double>;  // value name -> threshold, > 0

// Threshold of one value from all its calibration samples by J divergence (xdnn.md 3.7), exactly
// as published, including the early exits. 0 when max|x| is ~0.
double j_divergence_threshold(std::span<const std::span<const float>> samples, int bits);

// Runs the float network on each sample; thresholds for every float value of `graph`: max|x| for
// graph inputs, J divergence for the rest. `observe_last` (if set) sees every value of the last
// sample, so that the caller need not evaluate it again. Deterministic for any thread count.
Thresholds calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples, int bits,
                     const std::function<void(ValueId, const Tensor&)>& observe_last = {});

// The six steps of the xfDNN quantizer (QDOC), applied to an RGB image in this order.
struct Preprocessing {
  struct Resize {
    std::int64_t short_side = 0, centre_crop = 0;
  };
  std::optional<Resize> resize;    // none: the image must already have dims
  std::vector<std::int64_t> dims;  // C, H, W
  std::vector<std::int64_t> transpose = {2, 0, 1};
  std::vector<std::int64_t> channel_swap;   // e.g. 2,1,0
  double raw_scale = 255.0;                 // pixels in [0, 1] times this
  std::vector<double> mean_value;           // one, or one per channel (after the swap)
  std::vector<double> input_scale = {1.0};  // one, or one per channel
  std::string labels;                       // "none", "ilsvrc", "cifar10", "mnist", ...
};
// MODEL.preprocess.yaml as shipped beside a model. Throws Error with file:line.
Preprocessing read_preprocessing(const std::filesystem::path& path);

// Calibration or input data for one graph input of the given shape: .npy, .npz, .pb (TensorProto),
// an image, or a folder of images (PNG/JPEG/PPM). Each result has the input's shape (batch 1).
// Folder: files sorted by name, at most `limit` (0: all). Throws Error (e.g. no image in folder).
std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit);
// Seeded image-like data (smooth, in the range a zero-mean photo has), same on every machine.
Tensor synthetic_sample(const Shape& input_shape, std::uint64_t seed);

// .npy / .npz. Throws Error naming the file and what is wrong.
Tensor read_npy(const std::filesystem::path& path);
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);
std::string npy_bytes(const Tensor& tensor);

}  // namespace workbench
