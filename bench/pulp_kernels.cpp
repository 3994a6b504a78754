// How fast the arithmetic of PULP kernels runs on this machine: all kernel calls of MobileNetV1-128
// with DORY's tiles, without transfers and timing. Usage: pulp_kernels TILES.json, as in
// networks/pulp/MV1-128/tiles_L1_38000.json of WORKBENCH_SHARED.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {
namespace {

constexpr int kRepetitions = 5;

// A full tile of a layer of the list; partial ones count as full.
Kernel tile_call(const nlohmann::json& layer) {
  const std::string type = layer.at("type");
  const auto tile = layer.at("tile_nin_nout_hin_hout_win_wout").get<std::array<std::int64_t, 6>>();
  Kernel kernel{.norm = true, .shift = 20};
  kernel.kind = type == "dw"  ? KernelKind::DepthwiseGeneric
                : type == "c" ? KernelKind::ConvHoWo
                              : KernelKind::PointwiseHoWo;
  kernel.in_c = tile[0], kernel.out_c = tile[1];
  kernel.in_h = tile[2], kernel.out_h = tile[3];
  kernel.in_w = tile[4], kernel.out_w = tile[5];
  if (type == "pw") return kernel;
  kernel.kernel_h = kernel.kernel_w = 3;
  kernel.stride_x = kernel.stride_y = tile[2] > tile[3] * 3 / 2 ? 2 : 1;
  kernel.pad_top = kernel.pad_left = 1;
  return kernel;
}

void place(Kernel& kernel) {
  std::int64_t end = 0;
  for (const auto& [address, bytes] : {std::pair{&kernel.in, input_bytes(kernel)},
                                       {&kernel.weights, weight_bytes(kernel)},
                                       {&kernel.kappa, norm_bytes(kernel)},
                                       {&kernel.lambda, norm_bytes(kernel)},
                                       {&kernel.out, output_bytes(kernel)}}) {
    *address = end;
    end = (end + bytes + 3) / 4 * 4;
  }
}

double seconds_of(const Kernel& kernel, std::int64_t calls, Memory& memory) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < calls; ++i) execute(kernel, memory, 1);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void measure(const std::string& path) {
  const auto tiles = nlohmann::json::parse(read_file(path));
  Memory memory;
  memory.l1.assign(1 << 18, 0x5a);
  double total = 0, products = 0;
  std::int64_t calls = 0;
  for (const auto& layer : tiles.at("layers")) {
    if (!layer.contains("tile_nin_nout_hin_hout_win_wout")) continue;
    Kernel kernel = tile_call(layer);
    place(kernel);
    const std::int64_t count = layer.at("n_tiles");
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kRepetitions; ++i) best = std::min(best, seconds_of(kernel, count, memory));
    std::printf("layer %-3d %-18s %5d calls %8.2f ms\n", layer.at("layer").get<int>(),
                std::string(to_string(kernel.kind)).c_str(), static_cast<int>(count), 1e3 * best);
    total += best, calls += count;
    products += layer.at("mac").get<double>();
  }
  std::printf("%-10s %ld\n%-10s %.4f\n%-10s %.1f\n", "calls", static_cast<long>(calls), "seconds",
              total, "gmac/s", products / total / 1e9);
}

}  // namespace
}  // namespace workbench::pulp

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: pulp_kernels TILES.json\n");
    return 2;
  }
  workbench::pulp::measure(argv[1]);
}
