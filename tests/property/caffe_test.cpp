// Caffe's pools and normalizations of random sizes against loops written as Caffe's sources define
// them, and hostile files through import, quantization and compilation: a program, or an error of
// one line.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "explore/flow/pipeline.h"
#include "tests/support/caffe_model.h"

namespace workbench::test {
namespace {

using Random = std::mt19937_64;

constexpr std::uint64_t kSeed = 20260704;

int pick(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

Tensor random_map(Random& random, const Shape& shape) {
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  for (float& value : tensor.mutable_values<float>()) {
    value = static_cast<float>(pick(random, -1000, 1000)) / 256;
  }
  return tensor;
}

struct Axis {
  int size, kernel, stride, pad;

  int outputs() const {  // of pooling_layer.cpp, of an axis that is padded if `padded`
    return static_cast<int>(std::ceil(static_cast<double>(size + 2 * pad - kernel) / stride)) + 1;
  }
};

Axis random_axis(Random& random) {
  Axis axis{.size = pick(random, 3, 12), .kernel = pick(random, 1, 4), .stride = 0, .pad = 0};
  axis.stride = pick(random, 1, axis.kernel);
  axis.pad = pick(random, 0, axis.kernel - 1);
  if (axis.kernel > axis.size + 2 * axis.pad) axis.size = axis.kernel;
  return axis;
}

int pooled(const Axis& axis, bool padded) {
  const int outputs = axis.outputs();
  return padded && (outputs - 1) * axis.stride >= axis.size + axis.pad ? outputs - 1 : outputs;
}

std::vector<float> naive_pool(const Tensor& x, const Axis& h, const Axis& w, bool average) {
  const bool padded = h.pad > 0 || w.pad > 0;
  std::vector<float> result;
  for (int ph = 0; ph < pooled(h, padded); ++ph) {
    for (int pw = 0; pw < pooled(w, padded); ++pw) {
      int h0 = ph * h.stride - h.pad, w0 = pw * w.stride - w.pad;
      int h1 = std::min(h0 + h.kernel, h.size + h.pad),
          w1 = std::min(w0 + w.kernel, w.size + w.pad);
      const int divisor = (h1 - h0) * (w1 - w0);
      h0 = std::max(h0, 0), w0 = std::max(w0, 0);
      h1 = std::min(h1, h.size), w1 = std::min(w1, w.size);
      double sum = 0;
      float largest = -INFINITY;
      for (int i = h0; i < h1; ++i) {
        for (int j = w0; j < w1; ++j) {
          const float value = x.values<float>()[static_cast<std::size_t>(i * w.size + j)];
          sum += value;
          largest = std::max(largest, value);
        }
      }
      result.push_back(average ? static_cast<float>(sum / divisor) : largest);
    }
  }
  return result;
}

TEST(CaffeProperty, pools_are_caffes) {
  Random random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  for (int i = 0; i < 200; ++i) {
    const Axis h = random_axis(random), w = random_axis(random);
    const bool average = pick(random, 0, 1) == 1;
    SCOPED_TRACE(testing::Message() << "case " << i);
    const std::string text =
        caffe_input(1, h.size, w.size) +
        caffe_text("p", "Pooling",
                   fmt::format("pooling_param {{ pool: {} kernel_h: {} kernel_w: {} stride_h: {} "
                               "stride_w: {} pad_h: {} pad_w: {} }}",
                               average ? "AVE" : "MAX", h.kernel, w.kernel, h.stride, w.stride,
                               h.pad, w.pad));
    const Tensor x = random_map(random, {1, 1, h.size, w.size});
    const std::vector<float> found = CaffeNet(text).run(x), expected = naive_pool(x, h, w, average);
    ASSERT_EQ(found.size(), expected.size()) << text;
    for (std::size_t k = 0; k < found.size(); ++k) {
      ASSERT_NEAR(found[k], expected[k], 1e-5) << text;
    }
  }
}

// A network of the layers that matter, its weights with it.
std::string network() {
  return "name: 'seed' " + caffe_input(3, 9, 9) +
         caffe_text("conv1", "Convolution",
                    "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }") +
         caffe_text("bn1", "BatchNorm", "batch_norm_param { eps: 1e-4 }", "conv1") +
         caffe_text("scale1", "Scale", "scale_param { bias_term: true }", "bn1") +
         "layer { name: 'relu1' type: 'ReLU' bottom: 'scale1' top: 'scale1' }\n" +
         caffe_text("pool1", "Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }",
                    "scale1") +
         caffe_text("conv2", "Convolution",
                    "convolution_param { num_output: 4 kernel_size: 1 group: 2 bias_term: false }",
                    "pool1") +
         "layer { name: 'sum' type: 'Eltwise' bottom: 'conv2' bottom: 'pool1' top: 'sum' }\n"
         "layer { name: 'halves' type: 'Slice' bottom: 'sum' top: 'a' top: 'b' "
         "slice_param { slice_point: 1 } }\n"
         "layer { name: 'cat' type: 'Concat' bottom: 'b' bottom: 'a' top: 'cat' }\n" +
         caffe_text("pool2", "Pooling", "pooling_param { pool: AVE global_pooling: true }", "cat") +
         caffe_text("ip", "InnerProduct", "inner_product_param { num_output: 3 }", "pool2") +
         caffe_text("prob", "Softmax", "", "ip");
}

std::string weights() {
  const auto blob = [](const Shape& shape, float value) {
    return CaffeBlob{shape,
                     std::vector<float>(static_cast<std::size_t>(element_count(shape)), value)};
  };
  return caffe_layer("conv1", {blob({4, 3, 3, 3}, 0.25F), blob({4}, 0.5F)}) +
         caffe_layer("bn1", {blob({4}, 1), blob({4}, 2), blob({1}, 1)}) +
         caffe_layer("scale1", {blob({4}, 1.5F), blob({4}, 0.25F)}) +
         caffe_layer("conv2", {blob({4, 2, 1, 1}, -0.5F)}) +
         caffe_layer("ip", {blob({3, 4}, 0.125F), blob({3}, 1)});
}

// Bytes flipped, cut, repeated; numbers replaced by hostile ones.
std::string damaged(std::string bytes, Random& random) {
  const std::vector<std::string> kNumbers{
      "0", "-1", "2147483648", "4294967295", "9000000000000000000", "65", "1e30", "nan", "7"};
  for (int i = pick(random, 1, 3); i > 0 && !bytes.empty(); --i) {
    const auto at = static_cast<std::size_t>(pick(random, 0, static_cast<int>(bytes.size()) - 1));
    switch (pick(random, 0, 5)) {
      case 0:
        bytes[at] = static_cast<char>(pick(random, 0, 255));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, static_cast<std::size_t>(pick(random, 0, 40))));
        break;
      default: {
        const std::size_t digit = bytes.find_first_of("0123456789", at);
        if (digit == std::string::npos) break;
        const auto which =
            static_cast<std::size_t>(pick(random, 0, static_cast<int>(kNumbers.size()) - 1));
        bytes.replace(digit, 1, kNumbers[which]);
      }
    }
  }
  return bytes;
}

// True: a program.
bool compiles_or_says_why(const std::string& text, const std::string& bytes) {
  const CaffeNet net(text, bytes);
  CompileRequest request;
  request.model.name = net.path().string();
  request.machine = find_machine_file("v3_96");
  request.keep_reference = false;
  try {
    compile_network(request);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    return false;
  }
}

TEST(CaffeProperty, damaged_files_compile_or_end_in_one_line) {
  constexpr int kCases = 300;
  Random random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  EXPECT_TRUE(compiles_or_says_why(network(), weights()));
  int compiled = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    const bool text_too = pick(random, 0, 3) > 0;
    const std::string text = text_too ? damaged(network(), random) : network();
    const std::string bytes = text_too ? weights() : damaged(weights(), random);
    compiled += compiles_or_says_why(text, bytes) ? 1 : 0;
  }
  EXPECT_GT(compiled, kCases / 20);  // the damage must reach deep
  EXPECT_LT(compiled, kCases * 19 / 20);
}

TEST(CaffeProperty, damaged_networks_in_binary_form_import_or_end_in_one_line) {
  Random random(kSeed);
  const std::string net = field(1, "net") + field(3, "data") + weights();
  for (int i = 0; i < 500; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    const TemporaryFolder folder;
    try {
      import_model(folder.write("net.caffemodel", damaged(net, random)));
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace workbench::test
