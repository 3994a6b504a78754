#include "tests/support/pulp_dataflow.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/units.h"

namespace workbench {

namespace {

using namespace pulp;  // NOLINT(google-build-using-namespace)

bool meet(const std::vector<Region>& a, const std::vector<Region>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Region& left) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Region& right) { return overlap(left, right); });
  });
}

bool conflict(const Footprint& a, const Footprint& b) {
  return meet(a.writes, b.reads) || meet(a.reads, b.writes) || meet(a.writes, b.writes);
}

std::vector<Region> regions_of(const TensorPlace& p) {
  std::vector<Region> result;
  for (std::int64_t y = 0; y < p.height; ++y) {
    result.push_back({p.space, p.address + y * p.row_stride, ceil_div(p.channels * p.bits, 8),
                      p.width, p.pixel_stride});
  }
  return result;
}

// What core `core` issues of a transfer (instructions.h); length 0: nothing.
Dma share(Dma op, std::int64_t core, std::int64_t cores) {
  const bool by_rows = op.rows > 1, by_planes = !by_rows && op.planes > 1;
  const bool by_lines = !by_rows && !by_planes && op.lines > 1 && !op.two_d;
  if (!op.split || (!by_rows && !by_planes && !by_lines)) {
    if (core != 0) op.length = 0;
    return op;
  }
  std::int64_t& count = by_rows ? op.rows : by_planes ? op.planes : op.lines;
  const std::int64_t each = ceil_div(count, cores), first = std::min(count, core * each);
  count = std::min(count - first, each);
  op.l1 += first * (by_rows     ? op.l1_row_stride
                    : by_planes ? op.l1_plane_stride
                                : op.l1_line_stride);
  op.l2 += first * (by_rows     ? op.l2_row_stride
                    : by_planes ? op.l2_plane_stride
                                : op.l2_line_stride);
  return op;
}

// A transfer, or one core's part of it, that not all cores know to be done.
struct Open {
  std::size_t instruction = 0;
  std::int64_t core = 0, id = 0;
  bool l3 = false, waited = false;
  Footprint touched;
};

class Timing {
 public:
  Timing(const Program& program, const Machine& machine) : program_(program), machine_(machine) {}

  std::string run() {
    std::size_t probe = 0;
    std::set<std::int32_t> quiet;  // host steps wait for everything
    for (const HostStep& step : program_.host_steps) quiet.insert(step.before);
    for (at_ = 0; at_ < program_.instructions.size() && found_.empty(); ++at_) {
      if (quiet.contains(static_cast<std::int32_t>(at_))) open_.clear();
      std::visit([this](const auto& op) { run(op); }, program_.instructions[at_]);
      for (; probe < program_.probes.size() &&
             program_.probes[probe].after <= static_cast<std::int32_t>(at_);
           ++probe) {
        looked_at(program_.probes[probe].place);
      }
    }
    return found_;
  }

 private:
  void run(const Barrier&) {
    std::erase_if(open_, [](const Open& open) { return open.waited; });
  }
  void run(const DmaWait& op) { waited(op.id, false); }
  void run(const L3Wait& op) { waited(op.id, true); }
  void run(const Dma& op) {
    std::vector<Open> parts;
    for (std::int64_t core = 0; core < machine_.cluster.cores; ++core) {
      const Dma part = share(op, core, machine_.cluster.cores);
      if (part.bytes() > 0) parts.push_back({at_, core, op.id, false, false, {}});
      if (part.bytes() > 0) parts.back().touched = footprint(part, machine_);
    }
    for (const Open& part : parts) against(part.touched, part.core);
    open_.insert(open_.end(), parts.begin(), parts.end());
  }
  void run(const L3Transfer& op) {
    const Footprint touched = footprint(op, machine_);
    against(touched, 0);
    open_.push_back({at_, 0, op.id, true, false, touched});
  }
  void run(const Kernel& op) {
    against(footprint(op, machine_), -1);
    run(Barrier{});  // every kernel ends with one
  }
  template <typename Op>
  void run(const Op&) {}

  void waited(std::int64_t id, bool l3) {
    for (Open& open : open_) open.waited = open.waited || (open.id == id && open.l3 == l3);
  }
  // `core`: who does it; -1: all.
  void against(const Footprint& touched, std::int64_t core) {
    for (const Open& open : open_) {
      const bool known = open.waited && open.core == core;
      if (!known && conflict(open.touched, touched)) found(open.instruction);
    }
  }
  // From outside the program, once it has been waited for.
  void looked_at(const TensorPlace& place) {
    for (const Open& open : open_) {
      if (!open.waited && meet(open.touched.writes, regions_of(place))) found(open.instruction);
    }
  }
  void found(std::size_t earlier) {
    if (found_.empty()) found_ = fmt::format("instructions {} and {}", earlier, at_);
  }

  const Program& program_;
  const Machine& machine_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
  std::string found_;
};

using Number = std::uint64_t;

Number mixed(Number a, Number b) {
  Number x = a * 0x9e3779b97f4a7c15U ^ (b + 0x7f4a7c159e3779b9U + (a << 6U) + (a >> 3U));
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  return x ^ (x >> 27U);
}

Number number_of(std::string_view text) {
  Number number = 1;
  for (const char c : text) number = mixed(number, static_cast<unsigned char>(c));
  return number;
}

bool is_address(std::string_view field) {
  for (const char* name : {"in", "in2", "weights", "bias", "kappa", "lambda", "out", "scratch"}) {
    if (field == name) return true;
  }
  return false;
}

// An address outside the memories.
struct Unknown {};

bool works_in_place(const Kernel& op, const Region& write, const Region& read) {
  const bool element_wise = op.kind == KernelKind::Requantize || op.kind == KernelKind::Add ||
                            op.kind == KernelKind::MaxPool;
  return element_wise && write == read;
}

bool in_its_own_way(const Kernel& op, const Footprint& touched) {
  for (std::size_t i = 0; i < touched.writes.size(); ++i) {
    for (const Region& read : touched.reads) {
      const Region& write = touched.writes[i];
      if (overlap(write, read) && !works_in_place(op, write, read)) return true;
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (overlap(touched.writes[i], touched.writes[j])) return true;
    }
  }
  return false;
}

class Provenance {
 public:
  Provenance(const Program& program, const Machine& machine)
      : program_(program), machine_(machine) {
    space(Space::L1).resize(static_cast<std::size_t>(machine.l1.buffer_bytes));
    space(Space::L2).resize(static_cast<std::size_t>(machine.l2.buffer_bytes));
    space(Space::L3).resize(
        std::max(program.constants.size(), static_cast<std::size_t>(program.l3_bytes)));
    for (std::size_t i = 0; i < program.constants.size(); ++i) {
      space(Space::L3)[i] = 1U + static_cast<unsigned char>(program.constants[i]);
    }
  }

  std::vector<Number> run() {
    std::size_t probe = 0, step = 0;
    const auto count = static_cast<std::int32_t>(program_.instructions.size());
    for (std::int32_t i = 0; i <= count; ++i) {
      for (; step < program_.host_steps.size() && program_.host_steps[step].before <= i; ++step) {
        host(program_.host_steps[step]);
      }
      if (i == count) break;
      std::visit([this](const auto& op) { run(op); },
                 program_.instructions[static_cast<std::size_t>(i)]);
      for (; probe < program_.probes.size() && program_.probes[probe].after <= i; ++probe) {
        look_at(program_.probes[probe].place);
      }
    }
    return std::move(seen_);
  }

 private:
  std::vector<Number>& space(Space space) { return memory_[static_cast<std::size_t>(space)]; }
  Number& at(Space where, std::int64_t address) {
    std::vector<Number>& memory = space(where);
    if (address < 0 || address >= static_cast<std::int64_t>(memory.size())) throw Unknown{};
    return memory[static_cast<std::size_t>(address)];
  }

  void run(const Dma& op) {
    for (std::int64_t p = 0; p < op.planes; ++p) {
      for (std::int64_t r = 0; r < op.rows; ++r) {
        for (std::int64_t l = 0; l < op.lines; ++l) {
          const std::int64_t l1 =
              op.l1 + p * op.l1_plane_stride + r * op.l1_row_stride + l * op.l1_line_stride;
          const std::int64_t l2 =
              op.l2 + p * op.l2_plane_stride + r * op.l2_row_stride + l * op.l2_line_stride;
          copy(op.to_l1, Space::L2, l2, Space::L1, l1, op.length);
        }
      }
    }
  }
  void run(const L3Transfer& op) {
    for (std::int64_t r = 0; r < op.rows; ++r) {
      copy(op.to_l2, Space::L3, op.l3 + r * op.l3_stride, Space::L2, op.l2 + r * op.l2_stride,
           op.length);
    }
  }
  void copy(bool inward, Space outer, std::int64_t outer_address, Space inner,
            std::int64_t inner_address, std::int64_t bytes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
      Number& a = at(outer, outer_address + i);
      Number& b = at(inner, inner_address + i);
      inward ? b = a : a = b;
    }
  }

  // A result byte is a number of the call, of everything it reads and of its place in the result.
  void run(const Kernel& op) {
    Number call = 2;
    const Footprint touched = footprint(op, machine_);
    // What such a kernel leaves depends on where its operands lie, too: sums that are gone on with
    // in their place.
    const bool in_place = in_its_own_way(op, touched);
    for_each_field(op, [&](std::string_view field, const auto& member) {
      if (in_place || !is_address(field)) call = mixed(call, static_cast<Number>(member));
    });
    for (const Region& region : touched.reads) {
      call = mixed(call, static_cast<Number>(region.length));
      for (std::int64_t i = 0; i < region.length; ++i) {
        call = mixed(call, at(region.space, region.address + i));
      }
    }
    Number part = 0;
    for (const Region& region : touched.writes) {
      ++part;
      for (std::int64_t i = 0; i < region.length; ++i) {
        at(region.space, region.address + i) = mixed(call + part, static_cast<Number>(i));
      }
    }
  }
  template <typename Op>
  void run(const Op&) {}

  // The host's results are numbers of all it has read so far.
  void host(const HostStep& step) {
    for (const std::size_t n : step.nodes) {
      for (const ValueId id : program_.host.nodes.at(n).inputs) {
        if (id == kNoValue) continue;
        for (const TensorPlace& p : program_.outputs) {
          if (p.value == program_.host.value(id).name) look_at(p);
        }
      }
      for (const ValueId id : program_.host.nodes.at(n).outputs) {
        for (const TensorPlace& p : program_.inputs) {
          if (id != kNoValue && p.value == program_.host.value(id).name) leave(p);
        }
      }
    }
  }
  template <typename Call>
  void each_byte(const TensorPlace& place, Call call) {
    for (const Region& region : regions_of(place)) {
      for (std::int64_t i = 0; i < region.count; ++i) {
        for (std::int64_t j = 0; j < region.length; ++j) {
          call(at(region.space, region.address + i * region.stride + j));
        }
      }
    }
  }
  void look_at(const TensorPlace& place) {
    each_byte(place, [&](const Number& byte) {
      seen_.push_back(byte);
      looked_ = mixed(looked_, byte);
    });
  }
  void leave(const TensorPlace& place) {
    Number byte = mixed(looked_, number_of(place.value));
    each_byte(place, [&](Number& there) { there = byte = mixed(byte, 3); });
  }

  const Program& program_;
  const Machine& machine_;
  std::array<std::vector<Number>, 3> memory_;
  std::vector<Number> seen_;
  Number looked_ = 4;
};

}  // namespace

std::string depends_on_timing(const Program& program, const Machine& machine) {
  return Timing(program, machine).run();
}

std::vector<std::uint64_t> provenance(const Program& program, const Machine& machine) {
  try {
    return Provenance(program, machine).run();
  } catch (const Unknown&) {
    return {};
  }
}

}  // namespace workbench
