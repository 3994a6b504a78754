#include "isa/pulp/icache.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>
#include <variant>

#include "core/units.h"
#include "isa/pulp/cost.h"

namespace workbench::pulp {

CodeCache::CodeCache(std::int64_t bytes, std::int64_t ways, std::int64_t line_bytes)
    : ways_(
          static_cast<std::size_t>(std::max<std::int64_t>(1, std::min(ways, bytes / line_bytes)))),
      sets_(static_cast<std::size_t>(
          std::max<std::int64_t>(1, bytes / line_bytes / static_cast<std::int64_t>(ways_)))),
      lines_(sets_ * ways_, -1) {}

bool CodeCache::misses(std::int64_t line) {
  const auto set =
      lines_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(line) % sets_ * ways_);
  const auto end = set + static_cast<std::ptrdiff_t>(ways_);
  if (std::find(set, end, line) != end) return false;
  set[static_cast<std::ptrdiff_t>(next_way())] = line;
  return true;
}

// 8 bits, taps 8, 4, 3 and 2, of which the lowest is left out (docs/facts/pulp.md 1.3).
std::size_t CodeCache::next_way() {
  const auto bit = [&](int i) { return random_ >> i & 1; };
  const int feedback = 1 ^ bit(7) ^ bit(3) ^ bit(2) ^ bit(1);
  random_ = static_cast<std::uint8_t>(random_ << 1 | feedback);
  return static_cast<std::size_t>(random_ >> 1) % ways_;
}

namespace {

// Iterations of a loop that are followed; the last half of them stand for all behind.
constexpr std::int64_t kIterations = 4;

struct Loop {
  double misses = 0;            // of its own code, without that of loops in it
  std::int64_t iterations = 1;  // in the whole run
};

class PrivateRefills {
 public:
  PrivateRefills(const CoreCode& code, const Machine::ICache& cache)
      : code_(code),
        line_bytes_(cache.line_bytes),
        cache_(cache.private_bytes, cache.private_ways, cache.line_bytes),
        loops_(code.size() + 1) {
    run(0, code.size(), 1, code.size());
    count(0, code.size(), 1);
  }
  // By the loop's node; the last: outside loops.
  const std::vector<Loop>& loops() const { return loops_; }

 private:
  void run(std::size_t begin, std::size_t end, double weight, std::size_t owner) {
    for (std::size_t i = begin; i < end; ++i) {
      if (code_[i].kind == CodeNode::Kind::Loop) {
        run_loop(i, weight);
        i = static_cast<std::size_t>(code_[i].end) - 1;
      } else {
        fetch(code_[i], weight, owner);
      }
    }
  }

  void run_loop(std::size_t node, double weight) {
    const std::int64_t trips = code_[node].trips, followed = std::min(trips, kIterations);
    const std::int64_t alone = trips > followed ? followed / 2 : followed;
    for (std::int64_t k = 0; k < followed; ++k) {
      const std::int64_t before = fetched_;
      const double stands_for =
          k < alone ? 1
                    : static_cast<double>(trips - alone) / static_cast<double>(followed - alone);
      run(node + 1, static_cast<std::size_t>(code_[node].end), weight * stands_for, node);
      if (fetched_ == before) break;  // all of it is there, and stays
    }
  }

  void fetch(const CodeNode& node, double weight, std::size_t owner) {
    if (node.code_bytes == 0) return;
    const std::int64_t last = (node.code_begin + node.code_bytes - 1) / line_bytes_;
    for (std::int64_t line = node.code_begin / line_bytes_; line <= last; ++line) {
      if (!cache_.misses(line)) continue;
      ++fetched_;
      loops_[owner].misses += weight;
    }
  }

  void count(std::size_t begin, std::size_t end, std::int64_t times) {
    for (std::size_t i = begin; i < end; ++i) {
      if (code_[i].kind != CodeNode::Kind::Loop) continue;
      const auto body_end = static_cast<std::size_t>(code_[i].end);
      loops_[i].iterations = times * code_[i].trips;
      count(i + 1, body_end, loops_[i].iterations);
      i = body_end - 1;
    }
  }

  const CoreCode& code_;
  std::int64_t line_bytes_;
  CodeCache cache_;
  std::vector<Loop> loops_;
  std::int64_t fetched_ = 0;  // lines
};

}  // namespace

void add_private_refills(CoreCode& code, const Machine::ICache& cache) {
  const PrivateRefills refills(code, cache);
  double before = 0;
  for (std::size_t i = 0; i < refills.loops().size(); ++i) {
    const Loop& loop = refills.loops()[i];
    const double cycles = loop.misses * static_cast<double>(cache.private_miss_cycles);
    const bool outside = i == code.size();
    const auto each =
        outside ? 0 : static_cast<std::int64_t>(cycles / static_cast<double>(loop.iterations));
    if (!outside) code[i].iteration_cycles = static_cast<std::int32_t>(each);
    before += cycles - static_cast<double>(each * loop.iterations);
  }
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i].kind == CodeNode::Kind::Loop) i = static_cast<std::size_t>(code[i].end) - 1;
    if (code[i].kind != CodeNode::Kind::Work || code[i].code_bytes == 0) continue;
    code[i].cycles += std::llround(before);
    return;
  }
}

namespace {

class SharedRefills {
 public:
  SharedRefills(const Program& program, const Machine& machine)
      : program_(program),
        machine_(machine),
        cache_(machine.icache.shared_bytes, machine.icache.shared_ways, machine.icache.line_bytes) {
  }

  std::vector<std::int64_t> run() {
    std::vector<std::int64_t> cycles;
    cycles.reserve(program_.instructions.size());
    for (at_ = 0; at_ < program_.instructions.size(); ++at_) {
      const std::int64_t lines =
          std::visit([this](const auto& op) { return fetched(op); }, program_.instructions[at_]);
      cycles.push_back(lines * machine_.icache.shared_miss_cycles);
    }
    return cycles;
  }

 private:
  std::int64_t fetched(const Code& op) {
    const auto& layers = program_.info.instruction_layer;
    const std::int64_t layer = at_ < layers.size() ? layers[at_] : 0;
    // The layer's own code, then that of its tiles.
    const std::pair<std::int64_t, std::int64_t> function{-1 - layer, op.instructions};
    return fetch(function, machine_.code.instruction_bytes * op.instructions);
  }
  std::int64_t fetched(const Kernel& op) {
    const auto [bytes, is_new] = bytes_.try_emplace(alike(op), 0);
    if (is_new) bytes->second = code_bytes(op, machine_);
    return fetch({static_cast<std::int64_t>(op.kind), 0}, bytes->second);
  }
  template <typename Op>
  std::int64_t fetched(const Op&) {
    return 0;  // stores and loads between the layer's own instructions
  }

  // Functions lie one behind the other in the order in which they are first called; what a call
  // of one runs more than the calls before lies where there is room.
  std::int64_t fetch(const std::pair<std::int64_t, std::int64_t>& function, std::int64_t bytes) {
    std::vector<std::int64_t>& lines = functions_[function];
    while (std::ssize(lines) < ceil_div(bytes, machine_.icache.line_bytes)) {
      lines.push_back(next_line_++);
    }
    std::int64_t fetched = 0;
    for (std::int64_t i = 0; i < ceil_div(bytes, machine_.icache.line_bytes); ++i) {
      fetched += cache_.misses(lines[static_cast<std::size_t>(i)]) ? 1 : 0;
    }
    return fetched;
  }

  const Program& program_;
  const Machine& machine_;
  CodeCache cache_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> functions_;
  std::unordered_map<Kernel, std::int64_t, KernelHash> bytes_;
  std::int64_t next_line_ = 0;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::int64_t> shared_refills(const Program& program, const Machine& machine) {
  if (machine.icache.ideal != 0) {
    return std::vector<std::int64_t>(program.instructions.size(), 0);
  }
  return SharedRefills(program, machine).run();
}

}  // namespace workbench::pulp
