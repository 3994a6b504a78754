// Real photos and their classes as inputs of a network, from the three forms they are shipped in.
// Images are preprocessed when asked for: a thousand of them need not fit in memory at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "core/tensor.h"

namespace workbench {

struct LabelledImages {
  std::vector<std::int64_t> labels;          // class of each image
  std::function<Tensor(std::size_t)> input;  // image i: float32 [1, C, H, W]
};

// A folder with labels.tsv: one "FILE <tab> CLASS" a line, in that order.
LabelledImages read_labelled_folder(const std::filesystem::path& folder,
                                    const Preprocessing& steps);

// NAME.png, one image of steps.dims a row, pixel after pixel, and NAME.labels.txt, one class a line
// (the form of CIFAR-10 in ConvNetJS).
LabelledImages read_image_rows(const std::filesystem::path& png, const Preprocessing& steps);

// PREFIX-images-idx3-ubyte.gz and PREFIX-labels-idx1-ubyte.gz (MNIST).
LabelledImages read_idx(const std::filesystem::path& prefix, const Preprocessing& steps);

}  // namespace workbench
