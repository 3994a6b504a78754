#include "compiler/xdnn/merge_images.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <span>
#include <utility>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/place.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

// --- passes --------------------------------------------------------------------------------------

Merge::Merge(const Lowered& lowered, const Machine& machine)
    : laid_out_(lowered), machine_(machine) {
  choose_layouts(laid_out_, machine, SharedLayout::Fastest);
  choose_tiles(laid_out_, machine, machine.am_words() / 3);
  for (DdrTensor& tensor : laid_out_.ddr_tensors) tensor.address = 0;
}

// A convolution as instructions of a pass each.
struct Merge::Parts {
  std::int64_t channels = 0;  // of one; 0: it stays as it is
  bool half_rate = false;
  Bytes slab;
};

bool Merge::divisible(const LoweredOp& op) const {
  if (op.kind != LoweredKind::Conv || op.blocked || op.source_in_ddr || op.destination_in_ddr) {
    return false;
  }
  if (op.slice == 0 || machine_.width_aligned()) return false;
  const Map& result = laid_out_.maps[static_cast<std::size_t>(op.result)];
  return !laid_out_.volumes[static_cast<std::size_t>(result.volume)].layout.replicated();
}

// Slabs that take both buffers cannot be loaded beside a pass; those of half as many channels may,
// but each of them takes a sweep of its own. Two images share what is loaded.
Merge::Parts Merge::parts_of(const LoweredOp& op) const {
  if (!divisible(op)) return {};
  const ConvCost full = conv_cost(instruction_of(laid_out_, op, machine_), machine_);
  Parts parts{machine_.pass_channels(op.half_rate), op.half_rate, full.slab};
  if (!op.half_rate && full.slab_buffers == machine_.filters.buffers) {
    LoweredOp other = op;
    other.half_rate = true;
    const ConvCost half = conv_cost(instruction_of(laid_out_, other, machine_), machine_);
    const auto sweeps = [](const ConvCost& cost) { return cost.row_cycles * (2 * cost.rows); };
    const Cycles both = ddr_cycles(full.slab, machine_) + sweeps(full);
    const Cycles each = std::max(ddr_cycles(half.slab, machine_), sweeps(half));
    const std::int64_t per_pass =
        machine_.pass_channels(false) / std::max<std::int64_t>(1, machine_.pass_channels(true));
    if (half.slab_buffers < machine_.filters.buffers && each * per_pass < both) {
      parts = {machine_.pass_channels(true), true, half.slab};
    }
  }
  if (op.block.out_end - op.block.out_begin <= parts.channels) parts.channels = 0;
  return parts;
}

std::int64_t Merge::more_ops(const LoweredOp& op) const {
  const Parts parts = parts_of(op);
  if (parts.channels == 0) return 0;
  return ceil_div(op.block.out_end - op.block.out_begin, parts.channels) - 1;
}

Ops Merge::in_parts(const Ops& ops, std::int64_t longer_than) const {
  Ops result;
  for (const LoweredOp& op : ops) {
    const Parts parts = parts_of(op);
    if (parts.channels == 0 || parts.slab.value <= longer_than) {
      result.push_back(op);
      continue;
    }
    int number = 0;
    for (std::int64_t at = op.block.out_begin; at < op.block.out_end; at += parts.channels) {
      LoweredOp& part = result.emplace_back(op);
      part.block.out_begin = at,
      part.block.out_end = std::min(op.block.out_end, at + parts.channels);
      part.half_rate = parts.half_rate;
      part.tile += fmt::format("#{}", ++number);
    }
  }
  return result;
}

// --- order ---------------------------------------------------------------------------------------

namespace {

using Time = std::int64_t;
constexpr auto kConv = static_cast<std::size_t>(Unit::Conv);

// An op as merging knows it.
struct Task {
  std::size_t unit = 0;
  Time array = 0, slab = 0, drain = 0;  // of a convolution: all of a pass, its filters
  Time duration = 0;                    // of other ops, and of those with tiles
  std::int64_t passes = 1, buffers = 1;
  bool tiled = false;
  // Per unit: how many of its own image's ops, counted from the first, include all on that unit
  // which it reads from.
  std::array<std::int32_t, kUnits> needs{};
  std::int32_t next_load = -1;  // the next convolution of its image
};

// With the tiles that were chosen for it, if it has any.
const LoweredOp& with_tiles(const LoweredOp& op, const Lowered& laid_out) {
  if (!op.source_in_ddr) return op;
  const auto same = std::find_if(laid_out.ops.begin(), laid_out.ops.end(), [&](const auto& other) {
    return other.result == op.result && other.source_in_ddr;
  });
  CHECK(same != laid_out.ops.end(), "an op that is not in the list");
  return *same;
}

std::vector<Task> tasks_of(const Ops& ops, const Lowered& laid_out, const Machine& machine) {
  std::vector<Task> tasks;
  const auto map_of = [&](int id) -> const Map& {
    return laid_out.maps[static_cast<std::size_t>(id)];
  };
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const Instruction instruction = instruction_of(laid_out, with_tiles(ops[i], laid_out), machine);
    Task& task = tasks.emplace_back();
    task.unit = static_cast<std::size_t>(unit_of(instruction));
    if (task.unit == kConv) {
      const ConvCost cost = conv_cost(instruction, machine);
      task.array = (cost.row_cycles * cost.rows).value;
      task.slab = ddr_cycles(cost.slab, machine).value;
      task.drain = cost.drain.value;
      task.passes = cost.passes, task.buffers = cost.slab_buffers;
      task.tiled = tail(instruction).source_in_ddr;
    }
    if (task.unit != kConv || task.tiled) task.duration = duration({instruction}, machine).value;
    if (ops[i].kind == LoweredKind::Gather || ops[i].source_in_ddr) continue;
    for (const int source : ops[i].sources) {
      const Map& read = map_of(source);
      for (std::size_t w = 0; w < i; ++w) {
        if (ops[w].result < 0) continue;
        const Map& written = map_of(ops[w].result);
        if (written.volume != read.volume || written.start >= read.start + read.channels ||
            read.start >= written.start + written.channels) {
          continue;
        }
        task.needs[tasks[w].unit] = static_cast<std::int32_t>(w) + 1;
      }
    }
  }
  std::int32_t next = -1;
  for (std::size_t i = tasks.size(); i-- > 0;) {
    tasks[i].next_load = next;
    if (tasks[i].unit == kConv) next = static_cast<std::int32_t>(i);
  }
  return tasks;
}

// Two ops that do the same for two images with the same filters, one pass each.
bool twins(const LoweredOp& a, const LoweredOp& b, const Lowered& lowered) {
  return a.kind == LoweredKind::Conv && b.kind == LoweredKind::Conv && !a.source_in_ddr &&
         a.half_rate == b.half_rate && same_filters(lowered, a, b);
}

// The machine after some ops of each image: as earliest_times() has it, but for addresses.
struct Clock {
  Time dispatch = 0, array = 0, loader = 0;
  std::array<Time, 2> buffers{};  // free at, soonest first
  std::array<Time, kUnits> taken{}, finished{};
  // Per image and unit: so many of its first ops are known to be finished on that unit.
  std::array<std::array<std::int32_t, kUnits>, 2> known{};
  std::int32_t conv = -1;  // the last convolution, of `conv_image`
  std::int32_t conv_image = 0;
  bool reached = false;

  // What is compared among ways to have given the same ops.
  Time score() const {
    const Time all = *std::max_element(finished.begin(), finished.end());
    return array + std::max<Time>(0, all - array) / 4;
  }
};

class Sequence {
 public:
  Sequence(std::span<const Task> a, std::span<const Task> b, const std::vector<std::int32_t>& twin,
           const Machine& machine)
      : tasks_{a, b}, twin_(twin), machine_(machine) {}

  // Of each op in turn whether it is of the second list. Dynamic programming over how far each of
  // the two is done, and which of them came last.
  std::vector<bool> run() {
    const std::size_t rows = tasks_[0].size() + 1, columns = tasks_[1].size() + 1;
    std::vector<std::array<Clock, 2>> here(columns), below(columns);
    std::vector<std::array<bool, 2>> from(rows * columns);  // [last]: the last before that
    here[0][0].reached = true;
    std::array<Time, 2> ends{};
    std::array<bool, 2> reached{};
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        for (const bool last : {false, true}) {
          const Clock& clock = here[j][last];
          if (!clock.reached) continue;
          const auto extend = [&](bool second, Clock& to, std::size_t cell) {
            const Clock then =
                after(clock, {static_cast<std::int32_t>(i), static_cast<std::int32_t>(j)}, second);
            if (to.reached && then.score() >= to.score()) return;
            to = then;
            from[cell][second] = last;
          };
          if (i + 1 < rows) extend(false, below[j][0], (i + 1) * columns + j);
          if (j + 1 < columns) extend(true, here[j + 1][1], i * columns + j + 1);
        }
      }
      if (i + 1 < rows) {
        std::swap(here, below);
        std::fill(below.begin(), below.end(), std::array<Clock, 2>{});
      }
    }
    for (const bool last : {false, true}) {
      reached[last] = here[columns - 1][last].reached;
      ends[last] = here[columns - 1][last].score();
    }
    bool last = !reached[0] || (reached[1] && ends[1] < ends[0]);
    std::vector<bool> order;
    for (std::size_t i = rows - 1, j = columns - 1; i + j > 0;) {
      const bool before = from[i * columns + j][last];
      order.push_back(last);
      (last ? j : i) -= 1;
      last = before;
    }
    std::reverse(order.begin(), order.end());
    return order;
  }

 private:
  using Done = std::array<std::int32_t, 2>;

  Clock after(const Clock& before, const Done& done, bool second) const {
    Clock c = before;
    c.reached = true;
    const auto image = static_cast<std::size_t>(second);
    const std::int32_t number = done[image];
    const Task& task = tasks_[image][static_cast<std::size_t>(number)];
    const bool kept = task.unit == kConv && keeps(c, image, number);
    c.dispatch += machine_.control.issue_cycles;
    for (std::size_t u = 0; u < kUnits; ++u) {
      const bool needed = task.needs[u] > c.known[image][u];
      if (!needed && !(kept && u == kConv && early(c, 1 - image))) continue;
      c.dispatch = std::max(c.dispatch, c.finished[u]);
      c.known[0][u] = done[0], c.known[1][u] = done[1];
    }
    c.dispatch = std::max(c.dispatch, c.taken[task.unit]);
    if (task.unit == kConv) {
      convolve(c, task, kept);
      c.conv = number, c.conv_image = second;
    } else {
      c.taken[task.unit] = std::max(c.dispatch, c.finished[task.unit]);
      c.finished[task.unit] = c.taken[task.unit] + task.duration;
    }
    return c;
  }

  bool keeps(const Clock& c, std::size_t image, std::int32_t number) const {
    if (c.conv < 0 || c.conv_image == static_cast<std::int32_t>(image)) return false;
    const std::int32_t of_first = image == 0 ? number : c.conv;
    const std::int32_t of_second = image == 0 ? c.conv : number;
    return twin_[static_cast<std::size_t>(of_first)] == of_second;
  }

  // What the other image loads next has to wait for what it has just computed.
  bool early(const Clock& c, std::size_t other) const {
    const std::int32_t next = tasks_[other][static_cast<std::size_t>(c.conv)].next_load;
    return next >= 0 &&
           tasks_[other][static_cast<std::size_t>(next)].needs[kConv] > c.known[other][kConv];
  }

  void convolve(Clock& c, const Task& task, bool kept) const {
    const Time start = std::max(c.dispatch, c.array);
    const auto buffers = static_cast<std::size_t>(task.buffers);
    const auto count = static_cast<std::size_t>(machine_.filters.buffers);
    c.taken[kConv] = start;
    if (kept) {
      c.array = start + task.array;
      std::fill(c.buffers.begin() + static_cast<std::ptrdiff_t>(count - buffers),
                c.buffers.begin() + static_cast<std::ptrdiff_t>(count), c.array);
    } else {
      Time loaded = std::max(c.dispatch, c.loader) + machine_.ddr.latency_cycles;
      c.array = start;
      for (std::int64_t pass = 0; pass < task.passes; ++pass) {
        loaded = std::max(loaded, c.buffers[buffers - 1]) + task.slab;
        c.array = std::max(c.array, loaded) + task.array;
        std::fill_n(c.buffers.begin(), buffers, c.array);
        std::sort(c.buffers.begin(), c.buffers.begin() + static_cast<std::ptrdiff_t>(count));
      }
      c.loader = loaded;
    }
    if (task.tiled) c.array = std::max(c.array, start + task.duration - task.drain);
    c.finished[kConv] = c.array + task.drain;
  }

  std::array<std::span<const Task>, 2> tasks_;
  const std::vector<std::int32_t>&
      twin_;  // per op of the first list: its twin in the second, or -1
  const Machine& machine_;
};

// Per op of `first`: the op of `second` that needs the same filters, -1: none. Both in order.
std::vector<std::int32_t> twins_of(const Ops& first, const Ops& second, std::span<const Task> tasks,
                                   const Lowered& lowered) {
  std::vector<std::int32_t> list(first.size(), -1);
  if (first.size() != second.size()) return list;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool one_pass = tasks[i].unit == kConv && tasks[i].passes == 1;
    if (one_pass && twins(first[i], second[i], lowered)) list[i] = static_cast<std::int32_t>(i);
  }
  return list;
}

}  // namespace

Ops Merge::run(const Ops& first, const Ops& second, std::int64_t room) const {
  // The longest slabs first: ops with slabs up to `limit` stay as they are.
  std::vector<std::pair<std::int64_t, std::int64_t>> by_slab;  // bytes, ops it makes more
  for (const Ops* ops : {&first, &second}) {
    for (const LoweredOp& op : *ops) {
      if (const std::int64_t more = more_ops(op))
        by_slab.emplace_back(parts_of(op).slab.value, more);
    }
  }
  std::sort(by_slab.begin(), by_slab.end(), std::greater<>());
  std::int64_t limit = 0;
  for (const auto& [bytes, more] : by_slab) {
    if (room < more) {
      limit = bytes;
      break;
    }
    room -= more;
  }
  const Ops a = in_parts(first, limit), b = in_parts(second, limit);
  const std::vector<Task> of_a = tasks_of(a, laid_out_, machine_);
  const std::vector<Task> of_b = tasks_of(b, laid_out_, machine_);
  const std::vector<std::int32_t> twin = twins_of(a, b, of_a, laid_out_);
  Ops order;
  std::size_t i = 0, j = 0;
  for (const bool from_second : Sequence(of_a, of_b, twin, machine_).run()) {
    order.push_back(from_second ? b[j++] : a[i++]);
  }
  return order;
}

}  // namespace workbench::xdnn
