// Convolutions and pools of TensorFlow graphs against naive loops over maps with channels last:
// every padding, stride and dilation.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tests/support/tensorflow_run.h"

namespace workbench::test {
namespace {

struct Axis {
  std::int64_t size, kernel, stride, dilation;
  std::int64_t before = 0, out = 0;
};

// Padding as TensorFlow documents it: SAME has ceil(size / stride) results, the odd pixel behind.
void resolve(Axis& axis, const std::string& padding, std::int64_t explicit_before,
             std::int64_t explicit_behind) {
  const std::int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
  if (padding == "SAME") {
    axis.out = (axis.size + axis.stride - 1) / axis.stride;
    const std::int64_t total =
        std::max<std::int64_t>((axis.out - 1) * axis.stride + reach - axis.size, 0);
    axis.before = total / 2;
  } else {
    axis.before = padding == "EXPLICIT" ? explicit_before : 0;
    const std::int64_t behind = padding == "EXPLICIT" ? explicit_behind : 0;
    axis.out = (axis.size + axis.before + behind - reach) / axis.stride + 1;
  }
}

// Calls visit(output pixel, kernel pixel, input pixel) for all inside the map; indices y * w + x.
template <typename Visit>
void for_each_tap(const Axis& rows, const Axis& columns, const Visit& visit) {
  for (std::int64_t oy = 0; oy < rows.out; ++oy) {
    for (std::int64_t ox = 0; ox < columns.out; ++ox) {
      for (std::int64_t ky = 0; ky < rows.kernel; ++ky) {
        for (std::int64_t kx = 0; kx < columns.kernel; ++kx) {
          const std::int64_t y = oy * rows.stride + ky * rows.dilation - rows.before;
          const std::int64_t x = ox * columns.stride + kx * columns.dilation - columns.before;
          if (y < 0 || y >= rows.size || x < 0 || x >= columns.size) continue;
          visit(static_cast<std::size_t>(oy * columns.out + ox),
                static_cast<std::size_t>(ky * columns.kernel + kx),
                static_cast<std::size_t>(y * columns.size + x));
        }
      }
    }
  }
}

std::vector<float> random_values(std::int64_t count, int seed) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::uniform_int_distribution<int> digit(-4, 4);  // sums are exact
  std::vector<float> values(static_cast<std::size_t>(count));
  std::ranges::generate(values, [&] { return static_cast<float>(digit(random)); });
  return values;
}

struct Case {
  std::string padding;
  Axis rows, columns;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string padding : {"SAME", "VALID", "EXPLICIT"}) {
    for (const std::int64_t kernel : {1, 2, 3, 5}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const std::int64_t dilation : {1, 2}) {
          for (const std::int64_t size : {9, 10}) {
            if (stride > 1 && dilation > 1) continue;
            Case one{padding,
                     {size, kernel, stride, dilation},
                     {size + 3, std::max<std::int64_t>(kernel - 1, 1), stride, dilation}};
            resolve(one.rows, padding, 1, 2);
            resolve(one.columns, padding, 0, 1);
            all.push_back(one);
          }
        }
      }
    }
  }
  return all;
}

TfNode window_node(const std::string& op, const std::vector<std::string>& inputs, const Case& one) {
  TfNode node(op, "y", inputs);
  node.text("padding", one.padding)
      .integers("strides", {1, one.rows.stride, one.columns.stride, 1});
  if (one.padding == "EXPLICIT") {
    node.integers("explicit_paddings", {0, 0, 1, 2, 0, 1, 0, 0});
  }
  return node;
}

TEST(TensorflowWindow, convolutions_agree_with_loops) {
  constexpr std::size_t kIn = 2, kOut = 3;
  for (const Case& one : cases()) {
    const Shape x_shape{1, one.rows.size, one.columns.size, kIn};
    const Shape w_shape{one.rows.kernel, one.columns.kernel, kIn, kOut};
    const std::vector<float> x = random_values(element_count(x_shape), 1);
    const std::vector<float> w = random_values(element_count(w_shape), 2);
    std::vector<float> expected(static_cast<std::size_t>(one.rows.out * one.columns.out) * kOut);
    for_each_tap(one.rows, one.columns, [&](std::size_t o, std::size_t k, std::size_t i) {
      for (std::size_t in = 0; in < kIn; ++in) {
        for (std::size_t out = 0; out < kOut; ++out) {
          expected[o * kOut + out] += x[i * kIn + in] * w[(k * kIn + in) * kOut + out];
        }
      }
    });
    TfNode node = window_node("Conv2D", {"x", "w"}, one);
    node.integers("dilations", {1, one.rows.dilation, one.columns.dilation, 1});
    GraphDef graph;
    graph.placeholder("x", x_shape).reals("w", w_shape, w).add(node);
    const Tensor y = run_graph_def(graph.bytes(), {tensor_of(x_shape, x)});
    ASSERT_EQ(y.shape(), (Shape{1, one.rows.out, one.columns.out, kOut})) << one.padding;
    ASSERT_EQ(values_of(y), expected) << one.padding << " " << one.rows.kernel;
  }
}

TEST(TensorflowWindow, depthwise_convolutions_write_channel_c_times_m_plus_m) {
  constexpr std::size_t kIn = 3, kMultiplier = 2;
  for (const Case& one : cases()) {
    if (one.rows.kernel == 5) continue;
    const Shape x_shape{1, one.rows.size, one.columns.size, kIn};
    const Shape w_shape{one.rows.kernel, one.columns.kernel, kIn, kMultiplier};
    const std::vector<float> x = random_values(element_count(x_shape), 3);
    const std::vector<float> w = random_values(element_count(w_shape), 4);
    constexpr std::size_t kOut = kIn * kMultiplier;
    std::vector<float> expected(static_cast<std::size_t>(one.rows.out * one.columns.out) * kOut);
    for_each_tap(one.rows, one.columns, [&](std::size_t o, std::size_t k, std::size_t i) {
      for (std::size_t c = 0; c < kIn; ++c) {
        for (std::size_t m = 0; m < kMultiplier; ++m) {
          expected[o * kOut + c * kMultiplier + m] +=
              x[i * kIn + c] * w[(k * kIn + c) * kMultiplier + m];
        }
      }
    });
    TfNode node = window_node("DepthwiseConv2dNative", {"x", "w"}, one);
    node.integers("dilations", {1, one.rows.dilation, one.columns.dilation, 1});
    GraphDef graph;
    graph.placeholder("x", x_shape).reals("w", w_shape, w).add(node);
    const Tensor y = run_graph_def(graph.bytes(), {tensor_of(x_shape, x)});
    ASSERT_EQ(values_of(y), expected) << one.padding << " " << one.rows.kernel;
  }
}

TEST(TensorflowWindow, pools_see_the_pixels_of_the_map_alone) {
  constexpr std::size_t kChannels = 2;
  for (const Case& one : cases()) {
    if (one.padding == "EXPLICIT" || one.rows.dilation > 1) continue;
    const Shape shape{1, one.rows.size, one.columns.size, kChannels};
    const std::vector<float> x = random_values(element_count(shape), 5);
    const auto count = static_cast<std::size_t>(one.rows.out * one.columns.out) * kChannels;
    std::vector<float> highest(count, -std::numeric_limits<float>::infinity());
    std::vector<float> sum(count, 0);
    std::vector<float> taps(count, 0);
    for_each_tap(one.rows, one.columns, [&](std::size_t o, std::size_t, std::size_t i) {
      for (std::size_t c = 0; c < kChannels; ++c) {
        float& top = highest[o * kChannels + c];
        top = std::max(top, x[i * kChannels + c]);
        sum[o * kChannels + c] += x[i * kChannels + c];
        taps[o * kChannels + c] += 1;
      }
    });
    for (const std::string op : {"MaxPool", "AvgPool"}) {
      TfNode node = window_node(op, {"x"}, one);
      node.integers("ksize", {1, one.rows.kernel, one.columns.kernel, 1});
      GraphDef graph;
      graph.placeholder("x", shape).add(node);
      const std::vector<float> y = values_of(run_graph_def(graph.bytes(), {tensor_of(shape, x)}));
      ASSERT_EQ(y.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_FLOAT_EQ(y[i], op == "MaxPool" ? highest[i] : sum[i] / taps[i]) << op;
      }
    }
  }
}

// The gradient of a convolution with respect to its operand: each pixel of x spreads the filter.
TEST(TensorflowWindow, transposed_convolutions_agree_with_loops) {
  constexpr std::size_t kIn = 2, kOut = 3;
  for (const std::string padding : {"SAME", "VALID"}) {
    for (const std::int64_t kernel : {1, 2, 3, 4}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const std::int64_t size : {8, 9}) {  // of the result
          Axis axis{size, kernel, stride, 1};
          resolve(axis, padding, 0, 0);
          const Shape x_shape{1, axis.out, axis.out, kIn};
          const Shape w_shape{kernel, kernel, kOut, kIn};
          const std::vector<float> x = random_values(element_count(x_shape), 6);
          const std::vector<float> w = random_values(element_count(w_shape), 7);
          std::vector<float> expected(static_cast<std::size_t>(size * size) * kOut);
          for_each_tap(axis, axis, [&](std::size_t o, std::size_t k, std::size_t i) {
            for (std::size_t in = 0; in < kIn; ++in) {
              for (std::size_t out = 0; out < kOut; ++out) {
                expected[i * kOut + out] += x[o * kIn + in] * w[(k * kOut + out) * kIn + in];
              }
            }
          });
          GraphDef graph;
          const auto side = static_cast<std::int32_t>(size);
          graph.placeholder("x", x_shape)
              .reals("w", w_shape, w)
              .list("sizes", {1, side, side, static_cast<std::int32_t>(kOut)})
              .add(TfNode("Conv2DBackpropInput", "y", {"sizes", "w", "x"})
                       .text("padding", padding)
                       .integers("strides", {1, stride, stride, 1}));
          const Tensor y = run_graph_def(graph.bytes(), {tensor_of(x_shape, x)});
          ASSERT_EQ(values_of(y), expected) << padding << kernel << stride << size;
        }
      }
    }
  }
}

// SpaceToBatchND, a convolution and BatchToSpaceND are a convolution with dilations, whatever part
// of the padding is only there to fill the last block.
TEST(TensorflowWindow, a_convolution_between_space_and_batch_is_one_with_dilations) {
  constexpr std::int64_t kKernel = 3;
  for (const std::int64_t block : {2, 3, 4}) {
    for (const std::int64_t size : {9, 10, 12}) {
      const std::int64_t around = block * (kKernel - 1);  // SAME, half on either side
      const std::int64_t before = around / 2;
      const std::int64_t fill = (block - (size + around) % block) % block;
      Axis axis{size, kKernel, 1, block};
      axis.before = before;
      axis.out = size;
      const Shape shape{1, size, size, 1};
      const std::vector<float> x = random_values(element_count(shape), 8);
      const std::vector<float> w = random_values(kKernel * kKernel, 9);
      std::vector<float> expected(static_cast<std::size_t>(size * size), 0.5F);
      for_each_tap(axis, axis, [&](std::size_t o, std::size_t k, std::size_t i) {
        expected[o] += x[i] * w[k];
      });
      const auto number = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
      const std::int32_t first = number(before);
      const std::int32_t last = number(around - before + fill);
      GraphDef graph;
      graph.placeholder("x", shape)
          .list("block", {number(block), number(block)})
          .integers("paddings", {2, 2}, {first, last, first, last})
          .integers("crops", {2, 2}, {0, number(fill), 0, number(fill)})
          .reals("w", {kKernel, kKernel, 1, 1}, w)
          .reals("bias", {1}, {0.5F})
          .op("SpaceToBatchND", "apart", {"x", "block", "paddings"})
          .add(TfNode("Conv2D", "conv", {"apart", "w"})
                   .text("padding", "VALID")
                   .integers("strides", {1, 1, 1, 1}))
          .op("BiasAdd", "biased", {"conv", "bias"})
          .op("BatchToSpaceND", "y", {"biased", "block", "crops"});
      const Graph imported = import_graph_def(graph.bytes());
      std::size_t slices = 0;
      for (const Node& node : imported.nodes) slices += std::holds_alternative<Slice>(node.op);
      EXPECT_EQ(slices, 0U);  // what is cropped was padding
      const Tensor y = evaluate(imported, std::vector{tensor_of(shape, x)},
                                {.arithmetic = Arithmetic::Exact, .threads = 1})
                           .at(0);
      ASSERT_EQ(values_of(y), expected) << block << " " << size;
    }
  }
}

}  // namespace
}  // namespace workbench::test
