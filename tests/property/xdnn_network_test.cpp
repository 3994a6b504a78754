// The whole chain on random networks and machines: whatever the network, whatever the machine, the
// compiled program runs without a hazard and computes what the golden model computes, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/several_images.h"
#include "compiler/xdnn/bounds.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/images.h"
#include "compiler/xdnn/reorder.h"
#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/runtime_files.h"
#include "core/eval/evaluate.h"
#include "explore/report/report.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/listing_text.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/layer_bounds.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"
#include "tests/support/sanitized.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 64;
#else
constexpr int kCases = 200;
#endif

Tensor random_input(const Shape& shape, std::mt19937_64& random) {
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape, Layout::Nchw);
  for (float& v : tensor.mutable_values<float>()) {
    v = static_cast<float>(static_cast<std::int64_t>(random() % 256) - 128);
  }
  return tensor;
}

struct Case {
  Graph imported, quantized;
  xdnn::Machine machine;
  std::vector<Tensor> input;
};

Case make_case(std::uint64_t seed, xdnn::Family family = xdnn::Family::V3, int bits = 8) {
  std::mt19937_64 random(seed);
  Case c;
  c.imported = random_graph(random, {.split = 0.1});
  c.machine = random_machine(random, family);
  c.machine.array.bits = bits;
  for (const ValueId id : c.imported.inputs) {
    c.input.push_back(random_input(c.imported.value(id).shape, random));
  }
  Graph graph = c.imported;
  run_passes(graph, float_pipeline());
  if (random() % 2 == 0) xdnn::fit_limits(graph, c.machine);  // else the host has more to do
  const Thresholds thresholds = calibrate(graph, {c.input}, bits);
  c.quantized = quantize(graph, thresholds,
                         {.bits = bits,
                          .limits = xdnn::requantize_limits(c.machine),
                          .host_reason = xdnn::host_reasons(c.machine)});
  return c;
}

// One verdict over all that the simulator can show; returns false when the network does not fit.
bool check_case(const Case& c, const xdnn::Choices& choices = {}, std::int64_t images = 1) {
  xdnn::Program program;
  try {
    program = xdnn::compile(c.quantized, c.machine, {.choices = choices, .images = images});
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.find("bytes of activation memory") != std::string::npos ||
                text.find("too fragmented") != std::string::npos)
        << text;
    return false;
  }
  const auto result = xdnn::simulate(program, c.machine, c.input);
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  for (const std::string& violation : verify(result.timeline)) ADD_FAILURE() << violation;
  const auto golden = golden::run(c.quantized, c.input);
  const Verdict verdict = compare(c.quantized, golden, result.tensors);
  EXPECT_EQ(verdict.mismatches, 0);
  for (const LayerVerdict& layer : verdict.layers) {
    if (layer.mismatches > 0) {
      ADD_FAILURE() << layer.name << ": " << layer.mismatches << " of " << layer.values
                    << " values differ, first expected " << layer.expected << " got " << layer.got;
      break;
    }
  }
  // Outputs are compared too: they are Dequantize nodes or host steps, all in `tensors`.
  EXPECT_EQ(result.outputs.size(), c.quantized.outputs.size());
  EXPECT_LE(xdnn::earliest_times(program, c.machine).end, result.timeline.end);
  expect_bounds_hold(xdnn::least_times(program, c.machine), program.info, result.timeline);
  // Every cycle has one layer and one cause.
  const Report report = make_report(program.info, result.timeline, xdnn::info(c.machine));
  Cycles sum;
  for (const Cycles cycles : report.waterfall) sum += cycles;
  EXPECT_EQ(sum, result.timeline.end);
  return true;
}

// When the host runs each of its nodes.
std::map<std::string, std::int32_t> turns_of(const xdnn::Program& program) {
  std::map<std::string, std::int32_t> turns;
  for (const xdnn::HostStep& step : program.host_steps) {
    for (const std::size_t n : step.nodes) turns[program.host.nodes[n].name] = step.before;
  }
  return turns;
}

// What --emit-runtime writes, read back: the same program, run with the same values in the same
// cycles. False when it is not replayed, which is said.
bool check_runtime_files(const Case& c, const xdnn::Program& program) {
  const std::string json = xdnn::print_json(xdnn::vendor_listing(program));
  xdnn::Replay back;
  try {
    back = xdnn::replay(xdnn::parse_listing(json, "net"), c.quantized, c.machine);
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with("net: network[")) << text;
    return false;
  }
  EXPECT_TRUE(back.notes.empty()) << back.notes.at(0);
  const auto ours = xdnn::simulate(program, c.machine, c.input);
  const auto result = xdnn::simulate(back.program, c.machine, c.input);
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  const auto golden = golden::run(c.quantized, c.input);
  const Verdict own = compare(c.quantized, golden, ours.tensors);
  const Verdict verdict = compare(c.quantized, golden, result.tensors);
  EXPECT_EQ(verdict.mismatches, 0);
  EXPECT_EQ(verdict.values_compared, own.values_compared);
  EXPECT_EQ(result.timeline.end, ours.timeline.end);
  EXPECT_EQ(turns_of(back.program), turns_of(program));
  return true;
}

// The same network and machine with `part`-th of the memory that it needs; nothing: it does not
// fit.
std::optional<xdnn::Program> with_less_memory(Case& c, std::int64_t part) {
  try {
    c.machine.am.size_bytes = std::int64_t{64} << 20;
    const std::int64_t peak = xdnn::compile(c.quantized, c.machine).info.peak_bytes;
    const std::int64_t line = c.machine.word_bytes();
    c.machine.am.size_bytes = std::max<std::int64_t>(1, peak / part / line) * line;
    return xdnn::compile(c.quantized, c.machine);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// How a program keeps a network that is larger than the memory.
struct InPieces {
  bool blocks = false;       // of channels, in DDR or brought from there
  bool joined_rows = false;  // bands that are one tensor in DDR
  bool pool_rows = false;    // of a convolution with a pool
  bool copy_rows = false;    // of a copy of a concat's operand
};
InPieces pieces_of(const xdnn::Program& program) {
  InPieces pieces;
  std::map<std::int64_t, std::set<std::int64_t>> bands;  // first rows, by DDR address
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const xdnn::Instruction& instruction = program.steps[i].instruction;
    const std::string& text = program.info.instruction_text[i];
    const bool piece = text.find('#') != std::string::npos;
    if (const auto* store = std::get_if<xdnn::Scatter>(&instruction)) {
      bands[store->ddr_address].insert(store->start_row);
      const auto tensor = std::ranges::find_if(program.ddr_tensors, [&](const auto& t) {
        return t.address == store->ddr_address && t.channels == store->channels;
      });
      pieces.blocks |= tensor == program.ddr_tensors.end() ||
                       tensor->value.find("(DDR, channels ") != std::string::npos;
    }
    pieces.pool_rows |= piece && std::holds_alternative<xdnn::ConvPool>(instruction);
    pieces.copy_rows |= piece && text.find(" (copy ") != std::string::npos;
  }
  for (const auto& [address, rows] : bands) pieces.joined_rows |= rows.size() > 1;
  return pieces;
}

// Family, width of codes, slice of the seeds.
class RandomNetworks : public ::testing::TestWithParam<std::tuple<xdnn::Family, int, int>> {};

class RuntimeFiles : public ::testing::TestWithParam<xdnn::Family> {};
INSTANTIATE_TEST_SUITE_P(Families, RuntimeFiles,
                         ::testing::Values(xdnn::Family::V3, xdnn::Family::V2,
                                           xdnn::Family::Darius));

TEST_P(RuntimeFiles, are_read_back_as_the_same_program) {
  int compiled = 0, replayed = 0;
  for (int i = 0; i < kCases / 4; ++i) {
    const auto seed = static_cast<std::uint64_t>(70'000 + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed, GetParam());
    xdnn::Program program;
    try {
      program = xdnn::compile(c.quantized, c.machine);
    } catch (const Error&) {
      continue;  // does not fit
    }
    if (program.steps.empty()) continue;
    ++compiled;
    replayed += check_runtime_files(c, program) ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GE(compiled, kCases / 4 / 2);
  EXPECT_EQ(replayed, compiled);
}

// Networks larger than the memory: in DDR by blocks of channels, rows joined there, convolutions
// with a pool and copies in row pieces.
TEST_P(RuntimeFiles, of_networks_in_pieces_are_read_back_as_the_same_program) {
  int compiled = 0, replayed = 0, blocks = 0, joined_rows = 0, pool_rows = 0, copy_rows = 0;
  for (int i = 0; i <= kCases / 4; ++i) {
    // The last one's downloads are some of the channels of what later groups read.
    const auto seed = static_cast<std::uint64_t>(i < kCases / 4 ? 1 + i : 107);
    for (const std::int64_t part : {2, 5, 8}) {
      SCOPED_TRACE(fmt::format("seed {}, 1/{} of the memory", seed, part));
      Case c = make_case(seed, GetParam());
      const auto program = with_less_memory(c, part);
      if (!program || program->steps.empty()) continue;
      ++compiled;
      replayed += check_runtime_files(c, *program) ? 1 : 0;
      const InPieces pieces = pieces_of(*program);
      blocks += pieces.blocks ? 1 : 0;
      joined_rows += pieces.joined_rows ? 1 : 0;
      pool_rows += pieces.pool_rows ? 1 : 0;
      copy_rows += pieces.copy_rows ? 1 : 0;
    }
    if (HasFailure()) break;
  }
  EXPECT_EQ(replayed, compiled);
  const bool fuses = GetParam() != xdnn::Family::V2;
  EXPECT_GE(blocks, kCases / 8) << "or the test shows little";
  EXPECT_GE(joined_rows, kCases / 8) << "or the test shows little";
  // Rare: the few cases under the sanitizers may have none.
  EXPECT_GE(pool_rows, fuses ? kCases / 100 : 0) << "or the test shows little";
  EXPECT_GE(copy_rows, kCases / 100) << "or the test shows little";
  fmt::print(
      "{} programs: {} with blocks of channels, {} with joined rows, {} with row pieces of "
      "pools, {} of copies\n",
      compiled, blocks, joined_rows, pool_rows, copy_rows);
}

// In slices of 25 so that ctest can run them side by side.
TEST_P(RandomNetworks, run_bit_exactly_on_random_machines) {
  const auto [family, bits, slice] = GetParam();
  int ran = 0;
  for (int i = 0; i < kCases / 8; ++i) {
    const auto seed = static_cast<std::uint64_t>(1000 * (slice + 1) + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    ran += check_case(make_case(seed, family, bits)) ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GE(ran, kCases / 8 / 2) << "most networks must fit, or the test shows little";
}
INSTANTIATE_TEST_SUITE_P(V3, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::V3),
                                            ::testing::Values(8), ::testing::Range(0, 8)));
INSTANTIATE_TEST_SUITE_P(V2, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::V2),
                                            ::testing::Values(8), ::testing::Range(0, 8)));
INSTANTIATE_TEST_SUITE_P(Darius, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::Darius),
                                            ::testing::Values(8), ::testing::Range(0, 4)));
INSTANTIATE_TEST_SUITE_P(MathEngine, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::MathEngine),
                                            ::testing::Values(8), ::testing::Range(0, 4)));

INSTANTIATE_TEST_SUITE_P(V3At16Bits, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::V3),
                                            ::testing::Values(16), ::testing::Range(0, 4)));
INSTANTIATE_TEST_SUITE_P(V2At16Bits, RandomNetworks,
                         ::testing::Combine(::testing::Values(xdnn::Family::V2),
                                            ::testing::Values(16), ::testing::Range(0, 4)));

// Networks that few draws give, all of them in row bands or chunks.
TEST(RareNetworks, run_bit_exactly) {
  // A concat copies a part of an upsampled tensor, whose bands have an even number of rows.
  EXPECT_TRUE(check_case(make_case(1342)));
  // The host reads a tensor, and by themselves both slices that are all of it.
  EXPECT_TRUE(check_case(make_case(1460, xdnn::Family::V2)));
  EXPECT_TRUE(check_case(make_case(3429, xdnn::Family::V3, 16)));
  // Of two sums in one band, the second reads an operand of the first once more, and its result
  // takes the place of the first's.
  Case sums = make_case(53, xdnn::Family::V2);
  ASSERT_TRUE(with_less_memory(sums, 5).has_value());
  EXPECT_TRUE(check_case(sums));
}

// Whatever the compiler may choose by modelled time, chosen wherever it is possible.
class ForcedChoices : public ::testing::TestWithParam<std::tuple<xdnn::Family, int>> {};

TEST_P(ForcedChoices, run_bit_exactly_on_random_machines) {
  const auto [family, slice] = GetParam();
  int ran = 0;
  for (int i = 0; i < kCases / 8; ++i) {
    const auto seed = static_cast<std::uint64_t>(1000 * (slice + 1) + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    ran += check_case(make_case(seed, family), xdnn::all_choices(xdnn::Use::Always)) ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GE(ran, kCases / 8 / 2) << "most networks must fit, or the test shows little";
}
INSTANTIATE_TEST_SUITE_P(V3, ForcedChoices,
                         ::testing::Combine(::testing::Values(xdnn::Family::V3),
                                            ::testing::Range(0, 4)));
INSTANTIATE_TEST_SUITE_P(Others, ForcedChoices,
                         ::testing::Combine(::testing::Values(xdnn::Family::V2,
                                                              xdnn::Family::Darius,
                                                              xdnn::Family::MathEngine),
                                            ::testing::Range(4, 5)));

// Two or three images with inputs of their own in one program: the same as alone, each of them.
Case several(const Case& one, std::int64_t images, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Case all = one;
  all.quantized = several_images(one.quantized, images);
  for (std::int64_t image = 1; image < images; ++image) {
    for (const Tensor& input : one.input) all.input.push_back(random_input(input.shape(), random));
  }
  return all;
}

class SeveralImages : public ::testing::TestWithParam<xdnn::Family> {};

TEST_P(SeveralImages, run_bit_exactly_on_random_machines) {
  int ran = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case one = make_case(seed, GetParam());
    const std::int64_t images = seed % 3 == 0 ? 3 : 2;
    const Case all = several(one, images, seed);
    xdnn::Choices merged = xdnn::all_choices(xdnn::Use::Always);
    merged.stacked_images = xdnn::Use::Never;
    for (const xdnn::Choices& choices :
         {xdnn::Choices{}, merged, xdnn::all_choices(xdnn::Use::Always)}) {
      ran += check_case(all, choices, images) ? 1 : 0;
    }
    if (HasFailure()) break;
  }
  EXPECT_GE(ran, kCases / 8) << "most networks must fit, or the test shows little";
}
INSTANTIATE_TEST_SUITE_P(Families, SeveralImages,
                         ::testing::Values(xdnn::Family::V3, xdnn::Family::V2,
                                           xdnn::Family::Darius));

// One image and two at each `--effort`: more is never worse.
class MoreEffort : public ::testing::TestWithParam<xdnn::Family> {};

TEST_P(MoreEffort, is_no_worse) {
  const std::uint64_t cases = GetParam() == xdnn::Family::V3 ? kCases / 8 : kCases / 16;
  for (std::uint64_t seed = 1; seed <= cases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case one = make_case(seed, GetParam()), two = several(one, 2, seed);
    for (const Case* c : {&one, &two}) {
      const auto end = [&](xdnn::Use use, bool thorough) -> std::optional<Cycles> {
        try {
          const xdnn::Program program = xdnn::compile(c->quantized, c->machine,
                                                      {.constants = false,
                                                       .choices = xdnn::all_choices(use),
                                                       .thorough = thorough,
                                                       .images = c == &one ? 1 : 2});
          return xdnn::likely_end(program, c->machine);
        } catch (const Error&) {
          return std::nullopt;
        }
      };
      const auto fast = end(xdnn::Use::Never, false);
      const auto normal = end(xdnn::Use::WhereFaster, false);
      const auto best = end(xdnn::Use::WhereFaster, true);
      ASSERT_EQ(fast.has_value(), normal.has_value());
      ASSERT_EQ(normal.has_value(), best.has_value());
      EXPECT_LE(normal, fast);
      EXPECT_LE(best, normal);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Families, MoreEffort,
                         ::testing::Values(xdnn::Family::V3, xdnn::Family::V2, xdnn::Family::Darius,
                                           xdnn::Family::MathEngine));

// The longest search says how it stands while it goes on, and in the end what it came to.
TEST(LongSearch, tells_the_best_so_far_with_bound_and_gap) {
  const Case one = make_case(4), two = several(one, 2, 4);
  for (const Case* c : {&one, &two}) {
    std::vector<std::string> remarks, lines;
    double done = 0;
    const auto progress = [&](std::string_view text, double share) {
      lines.emplace_back(text);
      EXPECT_GE(share, done);
      EXPECT_LE(share, 1);
      done = share;
    };
    const xdnn::Program program =
        xdnn::compile(c->quantized, c->machine,
                      {.constants = false,
                       .remark = [&](const std::string& text) { remarks.push_back(text); },
                       .thorough = true,
                       .progress = progress,
                       .images = c == &one ? 1 : 2});
    const std::string now = "best so far ([0-9]+) cycles, gap to the bound [0-9.]+ %";
    const std::string bound = "bound [0-9]+ \\([A-Za-z ]+\\)";
    const std::regex line("searching, step [0-9]+ of [0-9]+: " + now + ", " + bound);
    EXPECT_GE(lines.size(), 4U);
    std::int64_t best = std::numeric_limits<std::int64_t>::max();
    for (const std::string& text : lines) {
      std::smatch match;
      ASSERT_TRUE(std::regex_match(text, match, line)) << text;
      EXPECT_LE(std::stoll(match[1]), best);
      best = std::stoll(match[1]);
    }
    EXPECT_GT(done, 0.8);
    EXPECT_EQ(best, xdnn::likely_end(program, c->machine).value);
    ASSERT_EQ(remarks.size(), 1U);
    const std::regex remark("search: (" + now + "; ){2}" + bound);
    EXPECT_TRUE(std::regex_match(remarks[0], remark)) << remarks[0];
    EXPECT_NE(remarks[0].find(fmt::format("best so far {} cycles", best)), std::string::npos);
  }
}

// On a machine that does one thing after the other the bound is that of the network: the time of a
// program that had memory enough, whatever a program that had less was cut into.
TEST(Bounds, of_serial_machines_do_not_depend_on_the_memory) {
  int cut = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c = make_case(seed, xdnn::Family::V2);
    const auto compiled = [&](std::int64_t bytes) {
      xdnn::Machine machine = c.machine;
      machine.am.size_bytes = bytes;
      return xdnn::compile(c.quantized, machine, {.constants = false});
    };
    const xdnn::Program ample = compiled(std::int64_t{64} << 20);
    const Cycles least = xdnn::earliest_times(ample, c.machine).end;
    EXPECT_LE(xdnn::least_times(ample, c.machine).total.at(0), least);
    for (const std::int64_t part : {2, 4}) {
      try {
        const std::int64_t line = c.machine.word_bytes();
        const xdnn::Program tight = compiled(ample.info.peak_bytes / part / line * line);
        if (tight.info.moveops == ample.info.moveops) continue;
        const Cycles bound = xdnn::least_times(tight, c.machine).total.at(0);
        EXPECT_LE(bound, least);
        EXPECT_GE(bound.value, least.value * 7 / 10);
        EXPECT_LT(bound, xdnn::earliest_times(tight, c.machine).end);
        ++cut;
      } catch (const Error&) {
        continue;  // too small
      }
    }
  }
  EXPECT_GE(cut, 5) << "or the test shows little";
}

TEST(Choices, make_two_images_no_slower_than_one_behind_the_other) {
  using xdnn::Use;
  xdnn::Choices in_turn, apart;
  in_turn.merged_images = apart.stacked_images = Use::Never;
  int merged = 0, stacked = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case one = make_case(seed);
    const Case two = several(one, 2, seed);
    const auto end = [&](const xdnn::Choices& choices) -> std::optional<Cycles> {
      try {
        const xdnn::Program program = xdnn::compile(
            two.quantized, two.machine, {.constants = false, .choices = choices, .images = 2});
        EXPECT_EQ(program.images, 2);
        return xdnn::likely_end(program, two.machine);
      } catch (const Error&) {
        return std::nullopt;
      }
    };
    const auto with = end({}), unstacked = end(apart), without = end(in_turn);
    ASSERT_EQ(with.has_value(), without.has_value());
    ASSERT_EQ(with.has_value(), unstacked.has_value());
    if (!with) continue;
    EXPECT_LE(*with, *unstacked);
    EXPECT_LE(*unstacked, *without);
    merged += *unstacked < *without ? 1 : 0;
    stacked += *with < *unstacked ? 1 : 0;
  }
  EXPECT_GE(merged, 5) << "or the test shows little";
  EXPECT_GE(stacked, 1) << "or the test shows little";
}

// Two images of a network, whatever the machine, against twice one.
TEST(Choices, make_two_images_no_slower_than_two_runs_of_one) {
  constexpr std::uint64_t kSeeds = kSanitized ? 8 : 50;
  std::uint64_t faster = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    for (const xdnn::Family family : {xdnn::Family::V3, xdnn::Family::V2, xdnn::Family::Darius}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      const Case one = make_case(seed, family);
      const auto end = [&](const Graph& graph, std::int64_t images) -> std::optional<Cycles> {
        try {
          const xdnn::Program program =
              xdnn::compile(graph, one.machine, {.constants = false, .images = images});
          return xdnn::likely_end(program, one.machine);
        } catch (const Error&) {
          return std::nullopt;
        }
      };
      const auto alone = end(one.quantized, 1);
      if (!alone) continue;
      const auto two = end(several(one, 2, seed).quantized, 2);
      ASSERT_TRUE(two.has_value());
      EXPECT_LE(*two, *alone + *alone);
      faster += *two < *alone + *alone ? 1 : 0;
    }
  }
  EXPECT_GE(faster, kSeeds * 2 / 5) << "or the test shows little";
}

// Other orders are compared by a time that is the program's own, wherever ops are moved to.
TEST(Choices, of_an_order_of_instructions_are_by_the_time_of_the_program) {
  const auto in_order = [](const xdnn::Placed& placed) { return placed.lowered.ops; };
  const auto alike = [](const xdnn::LoweredOp& a, const xdnn::LoweredOp& b) {
    return a.sources == b.sources && a.result == b.result && a.block.out_begin == b.block.out_begin;
  };
  int faster = 0, moved = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case one = make_case(seed);
    for (const std::int64_t images : {1, 2}) {
      xdnn::Placed placed;
      try {
        const Graph graph = images == 1 ? one.quantized : several_images(one.quantized, images);
        placed = images == 1 ? xdnn::place_fastest_order(graph, one.machine)
                             : xdnn::place_images(graph, images, one.machine, {}, {}, {});
        for (const bool all : {true, false}) {
          xdnn::Placed other = placed;
          const Cycles time =
              xdnn::reorder(other.lowered, one.machine, placed.time, xdnn::Search{}, all);
          EXPECT_EQ(time, xdnn::modelled_time(other.lowered, one.machine));
          if (!all) {
            EXPECT_LE(time, placed.time);
          }
          faster += time < placed.time ? 1 : 0;
          const auto before = in_order(placed), after = in_order(other);
          ASSERT_EQ(before.size(), after.size());
          moved += std::equal(before.begin(), before.end(), after.begin(), alike) ? 0 : 1;
        }
      } catch (const Error&) {
        continue;
      }
    }
  }
  EXPECT_GE(faster, 5) << "or the test shows little";
  EXPECT_GE(moved, 20) << "or the test shows little";
}

// Each choice alone, and all of them: modelled no slower than without, and no more is moved.
TEST(Choices, make_no_network_slower) {
  using xdnn::Choices;
  using xdnn::Use;
  const Choices none = xdnn::all_choices(Use::Never);
  std::vector<Choices> some(8, none);
  some[0].shared_copies = some[1].half_rate = Use::WhereFaster;
  some[2].spread = some[3].pools_in_branches = some[4].split_passes = Use::WhereFaster;
  some[5].one_port_sums = some[6].reordered = some[7].sums_beside = Use::WhereFaster;
  some.emplace_back();
  int faster = 0;
  for (std::uint64_t seed = 1; seed <= kCases / 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    const auto compiled = [&](const Choices& choices) -> std::optional<xdnn::Program> {
      try {
        return xdnn::compile(c.quantized, c.machine, {.constants = false, .choices = choices});
      } catch (const Error&) {
        return std::nullopt;
      }
    };
    const auto plain = compiled(none);
    for (const Choices& choices : some) {
      const auto chosen = compiled(choices);
      ASSERT_EQ(chosen.has_value(), plain.has_value());
      if (!plain) continue;
      const Cycles with = xdnn::likely_end(*chosen, c.machine);
      const Cycles without = xdnn::likely_end(*plain, c.machine);
      EXPECT_LE(with, without);
      EXPECT_LE(chosen->info.moveops, plain->info.moveops);
      faster += with < without ? 1 : 0;
    }
  }
  EXPECT_GE(faster, 10) << "or the test shows little";
}

// Power of the error of the quantized network's first output against the float one, in dB.
double output_snr(const Case& c) {
  const Tensor reference = evaluate(c.imported, c.input).at(0);
  const auto golden = golden::run(c.quantized, c.input);
  const auto output = static_cast<std::size_t>(c.quantized.outputs.at(0));
  return signal_to_noise_db(reference, golden.at(output), std::nullopt);
}

TEST(SixteenBits, come_closer_to_the_real_network_than_eight) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed, xdnn::Family::V3, 16);
    const bool slopes =
        std::any_of(c.quantized.nodes.begin(), c.quantized.nodes.end(), [](const Node& node) {
          return node.requantize && !node.requantize->negative_scale.empty();
        });
    // Eight bits more are 48 dB more; the scales of a PReLU keep their 8 bits
    // (docs/facts/xdnn.md 3.3).
    EXPECT_GE(output_snr(c), output_snr(make_case(seed, xdnn::Family::V3, 8)) + (slopes ? 10 : 40));
  }
}

TEST(RandomPrograms, survive_saving_and_loading) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed, xdnn::Family::V3, seed % 2 == 0 ? 16 : 8);
    xdnn::Program program;
    try {
      program = xdnn::compile(c.quantized, c.machine);
    } catch (const Error&) {
      continue;  // does not fit; covered above
    }
    const xdnn::Program loaded = xdnn::load_bytes(xdnn::save_bytes(program), "program");
    EXPECT_EQ(xdnn::disassemble(loaded), xdnn::disassemble(program));
    const auto first = xdnn::simulate(program, c.machine, c.input);
    const auto second = xdnn::simulate(loaded, c.machine, c.input);
    EXPECT_EQ(first.timeline.end, second.timeline.end);
    EXPECT_EQ(first.outputs, second.outputs);
    EXPECT_EQ(first.tensors, second.tensors);
  }
}

TEST(Simulation, does_not_depend_on_the_number_of_threads) {
  const Case c = make_case(7);
  const xdnn::Program program = xdnn::compile(c.quantized, c.machine);
  const auto one = xdnn::simulate(program, c.machine, c.input, {.threads = 1});
  const auto four = xdnn::simulate(program, c.machine, c.input, {.threads = 4});
  EXPECT_EQ(one.tensors, four.tensors);
  EXPECT_EQ(one.timeline.end, four.timeline.end);
}

}  // namespace
}  // namespace workbench
