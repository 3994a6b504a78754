#include <gtest/gtest.h>

#include "compiler/pulp/share_rows.h"
#include "isa/pulp/semantics.h"
#include "tests/support/pulp_layers.h"

namespace workbench::pulp {
namespace {

Layer one_row(Family family, std::int64_t channels, std::int64_t columns) {
  Layer layer = layer_of(family, {.in_c = channels, .out_c = channels, .size = columns});
  layer.call.in_h = layer.call.out_h = 1;
  return layer;
}

Network network_of(Layer layer) {
  Network network;
  layer.in = 0, layer.out = 1;
  network.layers.push_back(std::move(layer));
  network.activations.resize(2);
  return network;
}

TEST(PulpShareRows, exchanging_axes_exchanges_window_padding_and_taps) {
  Layer layer;
  layer.family = Family::Conv;
  layer.call = {.in_w = 9,
                .in_h = 1,
                .in_c = 2,
                .out_w = 4,
                .out_h = 1,
                .out_c = 1,
                .kernel_w = 3,
                .kernel_h = 2,
                .stride_x = 2,
                .stride_y = 5,
                .pad_top = 1,
                .pad_bottom = 0,
                .pad_left = 0,
                .pad_right = 0};
  layer.weights = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};  // [1][2][3][2]
  const Layer turned = with_axes_exchanged(layer);
  EXPECT_EQ(turned.call.in_h, 9);
  EXPECT_EQ(turned.call.in_w, 1);
  EXPECT_EQ(turned.call.out_h, 4);
  EXPECT_EQ(turned.call.kernel_h, 3);
  EXPECT_EQ(turned.call.kernel_w, 2);
  EXPECT_EQ(turned.call.stride_y, 2);
  EXPECT_EQ(turned.call.pad_left, 1);
  EXPECT_EQ(turned.call.pad_top, 0);
  // Tap (y, x) of 2 x 3 lies at (x, y) of 3 x 2, two channels each.
  EXPECT_EQ(turned.weights, (std::vector<std::int8_t>{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}));
  EXPECT_EQ(with_axes_exchanged(turned).weights, layer.weights);
}

TEST(PulpShareRows, a_row_of_pixels_is_dealt_out_to_all_cores) {
  const Machine machine;
  for (const Tiler tiler : {Tiler::Optimal, Tiler::Dory}) {
    Network network = network_of(one_row(Family::Pointwise, 32, 64));
    share_rows(network, machine, tiler);
    const Kernel& call = network.layers[0].call;
    EXPECT_EQ(call.out_h * call.out_w, 64);
    // The other tiler deals out channels, in blocks of 4x4, when that is as fast.
    if (tiler == Tiler::Optimal) continue;
    EXPECT_EQ(call.out_w, 2);  // pairs of pixels, 8 rows of 32 a core
    EXPECT_EQ(call.in_h, 32);
  }
}

Layer map_of(Family family, std::int64_t rows, std::int64_t columns) {
  Layer layer = one_row(family, 16, columns);
  layer.call.in_h = layer.call.out_h = rows;
  return layer;
}

Kernel shared(const Layer& layer, Tiler tiler, Use use = Use::WhereFaster) {
  const Machine machine;  // of 8 cores
  Network network = network_of(layer);
  share_rows(network, machine, tiler, use);
  if (!can_share_rows(layer, machine, tiler, use)) {
    EXPECT_EQ(network.layers[0].call, layer.call);
  }
  return network.layers[0].call;
}

TEST(PulpShareRows, rows_that_go_round_single_pixels_and_windows_stay) {
  const Layer even = map_of(Family::Pointwise, 16, 16), pixel = map_of(Family::Pointwise, 1, 1);
  EXPECT_EQ(shared(even, Tiler::Optimal), even.call);
  EXPECT_EQ(shared(pixel, Tiler::Optimal), pixel.call);
  const Layer window = map_of(Family::Depthwise, 10, 10);
  EXPECT_EQ(shared(window, Tiler::Optimal), window.call);
  EXPECT_EQ(shared(window, Tiler::Optimal, Use::Always), window.call);
}

// Where rows are fewer than cores, two share one: 4 rows of 25 pixels are 13 for the core that has
// most of them, the fewest that there can be of 100.
TEST(PulpShareRows, rows_that_do_not_go_round_are_cut_anew) {
  const Layer layer = map_of(Family::Pointwise, 10, 10);
  const Kernel call = shared(layer, Tiler::Optimal);
  EXPECT_EQ(call.out_h, 4);
  EXPECT_EQ(call.out_w, 25);
  EXPECT_EQ(call.in_h, 4);
  EXPECT_EQ(call.in_w, 25);
  EXPECT_EQ(shared(layer, Tiler::Dory), layer.call);  // whose tiles are the network's rows
  EXPECT_EQ(shared(layer, Tiler::Optimal, Use::Never), layer.call);
}

}  // namespace
}  // namespace workbench::pulp
