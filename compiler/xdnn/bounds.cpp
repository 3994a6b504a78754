#include "compiler/xdnn/bounds.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/xdnn/layout.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

enum Resource : std::size_t { kArray, kDdr, kFilters, kChain, kDispatch, kEngines };

constexpr std::array<const char*, kUnits> kEngineNames = {"download", "upload",  "conv",
                                                          "pool",     "eltwise", "upsample"};

// Filters of a convolution in slabs of one rate, or of both, the first of which is `slab`: `inner`
// is what all passes but one take, loading the next slab meanwhile, `alone` what the convolution
// takes with nothing loaded before.
struct SlabOrder {
  Cycles inner, slab, alone;
};

// The array and the loader of one convolution at its best. The array time of one pass and the load
// of one slab may be hidden behind those of another instruction.
struct ConvLeast {
  Cycles array, pass;
  std::vector<SlabOrder>
      ways;  // none: tiles from DDR, with which how often filters come is a choice
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

// Slabs at one rate.
struct Rate {
  std::int64_t channels = 0;  // of a pass
  Cycles pass;
  Cycles slab, more;       // the first slab that is loaded, rounded up; each further one, at least
  Bytes bytes;             // of a slab
  bool alternate = false;  // the next slab is loaded while the array works with this one
  Bytes filters;           // of the whole convolution
};

Rate rate_of(const Instruction& instruction, const Machine& machine) {
  const ConvCost cost = conv_cost(instruction, machine);
  const bool half = !machine.width_aligned() && conv_of(instruction).tail.half_rate;
  const Cycles slab = ddr_cycles(cost.slab, machine);
  return {.channels = machine.pass_channels(half),
          .pass = cost.row_cycles * cost.rows,
          .slab = slab,
          .more = slab - Cycles{1},
          .bytes = cost.slab,
          .alternate = cost.slab_buffers < machine.filters.buffers,
          .filters = cost.slab * cost.passes};
}

// The rates at which it can be done; the first is that of fewest passes.
std::vector<Rate> rates_of(const Instruction& instruction, const Machine& machine) {
  std::vector<Rate> rates = {rate_of(instruction, machine)};
  if (machine.width_aligned() || conv_of(instruction).tail.half_rate ||
      machine.pass_channels(true) >= machine.pass_channels(false)) {
    return rates;
  }
  Instruction halves = instruction;
  Tail& t = tail(halves);
  t.half_rate = true;
  t.pingpong_weight = filter_mode(filter_shape(conv_of(halves)), machine).pingpong;
  rates.push_back(rate_of(halves, machine));
  return rates;
}

// So many passes of each rate, one of `half` or of `full` first, the others in whatever order.
SlabOrder in_slabs(const Rate& full, std::int64_t fulls, const Rate& half, std::int64_t halves,
                   bool half_first, const Machine& machine) {
  const Rate& first = half_first ? half : full;
  Cycles inner;
  Cycles apart;  // loads that no pass of this convolution hides
  const auto add = [&](const Rate& rate, std::int64_t passes) {
    const bool beside = rate.alternate;
    inner += passes * (beside ? std::max(full.pass, rate.more) : full.pass + rate.more);
    if (!beside) apart += passes * rate.more;
  };
  add(full, fulls - (half_first ? 0 : 1));
  add(half, halves - (half_first ? 1 : 0));
  const Cycles computing = (fulls + halves) * full.pass;
  const Cycles loading = ddr_cycles(fulls * full.bytes + halves * half.bytes, machine);
  return {.inner = inner,
          .slab = first.more,  // of many convolutions together: bursts do not each round up
          .alone = std::max(first.slab + computing + apart, loading + full.pass)};
}

ConvLeast conv_least(const Instruction& as_written, const Machine& machine) {
  const Instruction instruction = with_fewest_steps(as_written, machine);
  const std::vector<Rate> rates = rates_of(instruction, machine);
  const Rate &full = rates.front(), &half = rates.back();
  ConvLeast least{.array = conv_work(instruction, machine).compute,
                  .pass = full.pass,
                  .ways = {},
                  .filters = full.filters};
  if (half.filters.value < least.filters.value) least.filters = half.filters;
  if (tail(instruction).source_in_ddr) {
    least.pass = {};
    return least;
  }
  const std::int64_t channels = conv_of(instruction).out_ch;
  const std::int64_t most = rates.size() > 1 ? ceil_div(channels, half.channels) : 0;
  for (std::int64_t halves = 0; halves <= most; ++halves) {
    const std::int64_t rest = std::max<std::int64_t>(0, channels - halves * half.channels);
    const std::int64_t fulls = ceil_div(rest, full.channels);
    if (fulls > 0) least.ways.push_back(in_slabs(full, fulls, half, halves, false, machine));
    if (halves > 0) least.ways.push_back(in_slabs(full, fulls, half, halves, true, machine));
  }
  return least;
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

// Which instructions read what others have written. An instruction that reads is given to its unit
// when what it reads is written, and only then does it load filters.
class Chain {
 public:
  Chain(const Program& program, const Machine& machine) : program_(program) {
    for (const Step& step : program.steps) {
      Footprint& touched = footprints_.emplace_back(footprint(step, machine));
      touched.am_writes.resize(touched.am_writes.size() - touched.tile_regions);
    }
    is_read_.resize(footprints_.size());
    for (std::size_t i = 0; i < footprints_.size(); ++i) {
      writers_.push_back(writers_of(i));
      for (const std::size_t writer : writers_[i]) is_read_[writer] = true;
    }
  }

  // Of each instruction, whether it reads what `source` has written, through whichever others.
  std::vector<bool> behind(std::size_t source) const {
    std::vector<bool> depends(writers_.size());
    for (std::size_t i = source + 1; i < writers_.size(); ++i) {
      depends[i] = std::any_of(writers_[i].begin(), writers_[i].end(), [&](std::size_t writer) {
        return writer == source || depends[writer];
      });
    }
    return depends;
  }

  // Neither a convolution nor read by another instruction: a result on its way out.
  bool is_end(std::size_t i) const {
    return !is_read_[i] && unit_of(program_.steps[i].instruction) != Unit::Conv;
  }

  bool host_before(std::size_t i) const {
    return std::any_of(
        program_.host_steps.begin(), program_.host_steps.end(),
        [&](const HostStep& step) { return step.before == static_cast<std::int32_t>(i); });
  }

  // Where sections of the program begin: everything from there on, but for ends, needs all that is
  // before, or the host stands between. In whatever order, no section begins before the one in
  // front of it has ended. `by_host`, and of long programs: the host's turns alone.
  std::vector<std::size_t> sections(bool by_host) const {
    constexpr std::size_t kMost = 4096;
    const std::size_t count = writers_.size();
    std::vector<std::size_t> begins = {0};
    if (by_host || count > kMost) {
      for (std::size_t i = 1; i < count; ++i) {
        if (host_before(i)) begins.push_back(i);
      }
      return begins;
    }
    std::vector<std::vector<bool>> needs(count);
    std::vector<std::size_t> first_other(count + 1, count);  // before it, that i does not need
    for (std::size_t i = 0; i < count; ++i) {
      needs[i].resize(i);
      for (const std::size_t writer : writers_[i]) {
        needs[i][writer] = true;
        for (std::size_t j = 0; j < writer; ++j) needs[i][j] = needs[i][j] || needs[writer][j];
      }
      if (is_end(i)) continue;
      first_other[i] = i;
      for (std::size_t j = i; j-- > 0;) {
        if (!needs[i][j] && !is_end(j)) first_other[i] = j;
      }
    }
    for (std::size_t i = count; i-- > 0;) {  // of all from i on
      first_other[i] = std::min(first_other[i], first_other[i + 1]);
    }
    for (std::size_t i = 1; i < count; ++i) {
      if (first_other[i] >= i || host_before(i)) begins.push_back(i);
    }
    return begins;
  }

  // The longest chain of instructions [begin, end), each of which reads what the one before it has
  // written; `least`: of each from when it is given until its result is there. First without ends,
  // then with them.
  std::pair<Cycles, Cycles> longest(std::size_t begin, std::size_t end,
                                    const std::vector<Cycles>& least) const {
    std::vector<Cycles> done(end - begin);
    Cycles all, inside;
    for (std::size_t i = begin; i < end; ++i) {
      Cycles ready;
      for (const std::size_t writer : writers_[i]) {
        if (writer >= begin) ready = std::max(ready, done[writer - begin]);
      }
      done[i - begin] = ready + least[i];
      all = std::max(all, done[i - begin]);
      if (!is_end(i)) inside = std::max(inside, done[i - begin]);
    }
    return {inside, all};
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
  std::vector<std::vector<std::size_t>> writers_;
  std::vector<bool> is_read_;
};

// --- V2 ------------------------------------------------------------------------------------------

// What a serial machine takes for a program, one instruction after the other, if its memory were
// large enough: what was cut into row bands or channel chunks in one piece, each tensor of the
// host's moved once, and no other.
class InTurn {
 public:
  InTurn(const Program& program, const Machine& machine) : program_(program), machine_(machine) {
    for (const Node& node : program.host.nodes) {
      for (const ValueId id : node.outputs) add_value(id, from_host_);
      for (const ValueId id : node.inputs) add_value(id, for_host_);
    }
    planned_ = std::any_of(program.steps.begin(), program.steps.end(), [&](const Step& step) {
      const auto address = ddr_address(step.instruction);
      return address && spilled(tensor_at(*address), to_ddr(step));
    });
  }

  // Of a layer, or of all.
  Cycles of(std::optional<std::int32_t> layer) const {
    Cycles sum;
    std::map<std::pair<const DdrTensor*, bool>, Cycles> moved;  // to DDR or from there
    std::map<std::int32_t, std::vector<const Step*>> of_layer;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const std::int32_t its_layer = program_.info.instruction_layer[i];
      if (layer && its_layer != *layer) continue;
      const Step& step = program_.steps[i];
      if (const auto address = ddr_address(step.instruction)) {
        const DdrTensor* tensor = tensor_at(*address);
        if (!spilled(tensor, to_ddr(step))) {
          moved[{tensor, to_ddr(step)}] += duration(step, machine_);
        }
      } else {
        of_layer[its_layer].push_back(&step);
      }
    }
    for (const auto& [which, cycles] : moved) sum += least_moved(which.first, cycles);
    for (const auto& [number, steps] : of_layer) {
      sum += least_computed(program_.info.layers[static_cast<std::size_t>(number)], steps);
    }
    return sum;
  }

 private:
  static std::optional<std::int64_t> ddr_address(const Instruction& instruction) {
    if (const auto* gather = std::get_if<Gather>(&instruction)) return gather->ddr_address;
    if (const auto* scatter = std::get_if<Scatter>(&instruction)) return scatter->ddr_address;
    return std::nullopt;
  }

  const DdrTensor* tensor_at(std::int64_t address) const {
    for (const DdrTensor& t : program_.ddr_tensors) {
      const std::int64_t bytes =
          ddr_tensor_bytes(t.channels, t.height, t.width, machine_.geometry());
      if (t.address <= address && address < t.address + bytes) return &t;
    }
    return nullptr;
  }

  void add_value(ValueId id, std::set<std::string>& names) {
    if (id != kNoValue) names.insert(program_.host.value(id).name);
  }
  static bool to_ddr(const Step& step) { return unit_of(step.instruction) == Unit::Upload; }
  // The host neither wrote it, nor is it to read it.
  bool spilled(const DdrTensor* tensor, bool to_ddr) const {
    return tensor != nullptr && !(to_ddr ? for_host_ : from_host_).contains(tensor->value);
  }

  // All of it at once, if that is less than what its pieces take.
  Cycles least_moved(const DdrTensor* tensor, Cycles pieces) const {
    if (tensor == nullptr) return pieces;
    const Gather whole{.width = tensor->width,
                       .height = tensor->height,
                       .channels = tensor->channels,
                       .start_row = 0,
                       .end_row = tensor->height - 1};
    return std::min(pieces, duration({whole, 0, {}}, machine_));
  }

  Cycles least_computed(const LayerInfo& layer, const std::vector<const Step*>& steps) const {
    Cycles as_written;
    for (const Step* step : steps) as_written += duration(*step, machine_);
    if (steps.size() < 2 || layer.shape.size() != 4) return as_written;
    std::vector<const Step*> convs, others;
    for (const Step* step : steps) {
      (std::holds_alternative<Conv>(step->instruction) ? convs : others).push_back(step);
    }
    return std::min(as_written, joined_convs(layer, convs) + joined_streams(layer.shape, others));
  }

  // All channels are read, none of them times zero: no block of several groups.
  static bool is_dense(const LayerInfo& layer, const Conv& conv) {
    std::int64_t results = 1;
    for (const std::int64_t dim : layer.shape) results *= dim;
    return layer.macs == results * conv.in_ch * conv.kernel_w * conv.kernel_h;
  }

  // Bands of rows have the same filters; chunks of channels read the same inputs, or those that a
  // memory plan has fetched anew for each. Blocks of a grouped convolution have neither in common.
  Cycles joined_convs(const LayerInfo& layer, const std::vector<const Step*>& steps) const {
    struct Rows {
      Step whole;
      std::multiset<std::int64_t> sources;
    };
    std::map<std::int64_t, Rows> bands;  // by their filters
    for (const Step* step : steps) {
      const Conv& conv = std::get<Conv>(step->instruction);
      const auto [known, is_new] = bands.try_emplace(step->filter_address, Rows{*step, {}});
      known->second.sources.insert(conv.inaddr);
      Conv& whole = std::get<Conv>(known->second.whole.instruction);
      if (!is_new) whole.out_h = std::min(layer.shape[2], whole.out_h + conv.out_h);
    }
    std::map<std::multiset<std::int64_t>, Step> chunks;
    for (const auto& [filters, rows] : bands) {
      const bool fetched = planned_ && is_dense(layer, std::get<Conv>(rows.whole.instruction));
      const auto [known, is_new] =
          chunks.try_emplace(fetched ? std::multiset<std::int64_t>() : rows.sources, rows.whole);
      if (is_new) continue;
      std::get<Conv>(known->second.instruction).out_ch +=
          std::get<Conv>(rows.whole.instruction).out_ch;
    }
    Cycles sum;
    for (const auto& [sources, whole] : chunks) sum += duration(whole, machine_);
    return sum;
  }

  // Pools, sums and copies of one layer together make no more than its result.
  Cycles joined_streams(const Shape& shape, const std::vector<const Step*>& steps) const {
    Cycles sum, longest;
    for (const Step* step : steps) {
      sum += duration(*step, machine_);
      Step whole = *step;
      std::visit(
          [&](auto& op) {
            if constexpr (requires {
                            op.out_h;
                            op.channels;
                          }) {
              op.out_h = shape[2], op.channels = shape[1];
            } else if constexpr (requires {
                                   op.height;
                                   op.channels;
                                 }) {
              op.height = shape[2], op.channels = shape[1];
            }
          },
          whole.instruction);
      longest = std::max(longest, duration(whole, machine_));
    }
    return std::min(sum, longest);
  }

  const Program& program_;
  const Machine& machine_;
  std::set<std::string> from_host_, for_host_;  // tensors
  bool planned_ = false;                        // others are moved, too
};

// --- sums over a program -------------------------------------------------------------------------

class Sums {
 public:
  Sums(const Program& program, const Machine& machine)
      : program_(program), machine_(machine), uses_(program.steps.size()) {
    if (machine.serial()) return;
    chain_.emplace(program, machine);
    if (machine.width_aligned()) return;
    waits_ = waits_for_inputs();
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
    if (machine_.serial()) return {InTurn(program_, machine_).of(layer)};
    Bytes moved;
    Cycles inner, pass, slab;
    std::vector<ConvLeast> convs;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      if (layer && program_.info.instruction_layer[i] != *layer) continue;
      const Step& step = program_.steps[i];
      times[kDispatch] += Cycles{machine_.control.issue_cycles};
      moved += bytes_of(step.instruction, uses_[i]);
      const Unit unit = unit_of(step.instruction);
      if (unit != Unit::Conv) {
        times[engine(unit)] += stream_least(step);
      } else if (tail(step.instruction).slice != 0) {
        const ConvLeast least = conv_least(step.instruction, machine_);
        times[kArray] += least.array;
        if (const auto wait = waits_.find(i); wait != waits_.end()) {
          times[kArray] += wait->second;
          // Slabs of what comes next may be loaded meanwhile, as many as there is room for.
          inner += std::max(Cycles{}, wait->second - room_for_filters());
        }
        if (uses_[i] != FilterUse::Alone) {
          pass += least.array;
          if (uses_[i] == FilterUse::FirstOfSeveral) slab += ddr_cycles(least.filters, machine_);
        } else if (least.ways.empty()) {
          inner += least.array;
        } else {
          convs.push_back(least);
        }
      }
    }
    times[kDdr] = ddr_cycles(moved, machine_);
    times[kFilters] = inner + at_borders(convs, pass, slab);
    return times;
  }

  // Array and loader of these convolutions and of some passes and loads beside. At the borders of
  // instructions the array time of all passes or the loads of all slabs count, whichever is more:
  // that is no less than any share of the one and the rest of the other, of which each convolution
  // has a least sum of its own.
  static Cycles at_borders(const std::vector<ConvLeast>& convs, Cycles pass, Cycles slab) {
    constexpr std::int64_t kShares = 8;
    Cycles most;
    for (std::int64_t share = 0; share <= kShares; ++share) {
      const auto mixed = [&](Cycles passes, Cycles slabs) {
        return Cycles{((kShares - share) * passes.value + share * slabs.value) / kShares};
      };
      Cycles sum = mixed(pass, slab);
      for (const ConvLeast& conv : convs) {
        std::optional<Cycles> least;
        for (const SlabOrder& way : conv.ways) {
          const Cycles here = way.inner + mixed(conv.pass, way.slab);
          if (!least || here < *least) least = here;
        }
        sum += *least;
      }
      most = std::max(most, sum);
    }
    return most;
  }

  // By how much the array stands still for the input of convolutions that bring it tile by tile.
  // Tiles are asked for when the convolution before is begun with (of deeper queues one further
  // before), and no sooner: meanwhile the array works for that one, whichever it is that needs
  // nothing of this one's result. Where no other instruction brings data, nothing is before the
  // first of them.
  std::map<std::size_t, Cycles> waits_for_inputs() const {
    std::map<std::size_t, Cycles> waits;
    std::vector<std::size_t> tiled;
    std::vector<Cycles> arrays(program_.steps.size());
    bool others = false;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const Instruction& instruction = program_.steps[i].instruction;
      if (tail(instruction).slice == 0) return {};  // programs whose images overlap
      if (unit_of(instruction) == Unit::Conv) {
        arrays[i] = conv_least(instruction, machine_).array;
        if (tail(instruction).source_in_ddr) tiled.push_back(i);
      }
      others = others || std::holds_alternative<Gather>(instruction) ||
               (unit_of(instruction) != Unit::Conv && tail(instruction).source_in_ddr);
    }
    std::size_t first = 0;  // of `tiled`, the one before which least is lost if nothing is there
    Cycles least_lost;
    for (std::size_t t = 0; t < tiled.size(); ++t) {
      const Cycles alone = wait_for_input(program_.steps[tiled[t]].instruction, machine_);
      const Cycles before = longest_before(tiled[t], arrays);
      waits[tiled[t]] = alone > before ? alone - before : Cycles{};
      const Cycles lost = alone - waits[tiled[t]];
      if (t == 0 || lost < least_lost) first = t, least_lost = lost;
    }
    if (!tiled.empty() && !others) waits[tiled[first]] += least_lost;
    return waits;
  }

  // What the array can do at most while the first tiles of this convolution come.
  Cycles longest_before(std::size_t tiled, const std::vector<Cycles>& arrays) const {
    const std::vector<bool> behind = chain_->behind(tiled);
    std::vector<Cycles> others;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      if (i != tiled && !behind[i]) others.push_back(arrays[i]);
    }
    std::sort(others.begin(), others.end(), [](Cycles a, Cycles b) { return a > b; });
    const auto depth = static_cast<std::size_t>(machine_.control.queue_depth);
    others.resize(std::min(others.size(), depth));
    return std::accumulate(others.begin(), others.end(),
                           Cycles{machine_.ddr.latency_cycles});  // of one behind another
  }

  // Section by section the longest chain, or what array and loader take together with nothing
  // loaded before. Nothing of programs whose instructions work on several images at once.
  Cycles chain() const {
    std::vector<Cycles> least;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const Step& step = program_.steps[i];
      if (tail(step.instruction).slice == 0) return {};
      least.push_back(unit_of(step.instruction) == Unit::Conv ? alone(i) : stream_least(step));
    }
    std::vector<std::size_t> borders = chain_->sections(machine_.width_aligned());
    borders.push_back(program_.steps.size());
    Cycles begin, end;
    for (std::size_t s = 0; s + 1 < borders.size(); ++s) {
      const auto [inside, all] = chain_->longest(borders[s], borders[s + 1], least);
      end = std::max(end, begin + all);
      // Where lines hold pixels, array and loader together were seen to be counted too high by
      // 0.03 % (MathEngine, hundreds of small convolutions): not looked into further.
      begin += machine_.width_aligned()
                   ? inside
                   : std::max(inside, convs_together(borders[s], borders[s + 1]));
      if (chain_->host_before(borders[s + 1])) begin = std::max(begin, end);
    }
    return std::max(begin, end);
  }

  // From when the first convolution of the section is given to its unit until all results are
  // there.
  Cycles convs_together(std::size_t begin, std::size_t end) const {
    std::vector<ConvLeast> convs;
    Cycles arrays;
    bool load = true;                  // all of them
    std::optional<Cycles> pass, slab;  // the least
    const auto keep_least = [](std::optional<Cycles>& known, Cycles other) {
      if (!known || other < *known) known = other;
    };
    for (std::size_t i = begin; i < end; ++i) {
      if (unit_of(program_.steps[i].instruction) != Unit::Conv) continue;
      const ConvLeast& conv =
          convs.emplace_back(conv_least(program_.steps[i].instruction, machine_));
      arrays += conv.array;
      load = load && uses_[i] == FilterUse::Alone && !conv.ways.empty();
      keep_least(pass, conv.pass);
      for (const SlabOrder& way : conv.ways) keep_least(slab, way.slab);
    }
    if (convs.empty()) return {};
    const Cycles drain{machine_.drain_cycles()};
    if (!load) return arrays + drain;
    return Cycles{machine_.ddr.latency_cycles} + at_borders(convs, *slab, *pass) + drain;
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
    const auto way =
        std::min_element(least.ways.begin(), least.ways.end(),
                         [](const SlabOrder& a, const SlabOrder& b) { return a.alone < b.alone; });
    return Cycles{machine_.ddr.latency_cycles} + way->alone + drain;
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
  std::optional<Chain> chain_;           // of machines on which instructions overlap
  std::map<std::size_t, Cycles> waits_;  // waits_for_inputs()
};

}  // namespace

Bounds least_times(const Program& program, const Machine& machine) {
  return Sums(program, machine).run();
}

}  // namespace workbench::xdnn
