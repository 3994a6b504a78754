// How a layer is cut: slices of it pass through L2 (from and to L3), tiles of a slice through L1.
// Two tilers: DORY's published constraints and objective (docs/facts/pulp.md 3.3, 3.4), and a
// search by modelled cycles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/pulp/layer.h"

namespace workbench::pulp {

// Output channels, rows and columns of a full tile or slice; the last in each direction is smaller.
// The input follows from the kernel's geometry. Depthwise, Add and pools: in_c = out_c. Convolution
// and linear: in_c is the whole.
struct Cut {
  std::int64_t out_c = 1, out_h = 1, out_w = 1;
  friend bool operator==(const Cut&, const Cut&) = default;
};

enum class LoopOrder {
  ChannelsOuter,  // n_out, h, w: DORY's. Weights of a channel tile stay while the map passes
  RowsOuter,      // h, w, n_out: an input tile stays while the weights pass
};

// What the calls of a tile pass over where the inputs of one result do not fit L1: pieces of the
// input channels, or rows or columns of a pool's window. Partial sums stay in L1 between them.
enum class PassOver { Nothing, Channels, Rows, Columns };
struct Passes {
  PassOver over = PassOver::Nothing;
  std::int64_t size = 0;  // channels, rows or columns of the input at a time
};
// One of them: [begin, end) of the tile's input.
struct Pass {
  std::int64_t begin = 0, end = 0;
  bool first = true, last = true;
  friend bool operator==(const Pass&, const Pass&) = default;
};

// Byte addresses in L1; the second of a pair equals the first where there is one buffer only.
struct L1Map {
  std::int64_t in[2]{}, in2[2]{}, out[2]{}, weights[2]{}, kappa[2]{}, lambda[2]{}, bias[2]{};
  std::int64_t sums = 0;  // partial sums of a tile
  std::int64_t scratch = 0, end = 0;
};

struct Tiling {
  KernelKind kernel = KernelKind::ConvHo;
  std::int64_t cores = 0;  // that take part (Kernel::cores); 0: all
  Cut tile;                // in L1
  LoopOrder order = LoopOrder::ChannelsOuter;
  Passes passes;
  bool double_buffered = true;
  // An operand that stays for several tiles may do with one buffer all the same: it is loaded when
  // the last kernel that reads it has ended.
  bool input_twice = true, weights_twice = true;
  L1Map map;
  // L2 slices: pieces of the layer whose input, weights and output lie in L2 together.
  Cut slice;  // equal to the layer's output: one slice
  bool input_from_l3 = false, output_to_l3 = false, weights_from_l3_by_slice = false;
  bool l2_double_buffered = true;
  // Slices go channels outermost or rows outermost, as tiles do.
  LoopOrder slice_order = LoopOrder::ChannelsOuter;
  // How transfers are issued: as DORY's code does, one 1-D command per line; or as 2-D commands
  // where that costs less.
  bool commands_2d = false;
  // As DORY's layer functions (sdk21, applications/MobileNetV1): the first slice is read from L3 as
  // high as the others, and so are the first tiles of a depthwise layer, where padding takes the
  // place of rows; the last ones have the node's padding, though no window reaches it; depthwise
  // weights come byte by byte.
  bool as_dory = false;
  Cycles modelled;  // modelled cycles; 0: not modelled
};

// What a tiler finds for a layer.
struct TilingResult {
  std::optional<Tiling> tiling;
  std::string obstacle;  // where there is none: one line, "LAYER: " and what does not fit
};

// Rows [begin, end) of the input that rows [out_begin, out_end) of the output need, clipped to the
// map, and the padding left over at either side. The same for columns.
struct InputSpan {
  std::int64_t begin = 0, end = 0, pad_before = 0, pad_after = 0;
};
InputSpan input_rows(const Kernel& layer, std::int64_t out_begin, std::int64_t out_end);
InputSpan input_columns(const Kernel& layer, std::int64_t out_begin, std::int64_t out_end);

// Whether every tile (or slice) of that many rows, columns reads something of the input when `size`
// of them are cut: where padding is as wide as the kernel, the outermost results are of padding
// alone, and no kernel computes a block of those.
bool row_tiles_read(const Kernel& layer, std::int64_t size, std::int64_t tile);
bool column_tiles_read(const Kernel& layer, std::int64_t size, std::int64_t tile);

// The kernel call of output block [c0, c0 + out.out_c) x [y0, ...) x [x0, ...): sizes and padding
// set, addresses not. What tilers cost and the emitter emits is the same call.
Kernel tile_call(const Layer& layer, KernelKind kernel, std::int64_t c0, std::int64_t y0,
                 std::int64_t x0, const Cut& block);

// The passes of a tile, in order; one where it is not cut. `tile`: its call.
std::vector<Pass> passes_of(const Passes& passes, const Kernel& tile);
// The call of one pass of it, addresses not set.
Kernel pass_call(const Kernel& tile, const Passes& passes, const Pass& pass);

// Byte addresses of the buffers in L1 for tiles of that size: x, y, W, kappa, lambda (each twice
// when double buffered), scratch. `end` is what it takes.
L1Map l1_map(const Layer& layer, const Tiling& tiling, const Machine& machine);

// Rows of the input behind one another that `out_rows` of the output read, none of them padding.
std::int64_t inner_rows(const Kernel& layer, std::int64_t out_rows);

// Bytes of the widest slice's input and output; rows and columns as input_rows() has them.
struct SliceBytes {
  std::int64_t in = 0, out = 0;
};
SliceBytes slice_bytes(const Layer& layer, const Cut& slice);

// Its output channels have weights of their own and read all of the input.
bool channels_can_be_sliced(const Layer& layer);
std::int64_t code_bytes(std::int64_t channels, std::int64_t bits);  // of a pixel

// The layer's share of L2, and where its operands lie at its start.
struct L2Budget {
  std::int64_t bytes = 0;                          // for the layer's own input, output and weights
  bool input_in_l3 = false, output_in_l3 = false;  // forced from outside
  // Constants come in slices of at most so many bytes, though more might fit; 0: as they fit.
  std::int64_t weights_at_once = 0;
  bool channels_outer = false;  // tiles in that order only
};

// L1 that a tile takes.

struct TileBytes {
  std::int64_t in = 0, in2 = 0, out = 0, weights = 0, norm = 0, bias = 0, sums = 0, scratch = 0;
};
TileBytes tile_bytes(const Kernel& largest_call, const Machine& machine);
TileBytes tile_bytes(const Layer& layer, const Tiling& tiling, const Machine& machine);
// Which operands have two buffers; constants go with the weights.
struct Buffering {
  bool in = true, weights = true, out = true;
  bool all() const { return in && weights && out; }
};
Buffering buffering(const Tiling& tiling);
// Of all buffers at the closest they can be packed.
std::int64_t l1_bytes(const TileBytes& bytes, const Buffering& twice);

// Most rows or columns of the input that a tile of that many of the output needs, and with padding.
// Tiles begin anew in each slice.
struct Extent {
  std::int64_t data = 0, padded = 0;
};
Extent row_extent(const Layer& layer, std::int64_t tile, std::int64_t slice);
Extent column_extent(const Layer& layer, std::int64_t tile, std::int64_t slice);

// A call as large as the largest of the layer's tiles in every buffer that it needs; its sizes are
// those of no tile in particular.
Kernel largest_call(const Layer& layer, KernelKind kernel, const Cut& tile, const Cut& slice);
Kernel largest_call(const Layer& layer, const Tiling& tiling);

}  // namespace workbench::pulp
