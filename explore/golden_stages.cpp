#include "explore/golden_stages.h"

#include <algorithm>
#include <charconv>

namespace workbench {

namespace {

bool is_integer(const Value& value) {
  return value.type != ElementType::Float32 && value.quantization && !value.constant;
}

bool is_weighted(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<Gemm>(op) ||
         std::holds_alternative<MatMul>(op);
}

bool is_pool(const Op& op) {
  return std::holds_alternative<MaxPool>(op) || std::holds_alternative<AveragePool>(op);
}

bool is_rescaling(const Node& node) {
  return std::holds_alternative<Identity>(node.op) && node.affine;
}

// Accumulators that leave as they are.
bool changes_nothing(const AffineRequantize& how) {
  const auto all = [](const std::vector<std::int64_t>& list, std::int64_t value) {
    return std::all_of(list.begin(), list.end(), [&](std::int64_t v) { return v == value; });
  };
  return all(how.multiplier, 1) && all(how.offset, 0) && how.divisor == 1;
}

std::optional<std::int64_t> number_of(const std::string& name) {
  const std::size_t at = name.find_last_of('_');
  if (at == std::string::npos) return std::nullopt;
  std::int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + at + 1, end, number);
  return error == std::errc{} && rest == end ? std::optional(number) : std::nullopt;
}

class Modules {
 public:
  explicit Modules(const Graph& graph) : graph_(graph) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) add(n);
    const auto numbered = [](const GoldenStage& stage) { return stage.number.has_value(); };
    if (!std::all_of(stages_.begin(), stages_.end(), numbered)) return;
    std::stable_sort(
        stages_.begin(), stages_.end(),
        [](const GoldenStage& a, const GoldenStage& b) { return *a.number < *b.number; });
  }
  std::vector<GoldenStage> take() { return std::move(stages_); }

 private:
  void add(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (!is_integer(graph_.value(node.outputs[0]))) return;
    if (is_weighted(node.op)) return add_weighted(n);
    if (std::holds_alternative<Binary>(node.op)) return add_sum(n);
    if (is_pool(node.op) || is_rescaling(node)) {
      push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
    }
  }

  // `source`: the exporter's node whose result it is.
  GoldenStage& push(std::size_t n, GoldenFile::Kind kind, const std::string& source) {
    const Node& node = graph_.nodes[n];
    const ValueId value = node.outputs[0];
    stages_.push_back({.kind = kind,
                       .node = n,
                       .value = value,
                       .shape = graph_.value(value).shape,
                       .names = {source},
                       .number = number_of(source)});
    if (kind == GoldenFile::Kind::Memory) stages_.back().names.push_back(graph_.value(value).name);
    return stages_.back();
  }

  void add_weighted(std::size_t n) {
    const Node& node = graph_.nodes[n];
    const bool rescales = node.affine && !changes_nothing(*node.affine);
    GoldenStage& sums =
        push(n, rescales ? GoldenFile::Kind::Accumulator : GoldenFile::Kind::Memory, node.name);
    sums.names.push_back(graph_.value(node.inputs.at(1)).name);
    if (rescales) {
      push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
    }
  }

  // merged: rescalings of the operands, in their order, then what follows the sum.
  void add_sum(std::size_t n) {
    const Node& node = graph_.nodes[n];
    std::size_t merged = 0;
    for (std::size_t i = 0; i < node.operand_affine.size(); ++i) {
      if (changes_nothing(node.operand_affine[i])) continue;
      const std::string source =
          merged < node.merged.size() ? node.merged[merged++] : std::string();
      GoldenStage& stage = push(n, GoldenFile::Kind::Operand, source);
      stage.operand = i;
      stage.shape = graph_.value(node.inputs[i]).shape;
    }
    if (!node.affine || (changes_nothing(*node.affine) && merged == node.merged.size())) return;
    push(n, GoldenFile::Kind::Memory, node.merged.empty() ? node.name : node.merged.back());
  }

  const Graph& graph_;
  std::vector<GoldenStage> stages_;
};

}  // namespace

std::vector<GoldenStage> dory_layers(const Graph& quantized) {
  const auto readers = consumers(quantized);
  std::vector<GoldenStage> layers;
  for (std::size_t n = 0; n < quantized.nodes.size(); ++n) {
    const Node& node = quantized.nodes[n];
    if (!is_integer(quantized.value(node.outputs[0]))) continue;
    const bool layer =
        is_weighted(node.op) || is_pool(node.op) || std::holds_alternative<Binary>(node.op);
    if (!layer) continue;
    GoldenStage stage{.node = n, .value = node.outputs[0], .names = {node.name}};
    stage.names.insert(stage.names.end(), node.merged.begin(), node.merged.end());
    for (const auto* read_by = &readers[static_cast<std::size_t>(stage.value)];
         read_by->size() == 1 && is_rescaling(quantized.nodes[read_by->front()]);
         read_by = &readers[static_cast<std::size_t>(stage.value)]) {
      const Node& behind = quantized.nodes[read_by->front()];
      stage.value = behind.outputs[0];
      stage.names.push_back(behind.name);
    }
    stage.shape = quantized.value(stage.value).shape;
    stage.names.push_back(quantized.value(stage.value).name);
    layers.push_back(std::move(stage));
  }
  return layers;
}

std::vector<GoldenStage> deeploy_modules(const Graph& quantized) {
  return Modules(quantized).take();
}

ValueId codes_of_output(const Graph& quantized, ValueId output) {
  const std::ptrdiff_t writer = producers(quantized)[static_cast<std::size_t>(output)];
  if (writer < 0) return output;
  const Node& node = quantized.nodes[static_cast<std::size_t>(writer)];
  return std::holds_alternative<Dequantize>(node.op) ? node.inputs[0] : output;
}

}  // namespace workbench
