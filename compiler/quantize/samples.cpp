// --calibration and --input: whatever the user points at becomes float32 tensors of the input's
// shape.
#include <algorithm>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/image.h"
#include "core/file.h"

namespace workbench {

namespace {

template <typename T>
void append_floats(const Tensor& tensor, std::vector<float>& out) {
  for (const T value : tensor.values<T>()) out.push_back(static_cast<float>(value));
}

std::vector<float> as_floats(const Tensor& tensor) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  switch (tensor.type()) {
    case ElementType::Float32:
      append_floats<float>(tensor, values);
      break;
    case ElementType::Float64:
      append_floats<double>(tensor, values);
      break;
    case ElementType::Int8:
      append_floats<std::int8_t>(tensor, values);
      break;
    case ElementType::Uint8:
      append_floats<std::uint8_t>(tensor, values);
      break;
    case ElementType::Int16:
      append_floats<std::int16_t>(tensor, values);
      break;
    case ElementType::Uint16:
      append_floats<std::uint16_t>(tensor, values);
      break;
    case ElementType::Int32:
      append_floats<std::int32_t>(tensor, values);
      break;
    case ElementType::Uint32:
      append_floats<std::uint32_t>(tensor, values);
      break;
    case ElementType::Int64:
      append_floats<std::int64_t>(tensor, values);
      break;
    case ElementType::Uint64:
      append_floats<std::uint64_t>(tensor, values);
      break;
    case ElementType::Bool:
      append_floats<bool>(tensor, values);
      break;
  }
  return values;
}

Layout layout_of(const Shape& shape) { return shape.size() == 4 ? Layout::Nchw : Layout::RowMajor; }

// One sample of the input's shape, with or without its batch dimension, or a batch of them.
void append_array(const Tensor& array, const Shape& input_shape, const std::string& name,
                  std::vector<Tensor>& samples) {
  const Shape tail(input_shape.begin() + (input_shape.empty() ? 0 : 1), input_shape.end());
  const bool batched = array.rank() == input_shape.size() && !input_shape.empty() &&
                       std::equal(tail.begin(), tail.end(), array.shape().begin() + 1) &&
                       input_shape[0] > 0 && array.dim(0) % input_shape[0] == 0;
  const bool single = array.shape() == input_shape ||
                      (array.shape() == tail && !input_shape.empty() && input_shape[0] == 1);
  if ((!batched && !single) || array.size() == 0) {
    fail("{}: expected an array of shape {} (or a batch of them), found {}", name,
         to_string(input_shape), to_string(array.shape()));
  }
  const std::vector<float> values = as_floats(array);
  const auto length = static_cast<std::size_t>(element_count(input_shape));
  for (std::size_t begin = 0; begin < values.size(); begin += length) {
    samples.push_back(Tensor::from<float>(input_shape,
                                          std::span<const float>(values).subspan(begin, length),
                                          layout_of(input_shape)));
  }
}

std::vector<std::filesystem::path> images_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (is_image_name(entry->path()) && entry->is_regular_file()) files.push_back(entry->path());
  }
  if (error) fail("{}: cannot read: {}", folder.string(), error.message());
  if (files.empty()) {
    fail("{}: expected PNG, JPEG or PPM images in the folder, found none", folder.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Tensor read_image(const std::filesystem::path& path, const Shape& input_shape,
                  const std::optional<Preprocessing>& preprocessing) {
  const std::string name = path.string();
  if (!preprocessing) {
    fail(
        "{}: an image needs preprocessing: expected MODEL.preprocess.yaml beside the model or "
        "--preprocess FILE, found neither",
        name);
  }
  const Image image = decode_image(read_file(path), preprocessing->dims.at(0), name);
  Tensor sample = preprocess(image, *preprocessing, name);
  if (sample.shape() != input_shape) {
    fail("{}: expected input shape {}, found {} after preprocessing", name, to_string(input_shape),
         to_string(sample.shape()));
  }
  return sample;
}

}  // namespace

std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit) {
  std::vector<Tensor> samples;
  const auto cut = [&](auto& list) {
    if (limit > 0 && list.size() > limit) list.resize(limit);
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    std::vector<std::filesystem::path> files = images_in(path);
    cut(files);
    for (const auto& file : files) samples.push_back(read_image(file, input_shape, preprocessing));
  } else if (path.extension() == ".npy") {
    append_array(read_npy(path), input_shape, path.string(), samples);
  } else if (path.extension() == ".npz") {
    for (const auto& [name, array] : read_npz(path)) {
      append_array(array, input_shape, path.string() + ":" + name, samples);
    }
  } else if (is_image_name(path)) {
    samples.push_back(read_image(path, input_shape, preprocessing));
  } else {
    (void)read_file(path);  // what is missing says so, rather than what it is not
    fail("{}: expected .npy, .npz, .png, .jpg, .ppm or a folder of images, found '{}'",
         path.string(), path.extension().string());
  }
  if (samples.empty()) fail("{}: expected at least one sample, found none", path.string());
  cut(samples);
  return samples;
}

}  // namespace workbench
