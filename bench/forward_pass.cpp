// The yardstick of `workbench run`: a float32 im2col + GEMM forward pass of the same network on one
// core, BatchNorm folded. Its rate is printed beside that of one large matrix product, measured in
// the same run.
#include <chrono>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "compiler/passes/passes.h"
#include "core/eval/evaluate.h"
#include "core/eval/fast_math.h"
#include "data/samples.h"
#include "explore/flow/inputs.h"

namespace workbench {
namespace {

constexpr int kRepetitions = 5;

// Shortest of several times: what the machine can do when nothing else runs.
template <typename Function>
double best_seconds(const Function& function) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRepetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    function();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

double gemm_gflops() {
  constexpr std::int64_t kSide = 1024;
  std::mt19937 random(1);
  const auto matrix = [&] {
    std::vector<float> values(kSide * kSide);
    for (float& v : values) v = static_cast<float>(random()) * 0x1p-31F - 1;
    return values;
  };
  const std::vector<float> a = matrix(), b = matrix();
  std::vector<float> c(kSide * kSide);
  const double seconds = best_seconds([&] {
    eval::multiply_add({a.data(), kSide, kSide, kSide}, eval::Transposed::No,
                       {b.data(), kSide, kSide, kSide}, eval::Transposed::No,
                       {c.data(), kSide, kSide, kSide});
  });
  return 2.0 * kSide * kSide * kSide / seconds / 1e9;
}

void measure(const std::string& model) {
  Graph graph = load_model({.name = model});
  run_passes(graph, float_pipeline());
  double flops = 0;
  for (const Node& node : graph.nodes) flops += 2 * static_cast<double>(macs(graph, node));
  std::vector<Tensor> input;
  for (const ValueId id : graph.inputs) {
    input.push_back(synthetic_sample(graph.value(id).shape, 1));
  }
  const double seconds = best_seconds([&] { evaluate(graph, input, {.threads = 1}); });
  const double gemm = gemm_gflops(), forward = flops / seconds / 1e9;
  std::printf("%-22s %s\n", "network", model.c_str());
  std::printf("%-22s %.4f\n", "forward_seconds", seconds);
  std::printf("%-22s %.1f\n", "forward_gflops", forward);
  std::printf("%-22s %.1f\n", "gemm_gflops", gemm);
  std::printf("%-22s %.1f\n", "percent_of_gemm", 100 * forward / gemm);
}

}  // namespace
}  // namespace workbench

int main(int argc, char** argv) {
  try {
    workbench::measure(argc > 1 ? argv[1] : "zoo:resnet50");
  } catch (const workbench::Error& error) {
    std::fprintf(stderr, "forward_pass: %s\n", error.what());
    return 2;
  }
  return 0;
}
