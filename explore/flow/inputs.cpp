#include "explore/flow/inputs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "compiler/import/import.h"
#include "core/error.h"
#include "data/arrays.h"
#include "data/channels.h"
#include "data/image.h"
#include "data/image_set.h"
#include "data/samples.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kZoo = "zoo:";

template <typename T>
T number(std::string_view text, std::string_view key, std::string_view model) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("{}: {}: expected a number, found '{}'", model, key, text);
  }
  return value;
}

void set_option(WorkloadOptions& options, std::string_view item, const std::string& model) {
  const std::size_t equals = item.find('=');
  const std::string_view key = item.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
  if (key == "width") {
    options.width = number<double>(value, key, model);
  } else if (key == "resolution") {
    options.resolution = number<std::int64_t>(value, key, model);
  } else if (key == "seed") {
    options.seed = number<std::uint64_t>(value, key, model);
  } else {
    fail("{}: expected width, resolution or seed after '?', found '{}'", model, key);
  }
}

Graph load_workload(const ModelSource& source) {
  std::string_view name = std::string_view(source.name).substr(kZoo.size());
  WorkloadOptions options;
  const std::size_t question = name.find('?');
  if (question != std::string_view::npos) {
    std::string_view rest = name.substr(question + 1);
    name = name.substr(0, question);
    while (!rest.empty()) {
      const std::size_t end = rest.find('&');
      set_option(options, rest.substr(0, end), source.name);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  options.width = source.width.value_or(options.width);
  options.resolution = source.resolution.value_or(options.resolution);
  options.seed = source.seed.value_or(options.seed);
  return build_workload(name, options);
}

}  // namespace

std::pair<std::string, Shape> parse_input_shape(std::string_view text) {
  const std::string where = fmt::format("--shape {}", text);
  // Names may contain '=', dimensions may not.
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) {
    fail("{}: expected NAME=1,3,224,224", where);
  }
  Shape shape;
  for (std::size_t at = equals + 1; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    shape.push_back(number<std::int64_t>(text.substr(at, comma - at), "dimension", where));
    if (shape.back() < 1)
      fail("{}: expected dimensions of at least 1, found {}", where, shape.back());
    at = comma + 1;
  }
  return {std::string(text.substr(0, equals)), std::move(shape)};
}

bool is_zoo(const ModelSource& source) { return source.name.starts_with(kZoo); }

ModelImport load_with_notes(const ModelSource& source) {
  if (is_zoo(source)) {
    if (!source.import.input_shapes.empty()) {
      fail("{}: --shape is for files; a zoo network takes ?resolution=N", source.name);
    }
    if (!source.import.weights.empty()) {
      fail("{}: --weights is for Caffe networks; a zoo network takes ?seed=N", source.name);
    }
    if (!source.import.input_node.empty()) {
      fail("{}: --input-node is for TensorFlow graphs", source.name);
    }
    return {load_workload(source), {}};
  }
  if (source.width || source.resolution || source.seed) {
    fail("{}: --width, --resolution and --seed are for zoo networks", source.name);
  }
  return import_with_notes(source.name, source.import);
}

Graph load_model(const ModelSource& source) { return load_with_notes(source).graph; }

namespace {

constexpr std::uint64_t kSyntheticSeed = 1;

Tensor checked_array(const Tensor& given, const Value& input, const fs::path& path) {
  const Tensor array = channels_as_in(input.shape, given);
  if (array.shape() != input.shape || array.type() != input.type) {
    fail("{}: input '{}': expected {} {}, found {} {}", path.string(), input.name,
         to_string(input.type), to_string(input.shape), to_string(array.type()),
         to_string(array.shape()));
  }
  return array;
}

// One sample for a network of several inputs: an array for each by name.
std::vector<Tensor> read_named(const Graph& graph, const fs::path& path) {
  if (path.extension() != ".npz") {
    fail("{}: the network has {} inputs: expected an .npz with one array per input name",
         path.string(), graph.inputs.size());
  }
  const std::map<std::string, Tensor> arrays = read_npz(path);
  std::vector<Tensor> sample;
  for (const ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    const auto found = arrays.find(input.name);
    if (found == arrays.end()) {
      fail("{}: expected an array named '{}', found none", path.string(), input.name);
    }
    sample.push_back(checked_array(found->second, input, path));
  }
  for (const auto& [name, array] : arrays) {
    const auto is_named = [&](ValueId id) { return graph.value(id).name == name; };
    if (std::ranges::none_of(graph.inputs, is_named)) {
      fail("{}: array '{}': expected names of inputs, found none of that name", path.string(),
           name);
    }
  }
  return sample;
}

std::vector<std::vector<Tensor>> read(const Graph& graph, const fs::path& path,
                                      const std::optional<Preprocessing>& preprocessing,
                                      std::size_t limit) {
  if (graph.inputs.size() != 1) return {read_named(graph, path)};
  const Value& input = graph.value(graph.inputs[0]);
  if (path.extension() == ".pb") return {{checked_array(read_tensor_proto(path), input, path)}};
  std::vector<std::vector<Tensor>> samples;
  for (Tensor& sample : read_samples(path, input.shape, preprocessing, limit)) {
    samples.push_back({std::move(sample)});
  }
  return samples;
}

// Any code of a narrow type; of a wide one, which holds indices, few: whatever is looked up has
// them.
template <typename T>
Tensor synthetic_integers(const Shape& shape, std::uint64_t seed) {
  constexpr std::uint64_t kIndices = 10;
  std::mt19937_64 random(seed);
  std::vector<T> values;
  for (std::int64_t i = 0; i < element_count(shape); ++i) {
    values.push_back(static_cast<T>(sizeof(T) <= 2 ? random() : random() % kIndices));
  }
  return Tensor::from<T>(shape, values);
}

Tensor synthetic_booleans(const Shape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Tensor tensor = Tensor::zeros(ElementType::Bool, shape);
  for (bool& value : tensor.mutable_values<bool>()) value = (random() & 1U) != 0;
  return tensor;
}

Tensor synthetic(const Value& input, std::uint64_t seed) {
  switch (input.type) {
    case ElementType::Float32:
      return synthetic_sample(input.shape, seed);
    case ElementType::Int8:
      return synthetic_integers<std::int8_t>(input.shape, seed);
    case ElementType::Uint8:
      return synthetic_integers<std::uint8_t>(input.shape, seed);
    case ElementType::Int16:
      return synthetic_integers<std::int16_t>(input.shape, seed);
    case ElementType::Uint16:
      return synthetic_integers<std::uint16_t>(input.shape, seed);
    case ElementType::Int32:
      return synthetic_integers<std::int32_t>(input.shape, seed);
    case ElementType::Int64:
      return synthetic_integers<std::int64_t>(input.shape, seed);
    case ElementType::Bool:
      return synthetic_booleans(input.shape, seed);
    default:
      fail(
          "input '{}' is {}: expected float32 or an integer of up to 64 bits, or data for it with "
          "--input",
          input.name, to_string(input.type));
  }
}

}  // namespace

fs::path preprocessing_beside(const std::string& model) {
  return fs::path(model).replace_extension(".preprocess.yaml");
}

Preprocessing example_preprocessing(const Graph& graph) {
  constexpr std::int64_t kLarge = 128;  // larger networks were trained on crops of photos
  const auto is_colour = [](std::int64_t channels) { return channels == 1 || channels == 3; };
  if (graph.inputs.size() != 1) {
    fail("{}: expected a network of one input, found {}", graph.name, graph.inputs.size());
  }
  const Value& input = graph.value(graph.inputs[0]);
  const Shape& shape = input.shape;
  if (shape.size() != 4 || (!is_colour(shape[1]) && !is_colour(shape[3]))) {
    fail("{}: input '{}': expected an image of 1 or 3 channels, found {}", graph.name, input.name,
         to_string(shape));
  }
  Preprocessing steps;
  if (is_colour(shape[1])) {
    steps.dims = {shape[1], shape[2], shape[3]};
  } else {
    steps.dims = {shape[3], shape[1], shape[2]};
    steps.transpose = {0, 1, 2};
  }
  const auto [channels, height, width] = std::array{steps.dims[0], steps.dims[1], steps.dims[2]};
  if (channels == 3) steps.channel_swap = {0, 1, 2};
  steps.resize = Preprocessing::Resize{.stretch = true};
  if (height == width && height >= kLarge) {
    steps.resize = Preprocessing::Resize{.short_side = height * 8 / 7, .centre_crop = height};
  }
  steps.raw_scale = 1;
  steps.mean_value = {0};
  return steps;
}

fs::path preprocessing_file(const std::string& model, const fs::path& given) {
  if (!given.empty()) return given;
  const fs::path beside = preprocessing_beside(model);
  std::error_code ignored;
  return fs::exists(beside, ignored) ? beside : fs::path();
}

std::vector<Tensor> synthetic_inputs(const Graph& graph) {
  std::vector<Tensor> sample;
  for (const ValueId id : graph.inputs) {
    sample.push_back(synthetic(graph.value(id), kSyntheticSeed + sample.size()));
  }
  return sample;
}

std::vector<Tensor> synthetic_codes(const Graph& graph) {
  std::mt19937_64 random(kSyntheticSeed);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, value.shape, Layout::Nchw);
    const int lowest = value.type == ElementType::Int8 ? -128 : 0;
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(static_cast<int>(random() % 256) + lowest);
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

RunData read_data(const Graph& graph, const std::string& model, const DataOptions& options) {
  RunData data;
  const auto preprocessing =
      merge_preprocessing(preprocessing_file(model, options.preprocessing), options.steps);
  std::vector<std::vector<Tensor>> calibration;
  if (!options.calibration.empty()) {
    calibration = read(graph, options.calibration, preprocessing, options.calibration_limit);
  }
  if (!options.input.empty()) {
    auto samples = read(graph, options.input, preprocessing, 2);
    if (samples.size() > 1) {
      const std::string note = fmt::format(
          "--input {}: holds more than one image: run on the first", options.input.string());
      data.warnings.push_back(note);
      data.uncalibrated_warnings.push_back(note);
    }
    data.input = std::move(samples.front());
  }
  if (options.calibration.empty() && options.input.empty()) {
    data.warnings.emplace_back(
        "no --calibration and no --input: calibrated and run on one synthetic image; accuracy is "
        "not real; cycles are, but for widths of batch norm on PULP");
    data.uncalibrated_warnings.emplace_back(
        "no --input: run on one synthetic image; cycles are real, accuracy is not");
    data.input = synthetic_inputs(graph);
  } else if (options.calibration.empty()) {
    data.warnings.emplace_back("no --calibration: calibrated on the input itself");
  }
  data.input_is_last_sample = options.input.empty() || options.calibration.empty();
  if (calibration.empty()) calibration = {data.input};
  if (data.input.empty()) data.input = calibration.back();
  data.calibration.count = calibration.size();
  data.calibration.at = [samples = std::move(calibration)](std::size_t i) { return samples.at(i); };
  return data;
}

}  // namespace workbench
