#include "compiler/pulp/kernel_rules.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine) {
  std::vector<KernelKind> usable;
  for (const KernelTraits& row : kernels_of(layer.family)) {
    if (!can_split(row.kind, machine.cluster.cores)) continue;
    Kernel call = layer.call;
    call.kind = row.kind;
    if (!missing_extension(call, machine).empty()) continue;
    if (row.serves == nullptr || row.serves(layer.call)) usable.push_back(row.kind);
  }
  return usable;
}

std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine, Use own) {
  std::vector<KernelKind> usable = usable_kernels(layer, machine);
  if (own == Use::Never) usable.resize(1);
  if (own == Use::Always && usable.size() > 1) usable.erase(usable.begin());
  return usable;
}

KernelKind dory_kernel(const Layer& layer, const Machine& machine) {
  return usable_kernels(layer, machine).front();
}

bool can_split(KernelKind kernel, std::int64_t cores) {
  return traits(kernel).split != Split::HalfRows || cores % 2 == 0 || cores == 1;
}

namespace {

bool channels_over_cores(KernelKind kind) { return traits(kind).split == Split::Channels; }

// The rough model's figures, in cycles. They are no knobs of a machine: a search only ranks tiles
// by them, and scales them to the exact cost of one tile, so that what counts is how they grow.
// docs/facts/pulp.md 4.4 has the source of each and how far they are from the exact cost.

// Blocks of 4 channels x 2 pixels, channels left over, pixels left over: per word of K, per code
// left of it, and behind it. A word is of as many codes as are multiplied at once.
struct MatrixFigures {
  double block_word = 14, block_rest = 17;      // 2.3.1, 2.3.2
  double quad_word = 24, quad_epilogue = 224;   // of 4 channels x 4 pixels: counted; of two blocks
  double loading_block = 9, loading_quad = 17;  // with loads in the products: 6.2
  double loading_channel = 3, loading_pixel = 3;
  double channel_word = 5, channel_rest = 8;  // 2.3.2, of two pixels
  double pixel_word = 3, pixel_rest = 5;      // 2.3.2, of one
  double epilogue_clamped = 136;              // 3 more for each of 8 results: counted
  double epilogue = 112, epilogue_64 = 328;   // 2.3.2, 2.3.4 (27 more for each of 8 results), of a
                                              // block; of a channel half, of one pixel a quarter
  double pixels = 40;                         // fitted: pointers of a pair or of a pixel
  double quad_pixels = 200;                   // counted: the same of four, two or one where blocks
                                              // are of 4 x 4
};
// A column: 3 instructions per 4 bytes, and per row of the window the branches at borders.
struct ColumnFigures {
  double byte = 0.75, window_row = 108;  // 2.6.2
};
struct LinearFigures {
  double neuron = 30, input = 1;  // 2.4.5, fitted
};
// Of a channel and output column.
struct DepthwiseFigures {
  double column = 35;                      // 2.5.2
  double in_row_tap = 1.73;                // 2.5.2: 5.2 per row of 3
  double out_row = 6, out_row_tap = 1.42;  // 2.5.2: 18.8 per row of 9 taps
  // Ours from pixels, counted: a code of the input turned around, a row, a result alone and in
  // pairs.
  double turned = 1.3, plane_row = 40, single = 12, paired = 10;
};
// Of a pixel, all its channels or each.
struct ElementwiseFigures {
  double add_channel = 8.3, add_pixel = 1.7;                // fitted
  double requantize_channel = 1.7, requantize_pixel = 1.7;  // fitted
};
struct AveragePoolFigures {
  double tap = 2.75, channel = 8, pixel = 40;  // 2.6.3: 52 for 16 taps in 4 rows; fitted
};
struct MaxPoolFigures {
  // Directly, counted: copying and comparing a channel; a pixel, a row and a tap of its window.
  // Channels left over of fours are compared one by one.
  double copied = 2.5, compared = 1.4, direct_pixel = 75, direct_row = 28, direct_tap = 13;
  double left_channels = 14, left_channel = 10;
  double code_tap = 3, code_row = 5;    // fitted, of 4 channels of codes that are no bytes
  double along_x = 3.2, along_y = 0.8;  // fitted, of a channel
  double pixel = 8, in_pixel = 25;      // fitted
};

constexpr MatrixFigures kMatrix;
constexpr ColumnFigures kColumn;
constexpr LinearFigures kLinear;
constexpr DepthwiseFigures kDepthwise;
constexpr ElementwiseFigures kElementwise;
constexpr AveragePoolFigures kAveragePool;
constexpr MaxPoolFigures kMaxPool;

// What a tile is to the rough model.
struct MapSize {
  std::int64_t cores, in_rows, rows, columns;
};

// Codes that a product takes, and what a word of them takes in a block.
std::int64_t word_codes(KernelKind kind, const Kernel& layer) {
  return traits(kind).packed ? 32 / layer.weight_bits : 4;
}
double block_word(KernelKind kind) {
  return traits(kind).mac_load ? kMatrix.loading_block : kMatrix.block_word;
}

// Pairs of pixels that take as long as those of a row do: of blocks of four, fewer than there are.
double pairs_of(KernelKind kind, const Kernel& layer, std::int64_t columns) {
  if (traits(kind).pixels == 2) return static_cast<double>(columns / 2);
  const std::int64_t depth = layer.in_c * layer.kernel_h * layer.kernel_w;
  const auto words = static_cast<double>(depth / word_codes(kind, layer));
  const double quad_word = traits(kind).mac_load ? kMatrix.loading_quad : kMatrix.quad_word;
  const double quad = quad_word * words + kMatrix.quad_epilogue;
  const double pair = block_word(kind) * words + kMatrix.epilogue;
  return static_cast<double>(columns / 4) * quad / pair + static_cast<double>(columns % 4 / 2);
}

MapWork matrix_map(KernelKind kind, const Kernel& layer, const MapSize& size) {
  const auto [cores, in_rows, rows, columns] = size;
  std::int64_t own_rows = rows, own_columns = columns;
  if (!channels_over_cores(kind)) {
    own_rows = ceil_div(rows, cores);
    if (traits(kind).split == Split::HalfRows && rows % cores != 0 && columns > 1 && cores > 1) {
      own_rows = ceil_div(rows, cores / 2);
      own_columns = columns - columns / 2;
    }
  }
  if (traits(kind).family == Family::Conv) {  // pairs go on across the ends of rows
    const std::int64_t pixels = own_rows * own_columns;
    if (traits(kind).pixels == 2) {
      return {static_cast<double>(pixels / 2), static_cast<double>(pixels % 2)};
    }
  }
  return {static_cast<double>(own_rows) * pairs_of(kind, layer, own_columns),
          static_cast<double>(own_rows * (own_columns % 2))};
}

ChannelWork matrix_channels(KernelKind kind, const Kernel& layer, std::int64_t channels) {
  const std::int64_t depth = layer.in_c * layer.kernel_h * layer.kernel_w;
  const std::int64_t word = word_codes(kind, layer);
  const auto words = static_cast<double>(depth / word), rest = static_cast<double>(depth % word);
  const bool loading = traits(kind).mac_load;
  const double channel_word = loading ? kMatrix.loading_channel : kMatrix.channel_word;
  const double pixel_word = loading ? kMatrix.loading_pixel : kMatrix.pixel_word;
  const double epilogue = layer.norm && layer.clamped           ? kMatrix.epilogue_clamped
                          : layer.norm && layer.norm_bits == 64 ? kMatrix.epilogue_64
                                                                : kMatrix.epilogue;
  const auto blocks = static_cast<double>(channels / 4), left = static_cast<double>(channels % 4);
  const double pixels = traits(kind).pixels == 4 ? kMatrix.quad_pixels : kMatrix.pixels;
  ChannelWork work;
  work.per_pair = pixels +
                  blocks * (block_word(kind) * words + kMatrix.block_rest * rest + epilogue) +
                  left * (channel_word * words + kMatrix.channel_rest * rest + epilogue / 2);
  work.per_single = pixels + static_cast<double>(channels) *
                                 (pixel_word * words + kMatrix.pixel_rest * rest + epilogue / 4);
  if (traits(kind).family == Family::Conv) {
    const double columns =
        kColumn.byte * 4 * static_cast<double>(depth) / static_cast<double>(word) +
        kColumn.window_row * static_cast<double>(layer.kernel_h);
    work.per_pair += 2 * columns;
    work.per_single += columns;
  }
  return work;
}

MapWork linear_map(KernelKind, const Kernel&, const MapSize&) { return {1, 0}; }

ChannelWork linear_channels(KernelKind kind, const Kernel& layer, std::int64_t channels) {
  const double inputs =
      4 * static_cast<double>(layer.in_c) / static_cast<double>(word_codes(kind, layer));
  return {static_cast<double>(channels) * (kLinear.neuron + kLinear.input * inputs), 0};
}

MapWork depthwise_map(KernelKind kind, const Kernel& layer, const MapSize& size) {
  if (!traits(kind).planes) {
    const auto rows = static_cast<double>(size.rows), columns = static_cast<double>(size.columns);
    const double in_codes =
        static_cast<double>(size.in_rows) * static_cast<double>(layer.stride_x) * columns;
    const double result = layer.stride_x == 1 ? kDepthwise.paired : kDepthwise.single;
    return {kDepthwise.turned * in_codes + rows * (kDepthwise.plane_row + columns * result), 0};
  }
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  return {
      static_cast<double>(size.columns) *
          (kDepthwise.column +
           kDepthwise.in_row_tap * static_cast<double>(layer.kernel_w * size.in_rows) +
           (kDepthwise.out_row + kDepthwise.out_row_tap * taps) * static_cast<double>(size.rows)),
      0};
}

// The others: cycles per channel as pairs, per pixel as singles.
ChannelWork pixel_channels(KernelKind, const Kernel&, std::int64_t channels) {
  return {static_cast<double>(channels), 1};
}

double own_pixels(const MapSize& size) {
  return static_cast<double>(ceil_div(size.rows, size.cores)) * static_cast<double>(size.columns);
}

MapWork add_map(KernelKind, const Kernel&, const MapSize& size) {
  return {own_pixels(size) * kElementwise.add_channel, own_pixels(size) * kElementwise.add_pixel};
}

MapWork requantize_map(KernelKind, const Kernel&, const MapSize& size) {
  return {own_pixels(size) * kElementwise.requantize_channel,
          own_pixels(size) * kElementwise.requantize_pixel};
}

MapWork average_pool_map(KernelKind kind, const Kernel& layer, const MapSize& size) {
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  const double pixels = channels_over_cores(kind)
                            ? static_cast<double>(size.rows) * static_cast<double>(size.columns)
                            : own_pixels(size);
  return {pixels * (kAveragePool.tap * taps + kAveragePool.channel), pixels * kAveragePool.pixel};
}

MapWork max_pool_map(KernelKind kind, const Kernel& layer, const MapSize& size) {
  const double pixels = own_pixels(size);
  const auto taps = static_cast<double>(layer.kernel_h * layer.kernel_w);
  const auto height = static_cast<double>(layer.kernel_h);
  if (kind == KernelKind::MaxPoolDirect && layer.in_bits < 8) {  // 4 channels at a time
    return {pixels * (kMaxPool.code_tap * taps + kMaxPool.code_row * (height + 1)) / 4, 0};
  }
  if (kind == KernelKind::MaxPoolDirect) {
    return {pixels * (kMaxPool.copied + kMaxPool.compared * taps),
            pixels * (kMaxPool.direct_pixel + kMaxPool.direct_row * height +
                      kMaxPool.direct_tap * taps)};
  }
  // Along all rows of the input, then along columns.
  const auto in_rows = static_cast<double>(layer.stride_y);
  const double in_pixels = in_rows * static_cast<double>(layer.stride_x);
  return {pixels * (kMaxPool.along_x * in_rows * static_cast<double>(layer.kernel_w) +
                    kMaxPool.along_y * height),
          pixels * (kMaxPool.pixel + kMaxPool.in_pixel * in_pixels)};
}

struct RoughCost {
  MapWork (*map)(KernelKind, const Kernel& layer, const MapSize&);
  ChannelWork (*channels)(KernelKind, const Kernel& layer, std::int64_t of_a_core);
};

ChannelWork max_pool_channels(KernelKind kind, const Kernel& layer, std::int64_t channels) {
  ChannelWork work = pixel_channels(kind, layer, channels);
  const auto left = static_cast<double>(channels % 4);
  if (kind == KernelKind::MaxPoolDirect && layer.in_bits == 8 && left > 0) {
    work.per_pair += kMaxPool.left_channels + (kMaxPool.left_channel - 1) * left;
  }
  return work;
}

RoughCost rough_cost(Family family) {
  switch (family) {
    case Family::Conv:
    case Family::Pointwise:
      return {matrix_map, matrix_channels};
    case Family::Depthwise:
      return {depthwise_map, pixel_channels};
    case Family::Linear:
      return {linear_map, linear_channels};
    case Family::Add:
      return {add_map, pixel_channels};
    case Family::AveragePool:
      return {average_pool_map, pixel_channels};
    case Family::MaxPool:
      return {max_pool_map, max_pool_channels};
    case Family::Requantize:
      return {requantize_map, pixel_channels};
  }
  CHECK(false, "family {}", static_cast<int>(family));
}

}  // namespace

MapWork map_work(KernelKind kind, const Kernel& layer, std::int64_t cores, std::int64_t in_rows,
                 std::int64_t rows, std::int64_t columns) {
  return rough_cost(traits(kind).family).map(kind, layer, {cores, in_rows, rows, columns});
}

ChannelWork channel_work(KernelKind kind, const Kernel& layer, std::int64_t cores,
                         std::int64_t channels) {
  std::int64_t own = channels_over_cores(kind) ? ceil_div(channels, cores) : channels;
  if (kind == KernelKind::DepthwisePixels) {  // by fours, of which cores share the rows
    const std::int64_t quads = ceil_div(channels, 4);
    own = quads > cores ? 4 * ceil_div(quads, cores)
                        : std::max<std::int64_t>(1, 4 / std::max<std::int64_t>(1, cores / quads));
    own = std::min(own, channels);
  }
  return rough_cost(traits(kind).family).channels(kind, layer, own);
}

}  // namespace workbench::pulp
