// Programs of others: our own, by way of their text, must run as they did; what does not fit
// network or machine is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/replay_network.h"
#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/listing_text.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench::xdnn {
namespace {

const Machine kV3{.name = "v3_96"};

std::vector<Tensor> input_of(const Graph& graph) {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, graph.value(id).shape);
    float x = -60;
    for (float& value : tensor.mutable_values<float>()) {
      value = x;
      x = x > 60 ? -60 : x + 0.37F;
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

struct Checked {
  Verdict verdict;
  SimulationResult simulated;
};

Checked run(const Program& program, const Graph& quantized) {
  const std::vector<Tensor> inputs = input_of(quantized);
  Checked checked{.simulated = simulate(program, kV3, inputs)};
  checked.verdict = compare(quantized, golden::run(quantized, inputs), checked.simulated.tensors);
  return checked;
}

Listing listing_for(const Program& program) { return parse_text(disassemble(program), "net.cmd"); }

Entry& layer(Listing& listing, const std::string& name) {
  for (Entry& entry : listing.entries) {
    if (!entry.opcode.empty() && name_of(entry) == name) return entry;
  }
  ADD_FAILURE() << "no layer " << name;
  return listing.entries.at(0);
}

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string text = error.what();  // without the line, which other lines move
    const std::size_t colon = text.find(": ");
    return text.substr(colon == std::string::npos ? 0 : colon + 2);
  }
  return "accepted";
}

class XdnnReplay : public testing::Test {
 protected:
  void load(const std::string& name) {
    graph_ = quantized_for(build_workload(name), kV3);
    program_ = compile(graph_, kV3);
    listing_ = listing_for(program_);
  }
  std::string refusal() const {
    return message([&] { replay(listing_, graph_, kV3); });
  }
  Graph graph_;
  Program program_;
  Listing listing_;
};

TEST_F(XdnnReplay, our_own_programs_run_as_before) {
  for (const char* name : {"tiny_cnn", "tiny_residual", "tiny_inception"}) {
    SCOPED_TRACE(name);
    load(name);
    const Replay replayed = replay(listing_, graph_, kV3);
    EXPECT_TRUE(replayed.notes.empty()) << replayed.notes[0];
    EXPECT_EQ(replayed.program.constants, program_.constants);
    const Checked own = run(program_, graph_), again = run(replayed.program, graph_);
    EXPECT_TRUE(again.verdict.bit_exact());
    EXPECT_EQ(again.verdict.values_compared, own.verdict.values_compared);
    EXPECT_TRUE(again.simulated.hazards.empty());
    EXPECT_EQ(again.simulated.timeline.end, own.simulated.timeline.end);
  }
}

TEST_F(XdnnReplay, programs_without_a_network_run_on_one_made_for_them) {
  for (const char* name : {"tiny_cnn", "tiny_residual", "tiny_inception"}) {
    SCOPED_TRACE(name);
    load(name);
    for (Entry& entry : listing_.entries) {  // the queue brings the image and takes the result
      if (entry.opcode == "XNScatter") entry.set("destAddrReadFromImgQ", "1");
    }
    const Graph rebuilt = quantized_for(network_of(listing_, kV3, 1), kV3);
    const Replay replayed = replay(listing_, rebuilt, kV3);
    const Checked again = run(replayed.program, rebuilt);
    EXPECT_TRUE(again.verdict.bit_exact());
    EXPECT_TRUE(again.simulated.hazards.empty());
    EXPECT_EQ(again.simulated.timeline.end, run(program_, graph_).simulated.timeline.end);
  }
}

TEST_F(XdnnReplay, a_wrong_address_is_noted_and_shows_in_the_values) {
  load("tiny_residual");
  Entry& conv = layer(listing_, "res1/conv2");
  conv.set("inaddr", fmt::format("{:#x}", number(conv, *conv.find("inaddr")) + 1));
  const Replay replayed = replay(listing_, graph_, kV3);
  ASSERT_EQ(replayed.notes.size(), 1u);
  EXPECT_NE(replayed.notes[0].find("XNConv 'res1/conv2' reads"), std::string::npos);
  const Checked again = run(replayed.program, graph_);
  EXPECT_TRUE(!again.verdict.bit_exact() || !again.simulated.hazards.empty());
}

TEST_F(XdnnReplay, a_result_over_a_live_value_is_a_hazard) {
  load("tiny_residual");
  Entry& conv = layer(listing_, "res1/conv2");
  const Entry& reader = layer(listing_, "res1/conv1");
  const std::int64_t shortcut = number(reader, *reader.find("inaddr"));  // needed by the sum, too
  conv.set("outaddr", fmt::format("{:#x}", shortcut + 1));
  layer(listing_, "res1").set("inaddrB", fmt::format("{:#x}", shortcut + 1));
  const auto hazards = run(replay(listing_, graph_, kV3).program, graph_).simulated.hazards;
  ASSERT_FALSE(hazards.empty());
  EXPECT_EQ(hazards[0].kind, Hazard::Kind::LiveOverwrite);
  EXPECT_EQ(hazards[0].layer, "res1/conv2");
}

TEST_F(XdnnReplay, fields_that_mean_nothing_have_one_value) {
  load("tiny_inception");
  const auto refused = [&](const std::string& name, const char* key, const char* value) {
    Listing changed = listing_;
    layer(changed, name).set(key, value);
    return message([&] { replay(changed, graph_, kV3); });
  };
  const std::string first =
      name_of(*std::find_if(listing_.entries.begin(), listing_.entries.end(),
                            [](const Entry& entry) { return entry.opcode == "XNMaxPool"; }));
  const std::string where = "XNMaxPool '" + first + "': field ";
  EXPECT_EQ(refused(first, "HAT", "1"), where + "HAT: expected 0 (no operand is in DDR), found 1");
  EXPECT_EQ(refused(first, "srcAddrReadFromImgQ", "1"),
            where + "srcAddrReadFromImgQ: expected 0 (no operand is in DDR), found 1");
  EXPECT_EQ(refused(first, "en_inlinemaxpool", "1"),
            where + "en_inlinemaxpool: expected 0 (it has no pool in line), found 1");
  EXPECT_EQ(refused(first, "weights_bit", "1"),
            where + "weights_bit: expected 0 (no other value is known), found 1");
}

TEST_F(XdnnReplay, inactive_entries_are_left_out) {
  load("tiny_residual");
  Entry extra = layer(listing_, "res1");
  extra.attributes.push_back({"active", "0"});
  listing_.entries.push_back(extra);
  EXPECT_EQ(replay(listing_, graph_, kV3).program.steps.size(), program_.steps.size());
  listing_.entries.back().attributes.back().json = "1";
  EXPECT_EQ(refusal(), "XNEltwise 'res1': computes a value twice, or more than the layer has");
}

TEST_F(XdnnReplay, what_does_not_fit_the_network_is_named) {
  load("tiny_residual");
  const Listing whole = listing_;
  layer(listing_, "res1/conv2").set("kernel_w", "5");
  EXPECT_EQ(refusal(), "XNConv 'res1/conv2': field kernel_w: the network has 3, found 5");
  listing_ = whole;
  layer(listing_, "res1/conv2").set("name", "nobody");
  EXPECT_EQ(refusal(),
            "XNConv 'nobody': the network tiny_residual has no convolution of that name on the "
            "accelerator");
  listing_ = whole;
  std::erase_if(listing_.entries, [](const Entry& entry) { return name_of(entry) == "res3"; });
  EXPECT_NE(refusal(), "accepted");
  listing_ = whole;
  layer(listing_, "res1").set("relu", "0");
  EXPECT_EQ(refusal(), "XNEltwise 'res1': field relu: the network has 1, found 0");
}

TEST_F(XdnnReplay, what_does_not_fit_the_machine_is_named) {
  load("tiny_residual");
  const Listing whole = listing_;
  layer(listing_, "res1/conv2").set("outaddr", "0x18000");
  EXPECT_EQ(refusal(), "XNConv 'res1/conv2': AM word 0x183ff is outside: v3_96 has 0x18000 words");
  listing_ = whole;
  layer(listing_, "res1/conv2").set("src_full_sect_num", "0");
  layer(listing_, "res1/conv2").set("src_repl_sect_num", "0");
  EXPECT_EQ(refusal(), "XNConv 'res1/conv2': the source layout holds 0 channels, found 18");
  listing_ = whole;
  const auto scatter = std::ranges::find(listing_.entries, "XNScatter", &Entry::opcode);
  ASSERT_NE(scatter, listing_.entries.end());
  scatter->set("full_sect_num", "0");
  scatter->set("repl_sect_num", "0");
  EXPECT_EQ(refusal(),
            fmt::format("XNScatter '': fields full_sect_num and repl_sect_num: expected the "
                        "sections of {} channels, found none",
                        scatter->find("outchan")->value));
  listing_ = whole;
  listing_.dialect = Dialect::V2;
  EXPECT_EQ(message([&] { replay(listing_, graph_, kV3); }),
            "expected a program for v3_96 (xdnn_v3), found one for xDNN V2 (dialect v2)");
}

// A tiled convolution that streams to DDR, as the vendor's compiler writes it for the first layers
// of VGG-16: two tiles of 4x4, then a gather of what was streamed.
constexpr const char* kStreamed = R"({"network":[
  {"name":"conv1","xdnn_kv":{"XNOp":"XNConv","id":"2","name":"conv1","kernel_w":"3","kernel_h":"3",
   "strides_w":"1","strides_h":"1","padding_w":"1","padding_h":"1","dilation_w":"1",
   "dilation_h":"1","preshift":"16","scale":"26","postshift":"2","relu":"1","bias":"1",
   "inaddr":"0x0","insize_w":"8","insize_h":"4","inchan":"3","outaddr":"0x0","outsize_w":"8",
   "outsize_h":"4","outchan":"5","slice":"1","src_full_sect_num":"1","src_repl_sect_num":"0",
   "src_repl_unit_num":"0","src_repl_unit_width":"0","dst_full_sect_num":"1",
   "dst_repl_sect_num":"0","dst_repl_unit_num":"0","dst_repl_unit_width":"0",
   "concat_i_am_your_father":"0","concat_full_sect_num":"0","concat_repl_sect_num":"0",
   "concat_repl_unit_num":"0","concat_repl_unit_width":"0","concat_starting_ch":"0",
   "wait_download":"1","wait_upload":"1","wait_conv":"1","wait_pool":"1","wait_ew":"1",
   "wait_upsmpl":"1","prerelu":"0","en_pingpong_weight":"1","en_halfrate_mode":"0",
   "en_inlinemaxpool":"0","srcAddrReadFromImgQ":"1","srcAddDDR":"1","dstAddDDR":"1",
   "tile_width":"4","tile_height":"4","HAT":"1","SRCAM-Buffer_0":"0","SRCAM-Buffer_1":"100",
   "DEST_AM-Buffer_Offset":"-1"}},
  {"name":null,"xdnn_kv":{"XNOp":"XNGather","id":"3","uram_dest":"0x10","ddr_src":"0x0",
   "insize_w":"8","insize_h":"4","inchan":"5","a0":"0","b1":"1","c1":"1","start_row":"0",
   "end_row":"3","slice":"1","full_sect_num":"1","repl_sect_num":"0","repl_unit_num":"0",
   "repl_unit_width":"0","srcAddrReadFromImgQ":"0"}}]})";

TEST(XdnnReplayWithoutNetwork, a_result_streamed_to_ddr_is_read_from_there) {
  const Listing listing = parse_json(kStreamed, "net");
  const Graph graph = quantized_for(network_of(listing, kV3, 1), kV3);
  const Replay replayed = replay(listing, graph, kV3);
  // Input and result in DDR, where the host finds it.
  ASSERT_EQ(replayed.program.ddr_tensors.size(), 2u);
  ASSERT_EQ(replayed.program.steps.size(), 2u);
  EXPECT_EQ(replayed.program.ddr_tensors[0].channels, 3);
  EXPECT_EQ(replayed.program.ddr_tensors[1].channels, 5);
  const Conv& conv = std::get<Conv>(replayed.program.steps[0].instruction);
  EXPECT_EQ(conv.inaddr, replayed.program.ddr_tensors[0].address);
  EXPECT_EQ(conv.outaddr, replayed.program.ddr_tensors[1].address);
  const Checked checked = run(replayed.program, graph);
  EXPECT_TRUE(checked.verdict.bit_exact());
  EXPECT_TRUE(checked.simulated.hazards.empty());
  // 4 x 8 words of 96 bytes in and out, half of both together; the gather as many again.
  EXPECT_EQ(replayed.program.info.io_bytes, 2 * 32 * 96);
  EXPECT_EQ(replayed.program.info.moveops, 0);
}

// The host finds the result where it was put last: what was put elsewhere before, of whatever
// words, is in no verdict.
TEST(XdnnReplayWithoutNetwork, a_result_that_nothing_reads_is_noted) {
  const auto with_scatters_to = [](const std::vector<std::string>& addresses) {
    std::string text = kStreamed;
    std::string scatters;
    for (const std::string& address : addresses) {
      scatters += R"(,{"name":null,"xdnn_kv":{"XNOp":"XNScatter","id":"4","uram_src":"0x10",
        "ddr_dest":")" +
                  address + R"(","outsize_w":"8","outsize_h":"4","outchan":"5","a0":"0",
        "b1":"1","c1":"1","start_row":"0","end_row":"3","slice":"1","full_sect_num":"1",
        "repl_sect_num":"0","repl_unit_num":"0","repl_unit_width":"0",
        "destAddrReadFromImgQ":"0"}})";
    }
    const Listing listing = parse_json(text.insert(text.rfind("]}"), scatters), "net");
    return replay(listing, quantized_for(network_of(listing, kV3, 1), kV3), kV3).notes;
  };
  EXPECT_EQ(with_scatters_to({}), std::vector<std::string>{});
  EXPECT_EQ(with_scatters_to({"0x40000"}), std::vector<std::string>{});
  EXPECT_EQ(
      with_scatters_to({"0x40000", "0x50000"}),
      std::vector<std::string>{"XNScatter conv1_int8 puts 'conv1_int8' into DDR, where neither "
                               "host nor program reads it"});
}

TEST_F(XdnnReplay, the_peak_counts_a_sum_in_place_once) {
  load("tiny_residual");
  const Replay replayed = replay(listing_, graph_, kV3);
  EXPECT_LE(replayed.program.info.peak_bytes, program_.info.peak_bytes);
  EXPECT_GT(replayed.program.info.peak_bytes, 0);
  EXPECT_EQ(replayed.program.info.io_bytes, program_.info.io_bytes);
  EXPECT_GT(replayed.program.info.io_bytes, 0);
}

TEST_F(XdnnReplay, grouped_and_transposed_convolutions_run_as_before) {
  for (const std::int64_t groups : {1, 2, 96}) {
    SCOPED_TRACE(groups);
    GraphBuilder b;
    b.graph().name = "grouped";
    ValueId x =
        b.conv("conv", b.input("data", {1, 192, 6, 6}), 192, square_window(3, 1, 1), groups);
    b.output(b.add("deconv", ConvTranspose{.window = square_window(2, 2), .output_padding = {0, 0}},
                   {x, b.random_constant("deconv_w", {192, 4, 2, 2})}));
    graph_ = quantized_for(b.graph(), kV3);
    program_ = compile(graph_, kV3);
    listing_ = listing_for(program_);
    const Replay replayed = replay(listing_, graph_, kV3);
    EXPECT_EQ(replayed.program.constants, program_.constants);
    const Checked again = run(replayed.program, graph_);
    EXPECT_TRUE(again.verdict.bit_exact());
    EXPECT_TRUE(again.simulated.hazards.empty());
  }
}

TEST_F(XdnnReplay, what_is_no_instruction_is_left_out) {
  load("tiny_residual");
  listing_.entries.push_back(
      {.where = "net", .opcode = "XNThroughputInterbuf", .attributes = {{"active", "0"}}});
  listing_.entries.push_back(
      {.where = "net", .opcode = "XNInner", .attributes = {{"active", "0"}}});
  listing_.entries.push_back({.where = "net", .opcode = "XNConcat"});
  EXPECT_EQ(replay(listing_, graph_, kV3).program.steps.size(), program_.steps.size());
  listing_.entries.back().opcode = "XNInner";
  EXPECT_EQ(refusal(), "XNInner '': no unit of the model executes it");
}

TEST_F(XdnnReplay, wait_bits_beyond_our_own_are_redundant_and_ours_are_needed) {
  load("tiny_inception");
  const WaitBits own = count_wait_bits(program_, kV3);
  EXPECT_EQ(own.redundant, 0);
  EXPECT_EQ(own.missing, 0);
  Program serial = program_, free = program_;
  for (std::size_t i = 0; i < program_.steps.size(); ++i) {
    for (int u = 0; u < kUnits; ++u) {
      set_wait(tail(serial.steps[i].instruction), static_cast<Unit>(u), true);
      set_wait(tail(free.steps[i].instruction), static_cast<Unit>(u), false);
    }
  }
  const WaitBits all = count_wait_bits(serial, kV3), none = count_wait_bits(free, kV3);
  EXPECT_EQ(all.set, static_cast<std::int64_t>(program_.steps.size()) * kUnits);
  EXPECT_EQ(all.set - all.redundant, own.set);
  EXPECT_EQ(none.missing, own.set);
}

// The first channels (source group 0) go to byte group 10 and the rest of the entry wraps round, as
// inception_4d/pool_proj's does: 464 channels into its concat, 80 bytes into the word.
TEST(XdnnCrossbar, the_first_channels_say_where_a_part_begins) {
  const Listing listing = parse_json(R"({"xbar":[{},
      {"setting_0_3":"0x804","setting_4_7":"0x0","setting_8_11":"0x2010000"}],"network":[
      {"xdnn_kv":{"XNOp":"XNUpload","id":"1","inaddr":"0","insize":"1","inchan":"1",
                  "override_xbar_table_ptr_0":"16781313"}}]})",
                                     "net");
  EXPECT_EQ(crossbar_start(listing, listing.entries[0]), 80);
  Entry entry = listing.entries[0];
  entry.set("override_xbar_table_ptr_0", "0");
  EXPECT_EQ(crossbar_start(listing, entry), std::nullopt);
  entry.set("override_xbar_table_ptr_0", "9");
  EXPECT_EQ(message([&] { crossbar_start(listing, entry); }),
            "network[0] (instruction 0): XNUpload '': no crossbar entry 9");
}

}  // namespace
}  // namespace workbench::xdnn
