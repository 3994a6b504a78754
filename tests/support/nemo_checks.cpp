#include "tests/support/nemo_checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/quantize/integer_network.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace {

const Quantization& input_quantization(const Graph& integers) {
  const auto first = std::ranges::find_if(
      integers.nodes, [](const Node& node) { return std::holds_alternative<Quantize>(node.op); });
  return *integers.value(first->outputs[0]).quantization;
}

// Every integer value that both graphs have by name is the same; how many there were.
int compare_integers(const Graph& a, const std::vector<Tensor>& in_a, const Graph& b,
                     const std::vector<Tensor>& in_b) {
  const auto names = values_by_name(b);
  int compared = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const Value& value = a.values[i];
    const auto found = names.find(value.name);
    if (value.constant || !value.quantization || found == names.end()) continue;
    EXPECT_EQ(in_a[i], in_b[static_cast<std::size_t>(found->second)]) << value.name;
    ++compared;
  }
  return compared;
}

std::vector<double> codes_of(const Tensor& tensor) {
  std::vector<double> codes;
  const auto append = [&](auto values) { codes.assign(values.begin(), values.end()); };
  if (tensor.type() == ElementType::Uint8) append(tensor.values<std::uint8_t>());
  if (tensor.type() == ElementType::Int8) append(tensor.values<std::int8_t>());
  return codes;
}

}  // namespace

Tensor nemo_input_codes(const Graph& integers, const Tensor& x) {
  const Quantization& input = input_quantization(integers);
  std::vector<float> codes;
  for (const float v : x.values<float>()) {
    const double code =
        std::round(static_cast<double>(v) / input.step()) + static_cast<double>(input.zero_point());
    codes.push_back(static_cast<float>(
        std::clamp(code, static_cast<double>(input.low()), static_cast<double>(input.high()))));
  }
  return Tensor::from<float>(x.shape(), codes);
}

// Through a file of NEMO's convention and back: the same integers.
void check_nemo_round_trip(const Graph& form, const Graph& integers, const Tensor& x) {
  const std::vector<Tensor> values = golden::run(integers, {&x, 1});
  const Tensor codes = nemo_input_codes(integers, x);
  const Quantization& input = input_quantization(integers);
  const Graph imported = import_onnx_bytes(export_onnx_bytes(form), "form");
  ASSERT_TRUE(is_integer_network(imported));
  const std::string& name = imported.value(imported.inputs[0]).name;
  const Graph back = integer_network(imported, {}, {.input_signed = {{name, input.is_signed}}});
  const std::vector<Tensor> again = golden::run(back, {&codes, 1});
  EXPECT_GT(compare_integers(back, again, integers, values), 3);
}

// The integers against a float graph that has the same values, as `step` times their codes.
void add_differences(const Graph& integers, const std::vector<Tensor>& values,
                     const std::vector<ValueId>& ids, const Graph& reference, const Tensor& x,
                     bool real, CodeDifference& difference) {
  std::map<std::string, Tensor> expected;
  evaluate(reference, {&x, 1},
           {.arithmetic = Arithmetic::Exact, .observe = [&](ValueId id, const Tensor& tensor) {
              expected.insert_or_assign(reference.value(id).name, tensor);
            }});
  for (const ValueId id : ids) {
    const Value& value = integers.value(id);
    const auto found = expected.find(value.name);
    if (found == expected.end()) continue;
    const std::vector<double> codes = codes_of(values[static_cast<std::size_t>(id)]);
    const double step = real ? value.quantization->step() : 1;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double wanted = static_cast<double>(found->second.values<float>()[i]) / step;
      difference.add(std::abs(codes[i] - wanted));
    }
  }
}

}  // namespace workbench
