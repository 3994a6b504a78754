// Single kernel calls in the transaction tier and executed, for whoever counts the constants of
// isa/pulp/kernel_*.cpp (bench/pulp_calls.sh makes all of it):
//   pulp_calls MACHINE CALLS        the calls as a C table for pulp_calls.c
//   pulp_calls MACHINE CALLS LOG    each beside what its execution took, LOG being what it printed
// A line of CALLS is a kernel and fields that are not as declared (isa/pulp/instructions.h),
// addresses among them being found here; out_w and out_h follow from the window where they are not
// given:
//   conv_Ho_4x4 in_w=9 in_h=3 in_c=16 out_c=16 kernel_w=3 kernel_h=3 pad_left=1 norm=1
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "compiler/pulp/c_kernels.h"
#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/machine.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kBytes = 45000;  // L1_BYTES of pulp_calls.sh

std::int64_t integer(const std::string& text) {
  std::istringstream words(text);
  std::int64_t value = 0;
  if (!(words >> value)) fail("expected a number, found '{}'", text);
  return value;
}

KernelKind kind_of(const std::string& name) {
  for (int k = 0; k <= static_cast<int>(last(KernelKind{})); ++k) {
    if (to_string(static_cast<KernelKind>(k)) == name) return static_cast<KernelKind>(k);
  }
  fail("no kernel '{}'", name);
}

void place(Kernel& kernel, const Machine& machine) {
  std::int64_t at = 64;
  const auto take = [&](std::int64_t& address, std::int64_t bytes) {
    address = at;
    at = round_up(at + bytes + 8, 4);
  };
  take(kernel.in, input_bytes(kernel));
  take(kernel.in2, second_input_bytes(kernel));
  take(kernel.weights, weight_bytes(kernel));
  take(kernel.bias, bias_bytes(kernel));
  take(kernel.kappa, norm_bytes(kernel));
  take(kernel.lambda, norm_bytes(kernel));
  take(kernel.out, output_bytes(kernel));
  take(kernel.scratch, scratch_bytes(kernel, machine));
  if (at > kBytes) fail("a call takes {} bytes of the {} there are", at, kBytes);
}

Kernel parse(const std::string& line, const Machine& machine) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  Kernel kernel;
  kernel.kind = kind_of(word);
  kernel.out_w = kernel.out_h = 0;
  while (words >> word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::int64_t value = integer(word.substr(equals + 1));
    bool known = false;
    Kernel::fields(kernel, [&](std::string_view field, auto& member) {
      if (field != name) return;
      member = static_cast<std::remove_reference_t<decltype(member)>>(value);
      known = true;
    });
    if (!known) fail("no field '{}' in '{}'", name, line);
  }
  const auto results = [](std::int64_t size, std::int64_t pads, std::int64_t reach,
                          std::int64_t stride) { return (size + pads - reach) / stride + 1; };
  if (kernel.out_w == 0) {
    kernel.out_w = results(kernel.in_w, kernel.pad_left + kernel.pad_right,
                           (kernel.kernel_w - 1) * kernel.dilation_x + 1, kernel.stride_x);
  }
  if (kernel.out_h == 0) {
    kernel.out_h = results(kernel.in_h, kernel.pad_top + kernel.pad_bottom,
                           (kernel.kernel_h - 1) * kernel.dilation_y + 1, kernel.stride_y);
  }
  if (!traits(kernel.kind).weights && kernel.out_c == 1) kernel.out_c = kernel.in_c;
  place(kernel, machine);
  return kernel;
}

void print_table(const std::vector<Kernel>& calls) {
  for (const Kernel& kernel : calls) {
    std::printf("{%s, {", own_c_kernel(kernel).c_str());
    Kernel::fields(kernel, [&](std::string_view field, const auto& value) {
      if (field == "kind") return;
      static constexpr std::string_view kAddresses[] = {"in",    "in2",    "weights", "bias",
                                                        "kappa", "lambda", "out",     "scratch"};
      const bool address = std::ranges::find(kAddresses, field) != std::end(kAddresses);
      std::printf(address ? ".%s = l1 + %ld, " : ".%s = %ld, ", std::string(field).c_str(),
                  static_cast<long>(value));
    });
    std::printf("}},\n");
  }
}

void compare(const std::vector<std::string>& lines, const std::vector<Kernel>& calls,
             const Machine& machine, const std::string& path) {
  std::ifstream log(path);
  KernelTimes times(machine);
  std::size_t call = 0;
  std::printf("%8s %8s %8s %8s %7s %6s\n", "alone", "modelled", "executed", "waited", "%", "code");
  for (std::string line; std::getline(log, line);) {
    std::istringstream words(line);
    std::string word;
    std::int64_t cycles = 0, waited = 0;
    if (!(words >> word) || word != "call" || !(words >> cycles >> waited)) continue;
    if (call == calls.size()) fail("{} has more than {} calls", path, call);
    const Kernel& kernel = calls[call];
    const std::vector<std::int64_t> cores = times.disturbed(kernel, 0);
    const std::int64_t alone = kernel_cycles(kernel, machine).value;
    const std::int64_t modelled =
        *std::max_element(cores.begin(), cores.end()) + machine.cluster.barrier_cycles;
    std::printf("%8ld %8ld %8ld %8ld %+7.1f %+6ld  %s\n", static_cast<long>(alone),
                static_cast<long>(modelled), static_cast<long>(cycles), static_cast<long>(waited),
                100 * (static_cast<double>(cycles) / static_cast<double>(modelled) - 1),
                static_cast<long>(cycles - waited - alone), lines[call].c_str());
    ++call;
  }
  if (call != calls.size()) fail("{} has {} calls of {}", path, call, calls.size());
}

void run(const std::vector<std::string>& words) {
  const Machine machine = load_machine(words[0]);
  std::ifstream file(words[1]);
  std::vector<std::string> lines;
  std::vector<Kernel> calls;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    lines.push_back(line);
    calls.push_back(parse(line, machine));
  }
  if (words.size() == 2) return print_table(calls);
  compare(lines, calls, machine, words[2]);
}

}  // namespace
}  // namespace workbench::pulp

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: pulp_calls MACHINE CALLS [LOG]\n");
    return 2;
  }
  try {
    workbench::pulp::run({argv + 1, argv + argc});
  } catch (const workbench::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
