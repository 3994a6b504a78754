#include "core/graph.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

Graph small_conv() {  // 3x3 over [1, 8, 10, 10], padded: 16 maps of 10x10
  return graph_of({.op = Conv{.window = square(3, 1, 1)},
                   .operands = {Tensor::zeros(ElementType::Float32, {1, 8, 10, 10}),
                                Tensor::zeros(ElementType::Float32, {16, 8, 3, 3}),
                                Tensor::zeros(ElementType::Float32, {16})}});
}

std::string first_violation(const Graph& graph) {
  const auto violations = verify(graph);
  return violations.empty() ? "none" : violations[0].message;
}

TEST(Graph, a_well_formed_graph_has_no_violation) {
  EXPECT_EQ(first_violation(small_conv()), "none");
}

TEST(Graph, verify_names_values_with_one_name) {
  Graph graph = small_conv();
  graph.values[1].name = graph.values[0].name;
  EXPECT_EQ(first_violation(graph), "two values are named 'operand_0'");
}

TEST(Graph, verify_names_nodes_without_a_name) {
  Graph graph = small_conv();
  graph.nodes[0].name.clear();
  EXPECT_EQ(first_violation(graph), "a Conv node has no name");
}

TEST(Graph, verify_finds_reads_before_writes) {
  Graph graph = small_conv();
  graph.inputs.clear();
  EXPECT_EQ(first_violation(graph), "node 'node' reads 'operand_0' before it is written");
}

TEST(Graph, verify_finds_values_that_do_not_exist) {
  Graph graph = small_conv();
  graph.nodes[0].inputs[1] = 99;
  EXPECT_EQ(first_violation(graph), "node 'node' reads value 99, which does not exist");
}

TEST(Graph, verify_finds_a_second_writer) {
  Graph graph = small_conv();
  Node again = graph.nodes[0];
  again.name = "again";
  graph.nodes.push_back(again);
  EXPECT_EQ(first_violation(graph), "value 'result_0' is written twice");
}

TEST(Graph, verify_compares_shapes_with_the_rule) {
  Graph graph = small_conv();
  graph.value(graph.outputs[0]).shape = {1, 16, 9, 9};
  EXPECT_EQ(first_violation(graph),
            "node 'node' gives 'result_0' the shape [1, 16, 10, 10], its value says "
            "[1, 16, 9, 9]");
}

TEST(Graph, verify_reports_operands_that_do_not_fit) {
  Graph graph = small_conv();
  graph.value(graph.nodes[0].inputs[2]).shape = {17};
  EXPECT_EQ(first_violation(graph),
            "node 'node' (Conv): operand 2 (bias): expected shape [16], found [17]");
}

TEST(Graph, verify_finds_nodes_that_write_nothing) {
  Graph graph = small_conv();
  graph.nodes[0].outputs.clear();
  EXPECT_EQ(first_violation(graph), "node 'node' writes nothing");
}

TEST(Graph, verify_finds_outputs_nobody_writes) {
  Graph graph = small_conv();
  graph.outputs.push_back(graph.add_value({.name = "loose"}));
  EXPECT_EQ(first_violation(graph), "graph output 'loose' is never written");
}

TEST(Graph, consumers_and_producers_index_nodes) {
  const Graph graph = small_conv();
  EXPECT_EQ(consumers(graph)[0], (std::vector<std::size_t>{0}));
  EXPECT_EQ(producers(graph)[static_cast<std::size_t>(graph.outputs[0])], 0);
  EXPECT_EQ(producers(graph)[0], -1);
}

TEST(Graph, a_value_read_twice_by_a_node_has_one_consumer) {
  Graph graph = graph_of({.op = Binary{}, .operands = {counting({4}), counting({4})}});
  graph.nodes[0].inputs[1] = graph.nodes[0].inputs[0];
  EXPECT_EQ(consumers(graph)[0].size(), 1U);
}

TEST(Graph, counts_of_a_convolution) {
  const Graph graph = small_conv();
  // 16*10*10 outputs of 8*3*3 products each
  EXPECT_EQ(macs(graph, graph.nodes[0]), 16 * 10 * 10 * 8 * 3 * 3);
  EXPECT_EQ(layer_ops(graph, graph.nodes[0]), 2 * 16 * 10 * 10 * 8 * 3 * 3);
  EXPECT_EQ(parameters(graph), 16 * 8 * 3 * 3 + 16);
}

TEST(Graph, weights_that_came_as_codes_count) {
  Graph graph = small_conv();
  const ValueId real = graph.nodes[0].inputs[1];
  Value codes{.name = "codes", .shape = graph.value(real).shape, .type = ElementType::Int8};
  codes.constant = Tensor::uninitialized(ElementType::Int8, codes.shape);
  codes.quantization = Quantization{.thresholds = {1}};
  graph.value(real).constant.reset();
  const ValueId id = graph.add_value(std::move(codes));
  graph.nodes.insert(graph.nodes.begin(),
                     {.name = "dequantize", .op = Dequantize{}, .inputs = {id}, .outputs = {real}});
  EXPECT_EQ(parameters(graph), 16 * 8 * 3 * 3 + 16);
}

TEST(Graph, counts_of_a_transposed_convolution) {
  // [1, 4, 5, 5] -> [1, 6, 10, 10] with 2x2 filters at stride 2
  const Graph graph =
      graph_of({.op = ConvTranspose{.window = square(2, 2), .output_padding = {0, 0}},
                .operands = {Tensor::zeros(ElementType::Float32, {1, 4, 5, 5}),
                             Tensor::zeros(ElementType::Float32, {4, 6, 2, 2})}});
  EXPECT_EQ(macs(graph, graph.nodes[0]), 4 * 5 * 5 * 6 * 2 * 2);
  EXPECT_EQ(layer_ops(graph, graph.nodes[0]), 2 * 10 * 10 * 6 * 4 * 2 * 2);
}

TEST(Graph, counts_of_a_matrix_product) {
  const Graph graph = graph_of({.op = Gemm{.transpose_b = true},
                                .operands = {Tensor::zeros(ElementType::Float32, {2, 30}),
                                             Tensor::zeros(ElementType::Float32, {7, 30})}});
  EXPECT_EQ(macs(graph, graph.nodes[0]), 2 * 7 * 30);
  EXPECT_EQ(layer_ops(graph, graph.nodes[0]), 0);  // xfDNN leaves FC out
}

TEST(Graph, counts_of_pooling_and_eltwise) {
  const Tensor x = Tensor::zeros(ElementType::Float32, {1, 4, 8, 8});
  const Graph pool = graph_of({.op = MaxPool{.window = square(2, 2)}, .operands = {x}});
  EXPECT_EQ(macs(pool, pool.nodes[0]), 0);
  EXPECT_EQ(layer_ops(pool, pool.nodes[0]), 4 * 4 * 4 * 2 * 2);
  const Graph add = graph_of({.op = Binary{}, .operands = {x, x}});
  EXPECT_EQ(layer_ops(add, add.nodes[0]), 4 * 8 * 8);
}

TEST(Graph, op_names_are_those_of_onnx) {
  EXPECT_EQ(op_name(Activate{.activation = {.kind = Activation::Kind::LeakyRelu}}), "LeakyRelu");
  EXPECT_EQ(op_name(Binary{.kind = Binary::Kind::Mul}), "Mul");
  EXPECT_EQ(op_name(Softmax{.log = true}), "LogSoftmax");
  EXPECT_EQ(op_name(Reduce{.kind = Reduce::Kind::Max}), "ReduceMax");
  EXPECT_EQ(op_name(Lrn{}), "LRN");
}

// Converts to whatever a member is, so that T can be made of as many of them as it has members.
struct Anything {
  template <typename T>
  operator T() const;
};

template <typename T, typename... Found>
consteval std::size_t members() {
  if constexpr (requires { T{Found{}..., Anything{}}; }) {
    return members<T, Found..., Anything>();
  } else {
    return sizeof...(Found);
  }
}

template <typename T>
std::size_t listed_fields() {
  std::size_t count = 0;
  T object{};
  for_each_field(object, [&](std::string_view, auto&&...) { ++count; });
  return count;
}

template <std::size_t... I>
std::map<std::string, std::pair<std::size_t, std::size_t>> members_and_fields(
    std::index_sequence<I...>) {
  return {{std::string(std::variant_alternative_t<I, Op>::kName),
           {members<std::variant_alternative_t<I, Op>>(),
            listed_fields<std::variant_alternative_t<I, Op>>()}}...};
}

TEST(Graph, every_member_of_an_operator_is_in_its_field_list) {
  const auto counts = members_and_fields(std::make_index_sequence<std::variant_size_v<Op>>());
  EXPECT_EQ(counts.size(), std::variant_size_v<Op>) << "two operators share a name";
  for (const auto& [name, count] : counts) EXPECT_EQ(count.first, count.second) << name;
  EXPECT_EQ(counts.at("Conv").first, 3U);
  EXPECT_EQ(members<Activation>(), listed_fields<Activation>());
  EXPECT_EQ(members<Window>(), listed_fields<Window>());
  EXPECT_EQ(members<Quantization>(), listed_fields<Quantization>());
  EXPECT_EQ(members<Requantize>(), listed_fields<Requantize>());
  EXPECT_EQ(members<AffineRequantize>(), listed_fields<AffineRequantize>());
}

TEST(Graph, traits_and_parts_of_an_operator_are_found_in_any_of_them) {
  EXPECT_TRUE(traits(Reshape{}).moves_data && traits(Reshape{}).silent);
  EXPECT_TRUE(traits(Conv{}).multiplies && traits(Conv{}).has_weights);
  EXPECT_FALSE(traits(MaxPool{}).moves_data);

  const Activation relu{.kind = Activation::Kind::Relu};
  Op conv = Conv{.activation = relu};
  Op activate = Activate{relu};
  EXPECT_EQ(activation_of(conv), relu);
  EXPECT_EQ(activation_of(activate), relu);
  EXPECT_EQ(activation_of(Op(Concat{})), Activation{});
  EXPECT_EQ(fused_activation(conv), &std::get<Conv>(conv).activation);
  EXPECT_EQ(fused_activation(activate), nullptr);  // its own purpose
  EXPECT_EQ(window_of(conv), &std::get<Conv>(conv).window);
  EXPECT_EQ(window_of(activate), nullptr);

  EXPECT_EQ(fill_value(Pad{.value = 3}), 3);
  EXPECT_EQ(fill_value(Pad{.mode = Pad::Mode::Edge, .value = 3}), std::nullopt);
  EXPECT_EQ(fill_value(Resize{.coordinates = Resize::Coordinates::TfCropAndResize,
                              .extrapolation_value = 2}),
            2);
  EXPECT_EQ(fill_value(Resize{.extrapolation_value = 2}), std::nullopt);
}

}  // namespace
}  // namespace workbench
