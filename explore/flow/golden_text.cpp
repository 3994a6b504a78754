#include "explore/flow/golden_text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "explore/report/difference.h"

namespace workbench {

namespace {

// "[1, 25, 5, 64]" behind `at`; nothing where it is no list of numbers.
std::optional<Shape> shape_in(std::string_view text) {
  const std::size_t open = text.find("(shape ["), close = text.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  Shape shape;
  const char* at = text.data() + open + 8;
  const char* end = text.data() + close;
  while (at < end) {
    std::int64_t dim = 0;
    const auto [rest, error] = std::from_chars(at, end, dim);
    if (error != std::errc{}) return std::nullopt;
    shape.push_back(dim);
    at = rest;
    while (at < end && (*at == ',' || *at == ' ')) ++at;
  }
  return shape;
}

void read_header(std::string_view line, GoldenText& text) {
  text.marked = line.starts_with('#');
  if (text.marked) line.remove_prefix(1);
  while (line.starts_with(' ')) line.remove_prefix(1);
  text.header = line.substr(0, line.find_last_not_of("\\, \r") + 1);
  text.shape = shape_in(line);
  if (text.shape) text.name = line.substr(0, line.find(" (shape ["));
}

// "-206.000,\" is -206; nothing where it is no whole number.
std::optional<std::int64_t> whole_number(std::string_view line) {
  std::int64_t value = 0;
  const char* end = line.data() + line.size();
  auto [rest, error] = std::from_chars(line.data(), end, value);
  if (error != std::errc{}) return std::nullopt;
  if (rest < end && *rest == '.') {
    ++rest;
    while (rest < end && *rest == '0') ++rest;
  }
  const std::string_view tail(rest, static_cast<std::size_t>(end - rest));
  if (tail.find_first_not_of(",\\ \r") != std::string_view::npos) return std::nullopt;
  return value;
}

// [N, ...] without leading ones: [1, 64, 1, 1] is [64, 1, 1].
Shape without_batch(const Shape& shape, std::size_t rank) {
  std::size_t begin = 0;
  while (shape.size() - begin > rank && shape[begin] == 1) ++begin;
  return {shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.end()};
}

std::vector<std::int64_t> joined_bytes(const std::vector<std::int64_t>& bytes,
                                       const std::string& file) {
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t word = 0;
    for (std::size_t b = 0; b < 4; ++b) {
      if (bytes[i + b] < 0 || bytes[i + b] > 255) {
        fail("{}:{}: expected a byte of an int32 (0 to 255), found {}", file, i + b + 2,
             bytes[i + b]);
      }
      word |= static_cast<std::uint32_t>(bytes[i + b]) << (8 * b);
    }
    values.push_back(static_cast<std::int32_t>(word));
  }
  return values;
}

}  // namespace

GoldenText read_golden_text(const std::filesystem::path& path) {
  const std::string contents = read_file(path);
  std::string_view rest = contents;
  GoldenText text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t length = rest.find('\n');
    const std::string_view line = rest.substr(0, length);
    rest.remove_prefix(length == std::string_view::npos ? rest.size() : length + 1);
    if (number == 1) {
      read_header(line, text);
      continue;
    }
    const std::optional<std::int64_t> value = whole_number(line);
    if (!value) {
      fail("{}:{}: expected one whole number, found '{}'", path.string(), number, line);
    }
    text.values.push_back(*value);
  }
  return text;
}

GoldenOrder golden_order(const GoldenText& text, const Shape& shape, const std::string& file) {
  const Shape chw = without_batch(shape, 3);
  if (!text.marked) return GoldenOrder::ChannelsFirst;
  if (!text.shape || chw.size() != 3) return GoldenOrder::PixelsFirst;
  const Shape hwc = {chw[1], chw[2], chw[0]};
  const Shape said = without_batch(*text.shape, 3);
  if (said == hwc) return GoldenOrder::PixelsFirst;
  if (said == chw) return GoldenOrder::ChannelsFirst;
  if (said.size() != 3 && element_count(said) == element_count(chw))
    return GoldenOrder::PixelsFirst;
  fail("{}:1: expected shape {} (pixels first) or {}, found {}", file, to_string(hwc),
       to_string(chw), to_string(*text.shape));
}

Tensor arranged(const GoldenText& text, const Shape& shape, bool bytes_allowed,
                const std::string& file) {
  const auto count = static_cast<std::size_t>(element_count(shape));
  const bool bytes = bytes_allowed && text.values.size() == 4 * count;
  if (!bytes && text.values.size() != count) {
    fail("{}: expected {} values for shape {}, found {}", file, count, to_string(shape),
         text.values.size());
  }
  const std::vector<std::int64_t> values = bytes ? joined_bytes(text.values, file) : text.values;
  const Shape chw = without_batch(shape, 3);
  if (chw.size() != 3 || golden_order(text, shape, file) == GoldenOrder::ChannelsFirst) {
    return Tensor::from<std::int64_t>(shape, values);
  }
  const auto channels = static_cast<std::size_t>(chw[0]);
  const auto pixels = static_cast<std::size_t>(chw[1] * chw[2]);
  Tensor result = Tensor::uninitialized(ElementType::Int64, shape, Layout::Nchw);
  const auto to = result.mutable_values<std::int64_t>();
  for (std::size_t p = 0; p < pixels; ++p) {
    for (std::size_t c = 0; c < channels; ++c) to[c * pixels + p] = values[p * channels + c];
  }
  return result;
}

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

// Which array each input gets: the one of its name, else the next whose name is no input's.
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
