#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/front_end.h"
#include "compiler/import/names.h"
#include "compiler/import/tensor_proto.h"
#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/graph_file.h"
#include "core/error.h"

namespace workbench::importer {

namespace tensorflow {

namespace {

// Sides of square inputs that networks are published with, the most common first.
constexpr std::int64_t kSides[] = {224, 227, 299, 256, 128, 160, 192, 96,  112, 64,  48,
                                   32,  28,  40,  50,  80,  100, 120, 150, 200, 240, 300,
                                   320, 331, 384, 400, 416, 448, 480, 512, 513, 608, 640};
constexpr std::int64_t kLargestSide = 640;

std::vector<std::vector<int>> readers_of(const Converter& converter) {
  std::vector<std::vector<int>> readers(converter.node_count());
  for (std::size_t n = 0; n < converter.node_count(); ++n) {
    for (const Edge& edge : converter.nodes()[n].inputs) {
      readers[static_cast<std::size_t>(edge.node)].push_back(static_cast<int>(n));
    }
  }
  return readers;
}

// What the first operator that cares says of its operand 0: channels, or all of its sizes.
std::optional<Shape> shape_for(const Converter& converter, int node) {
  const GraphNode& reader = converter.nodes()[static_cast<std::size_t>(node)];
  const std::string& op = reader.def->op();
  const auto constant_at = [&](std::size_t i) -> const Constant* {
    if (reader.inputs.size() <= i) return nullptr;
    const int id = converter.result(reader.inputs[i].node, reader.inputs[i].output);
    if (id < 0 || !converter.value(id).constant) return nullptr;
    return &*converter.value(id).constant;
  };
  const Constant* operand = constant_at(1);
  if (operand == nullptr) return std::nullopt;
  if (op == "Conv2D" || op == "DepthwiseConv2dNative") {
    if (operand->shape.size() != 4) return std::nullopt;
    return Shape{1, -1, -1, operand->shape[2]};
  }
  if (op == "MatMul" && operand->shape.size() == 2) return Shape{1, operand->shape[0]};
  if (op == "Reshape" && !operand->holds_reals() && operand->integers().size() > 1) {
    std::int64_t count = 1;
    for (std::size_t i = 1; i < operand->integers().size(); ++i) {
      const std::int64_t size = operand->integers()[i];
      if (size < 1 || size > kMaxElements || count > kMaxElements) return std::nullopt;
      count *= size;
    }
    return Shape{1, count};
  }
  return std::nullopt;
}

bool passes_shape_on(const std::string& op) {
  static const std::set<std::string> kOps{"Identity",
                                          "Add",
                                          "AddV2",
                                          "Sub",
                                          "Mul",
                                          "RealDiv",
                                          "Div",
                                          "Relu",
                                          "Relu6",
                                          "Cast",
                                          "Pad",
                                          "PadV2",
                                          "BiasAdd",
                                          "MirrorPad",
                                          "StopGradient",
                                          "Maximum",
                                          "Minimum",
                                          "MaxPool",
                                          "AvgPool",
                                          "FusedBatchNorm",
                                          "FusedBatchNormV3"};
  return kOps.contains(op);
}

// The shape of an input that has none, as far as the first operators behind it tell.
std::optional<Shape> guess_shape(const Converter& converter, const Converter::OpenInput& input,
                                 const std::vector<std::vector<int>>& readers) {
  std::vector<int> pending{input.node};
  std::set<int> seen{input.node};
  for (std::size_t i = 0; i < pending.size() && i < 200; ++i) {
    for (const int reader : readers[static_cast<std::size_t>(pending[i])]) {
      const GraphNode& node = converter.nodes()[static_cast<std::size_t>(reader)];
      const bool is_data = !node.inputs.empty() && node.inputs[0].node == pending[i];
      if (is_data) {
        if (auto shape = shape_for(converter, reader)) return shape;
      }
      if (passes_shape_on(node.def->op()) && seen.insert(reader).second) {
        pending.push_back(reader);
      }
    }
  }
  return std::nullopt;
}

// What is declared, filled in with what was guessed.
std::optional<Shape> merged(const std::optional<Shape>& declared,
                            const std::optional<Shape>& guessed) {
  if (!declared) return guessed;
  Shape shape = *declared;
  if (!shape.empty() && shape[0] == -1) shape[0] = 1;
  if (guessed && guessed->size() == shape.size()) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == -1) shape[i] = (*guessed)[i];
    }
  }
  return shape;
}

bool is_open(const Shape& shape) {
  return std::ranges::any_of(shape, [](std::int64_t size) { return size < 0; });
}

Shape with_side(Shape shape, std::int64_t side) {
  for (std::int64_t& size : shape) size = size < 0 ? side : size;
  return shape;
}

using Shapes = std::map<std::string, Shape>;

// The sides that every layer agrees with: those that a flattened map before a matrix product, or a
// pool over the whole map, leave. Nothing where any large one would do.
std::optional<std::int64_t> solve_side(const GraphFile& file, const std::string& name,
                                       const Request& request, const Shapes& shapes) {
  const auto fits = [&](std::int64_t side) {
    Request trial = request;
    for (const auto& [input, shape] : shapes) trial.input_shapes[input] = with_side(shape, side);
    Converter converter(file, name, trial);
    converter.run();
    return !converter.has_obstacles();
  };
  if (fits(kLargestSide)) return std::nullopt;
  const auto* const found = std::ranges::find_if(kSides, fits);
  return found == std::end(kSides) ? std::nullopt : std::optional(*found);
}

// The first tensor's shape where the nodes before it say it.
void find_input_node_shape(const GraphFile& file, const std::string& name, Request& request) {
  Request whole = request;
  whole.input_node.clear();
  Converter probe(file, name, whole);
  const auto node = probe.find_node(request.input_node);
  if (!node) return;
  const std::string& key = probe.nodes()[static_cast<std::size_t>(*node)].def->name();
  if (request.input_shapes.contains(key)) return;
  probe.run();
  if (const auto shape = probe.shape_of(*node)) request.input_shapes[key] = *shape;
}

std::string to_list(const Shape& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += fmt::format("{}{}", text.empty() ? "" : ",", size);
  return text;
}

onnx::ModelProto convert(const GraphFile& file, const std::string& name, Request request) {
  if (!request.input_node.empty()) find_input_node_shape(file, name, request);
  Converter converter(file, name, request);
  converter.run();
  if (converter.open_inputs().empty()) return converter.finish();
  const auto readers = readers_of(converter);
  Shapes known;
  Shapes open;
  for (const Converter::OpenInput& input : converter.open_inputs()) {
    const auto shape = merged(input.declared, guess_shape(converter, input, readers));
    if (!shape) continue;
    const std::string& key = converter.nodes()[static_cast<std::size_t>(input.node)].def->name();
    (is_open(*shape) ? open : known)[key] = *shape;
  }
  request.input_shapes.insert(known.begin(), known.end());
  const bool all = known.size() + open.size() == converter.open_inputs().size();
  if (all && !open.empty()) {
    if (const auto side = solve_side(file, name, request, open)) {
      for (const auto& [key, shape] : open) known[key] = with_side(shape, *side);
      open.clear();
    }
  }
  request.input_shapes.insert(known.begin(), known.end());
  Converter again(file, name, request);
  for (const auto& [key, shape] : open) again.suggest(key, shape);
  again.run();
  for (const auto& [key, shape] : known) {
    again.builder().remark(
        fmt::format("--shape {}={}: the size that its layers agree with", key, to_list(shape)));
  }
  return again.finish();
}

onnx::ModelProto read(const std::filesystem::path& path, std::string_view bytes,
                      const ImportOptions& options) {
  try {
    const GraphFile file = parse(bytes);
    return convert(file, path.stem().string(),
                   {.input_shapes = options.input_shapes, .input_node = options.input_node});
  } catch (const Error& error) {
    fail("{}: {}", path.string(), one_line(error.what()));
  }
}

}  // namespace

}  // namespace tensorflow

const FrontEnd kTensorFlow{
    .format = "TensorFlow", .recognises = tensorflow::recognises, .read = tensorflow::read};

}  // namespace workbench::importer
