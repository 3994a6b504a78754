// Time of a training step through quantizers beside a plain step of libtorch in float, forward and
// backward, of the same network and batch: retrain_step MODEL [BATCH [STEPS]]. CPU time of one
// thread.
#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <vector>

#include "data/samples.h"
#include "explore/flow/quantization.h"
#include "train/torch_network.h"

namespace workbench::train {
namespace {

double seconds_a_step(const Graph& graph, const Trainable& what, const Parameters& parameters,
                      const Batch& batch, Trained trained, int steps) {
  const TorchNetwork network(graph, what, "cpu", 1);
  (void)network.step(parameters, batch, trained);
  const std::clock_t begin = std::clock();
  for (int i = 0; i < steps; ++i) (void)network.step(parameters, batch, trained);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / steps;
}

void measure(const std::string& model, std::int64_t size, int steps) {
  CompileRequest request;
  request.model.name = model;
  request.target = "xdnn";
  request.scheme = "per-tensor-pow2";
  const Shape shape = [&] {
    const Graph graph = imported(load_model(request.model)).graph;
    return graph.value(graph.inputs.at(0)).shape;
  }();
  const SampleSource samples{.count = 1, .at = [&](std::size_t i) {
                               return std::vector<Tensor>{synthetic_sample(shape, i)};
                             }};
  const Quantized quantized = quantize_network(request, samples);
  const Trainable what = trainable(quantized.annotated);
  const Parameters parameters = initial_parameters(quantized.annotated, quantized.floats, what);
  const TorchNetwork network(quantized.annotated, what, "cpu", 1);
  Batch batch{.count = size, .images = {}, .targets = {}};
  for (std::int64_t i = 0; i < size; ++i) {
    const Tensor image = synthetic_sample(shape, static_cast<std::uint64_t>(i));
    const auto values = image.values<float>();
    batch.images.insert(batch.images.end(), values.begin(), values.end());
  }
  const std::int64_t classes = network.classes();
  batch.targets.assign(static_cast<std::size_t>(size * classes), 1 / static_cast<float>(classes));
  Trainable plain = what;
  plain.quantizers.clear();
  plain.biases.clear();
  const double floats = seconds_a_step(quantized.annotated, plain, parameters, batch,
                                       {.weights = true, .steps = false}, steps);
  const double codes = seconds_a_step(quantized.annotated, what, parameters, batch,
                                      {.weights = true, .steps = true}, steps);
  fmt::print("{}: batch {}: float {:.3f} s a step, through quantizers {:.3f} s, {:.2f} times\n",
             model, size, floats, codes, codes / floats);
}

}  // namespace
}  // namespace workbench::train

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: retrain_step MODEL [BATCH [STEPS]]\n");
    return 2;
  }
  workbench::train::measure(arguments[1], count > 2 ? std::atoll(arguments[2]) : 64,
                            count > 3 ? std::atoi(arguments[3]) : 5);
  return 0;
}
