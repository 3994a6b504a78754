// Kernel calls in the transaction tier and executed: each distinct call of a program with what the
// model says alone and at the banks, beside what its C took, and where the difference comes from;
// then median and worst by kernel. Usage: pulp_tiers MACHINE PROGRAM LOG [KEY=VALUE ...], where LOG
// is what `workbench execute` printed of the program's application, built with
// NETWORK_KERNEL_CYCLES (bench/pulp_tiers.sh makes all three).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

// Of the core that took most.
struct Executed {
  std::int64_t cycles = 0, conflicts = 0;
};

std::vector<Executed> executed_calls(const std::string& path) {
  std::ifstream log(path);
  std::vector<Executed> calls;
  for (std::string line; std::getline(log, line);) {
    std::istringstream words(line);
    std::string first, cycles, conflicts;
    Executed call;
    if (words >> first && first == "kernel" && words >> call.cycles >> cycles >> call.conflicts) {
      calls.push_back(call);
    }
  }
  return calls;
}

struct Row {
  Kernel kernel;
  std::string layer;
  std::int64_t calls = 0, alone = 0, modelled = 0, executed = 0, conflicts = 0;
  double percent() const {
    return 100 * (static_cast<double>(executed) / static_cast<double>(modelled) - 1);
  }
};

std::vector<Row> rows_of(const Program& program, const Machine& machine,
                         const std::vector<Executed>& calls) {
  KernelTimes times(machine);
  std::vector<Row> rows;
  std::map<std::int32_t, std::unordered_map<Kernel, std::size_t, KernelHash>> known;
  std::size_t call = 0;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const Kernel* kernel = std::get_if<Kernel>(&program.instructions[i]);
    if (kernel == nullptr) continue;
    if (call >= calls.size()) fail("the log has {} calls, the program more", calls.size());
    const std::int32_t layer = program.info.instruction_layer[i];
    const auto [entry, is_new] = known[layer].try_emplace(alike(*kernel), rows.size());
    if (is_new) {
      Row row{.kernel = *kernel,
              .layer = program.info.layers[static_cast<std::size_t>(layer)].name};
      const std::vector<std::int64_t> cores = times.disturbed(*kernel, 0);
      row.alone = kernel_cycles(*kernel, machine).value;
      row.modelled = *std::max_element(cores.begin(), cores.end()) + machine.cluster.barrier_cycles;
      rows.push_back(row);
    }
    Row& row = rows[entry->second];
    row.calls += 1;
    row.executed += calls[call].cycles;
    row.conflicts += calls[call].conflicts;
    ++call;
  }
  for (Row& row : rows) {
    row.executed /= row.calls;
    row.conflicts /= row.calls;
  }
  return rows;
}

void print(const Row& row) {
  const Kernel& k = row.kernel;
  const std::int64_t conflicts = row.modelled - row.alone;
  std::printf(
      "%-18.18s %-20s %4ldx%-4ld %3ldx%-3ld>%3ldx%-3ld %5ld %8ld %8ld %+7.1f %8ld %+8ld %+8ld\n",
      row.layer.c_str(), std::string(to_string(k.kind)).c_str(), static_cast<long>(k.in_c),
      static_cast<long>(k.out_c), static_cast<long>(k.in_w), static_cast<long>(k.in_h),
      static_cast<long>(k.out_w), static_cast<long>(k.out_h), static_cast<long>(row.calls),
      static_cast<long>(row.modelled), static_cast<long>(row.executed), row.percent(),
      static_cast<long>(row.alone), static_cast<long>(row.executed - row.conflicts - row.alone),
      static_cast<long>(row.conflicts - conflicts));
}

void print(const std::string& name, std::vector<double> errors) {
  const auto smaller = [](double a, double b) { return std::abs(a) < std::abs(b); };
  std::sort(errors.begin(), errors.end(), smaller);
  std::printf("%-22s %4d calls  median %5.1f  worst %+6.1f\n", name.c_str(),
              static_cast<int>(errors.size()), std::abs(errors[errors.size() / 2]), errors.back());
}

void compare(const std::vector<std::string>& words) {
  MachineOverrides overrides;
  overrides.settings.assign(words.begin() + 3, words.end());
  const Machine machine = with_overrides(load_machine(words[0]), overrides);
  const Program program = load(words[1]);
  std::printf("%-18s %-20s %9s %15s %5s %8s %8s %7s %8s %8s %8s\n", "layer", "kernel", "channels",
              "map", "calls", "model", "executed", "%", "alone", "code", "banks");
  std::map<std::string, std::vector<double>> groups;
  std::int64_t modelled = 0, executed = 0;
  for (const Row& row : rows_of(program, machine, executed_calls(words[2]))) {
    print(row);
    std::vector<double>& own = groups[std::string(to_string(row.kernel.kind))];
    std::vector<double>& all = groups["all"];
    own.insert(own.end(), static_cast<std::size_t>(row.calls), row.percent());
    all.insert(all.end(), static_cast<std::size_t>(row.calls), row.percent());
    modelled += row.calls * row.modelled;
    executed += row.calls * row.executed;
  }
  for (const auto& [name, errors] : groups) print(name, errors);
  std::printf("%-22s %ld modelled, %ld executed, %+.1f %%\n", "sum", static_cast<long>(modelled),
              static_cast<long>(executed),
              100 * (static_cast<double>(executed) / static_cast<double>(modelled) - 1));
}

}  // namespace
}  // namespace workbench::pulp

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: pulp_tiers MACHINE PROGRAM LOG [KEY=VALUE ...]\n");
    return 2;
  }
  try {
    workbench::pulp::compare({argv + 1, argv + argc});
  } catch (const workbench::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
