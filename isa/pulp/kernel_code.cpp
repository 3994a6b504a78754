#include "isa/pulp/kernel_code.h"

#include "isa/pulp/icache.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

void CodeBuilder::work(const Straight& straight) {
  const std::int64_t cycles =
      straight.instructions + straight.load_uses * core_.load_use +
      straight.taken_branches * core_.taken_branch + straight.jumps * core_.jump +
      straight.multiply_highs * core_.multiply_high + straight.divisions * core_.division +
      straight.multiplies * core_.multiply + straight.multiply_uses * core_.multiply_use;
  if (straight.instructions == 0 && cycles == 0) return;
  const std::int64_t code_bytes =
      kCodeBytes * (straight.instructions - straight.stack) + kStackCodeBytes * straight.stack;
  if (straight.stack > 0) loads_of_stack(straight.stack, cycles);
  plain(cycles - straight.stack * (cycles / std::max<std::int64_t>(1, straight.stack)), code_bytes);
}

void CodeBuilder::plain(std::int64_t cycles, std::int64_t code_bytes) {
  if (!merge_) {
    CodeNode node;
    node.code_begin = code_end_;
    code_.push_back(node);
    merge_ = true;
  }
  code_.back().cycles += cycles;
  code_.back().code_bytes += static_cast<std::int32_t>(code_bytes);
  code_end_ += static_cast<std::int32_t>(code_bytes);
}

// `count` accesses, `cycles` / count apart. The cores' stacks lie a multiple of the banks apart, so
// that all cores find the same variable in the same bank. Their instructions are counted behind.
void CodeBuilder::loads_of_stack(std::int64_t count, std::int64_t cycles) {
  loop(count, [&](int word) {
    access(stepped({kStack, {}}, word, 4), 4, 0);
    plain(cycles / count - 1, 0);
  });
}

void CodeBuilder::access(const Address& address, int bytes, std::int64_t code_bytes) {
  CodeNode node;
  node.kind = CodeNode::Kind::Access;
  node.access_bytes = static_cast<std::int8_t>(bytes);
  node.code_begin = code_end_;
  node.code_bytes = static_cast<std::int32_t>(code_bytes);
  node.address = address;
  code_.push_back(node);
  code_end_ += node.code_bytes;
  merge_ = false;
}

// Rows dealt out to the cores; HoWo kernels let two cores share a row where rows do not divide
// (docs/facts/pulp.md 2.4).
Pixels pixels(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  const std::int64_t cores = kernel.active_cores(machine.cluster.cores);
  const Piece all_columns{0, kernel.out_w};
  const Split split = traits(kernel.kind).split;
  if (split == Split::Channels) return {{0, kernel.out_h}, all_columns};
  if (split == Split::Rows || kernel.out_h % cores == 0 || kernel.out_w <= 1 || cores < 2) {
    return {piece(kernel.out_h, cores, core), all_columns};
  }
  const std::int64_t half = kernel.out_w / 2;
  return {piece(kernel.out_h, cores / 2, core / 2),
          core % 2 == 0 ? Piece{0, half} : Piece{half, kernel.out_w}, true};
}

Piece channels(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  if (traits(kernel.kind).split != Split::Channels) return {0, kernel.out_c};
  return piece(kernel.out_c, kernel.active_cores(machine.cluster.cores), core);
}

Piece rows_of(std::int64_t rows, std::int64_t cores, std::int64_t core, bool average) {
  if (rows >= cores || rows == 0) return piece(rows, cores, core);
  const bool power_of_two = (rows & (rows - 1)) == 0;
  const std::int64_t chunk = average && power_of_two ? 1 : 2;
  const std::int64_t begin = std::min(chunk * core, rows);
  return {begin, std::min(begin + chunk, rows)};
}

namespace {

// Of one phase; none for a core that takes no part.
CoreCode core_code(CodeOf code_of, const Kernel& kernel, const Machine& machine,
                   std::int64_t core) {
  if (core >= kernel.active_cores(machine.cluster.cores)) return {};
  CoreCode code = code_of(kernel, machine, core);
  if (machine.icache.ideal == 0 && machine.icache.private_bytes > 0) {
    add_private_refills(code, machine.icache);
  }
  return code;
}

}  // namespace

KernelCode kernel_code(const Kernel& kernel, const Machine& machine) {
  KernelCode result;
  for (const CodeOf code_of : traits(kernel.kind).code) {
    if (code_of == nullptr) continue;
    std::vector<CoreCode>& cores = result.phases.emplace_back();
    for (std::int64_t core = 0; core < machine.cluster.cores; ++core) {
      cores.push_back(core_code(code_of, kernel, machine, core));
    }
  }
  return result;
}

std::int64_t code_bytes(const CoreCode& code) {
  std::int64_t end = 0;
  for (const CodeNode& node : code) {
    end = std::max<std::int64_t>(end, node.code_begin + node.code_bytes);
  }
  return end;
}

std::int64_t code_bytes(const Kernel& kernel, const Machine& machine) {
  std::int64_t all = 0;
  for (const std::vector<CoreCode>& phase : kernel_code(kernel, machine).phases) {
    std::int64_t most = 0;
    for (const CoreCode& code : phase) most = std::max(most, code_bytes(code));
    all += most;
  }
  return all;
}

namespace {

struct Enclosing {
  std::int64_t trips = 1;
  int depth = 0;
};

// How many of the accesses cross the end of a word: from how often each remainder of the address
// modulo 4 occurs, loop by loop.
std::int64_t crossing(const CodeNode& node, const std::vector<Enclosing>& loops,
                      std::int64_t times) {
  if (node.access_bytes == 1) return 0;
  if (node.access_bytes == 4) {
    std::int32_t odd = 0;
    for (const std::int32_t step : node.address.step) odd |= step & 3;
    if (odd == 0) return (node.address.base & 3) != 0 ? times : 0;
  }
  std::array<std::int64_t, 4> count{};
  count[static_cast<std::size_t>(node.address.base & 3)] = 1;
  for (const Enclosing& loop : loops) {
    const std::int64_t step = node.address.step[static_cast<std::size_t>(loop.depth)] & 3;
    std::array<std::int64_t, 4> next{};
    for (std::int64_t k = 0; k < 4; ++k) {  // iterations k, k + 4, ...
      const std::int64_t iterations = (loop.trips - k + 3) / 4;
      for (std::int64_t r = 0; r < 4 && iterations > 0; ++r) {
        next[static_cast<std::size_t>((r + k * step) & 3)] +=
            iterations * count[static_cast<std::size_t>(r)];
      }
    }
    count = next;
  }
  return node.access_bytes == 4 ? times - count[0] : count[3];
}

struct Summing {
  const CoreCode& code;
  const Machine& machine;
  std::vector<Enclosing> loops;
  CodeCost total;

  void range(std::size_t begin, std::size_t end, std::int64_t times) {
    CodeCost own;  // outside inner loops
    for (std::size_t i = begin; i < end; ++i) {
      const CodeNode& node = code[i];
      switch (node.kind) {
        case CodeNode::Kind::Work:
          own.cycles += times * node.cycles;
          break;
        case CodeNode::Kind::Access: {
          const std::int64_t second =
              machine.core.misaligned > 0 ? crossing(node, loops, times) : 0;
          own.cycles += times + second * machine.core.misaligned;
          own.accesses += times + second;
          break;
        }
        case CodeNode::Kind::Loop:
          own.cycles += times * node.trips * node.iteration_cycles;
          loops.push_back({node.trips, node.depth});
          range(i + 1, static_cast<std::size_t>(node.end), times * node.trips);
          loops.pop_back();
          i = static_cast<std::size_t>(node.end) - 1;
          break;
      }
    }
    total.cycles += own.cycles;
    total.accesses += own.accesses;
    if (own.cycles > 0) {
      const auto accesses = static_cast<double>(own.accesses);
      total.weighted_density += accesses * accesses / static_cast<double>(own.cycles);
    }
  }
};

}  // namespace

CodeCost code_cost(const CoreCode& code, const Machine& machine) {
  Summing summing{code, machine, {}, {}};
  summing.range(0, code.size(), 1);
  return summing.total;
}

std::vector<std::vector<CodeCost>> core_costs(const Kernel& kernel, const Machine& machine) {
  const KernelTraits& row = traits(kernel.kind);
  const auto likeness = [&](std::int64_t core) {
    return row.likeness == nullptr ? std::vector{core} : row.likeness(kernel, machine, core);
  };
  std::vector<std::vector<CodeCost>> result;
  for (const CodeOf code_of : row.code) {
    if (code_of == nullptr) continue;
    std::vector<CodeCost>& costs = result.emplace_back();
    std::vector<std::vector<std::int64_t>> seen;
    for (std::int64_t core = 0; core < kernel.active_cores(machine.cluster.cores); ++core) {
      seen.push_back(likeness(core));
      const auto twin = std::find(seen.begin(), seen.end() - 1, seen.back()) - seen.begin();
      costs.push_back(twin < core ? costs[static_cast<std::size_t>(twin)]
                                  : code_cost(core_code(code_of, kernel, machine, core), machine));
    }
    costs.resize(static_cast<std::size_t>(machine.cluster.cores));
  }
  return result;
}

}  // namespace workbench::pulp
