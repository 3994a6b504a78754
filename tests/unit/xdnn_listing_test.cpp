// Listings: the documented lines (docs/facts/xdnn.md 2.6) field by field, what is kept, what is
// refused.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing_text.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

Entry only(const std::string& text) {
  const Listing listing = parse_text(text, "net.cmd");
  EXPECT_EQ(listing.entries.size(), 1u) << text;
  return listing.entries.at(0);
}

std::string value(const Entry& entry, std::string_view key) {
  const Field* field = entry.find(key);
  return field == nullptr ? "absent" : field->value;
}

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string message_of(const std::string& contents) {
  return message([&] { parse_listing(contents, "net"); });
}

// docs/facts/xdnn.md 2.6, examples 3, 8, 10, 13 and 14.
constexpr const char* kV2Conv =
    "2 XNConv conv1/7x7_s2 7 7 2 2 3 3 1 1 16 26 2 1 1 0x0 224 224 3 0x70000 112 112 64 0";
constexpr const char* kAveragePool =
    "72 XNAvgPool pool5 7 7 1 1 0 0 0 0x86c 7 7 2048 0x0 1 1 0 1 22 0 0 0 22 0 0 0 0 0 0 0 0 0 0 1 "
    "1 1 1 1 1 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0";
constexpr const char* kEltwise =
    "13 XNEltwise res2a 1 0 1 0 0x0 0x15b40 56 56 256 0x0 1 1 3 0 0 0 3 0 0 0 0 0 0 0 0 0 0 1 1 1 "
    "1 "
    "1 1 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
constexpr const char* kFused =
    "2 XNMaxPoolPipelined pool1 3 3 2 2 0 0 0x0 224 224 3 0x173c0 56 56 1 1 0 1 12 8 1 0 0 0 0 0 0 "
    "0 0 0 0 1 1 1 1 1 1 0 0 1 0 1 1 0 1 0 32 27 1 0 16384 65536 conv1 7 7 2 2 3 3 1 1 1 0 1 112 "
    "112 64 56";
constexpr const char* kGather =
    "2 XNGather 0xbc00 0x0 224 224 3 0 1 1 0 223 1 0 1 3 32 1 # data_blob";

TEST(XdnnListing, a_v2_line_is_read_field_by_field) {
  const Listing listing = parse_text(kV2Conv, "net.cmd");
  EXPECT_TRUE(is_v2(listing.dialect));
  const Entry& entry = listing.entries.at(0);
  EXPECT_EQ(name_of(entry), "conv1/7x7_s2");
  EXPECT_EQ(value(entry, "padding_h"), "3");
  EXPECT_EQ(value(entry, "outaddr"), "0x70000");
  EXPECT_EQ(value(entry, "Bypass_Perf_Opt"), "0");
  EXPECT_EQ(value(entry, "slice"), "absent");
  const auto conv = std::get<Conv>(instruction_from(entry));
  EXPECT_EQ(conv.outaddr, 0x70000);
  EXPECT_EQ(conv.out_ch, 64);
  EXPECT_TRUE(conv.tail.wait_conv) << "V2 has no wait bits: everything waits";
}

TEST(XdnnListing, newest_v3_lines_are_read_field_by_field) {
  const auto pool = std::get<Pool>(instruction_from(only(kAveragePool)));
  EXPECT_TRUE(pool.average);
  EXPECT_EQ(pool.inaddr, 0x86c);  // behind fcmode
  EXPECT_EQ(pool.tail.source.full, 22);
  EXPECT_TRUE(pool.tail.wait_upsample);
  const auto add = std::get<Eltwise>(instruction_from(only(kEltwise)));
  EXPECT_EQ(add.inaddr_b, 0x15b40);
  EXPECT_TRUE(add.tail.parallel_read);
  const auto fused = std::get<ConvPool>(instruction_from(only(kFused)));
  EXPECT_EQ(fused.conv.tail.tile_width, 32);
  EXPECT_EQ(fused.conv.tail.destination_offset, 65536);
  EXPECT_TRUE(fused.conv.tail.source_in_ddr);
  EXPECT_EQ(fused.conv.out_w, 112);
  EXPECT_EQ(fused.conv_outsize_w, 56);
  const auto gather = std::get<Gather>(instruction_from(only(kGather)));
  EXPECT_EQ(gather.end_row, 223);
  EXPECT_EQ(gather.tail.destination.repl_units, 3);
  EXPECT_TRUE(gather.tail.source_from_image_queue);
}

TEST(XdnnListing, documented_lines_are_printed_as_they_were) {
  for (const std::string line : {kV2Conv, kAveragePool, kEltwise, kFused, kGather}) {
    const std::string text = print_text(parse_text(line, "net.cmd"));
    EXPECT_TRUE(text.ends_with("\n" + line + "\n")) << text;
  }
}

// Version 0.1.4: the instruction is text alone, and stays so.
TEST(XdnnListing, an_instruction_that_is_text_alone_is_read_and_stays_text) {
  const std::string json = fmt::format(
      R"({{"version":"0.1.4","network":[{{"name":"data","xdnn_instr":"# # LAYER data"}},
      {{"name":"conv","ops":1.0,"xdnn_instr":"{}"}}]}})",
      kV2Conv);
  const Listing listing = parse_listing(json, "net");
  EXPECT_EQ(listing.dialect, Dialect::V2);
  EXPECT_TRUE(listing.entries.at(0).opcode.empty());
  EXPECT_EQ(value(listing.entries.at(1), "outaddr"), "0x70000");
  const std::string text = print_text(listing);
  EXPECT_EQ(nlohmann::json::parse(print_json(parse_listing(text, "net"))),
            nlohmann::json::parse(json));
  // A changed field has a form of its own: the text says something else.
  std::string changed = text;
  changed.replace(changed.rfind("0x70000"), 7, "0x80000");
  const auto again = nlohmann::json::parse(print_json(parse_listing(changed, "net")));
  EXPECT_EQ(again["network"][1]["xdnn_kv"]["outaddr"], "0x80000");
  EXPECT_EQ(message_of(R"({"network":[{"xdnn_instr":"7 XNOdd 1"}]})"),
            "net: network[0]: unknown opcode 'XNOdd'");
}

TEST(XdnnListing, what_is_not_active_may_hold_anything) {
  const std::string json = R"({"network":[
      {"active":0,"xdnn_kv":{"XNOp":"XNConcat","id":"8","size":225792,"pound":"#"}},
      {"active":0,"xdnn_kv":{"XNOp":"XNOdd","name":"x"}},
      {"active":0,"xdnn_kv":{"XNOp":"XNThroughputInterbuf","name":"between"}},
      {"active":0,"xdnn_kv":{"no":"opcode"}}]})";
  const Listing listing = parse_listing(json, "net");
  for (const Entry& entry : listing.entries) EXPECT_FALSE(executed(entry));
  const Listing text = parse_text(print_text(listing), "net");
  EXPECT_EQ(nlohmann::json::parse(print_json(text)), nlohmann::json::parse(json));
  EXPECT_EQ(message_of(R"({"network":[{"xdnn_kv":{"XNOp":"XNOdd","name":"x"}}]})"),
            "net: network[0] (instruction 0): unknown opcode 'XNOdd'");
}

TEST(XdnnListing, the_template_of_an_average_pool_may_lack_fcmode) {
  std::string text = "# template id XNAvgPool";
  for (const auto key : template_of(Dialect::V3, "XNAvgPool")) {
    if (key != "fcmode") text += " " + std::string(key);
  }
  EXPECT_EQ(value(only(text + "\n" + kAveragePool), "fcmode"), "0");
  EXPECT_EQ(value(only(text + "\n" + kAveragePool), "inaddr"), "0x86c");
}

TEST(XdnnListing, names_with_blanks_and_hashes_come_back) {
  Listing listing{.dialect = Dialect::V2};
  for (const std::string name : {"a b", "#1", "conv#2", "50%", "%20", "", "\xc3\xa9", "-", "%-"}) {
    listing.entries.push_back(
        entry_from(Conv{.in_w = 1, .in_h = 1, .in_ch = 1, .out_w = 1, .out_h = 1, .out_ch = 1}, 0,
                   name, Dialect::V2));
  }
  const Listing read = parse_text(print_text(listing), "net.cmd");
  ASSERT_EQ(read.entries.size(), listing.entries.size());
  for (std::size_t i = 0; i < read.entries.size(); ++i) {
    EXPECT_EQ(name_of(read.entries[i]), name_of(listing.entries[i]));
  }
}

TEST(XdnnListing, comments_and_json_keys_are_kept_in_both_forms) {
  const std::string json = R"({"version":"2.0.0","answer":42.0,"network":[
    {"name":"data","type":"Concat","xdnn_instr":"# 3 XNConcat data","xdnn_kv":{}},
    {"name":"up","active":0,"odd":[1,{"a":null}],"comment":"line\nbreak #+ x=1",
     "xdnn_kv":{"XNOp":"XNUpload","id":7,"inaddr":"0x40","insize":"49","inchan":"2048",
                "an odd = key:":"two words","list":[1,2],"":""}}]})";
  const Listing first = parse_json(json, "net.json");
  const Listing second = parse_text(print_text(first), "net.cmd");
  const Listing third = parse_json(print_json(second), "net.json");
  for (const Listing& listing : {second, third}) {
    EXPECT_EQ(listing.attributes, first.attributes);
    ASSERT_EQ(listing.entries.size(), 2u);
    EXPECT_TRUE(same(listing.entries[0], first.entries[0]));
    EXPECT_TRUE(same(listing.entries[1], first.entries[1])) << print_text(listing);
  }
  EXPECT_FALSE(active(third.entries[1]));
  EXPECT_EQ(value(third.entries[1], "an odd = key:"), "two words");
}

TEST(XdnnListing, comment_lines_of_vendor_files_are_kept) {
  const std::string text = "# LAYER conv1 ['ReLU'] ['relu1']\n# # 9 XNInner fc  NO VALID CODE\n";
  const Listing listing = parse_text(text + kV2Conv, "net.cmd");
  EXPECT_EQ(listing.entries.size(), 3u);
  EXPECT_NE(print_text(listing).find(text), std::string::npos);
}

TEST(XdnnListing, absent_fields_stay_absent_when_an_instruction_goes_back) {
  const Entry entry = only(kV2Conv);
  Instruction instruction = instruction_from(entry);
  EXPECT_TRUE(same(updated(entry, instruction), entry));
  std::get<Conv>(instruction).outaddr = 0x80000;
  std::get<Conv>(instruction).tail.wait_pool = false;
  Entry expected = entry;
  expected.set("outaddr", "0x80000");
  expected.set("wait_pool", "0");
  EXPECT_TRUE(same(updated(entry, instruction), expected));
}

TEST(XdnnListing, a_tiled_operand_of_an_early_dialect_comes_from_ddr) {
  const std::string json = R"({"network":[{"memory_description":"ddr_to_am","xdnn_kv":{
      "XNOp":"XNConv","id":"1")";
  std::string fields;
  for (const auto key : template_of(Dialect::V3Early, "XNConv")) {
    const bool one = field_rule(key)->low == 1 || key == "HAT" || key.starts_with("tile");
    fields += fmt::format(",\"{}\":\"{}\"", key, one ? 1 : 0);
  }
  const Listing listing = parse_json(json + fields + "}}]}", "net.json");
  EXPECT_EQ(listing.dialect, Dialect::V3Early);
  EXPECT_TRUE(std::get<Conv>(instruction_from(listing.entries[0])).tail.source_in_ddr);
}

TEST(XdnnListing, a_disassembled_program_assembles_to_the_same_instructions) {
  const Program program = compiled_for(every_instruction(), {.name = "v3_96"});
  const Listing listing = parse_text(disassemble(program), "net.cmd");
  const Listing again = parse_json(print_json(listing), "net.json");
  for (const Listing& one : {listing, again}) {
    std::size_t i = 0;
    for (const Entry& entry : one.entries) {
      if (entry.opcode.empty()) continue;
      ASSERT_LT(i, program.steps.size());
      EXPECT_TRUE(instruction_from(entry) == program.steps[i].instruction) << entry.where;
      ++i;
    }
    EXPECT_EQ(i, program.steps.size());
  }
}

TEST(XdnnListing, every_line_of_a_program_of_ours_has_the_newest_template) {
  const Program program = compiled_for(every_instruction(), {.name = "v3_96"});
  for (const Entry& entry : listing_of(program).entries) {
    for (const auto key : template_of(Dialect::V3, entry.opcode)) {
      EXPECT_NE(entry.find(key), nullptr) << entry.opcode << " " << key;
    }
  }
}

TEST(XdnnListingErrors, name_line_instruction_and_field) {
  EXPECT_EQ(message_of("1 XNConvDepth a 3"), "net:1: unknown opcode 'XNConvDepth'");
  EXPECT_EQ(message_of("# remark\n\n7"), "net:3: expected an id and an opcode, found '7'");
  std::string text = kV2Conv;
  EXPECT_EQ(message_of(text.substr(0, text.rfind(' '))),
            "net:1: XNConv 'conv1/7x7_s2': field outchan: expected a value, found "
            "the end of the line (22 fields of 61)");
  EXPECT_EQ(message_of("# dialect v2\n" + text.substr(0, text.rfind(' '))),
            "net:2: XNConv 'conv1/7x7_s2': field Bypass_Perf_Opt: expected a value, found the end "
            "of the line (22 fields of 23)");
  EXPECT_EQ(message_of("# dialect v2\n" + text + " 5"),
            "net:2: XNConv 'conv1/7x7_s2': expected 23 fields (dialect v2), found 24");
  text.replace(text.find("224"), 3, "wide");
  EXPECT_EQ(
      message_of(text),
      "net:1 (instruction 0): XNConv 'conv1/7x7_s2': field insize_w: expected a whole number from "
      "1 to 65535, found wide");
  text.replace(text.find("wide"), 4, "99999999999999999999");
  EXPECT_EQ(
      message_of(text),
      "net:1 (instruction 0): XNConv 'conv1/7x7_s2': field insize_w: expected a whole number from "
      "1 to 65535, found 99999999999999999999");
  EXPECT_EQ(message_of(std::string(kV2Conv) + " #+ name=again"),
            "net:1: XNConv 'conv1/7x7_s2': field name: expected once, found twice");
  EXPECT_EQ(
      message_of("# dialect v7"),
      "net:1: expected a dialect (v3, v3_json, v3_early, v3_first, v2, v2_first), found 'v7'");
  EXPECT_EQ(message_of("nothing here\n"), "net:1: unknown opcode 'here'");
  EXPECT_EQ(message_of("# only remarks\n"),
            "net: expected a program as text or JSON, found no instruction");
}

TEST(XdnnListingErrors, name_json_entry_and_key) {
  const auto entry = [](const std::string& kv) {
    return R"({"network":[{"xdnn_kv":{}},{"xdnn_kv":{"XNOp":"XNUpload","id":"1",)" + kv + "}}]}";
  };
  EXPECT_EQ(message_of(entry(R"("inaddr":"0","insize":"1","inchan":"1")")), "accepted");
  EXPECT_EQ(
      message_of(entry(R"("inaddr":"0","insize":"1")")),
      "net: network[1] (instruction 0): XNUpload '': field inchan: expected a value, found none: "
      "the field is missing");
  EXPECT_EQ(
      message_of(entry(R"("inaddr":"0","insize":"1","inchan":0)")),
      "net: network[1] (instruction 0): XNUpload '': field inchan: expected a whole number from "
      "1 to 65535, found 0");
  EXPECT_EQ(
      message_of(entry(R"("inaddr":"0","insize":"1","inchan":[])")),
      "net: network[1] (instruction 0): XNUpload '': field inchan: expected a whole number from "
      "1 to 65535, found []");
  EXPECT_EQ(message_of(entry(R"("inaddr":"0","inaddr":"1","insize":"1","inchan":"1")")),
            "net: key 'inaddr' stands twice in one object");
  EXPECT_EQ(message_of(R"({"network":[{"xdnn_kv":{"id":"1"}}]})"),
            "net: network[0]: xdnn_kv: field XNOp: expected an opcode, found none");
  EXPECT_EQ(message_of(R"({"network":[{"xdnn_kv":{"XNOp":"XNUnload","id":"1"}}]})"),
            "net: network[0] (instruction 0): unknown opcode 'XNUnload'");
  EXPECT_EQ(message_of("{}"), "net: key network: expected a list of entries, found none");
  EXPECT_EQ(message_of("{\"network\":[" + std::string(100, '[') + std::string(100, ']') + "]}"),
            "net: JSON nested deeper than 64 levels");
  EXPECT_TRUE(
      message_of("{\"network\":").starts_with("net: not valid JSON: parse error at line 1"));
}

TEST(XdnnListingErrors, contradictions_are_named_when_an_instruction_is_made) {
  std::string line = kGather;
  line.replace(line.find("223"), 3, "224");
  EXPECT_EQ(message([&] { instruction_from(only(line)); }),
            "net.cmd:1 (instruction 0): XNGather '': field end_row: expected 0 to 223, found 224");
  EXPECT_EQ(message([&] { instruction_from(only("1 XNUpload 0x0 49 2048")); }),
            "net.cmd:1 (instruction 0): XNUpload '': no unit of the model executes it");
}

}  // namespace
}  // namespace workbench::xdnn
