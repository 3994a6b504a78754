// A beam search: a state is the place of each live volume (AM, DDR, both) before an op; a step
// leads to a state some ops later. At each op the cheapest states are kept, and the one with least
// in the AM, from which every op is feasible.
#include "compiler/xdnn/memory_plan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "compiler/xdnn/plan_cuts.h"

namespace workbench::xdnn {

namespace {

// --- states --------------------------------------------------------------------------------------

// The states of the search for a memory plan: where each volume that is alive before an op is, the
// cheapest way there, and which of them are worth going on from.

inline bool in_am(Where w) { return w == Where::Am || w == Where::Both; }

struct PlanState {
  std::vector<Where> where;  // of the volumes alive, in order
  double cost = 0;
  std::int64_t weight = 0;  // in the AM
  int parent = -1;
  PlanStep step;  // that led here
};

constexpr std::size_t kStatesKept = 24;
constexpr std::size_t kFewestStatesKept = 2;

// Ops are positions `p` in MemoryModel::ops; states are numbers `s`, in the order they were
// reached.
class PlanStates {
 public:
  explicit PlanStates(const MemoryModel& model);

  const std::vector<int>& live(int p) const { return live_[static_cast<std::size_t>(p)]; }
  const PlanState& operator[](int s) const { return states_[static_cast<std::size_t>(s)]; }
  // Of a volume, in state `s` before op `p`. Here to be inlined: the search asks all the time.
  Where where(int s, int p, int volume) const {
    const auto& list = live(p);
    const auto found = std::lower_bound(list.begin(), list.end(), volume);
    if (found == list.end() || *found != volume) return Where::Nowhere;
    return (*this)[s].where[static_cast<std::size_t>(found - list.begin())];
  }

  // Such a state before op `p` would not be among kept(p), whatever else is reached.
  bool useless(int p, double cost, std::int64_t weight) const {
    const Front& front = at_[static_cast<std::size_t>(p)];
    return cost > front.dear() && (weight > front.least_weight ||
                                   (weight == front.least_weight && cost > front.least_cost));
  }
  // Dropped when an equal state costs no more: then false.
  bool reach(int p, PlanState next);
  // The `most` cheapest states before op `p`, the best first, and the one with least in the AM.
  std::vector<int> kept(int p, std::size_t most = kStatesKept) const;
  MemoryPlan plan_to(int s) const;

 private:
  // States before an op.
  struct Front {
    std::map<std::vector<Where>, int> states;
    std::vector<double> cheapest;  // costs of the kStatesKept cheapest, ascending
    std::int64_t least_weight = std::numeric_limits<std::int64_t>::max();
    double least_cost = 0;  // of those with the least weight

    double dear() const {  // costs above it are not among the cheapest
      return cheapest.size() < kStatesKept ? std::numeric_limits<double>::infinity()
                                           : cheapest.back();
    }
    void add(double cost, std::int64_t weight);
    void remove(double cost);
  };

  std::vector<std::vector<int>> live_;  // before each op
  std::vector<PlanState> states_;
  std::vector<Front> at_;  // per op
};

// States reached, compared and traced back to the start.

PlanStates::PlanStates(const MemoryModel& model) {
  const int count = static_cast<int>(model.ops.size());
  for (int p = 0; p <= count; ++p) {
    live_.emplace_back();
    for (std::size_t v = 0; v < model.volumes.size(); ++v) {
      if (model.volumes[v].last >= p && model.volumes[v].first < p) {
        live_.back().push_back(static_cast<int>(v));
      }
    }
  }
  at_.resize(at(count) + 1);
}

void PlanStates::Front::add(double cost, std::int64_t weight) {
  cheapest.insert(std::upper_bound(cheapest.begin(), cheapest.end(), cost), cost);
  if (cheapest.size() > kStatesKept) cheapest.pop_back();
  if (std::pair(weight, cost) >= std::pair(least_weight, least_cost)) return;
  least_weight = weight, least_cost = cost;
}

void PlanStates::Front::remove(double cost) {
  const auto found = std::lower_bound(cheapest.begin(), cheapest.end(), cost);
  if (found != cheapest.end() && *found == cost) cheapest.erase(found);
}

bool PlanStates::reach(int p, PlanState next) {
  Front& front = at_[at(p)];
  const auto [entry, fresh] = front.states.try_emplace(next.where, 0);
  if (!fresh) {
    const double before = states_[at(entry->second)].cost;
    if (before <= next.cost) return false;
    front.remove(before);
  }
  front.add(next.cost, next.weight);
  entry->second = static_cast<int>(states_.size());
  states_.push_back(std::move(next));
  return true;
}

std::vector<int> PlanStates::kept(int p, std::size_t most) const {
  std::vector<int> list;
  for (const auto& [where, index] : at_[at(p)].states) list.push_back(index);
  std::sort(list.begin(), list.end(), [&](int a, int b) {
    const PlanState &x = states_[at(a)], &y = states_[at(b)];
    if (x.cost != y.cost) return x.cost < y.cost;
    return x.weight != y.weight ? x.weight < y.weight : x.where < y.where;
  });
  if (list.size() <= most) return list;
  const auto smallest = *std::min_element(list.begin(), list.end(), [&](int a, int b) {
    return states_[at(a)].weight < states_[at(b)].weight;
  });
  list.resize(most);
  if (std::find(list.begin(), list.end(), smallest) == list.end()) list.push_back(smallest);
  return list;
}

MemoryPlan PlanStates::plan_to(int s) const {
  MemoryPlan plan{.steps = {}, .cycles = states_[at(s)].cost};
  for (; states_[at(s)].parent >= 0; s = states_[at(s)].parent) {
    plan.steps.push_back(states_[at(s)].step);
  }
  std::reverse(plan.steps.begin(), plan.steps.end());
  return plan;
}

// --- moves ---------------------------------------------------------------------------------------

// The steps that lead on from a state of the search for a memory plan: the next op whole, some ops
// in channel chunks, or some in row bands, each with every sensible set of volumes that leave
// before it.

class PlanMoves {
 public:
  PlanMoves(const MemoryModel& model, std::int64_t budget, PlanStates& states,
            BandChoices& choices);

  // Reaches what can be reached from state `s` before op `p` in one step.
  void from(int p, int s);

 private:
  // Of a few volumes, after a step.
  class Places {
   public:
    const Where* find(int volume) const {
      for (const auto& [v, where] : places_) {
        if (v == volume) return &where;
      }
      return nullptr;
    }
    bool contains(int volume) const { return find(volume) != nullptr; }
    void set(int volume, Where where) {
      for (auto& [v, place] : places_) {
        if (v == volume) {
          place = where;
          return;
        }
      }
      places_.emplace_back(volume, where);
    }

   private:
    std::vector<std::pair<int, Where>> places_;
  };

  // A step as it would be with room for it.
  struct Move {
    PlanStep step;
    std::int64_t extra = 0;  // weight beside what is in the AM already
    double cycles = 0;       // without those of evictions
    Places after = {};
    std::vector<int> busy = {};  // volumes that must stay in the AM
    std::vector<int> paid = {};  // those whose copy in DDR is in `cycles`
  };

  const PlanState& state() const { return states_[now_]; }
  Where where(int p, int volume) const { return states_.where(now_, p, volume); }
  std::int64_t weight(int volume) const { return model_.weight(model_.volumes[at(volume)].words); }
  double ddr_cost(int volume) const {  // of all of it, one way
    const PlanVolume& v = model_.volumes[at(volume)];
    return model_.ddr_cost(volume, {0, v.channels}, v.height);
  }

  // Goes on from op `p` with every minimal set of volumes evicted that makes room for the move.
  void take(int p, const Move& move);
  // Volumes that could leave the AM, the largest first.
  std::vector<int> evictable(int p, const Move& move) const;
  double eviction_cost(int p, int volume, const Move& move) const;
  void evict(int p, const Move& move, std::vector<int> candidates, std::int64_t excess);
  // The state behind the step, with these volumes evicted before it.
  void go(int p, const Move& move, const std::vector<int>& evicted, double cycles);
  // Something about these ops does not fit or lies in DDR: cutting them may help.
  bool hot(int begin, int end) const;

  void whole(int p);
  // Adds what it takes to have the operands in the AM; false: one is larger than a buffer.
  bool bring_operands(int p, Move& move) const;
  void upload(int p, Move move);
  void download(int p, Move move);
  void result_stays(int p, Move move);
  void part_goes_to_ddr(int p, Move move);
  void groups(int p);
  void group(int p, Segment segment, const std::vector<int>& outputs,
             const std::vector<int>& to_ddr);
  const std::optional<GroupCost>& chunk_cost(const Segment& segment,
                                             const std::vector<int>& to_ddr);
  void segments(int p);
  void segment(int p, int q);

  const MemoryModel& model_;
  std::int64_t budget_;
  PlanStates& states_;
  int count_;  // ops
  std::vector<std::int64_t> natural_;
  BandChoices& choices_;
  int now_ = 0;               // the state that moves lead on from
  std::int64_t taken_ = 0;    // steps that were possible, but for those to states that were known
  std::vector<Where> after_;  // of go()

  // What chunks cost depends on where the operands and results are, and on nothing else: many of
  // the states before an op are alike in that.
  struct Chunks {
    int end = 0;
    std::int64_t chunk = 0;
    bool to_ddr = false;
    std::vector<Where> where = {};
    friend auto operator<=>(const Chunks&, const Chunks&) = default;
  };
  std::map<Chunks, std::optional<GroupCost>> chunk_costs_;
  std::vector<std::int64_t> chunk_sizes_;
  int chunks_of_ = -1;  // the op that both are of
};

// Moves of the search, by the kinds of PlanStep, with their evictions.

constexpr int kGroupOps = 4;     // ops of a channel-chunk group, at most
constexpr int kSegmentOps = 10;  // ops of a row-band segment, at most
constexpr std::size_t kEvictable = 8;

bool contains(const std::vector<int>& list, int v) {
  return std::find(list.begin(), list.end(), v) != list.end();
}

PlanMoves::PlanMoves(const MemoryModel& model, std::int64_t budget, PlanStates& states,
                     BandChoices& choices)
    : model_(model),
      budget_(budget),
      states_(states),
      count_(static_cast<int>(model.ops.size())),
      natural_(natural_weights(model)),
      choices_(choices) {}

void PlanMoves::from(int p, int s) {
  now_ = s;
  whole(p);
  groups(p);
  segments(p);
}

// --- taking a step -------------------------------------------------------------------------------

void PlanMoves::take(int p, const Move& move) {
  const std::int64_t excess = state().weight + move.extra - budget_;
  if (excess <= 0) return go(p, move, {}, move.cycles);
  std::vector<int> candidates = evictable(p, move);
  const std::int64_t all = std::accumulate(candidates.begin(), candidates.end(), std::int64_t{0},
                                           [&](auto sum, int v) { return sum + weight(v); });
  if (all >= excess) evict(p, move, std::move(candidates), excess);
}

std::vector<int> PlanMoves::evictable(int p, const Move& move) const {
  std::vector<int> list;
  for (const int v : states_.live(p)) {
    const bool stays = contains(move.busy, v) || !in_am(where(p, v)) ||
                       (where(p, v) == Where::Am && !model_.storable(v, p));
    if (!stays) list.push_back(v);
  }
  std::stable_sort(list.begin(), list.end(), [&](int a, int b) {
    return model_.volumes[at(a)].words > model_.volumes[at(b)].words;
  });
  return list;
}

double PlanMoves::eviction_cost(int p, int volume, const Move& move) const {
  const bool stored = where(p, volume) == Where::Both || contains(move.paid, volume);
  return stored ? 0 : ddr_cost(volume);
}

void PlanMoves::evict(int p, const Move& move, std::vector<int> candidates, std::int64_t excess) {
  std::vector<int> forced;  // beyond the enumerated ones: all small ones are evicted
  if (candidates.size() > kEvictable) {
    forced.assign(candidates.begin() + kEvictable, candidates.end());
    candidates.resize(kEvictable);
  }
  std::int64_t forced_weight = 0;
  double forced_cost = 0;
  for (const int v : forced) forced_weight += weight(v), forced_cost += eviction_cost(p, v, move);
  std::array<std::int64_t, kEvictable> weights{};
  std::array<double, kEvictable> costs{};
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    weights[c] = weight(candidates[c]), costs[c] = eviction_cost(p, candidates[c], move);
  }
  std::vector<int> evicted;
  for (std::uint32_t mask = 0; mask < (1U << candidates.size()); ++mask) {
    std::int64_t freed = forced_weight, least = 0;
    double paying = forced_cost;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if ((mask >> c & 1U) == 0) continue;
      freed += weights[c];
      least = least == 0 ? weights[c] : std::min(least, weights[c]);
      paying += costs[c];
    }
    const bool minimal = mask == 0 || freed - least < excess;
    if (freed < excess || !minimal) continue;
    evicted = forced;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if ((mask >> c & 1U) != 0) evicted.push_back(candidates[c]);
    }
    go(p, move, evicted, move.cycles + paying);
  }
}

void PlanMoves::go(int p, const Move& move, const std::vector<int>& evicted, double cycles) {
  const int q = move.step.segment.end;
  const double cost = state().cost + cycles;
  std::int64_t in_memory = 0;
  after_.clear();
  for (const int v : states_.live(q)) {
    const bool leaves = contains(evicted, v);
    Where w = leaves ? Where::Ddr : where(p, v);
    const Where* found = move.after.find(v);
    const bool stays_out = leaves && found != nullptr && *found == Where::Both;
    if (found != nullptr && !stays_out) w = *found;
    after_.push_back(w);
    if (in_am(w)) in_memory += weight(v);
  }
  ++taken_;
  choices_.steps().move();
  if (states_.useless(q, cost, in_memory)) return;
  PlanState next{
      .where = after_, .cost = cost, .weight = in_memory, .parent = now_, .step = move.step};
  next.step.evict = evicted;
  if (!states_.reach(q, std::move(next))) --taken_;
}

bool PlanMoves::hot(int begin, int end) const {
  for (int i = begin; i < end; ++i) {
    if (natural_[at(i)] > budget_) return true;
    for (const Access& read : model_.ops[at(i)].reads) {
      if (where(begin, read.volume) == Where::Ddr) return true;
    }
    const int written = model_.ops[at(i)].write.volume;
    if (written >= 0 && where(begin, written) == Where::Ddr) return true;
    const PlanVolume* v = written >= 0 ? &model_.volumes[at(written)] : nullptr;
    if (v != nullptr && !model_.fits_alone(v->words)) return true;
  }
  return false;
}

// --- one op, whole -------------------------------------------------------------------------------

void PlanMoves::whole(int p) {
  const PlanOp& op = model_.ops[at(p)];
  Move move{.step = {PlanStep::Kind::Whole, {p, p + 1}, {}, {}}};
  if (op.download) return download(p, move);
  if (op.scratch_words > 0) move.extra = model_.weight(op.scratch_words);
  if (!bring_operands(p, move)) return;
  if (op.upload) return upload(p, move);
  result_stays(p, move);
  part_goes_to_ddr(p, move);
}

bool PlanMoves::bring_operands(int p, Move& move) const {
  const PlanOp& op = model_.ops[at(p)];
  bool possible = true;
  for (const Access& read : op.reads) {
    const PlanVolume& v = model_.volumes[at(read.volume)];
    const Where w = where(p, read.volume);
    if (op.tiled) continue;
    const bool whole = read.channels == Span{0, v.channels};
    if (op.upload && v.host_storage && whole && w != Where::Am) continue;  // it is there
    if (in_am(w)) {
      move.busy.push_back(read.volume);
      continue;
    }
    if (move.after.contains(read.volume)) continue;
    const bool all = whole || v.read_whole();
    const Span channels = all ? Span{0, v.channels} : read.channels;
    const std::int64_t words = model_.words(read.volume, channels, v.height);
    possible = possible && model_.fits_alone(words);
    move.extra += model_.weight(words);
    move.cycles += model_.ddr_cost(read.volume, channels, v.height);
    if (all) move.after.set(read.volume, Where::Both);
  }
  return possible;
}

void PlanMoves::upload(int p, Move move) {
  const Access& read = model_.ops[at(p)].reads[0];
  const PlanVolume& v = model_.volumes[at(read.volume)];
  const bool storage = v.host_storage && read.channels == Span{0, v.channels};
  if (!storage || where(p, read.volume) == Where::Am) {
    move.cycles += model_.ddr_cost(read.volume, read.channels, v.height);
    if (storage) move.after.set(read.volume, Where::Both);
  }
  take(p, move);
}

void PlanMoves::result_stays(int p, Move move) {
  const int written = model_.ops[at(p)].write.volume;
  const Where before = where(p, written);
  if (before == Where::Ddr || !model_.fits_alone(model_.volumes[at(written)].words)) return;
  const int replaced = operand_to_replace(model_, move.step.segment, p);
  const bool reuses = replaced >= 0 && (in_am(where(p, replaced)) || move.after.contains(replaced));
  if (!in_am(before) && !reuses) move.extra += weight(written);
  move.after.set(written, Where::Am);
  move.busy.push_back(written);
  take(p, move);
}

void PlanMoves::part_goes_to_ddr(int p, Move move) {
  const Access& write = model_.ops[at(p)].write;
  const PlanVolume& out = model_.volumes[at(write.volume)];
  const bool part = write.channels != Span{0, out.channels};
  if (!part || in_am(where(p, write.volume)) || out.atomic) return;
  const std::int64_t words = model_.words(write.volume, write.channels, out.height);
  if (!model_.fits_alone(words)) return;
  move.step.to_ddr.push_back(write.volume);
  move.after.set(write.volume, Where::Ddr);
  move.extra += model_.weight(words);
  move.cycles += model_.ddr_cost(write.volume, write.channels, out.height);
  take(p, move);
}

void PlanMoves::download(int p, Move move) {
  const PlanOp& op = model_.ops[at(p)];
  const int v = op.write.volume;
  const PlanVolume& volume = model_.volumes[at(v)];
  const Where before = where(p, v);
  if (!in_am(before)) {
    Move later = move;
    later.step.to_ddr.push_back(v);
    later.after.set(v, Where::Ddr);
    take(p, later);
  }
  if (before == Where::Ddr || !model_.fits_alone(volume.words)) return;
  const bool both = before == Where::Nowhere && op.write.channels == Span{0, volume.channels};
  move.extra = in_am(before) ? 0 : weight(v);
  move.cycles = model_.ddr_cost(v, op.write.channels, volume.height);
  move.after.set(v, both ? Where::Both : Where::Am);
  move.busy = {v};
  take(p, move);
}

// --- channel chunks ------------------------------------------------------------------------------

void PlanMoves::groups(int p) {
  for (int q = p + 1; q <= std::min(count_, p + kGroupOps); ++q) {
    const Segment segment{p, q};
    const PlanOp& last = model_.ops[at(q - 1)];
    if (last.write.volume < 0 || last.download || !can_chunk(model_, segment)) return;
    if (!hot(p, q)) continue;
    std::vector<int> outputs;
    for (int i = p; i < q; ++i) {
      const int v = model_.ops[at(i)].write.volume;
      if (model_.volumes[at(v)].last >= q) outputs.push_back(v);
    }
    // Of a single op that is worth it where its operand comes from DDR chunk by chunk.
    if (q > p + 1 || last.channelwise) group(p, segment, outputs, {});
    group(p, segment, outputs, outputs);
  }
}

void PlanMoves::group(int p, Segment segment, const std::vector<int>& outputs,
                      const std::vector<int>& to_ddr) {
  if (chunks_of_ != p) {
    chunks_of_ = p;
    chunk_costs_.clear();
    chunk_sizes_ = chunk_sizes(model_, model_.ops[at(p)].write.channels.size());
  }
  int tried = 0;
  for (const std::int64_t chunk : chunk_sizes_) {
    segment.chunk = chunk;
    const auto& cost = chunk_cost(segment, to_ddr);
    if (!cost) continue;
    const std::int64_t before = taken_;
    Move move{.step = {PlanStep::Kind::Chunked, segment, {}, to_ddr},
              .extra = cost->extra,
              .cycles = cost->cycles};
    for (int i = segment.begin; i < segment.end; ++i) {
      for (const Access& read : model_.ops[at(i)].reads) {
        if (in_am(where(p, read.volume))) move.busy.push_back(read.volume);
      }
    }
    for (const int v : cost->gathered) move.after.set(v, Where::Both);
    for (const int v : outputs) {
      move.after.set(v, to_ddr.empty() ? Where::Am : Where::Ddr);
      if (to_ddr.empty()) move.busy.push_back(v);
    }
    take(p, move);
    if (taken_ > before && ++tried == 2) return;  // smaller chunks only cost more
  }
}

const std::optional<GroupCost>& PlanMoves::chunk_cost(const Segment& segment,
                                                      const std::vector<int>& to_ddr) {
  const int p = segment.begin;
  Chunks key{.end = segment.end, .chunk = segment.chunk, .to_ddr = !to_ddr.empty()};
  for (int i = p; i < segment.end; ++i) {
    for (const Access& read : model_.ops[at(i)].reads) key.where.push_back(where(p, read.volume));
    key.where.push_back(where(p, model_.ops[at(i)].write.volume));
  }
  const auto [entry, fresh] = chunk_costs_.try_emplace(std::move(key));
  if (fresh) {
    entry->second =
        group_cost(model_, segment, to_ddr, [&](int volume) { return where(p, volume); });
  }
  return entry->second;
}

// --- row bands -----------------------------------------------------------------------------------

void PlanMoves::segments(int p) {
  for (int q = p + 1; q <= std::min(count_, p + kSegmentOps); ++q) {
    if (model_.host_step_between(p, q)) return;
    if (hot(p, q)) segment(p, q);
  }
}

void PlanMoves::segment(int p, int q) {
  const std::vector<BandChoice>& choices = choices_.of(p, q);
  if (choices.empty()) return;
  const Segment bare{p, q};
  Move move{.step = {PlanStep::Kind::Banded, bare, {}, {}}};
  for (const int v : segment_inputs(model_, bare)) {
    if (where(p, v) == Where::Am && !model_.storable(v, p)) return;
    if (where(p, v) == Where::Am) move.cycles += ddr_cost(v);
    if (in_am(where(p, v))) move.after.set(v, Where::Both), move.paid.push_back(v);
  }
  for (int i = p; i < q; ++i) {
    const int v = model_.ops[at(i)].write.volume;
    if (v < 0) continue;
    if (in_am(where(p, v))) return;
    move.after.set(v, Where::Ddr);
  }
  int tried = 0;
  for (const BandChoice& choice : choices) {
    if (choice.cost.peak > budget_) continue;
    Move cut = move;
    cut.step.segment = choice.segment;
    cut.extra = choice.cost.peak;
    cut.cycles += choice.cost.cycles;
    take(p, cut);
    if (++tried == 3) return;
  }
}

}  // namespace

// --- the search ----------------------------------------------------------------------------------

namespace {

// How many states before each op a search goes on from: as many as leave each of the ops to come
// as large a part of the steps, half of what is left when it begins. Bands are looked at once, by
// however many states.
class Width {
 public:
  Width(const PlanSteps& steps, std::int64_t ops)
      : steps_(steps), end_(steps.taken + (steps.limit - steps.taken) / 2), ops_(ops) {}

  std::size_t next() {
    const std::int64_t of_op = std::max<std::int64_t>(0, end_ - steps_.taken) / ops_--;
    const std::int64_t moves = std::max<std::int64_t>(1, steps_.moves - before_);
    const double of_state = static_cast<double>(moves * PlanSteps::kOfMove) /
                            static_cast<double>(std::max<std::int64_t>(1, states_));
    const double most = static_cast<double>(of_op) / of_state;
    return static_cast<std::size_t>(std::clamp<double>(most, kFewestStatesKept, kStatesKept));
  }
  void went_on_from(std::size_t states) { states_ += static_cast<std::int64_t>(states); }

 private:
  const PlanSteps& steps_;
  std::int64_t before_ = steps_.moves, end_, ops_, states_ = 0;
};

}  // namespace

std::optional<MemoryPlan> search_plan(const MemoryModel& model, std::int64_t budget,
                                      BandChoices& choices) {
  PlanStates states(model);
  PlanMoves moves(model, budget, states, choices);
  PlanState start;
  start.where.assign(states.live(0).size(), Where::Ddr);
  states.reach(0, std::move(start));
  const int count = static_cast<int>(model.ops.size());
  Width width(choices.steps(), count);
  for (int p = 0; p < count; ++p) {
    const std::vector<int> kept = states.kept(p, width.next());
    for (const int s : kept) moves.from(p, s);
    width.went_on_from(kept.size());
  }
  const auto last = states.kept(count);
  if (last.empty()) return std::nullopt;
  return states.plan_to(last[0]);
}

// --- the least budget ----------------------------------------------------------------------------

// The budget below which no search can succeed: what the most demanding op needs at least.

namespace {

// Weight of op `i` when its operands come from DDR chunk by chunk and its result stays in the AM.
std::int64_t least_in_chunks(const MemoryModel& model, int i) {
  const PlanOp& op = model.ops[at(i)];
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  Segment segment{i, i + 1};
  if (!op.channelwise || !can_chunk(model, segment)) return least;
  const auto place = [&](int v) { return v == op.write.volume ? Where::Nowhere : Where::Ddr; };
  for (const std::int64_t chunk : chunk_sizes(model, op.write.channels.size())) {
    segment.chunk = chunk;
    if (const auto cost = group_cost(model, segment, {}, place)) {
      least = std::min(least, cost->extra);
    }
  }
  return least;
}

}  // namespace

LeastBudget least_budget(const MemoryModel& model) {
  LeastBudget worst;
  std::int64_t steps = 0;
  for (int i = 0; i < static_cast<int>(model.ops.size()); ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.download) continue;
    std::int64_t least = model.weight(op.scratch_words);  // the op whole
    bool possible = true;
    for (const Access& read : op.reads) {
      if (op.tiled) continue;
      const PlanVolume& v = model.volumes[at(read.volume)];
      const std::int64_t words =
          model.words(read.volume, v.read_whole() ? Span{0, v.channels} : read.channels, v.height);
      least += model.weight(words);
      possible = possible && model.fits_alone(words);
    }
    if (op.write.volume >= 0) {
      const PlanVolume& v = model.volumes[at(op.write.volume)];
      const std::int64_t words = model.words(
          op.write.volume, v.atomic ? Span{0, v.channels} : op.write.channels, v.height);
      least += model.weight(words);
      possible = possible && model.fits_alone(words);
    }
    if (!possible) least = std::numeric_limits<std::int64_t>::max();
    for (const BandChoice& choice : band_choices(model, i, i + 1, steps)) {
      least = std::min(least, choice.cost.peak);
    }
    least = std::min(least, least_in_chunks(model, i));
    if (least > worst.budget) worst = {least, i};
  }
  return worst;
}

}  // namespace workbench::xdnn
