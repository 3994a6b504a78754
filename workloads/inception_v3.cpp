// Inception v3 (Szegedy et al. 2015, arXiv 1512.00567), topology and layer names of TensorFlow's
// slim model without the auxiliary classifier: 1001 classes, "valid" windows where a map shrinks.
#include <vector>

#include "workloads/inception.h"
#include "workloads/networks.h"

namespace workbench {

namespace {

// 35x35: 1x1, 5x5, two 3x3, and a pool projected to `projection` channels. Module 5c is published
// with other names for its 5x5 branch, which do not matter here: all three are named alike.
ValueId module_35(NetworkBuilder& b, const std::string& module, ValueId x,
                  std::int64_t projection) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{64, same_window(1, 1)}}),
       branch(b, module + "/Branch_1", x, {{48, same_window(1, 1)}, {64, same_window(5, 5)}}),
       branch(b, module + "/Branch_2", x,
              {{64, same_window(1, 1)}, {96, same_window(3, 3)}, {96, same_window(3, 3)}}),
       pool_branch(b, module + "/Branch_3", x, projection)});
}

ValueId reduce_35(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{384, square_window(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{64, same_window(1, 1)}, {96, same_window(3, 3)}, {96, square_window(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, square_window(3, 2))});
}

// 17x17: 7x7 windows as a row and a column, `width` channels inside.
ValueId module_17(NetworkBuilder& b, const std::string& module, ValueId x, std::int64_t width) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same_window(1, 1)}}),
       branch(b, module + "/Branch_1", x,
              {{width, same_window(1, 1)}, {width, same_window(1, 7)}, {192, same_window(7, 1)}}),
       branch(b, module + "/Branch_2", x,
              {{width, same_window(1, 1)},
               {width, same_window(7, 1)},
               {width, same_window(1, 7)},
               {width, same_window(7, 1)},
               {192, same_window(1, 7)}}),
       pool_branch(b, module + "/Branch_3", x, 192)});
}

ValueId reduce_17(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same_window(1, 1)}, {320, square_window(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{192, same_window(1, 1)},
               {192, same_window(1, 7)},
               {192, same_window(7, 1)},
               {192, square_window(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, square_window(3, 2))});
}

// 8x8: branches that fork into a row and a column window.
ValueId module_8(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{320, same_window(1, 1)}}),
                   fork(b, module + "/Branch_1",
                        branch(b, module + "/Branch_1", x, {{384, same_window(1, 1)}}), 384, 'b'),
                   fork(b, module + "/Branch_2",
                        branch(b, module + "/Branch_2", x,
                               {{448, same_window(1, 1)}, {384, same_window(3, 3)}}),
                        384, 'c'),
                   pool_branch(b, module + "/Branch_3", x, 192)});
}

}  // namespace

Graph inception_v3(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = image_input(b, spec);
  x = conv_bn_relu(b, "Conv2d_1a_3x3", x, {32, square_window(3, 2)});
  x = conv_bn_relu(b, "Conv2d_2a_3x3", x, {32, square_window(3)});
  x = conv_bn_relu(b, "Conv2d_2b_3x3", x, {64, same_window(3, 3)});
  x = b.max_pool("MaxPool_3a_3x3", x, square_window(3, 2));
  x = conv_bn_relu(b, "Conv2d_3b_1x1", x, {80, square_window(1)});
  x = conv_bn_relu(b, "Conv2d_4a_3x3", x, {192, square_window(3)});
  x = b.max_pool("MaxPool_5a_3x3", x, square_window(3, 2));
  x = module_35(b, "Mixed_5b", x, 32);
  x = module_35(b, "Mixed_5c", x, 64);
  x = module_35(b, "Mixed_5d", x, 64);
  x = reduce_35(b, "Mixed_6a", x);
  x = module_17(b, "Mixed_6b", x, 128);
  x = module_17(b, "Mixed_6c", x, 160);
  x = module_17(b, "Mixed_6d", x, 160);
  x = module_17(b, "Mixed_6e", x, 192);
  x = reduce_17(b, "Mixed_7a", x);
  x = module_8(b, "Mixed_7b", x);
  x = module_8(b, "Mixed_7c", x);
  return b.finish({classify(b, x)});
}

}  // namespace workbench
