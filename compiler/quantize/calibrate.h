// Activation thresholds from calibration data (xdnn.md 3.7), and where that data comes from.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/quantize/preprocessing.h"
#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

// Value name -> threshold; 0 for a value that is always 0 (quantize() then picks one).
using Thresholds = std::map<std::string, double>;

// Threshold of one value from all its calibration samples by J divergence (xdnn.md 3.7), exactly
// as published, including the early exits. 0 when max|x| is ~0. Samples must be finite (CHECKed).
double j_divergence_threshold(std::span<const std::span<const float>> samples, int bits);

// Runs the float network on each sample; thresholds for every float value of `graph`: max|x| for
// graph inputs, J divergence for the rest. `observe_last` (if set) sees every value of the last
// sample, so that the caller need not evaluate it again. `wanted` (if set) limits the thresholds
// to the values it picks. Deterministic for any thread count.
Thresholds calibrate(const Graph& graph, const SampleSource& samples, int bits,
                     const std::function<void(ValueId, const Tensor&)>& observe_last = {},
                     const std::function<bool(const Value&)>& wanted = {});
inline Thresholds calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                            int bits,
                            const std::function<void(ValueId, const Tensor&)>& observe_last = {},
                            const std::function<bool(const Value&)>& wanted = {}) {
  return calibrate(graph, in_memory(samples), bits, observe_last, wanted);
}

// Calibration or input data for one graph input of the given shape: .npy or .npz (one sample, or
// batches of them along the first dimension; archive members in name order), an image, or a folder
// of images (PNG/JPEG/PPM, in name order). Each result has the input's shape and is float32; arrays
// are taken as they are, images go through `preprocessing`. At most `limit` samples (0: all).
// Throws Error (e.g. no image in folder). TensorProto files are compiler/import's.
std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit);
// Seeded image-like data: smooth, channels correlated, zero mean, standard deviation 60 and within
// +-120 as 0..255 photos have around their mean. The same bits on every machine.
Tensor synthetic_sample(const Shape& input_shape, std::uint64_t seed);

// .npy / .npz. Throws Error naming the file and what is wrong.
Tensor read_npy(const std::filesystem::path& path);
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);
// The same in the order of the archive.
std::vector<std::pair<std::string, Tensor>> read_npz_members(const std::filesystem::path& path);
std::string npy_bytes(const Tensor& tensor);

}  // namespace workbench
