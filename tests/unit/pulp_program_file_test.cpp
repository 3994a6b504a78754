// PULP programs in files and as text: what is wrong with wrong ones.
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "isa/codec.h"
#include "isa/pulp/program.h"
#include "tests/support/temporary_folder.h"

namespace workbench::pulp {
namespace {

Program small_program() {
  Program program;
  program.info.network = "net";
  program.info.machine = "pulp_open";
  program.info.layers = {{.name = "first layer", .op = "Conv 3x3", .shape = {1, 8, 4, 4}},
                         {.name = "second", .op = "Add"}};
  program.instructions = {Dma{.l2 = 256, .l1 = 16, .length = 64}, DmaWait{}, Barrier{},
                          Kernel{.kind = KernelKind::Add, .in_w = 4, .norm_bits = 64}};
  program.info.instruction_layer = {0, 1, 1, 0};
  program.info.instruction_text = {"dma first layer", "dma_wait second", "all come here",
                                   "kernel first layer"};
  program.constants = "abcd";
  program.l2_bytes = 1024;
  program.l3_bytes = 4;
  program.inputs = {{.value = "x",
                     .address = 256,
                     .channels = 8,
                     .height = 4,
                     .width = 4,
                     .pixel_stride = 8,
                     .row_stride = 32}};
  return program;
}

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string loading(const std::string& bytes) {
  return message([&] { load_bytes(bytes, "net.pulp"); });
}

std::string loading_after(const std::function<void(Program&)>& change) {
  Program program = small_program();
  change(program);
  return loading(save_bytes(program));
}

std::string assembling(const std::string& text) {
  return message([&] { assemble(text, "net.s"); });
}

TEST(PulpProgramFile, a_saved_file_is_the_saved_bytes) {
  const TemporaryFolder folder;
  save(small_program(), folder.path() / "net.pulp");
  EXPECT_TRUE(save_bytes(load(folder.path() / "net.pulp")) == save_bytes(small_program()));
}

TEST(PulpProgramFile, what_is_no_program_is_said_to_be_none) {
  EXPECT_EQ(loading(""), "net.pulp: not a PULP program (or a truncated one)");
  EXPECT_EQ(loading("name: pulp_open\n"), "net.pulp: not a PULP program (or a truncated one)");
  const std::string bytes = save_bytes(small_program());
  EXPECT_EQ(loading(bytes.substr(0, bytes.size() / 2)),
            "net.pulp: not a PULP program (or a truncated one)");
}

TEST(PulpProgramFile, tables_that_do_not_fit_together_are_refused) {
  EXPECT_EQ(loading_after([](Program& p) { p.info.instruction_layer[0] = 2; }),
            "net.pulp: not a program: an instruction belongs to no layer");
  EXPECT_EQ(loading_after([](Program& p) { p.inputs[0].address = 1000; }),
            "net.pulp: not a program: 'x' lies outside L2");
  EXPECT_EQ(loading_after([](Program& p) { p.inputs[0].bits = 16; }),
            "net.pulp: not a program: codes of 16 bits in 'x'");
  EXPECT_EQ(loading_after([](Program& p) { p.inputs[0].height = 0; }),
            "net.pulp: not a program: 'x' has a side of 0");
  EXPECT_EQ(loading_after([](Program& p) { p.l3_bytes = 3; }),
            "net.pulp: not a program: 4 bytes of constants in 3 of L3");
  EXPECT_EQ(loading_after([](Program& p) { p.tilings = {{.layer = 2}}; }),
            "net.pulp: not a program: a tiling of no layer");
  EXPECT_EQ(
      loading_after([](Program& p) { p.memory_map = {{.name = "v", .first = 3, .last = 2}}; }),
      "net.pulp: not a program: 'v' lives from instruction 3 to 2");
  EXPECT_EQ(loading_after([](Program& p) { p.host_steps = {{.before = 5, .nodes = {}}}; }),
            "net.pulp: not a program: a host step before instruction 5");
  EXPECT_EQ(loading_after([](Program& p) { p.host_steps = {{.before = 4, .nodes = {0}}}; }),
            "net.pulp: not a program: a host step runs no node");
}

TEST(PulpProgramFile, the_host_computes_with_what_there_is) {
  const auto with_host = [](const char* operand, const Shape& shape) {
    return loading_after([&](Program& p) {
      const ValueId in = p.host.add_value({.name = operand, .shape = shape});
      const ValueId out = p.host.add_value({.name = "y", .shape = shape});
      p.host.nodes.push_back({.name = "n", .op = Identity{}, .inputs = {in}, .outputs = {out}});
      p.host_steps = {{.before = 4, .nodes = {0}}};
    });
  };
  EXPECT_EQ(with_host("x", {1, 8, 4, 4}), "accepted");
  EXPECT_EQ(with_host("x", {1, 8, 4, 5}),
            "net.pulp: not a program: 'x' has 128 elements in memory and shape [1, 8, 4, 5]");
  EXPECT_EQ(with_host("z", {1, 8, 4, 4}),
            "net.pulp: not a program: host node 'n' reads 'z', which comes from nowhere");
}

TEST(PulpProgramFile, the_hosts_nodes_are_nodes) {
  const auto with_node = [](const Op& op, const Value& from, const Value& to) {
    return loading_after([&](Program& p) {
      const ValueId in = p.host.add_value(from);
      const ValueId out = p.host.add_value(to);
      p.host.nodes.push_back({.name = "n", .op = op, .inputs = {in}, .outputs = {out}});
      p.host_steps = {{.before = 4, .nodes = {0}}};
    });
  };
  const Shape shape{1, 8, 4, 4};
  const auto codes = [&](const std::string& name, std::optional<Quantization> quantization) {
    return Value{
        .name = name, .shape = shape, .type = ElementType::Int8, .quantization = quantization};
  };
  const Value reals{.name = "y", .shape = shape};
  EXPECT_EQ(with_node(Dequantize{}, codes("x", Quantization{.thresholds = {1}}), reals),
            "accepted");
  EXPECT_EQ(with_node(Dequantize{}, codes("x", std::nullopt), reals),
            "net.pulp: not a program: host node 'n' (Dequantize): operand 0: expected a "
            "quantization, found none");
  EXPECT_EQ(with_node(Quantize{}, Value{.name = "x", .shape = shape}, codes("y", std::nullopt)),
            "net.pulp: not a program: host node 'n' (Quantize): output 0: expected a quantization, "
            "found none");
  EXPECT_EQ(
      with_node(Dequantize{}, codes("x", Quantization{.thresholds = {1, 2}, .axis = 1}), reals),
      "net.pulp: not a program: quantization of 'x'");
  EXPECT_EQ(
      with_node(Dequantize{}, codes("x", Quantization{.thresholds = {1, 2}, .axis = 9}), reals),
      "net.pulp: not a program: quantization of 'x'");
  EXPECT_EQ(with_node(Identity{}, Value{.name = "x", .shape = shape},
                      Value{.name = "y", .shape = {1, 8, 4, 5}}),
            "net.pulp: not a program: host node 'n' gives 'y' another shape");
  EXPECT_EQ(with_node(Conv{}, Value{.name = "x", .shape = shape}, reals).substr(0, 37),
            "net.pulp: not a program: host node 'n");
  EXPECT_EQ(
      with_node(
          Identity{}, codes("x", std::nullopt),
          Value{.name = "y", .shape = shape, .constant = Tensor::zeros(ElementType::Float32, {3})}),
      "net.pulp: not a program: constant 'y'");
}

TEST(PulpProgramFile, probes_lie_where_they_say) {
  const auto probing = [](Probe probe, std::int32_t next = 4) {
    return loading_after([&](Program& p) {
      probe.place = p.inputs[0];
      p.probes = {probe};
      if (next < 4) p.probes.push_back({.place = p.inputs[0], .after = next});
    });
  };
  EXPECT_EQ(probing({.after = 3, .first_row = 2, .value_height = 6, .value_channels = 8}),
            "accepted");
  EXPECT_EQ(probing({.after = 4}), "net.pulp: not a program: 'x' is written by no instruction");
  EXPECT_EQ(probing({.after = 3, .first_row = 3, .value_height = 6, .value_channels = 8}),
            "net.pulp: not a program: a piece of 'x' lies outside it");
  EXPECT_EQ(probing({.after = 3}, 2),
            "net.pulp: not a program: probes are not in the order of instructions");
}

TEST(PulpProgramFile, absurd_numbers_are_refused) {
  const auto kernel = [](Program& p) -> Kernel& { return std::get<Kernel>(p.instructions[3]); };
  EXPECT_EQ(loading_after([&](Program& p) { kernel(p).in_w = INT64_C(1) << 41; }),
            "net.pulp: kernel field 'in_w' is 2199023255552");
  EXPECT_EQ(loading_after([&](Program& p) { kernel(p).kind = static_cast<KernelKind>(1000); }),
            "net.pulp: kernel field 'kind' is 1000");
  EXPECT_EQ(loading_after([](Program& p) { p.inputs[0].space = static_cast<Space>(3); }),
            "net.pulp: input field 'space' is 3");
}

TEST(PulpAssembly, an_instruction_is_a_line_of_what_is_not_as_declared) {
  const std::string text = disassemble(small_program());
  const std::string expected =
      "# \"net\" for \"pulp_open\": 4 instructions\n"
      ".program network=net machine=pulp_open l2_bytes=1024 l3_bytes=4\n"
      ".input value=x address=0x100 channels=8 height=4 width=4 pixel_stride=8 row_stride=32\n"
      ".constants base64=\"YWJjZA==\"\n"
      ".layer name=\"first layer\" op=\"Conv 3x3\" dim=1 dim=8 dim=4 dim=4\n"
      "dma l2=0x100 l1=0x10 length=64  # 0\n"
      ".layer name=second op=Add\n"
      "dma_wait  # 1\n"
      "barrier text=\"all come here\"  # 2\n"
      ".resume index=0\n"
      "kernel kind=add in_w=4 norm_bits=64  # 3\n";
  EXPECT_EQ(text, expected);
}

TEST(PulpAssembly, a_kernel_says_which_it_is_whichever_it_is) {
  Program program = small_program();
  std::get<Kernel>(program.instructions[3]) = {};
  const std::string text = disassemble(program);
  EXPECT_NE(text.find("\nkernel kind=conv_Ho  # 3\n"), std::string::npos) << text;
}

TEST(PulpAssembly, what_a_person_writes_is_enough) {
  const Program program = assemble(
      "# by hand\n\n"
      ".layer name=mine\n"
      "  dma length=0x40 l1=16\r\n"
      "\tbarrier # wait for all\n",
      "net.s");
  ASSERT_EQ(program.instructions.size(), 2u);
  EXPECT_TRUE(program.instructions[0] == Instruction(Dma{.l1 = 16, .length = 64}));
  EXPECT_EQ(program.info.instruction_text[1], "barrier mine");
}

TEST(PulpAssembly, wrong_lines_are_answered_with_opcode_and_field) {
  const std::string layer = ".layer name=a\n";
  EXPECT_EQ(assembling(layer + "dmma\n"), "net.s:2: unknown opcode 'dmma'");
  EXPECT_EQ(assembling(layer + "dma size=4\n"), "net.s:2: dma: no field 'size'");
  EXPECT_EQ(assembling(layer + "dma length=4 length=4\n"),
            "net.s:2: dma: field length appears twice");
  EXPECT_EQ(assembling(layer + "dma length=four\n"),
            "net.s:2: dma: field length: expected a whole number, found \"four\"");
  EXPECT_EQ(assembling(layer + "dma length=99999999999999\n"),
            "net.s:2: dma: field length: expected at most 1099511627776, found \"99999999999999\"");
  EXPECT_EQ(assembling(layer + "dma split=2\n"),
            "net.s:2: dma: field split: expected 0 or 1, found \"2\"");
  EXPECT_EQ(assembling(layer + "kernel kind=conv\n").substr(0, 62),
            "net.s:2: kernel: field kind: expected one of conv_Ho, conv_HoW");
  EXPECT_EQ(assembling("barrier\n"),
            "net.s:1: barrier: belongs to no layer: there is no .layer before it");
  EXPECT_EQ(assembling(".resume index=0\n"), "net.s:1: .resume: layer 0 of 0");
  EXPECT_EQ(assembling(".layr name=a\n").substr(0, 69),
            "net.s:1: unknown directive .layr, expected one of: .program, .host_in");
  EXPECT_EQ(assembling(".constants base64=abc\n"), "net.s:1: .constants: field base64: not base64");
}

TEST(PulpAssembly, lines_that_are_no_lines_are_refused) {
  EXPECT_EQ(assembling("dma length\n"), "net.s:1: 'length' after dma: expected FIELD=VALUE");
  EXPECT_EQ(assembling("dma length= 4\n"), "net.s:1: unexpected \" \"");
  EXPECT_EQ(assembling("dma length=\n"), "net.s:1: unexpected end of line");
  EXPECT_EQ(assembling(".layer name=\"a\n"), "net.s:1: a quote is not closed");
  EXPECT_EQ(assembling(".layer name=\"a\\q\"\n"), "net.s:1: unknown escape \\q\"");
  EXPECT_EQ(assembling("dma\001\n"), "net.s:1: unexpected \"\\x01\"");
}

TEST(PulpAssembly, text_is_held_to_what_files_are) {
  EXPECT_EQ(assembling(".input value=x channels=1 height=1 width=1\n"),
            "net.s: not a program: 'x' lies outside L2");
}

// RFC 4648, section 10.
TEST(Base64, agrees_with_the_vectors_of_its_standard) {
  for (const auto& [bytes, text] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  EXPECT_FALSE(from_base64("Zg="));
  EXPECT_FALSE(from_base64("Z==="));
  EXPECT_FALSE(from_base64("Zg*="));
}

}  // namespace
}  // namespace workbench::pulp
