// Kernel calls that GVSoC measured against the model of configs/pulp_open_2026.yaml: every call
// with its error, then median and worst by family and variant. Usage: pulp_gvsoc KERNELS.json, as
// in networks/pulp/gvsoc_kernels.json of WORKBENCH_SHARED.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "tests/support/gvsoc_kernels.h"

namespace workbench::pulp {
namespace {

double percent(std::int64_t modelled, std::int64_t measured) {
  return 100 * (static_cast<double>(modelled) / static_cast<double>(measured) - 1);
}

std::string variant(const MeasuredCall& call) {
  return std::string(call.conflicts ? "bank" : "base") + (call.misses ? "" : "big") +
         (call.dma ? " dma" : "");
}

void print(const std::string& name, std::vector<double> errors) {
  const auto smaller = [](double a, double b) { return std::abs(a) < std::abs(b); };
  const double worst = *std::max_element(errors.begin(), errors.end(), smaller);
  std::sort(errors.begin(), errors.end());
  std::printf("%-28s %3d calls  median %+6.1f  worst %+6.1f\n", name.c_str(),
              static_cast<int>(errors.size()), errors[errors.size() / 2], worst);
}

void compare(const std::string& path) {
  const Machine machine = load_machine("configs/pulp_open_2026.yaml");
  std::map<std::string, std::vector<double>> groups;
  for (const MeasuredCall& call : measured_calls(path)) {
    const ModelledCall model = modelled(call, machine);
    const std::string kind = variant(call);
    const double warm = percent(model.warm, call.cycles);
    groups["all " + kind].push_back(warm);
    groups[call.family + " " + kind].push_back(warm);
    std::printf("%-44s %-12s %d %7ld %7ld %+6.1f", call.text.c_str(), kind.c_str(),
                call.one_core ? 1 : 8, static_cast<long>(call.cycles),
                static_cast<long>(model.warm), warm);
    if (call.cold) {
      const double cold = percent(model.cold, *call.cold);
      groups["all " + kind + " cold"].push_back(cold);
      groups[call.family + " " + kind + " cold"].push_back(cold);
      std::printf("  cold %7ld %7ld %+6.1f", static_cast<long>(*call.cold),
                  static_cast<long>(model.cold), cold);
    }
    std::printf("\n");
  }
  for (const auto& [name, errors] : groups) print(name, errors);
}

}  // namespace
}  // namespace workbench::pulp

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: pulp_gvsoc KERNELS.json\n");
    return 2;
  }
  workbench::pulp::compare(argv[1]);
}
