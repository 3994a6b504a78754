#include "tests/support/gvsoc_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "isa/pulp/icache.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

// The records are from the release of a barrier to the return from the kernel's own.
constexpr std::int64_t kAroundCall = 16;
// Instructions of the measuring program between two calls, which share the cache with the kernel:
// calibrated on what a call of 70 lines takes warm beyond refills of the cores' own caches.
constexpr std::int64_t kBetweenCalls = 840;
// What the DMA moves from the start on, at its full speed.
constexpr double kDmaBytes = 8 * 32768, kDmaBytesPerCycle = 8;

using Arguments = std::vector<std::int64_t>;

void set_map(Kernel& k, std::int64_t w, std::int64_t h) {
  k.in_w = k.out_w = w;
  k.in_h = k.out_h = h;
}

void set_window(Kernel& k, const Arguments& a, std::int64_t size, std::int64_t stride) {
  k.in_w = a[0], k.in_h = a[1];
  k.out_w = a[4], k.out_h = a[5];
  k.kernel_w = k.kernel_h = size;
  k.stride_x = k.stride_y = stride;
  k.pad_top = a[6], k.pad_bottom = a[7], k.pad_left = a[8], k.pad_right = a[9];
}

Kernel kernel_of(const std::string& family, const Arguments& a) {
  Kernel k{.norm = true, .shift = 20};
  if (family == "conv") {
    k.kind = KernelKind::ConvHo;
    set_window(k, a, 3, 2);
    k.in_c = a[2], k.out_c = a[3];
  } else if (family == "dw") {
    k.kind = KernelKind::DepthwiseGeneric;
    set_window(k, a, 3, a[3]);
    k.in_c = k.out_c = a[2];
  } else if (family == "pw" || family == "pwh") {
    k.kind = family == "pw" ? KernelKind::PointwiseHoWo : KernelKind::PointwiseHo;
    set_map(k, a[0], a[1]);
    k.in_c = a[2], k.out_c = a[3];
  } else if (family == "linear32") {
    k = {.kind = KernelKind::Linear32, .in_c = a[0], .out_c = a[1], .out_bits = 32};
  } else {
    k = {.kind = KernelKind::AveragePool, .shift = 8, .divisor = a[0] * a[1]};
    k.in_h = k.kernel_h = a[0], k.in_w = k.kernel_w = a[1];
    k.in_c = k.out_c = a[2];
  }
  return k;
}

// In the order of the record.
void place(Kernel& k, const std::string& family, const Arguments& offsets) {
  std::vector<std::int64_t*> addresses{&k.in, &k.out, &k.weights, &k.kappa, &k.lambda, &k.scratch};
  if (family == "linear32") addresses = {&k.in, &k.weights, &k.out};
  CHECK(offsets.size() <= addresses.size());
  for (std::size_t i = 0; i < offsets.size(); ++i) *addresses[i] = offsets[i];
}

Program repeated(const Kernel& kernel, int calls) {
  Program program;
  for (int i = 0; i < calls; ++i) {
    program.instructions.push_back(kernel);
    program.instructions.push_back(Code{.instructions = kBetweenCalls});
  }
  return program;
}

// Of the shared cache: the first call's, and the mean of the last half.
ModelledCall refills(const Kernel& kernel, const Machine& machine) {
  constexpr int kCalls = 32;
  const std::vector<std::int64_t> all = shared_refills(repeated(kernel, kCalls), machine);
  ModelledCall result{.cold = all.front()};
  for (int i = kCalls / 2; i < kCalls; ++i) result.warm += all[static_cast<std::size_t>(2 * i)];
  result.warm /= kCalls / 2;
  return result;
}

std::int64_t kernel_time(const MeasuredCall& call, const Machine& machine) {
  Tcdm banks(machine);
  const auto alone = static_cast<double>(kernel_cycles(call.kernel, machine).value);
  const double dma = call.dma ? std::min(kDmaBytesPerCycle, kDmaBytes / alone) : 0;
  const std::vector<std::int64_t> cores =
      call.one_core ? core_cycles(call.kernel, machine) : banks.core_cycles(call.kernel, dma);
  const std::int64_t slowest =
      call.one_core ? cores.front() : *std::max_element(cores.begin(), cores.end());
  return slowest + machine.cluster.barrier_cycles;
}

}  // namespace

std::vector<MeasuredCall> measured_calls(const std::filesystem::path& file) {
  std::vector<MeasuredCall> result;
  std::map<std::string, Arguments> offsets;  // records beside a DMA have those of the call alone
  for (const auto& record : nlohmann::json::parse(read_file(file))) {
    MeasuredCall call;
    const std::string what = record.at("what"), variant = record.at("variant");
    call.family = record.at("short").get<std::string>().substr(0, 7);
    if (call.family == "linear3") call.family = "linear32";
    const auto arguments = record.at("args").get<Arguments>();
    call.text = fmt::format("{} ({})", call.family, fmt::join(arguments, " "));
    call.kernel = kernel_of(call.family, arguments);
    if (record.contains("l1_offsets")) {
      offsets[call.text] = record["l1_offsets"].get<Arguments>();
    }
    place(call.kernel, call.family, offsets[call.text]);
    call.one_core = record.at("cores") == 1;
    call.dma = what.find("with DMA") != std::string::npos;
    call.conflicts = variant.rfind("bank", 0) == 0;
    call.misses = variant == "base" || variant == "bank";
    call.cycles = record.at("cycles").get<std::int64_t>() - kAroundCall;
    if (record.contains("cycles_cold_icache") && !record["cycles_cold_icache"].is_null()) {
      call.cold = record["cycles_cold_icache"].get<std::int64_t>() - kAroundCall;
    }
    result.push_back(std::move(call));
  }
  return result;
}

ModelledCall modelled(const MeasuredCall& call, Machine machine) {
  machine.l1.conflicts = call.conflicts ? 1 : 0;
  const ModelledCall waits = refills(call.kernel, machine);
  const std::int64_t lines =
      waits.cold / std::max<std::int64_t>(1, machine.icache.shared_miss_cycles);
  std::int64_t warm = waits.warm, cold = waits.cold;
  if (!call.misses) {  // caches so large that only the first call misses
    machine.icache.ideal = 1;
    warm = 0;
    cold += lines * machine.icache.private_miss_cycles;
  }
  const std::int64_t alone = kernel_time(call, machine);
  return {alone + warm, alone + cold};
}

}  // namespace workbench::pulp
