// PULP programs as bytes and as text: any comes back as it was, damaged ones are refused without a
// crash.
#include <gtest/gtest.h>

#include "compiler/pulp/layer_code.h"
#include "compiler/pulp/tile_loops.h"
#include "core/error.h"
#include "isa/pulp/check.h"
#include "isa/pulp/loops.h"
#include "tests/support/random_pulp.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 41;
#if defined(__SANITIZE_ADDRESS__)
constexpr int kPrograms = 20, kMutants = 60;
#else
constexpr int kPrograms = 100, kMutants = 3000;
#endif

// A byte changed, a piece taken out, or a piece doubled, one to four times.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  for (auto times = 1 + random() % 4; times > 0 && !bytes.empty(); --times) {
    const std::size_t at = random() % bytes.size(), length = 1 + random() % 8;
    switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, length);
        break;
      default:
        bytes.insert(random() % bytes.size(), bytes.substr(at, length));
    }
  }
  return bytes;
}

bool same_instructions(const pulp::Program& a, const pulp::Program& b) {
  return a.instructions == b.instructions && a.info.instruction_layer == b.info.instruction_layer &&
         a.info.instruction_text == b.info.instruction_text;
}

TEST(PulpProgram, loops_unroll_to_the_program_that_keeps_them) {
  std::mt19937_64 random(kSeed);
  std::size_t instructions = 0, entries = 0;
  for (int i = 0; i < 3 * kPrograms; ++i) {
    SCOPED_TRACE(i);
    const pulp::Program program = random_pulp_program(random);
    const std::vector<pulp::Entry> rolled = pulp::in_loops(program);
    ASSERT_FALSE(pulp::loop_fault(rolled).has_value());
    EXPECT_LE(rolled.size(), program.instructions.size());
    EXPECT_EQ(pulp::unrolled_size(rolled, 0, rolled.size()), std::ssize(program.instructions));
    pulp::Program again;
    pulp::unroll(rolled, again);
    EXPECT_TRUE(same_instructions(again, program));
    instructions += program.instructions.size();
    entries += rolled.size();
  }
  EXPECT_LT(entries, instructions) << "loops are kept";
}

// Loops in each other as an emitter runs through them, with what makes iterations differ:
// prologues, epilogues, buffers that take turns, sizes at the border, and steps by chance.
class RandomNest {
 public:
  explicit RandomNest(std::mt19937_64& random) : random_(random) {}

  pulp::LoopedProgram run() {
    looped_.program.info.layers = {{.name = "a", .op = "", .shape = {}, .merged = {}}};
    for (int i = 0; i < 3; ++i) loop(static_cast<int>(draw(1, 5)));
    return std::move(looped_);
  }

 private:
  std::int64_t draw(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

  void loop(int depth) {
    const std::int64_t trips = draw(1, depth > 3 ? 3 : 7), step = draw(-9, 9), buffers = draw(1, 2);
    const bool prologue = draw(0, 3) == 0, epilogue = draw(0, 3) == 0, border = draw(0, 3) == 0;
    const std::int64_t odd = draw(0, 9);
    to_.loop(pulp::LoopOver::Rows, trips, [&](std::int64_t i) {
      const bool last = i + 1 == trips;
      if (!prologue || i > 0) to_.add(pulp::DmaWait{i % buffers});
      at_ += step + (i == odd ? 1 : 0);
      to_.add(pulp::Dma{.l2 = at_, .l1 = 64 * (i % buffers), .length = border && last ? 3 : 8},
              fmt::format("tile {{{}}}", tile_++));
      if (depth > 1) loop(depth - 1);
      if (!epilogue || !last) to_.add(pulp::Barrier{});
    });
  }

  std::mt19937_64& random_;
  pulp::LoopedProgram looped_;
  pulp::Listing to_{looped_, 0, "a"};
  std::int64_t at_ = 0, tile_ = 0;
};

TEST(PulpProgram, loops_of_an_emitter_stand_for_what_it_emitted) {
  std::mt19937_64 random(kSeed);
  std::size_t instructions = 0, entries = 0;
  for (int i = 0; i < kPrograms; ++i) {
    SCOPED_TRACE(i);
    const pulp::Program program = pulp::in_tile_loops(RandomNest(random).run());
    const std::vector<pulp::Entry> rolled = pulp::in_loops(program);
    // Loops that say something else than the instructions would have been left out.
    EXPECT_EQ(std::count_if(rolled.begin(), rolled.end(),
                            [](const pulp::Entry& entry) {
                              return std::holds_alternative<pulp::Loop>(entry);
                            }),
              std::ssize(program.loops));
    pulp::Program again;
    pulp::unroll(rolled, again);
    EXPECT_TRUE(same_instructions(again, program));
    EXPECT_TRUE(again.loops == program.loops);
    instructions += program.instructions.size();
    entries += rolled.size();
  }
  EXPECT_LT(entries, instructions) << "loops are kept";
}

TEST(PulpProgram, bytes_come_back_as_the_program_they_were) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kPrograms; ++i) {
    SCOPED_TRACE(i);
    const pulp::Program program = random_pulp_program(random);
    const std::string bytes = pulp::save_bytes(program);
    const pulp::Program loaded = pulp::load_bytes(bytes, "p");
    EXPECT_TRUE(same_instructions(loaded, program));
    EXPECT_EQ(loaded.constants, program.constants);
    EXPECT_TRUE(loaded.inputs == program.inputs && loaded.outputs == program.outputs);
    EXPECT_TRUE(loaded.probes == program.probes && loaded.memory_map == program.memory_map);
    EXPECT_TRUE(loaded.tilings == program.tilings && loaded.host_steps == program.host_steps);
    EXPECT_TRUE(pulp::save_bytes(loaded) == bytes);
  }
}

TEST(PulpProgram, text_comes_back_as_the_program_it_was) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kPrograms; ++i) {
    SCOPED_TRACE(i);
    const pulp::Program program = random_pulp_program(random);
    const std::string text = pulp::disassemble(program);
    const pulp::Program assembled = pulp::assemble(text, "p");
    EXPECT_TRUE(assembled.instructions == program.instructions) << text;
    EXPECT_TRUE(pulp::save_bytes(assembled) == pulp::save_bytes(program)) << text;
    EXPECT_EQ(pulp::disassemble(assembled), text);
  }
}

TEST(PulpProgram, damaged_bytes_are_refused_or_are_a_program) {
  std::mt19937_64 random(kSeed);
  const pulp::Machine machine;
  for (int i = 0; i < kMutants; ++i) {
    const std::string bytes = damaged(pulp::save_bytes(random_pulp_program(random)), random);
    try {
      const pulp::Program program = pulp::load_bytes(bytes, "p");
      for (const pulp::Instruction& instruction : program.instructions) {
        if (pulp::malformed(instruction, machine).empty()) pulp::footprint(instruction, machine);
      }
      pulp::disassemble(program);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, 3), "p: ") << i;
    }
  }
}

TEST(PulpProgram, damaged_text_is_refused_with_its_line_or_is_a_program) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kMutants; ++i) {
    const std::string text = damaged(pulp::disassemble(random_pulp_program(random)), random);
    try {
      const pulp::Program program = pulp::assemble(text, "p");
      EXPECT_TRUE(pulp::save_bytes(pulp::assemble(pulp::disassemble(program), "p")) ==
                  pulp::save_bytes(program));
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, 2), "p:") << i;
    }
  }
}

// Instructions drawn at random are nearly all malformed, and so is what a machine says of them.
TEST(PulpProgram, no_instruction_is_too_absurd_to_be_looked_at) {
  std::mt19937_64 random(kSeed);
  const pulp::Machine machine;
  for (int i = 0; i < 5 * kMutants; ++i) {
    const pulp::Instruction instruction = random_instruction(random);
    if (pulp::malformed(instruction, machine).empty()) pulp::footprint(instruction, machine);
  }
}

}  // namespace
}  // namespace workbench
