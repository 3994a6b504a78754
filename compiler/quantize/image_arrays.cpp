// Samples as arrays: whatever numbers the user points at become float32 tensors of the input's
// shape.
#include <algorithm>
#include <cmath>
#include <memory>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/image_forms.h"
#include "compiler/quantize/image_labels.h"
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

// Whole numbers of any type.
std::vector<std::int64_t> labels_of(const Tensor& array, std::int64_t classes,
                                    const std::string& name) {
  std::vector<std::int64_t> labels;
  for (const float value : as_floats(array)) {
    if (!(std::fabs(value) < 1e9F) || value != std::floor(value))
      fail("{}: expected class numbers, found {}", name, value);
    labels.push_back(static_cast<std::int64_t>(value));
    check_label(labels.back(), classes, fmt::format("{}: label {}", name, labels.size() - 1));
  }
  return labels;
}

bool is_finite(const Tensor& sample) {
  const auto values = sample.values<float>();
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

// Labels from a file, which count before those in the archive.
void read_labels(const ImageRequest& request, ImageList& list) {
  const auto lines = std::filesystem::path(request.path).replace_extension(".labels.txt");
  const auto& path = request.labels.empty() ? lines : request.labels;
  std::error_code ignored;
  if (!request.labels.empty() || (list.labels.empty() && std::filesystem::exists(path, ignored))) {
    list.labels = read_label_lines(path, request.classes);
  }
  if (!list.labels.empty() && list.labels.size() != list.names.size()) {
    fail("{}: expected {} labels, one per sample, found {}", request.path.string(),
         list.names.size(), list.labels.size());
  }
}

}  // namespace

ImageList list_arrays(const ImageRequest& request) {
  const std::string file = request.path.string();
  ImageList list;
  std::vector<Tensor> samples;
  const auto append = [&](const Tensor& array, const std::string& name) {
    const std::size_t before = samples.size();
    append_array(array, request.input_shape, name, samples);
    for (std::size_t i = before; i < samples.size(); ++i) {
      list.names.push_back(
          samples.size() - before == 1 ? name : fmt::format("{} sample {}", name, i - before));
    }
  };
  if (request.path.extension() == ".npy") {
    append(read_npy(request.path), file);
  } else {
    for (const auto& [name, array] : read_npz(request.path)) {
      if (name != "labels") {
        append(array, file + ":" + name);
      } else if (request.with_labels) {
        list.labels = labels_of(array, request.classes, file + ":labels");
      }
    }
  }
  if (request.with_labels) read_labels(request, list);
  const auto shared = std::make_shared<const std::vector<Tensor>>(std::move(samples));
  list.at = [shared](std::size_t i) { return shared->at(i); };
  list.check = [shared, names = list.names](std::size_t i) {
    if (is_finite(shared->at(i))) return;
    fail("{}: expected finite numbers, found NaN or infinity", names.at(i));
  };
  return list;
}

}  // namespace workbench
