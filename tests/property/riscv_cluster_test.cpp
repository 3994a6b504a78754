// The detailed tier: small programs written as words, with cycles derived by hand, and files that
// are damaged.
#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "sim/riscv/profile.h"
#include "tests/reference/xpulp.h"

namespace workbench::riscv {
namespace {

constexpr Word kA0 = 10, kA1 = 11, kA2 = 12, kA7 = 17, kT0 = 5, kT1 = 6, kT2 = 7;
constexpr Word kEventUnit = 0x10204000, kMchan = 0x10204400;

Word i_type(Word match, Word rd, Word rs1, Word immediate) {
  return match | rd << 7 | rs1 << 15 | immediate << 20;
}
Word addi(Word rd, Word rs1, Word immediate) { return i_type(0x13, rd, rs1, immediate); }
Word lui(Word rd, Word value) { return 0x37 | rd << 7 | (value & 0xfffff000); }
Word lw(Word rd, Word rs1, Word offset) { return i_type(0x2003, rd, rs1, offset); }
Word add(Word rd, Word rs1, Word rs2) { return 0x33 | rd << 7 | rs1 << 15 | rs2 << 20; }
Word sw(Word rs2, Word rs1, Word offset) {
  return 0x2023 | (offset & 31) << 7 | rs1 << 15 | rs2 << 20 | (offset >> 5) << 25;
}
Word elw(Word rd, Word rs1, Word offset) { return i_type(0x6003, rd, rs1, offset); }
Word lp_setup(Word loop, Word count, Word end_offset) {
  return 0x407b | loop << 7 | count << 15 | end_offset / 2 << 20;
}
// Branches are forward, by less than 2048 bytes.
Word branch(Word match, Word rs1, Word rs2, Word offset) {
  return match | rs1 << 15 | rs2 << 20 | (offset >> 1 & 15) << 8 | (offset >> 5 & 63) << 25;
}
Word bnez(Word rs1, Word offset) { return branch(0x1063, rs1, 0, offset); }
constexpr Word kHartId = 0xf1402573;  // csrr a0, mhartid
constexpr Word kWfi = 0x10500073, kEcall = 0x00000073;

using Words = std::vector<Word>;

void append(Words& words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
}

Segment code_segment(const Words& words) {
  Segment segment{.address = kL2Base, .executable = true};
  for (const Word word : words) {
    for (unsigned k = 0; k < 4; ++k) segment.bytes += static_cast<char>(word >> 8 * k);
  }
  segment.memory_bytes = static_cast<Word>(segment.bytes.size());
  return segment;
}

Elf program_of(const Words& words) {
  return {kL2Base, {code_segment(words)}, {{"main", kL2Base, 0}}};
}

// Core 0 runs `words` and ends with a0; the others sleep.
Elf on_core_0(const Words& words) {
  Words all = {kHartId, bnez(kA0, 4 * static_cast<Word>(words.size()) + 12)};
  append(all, words);
  append(all, {addi(kA7, 0, 93), kEcall, kWfi});
  return program_of(all);
}

pulp::Machine machine() { return pulp::load_machine("configs/pulp_open.yaml"); }

struct Outcome {
  int exit_code = 0;
  Profile profile;
};

Outcome run(const Elf& program, const pulp::Machine& machine = riscv::machine(),
            std::int64_t max_cycles = 100'000) {
  const ClusterOptions options{.max_cycles = max_cycles};
  Cluster cluster(program, machine, options);
  const int exit_code = cluster.run();
  return {exit_code, profile_of(program, machine, cluster)};
}

std::string error_of(const Elf& program) {
  try {
    run(program);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RiscvCluster, a_program_ends_with_its_exit_code) {
  EXPECT_EQ(run(on_core_0({addi(kA0, 0, 42)})).exit_code, 42);
}

TEST(RiscvCluster, a_load_delays_the_next_instruction_that_wants_it) {
  const Words base = {lui(kT0, kL1Base), sw(kT0, kT0, 8), lw(kT1, kT0, 8)};
  Words waits = base, does_not = base;
  append(waits, {add(kA0, kT1, kT1), addi(kT2, 0, 1)});
  append(does_not, {addi(kT2, 0, 1), add(kA0, kT1, kT1)});
  EXPECT_EQ(run(on_core_0(waits)).profile.cores[0].load_use, 1);
  EXPECT_EQ(run(on_core_0(does_not)).profile.cores[0].load_use, 0);
}

Word auipc(Word rd) { return 0x17 | rd << 7; }
Word jalr(Word rd, Word rs1, Word offset) { return i_type(0x67, rd, rs1, offset); }

TEST(RiscvCluster, a_jump_waits_for_the_instruction_that_makes_its_address) {
  // Each goes on behind the jalr: 12 bytes behind the auipc, or 16 with an instruction between.
  const Words waits = {auipc(kT0), addi(kT0, kT0, 12), jalr(0, kT0, 0), addi(kA0, 0, 3)};
  const Words does_not = {auipc(kT0), addi(kT0, kT0, 16), addi(kT1, 0, 1), jalr(0, kT0, 0),
                          addi(kA0, 0, 3)};
  const Outcome slow = run(on_core_0(waits)), fast = run(on_core_0(does_not));
  EXPECT_EQ(slow.exit_code, 3);
  EXPECT_EQ(fast.exit_code, 3);
  EXPECT_EQ(slow.profile.cores[0].load_use, 1);
  EXPECT_EQ(fast.profile.cores[0].load_use, 0);
  // One instruction more takes as long as the wait.
  EXPECT_EQ(slow.profile.cores[0].cycles(), fast.profile.cores[0].cycles());
}

TEST(RiscvCluster, a_jump_to_four_bytes_that_straddle_a_word_takes_a_cycle_more) {
  constexpr Word kNop = 0x0001;  // c.nop
  const Word add = addi(kA0, 0, 5);
  const Words aligned = {branch(0x63, 0, 0, 8), kNop | kNop << 16, add};
  const Words straddles = {branch(0x63, 0, 0, 6), kNop | add << 16, add >> 16 | kNop << 16};
  for (const auto& [words, cycles] : {std::pair(aligned, 0), std::pair(straddles, 1)}) {
    const Outcome of = run(on_core_0(words));
    EXPECT_EQ(of.exit_code, 5);
    EXPECT_EQ(of.profile.cores[0].stalls.target, cycles);
    EXPECT_EQ(of.profile.cores[0].stalls.branch, machine().core.taken_branch);
  }
}

// main, which calls f: two additions and the way back.
Elf with_a_call() {
  Elf program = on_core_0({0x00c000ef,                     // jal ra, 12
                           addi(kA0, kA0, 1), 0x0100006f,  // behind the call; j 16, behind f
                           addi(kA0, 0, 4), addi(kA0, kA0, 2), jalr(0, 1, 0)});
  program.functions.push_back({"f", kL2Base + 4 * 5, 12});
  return program;
}

TEST(RiscvCluster, watched_functions_and_sleep_are_told) {
  const Elf program = with_a_call();
  std::vector<CoreEvent> calls;
  std::int64_t slept = 0;
  ClusterOptions options{.max_cycles = 1000};
  options.watched = {"g", "f"};
  options.observe = [&](const Cluster&, const CoreEvent& event) {
    if (event.kind == CoreEvent::Kind::Slept) {
      ++slept;
    } else {
      calls.push_back(event);
    }
  };
  const pulp::Machine of = machine();
  Cluster cluster(program, of, options);
  EXPECT_EQ(cluster.run(), 7);
  EXPECT_EQ(slept, 0);  // the others sleep for good
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].kind, CoreEvent::Kind::Enters);
  EXPECT_EQ(calls[1].kind, CoreEvent::Kind::Leaves);
  for (const CoreEvent& call : calls) EXPECT_EQ(call.watched, 1U);
  EXPECT_EQ(calls[1].time - calls[0].time, 2 + 1 + of.core.jump);  // two additions, the jump back
}

TEST(RiscvCluster, calls_are_a_tree_whose_cycles_are_the_cores) {
  const Elf program = with_a_call();
  const ClusterOptions options{.max_cycles = 1000, .tree = true};
  const pulp::Machine of = machine();
  Cluster cluster(program, of, options);
  cluster.run();
  const Profile profile = profile_of(program, of, cluster);
  std::int64_t in_f = 0, all = 0;
  for (const StackProfile& stack : profile.stacks) {
    if (stack.core != 0) continue;
    all += stack.cycles;
    if (stack.functions == std::vector<std::string>{"f"}) in_f += stack.cycles;
  }
  EXPECT_EQ(in_f, 2 + 1 + of.core.jump);
  EXPECT_EQ(all, cluster.cycles());
}

TEST(RiscvCluster, a_hardware_loop_costs_its_body_and_nothing_else) {
  // 5 times 3 instructions; a0 grows by 3 each time. The end is the last instruction of the body.
  const Outcome of = run(on_core_0({addi(kA0, 0, 0), addi(kT0, 0, 5), lp_setup(0, kT0, 12),
                                    addi(kA0, kA0, 1), addi(kA0, kA0, 1), addi(kA0, kA0, 1)}));
  EXPECT_EQ(of.exit_code, 15);
  // csrr, bnez not taken, 3 before the body, 15 in it, addi and ecall.
  EXPECT_EQ(of.profile.cores[0].cycles(), 2 + 3 + 15 + 2 - 1);  // the ecall ends it at once
}

TEST(RiscvCluster, loops_nest_without_cost) {
  // 3 times (an addi, 4 times 2 addi, an addi): 3 * (1 + 8 + 1) = 30 additions of 1, and the inner
  // loop is set up 3 times.
  const Words words = {addi(kA0, 0, 0),      addi(kT0, 0, 3),   addi(kT1, 0, 4),
                       lp_setup(1, kT0, 20), addi(kA0, kA0, 1), lp_setup(0, kT1, 8),
                       addi(kA0, kA0, 1),    addi(kA0, kA0, 1), addi(kA0, kA0, 1)};
  const Outcome of = run(on_core_0(words));
  EXPECT_EQ(of.exit_code, 30);
  EXPECT_EQ(of.profile.cores[0].cycles(), 2 + 4 + 30 + 3 + 1);
}

// Each core loads 300 times from the address that is `offset` and `stride` times its number behind
// the first; then barrier 0, and core 0 ends.
Elf loads_of_all(Word stride, Word offset = 0) {
  const Words words = {kHartId,
                       0x00555713U,   // srli a4, a0, 5: not 0 on the fabric controller
                       bnez(14, 64),  // which sleeps
                       addi(kT1, 0, stride),
                       0x02650533U,  // mul a0, a0, t1
                       lui(kT0, kL1Base),
                       add(kT0, kT0, kA0),
                       addi(kT1, 0, 100),
                       lp_setup(0, kT1, 12),
                       lw(kA1, kT0, offset),
                       lw(kA1, kT0, offset),
                       lw(kA1, kT0, offset),
                       kHartId,
                       lui(kA2, kEventUnit),
                       elw(0, kA2, 0x21c),
                       bnez(kA0, 12),
                       addi(kA7, 0, 93),
                       kEcall,
                       kWfi};
  return program_of(words);
}

// pv.mlsdot* of so many bits; `top`: bits 31 to 25.
Word mac_load(Word top, Word bits, Word rd, Word rs1, Word control) {
  const Word funct3 = bits == 16 ? 0 : bits == 8 ? 1 : bits == 4 ? 2 : 3;
  return top << 25 | control << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x77;
}
constexpr Word kSup = 0x6c, kLoadsWeights = 16, kLoadsActivations = 8;

pulp::Machine extended() {
  pulp::Machine machine = riscv::machine();
  machine.isa = {.dot_4bit = 1, .dot_2bit = 1, .mac_load = 1};
  return machine;
}

// Random ones, one after the other, that add to a0 and read from a1 on.
TEST(RiscvCluster, mac_loads_are_those_of_an_independent_implementation) {
  constexpr Word kTops[] = {0x70, 0x74, 0x6c, 0x7c};
  std::mt19937_64 random(6);
  for (int trial = 0; trial < 60; ++trial) {
    Words loads, data;
    for (int k = 0; k < 40; ++k) {
      loads.push_back(mac_load(kTops[random() % 4], 16U >> random() % 4, kA0, kA1,
                               static_cast<Word>(random() % 32)));
      data.push_back(static_cast<Word>(random()));
    }
    const Word first = kL2Base + 4 * static_cast<Word>(2 + 3 + loads.size() + 3);
    Words all = {kHartId, bnez(kA0, 4 * static_cast<Word>(3 + loads.size()) + 12),
                 lui(kA1, first + 0x800), addi(kA1, kA1, first & 0xfff), addi(kA0, 0, 0)};
    append(all, loads);
    append(all, {addi(kA7, 0, 93), kEcall, kWfi});
    append(all, data);
    reference::MacLoadRegisters registers;
    Word sum = 0, pointer = 0;
    for (const Word load : loads) {
      const auto memory = [&](Word offset) { return data[offset / 4]; };
      ASSERT_TRUE(reference::mac_load(load, memory, registers, sum, pointer));
    }
    constexpr Word kExitCode = 0x7fffffff;  // what of a0 is told
    EXPECT_EQ(static_cast<Word>(run(program_of(all), extended()).exit_code), sum & kExitCode)
        << trial;
  }
}

// The inner loop of the 4 x 2 matrix product (docs/facts/pulp.md 6.2): a load and eight products,
// of which six load, are nine cycles.
TEST(RiscvCluster, products_that_load_cost_nothing_else) {
  constexpr Word kPointers[] = {18, 19, 20,
                                21, 22, 23};  // s2 to s7: four of weights, two of pixels
  Words setup = {lui(kT1, kL1Base)};
  for (const Word pointer : kPointers) setup.push_back(addi(pointer, kT1, 4 * (pointer - 18)));
  const auto cycles = [&](Word trips) {
    Words words = setup;
    append(words, {addi(kT0, 0, trips), lp_setup(0, kT0, 36)});
    words.push_back(mac_load(kSup, 4, 0, 23, kLoadsActivations | 1));
    for (Word k = 0; k < 8; ++k) {
      const Word row = k % 4, pixel = k / 4;
      const Word control = k == 3   ? kLoadsActivations | row << 1
                           : k >= 4 ? kLoadsWeights | row << 1 | pixel
                                    : row << 1 | pixel;
      words.push_back(mac_load(kSup, 4, 24 + k, k == 3 ? 22 : 18 + row, control));
    }
    append(words, {addi(kA0, 0, 0)});
    return run(on_core_0(words), extended()).profile.cycles;
  };
  EXPECT_EQ(cycles(21) - cycles(11), 10 * 9);
}

TEST(RiscvCluster, a_mac_load_delays_the_next_one_that_wants_what_it_loads) {
  const auto cycles = [&](Word second) {
    const Words words = {lui(kA1, kL1Base), mac_load(kSup, 8, kA2, kA1, kLoadsWeights | 1 << 1),
                         mac_load(kSup, 8, kA2, kA1, second), addi(kA0, 0, 0)};
    return run(on_core_0(words), extended()).profile.cycles;
  };
  EXPECT_EQ(cycles(1 << 1) - cycles(2 << 1), 1);
}

TEST(RiscvCluster, cores_have_the_instructions_of_their_machine) {
  constexpr Word kNibbles = 0xa8002057, kCrumbs = 0xaa002057;  // pv.sdotusp.n, .c
  const auto runs = [&](Word word, const pulp::Machine::Isa& isa) {
    pulp::Machine one = machine();
    one.isa = isa;
    try {
      return run(on_core_0({word, addi(kA0, 0, 0)}), one).exit_code == 0;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("no instruction: 0x"), std::string::npos);
      return false;
    }
  };
  EXPECT_TRUE(runs(kNibbles, {.dot_4bit = 1}));
  EXPECT_FALSE(runs(kNibbles, {.dot_2bit = 1, .mac_load = 1}));
  EXPECT_TRUE(runs(kCrumbs, {.dot_2bit = 1}));
  EXPECT_FALSE(runs(kCrumbs, {.dot_4bit = 1, .mac_load = 1}));
  EXPECT_TRUE(runs(mac_load(kSup, 8, kA2, kA1, 0), {.mac_load = 1}));
  EXPECT_FALSE(runs(mac_load(kSup, 8, kA2, kA1, 0), {.dot_4bit = 1, .dot_2bit = 1}));
  EXPECT_TRUE(runs(mac_load(kSup, 4, kA2, kA1, 0), {.dot_4bit = 1, .mac_load = 1}));
  EXPECT_FALSE(runs(mac_load(kSup, 4, kA2, kA1, 0), {.dot_2bit = 1, .mac_load = 1}));
  EXPECT_FALSE(runs(mac_load(kSup, 2, kA2, kA1, 0), {.mac_load = 1}));
}

TEST(RiscvCluster, cores_on_one_bank_take_turns) {
  // docs/facts/pulp.md 1.9: n cores on one bank take n cycles per access.
  const Profile together = run(loads_of_all(0)).profile;
  const Profile apart = run(loads_of_all(4)).profile;
  for (std::size_t core = 0; core < 8; ++core) {
    EXPECT_EQ(apart.cores[core].stalls.conflict, 0) << core;
    // 300 accesses, 7 others before each but for the first and last rounds.
    EXPECT_NEAR(static_cast<double>(together.cores[core].stalls.conflict), 300 * 7.0, 150) << core;
  }
}

// Each core's second word is its neighbour's first one, but a cycle later.
TEST(RiscvCluster, second_accesses_take_their_turn) {
  const Profile crossing = run(loads_of_all(4, 2)).profile;
  for (std::size_t core = 0; core < 8; ++core) {
    EXPECT_EQ(crossing.cores[core].stalls.conflict, 0) << core;
    EXPECT_EQ(crossing.cores[core].stalls.misaligned, 300) << core;
  }
}

// The first round decides: later ones are served in order of arrival. With round robin the first of
// all is another core on clusters of another size, whose turns begin elsewhere.
TEST(RiscvCluster, without_round_robin_the_lowest_core_is_first) {
  int clusters_begun_elsewhere = 0;
  for (const std::int64_t cores : {2, 3, 4, 5, 6, 7, 8}) {
    const auto last_waits_longest = [&](std::int64_t round_robin) {
      pulp::Machine some = machine();
      some.cluster.cores = cores;
      some.l1.round_robin = round_robin;
      const Profile profile = run(loads_of_all(0), some).profile;
      const auto waited = [&](std::int64_t core) {
        return profile.cores[static_cast<std::size_t>(core)].stalls.conflict;
      };
      for (std::int64_t core = 1; core < cores; ++core) {
        if (waited(core) <= waited(core - 1)) return false;
      }
      return true;
    };
    EXPECT_TRUE(last_waits_longest(0)) << cores;
    clusters_begun_elsewhere += last_waits_longest(1) ? 0 : 1;
  }
  EXPECT_GE(clusters_begun_elsewhere, 3);
}

TEST(RiscvCluster, a_machine_without_conflicts_has_none) {
  pulp::Machine free = machine();
  free.l1.conflicts = 0;
  const Profile together = run(loads_of_all(0), free).profile;
  for (const Spent& core : together.cores) EXPECT_EQ(core.stalls.conflict, 0);
}

TEST(RiscvCluster, all_cores_leave_a_barrier_together) {
  // The last one comes at some cycle; all run `barrier_cycles` later.
  const auto with = [](std::int64_t cycles) {
    pulp::Machine slow = machine();
    slow.cluster.barrier_cycles = cycles;
    return run(loads_of_all(4), slow).profile.cycles;
  };
  EXPECT_EQ(with(20) - with(9), 11);
}

TEST(RiscvCluster, a_barrier_that_one_core_never_reaches_is_an_error) {
  const std::string error = error_of(on_core_0({lui(kA2, kEventUnit), elw(0, kA2, 0x21c)}));
  EXPECT_NE(error.find("all cores sleep for good"), std::string::npos) << error;
  EXPECT_NE(error.find("barrier 0, where of cores 0xff have come 0x1"), std::string::npos) << error;
}

// 256 bytes from L2 to L1: head, L1, L2; then the event, and a word of L1 as the exit code.
Words transfer(Word head) {
  return {lui(kT0, kMchan & ~0xfffU),
          addi(kT0, kT0, 0x400),
          lw(kA1, kT0, 0),  // an identifier
          lui(kA2, head),
          addi(kA2, kA2, head & 0xfff),
          sw(kA2, kT0, 0),
          lui(kT1, kL1Base),
          sw(kT1, kT0, 0),
          lui(kT2, kL2Base),
          sw(kT2, kT0, 0),
          lui(kA2, kEventUnit),
          addi(kA1, 0, 0x100),
          sw(kA1, kA2, 0x08),  // mask: event 8
          elw(0, kA2, 0x3c),
          lw(kA0, kT1, 0)};
}

TEST(RiscvCluster, the_dma_moves_what_a_command_says) {
  const Word to_l1 = 1U << 17, increment = 1U << 18, event = 1U << 20;
  const Outcome of = run(on_core_0(transfer(256 | to_l1 | increment | event)));
  EXPECT_EQ(of.exit_code, static_cast<int>(kHartId & 0x7fffffff));  // the program's first word
  EXPECT_EQ(of.profile.dma_bytes[0], 256);
  EXPECT_EQ(of.profile.dma_cycles[0], 32);  // 8 bytes a cycle
  EXPECT_EQ(of.profile.dma_commands, 1);
}

TEST(RiscvCluster, a_command_without_its_event_leaves_the_core_asleep) {
  const std::string error = error_of(on_core_0(transfer(256 | 1U << 17 | 1U << 18)));
  EXPECT_NE(error.find("all cores sleep for good"), std::string::npos) << error;
}

TEST(RiscvCluster, a_command_without_an_identifier_is_refused) {
  // The same twice, and none is freed between them.
  Words twice = transfer(256 | 1U << 17 | 1U << 18 | 1U << 20);
  append(twice, Words(twice));
  pulp::Machine one = machine();
  one.dma.identifiers = 2;
  EXPECT_EQ(run(on_core_0(twice), one).profile.dma_commands, 2);
  one.dma.identifiers = 1;
  try {
    run(on_core_0(twice), one);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what())
                  .find("DMA command of core 0: expected an identifier, all 1 "
                        "are taken: free them, or raise dma.identifiers"),
              std::string::npos)
        << error.what();
  }
}

TEST(RiscvCluster, a_command_without_increments_is_refused) {
  const std::string error = error_of(on_core_0(transfer(256 | 1U << 17 | 1U << 20)));
  EXPECT_NE(error.find("expected increments"), std::string::npos) << error;
}

TEST(RiscvCluster, faults_name_core_and_place) {
  EXPECT_NE(
      error_of(on_core_0({lw(kA0, 0, 16)})).find("core 0 at 0x1c000008 (main+8): loads from 0x10"),
      std::string::npos)
      << error_of(on_core_0({lw(kA0, 0, 16)}));
  for (const auto& [word, complaint] :
       {std::pair(0xffffffffU, "no instruction: 0xffffffff: data, or an instruction beyond"),
        std::pair(0U, "no instruction: 0x0000: data, or memory that nothing has written"),
        std::pair(0x00052007U, "(of floats): build it with -march=rv32imc"),  // flw ft0, 0(a0)
        std::pair(0x00006108U, "a load or store of floats"),                  // c.flw
        std::pair(0x0005202fU, "(atomic): build it with -march=rv32imc"),     // amoadd.w
        std::pair(0x0005051bU, "(of 64 bits): build it with -march=rv32imc")}) {
    const std::string error = error_of(on_core_0({word}));
    EXPECT_NE(error.find(complaint), std::string::npos) << error;
  }
  EXPECT_NE(error_of(on_core_0({lw(kA0, 0, 16)})).find("L1 is 0x10000000 to 0x10010000"),
            std::string::npos);
  EXPECT_NE(error_of(on_core_0({i_type(0x67, 0, 0, 64)})).find("goes to 0x40"), std::string::npos);
}

// `offset` may be negative.
Word jump(Word offset) {
  return 0x6f | (offset >> 12 & 255) << 12 | (offset >> 11 & 1) << 20 | (offset >> 1 & 1023) << 21 |
         (offset >> 20 & 1) << 31;
}
Word back(Word instructions) { return jump(0 - 4 * instructions); }

std::string error_of(const Elf& program, std::int64_t max_cycles) {
  try {
    run(program, machine(), max_cycles);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RiscvCluster, a_program_without_end_is_stopped) {
  // It counts: its registers come back only when the count has gone round.
  const std::string error = error_of(on_core_0({addi(kT0, kT0, 1), back(1)}), 100'000);
  EXPECT_NE(error.find("has not ended after 100000 cycles"), std::string::npos) << error;
  EXPECT_NE(error.find("--max-cycles"), std::string::npos) << error;
}

TEST(RiscvCluster, cores_that_go_round_for_ever_are_found) {
  const Words nothing = {jump(0)};
  // Polls a word that nobody writes; stores what is there already.
  const Words polls = {lui(kT0, kL1Base), lw(kT1, kT0, 4), sw(kT1, kT0, 4), back(2)};
  const Words loops = {addi(kT1, 0, 20), lp_setup(0, kT1, 8), addi(kT0, 0, 1), addi(kT2, 0, 2),
                       back(4)};
  const Words status = {lui(kT0, kMchan & ~0xfffU), lw(kT1, kT0, 0x404), back(1)};
  for (const Words& words : {nothing, polls, loops, status}) {
    const std::string error = error_of(on_core_0(words), 100'000'000);
    EXPECT_NE(error.find("the program never ends"), std::string::npos) << error;
    EXPECT_NE(error.find("core 0 at 0x1c0000"), std::string::npos) << error;
    EXPECT_EQ(error.find("core 1"), std::string::npos) << error;  // it sleeps
  }
}

// Where it says so, a program never ends. These do, late: longer than the windows in which a
// standstill is looked for.
TEST(RiscvCluster, cores_that_wait_long_are_left_in_peace) {
  constexpr Word kCycles = 0xb0002373;  // csrr t1, mcycle
  const auto bltu = [](Word rs1, Word rs2, Word offset) {
    const Word b = offset;  // negative
    return 0x6063U | rs1 << 15 | rs2 << 20 | (b >> 1 & 15) << 8 | (b >> 5 & 63) << 25 |
           (b >> 11 & 1) << 7 | (b >> 12 & 1) << 31;
  };
  // Until a time; the registers are the same each time round.
  const Words by_clock = {lui(kT0, 300'000 & ~0xfffU), kCycles, bltu(kT1, kT0, 0U - 4),
                          addi(kT1, 0, 0), addi(kA0, 0, 3)};
  EXPECT_EQ(run(on_core_0(by_clock), machine(), 1'000'000).exit_code, 3);
  // Until L3 has moved 256 KiB, at about a byte per cycle.
  const Words by_l3 = {lui(kT0, 0x1a102000),
                       lui(kT1, kL2Base + 0x10000),
                       sw(kT1, kT0, 4),
                       lui(kT1, 256 << 10),
                       sw(kT1, kT0, 8),
                       addi(kT1, 0, 2),
                       sw(kT1, kT0, 12),
                       lw(kT1, kT0, 16),
                       branch(0x1063, kT1, 0, 8),
                       back(2),
                       addi(kA0, 0, 4)};
  const Outcome of = run(on_core_0(by_l3), machine(), 10'000'000);
  EXPECT_EQ(of.exit_code, 4);
  EXPECT_GT(of.profile.cycles, 1 << 17);
  // Until core 1 has counted to a million, and stores a word.
  const Words all = {kHartId,  // a0
                     addi(kT0, 0, 1),
                     branch(0x63, kA0, kT0, 32),  // beq: core 1
                     bnez(kA0, 24),               // others sleep
                     lui(kT0, kL1Base),
                     lw(kT1, kT0, 0),
                     branch(0x1063, kT1, 0, 36),  // the end
                     back(2),
                     kWfi,
                     kWfi,
                     lui(kT1, 1'000'000 & ~0xfffU),  // core 1
                     addi(kT1, kT1, 0U - 1),
                     branch(0x63, kT1, 0, 8),
                     back(2),
                     lui(kT0, kL1Base),
                     sw(kT0, kT0, 0),
                     kWfi};
  Words words = all;
  words[6] = branch(0x1063, kT1, 0, 4 * static_cast<Word>(all.size() - 6));
  append(words, {addi(kA0, 0, 5), addi(kA7, 0, 93), kEcall});
  EXPECT_EQ(run(program_of(words), machine(), 20'000'000).exit_code, 5);
}

// A core that waits for its code stands at a load twice with the same registers, and goes on.
TEST(RiscvCluster, cores_that_wait_for_their_code_are_left_in_peace) {
  pulp::Machine cached = machine();
  cached.icache = {.ideal = 0,
                   .line_bytes = 16,
                   .private_bytes = 64,
                   .private_miss_cycles = 8,
                   .shared_bytes = 512,
                   .shared_miss_cycles = 20};
  Words words = {addi(kT1, 0, 1000), lui(kT0, kL1Base)};
  const Words::size_type loads = 200;
  words.insert(words.end(), loads, lw(kA1, kT0, 0));
  append(words, {addi(kT1, kT1, 0U - 1), branch(0x63, kT1, 0, 8),
                 jump(0U - 4 * static_cast<Word>(loads + 2)), addi(kA0, 0, 6)});
  const Outcome of = run(on_core_0(words), cached, 100'000'000);
  EXPECT_EQ(of.exit_code, 6);
  EXPECT_GT(of.profile.cycles, 1 << 18);
}

TEST(RiscvCluster, code_that_is_written_over_is_read_anew) {
  // The instruction at `patched` becomes addi a0, zero, 7 before it is run a second time.
  Words words = {addi(kT1, 0, 0),      lui(kT0, kL2Base),
                 lw(kA1, kT0, 4 * 13),  // the new instruction, which is behind the end
                 addi(kA0, 0, 1),       // patched
                 bnez(kT1, 16),        addi(kT1, 0, 1),
                 sw(kA1, kT0, 4 * 5),  0xff1ff06fU};  // j to the patched one
  Elf program = on_core_0(words);
  const Segment patch = code_segment({addi(kA0, 0, 7)});
  program.segments[0].bytes += patch.bytes;
  program.segments[0].memory_bytes += 4;
  EXPECT_EQ(run(program).exit_code, 7);
}

// addi a0, zero, 1 is run, then written over with addi a0, zero, 7 by `moves`, and run again. t0:
// the L2 base, a1: the new instruction.
Elf patched_by(const Words& moves) {
  const auto at = static_cast<Word>(6 + moves.size());
  Words words = {addi(kT1, 0, 0),
                 lui(kT0, kL2Base),
                 lw(kA1, kT0, 4 * (at + 6)),  // behind the end
                 addi(kA0, 0, 1),             // instruction 5, which is written over
                 bnez(kT1, 4 * static_cast<Word>(moves.size() + 3)),
                 addi(kT1, 0, 1)};
  append(words, moves);
  words.push_back(back(at - 3));
  Elf program = on_core_0(words);
  const Segment patch = code_segment({addi(kA0, 0, 7)});
  program.segments[0].bytes += patch.bytes;
  program.segments[0].memory_bytes += 4;
  return program;
}
constexpr Word kPatched = 4 * 5;  // where it lies

TEST(RiscvCluster, code_that_transfers_write_over_is_read_anew) {
  EXPECT_EQ(run(patched_by({sw(kA1, kT0, kPatched)})).exit_code, 7);
  const Word increment = 1U << 18, event = 1U << 20, head = 4 | increment | event;
  const Words by_dma = {lui(kA2, kL1Base),
                        sw(kA1, kA2, 0),
                        lui(kT2, kMchan & ~0xfffU),
                        addi(kT2, kT2, 0x400),
                        lw(kA1, kT2, 0),
                        lui(kA1, head),
                        addi(kA1, kA1, head & 0xfff),
                        sw(kA1, kT2, 0),
                        sw(kA2, kT2, 0),
                        addi(kA2, kT0, kPatched),
                        sw(kA2, kT2, 0),
                        lui(kA2, kEventUnit),
                        addi(kA1, 0, 0x100),
                        sw(kA1, kA2, 0x08),
                        elw(0, kA2, 0x3c)};
  EXPECT_EQ(run(patched_by(by_dma)).exit_code, 7);
  // From L2 to L3 and back, with 64 bytes before it that are not instructions' alone.
  const Words by_l3 = {lui(kA2, kL2Base + 0x1000),
                       sw(kA1, kA2, 0),
                       lui(kT2, 0x1a102000),
                       sw(kA2, kT2, 4),
                       addi(kA1, 0, 4),
                       sw(kA1, kT2, 8),
                       addi(kA1, 0, 2),
                       sw(kA1, kT2, 12),  // write
                       addi(kA2, kT0, kPatched),
                       sw(kA2, kT2, 4),
                       addi(kA1, 0, 1),
                       sw(kA1, kT2, 12),  // read
                       lw(kA1, kT2, 16),
                       addi(kA1, kA1, 0U - 2),
                       branch(0x63, kA1, 0, 8),
                       back(3)};
  EXPECT_EQ(run(patched_by(by_l3)).exit_code, 7);
}

// A file around a segment: header, one program header, the bytes.
std::string file_of(const Elf& program) {
  const Segment& segment = program.segments[0];
  std::string file("\177ELF\1\1\1", 7);
  file.resize(16);
  const auto put = [&](Word value, unsigned bytes) {
    for (unsigned k = 0; k < bytes; ++k) file += static_cast<char>(value >> 8 * k);
  };
  for (const Word half : {2U, 243U}) put(half, 2);
  for (const Word word : {1U, program.entry, 52U, 0U, 0U}) put(word, 4);
  for (const Word half : {52U, 32U, 1U, 40U, 0U, 0U}) put(half, 2);
  const auto size = static_cast<Word>(segment.bytes.size());
  for (const Word word : {1U, 84U, segment.address, segment.address, size, size, 5U, 4U}) {
    put(word, 4);
  }
  return file + segment.bytes;
}

TEST(RiscvCluster, a_file_is_run) {
  const std::string file = file_of(on_core_0({addi(kA0, 0, 9)}));
  EXPECT_EQ(run(parse_elf(file, "file")).exit_code, 9);
}

TEST(RiscvCluster, files_that_are_no_program_say_what_they_are) {
  const std::string right = file_of(on_core_0({addi(kA0, 0, 9)}));
  const auto with = [&](std::size_t at, char byte) {
    std::string file = right;
    file[at] = byte;
    return file;
  };
  const std::pair<std::string, const char*> cases[] = {
      {"", "found no bytes: riscv64-unknown-elf-gcc"},
      {"int main(void) {}", "expected an ELF file (7f 45 4c 46), found 'int ': riscv64"},
      {std::string("\x1f\x8b\0", 3), "found 1f 8b 00: riscv64"},
      {right.substr(0, 20), "expected an ELF header at bytes 0 to 52, found a file of 20 bytes"},
      {with(4, 2), "expected 32 bits, little endian, found 64 bits: riscv64"},
      {with(18, 62), "expected a program for RISC-V (machine 243), found machine 62 (x86-64): "},
      {with(16, 1), "found type 1 (an object that is not linked): "},
      {with(16, 3), "found type 3 (a shared library, or linked without -static -no-pie): "}};
  for (const auto& [bytes, complaint] : cases) {
    try {
      parse_elf(bytes, "a.elf");
      ADD_FAILURE() << complaint;
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(text.find("a.elf: "), 0U) << text;
      EXPECT_NE(text.find(complaint), std::string::npos) << text;
    }
  }
}

TEST(RiscvCluster, segments_that_lie_over_each_other_do_not_fill_the_memory) {
  // 1000 program headers, each for the whole file.
  std::string file = file_of(on_core_0({addi(kA0, 0, 9)}));
  const std::string header = file.substr(52, 32);
  file[44] = static_cast<char>(1000 & 255);
  file[45] = static_cast<char>(1000 >> 8);
  for (int k = 1; k < 1000; ++k) file.insert(84, header);
  const auto size = static_cast<Word>(file.size());
  for (std::size_t k = 0; k < 1000; ++k) {
    for (const std::size_t field : {4U, 16U, 20U}) {  // offset, size in the file, in memory
      for (unsigned byte = 0; byte < 4; ++byte) {
        file[52 + 32 * k + field + byte] = field == 4 ? '\0' : static_cast<char>(size >> 8 * byte);
      }
    }
  }
  try {
    parse_elf(file, "many");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("many: segments of"), std::string::npos)
        << error.what();
  }
}

TEST(RiscvCluster, instructions_far_apart_are_refused) {
  Elf program = on_core_0({addi(kA0, 0, 9)});
  program.segments.push_back(
      {.address = kL2Base + (32 << 20), .memory_bytes = 4, .executable = true});
  pulp::Machine large = machine();
  large.l2.size_bytes = 64 << 20;
  try {
    run(program, large);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected them within"), std::string::npos);
  }
}

TEST(RiscvCluster, damaged_files_and_programs_are_errors) {
  std::mt19937_64 random(4);
  const std::string file = file_of(loads_of_all(4));
  int ended = 0, refused = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::string damaged = file;
    for (std::uint64_t k = 0; k <= random() % 4; ++k) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) damaged.resize(random() % damaged.size());
    try {
      run(parse_elf(damaged, "damaged"), machine(), 5'000);
      ++ended;
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  EXPECT_GT(ended, 10);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace workbench::riscv
