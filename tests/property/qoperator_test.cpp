// The QOperator form of a quantized network: what is written, read again, computes the same codes
// as the QDQ form, value by value, and lowers to the same integers.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/import/qoperator_form.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/quantize_target.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_thresholds.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 6;
#else
constexpr int kCases = 60;
#endif

Graph passed(Graph graph) {
  run_passes(graph, float_pipeline({}));
  return graph;
}

// `qdq` with the integer biases of `form`: with these, the two forms are the same arithmetic, and a
// target that keeps the integers of a file has them in both.
Graph with_biases_of(const Graph& form, Graph qdq) {
  std::map<std::string, const Node*> formed;
  for (const Node& node : form.nodes) formed[node.name] = &node;
  const auto writers = producers(form);
  std::vector<Node> nodes;
  for (Node node : std::exchange(qdq.nodes, {})) {
    const std::vector<ValueId>& wanted = formed.at(node.name)->inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (wanted[i] == node.inputs[i]) continue;
      EXPECT_EQ(i, 2U) << node.name;
      Node dequantize =
          form.nodes.at(static_cast<std::size_t>(writers[static_cast<std::size_t>(wanted[i])]));
      dequantize.inputs = {qdq.add_value(form.value(dequantize.inputs[0]))};
      dequantize.outputs = {qdq.add_value(form.value(wanted[i]))};
      node.inputs[i] = dequantize.outputs[0];
      nodes.push_back(std::move(dequantize));
    }
    nodes.push_back(std::move(node));
  }
  qdq.nodes = std::move(nodes);
  return qdq;
}

// What codes stand for, in steps; anything else as it is.
std::vector<double> numbers(const Value& value, const Tensor& tensor) {
  std::vector<double> result;
  const std::int64_t zero = value.quantization ? value.quantization->zero_point() : 0;
  const auto take = [&](const auto values) {
    for (const auto v : values)
      result.push_back(static_cast<double>(v) - static_cast<double>(zero));
  };
  if (tensor.type() == ElementType::Float32) take(tensor.values<float>());
  if (tensor.type() == ElementType::Int8) take(tensor.values<std::int8_t>());
  if (tensor.type() == ElementType::Uint8) take(tensor.values<std::uint8_t>());
  EXPECT_FALSE(result.empty()) << to_string(tensor.type());
  return result;
}

// Values that both graphs have, by name: codes and results. How many of codes.
int expect_same_values(const Graph& first, const std::vector<Tensor>& before, const Graph& second,
                       const std::vector<Tensor>& after) {
  const auto names = values_by_name(second);
  int compared = 0;
  for (std::size_t i = 0; i < first.values.size(); ++i) {
    const Value& value = first.values[i];
    const bool is_output =
        std::ranges::find(first.outputs, static_cast<ValueId>(i)) != first.outputs.end();
    const bool is_code = value.quantization && value.type != ElementType::Int32;
    if (!is_code && !is_output) continue;
    const auto found = names.find(value.name);
    if (found == names.end()) {
      ADD_FAILURE() << value.name << " is gone";
      continue;
    }
    const Tensor& other = after[static_cast<std::size_t>(found->second)];
    EXPECT_EQ(numbers(value, before[i]), numbers(second.value(found->second), other)) << value.name;
    if (is_code && !value.constant) {
      EXPECT_EQ(value.quantization->thresholds.size(), 1U);
      EXPECT_FLOAT_EQ(static_cast<float>(value.quantization->step()),
                      static_cast<float>(second.value(found->second).quantization->step()));
      ++compared;
    }
  }
  return compared;
}

// What a target makes of a file that it has not written: the results.
std::vector<Tensor> lowered_results(const std::string& bytes, const QuantizeTarget& target,
                                    const Tensor& x) {
  const Graph prepared = target.prepare(passed(import_onnx_bytes(bytes, "again")));
  Thresholds elsewhere;  // nothing that the file says may be overruled by it
  for (const Value& value : prepared.values) elsewhere[value.name] = 12345;
  const Graph integers = target.lower(target.annotate(prepared, elsewhere));
  const std::vector<Tensor> values = golden::run(integers, {&x, 1});
  std::vector<Tensor> results;
  for (const ValueId id : integers.outputs) {
    results.push_back(values[static_cast<std::size_t>(id)]);
  }
  return results;
}

// Whether prepare() parted a layer from its activation: codes between the two are lost when they
// are fused again, in either form.
bool has_parted_activations(const Graph& prepared) {
  return std::ranges::any_of(prepared.values,
                             [](const Value& value) { return value.name.ends_with("_linear"); });
}

int qlinear_count(const std::string& bytes) {
  int count = 0;
  for (std::size_t at = bytes.find("QLinear"); at != std::string::npos;
       at = bytes.find("QLinear", at + 1)) {
    ++count;
  }
  return count;
}

TEST(QOperatorProperty, the_operator_form_computes_what_the_qdq_form_does) {
  const std::uint64_t seed = 20261122;
  std::mt19937_64 random(seed);
  const std::vector<QuantizeTarget> targets = {free_quantize_target(8), pulp_quantize_target({}),
                                               xdnn_quantize_target({})};
  int compared = 0, operators = 0, lowered = 0;
  for (int n = 0; n < kCases; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    const Graph source = random_graph(random, {.max_elements = 4000, .max_macs = 150'000});
    const QuantizeTarget& target = targets[static_cast<std::size_t>(n) % targets.size()];
    const Graph prepared = target.prepare(passed(source));
    const Tensor x = normal_tensor(prepared.value(prepared.inputs[0]).shape, random);
    Graph annotated = target.annotate(prepared, random_thresholds(prepared, x, random));
    annotate_weights(annotated, target, random);
    // A file rounds half to even, whatever the target does.
    for (Value& value : annotated.values) {
      if (value.quantization) value.quantization->rounding = Rounding::HalfEven;
    }
    const Graph qdq = fake_quantized(annotated);
    const Graph form = qoperator_form(qdq);
    const std::vector<Tensor> values = golden::run(form, {&x, 1});
    const Graph twin = with_biases_of(form, qdq);
    compared += expect_same_values(twin, golden::run(twin, {&x, 1}), form, values);

    const std::string bytes = export_onnx_bytes(form, CodesForm::QOperator);
    operators += qlinear_count(bytes);
    const Graph back = import_onnx_bytes(bytes, "back");
    EXPECT_EQ(export_onnx_bytes(form, CodesForm::QOperator), bytes);
    expect_same_values(form, values, back, golden::run(back, {&x, 1}));

    if (has_parted_activations(prepared)) continue;
    ++lowered;
    EXPECT_TRUE(lowered_results(bytes, target, x) ==
                lowered_results(export_onnx_bytes(twin), target, x));
  }
  EXPECT_GT(compared, 8 * kCases);
  EXPECT_GT(operators, 4 * kCases);
  EXPECT_GT(lowered, kCases / 2);
}

}  // namespace
}  // namespace workbench
