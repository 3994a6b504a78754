#include "compiler/xdnn/images.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "compiler/passes/several_images.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "isa/xdnn/cost.h"

namespace workbench::xdnn {

namespace {

using Ops = std::vector<LoweredOp>;

// --- one image behind the other ------------------------------------------------------------------

// The host's nodes before the first layer of any image come first: the engines then stand still
// once.
std::vector<std::size_t> in_turn(const Graph& several, std::int64_t images,
                                 const std::vector<std::size_t>& one) {
  const std::size_t nodes = several.nodes.size() / static_cast<std::size_t>(images);
  const auto layers = std::find_if(one.begin(), one.end(), [&](std::size_t n) {
    return on_accelerator(several, several.nodes[n]);
  });
  std::vector<std::size_t> order;
  for (const auto& [begin, end] : {std::pair(one.begin(), layers), std::pair(layers, one.end())}) {
    for (std::int64_t image = 0; image < images; ++image) {
      for (auto n = begin; n != end; ++n) {
        order.push_back(*n + static_cast<std::size_t>(image) * nodes);
      }
    }
  }
  return order;
}

// Nothing when the host works in between, which all engines wait for.
std::optional<std::vector<Ops>> ops_per_image(const Lowered& lowered, std::int64_t images) {
  const auto all = static_cast<std::int32_t>(lowered.ops.size());
  const auto part = lowered.ops.size() / static_cast<std::size_t>(images);
  if (part * static_cast<std::size_t>(images) != lowered.ops.size()) return std::nullopt;
  for (const HostStep& step : lowered.host_steps) {
    if (step.before != 0 && step.before != all) return std::nullopt;
  }
  std::vector<Ops> result;
  for (std::int64_t image = 0; image < images; ++image) {
    const auto begin = lowered.ops.begin() + image * static_cast<std::ptrdiff_t>(part);
    result.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(part));
  }
  return result;
}

// --- passes --------------------------------------------------------------------------------------

// What merging knows of an op: the array's and the loader's time of its passes. The loader is one
// slab ahead, so that a pass of `pass` cycles hides `slab` cycles of whatever comes next.
struct Load {
  Cycles pass, slab, inside;  // inside: all passes but one
  bool computes = false;
  bool waits = false;  // for the op before it of its own image: nothing is loaded ahead
};

class Merge {
 public:
  Merge(const Lowered& lowered, const Machine& machine) : laid_out_(lowered), machine_(machine) {
    choose_layouts(laid_out_, machine, SharedLayout::Fastest);
    for (DdrTensor& tensor : laid_out_.ddr_tensors) tensor.address = 0;
  }

  // Of the passes of both, in the order that leaves the array least without filters.
  Ops run(const Ops& first, const Ops& second) const {
    const Ops a = in_passes(first), b = in_passes(second);
    return merged(a, b, loads(a), loads(b));
  }

 private:
  // Convolutions of several passes as one instruction each, where the result can be written in
  // parts.
  Ops in_passes(const Ops& ops) const {
    Ops result;
    for (const LoweredOp& op : ops) {
      const std::int64_t pass = divisible(op) ? machine_.pass_channels(false) : 0;
      if (pass == 0) {
        result.push_back(op);
        continue;
      }
      int number = 0;
      for (std::int64_t at = op.block.out_begin; at < op.block.out_end; at += pass) {
        LoweredOp& part = result.emplace_back(op);
        part.block.out_begin = at, part.block.out_end = std::min(op.block.out_end, at + pass);
        part.tile += fmt::format("#{}", ++number);
      }
    }
    return result;
  }

  bool divisible(const LoweredOp& op) const {
    if (op.kind != LoweredKind::Conv || op.blocked || op.source_in_ddr || op.destination_in_ddr) {
      return false;
    }
    if (op.slice == 0 || machine_.width_aligned()) return false;
    const Map& result = laid_out_.maps[static_cast<std::size_t>(op.result)];
    const auto volume = static_cast<std::size_t>(result.volume);
    if (laid_out_.volumes[volume].layout.replicated()) return false;
    return op.block.out_end - op.block.out_begin > machine_.pass_channels(false);
  }

  std::vector<Load> loads(const Ops& ops) const {
    std::vector<Load> list;
    int before = -1;  // the map written by the op before
    for (const LoweredOp& op : ops) {
      Load& load = list.emplace_back();
      load.waits = std::find(op.sources.begin(), op.sources.end(), before) != op.sources.end();
      before = op.result;
      if (op.kind != LoweredKind::Conv || op.source_in_ddr) continue;
      const ConvCost cost = conv_cost(instruction_of(laid_out_, op, machine_), machine_);
      load.computes = true;
      load.pass = cost.row_cycles * cost.rows;
      load.slab = ddr_cycles(cost.slab, machine_);
      const bool alternate = cost.slab_buffers < machine_.filters.buffers;
      const Cycles each = alternate ? std::max(load.pass, load.slab) : load.pass + load.slab;
      load.inside = each * (cost.passes - 1);
    }
    return list;
  }

  // Dynamic programming over how far each of the two is done, and which of them came last.
  struct State {
    std::int64_t time = std::numeric_limits<std::int64_t>::max();
    Cycles pass;  // of the last convolution: what the next slab may hide behind
    bool from_second = false, before_from_second = false;
  };

  static Ops merged(const Ops& a, const Ops& b, const std::vector<Load>& of_a,
                    const std::vector<Load>& of_b) {
    const std::size_t rows = a.size() + 1, columns = b.size() + 1;
    // [i][j][last]: last 0: from a, 1: from b.
    std::vector<std::array<State, 2>> states(rows * columns);
    states[0][0].time = states[0][1].time = 0;
    const auto extend = [&](const State& from, bool last, const Load& load, bool second,
                            State& to) {
      if (from.time == std::numeric_limits<std::int64_t>::max()) return;
      std::int64_t time = from.time;
      Cycles pass = from.pass;
      if (load.computes) {
        const bool exposed = load.waits && last == second;
        const Cycles step = exposed ? from.pass + load.slab : std::max(from.pass, load.slab);
        time += step.value + load.inside.value;
        pass = load.pass;
      }
      if (time < to.time) to = {time, pass, second, last};
    };
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        const auto& here = states[i * columns + j];
        for (const bool last : {false, true}) {
          if (i + 1 < rows) {
            extend(here[last], last, of_a[i], false, states[(i + 1) * columns + j][0]);
          }
          if (j + 1 < columns) {
            extend(here[last], last, of_b[j], true, states[i * columns + j + 1][1]);
          }
        }
      }
    }
    const auto& end = states.back();
    bool last = end[1].time < end[0].time;
    Ops order;
    for (std::size_t i = a.size(), j = b.size(); i + j > 0;) {
      const State& state = states[i * columns + j][last];
      order.push_back(last ? b[--j] : a[--i]);
      last = state.before_from_second;
    }
    std::reverse(order.begin(), order.end());
    return order;
  }

  Lowered laid_out_;
  const Machine& machine_;
};

// Each image's ops from `cut` on merged with those of the next image up to there.
Lowered merged_at(const Lowered& in_turn, const std::vector<Ops>& images, std::size_t cut,
                  const Merge& merge) {
  const auto split = [cut](const Ops& ops) {
    const auto at = ops.begin() + static_cast<std::ptrdiff_t>(cut);
    return std::pair(Ops(ops.begin(), at), Ops(at, ops.end()));
  };
  Ops ops, rest;
  for (std::size_t image = 0; image < images.size(); ++image) {
    auto [begin, end] = split(images[image]);
    const Ops both = image == 0 ? begin : merge.run(rest, begin);
    ops.insert(ops.end(), both.begin(), both.end());
    rest = std::move(end);
  }
  ops.insert(ops.end(), rest.begin(), rest.end());
  Lowered result = in_turn;
  for (HostStep& step : result.host_steps) {
    step.before = step.before == 0 ? 0 : static_cast<std::int32_t>(ops.size());
  }
  result.ops = std::move(ops);
  return result;
}

// The order that is fastest for one image alone.
std::vector<std::size_t> order_of_one(const Graph& one, const Machine& machine,
                                      const OrderOptions& options) {
  const std::vector<CandidateOrder> candidates = candidate_orders(one, machine, options);
  const CandidateOrder* best = &candidates.back();
  std::optional<Cycles> least;
  for (const CandidateOrder& candidate : candidates) {
    const auto placed = place_in_order(one, machine, candidate.nodes);
    if (!placed || (least && placed->time >= *least)) continue;
    least = placed->time, best = &candidate;
  }
  return best->nodes;
}

std::vector<std::size_t> order_of_all(const Graph& several, std::int64_t images,
                                      const Machine& machine, const OrderOptions& options) {
  return in_turn(several, images, order_of_one(first_image(several, images), machine, options));
}

// At the point where it takes least time, addresses as they come.
std::optional<Lowered> best_merged(const Lowered& in_turn, const std::vector<Ops>& images,
                                   const Machine& machine, const Choices& choices,
                                   const Search& search) {
  Choices quick = choices;
  quick.spread = Use::Never;
  const Merge merge(in_turn, machine);
  const auto count = static_cast<std::int64_t>(images.front().size());
  std::optional<Lowered> best;
  std::optional<Cycles> least;
  for (std::int64_t part = 1; part < search.cuts; ++part) {
    const auto cut = static_cast<std::size_t>(count * part / search.cuts);
    if (cut == 0) continue;  // nothing to merge with
    Lowered candidate = merged_at(in_turn, images, cut, merge);
    const auto size = static_cast<std::int64_t>(candidate.ops.size());
    if (size > machine.control.instructions_max) continue;
    const auto placed = place_lowered(candidate, machine, quick);
    if (!placed || (least && placed->time >= *least)) continue;
    least = placed->time, best = std::move(candidate);
  }
  return best;
}

std::optional<Placed> place_order(const Graph& several, std::int64_t images, const Machine& machine,
                                  const std::vector<std::size_t>& order, const Choices& choices,
                                  const Search& search) {
  const Lowered lowered = lower(several, machine, order);
  std::optional<Placed> alone = place_lowered(lowered, machine, choices);
  const auto ops = ops_per_image(lowered, images);
  const bool may_merge = alone && ops && !machine.serial() && machine.slice0.used == 0;
  if (!may_merge || choices.merged_images == Use::Never) return alone;
  const std::optional<Lowered> merged = best_merged(lowered, *ops, machine, choices, search);
  if (!merged) return alone;
  auto together = place_lowered(*merged, machine, choices);
  const bool always = choices.merged_images == Use::Always;
  return together && (always || together->time < alone->time) ? together : alone;
}

}  // namespace

std::optional<Placed> place_images_whole(const Graph& several, std::int64_t images,
                                         const Machine& machine, const OrderOptions& options,
                                         const Choices& choices, const Search& search) {
  return place_order(several, images, machine, order_of_all(several, images, machine, options),
                     choices, search);
}

Placed place_images(const Graph& several, std::int64_t images, const Machine& machine,
                    const OrderOptions& options, const Choices& choices, const Search& search) {
  const std::vector<std::size_t> order = order_of_all(several, images, machine, options);
  if (auto placed = place_order(several, images, machine, order, choices, search)) {
    return std::move(*placed);
  }
  return place_candidates(several, machine, {{"in turn", order}}, choices);
}

}  // namespace workbench::xdnn
