// A layer as DORY's generated code runs it (pulp.md 3.6): k and lambda, the first tile, then per
// iteration the next tile's transfers, a barrier, the kernel, a barrier, all waits, the output.
#include "compiler/pulp/emit.h"
#include "core/error.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kTransfers = 0, kNorm = 1;  // DMA counters: all cores', and core 0's

Code tile_code(const LayerCode& code) {
  const Machine::Code& costs = code.machine.code;
  return {.instructions = code.layer.kind == LayerKind::Depthwise
                              ? costs.depthwise_tile_instructions
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
    for (std::size_t t = 0; t < tiles_.size(); ++t) iteration(t);
    to_.add(DmaWait{kTransfers});
  }

 private:
  bool has_norm() const { return code_.layer.call.norm || code_.layer.call.has_bias; }
  bool blocking() const { return code_.layer.kind == LayerKind::Depthwise; }
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
    to_.add(tile_code(code_), fmt::format("tile {}", t));
    LayerCode::Buffers next = buffers_;
    const bool more = t + 1 < tiles_.size();
    const bool norm = more && code_.tiling.double_buffered && load_next(t, next);
    to_.add(Barrier{});
    to_.add(code_.kernel(slice_, tiles_[t], buffers_), fmt::format("tile {}", t));
    to_.add(Barrier{});
    to_.add(DmaWait{kTransfers});
    if (norm) to_.add(DmaWait{kNorm});
    code_.store_output(to_, slice_, tiles_[t], buffers_, kTransfers);
    if (blocking()) to_.add(DmaWait{kTransfers});
    to_.add(Barrier{});
    if (more && !code_.tiling.double_buffered) {
      if (load_next(t, next)) to_.add(DmaWait{kNorm});
      to_.add(DmaWait{kTransfers});
      to_.add(Barrier{});
    }
    buffers_ = next;
  }

  const LayerCode& code_;
  Listing& to_;
  std::size_t slice_;
  LayerCode::Buffers buffers_;
  const std::vector<Block>& tiles_;
};

// Slices through L2: the first blocking, each next one asked for while the one before is computed.
class SlicedLayer {
 public:
  SlicedLayer(const LayerCode& code, Listing& to) : code_(code), to_(to) {}

  void run() {
    const std::size_t count = code_.slices.size();
    load(0, buffers_);
    arrive();
    for (std::size_t s = 0; s < count; ++s) {
      LayerCode::Buffers next = buffers_;
      const bool ahead = code_.tiling.l2_double_buffered;
      if (s + 1 < count) {
        if (ahead) next.slice = 1 - next.slice;
        if (ahead) load(s + 1, next);
      }
      SliceFunction(code_, to_, s, buffers_).run();
      to_.add(Barrier{});
      leave(s);
      if (s + 1 < count && !ahead) load(s + 1, next);
      arrive();
      buffers_ = next;
    }
  }

 private:
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

}  // namespace workbench::pulp
