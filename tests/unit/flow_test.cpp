// The stages of a run: each value follows from those before it, whatever command asks.
#include <gtest/gtest.h>

#include "compiler/import/export.h"
#include "compiler/quantize/graph_digest.h"
#include "core/error.h"
#include "explore/flow/pipeline.h"
#include "tests/support/float_graph.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

CompileRequest request_for(const std::string& network, const std::string& machine,
                           const std::string& scheme = "") {
  return {.model = {.name = network}, .machine = find_machine_file(machine), .scheme = scheme};
}

TEST(Flow, every_command_quantizes_alike) {
  for (const char* scheme : {"published", "default", "xfdnn", "graffitist"}) {
    for (const char* machine : {"v3_96", "gap8"}) {
      SCOPED_TRACE(std::string(scheme) + " on " + machine);
      CompileRequest request = request_for("zoo:tiny_mobile", machine, scheme);
      const Compiled run = compile_network(request);
      request.target = is_xdnn(run) ? "xdnn" : "pulp";
      const ImageSet images = open_calibration(request, {}, "", {});
      const Quantized quantized = quantize_network(request, images.samples);
      EXPECT_EQ(graph_digest(quantized.integers), graph_digest(run.quantized));
      EXPECT_EQ(quantized.scheme, scheme);
      EXPECT_FALSE(quantized.floats.nodes.empty());
      EXPECT_FALSE(quantized.annotated.nodes.empty());
      EXPECT_FALSE(quantized.statistics.empty());
    }
  }
}

// NEMO's form and the form without hardware part a LeakyReLU from its layer; Graffitist gives the
// value between no codes of 8 bits.
TEST(Flow, graffitist_quantizes_networks_with_leaky_relus) {
  FloatGraph build("leaky");
  const ValueId x = build.input("x", {1, 2, 4, 4});
  const ValueId a =
      build.conv("a", x, 2, {1, -2, 3, 4}, {.kind = Activation::Kind::LeakyRelu, .alpha = 0.125F});
  build.output(build.conv("b", a, 2, {1, 2, -3, 4}));
  const TemporaryFolder folder;
  const auto file = folder.write("leaky.onnx", export_onnx_bytes(build.graph()));
  for (const char* machine : {"v3_96", "gap8", ""}) {
    SCOPED_TRACE(machine);
    CompileRequest request{.model = {.name = file.string()}, .scheme = "graffitist"};
    if (*machine != 0) request.machine = find_machine_file(machine);
    request.target = *machine == 0 ? "none" : machine == std::string("gap8") ? "pulp" : "xdnn";
    const ImageSet images = open_calibration(request, {}, "", {});
    const Quantized quantized = quantize_network(request, images.samples);
    EXPECT_FALSE(quantized.integers.nodes.empty());
  }
}

// Codes and weights of 16 bits, whatever chose them.
TEST(Flow, machines_of_16_bits_have_weights_of_16_bits) {
  for (const char* scheme : {"published", "xfdnn", "per-channel"}) {
    CompileRequest request = request_for("zoo:tiny_cnn", "v3_96", scheme);
    request.overrides.xdnn.bits = 16;
    const Compiled compiled = compile_network(request);
    for (const Value& value : compiled.quantized.values) {
      if (!value.constant || !value.quantization) continue;
      EXPECT_EQ(value.quantization->bits, 16) << scheme << ": " << value.name;
    }
  }
}

TEST(Flow, a_stage_leaves_the_values_before_it_as_they_were) {
  const CompileRequest request = request_for("zoo:tiny_cnn", "v3_96");
  const Target target = target_for(machine_of(request));
  const Imported network = target.import(request);
  const std::string imported_as = graph_digest(network.graph);
  const Quantized quantized = quantize_network(network, target, request);
  const std::string quantized_as = graph_digest(quantized.integers);
  const Compiled once = compile_network(network, quantized, target, request);
  const Compiled again = compile_network(network, quantized, target, request);
  (void)run_network(once);
  EXPECT_EQ(graph_digest(network.graph), imported_as);
  EXPECT_EQ(graph_digest(quantized.integers), quantized_as);
  EXPECT_EQ(xdnn::save_bytes(once.xdnn_program()), xdnn::save_bytes(again.xdnn_program()));
  EXPECT_EQ(xdnn::save_bytes(once.xdnn_program()),
            xdnn::save_bytes(compile_network(request).xdnn_program()));
}

TEST(Flow, a_program_has_the_sums_of_the_imported_network) {
  const Imported network = imported(load_model({.name = "zoo:tiny_cnn"}));
  EXPECT_GT(network.macs, 0);
  for (const char* machine : {"v3_96", "gap8"}) {
    const Compiled compiled = compile_network(request_for("zoo:tiny_cnn", machine));
    EXPECT_EQ(compiled.info().network, "tiny_cnn");
    EXPECT_EQ(compiled.info().network_macs, network.macs);
    EXPECT_EQ(compiled.info().network_ops, network.ops);
    EXPECT_EQ(compiled.info().network_parameters, network.parameters);
  }
}

TEST(Flow, what_a_family_has_not_is_refused) {
  const auto message = [](const CompileRequest& request) -> std::string {
    try {
      (void)compile_network(request);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  CompileRequest request = request_for("zoo:tiny_cnn", "gap8");
  request.quantizer_table = "thresholds.json";
  EXPECT_EQ(message(request), "--quantizer-json: expected an xDNN machine, found gap8");
  request = request_for("zoo:tiny_cnn", "v3_96", "nemo");
  EXPECT_EQ(message(request), "--scheme nemo: expected target pulp, found xdnn");
  request = request_for("zoo:tiny_cnn", "v3_96");
  request.target = "pulp";
  EXPECT_EQ(message(request),
            "--hw v3_96: expected a machine of --target pulp, found one of --target xdnn");
  request = {.model = {.name = "zoo:tiny_cnn"}, .target = "none"};
  EXPECT_EQ(message(request), "--target none: expected a machine to compile for");
}

}  // namespace
}  // namespace workbench
