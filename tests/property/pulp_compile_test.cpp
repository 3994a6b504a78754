// Whole small networks through compiler and simulator: every tensor as the golden model has it, and
// no hazard.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <regex>
#include <set>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/tiling_cache.h"
#include "isa/pulp/check.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "tests/support/integer_graphs.h"

namespace workbench::pulp {
namespace {

Machine machine_with(std::int64_t l1, std::int64_t l2, std::int64_t cores = 8) {
  Machine machine = load_machine("configs/pulp_open.yaml");
  machine.l1.buffer_bytes = l1;
  machine.l2.buffer_bytes = l2;
  machine.cluster.cores = cores;
  return machine;
}

// What the host may have written, or is a view of that: such values need not be in memory on their
// own.
bool may_be_of_host(const Graph& graph, ValueId id) {
  const std::ptrdiff_t writer = producers(graph)[static_cast<std::size_t>(id)];
  if (writer < 0) return true;
  const Node& node = graph.nodes[static_cast<std::size_t>(writer)];
  if (std::holds_alternative<Concat>(node.op)) {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId part) { return may_be_of_host(graph, part); });
  }
  return std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Reshape>(node.op);
}

// What is wrong with a run, empty when nothing is.
std::string fault(IntegerGraph& g, const Machine& machine, const CompileOptions& options) {
  const Program program = compile(g.graph(), machine, options);
  const std::vector<Tensor> inputs = g.random_inputs();
  const SimulationResult result = simulate(program, machine, inputs, {.threads = 1});
  if (!result.hazards.empty()) return to_string(result.hazards.front());
  const std::vector<Tensor> golden = golden::run(g.graph(), inputs);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const Value& value = g.graph().values[i];
    const auto found = result.tensors.find(value.name);
    if (value.constant) continue;
    if (found == result.tensors.end()) {
      if (may_be_of_host(g.graph(), static_cast<ValueId>(i))) continue;
      return "'" + value.name + "' is missing";
    }
    if (!(found->second.reshaped(golden[i].shape()) == golden[i])) {
      return "'" + value.name + "' differs";
    }
  }
  return "";
}

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 10;
#else
constexpr std::uint64_t kCases = 60;
#endif

void run_random(Tiler tiler, std::int64_t l1, std::int64_t l2, std::int64_t cores) {
  std::uint64_t refused = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    IntegerGraph g = random_integer_graph(seed);
    try {
      ASSERT_EQ(fault(g, machine_with(l1, l2, cores), {.tiler = tiler}), "") << "seed " << seed;
    } catch (const Error& error) {
      ++refused;
      if (refused > kCases / 2) FAIL() << "seed " << seed << ": " << error.what();
    }
  }
}

// Two pools of one map, so that it has to be there still: 3x3 with padding, in place where that is
// right (stride 2) and else not, and 2x2. Several tiles where L1 is small.
TEST(PulpCompile, max_pools_are_exact_whole_and_in_tiles_and_leave_the_map_to_others) {
  for (const std::int64_t stride : {1, 2}) {
    for (const Tiler tiler : {Tiler::Dory, Tiler::Optimal}) {
      for (const std::int64_t l1 : {2000, 38000}) {
        SCOPED_TRACE(fmt::format("stride {}, {} bytes, tiler {}", stride, l1,
                                 tiler == Tiler::Dory ? "dory" : "optimal"));
        IntegerGraph g;
        const ValueId x = g.input({1, 20, 14, 14}, kSigned8);
        g.output(g.max_pool(x, square_window(3, stride, 1)));
        g.output(g.max_pool(x, square_window(2, 2)));
        const Machine machine = machine_with(l1, 380000);
        EXPECT_EQ(fault(g, machine, {.tiler = tiler}), "");
        const Program program = compile(g.graph(), machine, {.tiler = tiler});
        ASSERT_EQ(program.tilings.size(), 2u);
        EXPECT_EQ(program.tilings[0].kernel, stride == 1 ? "maxpool_direct" : "maxpool");
        EXPECT_EQ(program.tilings[1].kernel, "maxpool");
        for (const LayerTiling& tiling : program.tilings) {
          EXPECT_GT(tiling.l1_tiles, l1 == 2000 ? 1 : 0);
        }
      }
    }
  }
}

// 64 channels of 30 x 30: 57600 bytes, and L1 holds 38000. Each layer has as many channels as fit
// twice, windows and results: 38000 / 1802 = 21, in steps of 4.
TEST(PulpCompile, pools_of_a_map_larger_than_l1_are_cut_by_channels) {
  for (const bool average : {false, true}) {
    IntegerGraph g;
    const ValueId x = g.input({1, 64, 30, 30}, kUnsigned8);
    AffineRequantize mean;
    mean.divisor = 900;
    g.output(average ? g.average_pool(x, square_window(30), mean)
                     : g.max_pool(x, square_window(30)));
    const Machine machine = machine_with(38000, 380000);
    EXPECT_EQ(fault(g, machine, {}), "");
    const Program program = compile(g.graph(), machine, {});
    ASSERT_EQ(program.info.layers.size(), 4U);
    EXPECT_EQ(program.info.layers[3].shape, (Shape{1, 4, 1, 1}));
  }
}

// docs/facts/pulp.md 1.1: the fabric controller of GAP8, 250 MHz without floating point.
TEST(PulpCompile, what_the_host_does_takes_time_in_no_cycle) {
  IntegerGraph g;
  const ValueId x = g.input({1, 16, 8, 8}, kUnsigned8);
  g.output(g.rescale(x, g.random_affine(16, 256, kUnsigned8), kUnsigned8));
  const ValueId scores = g.graph().outputs[0];
  const ValueId likely =
      g.graph().add_value({.name = "likely", .shape = {1, 16, 8, 8}, .type = ElementType::Float32});
  g.graph().nodes.push_back(
      {.name = "softmax", .op = Softmax{.axis = 1}, .inputs = {scores}, .outputs = {likely}});
  g.graph().outputs[0] = likely;
  const Machine machine = load_machine("configs/gap8.yaml");
  const Program program = compile(g.graph(), machine, {});
  ASSERT_EQ(program.info.host_steps.size(), 1u);
  // Of each of 1024 elements: from its code, maximum or difference, exponential (40 operations),
  // sum, quotient.
  EXPECT_NEAR(program.info.host_steps[0].milliseconds, 44 * 1024 / (machine.host.gflops * 1e6),
              1e-6);
}

// sdk21, applications/MobileNetV1, layerConvDWBNRelu3.c and its _p_b: x_tile_size_h is that of
// inner tiles, padding or not; p_b is the node's padding, of which stride 2 leaves nothing to be
// read; the weights of a channel are nine transfers of a byte.
TEST(PulpCompile, depthwise_layers_with_dorys_tiles_load_what_its_code_loads) {
  IntegerGraph g;
  const ValueId x = g.input({1, 16, 64, 64}, kUnsigned8);
  const AffineRequantize affine = g.random_affine(16, 9 * 128 * 128, kUnsigned8);
  g.output(g.conv(x, 16, square_window(3, 2, 1), 16, affine, kUnsigned8));
  const Machine machine = machine_with(16000, 380000);
  EXPECT_EQ(fault(g, machine, {.tiler = Tiler::Dory}), "");
  const Program program = compile(g.graph(), machine, {.tiler = Tiler::Dory});
  std::vector<Kernel> kernels;
  std::int64_t single_bytes = 0;
  for (const Instruction& instruction : program.instructions) {
    if (const auto* kernel = std::get_if<Kernel>(&instruction)) kernels.push_back(*kernel);
    const auto* dma = std::get_if<Dma>(&instruction);
    if (dma != nullptr && !dma->two_d && dma->length == 1) single_bytes += dma->bytes();
  }
  ASSERT_GE(kernels.size(), 3u);
  EXPECT_EQ(kernels[0].pad_top, 1);
  EXPECT_EQ(kernels[0].in_h, kernels[1].in_h);
  EXPECT_EQ(kernels[1].in_h, 2 * kernels[1].out_h + 1);
  EXPECT_EQ(kernels[1].pad_bottom, 0);
  EXPECT_EQ(kernels.back().pad_bottom, 1);
  EXPECT_EQ(single_bytes % (16 * 9), 0);
  EXPECT_GT(single_bytes, 0);
}

TEST(PulpCompile, random_networks_run_as_the_golden_model_with_dorys_tiles) {
  run_random(Tiler::Dory, 38000, 380000, 8);
}
TEST(PulpCompile, random_networks_run_with_dorys_tiles_in_a_small_l1) {
  run_random(Tiler::Dory, 6000, 380000, 8);
}
TEST(PulpCompile, random_networks_run_as_the_golden_model_with_the_fastest_tiles) {
  run_random(Tiler::Optimal, 38000, 380000, 8);
}
TEST(PulpCompile, random_networks_run_with_the_fastest_tiles_in_a_small_l1) {
  run_random(Tiler::Optimal, 3000, 380000, 3);
}
TEST(PulpCompile, random_networks_run_through_l3_where_l2_is_small) {
  run_random(Tiler::Optimal, 5000, 9000, 8);
}
TEST(PulpCompile, random_networks_run_through_l3_as_dory_cuts_them) {
  run_random(Tiler::Dory, 20000, 16000, 8);
}

// 3x3 over 256 and 512 channels: the im2col buffers of GAP8's 8 cores take all of its L1 and twice
// that. Fewer compute, or all of them for some channels at a time: 4 products a cycle and core at
// best, and the report says how many there are.
TEST(PulpCompile, convolutions_too_deep_for_all_cores_run_on_some_or_piece_by_piece) {
  const Machine machine = load_machine("configs/gap8.yaml");
  for (const std::int64_t channels : {256, 512}) {
    SCOPED_TRACE(channels);
    IntegerGraph g;
    const ValueId x = g.input({1, channels, 8, 8}, kUnsigned8);
    g.output(g.conv(x, 16, square_window(3, 1, 1), 1, g.random_affine(16, 900000, kUnsigned8),
                    kUnsigned8));
    EXPECT_EQ(fault(g, machine, {}), "");
    const Program program = compile(g.graph(), machine, {});
    const LayerTiling& tiling = program.tilings.at(0);
    const std::int64_t cores = tiling.cores > 0 ? tiling.cores : machine.cluster.cores;
    // Columns of 9 bytes a channel, two per core; channels of the largest call.
    std::int64_t at_once = 0;
    for (const Instruction& instruction : program.instructions) {
      const auto* call = std::get_if<Kernel>(&instruction);
      if (call != nullptr) at_once = std::max<std::int64_t>(at_once, call->in_c);
    }
    EXPECT_LE(18 * at_once * cores, machine.l1.buffer_bytes);
    const auto cycles = simulate(program, machine, {}, {.values = false}).counters.at(0);
    EXPECT_GT(cycles.value * 4 * cores, 64 * 16 * 9 * channels);
    EXPECT_THROW(compile(g.graph(), machine, {.tiler = Tiler::Dory}), Error);
  }
}

TEST(PulpCompile, weights_that_come_in_pieces_are_there_when_tiles_read_them) {
  IntegerGraph g;
  ValueId x = g.input({1, 128, 4, 4}, kUnsigned8);
  for (int i = 0; i < 3; ++i) {
    x = g.conv(x, 256, square_window(1), 1, g.random_affine(256, 200000, kUnsigned8), kUnsigned8);
  }
  g.output(x);
  const Machine machine = machine_with(20000, 380000);
  EXPECT_EQ(fault(g, machine, {}), "");
  // 64 KB of weights in pieces or slices: each is waited for on its own.
  const Program program = compile(g.graph(), machine, {});
  std::set<std::int64_t> counters;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const auto* wait = std::get_if<L3Wait>(&program.instructions[i]);
    if (wait != nullptr && program.info.instruction_layer[i] == 1) counters.insert(wait->id);
  }
  EXPECT_GE(counters.size(), 2U);
}

// Calls that leave partial sums.
std::int64_t passes_but_last(const Program& program) {
  return std::count_if(program.instructions.begin(), program.instructions.end(),
                       [](const Instruction& instruction) {
                         const auto* kernel = std::get_if<Kernel>(&instruction);
                         return kernel != nullptr && kernel->sums_out;
                       });
}

// GAP8 has 36700 bytes of L1: a neuron's 21632 weights and inputs take 43264, 9 taps of 2048
// channels 18432 for the weights alone, 200 x 200 codes of one channel 40000.
TEST(PulpCompile, sums_that_do_not_fit_l1_are_made_in_passes) {
  const Machine machine = load_machine("configs/gap8.yaml");
  const auto gemm = [](IntegerGraph& g) {
    const ValueId x = g.flatten(g.input({1, 32, 26, 26}, kUnsigned8));
    g.output(g.gemm(x, 10, g.random_affine(10, 3000000, kUnsigned8), kUnsigned8));
  };
  const auto conv = [](IntegerGraph& g) {
    const ValueId x = g.input({1, 2048, 4, 4}, kUnsigned8);
    g.output(g.conv(x, 8, square_window(3, 1, 1), 1, g.random_affine(8, 3000000, kUnsigned8),
                    kUnsigned8, true));
  };
  const auto pool = [](IntegerGraph& g) {
    AffineRequantize mean;
    mean.divisor = 200 * 200;
    g.output(g.average_pool(g.input({1, 4, 200, 200}, kUnsigned8), square_window(200), mean));
  };
  for (const auto& build : {std::function<void(IntegerGraph&)>(gemm), {conv}, {pool}}) {
    for (const Tiler tiler : {Tiler::Optimal, Tiler::Dory}) {
      IntegerGraph g;
      build(g);
      EXPECT_EQ(fault(g, machine, {.tiler = tiler}), "");
      const Program program = compile(g.graph(), machine, {.tiler = tiler});
      EXPECT_GT(passes_but_last(program), 0);
      EXPECT_LE(program.l1_bytes, machine.l1.buffer_bytes);
    }
  }
}

// A layer of many terms a result, of any kind, and an L1 that holds some of them.
IntegerGraph deep_layer(std::uint64_t seed) {
  IntegerGraph g(seed);
  const CodeType kInputs[] = {kUnsigned8, kSigned8, {4, false}, {2, false}, {4, true}};
  const CodeType in = kInputs[g.between(0, 4)], out = kInputs[g.between(0, 3)];
  const auto affine = [&](std::int64_t channels, std::int64_t terms) {
    return g.random_affine(channels, 40 * in.high() * terms / 4, out);
  };
  const std::int64_t channels = 4 * g.between(1, 6);
  switch (g.between(0, 3)) {
    case 0: {
      const std::int64_t side = g.between(6, 14), ins = 4 * g.between(4, 12) * side * side;
      const ValueId x = g.flatten(g.input({1, ins / side / side, side, side}, in));
      g.output(g.gemm(x, channels, affine(channels, ins), out));
      return g;
    }
    case 1: {
      AffineRequantize mean;
      const std::int64_t side = g.between(30, 70);
      const CodeType codes{in.bits, false};
      mean.divisor = side * side;
      mean.high = codes.high();
      g.output(
          g.average_pool(g.input({1, channels, side, side}, codes), square_window(side), mean));
      return g;
    }
    default: {
      const std::int64_t kernel = g.between(1, 3), ins = 8 * g.between(20, 90);
      const ValueId x = g.input({1, ins, g.between(3, 7), g.between(3, 7)}, in);
      const Window window = square_window(kernel, g.between(1, 2), kernel / 2);
      const int bits = g.between(0, 1) == 0 ? 8 : 4;
      g.output(g.conv(x, channels, window, 1, affine(channels, ins * kernel * kernel), out,
                      g.between(0, 1) == 0, bits));
      return g;
    }
  }
}

TEST(PulpCompile, random_deep_layers_run_in_passes_as_the_golden_model) {
  std::uint64_t cut = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    IntegerGraph g = deep_layer(seed);
    const Tiler tiler = seed % 4 == 0 ? Tiler::Dory : Tiler::Optimal;
    const auto cores = static_cast<std::int64_t>(1 + seed % 8);
    const Machine machine = machine_with(g.between(900, 2500), 380000, cores);
    try {
      EXPECT_EQ(fault(g, machine, {.tiler = tiler}), "");
      cut += passes_but_last(compile(g.graph(), machine, {.tiler = tiler})) > 0 ? 1 : 0;
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(tiler, Tiler::Dory) << error.what();
    }
  }
  EXPECT_GE(cut, kCases / 3);
  EXPECT_LE(refused, kCases / 4);
}

// x * 53 + y * 128 over 128, not cut, then * 54 over 64: two roundings that no one line has.
TEST(PulpCompile, sums_of_32_bits_are_rescaled_by_a_layer_of_their_own) {
  for (const std::int64_t l1 : {1000, 38000}) {
    IntegerGraph g;
    const ValueId x = g.input({1, 11, 6, 20}, kUnsigned8), y = g.input({1, 11, 6, 20}, kUnsigned8);
    AffineRequantize first = raw_accumulators(), second = first, all = first, codes;
    first.multiplier = {53}, second.multiplier = {128}, all.divisor = 128;
    codes.multiplier = {54}, codes.divisor = 64;
    const ValueId sum = g.add(x, y, {first, second}, all, kInt32);
    g.output(g.rescale(sum, codes, kUnsigned8));
    EXPECT_EQ(fault(g, machine_with(l1, 380000), {}), "");
  }
}

// A matrix of rows and a convolution that end as accumulators.
TEST(PulpCompile, products_leave_accumulators_for_the_host) {
  for (const std::int64_t l1 : {600, 38000}) {
    IntegerGraph g;
    const ValueId x = g.input({1, 24, 5, 7}, kSigned8);
    g.output(g.conv(x, 10, square_window(3, 1, 1), 1, raw_accumulators(), kInt32, true));
    g.output(g.conv(x, 12, square_window(1), 1, raw_accumulators(), kInt32));
    EXPECT_EQ(fault(g, machine_with(l1, 380000), {}), "");
    IntegerGraph rows;
    const ValueId matrix = rows.input({28, 30}, kUnsigned8);
    rows.output(rows.gemm(matrix, 20, raw_accumulators(), kInt32));
    EXPECT_EQ(fault(rows, machine_with(l1, 380000), {}), "");
  }
}

TEST(PulpCompile, more_l3_is_proposed_where_weights_do_not_fit) {
  IntegerGraph g;
  const ValueId x = g.input({1, 128, 4, 4}, kUnsigned8);
  AffineRequantize cut;
  cut.divisor = 1 << 16;
  g.output(g.conv(x, 256, square_window(3, 1, 1), 1, cut, kUnsigned8));
  Machine machine = machine_with(20000, 380000);
  machine.name = "small";
  machine.l3.size_bytes = 1 << 18;
  try {
    compile(g.graph(), machine, {});
    FAIL() << "expected an error";
  } catch (const Error& error) {  // 9 * 128 * 256
    EXPECT_EQ(std::string(error.what()),
              "weights need 294912 bytes of L3, small has 262144: --l3 524288 gives it more");
  }
  machine.l3.size_bytes = 1 << 19;
  EXPECT_EQ(fault(g, machine, {}), "");
}

TEST(PulpCompile, more_identifiers_are_proposed_where_the_dma_has_too_few) {
  IntegerGraph g;
  const ValueId x = g.input({1, 8, 6, 6}, kUnsigned8);
  AffineRequantize cut;
  cut.divisor = 1 << 10;
  g.output(g.conv(x, 8, square_window(3, 1, 1), 1, cut, kUnsigned8));
  Machine machine = machine_with(20000, 380000);
  machine.name = "small";
  for (const auto& [tiler, needed] : {std::pair{Tiler::Optimal, 4}, std::pair{Tiler::Dory, 2}}) {
    for (machine.dma.identifiers = 1; machine.dma.identifiers < needed; ++machine.dma.identifiers) {
      try {
        compile(g.graph(), machine, {.tiler = tiler});
        FAIL() << "expected an error";
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()),
                  fmt::format("transfers need {} identifiers of the DMA, small has {}: --set "
                              "dma.identifiers={} gives it more",
                              needed, machine.dma.identifiers, needed));
      }
    }
    EXPECT_EQ(fault(g, machine, {.tiler = tiler}), "");
  }
}

// What compiles has no command that is too long; what does not, says which limit does.
TEST(PulpCompile, a_longer_command_is_proposed_where_the_dma_takes_too_short_ones) {
  const std::regex claim("dma.length_max must be at least ([0-9]+)$");
  std::size_t proposed = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const IntegerGraph g = random_integer_graph(seed);
    Machine machine = machine_with(seed % 3 == 0 ? 6000 : 38000, 380000);
    machine.dma.length_max = 4 << seed % 8;
    const CompileOptions options{.tiler = seed % 2 == 0 ? Tiler::Dory : Tiler::Optimal};
    std::string error;
    for (int tries = 0; tries < 4; ++tries) {
      error.clear();
      try {
        for (const Instruction& instruction : compile(g.graph(), machine, options).instructions) {
          ASSERT_EQ(malformed(instruction, machine), "");
        }
        break;
      } catch (const Error& refused) {
        error = refused.what();
      }
      std::smatch match;
      if (!std::regex_search(error, match, claim)) break;  // too little memory
      ASSERT_GT(std::stoll(match[1]), machine.dma.length_max) << error;
      machine.dma.length_max = std::stoll(match[1]);
      ++proposed;
    }
    EXPECT_EQ(error.find("dma.length_max"), std::string::npos) << error;
  }
  EXPECT_GT(proposed, kCases / 4);
}

// Networks, L1 and L2 differ; what is kept is of all of them.
TEST(PulpCompile, gives_the_same_program_with_what_was_kept_of_other_networks) {
  TilingCache cache;
  std::size_t compiled = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 2; ++seed) {
    const IntegerGraph g = random_integer_graph(1 + seed % 10);
    const Machine machine =
        machine_with(seed % 3 == 0 ? 6000 : 38000, seed % 2 == 0 ? 20000 : 380000);
    const Tiler tiler = seed % 5 == 0 ? Tiler::Dory : Tiler::Optimal;
    try {
      const Program fresh = compile(g.graph(), machine, {.tiler = tiler});
      const Program kept = compile(
          g.graph(), machine, {.tiler = tiler}, [](const std::string&) {}, cache);
      ASSERT_EQ(disassemble(kept), disassemble(fresh)) << "seed " << seed;
      ++compiled;
    } catch (const Error&) {  // does not fit
    }
  }
  EXPECT_GT(compiled, kCases / 4);
  EXPECT_FALSE(cache.ranked.empty());
  EXPECT_FALSE(cache.kernel_cycles.empty());
}

}  // namespace
}  // namespace workbench::pulp
