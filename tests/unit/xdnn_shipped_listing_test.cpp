// The vendor's shipped programs (programs/xdnn of WORKBENCH_SHARED): every field of
// every entry survives text and JSON. Skipped where they are absent.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing_text.h"

namespace workbench::xdnn {
namespace {

std::filesystem::path programs() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : "../shared") / "programs" / "xdnn";
}

struct Shipped {
  const char* file;
  std::size_t entries, instructions;
};

class XdnnShippedListing : public testing::TestWithParam<Shipped> {
 protected:
  void SetUp() override {
    path_ = programs() / GetParam().file;
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << path_ << " is not there";
    listing_ = parse_listing(read_file(path_), path_.string());
  }
  std::filesystem::path path_;
  Listing listing_;
};

// Entries and instructions counted with grep: objects with a name, occurrences of XNOp; in the file
// of version 0.1.4 texts that begin with a number.
INSTANTIATE_TEST_SUITE_P(Files, XdnnShippedListing,
                         testing::Values(Shipped{"googlenet_v1_56.json", 82, 73},
                                         Shipped{"resnet50_28.json", 73, 73},
                                         Shipped{"googlenet_v1_8b_latency.json", 68, 68},
                                         Shipped{"googlenet_v1_8b_throughput.json", 69, 69},
                                         Shipped{"resnet50_8b_latency.json", 72, 72},
                                         Shipped{"compiler_runs/goog_28_4.cmd.json", 141, 71},
                                         Shipped{"compiler_runs/v5_g.cmd.json", 84, 81},
                                         Shipped{"compiler_runs/v5_r_2b.cmd.json", 74, 74},
                                         Shipped{"compiler_runs/v5_vgg16.cmd.json", 16, 16}),
                         [](const auto& instance) {
                           std::string name = instance.param.file;
                           name = name.substr(name.find('/') + 1);
                           return name.substr(0, name.find('.'));
                         });

TEST_P(XdnnShippedListing, comes_back_value_for_value) {
  const auto original = nlohmann::json::parse(read_file(path_));
  const std::string text = print_text(listing_);
  EXPECT_EQ(nlohmann::json::parse(print_json(parse_listing(text, "text"))), original);
}

TEST_P(XdnnShippedListing, all_entries_are_read) {
  EXPECT_EQ(listing_.entries.size(), GetParam().entries);
  std::size_t instructions = 0;
  for (const Entry& entry : listing_.entries) instructions += entry.opcode.empty() ? 0 : 1;
  EXPECT_EQ(instructions, GetParam().instructions);
}

TEST_P(XdnnShippedListing, every_field_survives_text_and_json) {
  const Listing text = parse_text(print_text(listing_), "text");
  const Listing json = parse_json(print_json(text), "json");
  const Listing again = parse_text(print_text(json), "text");
  for (const Listing* one : {&text, &json, &again}) {
    EXPECT_EQ(one->dialect, listing_.dialect);
    EXPECT_EQ(one->attributes, listing_.attributes);
    ASSERT_EQ(one->entries.size(), listing_.entries.size());
    for (std::size_t i = 0; i < listing_.entries.size(); ++i) {
      EXPECT_TRUE(same(one->entries[i], listing_.entries[i])) << listing_.entries[i].where;
    }
  }
}

TEST_P(XdnnShippedListing, instructions_go_back_to_the_same_fields) {
  for (const Entry& entry : listing_.entries) {
    if (entry.opcode.empty() || !blank_instruction(entry.opcode)) continue;
    EXPECT_TRUE(same(updated(entry, instruction_from(entry)), entry)) << entry.where;
  }
}

// xdnn_instr is the vendor's own text of the entry. Where it is the text of xdnn_kv (some entries
// of ResNet-50's latency program were retouched by hand in xdnn_kv alone), our templates read the
// same fields from it.
TEST_P(XdnnShippedListing, our_templates_read_the_vendors_lines) {
  std::size_t lines = 0, equal = 0;
  for (const Entry& entry : listing_.entries) {
    const std::string line = text_attribute(entry, "xdnn_instr");
    if (entry.opcode.empty() || line.empty()) continue;
    const Listing one =
        parse_text(fmt::format("# dialect {}\n{}", to_string(listing_.dialect), line), "line");
    ++lines;
    bool all = true;
    const bool numbered = line[0] >= '0' && line[0] <= '9';  // tiled instructions are not
    for (const Field& field : one.entries.at(0).fields) {
      if (field.key == "id" && !numbered) continue;
      const Field* vendor = entry.find(field.key);
      ASSERT_NE(vendor, nullptr) << entry.where << " " << field.key;
      all = all && vendor->value == field.value;
    }
    equal += all ? 1 : 0;
  }
  const bool retouched = std::string(GetParam().file).find("8b") != std::string::npos;
  EXPECT_EQ(equal, retouched ? equal : lines);
}

}  // namespace
}  // namespace workbench::xdnn
