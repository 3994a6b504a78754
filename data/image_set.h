// Images as inputs of a network, with their classes where they have any: what networks are
// calibrated with and scored on, in whichever of the usual forms it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "data/image.h"
#include "data/samples.h"

namespace workbench {

// Which images of a set: the quantizer's calibration_size, calibration_seed, calibration_indices
// (docs/facts/quantization.md 3).
struct Selection {
  std::size_t size = 0;               // 0: all, or as many as indices
  std::optional<std::uint64_t> seed;  // that many at random; none: the first
  std::vector<std::size_t> indices;   // of the file names in ascending order, from 0
  bool at_most = false;               // fewer than `size` are no reason to warn
};
// "0,4,17" and ranges "20-29". Throws Error.
std::vector<std::size_t> parse_indices(const std::string& text);

struct ImageRequest {
  // A folder of images, or of one of the batches below; or
  //  - an image (PNG, JPEG, PPM), or NAME.png with one image of the preprocessing's dims a row,
  //    pixel after pixel (CIFAR-10 in ConvNetJS);
  //  - PREFIX-images-idx3-ubyte.gz (MNIST);
  //  - .npy or .npz: one sample, or batches along the first dimension, taken as they are.
  std::filesystem::path path;
  // "FILE <tab> CLASS" a line for a folder of images, one class a line for batches. Empty:
  // labels.tsv in the folder, NAME.labels.txt beside a batch, PREFIX-labels-idx1-ubyte.gz, array
  // `labels` of an .npz.
  std::filesystem::path labels;
  bool with_labels = true;                     // false: whatever labels there are is not looked at
  Shape input_shape;                           // of the network: [1, ...]
  std::int64_t classes = 0;                    // labels are below that; 0: not known
  std::optional<Preprocessing> preprocessing;  // of images; arrays need none
  Selection selection;
  bool skip_bad = false;  // leave out what cannot be used, and count it
};

struct ImageSet {
  std::string name;                   // the path
  std::vector<std::string> names;     // of each image, as errors call it
  std::vector<std::int64_t> labels;   // as many, or none at all
  SampleSource samples;               // float32 of the input's shape; read when asked for
  std::vector<std::string> warnings;  // what was skipped, a set of one image, ...
};

// Every image has been decoded once and found usable, every number of an array is finite. Images
// are in ascending order of their names, or as selected. Throws Error of one line: what cannot be
// read, how many more such there are; an image of another size or number of channels; labels of
// files that are not there, images without one, classes out of range; an empty set.
ImageSet open_images(const ImageRequest& request);

// These of the set, in that order.
ImageSet subset(const ImageSet& set, const std::vector<std::size_t>& rows);

// `count` seeded images, and all the others in their order. Throws Error if none would be left.
struct Split {
  ImageSet chosen, rest;
};
Split split(const ImageSet& set, std::size_t count, std::uint64_t seed);
// The same with these images chosen, each named once.
Split split(const ImageSet& set, const std::vector<std::size_t>& rows);

// In memory.
std::vector<Tensor> all_samples(const ImageSet& set);

// Calibration or input data for one graph input of the given shape: .npy or .npz (one sample, or
// batches of them along the first dimension; archive members in name order), an image, or a folder
// of images (PNG/JPEG/PPM, in name order). Each result has the input's shape and is float32; arrays
// are taken as they are, images go through `preprocessing`. At most `limit` samples (0: all).
// Throws Error (e.g. no image in folder). TensorProto files are compiler/import's.
std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit);

}  // namespace workbench
