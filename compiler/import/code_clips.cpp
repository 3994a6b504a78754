#include "compiler/import/code_clips.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "compiler/passes/rewrite.h"

namespace workbench::importer {

namespace {

// The codes that a Clip leaves, as a narrower quantization, and its bounds.
struct Narrow {
  Quantization codes;
  std::int64_t low = 0, high = 0;
};

std::optional<Narrow> narrowed(const Quantization& codes, const Activation& clip) {
  if (codes.thresholds.size() != 1 || codes.bits > 8 || !clip.bounds.empty()) return std::nullopt;
  const auto bounded = [&](float bound) {
    return std::clamp(static_cast<double>(bound), static_cast<double>(codes.low()),
                      static_cast<double>(codes.high()));
  };
  Narrow result{.codes = codes,
                .low = static_cast<std::int64_t>(std::ceil(bounded(clip.alpha))),
                .high = static_cast<std::int64_t>(std::floor(bounded(clip.beta)))};
  if (result.low > codes.zero_point() || result.high < codes.zero_point()) return std::nullopt;
  Quantization& own = result.codes;
  own.bits = bits_of_range(result.low, result.high, own.is_signed);
  own.thresholds[0] = codes.step() * static_cast<double>(own.high());
  return result;
}

bool is_clip_of_codes(const Graph& graph, const Node& node) {
  const auto* activate = std::get_if<Activate>(&node.op);
  using Kind = Activation::Kind;
  if (activate == nullptr || graph.value(node.inputs[0]).constant) return false;
  const ElementType type = graph.value(node.inputs[0]).type;
  const bool is_codes = type == ElementType::Int8 || type == ElementType::Uint8;
  return is_codes &&
         (activate->activation.kind == Kind::Clip || activate->activation.kind == Kind::Relu);
}

// Codes from 0 on are what Clip(0, highest) is imported as.
Activation as_clip(const Activation& activation) {
  if (activation.kind == Activation::Kind::Clip) return activation;
  return {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 255};
}

void clip_before(Graph& graph, std::size_t quantize, const Narrow& narrow) {
  const ValueId real = graph.nodes[quantize].inputs[0];
  const auto bound = [&](std::int64_t code) {
    return static_cast<float>(static_cast<double>(code - narrow.codes.zero_point()) *
                              narrow.codes.step());
  };
  const std::string name = graph.value(real).name + "_clipped";
  const ValueId clipped =
      graph.add_value({.name = unique_value_name(graph, name), .shape = graph.value(real).shape});
  Node clip{.name = unique_node_name(graph, name),
            .op = Activate{{.kind = Activation::Kind::Clip,
                            .alpha = bound(narrow.low),
                            .beta = bound(narrow.high)}},
            .inputs = {real},
            .outputs = {clipped}};
  graph.nodes[quantize].inputs[0] = clipped;
  insert_node(graph, quantize, std::move(clip));
}

bool narrow_codes(Graph& graph, std::size_t n) {
  if (!is_clip_of_codes(graph, graph.nodes[n])) return false;
  const ValueId codes = graph.nodes[n].inputs[0];
  const auto quantize = writer_of(graph, codes);
  if (!quantize || !std::holds_alternative<Quantize>(graph.nodes[*quantize].op) ||
      sole_reader(graph, codes) != n || !graph.value(codes).quantization) {
    return false;
  }
  const auto narrow = narrowed(*graph.value(codes).quantization,
                               as_clip(std::get<Activate>(graph.nodes[n].op).activation));
  if (!narrow) return false;
  graph.value(graph.nodes[n].outputs[0]).quantization = narrow->codes;
  fuse_behind(graph, *quantize, n);
  const bool whole = narrow->low == narrow->codes.low() && narrow->high == narrow->codes.high();
  if (!whole) clip_before(graph, *quantize, *narrow);
  return true;
}

}  // namespace

int bits_of_range(std::int64_t low, std::int64_t high, bool is_signed) {
  Quantization codes{.bits = 2, .is_signed = is_signed};
  while (codes.low() > low || codes.high() < high) ++codes.bits;
  return codes.bits;
}

void narrow_clipped_codes(Graph& graph) { sweep(graph, narrow_codes); }

}  // namespace workbench::importer
