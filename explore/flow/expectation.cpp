#include "explore/flow/expectation.h"

#include <algorithm>
#include <map>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/channels.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIntegerSuffix = "_int8";
constexpr std::string_view kInputPrefix = "input_";  // of ONNX's test data, beside output_0

Tensor read_array(const fs::path& path) {
  return path.extension() == ".pb" ? read_tensor_proto(path) : read_npy(path);
}

const Value* find_value(const Graph& graph, const std::string& name) {
  const auto found = std::find_if(graph.values.begin(), graph.values.end(),
                                  [&](const Value& value) { return value.name == name; });
  return found == graph.values.end() ? nullptr : &*found;
}

// The value that an array of this name stands for: one of the network's, or its output I as
// "output_I". Empty: none.
std::string value_of_array(const std::string& name, const Graph& graph) {
  for (const Value& value : graph.values) {
    if (value.name == name) return value.name;
  }
  for (const Value& value : graph.values) {
    if (file_name_of(value.name) == name) return value.name;
  }
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    if (name == fmt::format("output_{}", i)) return graph.value(graph.outputs[i]).name;
  }
  return {};
}

std::string value_of_file(const fs::path& file, const Graph& graph) {
  const std::string stem = file.stem().string();
  std::string value = value_of_array(stem, graph);
  if (!value.empty()) return value;
  fail("{}: expected the name of a value of network {} or output_0 to output_{}, found '{}'",
       file.string(), graph.name, graph.outputs.size() - 1, stem);
}

std::vector<Expectation> read_folder(const fs::path& folder, const Graph& graph) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path extension = entry.path().extension();
    const bool is_input = entry.path().stem().string().starts_with(kInputPrefix);
    if ((extension == ".npy" || extension == ".pb") && !is_input) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Expectation> expectations;
  for (const fs::path& file : files) {
    expectations.push_back({value_of_file(file, graph), read_array(file)});
  }
  if (expectations.empty()) fail("{}: expected .npy or .pb files, found none", folder.string());
  return expectations;
}

// Dimensions of 1 change neither elements nor their order: [1, 10] is [1, 10, 1, 1].
bool same_but_for_ones(Shape a, Shape b) {
  std::erase(a, 1);
  std::erase(b, 1);
  return a == b;
}

bool is_float(const Tensor& tensor) {
  return tensor.type() == ElementType::Float32 || tensor.type() == ElementType::Float64;
}

// What was computed for `name`, as codes or as reals. The other number system of a value that is
// both lies under the name with or without the suffix.
std::vector<double> computed_numbers(const std::string& name, bool as_codes, const Shape& shape,
                                     const Graph& graph, const NamedTensors& computed) {
  const std::string integer_name = name + std::string(kIntegerSuffix);
  const bool has_integer_twin = computed.contains(integer_name);
  const std::string& source = as_codes && has_integer_twin ? integer_name : name;
  const auto found = computed.find(source);
  if (found == computed.end()) {
    fail("value '{}' was not computed on its own: it is merged into another layer", name);
  }
  const Tensor& tensor = found->second;
  if (!same_but_for_ones(tensor.shape(), shape)) {
    fail("value '{}': expected tensor has shape {}, the network's has {}", name, to_string(shape),
         to_string(tensor.shape()));
  }
  std::vector<double> values = numbers(tensor);
  const auto& quantization = find_value(graph, source)->quantization;
  if (!as_codes && !is_float(tensor) && quantization) {
    const std::size_t scales = quantization->thresholds.size();  // per tensor or along the axis
    std::size_t inner = values.size();
    if (scales > 1) {
      inner = 1;
      for (auto d = static_cast<std::size_t>(quantization->axis) + 1; d < tensor.rank(); ++d) {
        inner *= static_cast<std::size_t>(tensor.dim(d));
      }
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t scale = i / inner % scales;
      values[i] = (values[i] - static_cast<double>(quantization->zero_point(scale))) *
                  quantization->step(scale);
    }
  }
  return values;
}

}  // namespace

std::string file_name_of(const std::string& value) {
  std::string name = value;
  for (char& c : name) {
    if (c == '/' || c == '\0') c = '_';
  }
  constexpr std::size_t kMost = 200;  // file systems take 255 bytes
  if (name.size() > kMost) {
    std::size_t end = kMost;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0U) == 0x80U) --end;  // UTF-8
    name = name.substr(0, end) + "_" + sha256_hex(value).substr(0, 12);
  }
  // "." and ".." are folders, "" is nothing.
  return name.find_first_not_of('.') == std::string::npos ? "_" + name : name;
}

namespace {

// The place of the node that computes the value of that name; behind all nodes: there is none.
std::size_t place_of(const std::string& value, const Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& outputs = graph.nodes[i].outputs;
    const bool computes = std::ranges::any_of(
        outputs, [&](ValueId id) { return id != kNoValue && graph.value(id).name == value; });
    if (computes) return i;
  }
  return graph.nodes.size();
}

}  // namespace

std::vector<Difference> in_network_order(std::vector<Difference> differences, const Graph& graph) {
  std::map<std::string, std::size_t> places;
  for (const Difference& one : differences) places[one.value] = place_of(one.value, graph);
  std::ranges::stable_sort(differences, {},
                           [&](const Difference& one) { return places.at(one.value); });
  return differences;
}

std::string summary(const std::vector<Difference>& in_network_order, const Graph& graph) {
  const auto equal = std::ranges::count(in_network_order, 0, &Difference::mismatches);
  std::string text = fmt::format("{} of {} tensor{} equal", equal, in_network_order.size(),
                                 in_network_order.size() == 1 ? " is" : "s are");
  const auto wrong =
      std::ranges::find_if(in_network_order, [](const auto& one) { return one.mismatches > 0; });
  if (wrong == in_network_order.end()) return text;
  text += fmt::format("; first wrong layer: {}", wrong->value);
  const std::size_t place = place_of(wrong->value, graph);
  if (place < graph.nodes.size()) text += fmt::format(" ({})", op_name(graph.nodes[place].op));
  return text;
}

std::vector<Expectation> read_expectations(const fs::path& path, const Graph& quantized) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return read_folder(path, quantized);
  if (path.extension() == ".npz") {
    std::vector<Expectation> expectations;
    for (const auto& [name, tensor] : read_npz(path)) {
      std::string value = value_of_array(name, quantized);
      if (value.empty() && name.starts_with(kInputPrefix)) continue;
      if (value.empty()) {
        fail(
            "{}: expected arrays named after values of network {} or output_0 to output_{}, found "
            "'{}'",
            path.string(), quantized.name, quantized.outputs.size() - 1, name);
      }
      expectations.push_back({std::move(value), tensor});
    }
    return expectations;
  }
  Tensor tensor = read_array(path);
  if (quantized.outputs.size() != 1) {
    fail("{}: the network has {} outputs: expected an .npz or a folder with one tensor per name",
         path.string(), quantized.outputs.size());
  }
  return {{quantized.value(quantized.outputs[0]).name, std::move(tensor)}};
}

std::vector<Difference> compare(const std::vector<Expectation>& expectations,
                                const Graph& quantized, const NamedTensors& computed,
                                const Tolerance& tolerance) {
  std::vector<Difference> differences;
  for (const Expectation& expectation : expectations) {
    const bool as_codes = !is_float(expectation.tensor);
    const Value* value = find_value(quantized, expectation.value);
    const Tensor wanted =
        value == nullptr ? expectation.tensor : channels_as_in(value->shape, expectation.tensor);
    const std::vector<double> got =
        computed_numbers(expectation.value, as_codes, wanted.shape(), quantized, computed);
    differences.push_back(
        difference(expectation.value, numbers(wanted), got, as_codes ? Tolerance{} : tolerance));
  }
  return differences;
}

}  // namespace workbench
