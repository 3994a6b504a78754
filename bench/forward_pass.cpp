// The yardstick of `workbench run`: a float32 im2col + Eigen GEMM forward pass of the same network
// on one core, BatchNorm folded, with the flags everything else is compiled with. To show that it
// is no straw man its rate is printed beside that of a bare Eigen GEMM, measured in the same run.
#include <Eigen/Core>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>

#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "core/eval/evaluate.h"
#include "explore/flow/inputs.h"

namespace workbench {
namespace {

constexpr int kRepetitions = 5;

// Shortest of several times: what the machine can do when nobody disturbs it.
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
  constexpr Eigen::Index kSide = 1024;
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Matrix a = Matrix::Random(kSide, kSide), b = Matrix::Random(kSide, kSide);
  Matrix c = Matrix::Zero(kSide, kSide);
  const double seconds = best_seconds([&] { c.noalias() += a * b; });
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
  std::printf("%-22s %.1f\n", "eigen_gemm_gflops", gemm);
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
