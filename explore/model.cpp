#include "explore/model.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/error.h"

namespace workbench {

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

Graph load_model(const ModelSource& source) {
  if (is_zoo(source)) {
    if (!source.import.input_shapes.empty()) {
      fail("{}: --shape is for ONNX files; a zoo network takes ?resolution=N", source.name);
    }
    return load_workload(source);
  }
  if (source.width || source.resolution || source.seed) {
    fail("{}: --width, --resolution and --seed are for zoo networks", source.name);
  }
  return import_onnx(source.name, source.import);
}

}  // namespace workbench
