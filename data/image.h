// Photos from PNG, JPEG and PPM/PGM files, the six steps by which the xfDNN quantizer makes inputs
// of them (docs/facts/quantization.md 3), and where the steps are written down.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace workbench {

// Applied to an RGB image in this order.
struct Preprocessing {
  struct Resize {
    std::int64_t short_side = 0, centre_crop = 0;
    // Instead: each side to that of dims, or to these, whatever the image's shape.
    bool stretch = false;
    std::int64_t width = 0, height = 0;
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
// MODEL.preprocess.yaml as shipped beside a model (docs/preprocessing.md). Throws Error with
// file:line.
Preprocessing read_preprocessing(const std::filesystem::path& path);
// The inverse: a file with every step and what it does.
std::string preprocessing_text(const Preprocessing& steps);

// The steps as a command line has them: "3,224,224", "2,0,1", "104,117,123", "0.017"; `resize`:
// "SHORT_SIDE,CENTRE_CROP", "WIDTHxHEIGHT", "stretch" or "none". Empty: not given.
struct PreprocessingOptions {
  std::string resize, dims, transpose, channel_swap, raw_scale, mean_value, input_scale;
};

// The file's steps (empty path: no file), of which `options` replace what they give. Nothing
// without either. Without a file every step but resize must be given: a silent default would be a
// guess. Throws Error "--dims 3,224: expected ..., found ...".
std::optional<Preprocessing> merge_preprocessing(const std::filesystem::path& file,
                                                 const PreprocessingOptions& options);

// The same of steps that are known. Throws Error for an option that cannot be read.
Preprocessing with_options(const Preprocessing& steps, const PreprocessingOptions& options);

// Shape of an input that these steps make: [1, ...transposed dims].
std::vector<std::int64_t> shape_after(const Preprocessing& steps);

struct Image {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

// Whether the file's extension is one that decode_image reads.
bool is_image_name(const std::filesystem::path& path);

// Height, width and channels of an image, without pixels; nothing where there is none.
std::optional<Image> image_size(const std::string& bytes);

// `channels` 3: RGB, 1: grey. Throws Error naming the file and the reason: damage, or an image that
// has another number of channels.
Image decode_image(const std::string& bytes, std::int64_t channels, const std::string& name);

// Throws Error unless the image, once resized, is of the steps' dims.
void check_dims(const Image& image, const Preprocessing& steps, const std::string& name);

// The six steps: float32 [1, ...transposed dims]. Resizing is bilinear between pixel centres, in
// real numbers, without smoothing; `name` is the image in errors.
Tensor preprocess(const Image& image, const Preprocessing& steps, const std::string& name);

}  // namespace workbench
