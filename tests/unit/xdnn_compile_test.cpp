// Compiling small networks: what the program looks like, and what is said when it cannot be made.
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/passes/several_images.h"
#include "compiler/xdnn/compile.h"
#include "core/error.h"
#include "isa/xdnn/footprint.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

xdnn::Machine v3() {
  xdnn::Machine machine;
  machine.name = "v3_96";
  return machine;
}

// data [1, 3, 8, 8] -> conv1 3x3, 16 channels -> conv2 1x1, 16 channels.
Graph two_convolutions() {
  GraphBuilder b;
  b.graph().name = "net";
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  b.output(b.conv("conv2", x, 16, square_window(1)));
  return b.graph();
}

// `middle` between two convolutions.
Graph with_middle(const Op& middle) {
  GraphBuilder b;
  b.graph().name = "net";
  ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  x = b.add("middle", middle, {x});
  b.output(b.conv("conv2", x, 16, square_window(1)));
  return b.graph();
}

std::string message(const Graph& graph, const xdnn::Machine& machine,
                    const xdnn::CompileOptions& options = {}) {
  try {
    xdnn::compile(quantized_for(graph, machine), machine, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "compiled";
}

std::vector<std::string> opcodes(const xdnn::Program& program) {
  std::vector<std::string> list;
  for (const xdnn::Step& step : program.steps) list.emplace_back(opcode(step.instruction));
  return list;
}

TEST(XdnnCompile, two_convolutions_become_two_instructions_and_an_upload) {
  const xdnn::Program program = compiled_for(two_convolutions(), v3());
  EXPECT_EQ(opcodes(program), (std::vector<std::string>{"XNConv", "XNConv", "XNScatter"}));
  const auto& first = std::get<xdnn::Conv>(program.steps[0].instruction);
  EXPECT_TRUE(first.tail.source_in_ddr);
  EXPECT_EQ(first.tail.source, (xdnn::ChannelLayout{0, 1, 12, 8}));
  const auto& second = std::get<xdnn::Conv>(program.steps[1].instruction);
  EXPECT_EQ(second.inaddr, first.outaddr);
  EXPECT_TRUE(second.tail.wait_conv);
  EXPECT_EQ(program.info.network, "net");
  EXPECT_EQ(program.info.machine, "v3_96");
}

TEST(XdnnCompile, stacked_images_are_one_map_with_zeros_between_them) {
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  b.output(b.conv("last", x, 64, square_window(3, 1, 1)));
  const Graph two = several_images(quantized_for(b.graph(), v3()), 2);
  xdnn::Choices choices = xdnn::all_choices(xdnn::Use::Never);
  choices.merged_images = choices.stacked_images = xdnn::Use::Always;
  const xdnn::Program program = xdnn::compile(two, v3(), {.choices = choices, .images = 2});
  EXPECT_EQ(opcodes(program), (std::vector<std::string>{"XNConv", "XNConv", "XNEltwise", "XNConv",
                                                        "XNScatter", "XNScatter"}));
  // 8 rows, one of zeros, since the last convolution reaches over an edge by one, and 8 rows.
  const auto& last = std::get<xdnn::Conv>(program.steps[3].instruction);
  EXPECT_EQ(last.in_h, 17);
  EXPECT_EQ(last.out_h, 17);
  const auto& zeros = std::get<xdnn::Eltwise>(program.steps[2].instruction);
  EXPECT_EQ(program.steps[2].rescale.scale, 0);
  EXPECT_EQ(zeros.height, 1);
  EXPECT_EQ(zeros.outaddr, last.inaddr + 8 * 8);
  std::vector<std::int64_t> written, uploaded;  // 9 rows apart, in words of a pixel
  for (const std::size_t i : {0U, 1U}) {
    written.push_back(std::get<xdnn::Conv>(program.steps[i].instruction).outaddr);
    uploaded.push_back(std::get<xdnn::Scatter>(program.steps[i + 4].instruction).am_address);
  }
  std::sort(written.begin(), written.end());
  EXPECT_EQ(written, (std::vector<std::int64_t>{last.inaddr, last.inaddr + 9 * 8}));
  EXPECT_EQ(uploaded, (std::vector<std::int64_t>{last.outaddr, last.outaddr + 9 * 8}));
}

TEST(XdnnCompile, the_producer_writes_the_layout_its_readers_want) {
  // docs/facts/xdnn.md 1.5: dst quadruple of the producer = src quadruple of the consumer. A 1x1
  // reader takes one step with copies and one without: 64 channels in (0,2,3,32) are ceil(2 / 3)
  // = 1.
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 64, square_window(3, 1, 1));
  const ValueId y = b.conv("conv2", x, 64, square_window(3, 1, 1));
  b.output(b.conv("conv3", y, 16, square_window(3, 1, 1)));
  b.output(b.conv("conv4", y, 16, square_window(1)));
  const xdnn::ChannelLayout replicated{0, 2, 3, 32}, plain{1, 0, 0, 0};
  for (const xdnn::Use use : {xdnn::Use::WhereFaster, xdnn::Use::Never}) {
    const xdnn::Program program =
        xdnn::compile(quantized_for(b.graph(), v3()), v3(), {.choices = xdnn::all_choices(use)});
    const auto tail_of = [&](const std::string& layer) {
      return tail(program.steps[instruction_of_layer(program, layer)].instruction);
    };
    const bool copies = use == xdnn::Use::WhereFaster;  // else readers that disagree read it plain
    EXPECT_EQ(tail_of("conv1").destination, replicated);
    EXPECT_EQ(tail_of("conv2").source, replicated);
    for (const auto& layout :
         {tail_of("conv2").destination, tail_of("conv3").source, tail_of("conv4").source}) {
      EXPECT_EQ(layout, copies ? replicated : plain);
    }
  }
}

TEST(XdnnCompile, a_concat_is_address_arithmetic) {
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  const ValueId left = b.conv("left", x, 100, square_window(1));
  const ValueId right = b.conv("right", x, 24, square_window(1));
  b.output(b.conv("after", b.add("join", Concat{}, {left, right}), 8, square_window(1)));
  const xdnn::Program program = compiled_for(b.graph(), v3());
  const auto conv_of = [&](const std::string& layer) {
    return std::get<xdnn::Conv>(program.steps[instruction_of_layer(program, layer)].instruction);
  };
  const xdnn::Conv first = conv_of("left"), second = conv_of("right"), reader = conv_of("after");
  EXPECT_TRUE(first.tail.concat_part);
  EXPECT_EQ(first.tail.concat_start, 0);
  EXPECT_EQ(first.tail.concat_channels, 124);
  EXPECT_EQ(second.tail.concat_start, 100);
  // docs/facts/xdnn.md 1.4: the part from channel s on begins at base + (s div 96) * H * W words.
  EXPECT_EQ(second.outaddr, first.outaddr + 8 * 8);
  EXPECT_EQ(reader.inaddr, first.outaddr);
  EXPECT_FALSE(second.tail.wait_conv) << "its operand was waited for, the parts do not touch";
}

TEST(XdnnCompile, what_a_concat_joins_twice_is_copied_twice) {
  // At channel 100 it would begin inside a word, where no copy can read it.
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  const ValueId left = b.conv("left", x, 100, square_window(1));
  const ValueId right = b.conv("right", x, 24, square_window(1));
  b.output(b.conv("after", b.add("join", Concat{}, {left, right, right}), 8, square_window(1)));
  const xdnn::Program program = compiled_for(b.graph(), v3());
  const auto instruction = [&](const std::string& layer) {
    return program.steps[instruction_of_layer(program, layer)].instruction;
  };
  EXPECT_FALSE(tail(instruction("right")).concat_part);
  EXPECT_EQ(tail(instruction("join (copy 0)")).concat_start, 100);
  EXPECT_EQ(tail(instruction("join (copy 1)")).concat_start, 124);
}

TEST(XdnnCompile, a_slice_of_channels_is_a_view) {
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 112, square_window(3, 1, 1));
  const auto slice = [&](const std::string& name, std::int64_t begin, std::int64_t end) {
    return b.add(name, Slice{.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}}, {x});
  };
  b.output(b.conv("low", slice("first", 0, 96), 8, square_window(3)));
  b.output(b.conv("high", slice("second", 96, 112), 8, square_window(3)));
  const xdnn::Program program = compiled_for(b.graph(), v3());
  std::vector<std::string> all = opcodes(program);  // in whatever order
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all,
            (std::vector<std::string>{"XNConv", "XNConv", "XNConv", "XNScatter", "XNScatter"}));
  const auto conv_of = [&](const std::string& layer) {
    return std::get<xdnn::Conv>(program.steps[instruction_of_layer(program, layer)].instruction);
  };
  const xdnn::Conv producer = conv_of("conv1"), low = conv_of("low"), high = conv_of("high");
  EXPECT_EQ(low.inaddr, producer.outaddr);
  EXPECT_EQ(low.in_ch, 96);
  EXPECT_EQ(high.inaddr, producer.outaddr + 8 * 8) << "one section of words further";
  EXPECT_EQ(high.in_ch, 16);
  for (const xdnn::Probe& probe : program.probes) {
    if (probe.value != "second") continue;
    EXPECT_EQ(probe.after, std::vector<std::int32_t>{0});
  }
}

TEST(XdnnCompile, v2_counts_bytes_and_any_channel_has_an_address) {
  // docs/facts/xdnn.md 1.4: a row of 40 pixels is ceil(40 / 28) = 2 lines of 64 bytes, so a channel
  // of 8 rows is 1024 bytes; the volume of 7 + 4 channels is one of 12.
  const xdnn::Machine machine = xdnn::load_machine("configs/v2_28.yaml");
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 40}), 16, square_window(3, 1, 1));
  const ValueId left = b.conv("left", x, 7, square_window(1));
  const ValueId right = b.relu("right", b.add("p", MaxPool{.window = square_window(3, 1, 1)},
                                              {b.conv("r", x, 4, square_window(1))}));
  b.output(b.conv("after", b.add("join", Concat{}, {left, right}), 8, square_window(1)));
  const xdnn::Program program = compiled_for(b.graph(), machine);
  const auto at = [&](const std::string& layer) {
    return program.steps[instruction_of_layer(program, layer)];
  };
  const auto first = std::get<xdnn::Conv>(at("left").instruction);
  const auto reader = std::get<xdnn::Conv>(at("after").instruction);
  const auto relu = std::get<xdnn::Eltwise>(at("right").instruction);
  EXPECT_EQ(relu.outaddr, first.outaddr + 7 * 1024);
  EXPECT_EQ(reader.inaddr, first.outaddr);
  EXPECT_EQ(relu.inaddr_a, relu.inaddr_b) << "a lone ReLU is half of x + x";
  EXPECT_TRUE(relu.relu);
  EXPECT_EQ(at("right").rescale, (xdnn::Rescale{128, 8}));
  for (const xdnn::Volume& volume : program.memory_map) {
    if (volume.name != "join") continue;
    EXPECT_EQ(volume.words, 12 * 8 * 2);
  }
  EXPECT_TRUE(std::holds_alternative<xdnn::Gather>(program.steps[0].instruction));
  for (const xdnn::Step& step : program.steps) {
    xdnn::Tail waiting;  // all wait bits, and nothing else that V2 has no field for
    for (int u = 0; u < xdnn::kUnits; ++u) set_wait(waiting, static_cast<xdnn::Unit>(u), true);
    xdnn::Conv bare, same;
    bare.tail = waiting, same.tail = tail(step.instruction);
    EXPECT_TRUE(xdnn::Instruction(bare) == xdnn::Instruction(same)) << opcode(step.instruction);
  }
}

TEST(XdnnCompile, the_sum_overwrites_an_operand_that_dies) {
  GraphBuilder b;
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 16, square_window(3, 1, 1));
  const ValueId y = b.conv("conv2", x, 16, square_window(3, 1, 1));
  b.output(b.binary("sum", Binary::Kind::Add, x, y));
  const xdnn::Program program = compiled_for(b.graph(), v3());
  const auto& sum =
      std::get<xdnn::Eltwise>(program.steps[instruction_of_layer(program, "sum")].instruction);
  EXPECT_TRUE(sum.outaddr == sum.inaddr_a || sum.outaddr == sum.inaddr_b);
}

TEST(XdnnCompile, operands_in_different_thirds_of_the_memory_are_read_in_parallel) {
  // docs/facts/xdnn.md 2.4: partition boundaries at thirds of the AM.
  const xdnn::Machine machine = v3();
  const std::int64_t third = machine.am_words() / 3;
  int sums = 0;
  const Graph network = build_workload("tiny_residual");
  for (const xdnn::Step& step : compiled_for(network, machine).steps) {
    const auto* add = std::get_if<xdnn::Eltwise>(&step.instruction);
    if (add == nullptr) continue;
    const std::int64_t words = add->tail.source.sections() * add->width * add->height;
    bool apart = true;
    for (std::int64_t i = 0; i < words; ++i) {
      apart = apart && (add->inaddr_a + i) / third != (add->inaddr_b + i) / third;
    }
    EXPECT_TRUE(apart) << "9 MB leave room to place them apart";
    EXPECT_EQ(add->tail.parallel_read, apart);
    ++sums;
  }
  EXPECT_EQ(sums, 3);  // one per residual block
}

TEST(XdnnCompile, an_undivided_memory_is_never_read_in_parallel) {
  xdnn::Machine machine = v3();
  machine.am.partitions = 1;
  for (const xdnn::Step& step : compiled_for(build_workload("tiny_residual"), machine).steps) {
    EXPECT_FALSE(tail(step.instruction).parallel_read);
  }
}

TEST(XdnnCompile, an_op_the_overlay_lacks_becomes_a_host_step) {
  const Op sigmoid = Activate{{.kind = Activation::Kind::Sigmoid}};
  const xdnn::Program program = compiled_for(with_middle(sigmoid), v3());
  ASSERT_EQ(program.info.host_steps.size(), 1u);
  EXPECT_EQ(program.info.host_steps[0].name, "middle");
  EXPECT_EQ(program.info.host_steps[0].reason, "no unit of the overlay computes Sigmoid");
  EXPECT_GT(program.info.host_steps[0].milliseconds, 0);
  EXPECT_EQ(opcodes(program),
            (std::vector<std::string>{"XNConv", "XNScatter", "XNConv", "XNScatter"}));
  ASSERT_EQ(program.host_steps.size(), 3u);  // quantize, sigmoid, dequantize
  EXPECT_EQ(program.host_steps[1].before, 2);
}

TEST(XdnnCompile, no_host_refuses_by_name_and_reason) {
  const Op sigmoid = Activate{{.kind = Activation::Kind::Sigmoid}};
  EXPECT_EQ(message(with_middle(sigmoid), v3(), {.allow_host = false}),
            "net: node 'middle' (Sigmoid) would run on the host, which --no-host forbids: no unit "
            "of the overlay computes Sigmoid");
  EXPECT_EQ(message(with_middle(Lrn{.size = 5}), v3(), {.allow_host = false}), "compiled");
  EXPECT_EQ(message(build_workload("tiny_cnn"), v3(), {.allow_host = false}), "compiled");
}

TEST(XdnnCompile, a_network_too_large_for_the_memory_is_told_what_it_needs) {
  // Row by row through DDR, either convolution holds 3 rows of 8 words and a row of its result: 32
  // words of 96 bytes.
  xdnn::Machine machine = v3();
  machine.am.size_bytes = 31 * 96;
  EXPECT_EQ(message(two_convolutions(), machine),
            "net: layer 'conv1' cannot be cut small enough for the 2976 bytes of activation memory "
            "of v3_96; the smallest memory this compiler can use for this network is 3072 bytes");
  machine.am.size_bytes = 32 * 96;
  EXPECT_EQ(message(two_convolutions(), machine), "compiled");
}

// Many sizes are tried for it, each with many plans.
TEST(XdnnCompile, a_small_network_is_told_what_it_needs_however_little_there_is) {
  xdnn::Machine machine = xdnn::load_machine("configs/v2_28.yaml");
  const Graph network = build_workload("tiny_residual");
  for (const std::int64_t lines : {16, 65}) {
    machine.am.size_bytes = lines * machine.word_bytes();
    const std::string text = message(network, machine);
    EXPECT_NE(text.find("the smallest memory this compiler can use for this network is 9344 bytes"),
              std::string::npos)
        << text;
  }
}

TEST(XdnnCompile, a_memory_that_no_size_mends_is_given_no_size) {
  // An instruction reads one buffer and writes another: there is but one, however large.
  xdnn::Machine machine = xdnn::load_machine("configs/math_engine.yaml");
  machine.am.buffers = 1;
  const std::string text = message(two_convolutions(), machine);
  EXPECT_NE(text.find("cannot be cut small enough"), std::string::npos) << text;
  EXPECT_EQ(text.find("smallest memory"), std::string::npos) << text;
}

TEST(XdnnCompile, replication_is_given_up_before_the_network) {
  // 64 channels are read best as 2 sections in 3 copies; plain they take half the words.
  GraphBuilder b;
  b.graph().name = "net";
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 8, 8}), 64, square_window(3, 1, 1));
  b.output(b.conv("conv2", x, 64, square_window(3, 1, 1)));
  xdnn::Machine machine = v3();
  EXPECT_TRUE(tail(compiled_for(b.graph(), machine).steps[1].instruction).source.replicated());
  machine.am.size_bytes = 152 * 96;  // 64 plain words and the smallest tile buffers
  EXPECT_FALSE(tail(compiled_for(b.graph(), machine).steps[1].instruction).source.replicated());
}

TEST(XdnnCompile, more_instructions_than_the_memory_holds_are_refused) {
  xdnn::Machine machine = v3();
  machine.control.instructions_max = 2;
  EXPECT_EQ(message(two_convolutions(), machine),
            "net: 3 instructions, the instruction memory of v3_96 holds 2");
  machine.control.instructions_max = 3;
  EXPECT_EQ(message(two_convolutions(), machine), "compiled");
}

TEST(XdnnCompile, more_weights_than_the_ddr_holds_are_refused) {
  // Filters: conv1 27 channels' taps in 1 step (12 copies of 8), (8 + 96) * 64; conv2 1 step at
  // half rate, whose 32 channels are enough, (8 + 96) * 32: 9984 in all, so the input is at 12288
  // with 8 rows of 64 bytes, the result at 16384 with twice as many: 17408.
  xdnn::Machine machine = v3();
  machine.ddr.size_bytes = 17407;
  EXPECT_EQ(message(two_convolutions(), machine),
            "net: weights and tensors need 17408 bytes of DDR, v3_96 has 17407");
  machine.ddr.size_bytes = 17408;
  EXPECT_EQ(message(two_convolutions(), machine), "compiled");
}

TEST(XdnnCompile, every_address_is_inside_the_memories) {
  const xdnn::Machine machine = v3();
  for (const Graph& graph : {every_instruction(), build_workload("tiny_inception")}) {
    const xdnn::Program program = compiled_for(graph, machine);
    for (const xdnn::Step& step : program.steps) {
      const xdnn::Footprint f = footprint(step, machine);
      for (const auto* list : {&f.am_reads, &f.am_writes}) {
        for (const xdnn::AmRegion& r : *list) EXPECT_LE(r.word_end, machine.am_words());
      }
      for (const auto* list : {&f.ddr_reads, &f.ddr_writes}) {
        for (const xdnn::DdrRegion& r : *list) EXPECT_LE(r.end, program.ddr_bytes);
      }
    }
  }
}

}  // namespace
}  // namespace workbench
