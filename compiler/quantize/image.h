// Photos from PNG, JPEG and PPM/PGM files, and the quantizer's six preprocessing steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compiler/quantize/preprocessing.h"
#include "core/tensor.h"

namespace workbench {

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
