// Tilings with addresses -> instructions. A LayerCode knows one layer's slices, tiles and buffers
// and makes the transfers and kernel calls of each; emit_orders.h puts them in order, in the loops
// over slices and tiles, which the listing keeps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/prefetch.h"
#include "compiler/pulp/tile_loops.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// Output channels, rows and columns [begin, end).
struct Block {
  std::int64_t c0 = 0, c1 = 0, y0 = 0, y1 = 0, x0 = 0, x1 = 0;
  friend bool operator==(const Block&, const Block&) = default;
};

// What a nest's three loops pass over, of slices and of tiles.
struct NestLoops {
  LoopOver channels, rows, columns;
};
inline constexpr NestLoops kSliceLoops{LoopOver::SliceChannels, LoopOver::SliceRows,
                                       LoopOver::SliceColumns};
inline constexpr NestLoops kTileLoops{LoopOver::Channels, LoopOver::Rows, LoopOver::Columns};

// A tiler's loops: over the blocks of `all` of at most `cut`, in that order.
class Nest {
 public:
  Nest(const Block& all, const Cut& cut, LoopOrder order, const NestLoops& loops);
  const std::array<std::int64_t, 3>& trips() const { return trips_; }  // outermost first
  const std::array<LoopOver, 3>& over() const { return over_; }
  std::size_t size() const;
  Block operator[](std::size_t i) const;  // as the loops come to them

 private:
  Block all_;
  Cut cut_;
  LoopOrder order_;
  std::array<std::int64_t, 3> trips_{};
  std::array<LoopOver, 3> over_{};
};

// A map in memory: address of the element at channel c0, row y0, column x0.
struct Area {
  Space space = Space::L2;
  std::int64_t base = 0, pixel_stride = 0, row_stride = 0, bits = 8;
  std::int64_t c0 = 0, y0 = 0, x0 = 0;
  std::int64_t address(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return base + (y - y0) * row_stride + (x - x0) * pixel_stride + (c - c0) * bits / 8;
  }
};

// Appends instructions with their layer and text: opcode, layer and `what`, in which numbers that
// may grow from tile to tile stand in braces; and keeps the loops that they are added in.
struct Listing {
  LoopedProgram& to;
  std::int32_t layer = 0;
  std::string name;  // of the layer
  void add(const Instruction& instruction, const std::string& what = {});
  std::int32_t next() const { return static_cast<std::int32_t>(to.program.instructions.size()); }

  // body(i) for each i of [0, count), as iterations of a loop.
  template <typename Body>
  void loop(LoopOver over, std::int64_t count, const Body& body) {
    const std::size_t mine = to.loops.size();
    to.loops.push_back({{}, over});
    for (std::int64_t i = 0; i < count; ++i) {
      to.loops[mine].at.push_back(next());
      body(i);
    }
    to.loops[mine].at.push_back(next());
  }

  // body(i) for block i of the nest, in its loops.
  template <typename Body>
  void over(const Nest& nest, const Body& body) {
    std::size_t block = 0;
    levels(nest, 0, [&] { body(block++); });
  }

 private:
  template <typename Body>
  void levels(const Nest& nest, std::size_t level, const Body& body) {
    if (level == nest.trips().size()) return body();
    loop(nest.over()[level], nest.trips()[level],
         [&](std::int64_t) { levels(nest, level + 1, body); });
  }
};

// Throws Error: `layer` takes the program beyond kMostInstructions (search_steps.h).
[[noreturn]] void refuse_instructions(const std::string& layer);

class LayerCode {
 public:
  LayerCode(const Network& network, const Layer& layer, const LayerPlan& plan,
            const std::vector<Home>& homes, const Machine& machine);

  const Layer& layer;
  const LayerPlan& plan;
  const Tiling& tiling;
  const Machine& machine;
  Nest slices;              // of the output
  std::vector<Nest> tiles;  // of each slice
  bool input_by_slice = false, second_by_slice = false, output_by_slice = false;

  Block input_of(const Block& out) const;  // clipped to the map; channels as the kernel reads them
  // What is loaded of it: more, where the tiling is as DORY's.
  Block input_of_slice(std::size_t s) const;
  Block input_of_tile(std::size_t s, const Block& tile) const;
  bool has_constants() const { return !plan.constants.empty(); }
  bool has_norm() const { return layer.call.norm || layer.call.has_bias; }
  std::size_t part_of(const Block& slice) const;  // index of its constants

  // L3 <-> L2: what slice `s` needs in buffer `b`, what it leaves.
  // Piece k under counter id + k * id_step.
  void load_constants(Listing& to, std::size_t part, std::size_t b, std::int64_t id,
                      std::int64_t id_step = 0) const;
  void load_slice(Listing& to, std::size_t s, std::size_t b, std::int64_t id) const;
  void store_slice(Listing& to, std::size_t s, std::size_t b, std::int64_t id) const;

  // L2 <-> L1: buffer `b` of L1, `sb` of L2. Nothing is added for what is empty.
  struct Buffers {
    std::size_t in = 0, weights = 0, out = 0;  // of L1
    std::size_t slice = 0, constants = 0;      // of L2
  };
  void load_input(Listing& to, std::size_t s, const Block& tile, const Buffers& b, std::int64_t id,
                  const Pass& pass = {}) const;
  void load_weights(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                    std::int64_t id, const Pass& pass = {}) const;
  // What the pass needs of kappa, lambda and bias.
  void load_norm(Listing& to, std::size_t s, const Block& tile, const Buffers& b, std::int64_t id,
                 const Pass& pass = {}) const;
  void store_output(Listing& to, std::size_t s, const Block& tile, const Buffers& b,
                    std::int64_t id) const;
  Kernel kernel(std::size_t s, const Block& tile, const Buffers& b, const Pass& pass = {}) const;
  // Of a tile; what a pass reads of its input.
  std::vector<Pass> passes(const Block& tile) const;
  Block input_of_pass(std::size_t s, const Block& tile, const Pass& pass) const;

 private:
  Area home_area(std::int32_t activation, std::int64_t channels, std::int64_t width,
                 std::int64_t bits) const;
  Area input_area(bool second) const;
  Area output_area() const;
  Area slice_area(const Area& home, std::int64_t address, const Block& block) const;
  void move_slice(Listing& to, const Area& home, std::int64_t address, const Block& block,
                  bool to_l2, std::int64_t id) const;
  Dma move_tile(const Area& l2, std::int64_t l1, const Block& block, bool to_l1,
                std::int64_t id) const;
  Dma turn_tile(const Area& l2, std::int64_t l1, const Block& block, std::int64_t id) const;
  Dma move_pass_weights(std::int64_t l2, std::int64_t l1, std::int64_t channels, const Pass& pass,
                        std::int64_t id) const;
  Kernel call_of(const Block& tile) const;
  Dma move_run(std::int64_t l2, std::int64_t l1, std::int64_t rows, std::int64_t row_bytes,
               bool split, std::int64_t id) const;

  const Network& network_;
  const std::vector<Home>& homes_;
};

// Counters of L3 transfers.
inline constexpr std::int64_t kSliceLoads = 0, kSliceStores = 2;  // + buffer
// A layer's first constants, piece by piece: those of so many layers may be under way at a time.
inline constexpr std::int64_t kPieces = 16, kMostPieces = 60;
constexpr std::int64_t first_piece(std::size_t layer) {
  return kPieces + static_cast<std::int64_t>(layer) % (kMostAhead + 1) * kMostPieces;
}

}  // namespace workbench::pulp
