// Programs of another compiler, whatever features they combine: read, given a network, replayed and
// simulated, they compute what the golden model says; damaged ones are refused in one line.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/replay_network.h"
#include "core/error.h"
#include "isa/xdnn/listing_text.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/random_xdnn.h"
#include "tests/support/vendor_program.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 8;
#else
constexpr std::uint64_t kCases = 30;
#endif

const Machine& machine_of(VendorStyle style) {
  static const Machine v3 = load_machine("configs/v3_96.yaml");
  static const Machine v2 = load_machine("configs/v2_28.yaml");
  return style == VendorStyle::V2 || style == VendorStyle::V2Text ? v2 : v3;
}

std::vector<Tensor> input_of(const Graph& graph, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, graph.value(id).shape);
    for (float& value : tensor.mutable_values<float>()) {
      value = static_cast<float>(between(random, -640, 640)) * 0.1F;
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

struct Outcome {
  Replay replay;
  Verdict verdict;
  SimulationResult simulated;
};

// The whole path behind the parser.
Outcome run(const Listing& listing, const Machine& machine, std::uint64_t seed) {
  const Graph quantized = quantized_for(network_of(listing, machine, seed), machine);
  Outcome result{.replay = replay(listing, quantized, machine)};
  const std::vector<Tensor> inputs = input_of(quantized, seed);
  result.simulated = simulate(result.replay.program, machine, inputs);
  result.verdict = compare(quantized, golden::run(quantized, inputs), result.simulated.tensors);
  return result;
}

class VendorPrograms : public testing::TestWithParam<VendorStyle> {};

std::string name_of_style(const testing::TestParamInfo<VendorStyle>& style) {
  constexpr const char* kNames[] = {"V3", "Throughput", "V2", "V2Text"};
  return kNames[static_cast<std::size_t>(style.param)];
}

INSTANTIATE_TEST_SUITE_P(Styles, VendorPrograms,
                         testing::Values(VendorStyle::V3, VendorStyle::Throughput, VendorStyle::V2,
                                         VendorStyle::V2Text),
                         name_of_style);

TEST_P(VendorPrograms, replay_bit_exact) {
  const Machine& machine = machine_of(GetParam());
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    const std::string text = vendor_program(seed, GetParam(), machine);
    SCOPED_TRACE(fmt::format("seed {}\n{}", seed, text));
    Outcome result;
    ASSERT_NO_THROW(result = run(parse_listing(text, "net"), machine, seed));
    EXPECT_TRUE(result.verdict.bit_exact());
    EXPECT_GT(result.verdict.values_compared, 0);
    EXPECT_TRUE(result.simulated.hazards.empty()) << to_string(result.simulated.hazards.at(0));
    const ProgramInfo& info = result.replay.program.info;
    EXPECT_GT(info.io_bytes, 0);
    EXPECT_LE(info.peak_bytes, info.capacity_bytes);
    if (HasFailure()) return;
  }
}

TEST_P(VendorPrograms, come_back_value_for_value) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    const std::string text = vendor_program(seed, GetParam(), machine_of(GetParam()));
    const std::string printed = print_text(parse_listing(text, "net"));
    const std::string again = print_json(parse_listing(printed, "net"));
    ASSERT_EQ(nlohmann::json::parse(text), nlohmann::json::parse(again)) << printed;
    ASSERT_EQ(nlohmann::json::parse(print_json(parse_listing(text, "net"))),
              nlohmann::json::parse(text));
  }
}

// One value of one entry, anything that its key may hold or not.
std::string damaged(const std::string& text, std::mt19937_64& random) {
  nlohmann::json file = nlohmann::json::parse(text);
  auto& entries = file["network"];
  for (std::int64_t i = between(random, 1, 2); i > 0; --i) {
    auto& entry = entries[random() % entries.size()];
    auto kv = entry.find("xdnn_kv");
    if (kv == entry.end() || !kv->is_object()) {
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(random() % entries.size()));
      continue;
    }
    auto field = std::next(kv->begin(), static_cast<std::ptrdiff_t>(random() % kv->size()));
    constexpr const char* kValues[] = {"0", "1", "2", "3", "7", "64", "0x100", "65535", "0xffffff"};
    *field = kValues[random() % std::size(kValues)];
  }
  return file.dump();
}

// Refused in one line that names the program or its network, or run; hazards and other values are
// what a wrong program may give.
TEST_P(VendorPrograms, damaged_are_refused_or_run) {
  const Machine& machine = machine_of(GetParam());
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()) + 1);
  std::int64_t ran = 0;
  for (std::uint64_t seed = 1; seed <= 4 * kCases; ++seed) {
    const std::string text = damaged(vendor_program(seed, GetParam(), machine), random);
    try {
      run(parse_listing(text, "net"), machine, seed);
      ++ran;
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      EXPECT_TRUE(what.starts_with("net") || what.starts_with("program")) << what;
    }
  }
  EXPECT_GT(ran, 0);
}

}  // namespace
}  // namespace workbench::xdnn
