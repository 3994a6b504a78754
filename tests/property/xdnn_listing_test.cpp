// Listings: random instructions in every dialect come back; damaged files are errors, never
// crashes.
#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing_text.h"
#include "tests/support/random_xdnn.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 40;
#else
constexpr std::uint64_t kCases = 200;
#endif

std::vector<Dialect> dialects() {
  std::vector<Dialect> all;
  for (std::size_t i = 0; i < std::size(kDialectNames); ++i) all.push_back(static_cast<Dialect>(i));
  return all;
}

// Every field anything its rule allows, as far as fields do not contradict each other.
Instruction random_instruction(std::mt19937_64& random, Dialect dialect) {
  const std::vector<std::string> opcodes{"XNConv",    "XNDeconv",   "XNMaxPool",
                                         "XNAvgPool", "XNEltwise",  "XNGather",
                                         "XNScatter", "XNUpsample", "XNMaxPoolPipelined"};
  const std::size_t count = opcodes.size() - (is_v2(dialect) ? 2 : 0);
  Instruction instruction = *blank_instruction(opcodes[random() % count]);
  std::visit(
      [&](auto& op) {
        for_each_field(op, [&](std::string_view key, auto& member) {
          const auto rule = field_rule(key);
          std::int64_t value = between(random, 0, 1);
          if (rule && !rule->text) {
            const std::int64_t span = std::int64_t{1} << between(random, 0, 41);
            value = rule->low + between(random, 0, std::min(rule->high - rule->low, span - 1));
          }
          if (key != "method") member = static_cast<std::remove_cvref_t<decltype(member)>>(value);
        });
      },
      instruction);
  Tail& t = tail(instruction);
  t.tile_width = std::max<std::int64_t>(1, t.tile_width);
  t.tile_height = std::max<std::int64_t>(1, t.tile_height);
  for (ChannelLayout* layout : {&t.source, &t.destination, &t.concat_volume}) {
    layout->repl_units = std::max<std::int64_t>(1, layout->repl_units);
    layout->repl_width = std::max<std::int64_t>(1, layout->repl_width);
  }
  const auto order_rows = [](auto& op) {
    op.start_row %= op.height;
    op.end_row = op.start_row + op.end_row % (op.height - op.start_row);
  };
  if (auto* gather = std::get_if<Gather>(&instruction)) order_rows(*gather);
  if (auto* scatter = std::get_if<Scatter>(&instruction)) order_rows(*scatter);
  return instruction;
}

std::string random_name(std::mt19937_64& random) {
  std::string name;
  for (std::int64_t i = between(random, 0, 12); i > 0; --i) {
    name += static_cast<char>(between(random, 1, 126));
  }
  return name;
}

TEST(XdnnListingProperty, random_instructions_come_back_in_every_dialect_and_form) {
  for (const Dialect dialect : dialects()) {
    SCOPED_TRACE(to_string(dialect));
    std::mt19937_64 random(static_cast<std::uint64_t>(dialect) + 1);
    for (std::uint64_t c = 0; c < kCases; ++c) {
      Listing listing{.dialect = dialect};
      std::vector<Instruction> instructions;
      for (std::int64_t i = between(random, 1, 6); i > 0; --i) {
        instructions.push_back(random_instruction(random, dialect));
        listing.entries.push_back(
            entry_from(instructions.back(), between(random, 0, 999), random_name(random), dialect));
        if (random() % 4 == 0) listing.entries.back().comment = random_name(random);
      }
      const Listing text = parse_text(print_text(listing), "net.cmd");
      const Listing json = parse_json(print_json(text), "net.json");
      const Listing back = parse_text(print_text(json), "net.cmd");
      EXPECT_EQ(text.dialect, dialect);
      for (const Listing* one : {&text, &json, &back}) {
        ASSERT_EQ(one->entries.size(), instructions.size());
        for (std::size_t i = 0; i < instructions.size(); ++i) {
          ASSERT_TRUE(same(one->entries[i], listing.entries[i]))
              << c << "\n"
              << print_text(listing) << print_text(*one);
          ASSERT_TRUE(instruction_from(one->entries[i]) == instructions[i]) << c << "\n"
                                                                            << print_text(listing);
        }
      }
    }
  }
}

// A plain vendor file, none of our comments in it: the dialect is guessed from the lines.
TEST(XdnnListingProperty, the_dialect_of_bare_lines_is_found) {
  for (const Dialect dialect : {Dialect::V3, Dialect::V3Early, Dialect::V3First, Dialect::V2}) {
    SCOPED_TRACE(to_string(dialect));
    std::mt19937_64 random(7);
    std::string text;
    std::vector<Instruction> instructions;
    for (int i = 0; i < 40; ++i) {
      const Instruction instruction =
          instruction_from(entry_from(random_instruction(random, dialect), i, "n", dialect));
      Entry entry = entry_from(instruction, i, "n", dialect);
      std::erase_if(entry.fields, [&](const Field& field) {
        const auto fields = template_of(dialect, entry.opcode);
        return field.key != "id" &&
               std::find(fields.begin(), fields.end(), field.key) == fields.end();
      });
      const std::string lines = print_text({.dialect = dialect, .entries = {entry}});
      text += lines.substr(lines.rfind('\n', lines.size() - 2) + 1);
      instructions.push_back(instruction_from(entry));
    }
    const Listing listing = parse_text(text, "net.cmd");
    EXPECT_EQ(listing.dialect, dialect);
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      EXPECT_TRUE(instruction_from(listing.entries.at(i)) == instructions[i]);
    }
  }
}

// Whether it was taken for a listing; printing and converting it is part of the test.
bool survives(const std::string& contents) {
  try {
    const Listing listing = parse_listing(contents, "net");
    const Listing text = parse_text(print_text(listing), "net");
    EXPECT_EQ(text.entries.size(), listing.entries.size());
    for (std::size_t i = 0; i < std::min(text.entries.size(), listing.entries.size()); ++i) {
      EXPECT_TRUE(same(text.entries[i], listing.entries[i])) << contents;
      if (!listing.entries[i].opcode.empty()) instruction_from(listing.entries[i]);
    }
    print_json(listing);
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("net")) << error.what();
    return false;
  }
}

std::string damaged(std::string text, std::mt19937_64& random) {
  const std::vector<std::string> pieces{"[",
                                        "]",
                                        "{",
                                        "}",
                                        "\"",
                                        ",",
                                        ":",
                                        "#",
                                        "#+ ",
                                        "#: {}",
                                        "#= {\"comment\":\"x\"}",
                                        "\n",
                                        "%20",
                                        "\\u",
                                        "0x",
                                        "-1",
                                        "=",
                                        ":=",
                                        "%-",
                                        " ",
                                        "null",
                                        "1e999",
                                        "\xff",
                                        "99999999999999999999",
                                        "XNConv",
                                        "# template id XNConv name\n",
                                        "# dialect v2\n"};
  for (std::int64_t i = between(random, 1, 4); i > 0; --i) {
    const std::size_t at = random() % (text.size() + 1);
    switch (random() % 4) {
      case 0:
        text.insert(at, pieces[random() % pieces.size()]);
        break;
      case 1:
        text.erase(at, random() % 20);
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random() % 256);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
    }
  }
  return text;
}

TEST(XdnnListingProperty, damaged_files_are_errors_or_listings) {
  const Program program = compiled_for(every_instruction(), {.name = "v3_96"});
  const std::string text = disassemble(program);
  const std::string json = print_json(listing_of(program));
  std::mt19937_64 random(1);
  std::int64_t taken = 0;
  for (std::uint64_t i = 0; i < 2 * kCases; ++i) {
    survives(text.substr(0, random() % text.size()));
    survives(json.substr(0, random() % json.size()));
    taken += survives(damaged(text, random)) ? 1 : 0;
    taken += survives(damaged(json, random)) ? 1 : 0;
  }
  EXPECT_GT(taken, 0) << "all damage was refused: nothing was tested behind the parser";
}

TEST(XdnnListingProperty, deep_nesting_is_an_error_not_a_crash) {
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string deep = "{\"network\":[],\"deep\":";
    for (int i = 0; i < 200000; ++i) deep += open;
    EXPECT_FALSE(survives(deep));
    EXPECT_FALSE(survives("#! " + deep));
  }
}

}  // namespace
}  // namespace workbench::xdnn
