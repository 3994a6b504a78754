#include "tests/support/xdnn_program.h"

#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/xdnn/compile.h"
#include "tests/support/graph_builder.h"

namespace workbench {

Graph quantized_for(Graph graph, const xdnn::Machine& machine) {
  run_passes(graph, float_pipeline());
  Thresholds thresholds;
  for (const Value& value : graph.values) thresholds[value.name] = 64;
  return quantize(
      graph, thresholds,
      {.limits = xdnn::requantize_limits(machine), .host_reason = xdnn::host_reasons(machine)});
}

xdnn::Program compiled_for(const Graph& graph, const xdnn::Machine& machine) {
  return xdnn::compile(quantized_for(graph, machine), machine);
}

std::size_t instruction_of_layer(const xdnn::Program& program, const std::string& layer) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const auto row = static_cast<std::size_t>(program.info.instruction_layer[i]);
    if (program.info.layers[row].name == layer) return i;
  }
  ADD_FAILURE() << "no instruction of layer '" << layer << "'";
  return 0;
}

Graph every_instruction() {
  GraphBuilder b;
  b.graph().name = "every_instruction";
  const ValueId data = b.input("data", {1, 3, 16, 16});
  ValueId x = b.relu("relu1", b.conv("conv1", data, 40, square_window(3, 1, 1)));
  x = b.add("pool1", MaxPool{.window = square_window(2, 2)}, {x});
  const ValueId left = b.conv("left", x, 24, square_window(1));
  const ValueId right = b.add("right", MaxPool{.window = square_window(3, 1, 1)}, {x});
  x = b.add("join", Concat{}, {left, right});
  const ValueId branch = b.conv("branch", x, 64, square_window(3, 1, 1), 64);
  x = b.binary("sum", Binary::Kind::Add, x, branch);
  x = b.add("average", AveragePool{.window = square_window(2, 2)}, {x});
  x = b.add("gate", Activate{{.kind = Activation::Kind::Sigmoid}}, {x});
  x = b.add("peak", MaxPool{.window = square_window(3, 1, 1)}, {x});
  x = b.conv("conv2", x, 8, square_window(3));
  b.output(x);
  Resize twice{.scales = {1, 1, 2, 2}, .sizes = {1, 8, 4, 4}};
  x = b.add("up", twice, {x});
  x = b.add("deconv", ConvTranspose{.window = square_window(2, 2), .output_padding = {0, 0}},
            {x, b.random_constant("deconv_w", {8, 4, 2, 2})});
  b.output(x);
  return b.graph();
}

}  // namespace workbench
