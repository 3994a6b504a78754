// Pools and convolutions that change places or become one another: conv1x1_stride2_to_pool,
// pool_around_concat, merge_average_scale.
#include <algorithm>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

bool all_are(const std::vector<std::int64_t>& list, std::int64_t number) {
  return std::all_of(list.begin(), list.end(), [=](std::int64_t v) { return v == number; });
}

Window ones(std::size_t rank) {
  const std::vector<std::int64_t> one(rank, 1), zero(rank, 0);
  return {.kernel = one, .strides = one, .dilations = one, .pads_begin = zero, .pads_end = zero};
}

// A 1x1 convolution with a stride only looks at every stride-th pixel: a 1x1 pool takes those.
bool become_pool_and_conv(Graph& graph, std::size_t n) {
  const auto* conv = std::get_if<Conv>(&graph.nodes[n].op);
  if (conv == nullptr) return false;
  const Window& window = conv->window;
  const bool pointwise = all_are(window.kernel, 1) && all_are(window.pads_begin, 0) &&
                         all_are(window.pads_end, 0) && !all_are(window.strides, 1);
  if (!pointwise || is_constant(graph, graph.nodes[n].inputs[0])) return false;
  Window every = ones(window.kernel.size());
  std::swap(std::get<Conv>(graph.nodes[n].op).window.strides, every.strides);
  const std::string name = graph.nodes[n].name + "_pool";
  Value picked{.name = unique_value_name(graph, name),
               .shape = graph.value(graph.nodes[n].inputs[0]).shape};
  const Shape& out = graph.value(graph.nodes[n].outputs[0]).shape;
  std::copy(out.begin() + 2, out.end(), picked.shape.begin() + 2);
  Node pool{.name = unique_node_name(graph, name),
            .op = MaxPool{.window = std::move(every)},
            .inputs = {graph.nodes[n].inputs[0]},
            .outputs = {graph.add_value(std::move(picked))}};
  graph.nodes[n].inputs[0] = pool.outputs[0];
  insert_node(graph, n, std::move(pool));
  return true;
}

// The maximum of each channel does not care in which tensor the channel is.
bool move_before_concat(Graph& graph, std::size_t n) {
  const auto* pool = std::get_if<MaxPool>(&graph.nodes[n].op);
  if (pool == nullptr || graph.nodes[n].outputs.size() > 1) return false;
  const ValueId joined = graph.nodes[n].inputs[0];
  const auto before = writer_of(graph, joined);
  if (!before || sole_reader(graph, joined) != n) return false;
  const auto* concat = std::get_if<Concat>(&graph.nodes[*before].op);
  const std::size_t rank = graph.value(joined).shape.size();
  if (concat == nullptr || normalized_axis(concat->axis, rank) != 1) return false;
  const std::vector<ValueId> operands = graph.nodes[*before].inputs;
  const auto constant = [&](ValueId id) { return is_constant(graph, id); };
  if (std::any_of(operands.begin(), operands.end(), constant)) return false;
  const Node original = graph.nodes[n];
  const Shape out = graph.value(original.outputs[0]).shape;
  std::vector<Node> nodes;
  std::vector<ValueId> parts;
  for (const ValueId id : operands) {
    const auto known = std::find(operands.begin(), operands.end(), id) - operands.begin();
    if (static_cast<std::size_t>(known) < parts.size()) {  // the same tensor twice
      parts.push_back(parts[static_cast<std::size_t>(known)]);
      continue;
    }
    // inception_3b/1x1_pool3/3x3_s2: the branch's name, then the pool's.
    const auto writer = writer_of(graph, id);
    const std::string branch = writer ? graph.nodes[*writer].name : graph.value(id).name;
    const std::string name = branch + "_" + original.name;
    Value part{.name = unique_value_name(graph, name), .shape = out};
    part.shape[1] = graph.value(id).shape[1];
    const ValueId result = graph.add_value(std::move(part));
    nodes.push_back(Node{.name = unique_node_name(graph, name),
                         .op = original.op,
                         .inputs = {id},
                         .outputs = {result}});
    parts.push_back(result);
  }
  Node last{.name = graph.nodes[*before].name,
            .op = graph.nodes[*before].op,
            .inputs = std::move(parts),
            .outputs = original.outputs};
  last.merged = graph.nodes[*before].merged;
  record_merged(last, original);
  erase_node(graph, n);
  erase_node(graph, *before);
  std::size_t at = n - 1;
  for (Node& node : nodes) insert_node(graph, at++, std::move(node));
  insert_node(graph, at, std::move(last));
  return true;
}

bool is_leaky(const Activation& activation) {
  return activation.kind == Activation::Kind::Relu ||
         activation.kind == Activation::Kind::LeakyRelu;
}

// `id` is written by a node of its own that only node `reader` reads.
std::optional<std::size_t> chained(const Graph& graph, ValueId id, std::size_t reader) {
  const auto writer = writer_of(graph, id);
  return writer && sole_reader(graph, id) == reader ? writer : std::nullopt;
}

// A scale behind an average may as well be in front of it, and in front of a ReLU if it is not
// negative: right behind a convolution, where fold_scale_after finds it.
bool move_scale_before_average(Graph& graph, std::size_t n) {
  const auto affine = channel_affine(graph, graph.nodes[n]);
  const bool pure = affine && affine->is_pure_scale() &&
                    affine->activation.kind == Activation::Kind::None &&
                    std::holds_alternative<Binary>(graph.nodes[n].op);
  if (!pure) return false;
  const auto pool = chained(graph, affine->x, n);
  if (!pool || !std::holds_alternative<AveragePool>(graph.nodes[*pool].op)) return false;
  const ValueId pooled = graph.nodes[*pool].inputs[0];
  auto linear = chained(graph, pooled, *pool);
  if (!linear) return false;
  Activation between;
  std::optional<std::size_t> rectifier;
  if (const auto* activate = std::get_if<Activate>(&graph.nodes[*linear].op)) {
    if (!is_leaky(activate->activation)) return false;
    between = activate->activation;
    rectifier = linear;
    linear = chained(graph, graph.nodes[*rectifier].inputs[0], *rectifier);
    if (!linear) return false;
  }
  Op op = graph.nodes[*linear].op;
  if (!std::holds_alternative<Conv>(op) && !std::holds_alternative<ConvTranspose>(op)) {
    return false;
  }
  Activation* fused = fused_activation(op);
  if (fused->kind != Activation::Kind::None) {
    if (rectifier || !is_leaky(*fused)) return false;
    between = std::exchange(*fused, {});
  }
  const auto negative = [](double factor) { return factor < 0; };
  const auto& factors = affine->scale;
  if (between.kind != Activation::Kind::None &&
      std::any_of(factors.begin(), factors.end(), negative)) {
    return false;
  }
  // The numbers between are other ones now, so their values are new.
  const Node scale = graph.nodes[n];
  const Shape shape = graph.value(pooled).shape;
  const std::string base = graph.value(pooled).name;
  const auto value = [&](const std::string& suffix) {
    return graph.add_value({.name = unique_value_name(graph, base + suffix), .shape = shape});
  };
  const ValueId unscaled = value("_unscaled");
  const ValueId scaled = value("_scaled");
  Node multiply = scale;
  const bool constant_first = is_constant(graph, scale.inputs[0]);
  multiply.inputs[constant_first ? 1 : 0] = unscaled;
  multiply.outputs = {scaled};
  graph.nodes[*pool].inputs[0] = scaled;
  graph.nodes[*pool].outputs = scale.outputs;
  graph.nodes[*linear].op = std::move(op);
  graph.nodes[*linear].outputs = {unscaled};
  erase_node(graph, n);
  if (between.kind != Activation::Kind::None) {
    const ValueId rectified = value("_rectified");
    graph.nodes[*pool].inputs[0] = rectified;
    if (rectifier) {
      graph.nodes[*rectifier].inputs[0] = scaled;
      graph.nodes[*rectifier].outputs = {rectified};
    } else {
      insert_node(graph, *linear + 1,
                  Node{.name = unique_node_name(graph, graph.nodes[*linear].name + "_activation"),
                       .op = Activate{between},
                       .inputs = {scaled},
                       .outputs = {rectified}});
    }
  }
  insert_node(graph, *linear + 1, std::move(multiply));
  return true;
}

}  // namespace

bool conv1x1_stride2_to_pool(Graph& graph) { return sweep(graph, become_pool_and_conv); }
bool pool_around_concat(Graph& graph) { return sweep(graph, move_before_concat); }
bool merge_average_scale(Graph& graph) { return sweep(graph, move_scale_before_average); }

// Mean and maximum over spatial dimensions as pools over the whole map.

namespace {

// A window as large as the map in the reduced dimensions; nothing if others are reduced too.
std::optional<Window> whole_map(const Shape& shape, const std::vector<std::int64_t>& axes) {
  if (shape.size() < 3 || axes.empty()) return std::nullopt;
  const std::size_t spatial = shape.size() - 2;
  const std::vector<std::int64_t> ones(spatial, 1), zeros(spatial, 0);
  Window window{
      .kernel = ones, .strides = ones, .dilations = ones, .pads_begin = zeros, .pads_end = zeros};
  for (const std::int64_t axis : axes) {
    const std::int64_t dimension = normalized_axis(axis, shape.size());
    if (dimension < 2) return std::nullopt;
    window.kernel[static_cast<std::size_t>(dimension - 2)] =
        shape[static_cast<std::size_t>(dimension)];
  }
  return window;
}

bool become_pool(Graph& graph, std::size_t n) {
  const auto* reduce = std::get_if<Reduce>(&graph.nodes[n].op);
  if (!reduce) return false;
  if (reduce->kind != Reduce::Kind::Mean && reduce->kind != Reduce::Kind::Max) return false;
  const Shape shape = graph.value(graph.nodes[n].inputs[0]).shape;
  const auto window = whole_map(shape, reduce->axes);
  if (!window) return false;
  const bool keeps_dims = reduce->keep_dims;
  if (reduce->kind == Reduce::Kind::Mean) {
    graph.nodes[n].op = AveragePool{.window = *window};
  } else {
    graph.nodes[n].op = MaxPool{.window = *window};
  }
  if (keeps_dims) return true;
  const ValueId result = graph.nodes[n].outputs[0];
  Value pooled = graph.value(result);
  pooled.name = unique_value_name(graph, pooled.name + "_pooled");
  pooled.shape = shape;
  for (std::size_t i = 0; i < window->kernel.size(); ++i) pooled.shape[i + 2] /= window->kernel[i];
  graph.nodes[n].outputs[0] = graph.add_value(std::move(pooled));
  insert_node(graph, n + 1,
              Node{.name = unique_node_name(graph, graph.nodes[n].name + "_squeeze"),
                   .op = Reshape{graph.value(result).shape},
                   .inputs = {graph.nodes[n].outputs[0]},
                   .outputs = {result}});
  return true;
}

}  // namespace

bool pool_to_average(Graph& graph) { return sweep(graph, become_pool); }

}  // namespace workbench
