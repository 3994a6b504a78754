#include "compiler/import/tflite/reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "compiler/import/tflite/constants.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

using Values = std::vector<std::int64_t>;  // codes, row-major

struct CodeRange {
  std::int64_t low = 0, high = 0;
};

class Evaluation {
 public:
  Evaluation(const File& file, Rescaling how) : file_(file), how_(how) {}

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    CHECK(inputs.size() == file_.inputs.size(), "{} inputs for {}", inputs.size(),
          file_.inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) set_input(file_.inputs[i], inputs[i]);
    find_needed();
    for (const OperatorInfo& op : file_.operators) {
      if (needed_.contains(&op)) compute(op);
    }
    std::vector<Tensor> results;
    for (const int id : file_.outputs) results.push_back(output(id));
    return results;
  }

 private:
  const TensorInfo& info(int id) const { return file_.tensor(id); }
  const Shape& shape(int id) const { return info(id).shape; }
  const Scales& scales(int id) const {
    if (!info(id).scales) fail("tensor '{}': expected codes with a scale", info(id).name);
    return *info(id).scales;
  }
  std::int64_t zero(int id) const { return scales(id).zero_points[0]; }
  double scale(int id) const { return static_cast<double>(scales(id).scales[0]); }
  [[noreturn]] void refuse(const OperatorInfo& op, const std::string& text) const {
    fail("{}: {}", op.name, text);
  }

  void set_input(int id, const Tensor& tensor) {
    if (tensor.shape() != shape(id)) {
      fail("input '{}': expected shape {}, found {}", info(id).name, to_string(shape(id)),
           to_string(tensor.shape()));
    }
    if (tensor.type() != ElementType::Float32) {
      codes_[id] = whole(tensor);
      return;
    }
    const auto from = tensor.values<float>();
    if (!std::ranges::all_of(from, [](float x) { return std::isfinite(x); })) {
      fail("input '{}': expected finite numbers", info(id).name);
    }
    if (info(id).scales) {
      codes_[id] = quantized({from.begin(), from.end()}, id);
    } else {
      reals_[id].assign(from.begin(), from.end());
    }
  }

  // Real numbers as codes of tensor `id`.
  Values quantized(const std::vector<float>& reals, int id) const {
    const CodeRange bounds = range(id);
    Values codes;
    for (const float x : reals) {
      const float steps = std::round(x / scales(id).scales[0]);
      const double code = static_cast<double>(steps) + static_cast<double>(zero(id));
      codes.push_back(static_cast<std::int64_t>(
          std::clamp(code, static_cast<double>(bounds.low), static_cast<double>(bounds.high))));
    }
    return codes;
  }

  const std::vector<float>& reals(int id) const {
    const auto found = reals_.find(id);
    if (found == reals_.end()) fail("tensor '{}': expected real numbers", info(id).name);
    return found->second;
  }

  static Values whole(const Tensor& tensor) {
    const auto copied = [&]<typename T>(T) {
      const auto from = tensor.values<T>();
      return Values(from.begin(), from.end());
    };
    switch (tensor.type()) {
      case ElementType::Int8:
        return copied(std::int8_t{});
      case ElementType::Uint8:
        return copied(std::uint8_t{});
      case ElementType::Int32:
        return copied(std::int32_t{});
      case ElementType::Int64:
        return copied(std::int64_t{});
      default:
        fail("expected codes, found {}", to_string(tensor.type()));
    }
  }

  // Shapes are the file's: what only computes them is left out.
  void find_needed() {
    std::set<int> wanted(file_.outputs.begin(), file_.outputs.end());
    for (auto op = file_.operators.rbegin(); op != file_.operators.rend(); ++op) {
      if (std::ranges::none_of(op->outputs, [&](int id) { return wanted.contains(id); })) continue;
      needed_.insert(&*op);
      const bool shape_behind = op->name == "RESHAPE" || op->name == "RESIZE_NEAREST_NEIGHBOR";
      for (std::size_t i = 0; i < op->inputs.size(); ++i) {
        if (op->inputs[i] != kAbsent && (i == 0 || !shape_behind)) wanted.insert(op->inputs[i]);
      }
    }
  }

  // Codes of at most `most`, and zero points of 16 bits: what is computed of them fits 64 bits.
  const Values& narrow_codes(const OperatorInfo& op, int id, std::int64_t most = INT32_MAX) {
    const auto narrow = [&](std::int64_t code) { return code >= -most - 1 && code <= most; };
    const Values& found = codes(id);
    if (!std::ranges::all_of(found, narrow) ||
        (info(id).scales && !std::ranges::all_of(info(id).scales->zero_points, in_16_bits))) {
      refuse(op, fmt::format("'{}': expected codes and zero points of its type", info(id).name));
    }
    return found;
  }
  static bool in_16_bits(std::int64_t zero) { return zero >= -65536 && zero <= 65536; }

  const Values& codes(int id) {
    const auto found = codes_.find(id);
    if (found != codes_.end()) return found->second;
    if (!info(id).data) fail("tensor '{}': expected codes, found none", info(id).name);
    return codes_[id] = whole(decode(info(id)));
  }

  CodeRange range(int id) const {
    if (info(id).scales && !std::ranges::all_of(info(id).scales->zero_points, in_16_bits)) {
      fail("tensor '{}': expected zero points that are codes of its type", info(id).name);
    }
    switch (info(id).type) {
      case Type::Int8:
        return {-128, 127};
      case Type::Uint8:
        return {0, 255};
      default:
        fail("tensor '{}': expected int8 or uint8, found {}", info(id).name,
             type_name(info(id).type));
    }
  }

  // Codes of a result behind an activation (3.1).
  CodeRange activated(const OperatorInfo& op, int id, int activation) const {
    CodeRange bounds = range(id);
    const auto code = [&](double real) {
      constexpr double kFar = 1 << 30;  // out of any range, for scales near 0
      const float steps = std::round(static_cast<float>(real) / scales(id).scales[0]);
      return zero(id) +
             static_cast<std::int64_t>(std::clamp(static_cast<double>(steps), -kFar, kFar));
    };
    if (activation == 0) return bounds;
    if (activation < 1 || activation > 3) refuse(op, "expected RELU, RELU6 or RELU_N1_TO_1");
    const double low = activation == 2 ? -1 : 0;
    bounds.low = std::max(bounds.low, code(low));
    if (activation == 2) bounds.high = std::min(bounds.high, code(1));
    if (activation == 3) bounds.high = std::min(bounds.high, code(6));
    return bounds;
  }

  std::int64_t to_code(std::int64_t accumulator, Factor factor, int id,
                       const CodeRange& bounds) const {
    return std::clamp<std::int64_t>(rescaled(accumulator, factor, how_) + zero(id), bounds.low,
                                    bounds.high);
  }

  void require_scales(const OperatorInfo& op) const {
    for (const int id : op.outputs) {
      if (!info(id).scales && info(id).type != Type::Float32) refuse(op, "expected codes");
    }
  }

  // Sums of products.

  struct Weights {
    Values codes, bias;
    Values zeros;  // per output channel
    std::vector<Factor> factors;
  };

  Weights weights(const OperatorInfo& op, std::size_t channels, bool product_in_float) {
    const int x = op.inputs[0], w = op.inputs[1], y = op.outputs[0];
    if (!info(x).scales || !info(w).scales || !info(y).scales) refuse(op, "expected codes");
    narrow_codes(op, x, UINT16_MAX);
    Weights result{.codes = narrow_codes(op, w, UINT16_MAX),
                   .bias = Values(channels, 0),
                   .zeros = {},
                   .factors = {}};
    if (op.inputs.size() > 2 && op.inputs[2] != kAbsent) result.bias = codes(op.inputs[2]);
    if (result.bias.size() != channels) refuse(op, "expected a bias per channel");
    constexpr std::int64_t kMostBias = std::int64_t{1} << 40;
    if (std::ranges::any_of(result.bias, [](auto b) { return b > kMostBias || b < -kMostBias; })) {
      refuse(op, "expected a bias of 40 bits");
    }
    const Scales& scales = *info(w).scales;
    if (scales.scales.size() != 1 && scales.scales.size() != channels) {
      refuse(op, "expected a scale per channel");
    }
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t i = scales.scales.size() == 1 ? 0 : c;
      const double product = product_in_float
                                 ? static_cast<double>(info(x).scales->scales[0] * scales.scales[i])
                                 : scale(x) * static_cast<double>(scales.scales[i]);
      result.factors.push_back(factor_of(product / scale(y)));
      result.zeros.push_back(scales.zero_points[i]);
    }
    return result;
  }

  struct Window {
    std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1,
                 dilation_w = 1;
    std::int64_t begin_h = 0, begin_w = 0;
  };

  static std::int64_t padding(std::int64_t in, std::int64_t out, std::int64_t kernel,
                              std::int64_t stride, std::int64_t dilation) {
    return std::max<std::int64_t>((out - 1) * stride + (kernel - 1) * dilation + 1 - in, 0) / 2;
  }

  Window window(const OperatorInfo& op, int padding_kind, Window w) const {
    const Shape &x = shape(op.inputs[0]), &y = shape(op.outputs[0]);
    if (x.size() != 4 || y.size() != 4 || x[0] != y[0]) refuse(op, "expected maps of one batch");
    for (const std::int64_t v :
         {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) {
      constexpr std::int64_t kMost = 1 << 16;
      if (v < 1 || v > kMost) refuse(op, "expected windows from 1 to 65536");
    }
    constexpr int kSame = 0;
    if (padding_kind == kSame) {
      w.begin_h = padding(x[1], y[1], w.kernel_h, w.stride_h, w.dilation_h);
      w.begin_w = padding(x[2], y[2], w.kernel_w, w.stride_w, w.dilation_w);
    }
    return w;
  }

  // Calls visit(pixel of x, place in the window) for the pixels of the window at `row`, `column`
  // that are inside the map.
  template <typename Visit>
  void for_window(const Shape& x, const Window& w, std::int64_t row, std::int64_t column,
                  Visit visit) const {
    for (std::int64_t i = 0; i < w.kernel_h; ++i) {
      const std::int64_t h = row * w.stride_h - w.begin_h + i * w.dilation_h;
      if (h < 0 || h >= x[1]) continue;
      for (std::int64_t j = 0; j < w.kernel_w; ++j) {
        const std::int64_t v = column * w.stride_w - w.begin_w + j * w.dilation_w;
        if (v >= 0 && v < x[2]) visit(h * x[2] + v, i * w.kernel_w + j);
      }
    }
  }

  void convolve(const OperatorInfo& op, const Window& w, int activation, bool depthwise) {
    const int in = op.inputs[0], out = op.outputs[0];
    const Shape &x = shape(in), &y = shape(out), &k = shape(op.inputs[1]);
    const std::int64_t channels = y[3], per_group = depthwise ? 1 : k[3];
    const std::int64_t groups = depthwise ? x[3] : x[3] / std::max<std::int64_t>(per_group, 1);
    if (groups < 1 || channels % groups != 0 || per_group * groups != x[3] ||
        k[depthwise ? 3 : 0] != channels) {
      refuse(op, "expected weights that fit the map");
    }
    const Weights weights = this->weights(op, static_cast<std::size_t>(channels), false);
    const Values& from = codes(in);
    const CodeRange bounds = activated(op, out, activation);
    const std::int64_t kernel = w.kernel_h * w.kernel_w, pixels = x[1] * x[2];
    Values result;
    result.reserve(static_cast<std::size_t>(element_count(y)));
    for (std::int64_t n = 0; n < y[0]; ++n) {
      for (std::int64_t p = 0; p < y[1] * y[2]; ++p) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto channel = static_cast<std::size_t>(c);
          std::int64_t sum = weights.bias[channel];
          const std::int64_t first = c / (channels / groups) * per_group;
          for_window(x, w, p / y[2], p % y[2], [&](std::int64_t pixel, std::int64_t place) {
            for (std::int64_t i = 0; i < per_group; ++i) {
              const std::int64_t weight =
                  depthwise ? place * channels + c : (c * kernel + place) * per_group + i;
              sum += (from[static_cast<std::size_t>((n * pixels + pixel) * x[3] + first + i)] -
                      zero(in)) *
                     (weights.codes[static_cast<std::size_t>(weight)] - weights.zeros[channel]);
            }
          });
          result.push_back(to_code(sum, weights.factors[channel], out, bounds));
        }
      }
    }
    codes_[out] = std::move(result);
  }

  void conv(const OperatorInfo& op) {
    const Shape& k = shape(op.inputs[1]);
    if (k.size() != 4 || element_count(k) == 0) refuse(op, "expected weights that fit the map");
    if (const auto* o = options_of<wire::Conv2D>(op, wire::Options::Conv2D)) {
      return convolve(
          op,
          window(op, o->padding(),
                 {k[1], k[2], o->stride_h(), o->stride_w(), o->dilation_h(), o->dilation_w()}),
          o->activation(), false);
    }
    if (const auto* o = options_of<wire::DepthwiseConv2D>(op, wire::Options::DepthwiseConv2D)) {
      return convolve(
          op,
          window(op, o->padding(),
                 {k[1], k[2], o->stride_h(), o->stride_w(), o->dilation_h(), o->dilation_w()}),
          o->activation(), true);
    }
    refuse(op, "expected options");
  }

  void fully_connected(const OperatorInfo& op) {
    const int in = op.inputs[0], out = op.outputs[0];
    const Shape& k = shape(op.inputs[1]);
    if (k.size() != 2 || k[1] < 1 || element_count(shape(in)) % k[1] != 0) {
      refuse(op, "expected weights that fit");
    }
    const auto* o = options_of<wire::FullyConnected>(op, wire::Options::FullyConnected);
    const auto channels = static_cast<std::size_t>(k[0]), terms = static_cast<std::size_t>(k[1]);
    const bool per_channel =
        info(op.inputs[1]).scales && info(op.inputs[1]).scales->scales.size() > 1;
    const Weights weights = this->weights(op, channels, !per_channel);
    const Values& from = codes(in);
    const CodeRange bounds = activated(op, out, o == nullptr ? 0 : o->activation());
    Values result;
    for (std::size_t row = 0; row < from.size() / terms; ++row) {
      for (std::size_t c = 0; c < channels; ++c) {
        std::int64_t sum = weights.bias[c];
        for (std::size_t t = 0; t < terms; ++t) {
          sum += (from[row * terms + t] - zero(in)) *
                 (weights.codes[c * terms + t] - weights.zeros[c]);
        }
        result.push_back(to_code(sum, weights.factors[c], out, bounds));
      }
    }
    codes_[out] = std::move(result);
  }

  void pool(const OperatorInfo& op) {
    const auto* o = options_of<wire::Pool2D>(op, wire::Options::Pool2D);
    if (o == nullptr) refuse(op, "expected options");
    const int in = op.inputs[0], out = op.outputs[0];
    const Window w =
        window(op, o->padding(),
               {o->filter_height(), o->filter_width(), o->stride_h(), o->stride_w(), 1, 1});
    const Shape &x = shape(in), &y = shape(out);
    if (x[3] != y[3]) refuse(op, "expected as many channels as results");
    const bool is_max = op.name == "MAX_POOL_2D";
    const Values& from = codes(in);
    const CodeRange bounds = activated(op, out, o->activation());
    Values result;
    for (std::int64_t n = 0; n < y[0]; ++n) {
      for (std::int64_t p = 0; p < y[1] * y[2]; ++p) {
        for (std::int64_t c = 0; c < y[3]; ++c) {
          std::int64_t sum = 0, count = 0, most = std::numeric_limits<std::int64_t>::min();
          for_window(x, w, p / y[2], p % y[2], [&](std::int64_t pixel, std::int64_t) {
            const auto i = static_cast<std::size_t>((n * x[1] * x[2] + pixel) * x[3] + c);
            sum += from[i];
            most = std::max(most, from[i]);
            ++count;
          });
          if (count == 0) refuse(op, "expected windows inside the map");
          const std::int64_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
          result.push_back(std::clamp(is_max ? most : mean, bounds.low, bounds.high));
        }
      }
    }
    codes_[out] = std::move(result);
  }

  // Elementwise, with broadcasting.

  static std::size_t broadcast_index(std::int64_t flat, const Shape& to, const Shape& from) {
    std::int64_t index = 0, stride = 1;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::int64_t size = to[to.size() - 1 - i], own = from[from.size() - 1 - i];
      if (own != 1) index += flat % size * stride;
      flat /= size;
      stride *= own;
    }
    return static_cast<std::size_t>(index);
  }

  static bool broadcasts(const Shape& from, const Shape& to) {
    if (from.size() > to.size()) return false;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::int64_t own = from[from.size() - 1 - i];
      if (own != 1 && own != to[to.size() - 1 - i]) return false;
    }
    return true;
  }

  void binary(const OperatorInfo& op) {
    const int a = op.inputs[0], b = op.inputs[1], out = op.outputs[0];
    int activation = 0;
    for (const auto kind : {wire::Options::Add, wire::Options::Mul, wire::Options::Sub}) {
      if (const auto* o = options_of<wire::Arithmetic>(op, kind)) activation = o->activation();
    }
    const CodeRange bounds = activated(op, out, activation);
    const bool product = op.name == "MUL";
    constexpr int kShift = 20;
    const double widest = 2 * std::max(scale(a), scale(b));
    const Factor left = factor_of(scale(a) / widest), right = factor_of(scale(b) / widest);
    const Factor last = product ? factor_of(scale(a) * scale(b) / scale(out))
                                : factor_of(widest / ((1 << kShift) * scale(out)));
    const Values &x = narrow_codes(op, a), &z = narrow_codes(op, b);
    const Shape& y = shape(out);
    if (!broadcasts(shape(a), y) || !broadcasts(shape(b), y)) refuse(op, "expected shapes");
    Values result;
    for (std::int64_t i = 0; i < element_count(y); ++i) {
      const std::int64_t l = x[broadcast_index(i, y, shape(a))] - zero(a);
      const std::int64_t r = z[broadcast_index(i, y, shape(b))] - zero(b);
      std::int64_t sum = l * r;
      if (!product) {
        const std::int64_t first = rescaled(l * (1 << kShift), left, how_);
        const std::int64_t second = rescaled(r * (1 << kShift), right, how_);
        sum = op.name == "SUB" ? first - second : first + second;
      }
      result.push_back(to_code(sum, last, out, bounds));
    }
    codes_[out] = std::move(result);
  }

  void mean(const OperatorInfo& op) {
    const int in = op.inputs[0], out = op.outputs[0];
    std::set<std::size_t> reduced;
    for (const std::int64_t axis : codes(op.inputs[1])) {
      const auto rank = static_cast<std::int64_t>(shape(in).size());
      if (axis < -rank || axis >= rank) refuse(op, "expected axes of the operand");
      reduced.insert(static_cast<std::size_t>(axis < 0 ? axis + rank : axis));
    }
    const Shape& x = shape(in);
    Shape kept = x;
    std::int64_t count = 1;
    for (const std::size_t d : reduced) {
      count *= x[d];
      kept[d] = 1;
    }
    if (count < 1) refuse(op, "expected elements");
    Values sums(static_cast<std::size_t>(element_count(kept)), 0);
    const Values& from = narrow_codes(op, in);
    for (std::size_t i = 0; i < from.size(); ++i) {
      sums[broadcast_index(static_cast<std::int64_t>(i), x, kept)] += from[i];
    }
    // The division is part of the factor, as far as it has bits left (3.2).
    Factor factor = factor_of(scale(in) / scale(out));
    const int shift = std::min(
        {63 - std::countl_zero(static_cast<std::uint64_t>(count)), 32, 31 + factor.exponent});
    factor.mantissa =
        static_cast<std::int32_t>((std::int64_t{factor.mantissa} << std::max(shift, 0)) / count);
    factor.exponent -= std::max(shift, 0);
    const CodeRange bounds = range(out);
    for (std::int64_t& sum : sums) sum = to_code(sum - count * zero(in), factor, out, bounds);
    codes_[out] = std::move(sums);
  }

  void softmax(const OperatorInfo& op) {
    const auto* o = options_of<wire::Softmax>(op, wire::Options::Softmax);
    const int in = op.inputs[0], out = op.outputs[0];
    constexpr int kIntegerBits = 5, kSumBits = 12;
    const double beta = o == nullptr ? 1 : static_cast<double>(o->beta());
    const Factor factor =
        factor_of(std::min(beta * scale(in) * (1 << (31 - kIntegerBits)), 2147483647.0));
    const int left = std::clamp(factor.exponent, 0, 31);
    const double radius = 31.0 * (1LL << (31 - kIntegerBits)) / static_cast<double>(1LL << left);
    const auto least = -static_cast<std::int64_t>(std::floor(radius));
    const std::int64_t row = shape(in).empty() ? 1 : shape(in).back();
    const CodeRange bounds = range(out);
    const Values& from = codes(in);
    const auto exponent = [&](std::int64_t difference) {
      return exponential(high_product(
          static_cast<std::int32_t>(difference * (std::int64_t{1} << left)), factor.mantissa));
    };
    Values result(from.size(), bounds.low);
    for (std::size_t begin = 0; begin < from.size(); begin += static_cast<std::size_t>(row)) {
      const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::int64_t most = *std::max_element(first, first + row);
      std::int64_t total = 0;
      for (auto x = first; x != first + row; ++x) {
        if (*x - most >= least) total += shifted_right(exponent(*x - most), kSumBits);
      }
      if (total > std::numeric_limits<std::int32_t>::max()) refuse(op, "expected shorter rows");
      const auto sum = static_cast<std::int32_t>(total);
      const int headroom = std::countl_zero(static_cast<std::uint32_t>(sum));
      const auto fraction = static_cast<std::int32_t>(
          (static_cast<std::uint32_t>(sum) << headroom) - (std::uint32_t{1} << 31));
      const std::int32_t reciprocal = reciprocal_of_one_plus(fraction);
      const int shift = std::clamp(kSumBits - headroom + 31 - 8, 0, 31);
      for (std::int64_t i = 0; i < row; ++i) {
        const std::int64_t difference = first[i] - most;
        if (difference < least) continue;
        const std::int64_t code =
            shifted_right(high_product(reciprocal, exponent(difference)), shift) + bounds.low;
        result[begin + static_cast<std::size_t>(i)] = std::clamp(code, bounds.low, bounds.high);
      }
    }
    codes_[out] = std::move(result);
  }

  void quantize(const OperatorInfo& op) {
    const int in = op.inputs[0], out = op.outputs[0];
    const CodeRange bounds = range(out);
    Values result;
    if (info(in).scales) {
      const Factor factor = factor_of(scale(in) / scale(out));
      for (const std::int64_t code : narrow_codes(op, in)) {
        result.push_back(to_code(code - zero(in), factor, out, bounds));
      }
    } else {
      result = quantized(reals(in), out);
    }
    codes_[out] = std::move(result);
  }

  void dequantize(const OperatorInfo& op) {
    const int in = op.inputs[0];
    std::vector<float> result;
    for (const std::int64_t code : codes(in)) {
      result.push_back(static_cast<float>(scale(in) * static_cast<double>(code - zero(in))));
    }
    reals_[op.outputs[0]] = std::move(result);
  }

  // Moves.

  void move(const OperatorInfo& op) { codes_[op.outputs[0]] = codes(op.inputs[0]); }

  void transpose(const OperatorInfo& op) {
    const Integers order = codes(op.inputs[1]);
    const Shape& x = shape(op.inputs[0]);
    if (order.size() != x.size()) refuse(op, "expected a permutation");
    for (std::size_t d = 0; d < x.size(); ++d) {
      if (std::ranges::count(order, static_cast<std::int64_t>(d)) != 1) {
        refuse(op, "expected a permutation");
      }
    }
    if (!info(op.inputs[0]).scales) {
      const Tensor moved = transposed(Tensor::from<float>(x, reals(op.inputs[0])), order);
      reals_[op.outputs[0]].assign(moved.values<float>().begin(), moved.values<float>().end());
      return;
    }
    const Tensor moved = transposed(Tensor::from<std::int64_t>(x, codes(op.inputs[0])), order);
    const auto values = moved.values<std::int64_t>();
    codes_[op.outputs[0]] = Values(values.begin(), values.end());
  }

  void pad(const OperatorInfo& op) {
    const int in = op.inputs[0], out = op.outputs[0];
    const Values &from = codes(in), &edges = codes(op.inputs[1]);
    const Shape &x = shape(in), &y = shape(out);
    if (edges.size() != 2 * x.size() || x.size() != y.size()) refuse(op, "expected two per axis");
    for (std::size_t d = 0; d < x.size(); ++d) {
      if (edges[2 * d] < 0 || edges[2 * d] > y[d] - x[d]) refuse(op, "expected paddings that fit");
    }
    std::int64_t fill = zero(out);
    if (op.inputs.size() > 2 && op.inputs[2] != kAbsent) {
      if (codes(op.inputs[2]).size() != 1) refuse(op, "expected one number to fill with");
      fill = codes(op.inputs[2])[0];
    }
    Values result(static_cast<std::size_t>(element_count(y)), fill);
    for (std::size_t i = 0; i < from.size(); ++i) {
      auto rest = static_cast<std::int64_t>(i);
      std::int64_t to = 0, stride = 1;
      for (std::size_t d = x.size(); d-- > 0;) {
        to += (rest % x[d] + edges[2 * d]) * stride;
        rest /= x[d];
        stride *= y[d];
      }
      result[static_cast<std::size_t>(to)] = from[i];
    }
    codes_[out] = std::move(result);
  }

  void concatenate(const OperatorInfo& op) {
    const auto* o = options_of<wire::Concatenation>(op, wire::Options::Concatenation);
    const int out = op.outputs[0];
    const Shape& y = shape(out);
    const std::int64_t wanted = o == nullptr ? 0 : o->axis();
    const auto rank = static_cast<std::int64_t>(y.size());
    if (wanted < -rank || wanted >= rank) refuse(op, "expected an axis of the result");
    const auto axis = static_cast<std::size_t>(wanted < 0 ? wanted + rank : wanted);
    std::int64_t outer = 1;
    for (std::size_t d = 0; d < axis; ++d) outer *= y[d];
    if (outer < 1 || std::ranges::count(op.inputs, kAbsent) > 0) refuse(op, "expected operands");
    Values result;
    for (std::int64_t n = 0; n < outer; ++n) {
      for (const int id : op.inputs) {
        const Scales &from = scales(id), &to = scales(out);
        if (from.scales != to.scales || from.zero_points != to.zero_points) {
          refuse(op, "expected operands with the scale of the result");
        }
        const Values& part = codes(id);
        const std::size_t length = part.size() / static_cast<std::size_t>(outer);
        const auto begin =
            part.begin() + static_cast<std::ptrdiff_t>(n) * static_cast<std::ptrdiff_t>(length);
        result.insert(result.end(), begin, begin + static_cast<std::ptrdiff_t>(length));
      }
    }
    codes_[out] = std::move(result);
  }

  void compute(const OperatorInfo& op) {
    struct Row {
      std::string_view name;
      void (Evaluation::*function)(const OperatorInfo&);
      std::size_t operands = 1;  // that must be there
    };
    static constexpr Row kRows[] = {{"ADD", &Evaluation::binary, 2},
                                    {"AVERAGE_POOL_2D", &Evaluation::pool},
                                    {"CONCATENATION", &Evaluation::concatenate},
                                    {"CONV_2D", &Evaluation::conv, 2},
                                    {"DEPTHWISE_CONV_2D", &Evaluation::conv, 2},
                                    {"DEQUANTIZE", &Evaluation::dequantize},
                                    {"EXPAND_DIMS", &Evaluation::move},
                                    {"FULLY_CONNECTED", &Evaluation::fully_connected, 2},
                                    {"MAX_POOL_2D", &Evaluation::pool},
                                    {"MEAN", &Evaluation::mean, 2},
                                    {"MUL", &Evaluation::binary, 2},
                                    {"PAD", &Evaluation::pad, 2},
                                    {"PADV2", &Evaluation::pad, 2},
                                    {"QUANTIZE", &Evaluation::quantize},
                                    {"RESHAPE", &Evaluation::move},
                                    {"SOFTMAX", &Evaluation::softmax},
                                    {"SQUEEZE", &Evaluation::move},
                                    {"SUB", &Evaluation::binary, 2},
                                    {"TRANSPOSE", &Evaluation::transpose, 2}};
    const auto row = std::ranges::find(kRows, op.name, &Row::name);
    if (row == std::end(kRows)) refuse(op, "has no reference here");
    const bool has_operands =
        op.inputs.size() >= row->operands &&
        std::count(op.inputs.begin(),
                   op.inputs.begin() + static_cast<std::ptrdiff_t>(row->operands), kAbsent) == 0;
    if (!has_operands || op.outputs.empty() || op.outputs[0] == kAbsent) {
      refuse(op, "expected operands and a result");
    }
    constexpr std::int64_t kMostElements = std::int64_t{1} << 28;
    if (element_count(shape(op.outputs[0])) > kMostElements) {
      refuse(op, "expected a result of at most 2^28 elements");
    }
    require_scales(op);
    (this->*row->function)(op);
    const auto written = codes_.find(op.outputs[0]);
    const std::int64_t wanted = element_count(shape(op.outputs[0]));
    if (written != codes_.end() && static_cast<std::int64_t>(written->second.size()) != wanted) {
      refuse(op, fmt::format("expected {} results as the file says, found {}", wanted,
                             written->second.size()));
    }
  }

  Tensor output(int id) {
    if (info(id).type == Type::Float32) return Tensor::from<float>(shape(id), reals(id));
    const Values& values = codes(id);
    if (info(id).type == Type::Uint8) {
      return Tensor::from<std::uint8_t>(shape(id), {values.begin(), values.end()});
    }
    return Tensor::from<std::int8_t>(shape(id), {values.begin(), values.end()});
  }

  const File& file_;
  const Rescaling how_;
  std::map<int, Values> codes_;
  std::map<int, std::vector<float>> reals_;
  std::set<const OperatorInfo*> needed_;
};

}  // namespace

std::vector<Tensor> evaluate_reference(const File& file, const std::vector<Tensor>& inputs,
                                       Rescaling how) {
  return Evaluation(file, how).run(inputs);
}

}  // namespace workbench::importer::tflite
