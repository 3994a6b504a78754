// MODEL.preprocess.yaml: the six steps as written beside a model.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "compiler/quantize/calibrate.h"
#include "core/file.h"

namespace workbench {

namespace {

constexpr std::int64_t kMaxSide = 16384;

// Counted from 1; an empty document has no mark, its line is the first.
int line_of(const YAML::Mark& mark) { return std::max(mark.line, 0) + 1; }

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Preprocessing read(const YAML::Node& root) const {
    if (!root.IsMap()) bad(root, "preprocessing", "a map of steps");
    Preprocessing steps;
    for (const auto& entry : root) set(steps, text(entry.first, "key"), entry.second);
    if (steps.dims.empty()) fail("{}:1: dims: expected [C, H, W], found none", file_);
    const std::int64_t channels = steps.dims[0];
    per_channel(root["channel_swap"], "channel_swap", steps.channel_swap.size(), channels, false);
    per_channel(root["mean_value"], "mean_value", steps.mean_value.size(), channels, true);
    per_channel(root["input_scale"], "input_scale", steps.input_scale.size(), channels, true);
    return steps;
  }

 private:
  void set(Preprocessing& steps, const std::string& key, const YAML::Node& node) const {
    if (key == "resize") {
      steps.resize = resize(node);
    } else if (key == "dims") {
      steps.dims = integers(node, key, 1, kMaxSide);
      if (steps.dims.size() != 3) bad(node, key, "[C, H, W]");
      if (steps.dims[0] != 1 && steps.dims[0] != 3) bad(node, key, "1 or 3 channels");
    } else if (key == "transpose") {
      steps.transpose = permutation(node, key);
      if (steps.transpose.size() != 3) bad(node, key, "an order of 0, 1, 2");
    } else if (key == "channel_swap") {
      steps.channel_swap = permutation(node, key);
    } else if (key == "raw_scale") {
      steps.raw_scale = number(node, key);
    } else if (key == "mean_value") {
      steps.mean_value = numbers(node, key);
    } else if (key == "input_scale") {
      steps.input_scale = numbers(node, key);
    } else if (key == "labels") {
      steps.labels = text(node, key);
    } else {
      fail(
          "{}:{}: expected resize, dims, transpose, channel_swap, raw_scale, mean_value, "
          "input_scale or labels, found '{}'",
          file_, line_of(node.Mark()), key);
    }
  }

  [[noreturn]] void bad(const YAML::Node& node, const std::string& key,
                        const std::string& expected) const {
    const std::string found = node.IsScalar()     ? fmt::format("'{}'", node.Scalar())
                              : node.IsSequence() ? fmt::format("a list of {}", node.size())
                              : node.IsMap()      ? std::string("a map")
                                                  : std::string("nothing");
    fail("{}:{}: {}: expected {}, found {}", file_, line_of(node.Mark()), key, expected, found);
  }

  std::string text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar()) bad(node, key, "a word");
    return node.Scalar();
  }

  double number(const YAML::Node& node, const std::string& key) const {
    double value = 0;
    if (!node.IsScalar() || !YAML::convert<double>::decode(node, value) || !std::isfinite(value)) {
      bad(node, key, "a number");
    }
    return value;
  }

  std::int64_t integer(const YAML::Node& node, const std::string& key, std::int64_t low,
                       std::int64_t high) const {
    std::int64_t value = 0;
    if (!node.IsScalar() || !YAML::convert<std::int64_t>::decode(node, value) || value < low ||
        value > high) {
      bad(node, key, fmt::format("whole numbers {}..{}", low, high));
    }
    return value;
  }

  std::vector<std::int64_t> integers(const YAML::Node& node, const std::string& key,
                                     std::int64_t low, std::int64_t high) const {
    if (!node.IsSequence()) bad(node, key, "a list");
    std::vector<std::int64_t> values;
    for (const YAML::Node& item : node) values.push_back(integer(item, key, low, high));
    return values;
  }

  std::vector<double> numbers(const YAML::Node& node, const std::string& key) const {
    if (!node.IsSequence()) return {number(node, key)};
    std::vector<double> values;
    for (const YAML::Node& item : node) values.push_back(number(item, key));
    return values;
  }

  std::vector<std::int64_t> permutation(const YAML::Node& node, const std::string& key) const {
    const std::vector<std::int64_t> values = integers(node, key, 0, 2);
    std::vector<std::int64_t> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i] != static_cast<std::int64_t>(i)) bad(node, key, "each index once, from 0 on");
    }
    return values;
  }

  std::optional<Preprocessing::Resize> resize(const YAML::Node& node) const {
    if (node.IsScalar() && node.Scalar() == "none") return std::nullopt;
    if (!node.IsMap()) bad(node, "resize", "none or {short_side: N, centre_crop: N}");
    Preprocessing::Resize result;
    for (const auto& entry : node) {
      const std::string key = text(entry.first, "resize");
      if (key != "short_side" && key != "centre_crop") {
        bad(entry.first, "resize", "short_side or centre_crop");
      }
      const std::int64_t value = integer(entry.second, key, 1, kMaxSide);
      (key == "short_side" ? result.short_side : result.centre_crop) = value;
    }
    if (result.short_side == 0 || result.centre_crop == 0) {
      bad(node, "resize", "both short_side and centre_crop");
    }
    if (result.centre_crop > result.short_side) bad(node, "resize", "centre_crop <= short_side");
    return result;
  }

  // An absent step, or one entry where `one_for_all`, or one per channel.
  void per_channel(const YAML::Node& node, const std::string& key, std::size_t count,
                   std::int64_t channels, bool one_for_all) const {
    if (!node.IsDefined()) return;
    if (static_cast<std::int64_t>(count) == channels || (one_for_all && count == 1)) return;
    bad(node, key, fmt::format("{} entries, one per channel", channels));
  }

  std::string file_;
};

}  // namespace

Preprocessing read_preprocessing(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  try {
    return Reader(path.string()).read(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    fail("{}:{}: {}", path.string(), line_of(error.mark), error.msg);
  }
}

}  // namespace workbench
