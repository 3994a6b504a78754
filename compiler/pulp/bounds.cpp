#include "compiler/pulp/bounds.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "isa/pulp/check.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {
namespace {

// Cycles and bytes of a layer.
struct Work {
  std::int64_t cores = 0, in = 0, out = 0, l3 = 0;
};

class Sums {
 public:
  Sums(const Program& program, const Machine& machine)
      : program_(program), machine_(machine), layers_(program.info.layers.size()) {}

  Bounds run() {
    for (std::size_t i = 0; i < program_.instructions.size(); ++i) {
      Work& work = layers_[static_cast<std::size_t>(program_.info.instruction_layer[i])];
      std::visit([&](const auto& op) { add(op, work); }, program_.instructions[i]);
    }
    Bounds bounds;
    bounds.resources = {"cores", "DMA in", "DMA out", "L3"};
    Work sum;
    for (const Work& work : layers_) {
      bounds.layers.push_back(times(work, l3_cycles_of(work.l3)));
      sum.cores += work.cores, sum.in += work.in, sum.out += work.out, sum.l3 += work.l3;
    }
    bounds.total = times(sum, l3_behind_l2(sum.l3));
    return bounds;
  }

 private:
  template <typename Op>
  void add(const Op&, Work&) {}
  void add(const Dma& op, Work& work) { (op.to_l1 ? work.in : work.out) += op.bytes(); }
  void add(const L3Transfer& op, Work& work) { work.l3 += op.bytes(); }
  void add(const Kernel& op, Work& work) { work.cores += fastest(op); }

  // Of the kernels that compute the same; a call that only some can do is no obstacle.
  std::int64_t fastest(const Kernel& call) {
    const auto [known, is_new] = fastest_.try_emplace(alike(call), 0);
    if (!is_new) return known->second;
    std::int64_t least = kernel_cycles(call, machine_).value;
    for (const KernelTraits& row : kernels_of(traits(call.kind).family)) {
      if (row.serves != nullptr && !row.serves(call)) continue;
      for (const std::int64_t cores : {std::int64_t{0}, call.cores}) {
        Kernel other = call;
        other.kind = row.kind;
        other.cores = cores;
        if (!malformed(other, machine_).empty()) continue;
        least = std::min(least, kernel_cycles(other, machine_).value);
      }
    }
    return known->second = least - machine_.cluster.barrier_cycles;
  }

  std::int64_t l3_cycles_of(std::int64_t bytes) const {
    if (bytes <= 0) return 0;
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(bytes) / machine_.l3_bytes_per_cycle()));
  }

  std::int64_t l3_behind_l2(std::int64_t bytes) const {
    std::int64_t most = 0, before = 0, left = bytes;
    for (const Work& work : layers_) {
      most = std::max(most, before + l3_cycles_of(left - machine_.l2.buffer_bytes));
      before += work.cores;
      left -= work.l3;
    }
    return most;
  }

  std::vector<Cycles> times(const Work& work, std::int64_t l3) const {
    const std::int64_t width = machine_.dma.bytes_per_cycle;
    return {Cycles{work.cores}, Cycles{ceil_div(work.in, width)}, Cycles{ceil_div(work.out, width)},
            Cycles{l3}};
  }

  const Program& program_;
  const Machine& machine_;
  std::vector<Work> layers_;
  std::unordered_map<Kernel, std::int64_t, KernelHash> fastest_;
};

}  // namespace

Bounds least_times(const Program& program, const Machine& machine) {
  return Sums(program, machine).run();
}

}  // namespace workbench::pulp
