// input.txt and inputs.npz as tensors for a network's inputs.
#include <algorithm>
#include <optional>

#include "compiler/quantize/calibrate.h"
#include "core/error.h"
#include "explore/golden_files.h"
#include "explore/golden_text.h"

namespace workbench {

namespace {

using NamedArray = std::pair<std::string, Tensor>;

Tensor as_float(const std::vector<double>& values, const Shape& shape) {
  Tensor result = Tensor::uninitialized(ElementType::Float32, shape, Layout::Nchw);
  std::transform(values.begin(), values.end(), result.mutable_values<float>().begin(),
                 [](double v) { return static_cast<float>(v); });
  return result;
}

IntegerInput read_text(const std::filesystem::path& path, const Graph& graph) {
  const std::string file = path.filename().string();
  if (graph.inputs.size() != 1) {
    fail("{}: the network has {} inputs: expected an .npz with one array each", path.string(),
         graph.inputs.size());
  }
  const Value& input = graph.value(graph.inputs[0]);
  const Tensor codes = arranged(read_golden_text(path), input.shape, false, path.string());
  return {.tensors = {as_float(numbers(codes), input.shape)},
          .notes = {fmt::format("{} -> input '{}'", file, input.name)}};
}

bool is_constant_of(const Graph& graph, const Tensor& array, std::string& name) {
  const std::vector<double> wanted = numbers(array);
  for (const Value& value : graph.values) {
    if (!value.constant || value.shape != array.shape()) continue;
    if (numbers(*value.constant) != wanted) continue;
    name = value.name;
    return true;
  }
  return false;
}

Tensor checked(const NamedArray& array, const Value& input, const std::string& file) {
  if (array.second.shape() != input.shape) {
    fail("{}: array '{}': expected shape {} of input '{}', found {}", file, array.first,
         to_string(input.shape), input.name, to_string(array.second.shape()));
  }
  return as_float(numbers(array.second), input.shape);
}

// Which array each input gets: its namesake, else the next one that is nobody's namesake.
std::vector<std::optional<std::size_t>> assigned(const Graph& graph,
                                                 const std::vector<NamedArray>& arrays) {
  std::vector<std::optional<std::size_t>> of_input(graph.inputs.size());
  std::vector<bool> taken(arrays.size(), false);
  for (std::size_t i = 0; i < of_input.size(); ++i) {
    for (std::size_t a = 0; a < arrays.size(); ++a) {
      if (arrays[a].first != graph.value(graph.inputs[i]).name) continue;
      of_input[i] = a;
      taken[a] = true;
    }
  }
  std::size_t next = 0;
  for (auto& array : of_input) {
    if (array) continue;
    while (next < arrays.size() && taken[next]) ++next;
    if (next < arrays.size()) array = next++;
  }
  return of_input;
}

IntegerInput read_archive(const std::filesystem::path& path, const Graph& graph) {
  const std::string file = path.filename().string();
  const std::vector<NamedArray> arrays = read_npz_members(path);
  const auto of_input = assigned(graph, arrays);
  IntegerInput result;
  std::vector<bool> used(arrays.size(), false);
  for (std::size_t i = 0; i < of_input.size(); ++i) {
    const Value& input = graph.value(graph.inputs[i]);
    if (!of_input[i]) {
      fail("{}: expected {} arrays, one per input, found {}", path.string(), of_input.size(),
           arrays.size());
    }
    const NamedArray& array = arrays[*of_input[i]];
    used[*of_input[i]] = true;
    result.tensors.push_back(checked(array, input, path.string()));
    result.notes.push_back(fmt::format("{}:{} -> input '{}' (by {})", file, array.first, input.name,
                                       array.first == input.name ? "name" : "order"));
  }
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    if (used[a]) continue;
    std::string constant;
    if (!is_constant_of(graph, arrays[a].second, constant)) {
      fail("{}: array '{}' {}: expected an input or the values of a constant, found neither",
           path.string(), arrays[a].first, to_string(arrays[a].second.shape()));
    }
    result.notes.push_back(
        fmt::format("{}:{} ignored: it is the constant '{}'", file, arrays[a].first, constant));
  }
  return result;
}

}  // namespace

IntegerInput read_integer_input(const std::filesystem::path& path, const Graph& graph) {
  return path.extension() == ".npz" ? read_archive(path, graph) : read_text(path, graph);
}

}  // namespace workbench
