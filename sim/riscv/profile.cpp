#include "sim/riscv/profile.h"

#include <algorithm>
#include <array>

namespace workbench::riscv {

namespace {

constexpr std::size_t kSpentFields = [] {
  std::size_t count = 0;
  const Spent none;
  Spent::fields(none, [&](std::string_view, std::int64_t) { ++count; });
  return count;
}();

}  // namespace

std::int64_t Spent::cycles() const {
  std::int64_t sum = 0;
  fields(*this, [&](std::string_view, std::int64_t cycles) { sum += cycles; });
  return sum;
}

namespace {

void add_times(Spent& sum, const Spent& other, std::int64_t times) {
  std::array<std::int64_t, kSpentFields> values{};
  auto next = values.begin();
  Spent::fields(other, [&](std::string_view, std::int64_t cycles) { *next++ = times * cycles; });
  next = values.begin();
  Spent::fields(sum, [&](std::string_view, std::int64_t& cycles) { cycles += *next++; });
}

}  // namespace

void Spent::add(const Spent& other) { add_times(*this, other, 1); }
void Spent::subtract(const Spent& other) { add_times(*this, other, -1); }

namespace {

Spent spent_at(const Hart& hart, std::size_t at, const Op& op, const pulp::Machine::Core& core) {
  const auto times = static_cast<std::int64_t>(hart.count[at]);
  Spent spent{.instructions = times, .stalls = hart.stalls[at]};
  if (op.opcode >= Op::kUndecoded) return spent;  // written over since
  spent.load_use = times * op.stall - hart.stalls[at].not_stalled;
  switch (row(static_cast<Opcode>(op.opcode)).unit) {
    case Unit::Jump:
    case Unit::JumpRegister:
      spent.jump = times * core.jump;
      break;
    case Unit::Multiply:
      spent.arithmetic = times * core.multiply;
      break;
    case Unit::MultiplyHigh:
      spent.arithmetic = times * core.multiply_high;
      break;
    case Unit::Divide:
      spent.arithmetic = times * core.division;
      break;
    default:
      break;
  }
  return spent;
}

// The last function that begins at or before an address.
const Symbol* function_of(const Elf& program, Word address) {
  const auto after =
      std::upper_bound(program.functions.begin(), program.functions.end(), address,
                       [](Word value, const Symbol& symbol) { return value < symbol.address; });
  if (after == program.functions.begin()) return nullptr;
  return std::prev(after) == program.functions.end() ? nullptr : &*std::prev(after);
}

FunctionProfile& function_for(Profile& profile, const Elf& program, Word address,
                              std::size_t cores) {
  const Symbol* const symbol = function_of(program, address);
  const Word begin = symbol == nullptr ? 0 : symbol->address;
  if (profile.functions.empty() || profile.functions.back().address != begin) {
    profile.functions.push_back({symbol == nullptr ? "(no function)" : symbol->name,
                                 begin,
                                 std::vector<Spent>(cores),
                                 std::vector<Calls>(cores),
                                 {}});
  }
  return profile.functions.back();
}

void add_calls(Profile& profile, const Elf& program, const Cluster& cluster) {
  for (std::size_t core = 0; core < cluster.calls().size(); ++core) {
    for (const auto& [function, calls] : cluster.calls()[core]) {
      const Word address = program.functions[function].address;
      for (FunctionProfile& one : profile.functions) {
        if (one.address == address) one.calls[core] = calls;
      }
    }
  }
}

// From the outermost call in.
std::vector<std::string> path_of(const Elf& program, const Hart& hart, std::int32_t node) {
  std::vector<std::string> path;
  for (; node > 0; node = hart.tree[static_cast<std::size_t>(node)].parent) {
    const std::int32_t function = hart.tree[static_cast<std::size_t>(node)].function;
    path.push_back(program.functions[static_cast<std::size_t>(function)].name);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

void add_stacks(Profile& profile, const Elf& program, const Cluster& cluster) {
  for (std::size_t core = 0; core < cluster.harts().size(); ++core) {
    const Hart& hart = cluster.harts()[core];
    for (std::size_t node = 0; node < hart.tree.size(); ++node) {
      std::int64_t cycles = hart.tree[node].cycles;
      if (static_cast<std::int32_t>(node) == hart.node) {
        cycles += std::max<std::int64_t>(0, cluster.cycles() - hart.node_since);
      }
      if (cycles == 0) continue;
      profile.stacks.push_back(
          {path_of(program, hart, static_cast<std::int32_t>(node)), core, cycles});
    }
  }
}

}  // namespace

Spent spent_by(const Hart& hart, const Code& code, const pulp::Machine::Core& core) {
  Spent all;
  for (std::size_t at = 0; at + 1 < code.size(); ++at) {
    if (hart.count[at] != 0) all.add(spent_at(hart, at, code[at], core));
  }
  return all;
}

Profile profile_of(const Elf& program, const pulp::Machine& machine, const Cluster& cluster) {
  const std::size_t cores = cluster.harts().size();
  Profile profile{.cycles = cluster.cycles(), .cores = std::vector<Spent>(cores)};
  const Code& code = cluster.code();
  for (std::size_t at = 0; at + 1 < code.size(); ++at) {
    Spent all;
    const Word address = code.address(&code[at]);
    for (std::size_t core = 0; core < cores; ++core) {
      const Hart& hart = cluster.harts()[core];
      if (hart.count[at] == 0) continue;
      const Spent spent = spent_at(hart, at, code[at], machine.core);
      all.add(spent);
      profile.cores[core].add(spent);
      function_for(profile, program, address, cores).cores[core].add(spent);
    }
    if (all.instructions == 0) continue;
    const auto instruction = decode(code.word(&code[at]));
    function_for(profile, program, address, cores)
        .instructions.push_back(
            {address, instruction ? disassemble(*instruction, address) : "", all});
  }
  add_calls(profile, program, cluster);
  for (unsigned lane = 0; lane < Mchan::kLanes; ++lane) {
    profile.dma_bytes.push_back(cluster.dma().bytes_moved(lane));
    profile.dma_cycles.push_back(cluster.dma().busy_cycles(lane));
  }
  profile.dma_commands = cluster.dma().commands();
  profile.l3_bytes = cluster.l3().bytes_moved();
  profile.l3_transfers = cluster.l3().transfers();
  add_stacks(profile, program, cluster);
  return profile;
}

}  // namespace workbench::riscv
