// Programs on disk: what is saved comes back, and what is no program is said to be none.
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "isa/xdnn/program.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

const xdnn::Machine kV3{.name = "v3_96"};

std::string message(const std::string& bytes) {
  try {
    xdnn::load_bytes(bytes, "net.xdnn");
  } catch (const Error& error) {
    return error.what();
  }
  return "loaded";
}

// Of every_instruction(), after `change`.
std::string message_after(const std::function<void(xdnn::Program&)>& change) {
  xdnn::Program program = compiled_for(every_instruction(), kV3);
  change(program);
  return message(xdnn::save_bytes(program));
}

TEST(XdnnProgramFile, every_tiny_network_comes_back_byte_for_byte) {
  for (const WorkloadInfo& network : workloads()) {
    if (!network.name.starts_with("tiny_")) continue;
    SCOPED_TRACE(network.name);
    const xdnn::Program program = compiled_for(build_workload(network.name), kV3);
    const std::string bytes = xdnn::save_bytes(program);
    const xdnn::Program loaded = xdnn::load_bytes(bytes, "net.xdnn");
    EXPECT_EQ(xdnn::disassemble(loaded), xdnn::disassemble(program));
    EXPECT_TRUE(xdnn::save_bytes(loaded) == bytes);
  }
}

TEST(XdnnProgramFile, every_instruction_comes_back_field_by_field) {
  const xdnn::Program program = compiled_for(every_instruction(), kV3);
  const xdnn::Program loaded = xdnn::load_bytes(xdnn::save_bytes(program), "net.xdnn");
  ASSERT_EQ(loaded.steps.size(), program.steps.size());
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    EXPECT_TRUE(loaded.steps[i].instruction == program.steps[i].instruction) << i;
    EXPECT_EQ(loaded.steps[i].filter_address, program.steps[i].filter_address);
    EXPECT_EQ(loaded.steps[i].rescale, program.steps[i].rescale);
  }
  EXPECT_EQ(loaded.constants, program.constants);
  EXPECT_EQ(loaded.host.nodes.size(), program.host.nodes.size());
  EXPECT_EQ(loaded.info.host_steps.size(), 1u);
}

TEST(XdnnProgramFile, a_saved_file_is_the_saved_bytes) {
  const TemporaryFolder folder;
  const xdnn::Program program = compiled_for(every_instruction(), kV3);
  xdnn::save(program, folder.path() / "net.xdnn");
  EXPECT_TRUE(xdnn::save_bytes(xdnn::load(folder.path() / "net.xdnn")) ==
              xdnn::save_bytes(program));
}

TEST(XdnnProgramFile, names_come_back_even_if_they_are_no_utf_8) {
  xdnn::Program program = compiled_for(every_instruction(), kV3);
  program.info.layers[0].name = "caf\xe9";
  const xdnn::Program loaded = xdnn::load_bytes(xdnn::save_bytes(program), "net.xdnn");
  EXPECT_EQ(loaded.info.layers[0].name, "caf\xe9");
}

TEST(XdnnProgramFile, text_is_no_program) {
  EXPECT_EQ(message("name: v3_96\n"), "net.xdnn: not a program (or a truncated one)");
}

TEST(XdnnProgramFile, an_empty_file_has_no_version) {
  EXPECT_EQ(message(""), "net.xdnn: program version 0, this workbench reads 1");
}

TEST(XdnnProgramFile, half_a_program_is_refused) {
  const std::string bytes = xdnn::save_bytes(compiled_for(every_instruction(), kV3));
  EXPECT_EQ(message(bytes.substr(0, bytes.size() / 2)),
            "net.xdnn: not a program (or a truncated one)");
}

TEST(XdnnProgramFile, a_file_that_is_not_there_is_named) {
  try {
    xdnn::load("/nowhere/net.xdnn");
    FAIL() << "loaded a file that is not there";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/net.xdnn"), std::string::npos);
  }
}

TEST(XdnnProgramFile, absurd_fields_are_refused) {
  const auto first_conv = [](xdnn::Program& p) -> xdnn::Conv& {
    auto* fused = std::get_if<xdnn::ConvPool>(&p.steps[0].instruction);
    return fused != nullptr ? fused->conv : std::get<xdnn::Conv>(p.steps[0].instruction);
  };
  EXPECT_EQ(message_after([&](auto& p) { first_conv(p).in_w = std::int64_t{1} << 41; }),
            "net.xdnn: XNMaxPoolPipelined field 'insize_w' is 2199023255552");
}

TEST(XdnnProgramFile, tables_that_do_not_fit_together_are_refused) {
  EXPECT_EQ(message_after([](auto& p) { p.info.instruction_layer.pop_back(); }),
            "net.xdnn: not a program: as many layer entries as instructions expected");
  EXPECT_EQ(message_after([](auto& p) { p.info.instruction_layer[0] = 1000; }),
            "net.xdnn: not a program: an instruction belongs to no layer");
  EXPECT_EQ(message_after([](auto& p) { p.info.instruction_layer[0] = -1; }),
            "net.xdnn: not a program: an instruction belongs to no layer");
  EXPECT_EQ(message_after([](auto& p) { p.probes[0].after = {1000}; }),
            "net.xdnn: not a program: a tensor is written by no instruction");
  EXPECT_EQ(message_after([](auto& p) { p.host_steps[0].nodes = {1000}; }),
            "net.xdnn: not a program: a host step runs no node");
  EXPECT_EQ(message_after([](auto& p) { p.host.nodes[0].inputs = {1000}; }),
            "net.xdnn: not a program: host value 1000");
}

TEST(XdnnProgramFile, a_tiled_instruction_without_a_tile_is_refused) {
  EXPECT_EQ(message_after([](xdnn::Program& program) {
              for (xdnn::Step& step : program.steps) {
                if (xdnn::tail(step.instruction).source_in_ddr) {
                  xdnn::tail(step.instruction).tile_width = 0;
                }
              }
            }),
            "net.xdnn: not a program: an instruction that reads DDR has no tile");
}

TEST(XdnnProgramFile, a_ddr_smaller_than_its_constants_is_refused) {
  EXPECT_EQ(message_after([](auto& p) { p.ddr_bytes = 3; }),
            "net.xdnn: not a program: 3 bytes of DDR");
  EXPECT_EQ(message_after([](auto& p) { p.ddr_bytes = std::int64_t{1} << 40; }),
            "net.xdnn: not a program: 1099511627776 bytes of DDR");
}

TEST(XdnnProgramFile, enumerators_nobody_knows_are_refused) {
  const auto with_host_op = [](Op op) {
    return message_after([&](auto& p) { p.host.nodes[0].op = op; });
  };
  EXPECT_EQ(with_host_op(Binary{.kind = static_cast<Binary::Kind>(100)}),
            "net.xdnn: not a program: kind 100");
  EXPECT_EQ(with_host_op(Reduce{.kind = static_cast<Reduce::Kind>(101)}),
            "net.xdnn: not a program: kind 101");
  EXPECT_EQ(with_host_op(Activate{{.kind = static_cast<Activation::Kind>(102)}}),
            "net.xdnn: not a program: activation 102");
  EXPECT_EQ(with_host_op(Pad{.mode = static_cast<Pad::Mode>(-1)}),
            "net.xdnn: not a program: mode -1");
  EXPECT_EQ(message_after([](auto& p) { p.host.values[0].type = static_cast<ElementType>(11); }),
            "net.xdnn: not a program: element type 11");
  EXPECT_EQ(message_after([](auto& p) { p.host.nodes[0].affine = {.divisor = 0}; }),
            "net.xdnn: not a program: rescaling by [1] / 0 to [0, 255]");
}

}  // namespace
}  // namespace workbench
