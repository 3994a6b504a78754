#include "explore/accuracy_runner.h"

#include <memory>
#include <utility>

#include "compiler/pulp/compile.h"
#include "compiler/xdnn/compile.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"

namespace workbench {

namespace {

NamedTensors evaluated(const Graph& graph, std::span<const Tensor> inputs, Arithmetic arithmetic,
                       std::vector<Tensor>& outputs) {
  NamedTensors tensors;
  outputs = evaluate(graph, inputs,
                     {.arithmetic = arithmetic, .observe = [&](ValueId id, const Tensor& tensor) {
                        tensors.insert_or_assign(graph.value(id).name, tensor);
                      }});
  return tensors;
}

IntegerRunner float_runner(const Graph& integers) {
  return [&integers](std::span<const Tensor> inputs, bool keep_tensors) {
    IntegerRun run;
    if (keep_tensors) {
      run.tensors = evaluated(integers, inputs, Arithmetic::Fast, run.outputs);
    } else {
      run.outputs = evaluate(integers, inputs);
    }
    return run;
  };
}

IntegerRunner runner_on(const xdnn::Machine& machine, const Graph& integers) {
  auto program = std::make_shared<const xdnn::Program>(xdnn::compile(integers, machine));
  xdnn::Machine card = machine;
  card.board.engines = 1;  // the others compute no values
  return [program, card](std::span<const Tensor> inputs, bool keep_tensors) {
    xdnn::SimulationResult run = xdnn::simulate(*program, card, inputs, {.collect = keep_tensors});
    return IntegerRun{std::move(run.outputs), std::move(run.tensors),
                      static_cast<std::int64_t>(run.hazards.size())};
  };
}

IntegerRunner runner_on(const pulp::Machine& machine, const Graph& integers) {
  auto program = std::make_shared<const pulp::Program>(pulp::compile(integers, machine));
  return [program, &machine](std::span<const Tensor> inputs, bool keep_tensors) {
    pulp::SimulationResult run =
        pulp::simulate(*program, machine, inputs, {.collect = keep_tensors});
    return IntegerRun{std::move(run.outputs), std::move(run.tensors),
                      static_cast<std::int64_t>(run.hazards.size())};
  };
}

}  // namespace

IntegerRunner integer_runner(const QuantizedNetwork& network) {
  if (!network.machine) return float_runner(network.integers);
  return std::visit([&](const auto& machine) { return runner_on(machine, network.integers); },
                    *network.machine);
}

GoldenDifference golden_difference(const QuantizedNetwork& network, std::span<const Tensor> inputs,
                                   const NamedTensors& computed) {
  const std::vector<Tensor> expected = golden::run(network.integers, inputs);
  std::vector<Tensor> outputs;
  const Verdict verdict =
      network.machine ? compare(network.integers, expected, computed)
                      : compare(network.integers, expected,
                                evaluated(network.integers, inputs, Arithmetic::Exact, outputs));
  return {verdict.values_compared, verdict.mismatches};
}

}  // namespace workbench
