#include "tests/support/pulp_layers.h"

#include <algorithm>

namespace workbench::pulp {
namespace {

std::int64_t pick(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

void set_output(Kernel& call) {
  const auto out = [](std::int64_t in, std::int64_t pads, std::int64_t dilation,
                      std::int64_t kernel, std::int64_t stride) {
    return (in + pads - (dilation * (kernel - 1) + 1)) / stride + 1;
  };
  call.out_h =
      out(call.in_h, call.pad_top + call.pad_bottom, call.dilation_y, call.kernel_h, call.stride_y);
  call.out_w =
      out(call.in_w, call.pad_left + call.pad_right, call.dilation_x, call.kernel_w, call.stride_x);
}

bool has_window(Family kind) {
  return kind == Family::Conv || kind == Family::Depthwise || kind == Family::AveragePool ||
         kind == Family::MaxPool;
}

void draw_window(std::mt19937_64& random, Family kind, Kernel& call) {
  call.kernel_h = pick(random, 1, 5);
  call.kernel_w = pick(random, 1, 5);
  call.stride_y = pick(random, 1, 3);
  call.stride_x = pick(random, 1, 3);
  if (kind == Family::Conv) {
    call.dilation_y = pick(random, 1, 2);
    call.dilation_x = pick(random, 1, 2);
  }
  call.pad_top = pick(random, 0, call.kernel_h - 1);
  call.pad_bottom = pick(random, 0, call.kernel_h - 1);
  call.pad_left = pick(random, 0, call.kernel_w - 1);
  call.pad_right = pick(random, 0, call.kernel_w - 1);
  call.in_h = std::max(call.in_h, call.dilation_y * (call.kernel_h - 1) + 1);
  call.in_w = std::max(call.in_w, call.dilation_x * (call.kernel_w - 1) + 1);
}

}  // namespace

Layer layer_of(Family kind, const LayerSize& size) {
  Layer layer;
  layer.name = "layer";
  layer.family = kind;
  Kernel& call = layer.call;
  call.in_c = size.in_c;
  call.out_c = size.out_c;
  call.in_h = call.in_w = size.size;
  call.kernel_h = call.kernel_w = size.kernel;
  call.stride_y = call.stride_x = size.stride;
  call.pad_top = call.pad_bottom = call.pad_left = call.pad_right = size.pad;
  set_output(call);
  call.norm = kind == Family::Conv || kind == Family::Pointwise || kind == Family::Depthwise ||
              kind == Family::Linear;
  return layer;
}

Layer random_layer(std::mt19937_64& random) {
  Layer layer;
  layer.name = "layer";
  layer.family = static_cast<Family>(pick(random, 0, 7));
  Kernel& call = layer.call;
  call.in_c = pick(random, 1, pick(random, 1, 4) == 1 ? 300 : 40);
  call.out_c = layer.family <= Family::Pointwise || layer.family == Family::Linear
                   ? pick(random, 1, pick(random, 1, 4) == 1 ? 300 : 40)
                   : call.in_c;
  if (layer.family != Family::Linear) {
    call.in_h = pick(random, 1, 40);
    call.in_w = pick(random, 1, 40);
  }
  if (has_window(layer.family)) draw_window(random, layer.family, call);
  set_output(call);
  const std::int64_t bits[] = {8, 8, 8, 4, 2};
  if (layer.family != Family::MaxPool) call.out_bits = bits[pick(random, 0, 4)];
  if (layer.family <= Family::Linear) {
    call.weight_bits = bits[pick(random, 0, 4)];
    call.norm = pick(random, 0, 1) == 1;
    call.norm_bits = pick(random, 0, 1) == 1 ? 64 : 32;
    call.has_bias = pick(random, 0, 1) == 1;
  }
  return layer;
}

Network mobilenet_128() {
  Network network;
  const auto add = [&](Family kind, const LayerSize& size) {
    Layer layer = layer_of(kind, size);
    layer.name = "layer" + std::to_string(network.layers.size());
    layer.in = static_cast<std::int32_t>(network.layers.size());
    layer.out = layer.in + 1;
    network.layers.push_back(layer);
  };
  std::int64_t channels = 32, size = 64;
  add(Family::Conv, {.in_c = 3, .out_c = 32, .size = 128, .kernel = 3, .stride = 2, .pad = 1});
  for (const std::int64_t out :
       {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024}) {
    const std::int64_t stride = out > channels && channels != 32 ? 2 : 1;
    add(Family::Depthwise, {channels, channels, size, 3, stride, 1});
    size /= stride;
    add(Family::Pointwise, {.in_c = channels, .out_c = out, .size = size});
    channels = out;
  }
  add(Family::AveragePool, {.in_c = 1024, .out_c = 1024, .size = 4, .kernel = 4});
  add(Family::Linear, {.in_c = 1024, .out_c = 1000});
  network.layers.back().call.norm = false;
  network.layers.back().call.out_bits = 32;
  return network;
}

}  // namespace workbench::pulp
