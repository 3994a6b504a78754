#include "compiler/xdnn/reorder.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/placed.h"
#include "compiler/xdnn/wait_rule.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/walk.h"

namespace workbench::xdnn {

namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// Yes or no for every pair of ops.
class Relation {
 public:
  explicit Relation(std::size_t count) : count_(count), holds_(count * count) {}
  void set(std::size_t earlier, std::size_t later) { holds_[later * count_ + earlier] = 1; }
  bool operator()(std::size_t earlier, std::size_t later) const {
    return holds_[later * count_ + earlier] != 0;
  }

 private:
  std::size_t count_;
  std::vector<char> holds_;
};

// Addresses that are reserved for an op, in words.
struct Reserved {
  int volume = -1;  // -1: a tile buffer of its own
  std::int64_t begin = 0, end = 0;
};

using Order = std::vector<std::int32_t>;

// A program whose costs and dependences are known, whatever order its instructions have.
class Movable {
 public:
  Movable(const Lowered& placed, const Machine& machine)
      : machine_(machine),
        count_(placed.ops.size()),
        stays_behind_(count_),
        waits_for_(count_),
        hosts_(placed.host_steps) {
    Program program = modelled_program(placed, machine);
    const std::int64_t filters = end_of_ddr(program);
    const std::vector<FilterPlace> places = place_filters(placed, machine);
    for (std::size_t i = 0; i < count_; ++i) {
      if (unit_of(program.steps[i].instruction) != Unit::Conv) continue;
      program.steps[i].filter_address = filters + places[i].begin;
    }
    for (const Step& step : program.steps) costs_.push_back(step_cost(step, machine));
    slabs_ = slabs_that_stay(program, machine);
    relate(placed, program);
  }

  std::size_t size() const { return count_; }
  bool stays_behind(std::int32_t earlier, std::int32_t later) const {
    return stays_behind_(at(earlier), at(later));
  }

  // likely_end() of the program in that order, wait bits included.
  Cycles time(const Order& order) {
    find_kept(order);
    const auto needs = [&](std::int32_t earlier, std::int32_t later) {
      return waits_for_(at(earlier), at(later));
    };
    WaitRule rule;
    Walk walk(machine_, true);
    auto host = hosts_.begin();
    for (std::size_t i = 0; i < count_; ++i) {
      for (; host != hosts_.end() && host->before <= static_cast<std::int32_t>(i); ++host) {
        rule.host_step();
        walk.host_step();
      }
      const StepCost& cost = costs_[at(order[i])];
      const Waits waits = rule.next(order[i], cost.unit, loads_next_[i], needs);
      walk.issue(cost, waits, kept_[i]);
    }
    return walk.end();
  }

 private:
  // Filters may lie anywhere behind the tensors.
  static std::int64_t end_of_ddr(const Program& program) {
    std::int64_t end = 0;
    for (const Step& step : program.steps) {
      if (unit_of(step.instruction) == Unit::Conv) end = std::max(end, step.filter_address);
    }
    return end;
  }

  void relate(const Lowered& placed, const Program& program) {
    std::vector<Footprint> footprints;
    std::vector<std::vector<Reserved>> reserved;
    for (std::size_t i = 0; i < count_; ++i) {
      footprints.push_back(footprint(program.steps[i], machine_));
      reserved.push_back(reserved_for(placed, placed.ops[i]));
    }
    std::vector<std::size_t> turns(count_);  // of the host before it
    for (const HostStep& step : hosts_) {
      for (std::size_t i = at(std::max(0, step.before)); i < count_; ++i) ++turns[i];
    }
    for (std::size_t later = 0; later < count_; ++later) {
      const Instruction& instruction = program.steps[later].instruction;
      for (std::size_t earlier = 0; earlier < later; ++earlier) {
        if (must_wait(footprints[earlier], costs_[earlier].unit, footprints[later], instruction)) {
          waits_for_.set(earlier, later);
        }
        if (turns[earlier] != turns[later] || share(reserved[earlier], reserved[later]) ||
            depends(footprints[earlier], footprints[later])) {
          stays_behind_.set(earlier, later);
        }
      }
    }
  }

  std::vector<Reserved> reserved_for(const Lowered& placed, const LoweredOp& op) const {
    std::vector<Reserved> list;
    const auto add = [&](int id) {
      if (id < 0) return;
      const LoweredVolume& volume = placed.volumes[at(id)];
      list.push_back({id, volume.address, volume.address + volume.words(machine_.geometry())});
    };
    for (const int id : volumes_read(placed, op)) add(id);
    add(volume_written(placed, op));
    if (has_tile_buffers(op)) {
      for (const std::int64_t begin : {op.buffer_0, op.buffer_1}) {
        list.push_back({-1, begin, begin + op.buffer_words});
      }
    }
    return list;
  }

  // The same addresses, one after the other: lifetimes stay apart.
  static bool share(const std::vector<Reserved>& a, const std::vector<Reserved>& b) {
    return std::any_of(a.begin(), a.end(), [&](const Reserved& left) {
      return std::any_of(b.begin(), b.end(), [&](const Reserved& right) {
        const bool same = left.volume >= 0 && left.volume == right.volume;
        return !same && left.begin < right.end && right.begin < left.end;
      });
    });
  }

  // Of each position: whether the filters are there already, and then the op that loads next.
  void find_kept(const Order& order) {
    kept_.assign(count_, false);
    loads_next_.assign(count_, -1);
    int before = -1;
    for (std::size_t i = 0; i < count_; ++i) {
      if (costs_[at(order[i])].unit != Unit::Conv) continue;
      const int slab = slabs_[at(order[i])];
      kept_[i] = slab >= 0 && slab == before;
      before = slab;
    }
    std::int32_t next = -1;
    for (std::size_t i = count_; i-- > 0;) {
      if (costs_[at(order[i])].unit != Unit::Conv) continue;
      if (kept_[i]) {
        loads_next_[i] = next;
      } else {
        next = order[i];
      }
    }
  }

  const Machine& machine_;
  const std::size_t count_;
  std::vector<StepCost> costs_;
  std::vector<int> slabs_;
  Relation stays_behind_, waits_for_;
  const std::vector<HostStep> hosts_;
  std::vector<bool> kept_;
  std::vector<std::int32_t> loads_next_;
};

// A few ops that stand together.
struct Block {
  std::size_t begin = 0, end = 0;
};

class Moves {
 public:
  Moves(Movable& program, Cycles time, const Search& search, bool all)
      : program_(program), time_(time), search_(search), budget_(search.move_steps), all_(all) {
    order_.resize(program.size());
    std::iota(order_.begin(), order_.end(), 0);
  }

  void run() {
    for (bool better = true; std::exchange(better, false);) {
      for (const std::size_t length : {1, 2, 3, 4}) {
        for (std::size_t i = 0; i + length <= order_.size() && budget_ > 0; ++i) {
          better = move({i, i + length}) || better;
        }
        if (all_) return;
      }
    }
  }

  const Order& order() const { return order_; }
  Cycles time() const { return time_; }

 private:
  static constexpr std::size_t kReach = 24;  // ops that others are moved over at once

  // Any op of the block has to stay behind this one, or this one behind it.
  bool passes(const Block& block, std::int32_t over, bool forward) const {
    for (std::size_t i = block.begin; i < block.end; ++i) {
      const bool fixed =
          forward ? program_.stays_behind(order_[i], over) : program_.stays_behind(over, order_[i]);
      if (fixed) return false;
    }
    return true;
  }

  // The order with the block before the op that is at `to` now.
  Order moved(const Block& block, std::size_t to) const {
    Order order = order_;
    const auto p = [&](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(i); };
    if (to < block.begin) {
      std::rotate(p(to), p(block.begin), p(block.end));
    } else {
      std::rotate(p(block.begin), p(block.end), p(to));
    }
    return order;
  }

  bool move(const Block& block) {
    Order best;
    Cycles least = time_;
    const auto consider = [&](std::size_t to) {
      if (budget_ <= 0) return;
      Order order = moved(block, to);
      budget_ -= static_cast<std::int64_t>(order.size());
      const Cycles then = program_.time(order);
      if (then >= least && !all_) return;
      best = std::move(order), least = then;
    };
    for (std::size_t to = block.begin; to > 0 && block.begin - to < kReach; --to) {
      if (!passes(block, order_[to - 1], false)) break;
      consider(to - 1);
    }
    for (std::size_t to = block.end; to < order_.size() && to - block.end < kReach; ++to) {
      if (!passes(block, order_[to], true)) break;
      consider(to + 1);
    }
    if (best.empty()) return false;
    order_ = std::move(best), time_ = least;
    search_.see(time_);
    return true;
  }

  Movable& program_;
  Order order_;
  Cycles time_;
  const Search& search_;
  std::int64_t budget_;
  const bool all_;
};

// The ops in that order; what counts ops counts on.
void put_in_order(Lowered& lowered, const Order& order) {
  std::vector<LoweredOp> ops;
  for (const std::int32_t op : order) ops.push_back(std::move(lowered.ops[at(op)]));
  lowered.ops = std::move(ops);
  set_lifetimes(lowered);
}

}  // namespace

Cycles reorder(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
               bool all) {
  const bool by_plan = !placed.probes.empty();  // values have pieces that overwrite each other
  const bool slice0 = std::any_of(placed.ops.begin(), placed.ops.end(),
                                  [](const LoweredOp& op) { return op.slice == 0; });
  const auto count = static_cast<std::int64_t>(placed.ops.size());
  const bool too_many = count * count > search.move_steps;  // pairs to relate
  if (machine.serial() || by_plan || slice0 || count == 0 || too_many) return time;
  Movable program(placed, machine);
  Moves moves(program, time, search, all);
  moves.run();
  put_in_order(placed, moves.order());
  return moves.time();
}

}  // namespace workbench::xdnn
