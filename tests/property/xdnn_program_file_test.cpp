// Damaged program files: an Error or a program that can be listed, never a crash.
#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/program.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

constexpr std::uint64_t kCases = 1000;

// A program with hardly any constants, so that most damage hits its structure.
std::string bytes_of(const Graph& graph) {
  xdnn::Program program = compiled_for(graph, {.name = "v3_96"});
  program.constants.resize(64);
  return xdnn::save_bytes(program);
}

// Whether the bytes were taken for a program; that it can be listed is part of the test.
bool loads(const std::string& bytes) {
  try {
    const xdnn::Program program = xdnn::load_bytes(bytes, "net.xdnn");
    return !xdnn::disassemble(program).empty();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, 9), "net.xdnn:");
    return false;
  }
}

TEST(XdnnProgramFileProperty, truncated_programs_are_errors_or_programs) {
  const std::string bytes = bytes_of(every_instruction());
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < kCases; ++i) loads(bytes.substr(0, random() % bytes.size()));
}

TEST(XdnnProgramFileProperty, changed_bytes_give_errors_or_programs) {
  const std::vector<std::string> files = {bytes_of(every_instruction()),
                                          bytes_of(build_workload("tiny_residual"))};
  std::uint64_t refused = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::string bytes = files[seed % files.size()];
    for (std::uint64_t edit = 0; edit < 1 + random() % 4; ++edit) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
          break;
        default:
          bytes.erase(at, 1 + random() % 4);
      }
    }
    refused += loads(bytes) ? 0 : 1;
  }
  EXPECT_GT(refused, kCases / 10);  // else the damage would be harmless
}

// What a replay says of a program names the file that it is from.
TEST(XdnnProgramFile, entries_say_where_they_are_from) {
  const xdnn::Listing listing = xdnn::any_listing(bytes_of(every_instruction()), "my.program");
  ASSERT_FALSE(listing.entries.empty());
  for (const xdnn::Entry& entry : listing.entries) {
    EXPECT_TRUE(entry.where.starts_with("my.program")) << entry.where;
  }
}

}  // namespace
}  // namespace workbench
