#include "compiler/quantize/result_error.h"

#include <algorithm>
#include <vector>

#include "compiler/quantize/fake_quantize.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

double error_of(const std::vector<Tensor>& found, const std::vector<Tensor>& wanted) {
  double noise = 0, signal = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const auto x = found[k].values<float>(), y = wanted[k].values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      noise += (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
      signal += double{y[i]} * double{y[i]};
    }
  }
  if (noise == 0) return 0;
  return signal > noise ? noise / signal : 1;
}

}  // namespace

Graph with_logits(Graph graph) {
  for (ValueId& id : graph.outputs) {
    for (const Node& node : graph.nodes) {
      if (node.outputs[0] == id && std::holds_alternative<Softmax>(node.op)) id = node.inputs[0];
    }
  }
  return graph;
}

double result_error(const Graph& annotated, const Graph& floats, const SampleSource& samples,
                    std::size_t most) {
  const Graph quantized = rounded(with_logits(annotated)), reference = with_logits(floats);
  const std::size_t count = std::min(samples.count, most);
  double sum = 0;
  for (std::size_t s = 0; s < count; ++s) {
    const std::vector<Tensor> input = samples.at(s * samples.count / count);
    sum += error_of(evaluate(quantized, input), evaluate(reference, input));
  }
  return sum / static_cast<double>(count);
}

}  // namespace workbench
