#include "compiler/quantize/result_error.h"

#include <algorithm>
#include <vector>

#include "compiler/quantize/fake_quantize.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

double noise_share(const std::vector<Tensor>& found, const std::vector<Tensor>& wanted) {
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

ResultReference::ResultReference(const Graph& floats, const SampleSource& samples,
                                 std::size_t most) {
  const Graph reference = with_logits(floats);
  const std::size_t count = std::min(samples.count, most);
  for (std::size_t s = 0; s < count; ++s) {
    inputs_.push_back(samples.at(s * samples.count / count));
    results_.push_back(evaluate(reference, inputs_.back()));
  }
}

double ResultReference::error_of(const Graph& annotated) const {
  const Graph quantized = rounded(with_logits(annotated));
  double sum = 0;
  for (std::size_t s = 0; s < inputs_.size(); ++s) {
    sum += noise_share(evaluate(quantized, inputs_[s]), results_[s]);
  }
  return sum / static_cast<double>(inputs_.size());
}

double result_error(const Graph& annotated, const Graph& floats, const SampleSource& samples,
                    std::size_t most) {
  return ResultReference(floats, samples, most).error_of(annotated);
}

}  // namespace workbench
