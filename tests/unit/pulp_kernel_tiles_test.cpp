// The cost of kernels against 70 tiles of MobileNetV1, the compiled PULP-NN library measured on an
// instruction-set simulator with and without conflicts at the banks (docs/facts/pulp.md 2.6).
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

struct Tile {
  std::string name;
  Kernel kernel;
  double alone = 0, contended = 0;  // cycles of the slowest core
};

std::filesystem::path tiles_file() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : "../shared") /
         "networks/pulp/MV1-128/kernel_cycles.json";
}

// Arguments as the file's note lists them: pointwise (w, h, ci, co), depthwise (w, h, c, stride,
// out w, out h, pads top, bottom, left, right), convolution (w, h, ci, co, out w, out h, pads),
// stride 2.
Kernel kernel_of(const std::string& kind, const std::vector<std::int64_t>& a) {
  Kernel k{.kind = KernelKind::PointwiseHoWo,
           .in_w = a[0],
           .in_h = a[1],
           .in_c = a[2],
           .out_w = a[0],
           .out_h = a[1],
           .out_c = a[3],
           .norm = true};
  if (kind == "pw") return k;
  k.kernel_w = k.kernel_h = 3;
  std::tie(k.out_w, k.out_h) = std::tie(a[4], a[5]);
  std::tie(k.pad_top, k.pad_bottom, k.pad_left, k.pad_right) = std::tie(a[6], a[7], a[8], a[9]);
  if (kind == "dw") {
    k.kind = KernelKind::DepthwiseGeneric;
    k.out_c = a[2];
    k.stride_x = k.stride_y = a[3];
  } else {
    k.kind = KernelKind::ConvHo;
    k.stride_x = k.stride_y = 2;
  }
  return k;
}

// Where DORY puts the buffers of a tile: two each, 4 bytes apart (docs/facts/pulp.md 3.3).
void place(Kernel& k) {
  std::int64_t next = 0;
  const auto put = [&](std::int64_t& address, std::int64_t bytes) {
    address = next;
    next += round_up(2 * bytes, 4) + 4;
  };
  put(k.in, input_bytes(k));
  put(k.out, output_bytes(k));
  put(k.weights, weight_bytes(k));
  put(k.kappa, norm_bytes(k));
  put(k.lambda, norm_bytes(k));
  k.scratch = next;
}

std::vector<Tile> tiles() {
  std::vector<Tile> result;
  if (!std::filesystem::exists(tiles_file())) return result;
  for (const YAML::Node& run : YAML::LoadFile(tiles_file().string())["runs"]) {
    const auto kind = run["kernel"].as<std::string>();
    const auto arguments = run["args"].as<std::vector<std::int64_t>>();
    Tile tile{kind, kernel_of(kind, arguments), run["cycles_no_contention"].as<double>(),
              run["cycles_contention"].as<double>()};
    for (const std::int64_t argument : arguments) tile.name += " " + std::to_string(argument);
    place(tile.kernel);
    result.push_back(tile);
  }
  return result;
}

double last(const std::vector<std::int64_t>& cores) {
  return static_cast<double>(*std::max_element(cores.begin(), cores.end()));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

constexpr const char* kAbsent = "the published tiles are not here (WORKBENCH_SHARED)";

TEST(KernelTiles, without_conflicts_agree_within_a_fifth_of_a_per_cent) {
  const Machine machine;
  const std::vector<Tile> all = tiles();
  if (all.empty()) GTEST_SKIP() << kAbsent;
  EXPECT_EQ(all.size(), 70u);
  for (const Tile& tile : all) {
    // Depthwise and pointwise ones to the cycle.
    const double off = tile.kernel.kind == KernelKind::ConvHo ? 0.002 * tile.alone : 0;
    EXPECT_NEAR(last(core_cycles(tile.kernel, machine)), tile.alone, off) << tile.name;
  }
}

TEST(KernelTiles, with_conflicts_agree_within_2_per_cent_in_the_median_and_6_at_worst) {
  const Machine machine;
  Tcdm tcdm(machine);
  const std::vector<Tile> all = tiles();
  if (all.empty()) GTEST_SKIP() << kAbsent;
  std::vector<double> off;
  for (const Tile& tile : all) {
    off.push_back(std::abs(last(tcdm.core_cycles(tile.kernel)) / tile.contended - 1));
    EXPECT_LE(off.back(), 0.06) << tile.name;
  }
  EXPECT_LE(median(off), 0.02);
}

TEST(KernelTiles, what_is_expected_without_simulation_agrees_within_3_per_cent_in_the_median) {
  const Machine machine;
  const std::vector<Tile> all = tiles();
  if (all.empty()) GTEST_SKIP() << kAbsent;
  std::vector<double> off;
  for (const Tile& tile : all) {
    const double expected = static_cast<double>(expected_kernel_cycles(tile.kernel, machine).value -
                                                machine.cluster.barrier_cycles);
    off.push_back(std::abs(expected / tile.contended - 1));
    EXPECT_LE(off.back(), 0.07) << tile.name;
  }
  EXPECT_LE(median(off), 0.03);
}

}  // namespace
}  // namespace workbench::pulp
