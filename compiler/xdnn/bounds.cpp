#include "compiler/xdnn/bounds.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "compiler/xdnn/layout.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

namespace {

enum Resource : std::size_t { kArray, kDdr, kFilters, kChain, kDispatch, kEngines };

constexpr std::array<const char*, kUnits> kEngineNames = {"download", "upload",  "conv",
                                                          "pool",     "eltwise", "upsample"};

// The array and the loader of one convolution at its best: `inner` is what all passes but one take,
// loading the next slab meanwhile; the array time of one pass and the load of one slab may be
// hidden behind those of another instruction.
struct ConvLeast {
  Cycles array, inner, pass, slab;
  Bytes filters;
};

const Conv& conv_of(const Instruction& instruction) {
  const auto* fused = std::get_if<ConvPool>(&instruction);
  return fused != nullptr ? fused->conv : std::get<Conv>(instruction);
}

// With as many copies of its input's channels as take fewest steps.
Instruction with_fewest_steps(const Instruction& instruction, const Machine& machine) {
  Instruction best = instruction;
  if (machine.width_aligned()) return best;
  Conv& conv =
      std::holds_alternative<ConvPool>(best) ? std::get<ConvPool>(best).conv : std::get<Conv>(best);
  const auto layout = conv.tail.source_in_ddr ? ddr_source_layout : am_source_layout;
  const ChannelLayout fewest = layout(conv.in_ch, conv.kernel_h, conv.kernel_w, machine);
  if (array_steps(fewest, conv.kernel_h, conv.kernel_w) <
      array_steps(conv.tail.source, conv.kernel_h, conv.kernel_w)) {
    conv.tail.source = fewest;
  }
  conv.tail.half_rate = filter_mode(array_steps(filter_shape(conv), machine), machine).half_rate;
  conv.tail.pingpong_weight = filter_mode(filter_shape(conv), machine).pingpong;
  return best;
}

ConvLeast at_this_rate(const Instruction& instruction, const Machine& machine) {
  const ConvCost cost = conv_cost(instruction, machine);
  const ConvWork work = conv_work(instruction, machine);
  ConvLeast least{.array = work.compute, .filters = cost.slab * cost.passes};
  if (tail(instruction).source_in_ddr) {  // tiles: how often filters are fetched is a choice
    least.inner = least.array;
    return least;
  }
  least.pass = cost.row_cycles * cost.rows;
  least.slab = ddr_cycles(cost.slab, machine);
  const bool alternate = cost.slab_buffers < machine.filters.buffers;
  const Cycles each = alternate ? std::max(least.pass, least.slab) : least.pass + least.slab;
  least.inner = each * (cost.passes - 1);
  return least;
}

ConvLeast conv_least(const Instruction& as_written, const Machine& machine) {
  const Instruction instruction = with_fewest_steps(as_written, machine);
  ConvLeast least = at_this_rate(instruction, machine);
  if (machine.width_aligned() || conv_of(instruction).tail.half_rate ||
      machine.pass_channels(true) >= machine.pass_channels(false)) {
    return least;
  }
  Instruction halves = instruction;
  Tail& t = tail(halves);
  t.half_rate = true;
  t.pingpong_weight = filter_mode(filter_shape(conv_of(halves)), machine).pingpong;
  // Some channels may be done at either rate: each part is bound by the rate that is better for it.
  const ConvLeast other = at_this_rate(halves, machine);
  least.inner = std::min(least.inner, other.inner);
  least.pass = std::min(least.pass, other.pass);
  least.slab = std::min(least.slab, other.slab);
  if (other.filters.value < least.filters.value) least.filters = other.filters;
  return least;
}

// The one instruction through which all data comes, when it is a convolution that reads its input
// tile by tile: nothing else can begin before it has ended.
std::optional<std::size_t> only_source(const Program& program) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Instruction& instruction = program.steps[i].instruction;
    const bool brings = std::holds_alternative<Gather>(instruction) ||
                        tail(instruction).source_in_ddr || tail(instruction).slice == 0;
    if (!brings) continue;
    if (found || unit_of(instruction) != Unit::Conv || tail(instruction).slice == 0) {
      return std::nullopt;
    }
    found = i;
  }
  return found;
}

// By how much the input of a convolution, in one tile, takes longer to come than to be computed
// with.
Cycles wait_for_input(const Instruction& instruction, const Machine& machine) {
  Instruction whole = instruction;
  Tail& t = tail(whole);
  t.source = plain_layout(conv_of(whole).in_ch, machine.geometry());
  t.tile_width = t.tile_height = machine.limits.side_max;
  const Cycles computing = conv_least(instruction, machine).array;
  const Cycles coming = conv_work(whole, machine).inputs;
  return coming > computing ? coming - computing : Cycles{};
}

// The longest chain of instructions each of which reads what the one before it has written. An
// instruction that reads is given to its unit when what it reads is written, and only then does it
// load filters.
class Chain {
 public:
  Chain(const Program& program, const Machine& machine) : program_(program) {
    for (const Step& step : program.steps) {
      Footprint& touched = footprints_.emplace_back(footprint(step, machine));
      touched.am_writes.resize(touched.am_writes.size() - touched.tile_regions);
    }
  }

  // `least`: of each instruction from when it is given until its result is there.
  Cycles run(const std::vector<Cycles>& least) const {
    std::vector<Cycles> done;
    Cycles end, idle;  // `idle`: when all engines stood still for the host
    std::size_t next_host_step = 0;
    for (std::size_t i = 0; i < least.size(); ++i) {
      const auto& host = program_.host_steps;
      for (; next_host_step < host.size() &&
             host[next_host_step].before <= static_cast<std::int32_t>(i);
           ++next_host_step) {
        idle = end;
      }
      Cycles ready = idle;
      for (const std::size_t writer : writers_of(i)) ready = std::max(ready, done[writer]);
      done.push_back(ready + least[i]);
      end = std::max(end, done.back());
    }
    return end;
  }

 private:
  using Regions = std::vector<AmRegion>;

  // What is left of `regions` without `taken`.
  static Regions without(const Regions& regions, const AmRegion& taken) {
    Regions left;
    for (const AmRegion& r : regions) {
      if (!overlap(r, taken)) {
        left.push_back(r);
        continue;
      }
      const std::int64_t begin = std::max(r.word_begin, taken.word_begin);
      const std::int64_t end = std::min(r.word_end, taken.word_end);
      if (r.word_begin < begin) {
        left.push_back({r.word_begin, begin, r.byte_begin, r.byte_end, r.slice});
      }
      if (end < r.word_end) left.push_back({end, r.word_end, r.byte_begin, r.byte_end, r.slice});
      if (r.byte_begin < taken.byte_begin) {
        left.push_back({begin, end, r.byte_begin, taken.byte_begin, r.slice});
      }
      if (taken.byte_end < r.byte_end) {
        left.push_back({begin, end, taken.byte_end, r.byte_end, r.slice});
      }
    }
    return left;
  }

  // The last that wrote what instruction `i` reads.
  std::vector<std::size_t> writers_of(std::size_t i) const {
    std::vector<std::size_t> writers;
    Regions sought = footprints_[i].am_reads;
    for (std::size_t j = i; j-- > 0 && !sought.empty();) {
      for (const AmRegion& written : footprints_[j].am_writes) {
        const bool found = std::any_of(sought.begin(), sought.end(),
                                       [&](const AmRegion& r) { return overlap(r, written); });
        if (!found) continue;
        sought = without(sought, written);
        if (writers.empty() || writers.back() != j) writers.push_back(j);
      }
    }
    return writers;
  }

  const Program& program_;
  std::vector<Footprint> footprints_;
};

class Sums {
 public:
  Sums(const Program& program, const Machine& machine)
      : program_(program), machine_(machine), uses_(program.steps.size()) {
    if (machine.width_aligned()) return;
    source_ = only_source(program);
    std::map<std::int64_t, std::vector<std::size_t>> with;  // filters at this address
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
      const Instruction& instruction = program.steps[i].instruction;
      const bool array = unit_of(instruction) == Unit::Conv && tail(instruction).slice != 0;
      if (!array || tail(instruction).source_in_ddr) continue;
      with[program.steps[i].filter_address].push_back(i);
    }
    for (const auto& [address, steps] : with) {
      if (steps.size() == 1) continue;
      for (const std::size_t i : steps) {
        uses_[i] = i == steps.front() ? FilterUse::FirstOfSeveral : FilterUse::Again;
      }
    }
  }

  Bounds run() {
    Bounds bounds;
    bounds.resources = names();
    for (std::size_t layer = 0; layer < program_.info.layers.size(); ++layer) {
      bounds.layers.push_back(of(static_cast<std::int32_t>(layer)));
    }
    bounds.total = of(std::nullopt);
    if (!machine_.serial()) bounds.total[kChain] = chain();
    return bounds;
  }

 private:
  std::vector<std::string> names() const {
    if (machine_.serial()) return {"in turn"};
    std::vector<std::string> list = {"array", "DDR", "filters", "chain", "dispatch"};
    for (const char* name : kEngineNames) list.emplace_back(name);
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(engine(Unit::Conv)));
    return list;
  }
  // Convolutions with the same filters can take turns at each slab (kept_filters()).
  enum class FilterUse { Alone, FirstOfSeveral, Again };

  static std::size_t engine(Unit unit) {
    const auto number = static_cast<std::size_t>(unit);
    return kEngines + number - (unit > Unit::Conv ? 1 : 0);
  }

  std::vector<Cycles> of(std::optional<std::int32_t> layer) const {
    std::vector<Cycles> times(names().size());
    Bytes moved;
    Cycles inner, pass, slab;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      if (layer && program_.info.instruction_layer[i] != *layer) continue;
      const Step& step = program_.steps[i];
      if (machine_.serial()) {
        times[0] += duration(step, machine_);  // the next one is decoded meanwhile
        continue;
      }
      times[kDispatch] += Cycles{machine_.control.issue_cycles};
      moved += bytes_of(step.instruction, uses_[i]);
      const Unit unit = unit_of(step.instruction);
      if (unit != Unit::Conv) {
        times[engine(unit)] += stream_least(step);
      } else if (tail(step.instruction).slice != 0) {
        const ConvLeast least = conv_least(step.instruction, machine_);
        times[kArray] += least.array;
        if (i == source_) {
          const Cycles wait = wait_for_input(step.instruction, machine_);
          times[kArray] += wait;
          // Slabs of what comes next may be loaded meanwhile, as many as there is room for.
          inner += std::max(Cycles{}, wait - room_for_filters());
        }
        if (uses_[i] != FilterUse::Alone) {
          pass += least.array;
          if (uses_[i] == FilterUse::FirstOfSeveral) slab += ddr_cycles(least.filters, machine_);
          continue;
        }
        inner += least.inner, pass += least.pass, slab += least.slab;
      }
    }
    if (machine_.serial()) return times;
    times[kDdr] = ddr_cycles(moved, machine_);
    times[kFilters] = inner + std::max(pass, slab);
    return times;
  }

  // Nothing of programs whose instructions work on several images at once.
  Cycles chain() const {
    std::vector<Cycles> least;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const Step& step = program_.steps[i];
      if (tail(step.instruction).slice == 0) return {};
      least.push_back(unit_of(step.instruction) == Unit::Conv ? alone(i) : stream_least(step));
    }
    return Chain(program_, machine_).run(least);
  }

  // From when a convolution is given to its unit until its result is there.
  Cycles alone(std::size_t i) const {
    const Instruction& instruction = program_.steps[i].instruction;
    const ConvLeast least = conv_least(instruction, machine_);
    const Cycles drain{machine_.drain_cycles()};
    if (uses_[i] != FilterUse::Alone) return least.array + drain;
    if (tail(instruction).source_in_ddr) {
      return least.array + wait_for_input(instruction, machine_);
    }
    return Cycles{machine_.ddr.latency_cycles} + least.slab + least.inner + least.pass + drain;
  }

  Cycles room_for_filters() const {
    const Bytes slab{slab_bytes(machine_.filters.buffer_steps, false, machine_)};
    return ddr_cycles(slab * machine_.filters.buffers, machine_);
  }

  // An eltwise at best reads both operands at once.
  Cycles stream_least(Step step) const {
    if (auto* add = std::get_if<Eltwise>(&step.instruction)) add->tail.parallel_read = true;
    return duration(step, machine_);
  }

  Bytes bytes_of(const Instruction& instruction, FilterUse use) const {
    if (unit_of(instruction) != Unit::Conv) return stream_cost(instruction, machine_).ddr;
    const MachineOfSlice own(machine_, tail(instruction).slice);
    Bytes bytes;
    if (use != FilterUse::Again) bytes = conv_least(instruction, own.get()).filters;
    if (tail(instruction).source_in_ddr) {
      const Conv& conv = conv_of(instruction);
      bytes += Bytes{ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, machine_.geometry())};
    }
    return bytes + result_bytes(instruction, machine_.geometry());
  }

  const Program& program_;
  const Machine& machine_;
  std::vector<FilterUse> uses_;
  std::optional<std::size_t> source_;  // only_source()
};

}  // namespace

Bounds least_times(const Program& program, const Machine& machine) {
  return Sums(program, machine).run();
}

}  // namespace workbench::xdnn
