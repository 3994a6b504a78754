// Inception v4 (Szegedy et al. 2016, arXiv 1602.07261, figures 3 to 9), topology and layer names
// of TensorFlow's slim model without the auxiliary classifier: 1001 classes.
#include <vector>

#include "workloads/inception.h"
#include "workloads/networks.h"

namespace workbench {

namespace {

Window valid(std::int64_t kernel, std::int64_t stride = 1) { return square_window(kernel, stride); }
Window same(std::int64_t rows, std::int64_t columns) { return same_window(rows, columns); }

// 299x299x3 -> 35x35x384
ValueId stem(NetworkBuilder& b, ValueId x) {
  x = conv_bn_relu(b, "Conv2d_1a_3x3", x, {32, valid(3, 2)});
  x = conv_bn_relu(b, "Conv2d_2a_3x3", x, {32, valid(3)});
  x = conv_bn_relu(b, "Conv2d_2b_3x3", x, {64, same(3, 3)});
  x = b.concat("Mixed_3a/concat",
               {b.max_pool("Mixed_3a/Branch_0/MaxPool_0a_3x3", x, valid(3, 2)),
                conv_bn_relu(b, "Mixed_3a/Branch_1/Conv2d_0a_3x3", x, {96, valid(3, 2)})});
  x = b.concat("Mixed_4a/concat",
               {branch(b, "Mixed_4a/Branch_0", x, {{64, same(1, 1)}, {96, valid(3)}}),
                branch(b, "Mixed_4a/Branch_1", x,
                       {{64, same(1, 1)}, {64, same(1, 7)}, {64, same(7, 1)}, {96, valid(3)}})});
  return b.concat("Mixed_5a/concat",
                  {conv_bn_relu(b, "Mixed_5a/Branch_0/Conv2d_1a_3x3", x, {192, valid(3, 2)}),
                   b.max_pool("Mixed_5a/Branch_1/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_a(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{96, same(1, 1)}}),
       branch(b, module + "/Branch_1", x, {{64, same(1, 1)}, {96, same(3, 3)}}),
       branch(b, module + "/Branch_2", x, {{64, same(1, 1)}, {96, same(3, 3)}, {96, same(3, 3)}}),
       pool_branch(b, module + "/Branch_3", x, 96)});
}

ValueId reduction_a(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{384, valid(3, 2)}}),
                   branch(b, module + "/Branch_1", x,
                          {{192, same(1, 1)}, {224, same(3, 3)}, {256, valid(3, 2)}}),
                   b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_b(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{384, same(1, 1)}}),
                   branch(b, module + "/Branch_1", x,
                          {{192, same(1, 1)}, {224, same(1, 7)}, {256, same(7, 1)}}),
                   branch(b, module + "/Branch_2", x,
                          {{192, same(1, 1)},
                           {192, same(7, 1)},
                           {224, same(1, 7)},
                           {224, same(7, 1)},
                           {256, same(1, 7)}}),
                   pool_branch(b, module + "/Branch_3", x, 128)});
}

ValueId reduction_b(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same(1, 1)}, {192, valid(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{256, same(1, 1)}, {256, same(1, 7)}, {320, same(7, 1)}, {320, valid(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_c(NetworkBuilder& b, const std::string& module, ValueId x) {
  const std::string one = module + "/Branch_1";
  const std::string two = module + "/Branch_2";
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{256, same(1, 1)}}),
       fork(b, one, branch(b, one, x, {{384, same(1, 1)}}), 256, 'b'),
       fork(b, two, branch(b, two, x, {{384, same(1, 1)}, {448, same(3, 1)}, {512, same(1, 3)}}),
            256, 'd'),
       pool_branch(b, module + "/Branch_3", x, 256)});
}

}  // namespace

Graph inception_v4(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = stem(b, image_input(b, spec));
  for (const char letter : {'b', 'c', 'd', 'e'}) {
    x = inception_a(b, fmt::format("Mixed_5{}", letter), x);
  }
  x = reduction_a(b, "Mixed_6a", x);
  for (const char letter : {'b', 'c', 'd', 'e', 'f', 'g', 'h'}) {
    x = inception_b(b, fmt::format("Mixed_6{}", letter), x);
  }
  x = reduction_b(b, "Mixed_7a", x);
  for (const char letter : {'b', 'c', 'd'}) {
    x = inception_c(b, fmt::format("Mixed_7{}", letter), x);
  }
  return b.finish({classify(b, x)});
}

}  // namespace workbench
