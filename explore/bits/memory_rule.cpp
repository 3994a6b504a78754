#include "explore/bits/memory_rule.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace workbench {

namespace {

constexpr double kMargin = 0.05;

// Operand (the largest that is decided, or the largest) and result of a layer.
struct Maps {
  ValueId in = kNoValue, out = kNoValue;
};

class Rule {
 public:
  Rule(const Graph& annotated, const Widths& widths, Options options)
      : graph_(annotated), widths_(widths), options_(std::move(options)) {
    for (const Node& node : graph_.nodes) {
      Maps maps{.in = kNoValue, .out = node.outputs[0]};
      for (const ValueId id : node.inputs) {
        if (id == kNoValue || graph_.value(id).constant) continue;
        if (maps.in == kNoValue || bytes(id) > bytes(maps.in)) maps.in = id;
      }
      if (maps.in != kNoValue) layers_.push_back(maps);
    }
  }

  std::int64_t most_bytes() const {
    std::int64_t most = 0;
    for (const Maps& layer : layers_) most = std::max(most, bytes(layer.in) + bytes(layer.out));
    return most;
  }

  void cut_activations(std::int64_t limit) {
    for (bool changed = true; changed && most_bytes() > limit;) {
      changed = false;
      for (const Maps& layer : layers_) {
        while (exceeds(layer, limit) && is_larger(layer.out, layer.in) && cut(layer.out)) {
          changed = true;
        }
      }
      for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
        while (exceeds(*layer, limit) && is_larger(layer->in, layer->out) && cut(layer->in)) {
          changed = true;
        }
      }
    }
  }

  void cut_weights(std::int64_t limit) {
    while (weight_bytes(widths_, options_) > limit) {
      const auto total = static_cast<double>(weight_bytes(widths_, options_));
      double largest = 0;
      for (std::size_t v = 0; v < options_.size(); ++v) {
        if (can_cut_weights(v)) largest = std::max(largest, share(v, total));
      }
      std::optional<std::size_t> first;
      for (std::size_t v = 0; v < options_.size() && !first; ++v) {
        if (can_cut_weights(v) && share(v, total) > largest - kMargin) first = v;
      }
      if (!first) return;
      ++options_[*first];
    }
  }

  Options take() { return std::move(options_); }

 private:
  int bits(ValueId id) const {
    if (const auto v = widths_.variable_of(id)) return widths_.choices[options_[*v]];
    const Value& value = graph_.value(id);
    return value.quantization ? value.quantization->bits : 32;
  }
  std::int64_t bytes(ValueId id) const {
    return (element_count(graph_.value(id).shape) * bits(id) + 7) / 8;
  }
  bool exceeds(const Maps& layer, std::int64_t limit) const {
    return bytes(layer.in) + bytes(layer.out) > limit;
  }
  bool is_larger(ValueId a, ValueId b) const {
    return bytes(a) > bytes(b) || (bytes(a) == bytes(b) && bits(a) >= bits(b));
  }
  bool cut(ValueId id) {
    const auto v = widths_.variable_of(id);
    if (!v || options_[*v] + 1 >= widths_.choices.size()) return false;
    ++options_[*v];
    return true;
  }
  bool can_cut_weights(std::size_t v) const {
    return widths_.variables[v].weights && options_[v] + 1 < widths_.choices.size();
  }
  double share(std::size_t v, double total) const {
    return static_cast<double>(widths_.variables[v].elements * widths_.choices[options_[v]]) / 8 /
           total;
  }

  const Graph& graph_;
  const Widths& widths_;
  Options options_;
  std::vector<Maps> layers_;
};

}  // namespace

Options memory_driven(const Graph& annotated, const Widths& widths, const MemoryLimits& limits) {
  Rule rule(annotated, widths, Options(widths.variables.size(), 0));
  rule.cut_activations(limits.activation_bytes);
  rule.cut_weights(limits.weight_bytes);
  return rule.take();
}

std::int64_t activation_bytes(const Graph& annotated, const Widths& widths,
                              const Options& options) {
  return Rule(annotated, widths, options).most_bytes();
}

}  // namespace workbench
