// A layer as DORY's generated code runs it (docs/facts/pulp.md 3.6): k and lambda, the first tile,
// then per iteration the next tile's transfers, a barrier, the kernel, a barrier, all waits, the
// output.
#include "compiler/pulp/emit_orders.h"

#include <optional>

#include "compiler/pulp/tiling.h"
#include "core/error.h"

namespace workbench::pulp {

void add_prefetch(Listing& to, const std::vector<Instruction>& prefetch) {
  to.loop(LoopOver::Pieces, std::ssize(prefetch), [&](std::int64_t piece) {
    to.add(prefetch[static_cast<std::size_t>(piece)], "next layer");
  });
}

namespace {

constexpr std::int64_t kTransfers = 0, kNorm = 1;  // DMA counters: all cores', and core 0's

Code tile_code(const LayerCode& code) {
  const Machine::Code& costs = code.machine.code;
  return {.instructions = traits(code.layer.family).planes ? costs.depthwise_tile_instructions
                                                           : costs.tile_instructions,
          .divisions = costs.tile_divisions,
          .l2_loads = costs.tile_l2_loads};
}

// The layer function, on one slice.
class SliceFunction {
 public:
  SliceFunction(const LayerCode& code, Listing& to, std::size_t slice, LayerCode::Buffers l2)
      : code_(code), to_(to), slice_(slice), buffers_(l2), tiles_(code.tiles[slice]) {}

  void run() {
    to_.add(Code{.instructions = code_.machine.code.layer_instructions});
    if (has_norm()) {
      code_.load_norm(to_, slice_, tiles_[0], buffers_, kNorm);
      to_.add(DmaWait{kNorm});
      to_.add(Barrier{});
    }
    code_.load_input(to_, slice_, tiles_[0], buffers_, kTransfers);
    code_.load_weights(to_, slice_, tiles_[0], buffers_, kTransfers);
    to_.add(DmaWait{kTransfers});
    to_.add(Barrier{});
    to_.over(tiles_, [&](std::size_t t) { iteration(t); });
    to_.add(DmaWait{kTransfers});
  }

 private:
  bool has_norm() const { return code_.layer.call.norm || code_.layer.call.has_bias; }
  bool blocking() const { return traits(code_.layer.family).planes; }
  std::size_t other(std::size_t buffer) const {
    return code_.tiling.double_buffered ? 1 - buffer : buffer;
  }

  // Transfers of tile t + 1 into the other halves. True: with k and lambda.
  bool load_next(std::size_t t, LayerCode::Buffers& next) {
    next.in = other(next.in);
    next.out = other(next.out);
    code_.load_input(to_, slice_, tiles_[t + 1], next, kTransfers);
    if (blocking()) to_.add(DmaWait{kTransfers});
    if (tiles_[t + 1].c0 == tiles_[t].c0) return false;
    next.weights = other(next.weights);
    code_.load_weights(to_, slice_, tiles_[t + 1], next, kTransfers);
    if (blocking()) to_.add(DmaWait{kTransfers});
    if (has_norm()) code_.load_norm(to_, slice_, tiles_[t + 1], next, kNorm);
    return has_norm();
  }

  void iteration(std::size_t t) {
    const bool ahead = code_.tiling.double_buffered;
    if (t > 0 && !ahead) load_at_once(t);
    to_.add(tile_code(code_), fmt::format("tile {{{}}}", t));
    LayerCode::Buffers next = buffers_;
    const bool norm = t + 1 < tiles_.size() && ahead && load_next(t, next);
    to_.add(Barrier{});
    to_.add(code_.kernel(slice_, tiles_[t], buffers_), fmt::format("tile {{{}}}", t));
    to_.add(Barrier{});
    to_.add(DmaWait{kTransfers});
    if (norm) to_.add(DmaWait{kNorm});
    code_.store_output(to_, slice_, tiles_[t], buffers_, kTransfers);
    if (blocking()) to_.add(DmaWait{kTransfers});
    to_.add(Barrier{});
    buffers_ = next;
  }

  // Into the buffers of the tile before.
  void load_at_once(std::size_t t) {
    if (load_next(t - 1, buffers_)) to_.add(DmaWait{kNorm});
    to_.add(DmaWait{kTransfers});
    to_.add(Barrier{});
  }

  const LayerCode& code_;
  Listing& to_;
  std::size_t slice_;
  LayerCode::Buffers buffers_;
  const Nest& tiles_;
};

// Slices through L2: the first blocking, each next one asked for while the one before is computed.
class SlicedLayer {
 public:
  SlicedLayer(const LayerCode& code, Listing& to) : code_(code), to_(to) {}

  void run() {
    load(0, buffers_);
    arrive();
    to_.over(code_.slices, [&](std::size_t s) { iteration(s); });
  }

 private:
  void iteration(std::size_t s) {
    LayerCode::Buffers next = buffers_;
    const bool ahead = code_.tiling.l2_double_buffered, more = s + 1 < code_.slices.size();
    if (more && ahead) {
      next.slice = 1 - next.slice;
      load(s + 1, next);
    }
    SliceFunction(code_, to_, s, buffers_).run();
    to_.add(Barrier{});
    leave(s);
    if (more && !ahead) load(s + 1, next);
    arrive();
    buffers_ = next;
  }

  // What slice s reads of L3 and is not there yet.
  void load(std::size_t s, LayerCode::Buffers& buffers) {
    code_.load_slice(to_, s, buffers.slice, kSliceLoads);
    if (code_.plan.constants.size() < 2) return;
    const auto part = static_cast<std::ptrdiff_t>(code_.part_of(code_.slices[s]));
    if (part == loaded_) return;
    if (loaded_ >= 0 && code_.tiling.l2_double_buffered) buffers.constants = 1 - buffers.constants;
    code_.load_constants(to_, static_cast<std::size_t>(part), buffers.constants, kSliceLoads);
    loaded_ = part;
  }
  void arrive() {
    to_.add(L3Wait{kSliceLoads});
    to_.add(Barrier{});
  }
  // The slice's output goes while the next is computed; its buffer is written again only later.
  void leave(std::size_t s) {
    if (!code_.output_by_slice) return;
    if (s > 0) to_.add(L3Wait{kSliceStores});
    code_.store_slice(to_, s, buffers_.slice, kSliceStores);
    const bool last = s + 1 == code_.slices.size();
    if (last || !code_.tiling.l2_double_buffered) to_.add(L3Wait{kSliceStores});
  }

  const LayerCode& code_;
  Listing& to_;
  LayerCode::Buffers buffers_;
  std::ptrdiff_t loaded_ = -1;
};

}  // namespace

void emit_dory(const LayerCode& code, Listing& to) {
  const bool sliced = code.input_by_slice || code.second_by_slice || code.output_by_slice ||
                      code.plan.constants.size() > 1;
  if (sliced) {
    SlicedLayer(code, to).run();
    return;
  }
  CHECK(code.slices.size() == 1, "{}: slices of what lies in L2", code.layer.name);
  SliceFunction(code, to, 0, {}).run();
  to.add(Barrier{});
}

// A software pipeline over all tiles and slices of a layer, as deep as its buffers allow and with
// only the waits and barriers that hazards require: the next tile's operands are requested before
// the kernel of this one, outputs are stored behind it, and the next slice is fetched from L3
// meanwhile.
//
// Safety, per buffer: a load overwrites operands of a kernel that has ended (kernels end with a
// barrier); a kernel overwrites an output buffer whose transfer has been waited for before the
// barrier in front of the kernel. The same holds for slices in L2 and transfers of L3.

namespace {

constexpr std::int64_t kLoads = 0, kStores = 2;  // DMA counters, + buffer
constexpr std::int64_t kBuffers = 2;

struct Step {
  std::size_t slice = 0;
  Block tile;
  Pass pass;
  bool first = false, last = false;  // of its slice
};

class Overlapped {
 public:
  Overlapped(const LayerCode& code, Listing& to, const std::vector<Instruction>& prefetch,
             std::int64_t pieces)
      : code_(code), to_(to), prefetch_(prefetch), pieces_(pieces), twice_(buffering(code.tiling)) {
    for (std::size_t s = 0; s < code.slices.size(); ++s) {
      const Nest& tiles = code.tiles[s];
      for (std::size_t t = 0; t < tiles.size(); ++t) {
        for (const Pass& pass : code.passes(tiles[t])) {
          steps_.push_back(
              {s, tiles[t], pass, t == 0 && pass.first, t + 1 == tiles.size() && pass.last});
        }
      }
    }
  }

  void run() {
    to_.add(Code{.instructions = code_.machine.code.layer_instructions});
    load_slice(0);
    arrive();
    load(0, true);
    std::size_t i = 0;
    to_.over(code_.slices, [&](std::size_t s) {
      to_.over(code_.tiles[s], [&](std::size_t t) {
        const std::size_t passes = code_.passes(code_.tiles[s][t]).size();
        if (passes == 1) return step(i++);
        to_.loop(LoopOver::Passes, static_cast<std::int64_t>(passes),
                 [&](std::int64_t) { step(i++); });
      });
    });
    finish();
  }

 private:
  bool double_buffered() const { return code_.tiling.double_buffered; }
  bool ahead() const { return code_.tiling.l2_double_buffered; }
  bool sliced() const {
    return code_.input_by_slice || code_.second_by_slice || code_.output_by_slice ||
           code_.plan.constants.size() > 1;
  }

  void step(std::size_t i) {
    const Step& now = steps_[i];
    if (i > 0) load_rest(i);
    const Machine::Code& costs = code_.machine.code;
    to_.add(
        Code{.instructions = traits(code_.tiling.kernel).planes ? costs.depthwise_tile_instructions
                                                                : costs.tile_instructions,
             .divisions = costs.tile_divisions,
             .l2_loads = costs.tile_l2_loads},
        fmt::format("tile {{{}}}", i));
    const LayerCode::Buffers buffers = loaded_;
    const bool more = i + 1 < steps_.size();
    const bool crosses = more && steps_[i + 1].slice != now.slice;
    const bool early = more && double_buffered() && (!crosses || (ahead() && asked_ > now.slice));
    const std::int64_t awaited = loading_;  // of this tile, before the next one's are issued
    if (early && !crosses) next_tile(i, crosses, false);
    before_kernel(i, awaited);
    // Behind the waits: L3 is to begin with the slice after the next as soon as this one has left
    // L2, and not to rest for a kernel.
    if (early && crosses) next_tile(i, crosses, false);
    if (now.first) ask_for_slice_after(now.slice);
    to_.add(code_.kernel(now.slice, now.tile, with_output(buffers), now.pass),
            fmt::format("tile {{{}}}", i));
    if (now.pass.last) store(now, buffers);
    if (now.last) unsaved_ = now.slice;
    early_ = early;
  }

  void store(const Step& step, const LayerCode::Buffers& buffers) {
    code_.store_output(to_, step.slice, step.tile, with_output(buffers), kStores + out_);
    storing_[out_] = true;
    out_ = double_buffered() ? 1 - out_ : 0;
  }

  // Output channels [c0, c1), and the pass over the input's.
  struct Weights {
    std::int64_t c0 = 0, c1 = 0;
    Pass pass;
    friend bool operator==(const Weights&, const Weights&) = default;
  };

  // Of tile i, what could not be loaded before the kernel of the tile before: all, or operands with
  // one buffer.
  void load_rest(std::size_t i) {
    if (early_) {
      load(i, true);
    } else {
      next_tile(i - 1, steps_[i].slice != steps_[i - 1].slice, true);
    }
  }

  LayerCode::Buffers with_output(LayerCode::Buffers buffers) const {
    buffers.out = out_;
    return buffers;
  }

  // The transfers of tile i + 1; at the border of a slice, once its operands are in L2.
  void next_tile(std::size_t i, bool crosses, bool behind_kernel) {
    if (crosses) {
      if (!ahead()) load_slice(steps_[i + 1].slice);
      arrive();
      if (ahead()) ask_for_slice_after(steps_[i + 1].slice);
    }
    loading_ = -1;
    load(i + 1, behind_kernel);
  }

  // --- L1

  // Operands of step i that are not in L1 yet; `behind_kernel`: also those whose only buffer the
  // step before reads. Constants first: they are short, and a core that has to queue them behind
  // the input's many commands keeps the others waiting.
  void load(std::size_t i, bool behind_kernel) {
    const Step& step = steps_[i];
    const std::int64_t id = kLoads + (double_buffered() ? static_cast<std::int64_t>(i % 2) : 0);
    loaded_.slice = slice_buffer(step.slice);
    loaded_.constants = constants_buffer_;
    const Weights weights{step.tile.c0, step.tile.c1, step.pass};
    if (code_.has_constants() && (behind_kernel || twice_.weights) &&
        (!weights_ || *weights_ != weights)) {
      if (weights_ && twice_.weights) loaded_.weights = 1 - loaded_.weights;
      await_pieces(step.tile.c1);
      code_.load_weights(to_, step.slice, step.tile, loaded_, id, step.pass);
      code_.load_norm(to_, step.slice, step.tile, loaded_, id, step.pass);
      weights_ = weights;
      loading_ = id;
    }
    const Block in = code_.input_of_pass(step.slice, step.tile, step.pass);
    const bool destroyed = traits(code_.layer.family).destroys_input && in_of_ != i;
    if ((behind_kernel || twice_.in) && (!in_ || *in_ != in || destroyed)) {
      if (in_ && twice_.in) loaded_.in = 1 - loaded_.in;
      in_of_ = i;
      code_.load_input(to_, step.slice, step.tile, loaded_, id, step.pass);
      in_ = in;
      loading_ = id;
    }
  }

  // The weights of channels up to `end` are in L2, and every core knows.
  void await_pieces(std::int64_t end) {
    const std::vector<ConstantPart>& constants = code_.plan.constants;
    if (constants.size() != 1) return;
    const auto& pieces = constants[0].pieces;
    if (pieces[known_pieces_ - 1].end >= end) return;
    for (; pieces[known_pieces_ - 1].end < end; ++known_pieces_) {
      to_.add(L3Wait{pieces_ + static_cast<std::int64_t>(known_pieces_)});
    }
    to_.add(Barrier{});
  }

  // Waits for the tile's operands and for its output buffer; then all cores know.
  void before_kernel(std::size_t i, std::int64_t loading) {
    bool waited = loading >= 0;
    if (loading >= 0) to_.add(DmaWait{loading});
    const bool save = unsaved_.has_value();
    for (const std::size_t out : {std::size_t{0}, std::size_t{1}}) {
      const bool wanted = out == out_ && steps_[i].pass.last;
      if (!storing_[out] || (!wanted && !save)) continue;
      to_.add(DmaWait{kStores + static_cast<std::int64_t>(out)});
      storing_[out] = false;
      waited = true;
    }
    const std::size_t buffer = slice_buffer(steps_[i].slice);
    if (steps_[i].first && saving_[buffer]) {
      to_.add(L3Wait{kSliceStores + static_cast<std::int64_t>(buffer)});
      saving_[buffer] = false;
      waited = true;
    }
    if (waited) to_.add(Barrier{});
    if (!save) return;
    save_slice();
    if (ahead() || !saving_[buffer]) return;
    to_.add(L3Wait{kSliceStores + static_cast<std::int64_t>(buffer)});
    to_.add(Barrier{});
    saving_[buffer] = false;
  }

  // --- L2

  std::size_t slice_buffer(std::size_t slice) const { return ahead() ? slice % 2 : 0; }

  // What slice s reads of L3 and is not there yet. The first constants may have been prefetched.
  void load_slice(std::size_t s) {
    code_.load_slice(to_, s, slice_buffer(s), kSliceLoads);
    if (!code_.has_constants()) return;
    const std::size_t part = code_.part_of(code_.slices[s]);
    if (part_ && *part_ == part) return;
    if (part_ && ahead()) constants_next_ = 1 - constants_next_;
    const bool there = !part_ && (code_.plan.ahead > 0 || code_.plan.constants.size() == 1);
    if (!there) code_.load_constants(to_, part, constants_next_, kSliceLoads);
    part_ = part;
  }

  // The slice asked for is in L2, and every core knows.
  void arrive() {
    constants_buffer_ = constants_next_;
    if (!sliced()) return;
    to_.add(L3Wait{kSliceLoads});
    to_.add(Barrier{});
  }

  // Its buffers are free: all transfers to L1 of the slice before have been waited for.
  void ask_for_slice_after(std::size_t s) {
    if (asked_ > s) return;
    asked_ = s + 1;
    const bool last = s + 1 >= code_.slices.size();
    if (!last && ahead()) load_slice(s + 1);
    if (last) {
      add_prefetch(to_, prefetch_);
    }
  }

  // The slice that is complete in L2, all cores knowing it, leaves for L3.
  void save_slice() {
    const std::size_t slice = *unsaved_, buffer = slice_buffer(slice);
    unsaved_.reset();
    if (!code_.output_by_slice) return;
    code_.store_slice(to_, slice, buffer, kSliceStores + static_cast<std::int64_t>(buffer));
    saving_[buffer] = true;
  }

  void finish() {
    for (const std::size_t out : {std::size_t{0}, std::size_t{1}}) {
      if (storing_[out]) to_.add(DmaWait{kStores + static_cast<std::int64_t>(out)});
    }
    to_.add(Barrier{});
    if (!code_.output_by_slice) return;
    save_slice();
    for (const std::size_t b : {std::size_t{0}, std::size_t{1}}) {
      if (saving_[b]) to_.add(L3Wait{kSliceStores + static_cast<std::int64_t>(b)});
    }
    to_.add(Barrier{});
  }

  const LayerCode& code_;
  Listing& to_;
  const std::vector<Instruction>& prefetch_;
  std::int64_t pieces_;           // counter of the first piece of the constants
  std::size_t known_pieces_ = 1;  // there, and every core knows
  std::vector<Step> steps_;
  LayerCode::Buffers loaded_;        // of the tile loaded last
  Buffering twice_;                  // operands with two buffers
  std::optional<Block> in_;          // what its input buffer holds
  std::size_t in_of_ = 0;            // and for which step
  std::optional<Weights> weights_;   // and its weights
  bool early_ = false;               // whether the tile before has asked for this one
  std::int64_t loading_ = -1;        // counter of its transfers; -1: there were none
  std::size_t out_ = 0;              // output buffer of the next kernel
  bool storing_[2]{};                // output transfers without a wait so far
  std::size_t asked_ = 0;            // slice asked for last
  std::optional<std::size_t> part_;  // constants asked for last, ...
  std::size_t constants_next_ = 0, constants_buffer_ = 0;  // ... where, and those in use
  std::optional<std::size_t> unsaved_;  // slice whose last tile has been computed
  bool saving_[2]{};                    // slices on their way to L3
};

}  // namespace

void emit_overlapped(const LayerCode& code, Listing& to, const std::vector<Instruction>& prefetch,
                     std::int64_t pieces) {
  Overlapped(code, to, prefetch, pieces).run();
}

std::int64_t dma_identifiers(Tiler tiler) {
  return tiler == Tiler::Dory ? kNorm + 1 : kStores + kBuffers;
}

}  // namespace workbench::pulp
