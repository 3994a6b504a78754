#include "tests/support/random_graph.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/shapes.h"
#include "workloads/builder.h"

namespace workbench {

namespace {

constexpr double kInputDeviation = 64;
constexpr std::int64_t kMaxSide = 48;  // rows and columns that upsampling may reach

class Generator {
 public:
  Generator(std::mt19937_64& random, const RandomGraphOptions& options)
      : random_(random), options_(options), b_("random", random()) {}

  Graph run() {
    tip_ = b_.input(
        "data",
        {1, chance(options_.wide) ? between(97, 200) : between(1, options_.max_input_channels),
         between(3, 24), between(3, 24)},
        kInputDeviation);
    const std::int64_t steps = between(options_.min_layers, options_.max_layers);
    for (std::int64_t i = 0; i < steps; ++i) {
      step();
      earlier_.push_back(tip_);
    }
    const ValueId side = earlier_[pick(earlier_.size())];
    if (chance(options_.host_tail)) tail();
    std::vector<ValueId> outputs{tip_};
    if (side != tip_ && chance(options_.second_output)) outputs.push_back(side);
    return b_.finish(outputs);
  }

 private:
  // Numbers straight from the engine: the distributions of <random> differ between libraries.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  std::size_t pick(std::size_t count) {
    return static_cast<std::size_t>(between(0, static_cast<std::int64_t>(count) - 1));
  }
  bool chance(double probability) {
    return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
  }
  std::string fresh(std::string_view kind) { return fmt::format("{}_{}", kind, ++names_); }
  std::int64_t channels(ValueId x) const { return b_.shape(x).at(1); }
  std::int64_t side(ValueId x, std::size_t i) const { return b_.shape(x).at(2 + i); }

  void step() {
    if (options_.split > 0 && chance(options_.split)) {
      tip_ = split(tip_);
    } else if (chance(options_.residual)) {
      tip_ = residual(tip_);
    } else if (chance(options_.concat / (1 - options_.residual))) {
      tip_ = concat(tip_);
    } else if (chance(options_.host_op)) {
      tip_ = host(tip_);
    } else {
      plain();
    }
  }

  void plain() {
    const std::int64_t dice = between(0, 99);
    if (dice < 58) {
      tip_ = finish_conv(conv(tip_));
    } else if (dice < 72) {
      tip_ = max_pool(tip_, false);
    } else if (dice < 80) {
      tip_ = average_pool(tip_);
    } else if (dice < 86) {
      tip_ = upsample(tip_);
    } else if (dice < 91) {
      tip_ = conv_transpose(tip_);
    } else if (dice < 95) {
      tip_ = b_.batch_norm(fresh("bn"), tip_);
    } else {
      tip_ = activation(tip_);
    }
  }

  // One spatial dimension of a window over `size` elements; `same`: as many positions as elements.
  // Padding stays smaller than the kernel, so that no position is all padding.
  void dimension(Window& w, std::size_t i, std::int64_t size, std::int64_t kernel, bool same) {
    w.kernel[i] = kernel;
    if (same) {
      const std::int64_t missing = w.dilations[i] * (kernel - 1);
      w.strides[i] = 1;
      w.pads_begin[i] = w.dilations[i] > 1 ? missing / 2 : between(0, missing);
      w.pads_end[i] = missing - w.pads_begin[i];
      return;
    }
    w.pads_begin[i] = chance(0.5) ? between(0, kernel - 1) : kernel / 2;
    w.pads_end[i] = chance(0.5) ? between(0, kernel - 1) : kernel / 2;
    const std::int64_t extent = w.dilations[i] * (kernel - 1) + 1;
    if (extent <= size + w.pads_begin[i] + w.pads_end[i]) return;
    w.dilations[i] = 1;
    w.kernel[i] = std::min(kernel, size);
    w.pads_begin[i] = std::min(w.pads_begin[i], w.kernel[i] - 1);
    w.pads_end[i] = std::min(w.pads_end[i], w.kernel[i] - 1);
  }

  Window conv_window(ValueId x, bool same) {
    const std::int64_t dice = between(0, 9);
    const std::int64_t square = dice < 3 ? 1 : dice < 7 ? 3 : between(1, 7);
    const bool uneven = chance(0.15);
    Window w = window_2d(1, 1, chance(0.7) ? 1 : between(2, 3));
    if (chance(0.08)) w.strides[1] = between(1, 3);
    if (chance(0.15)) w.dilations = {between(1, 3), between(1, 3)};
    for (std::size_t i = 0; i < 2; ++i) {
      dimension(w, i, side(x, i), uneven ? between(1, 7) : square, same);
    }
    return w;
  }

  static std::int64_t positions(const Shape& x, const Window& w) {
    std::int64_t count = 1;
    for (std::size_t i = 0; i < 2; ++i) {
      count *= window_output_size(x[2 + i], w.kernel[i], w.strides[i], w.dilations[i],
                                  w.pads_begin[i], w.pads_end[i], false);
    }
    return count;
  }

  std::int64_t groups(std::int64_t inputs) {
    if (chance(0.15)) return inputs;  // depthwise
    if (!chance(0.1)) return 1;
    std::vector<std::int64_t> divisors;
    for (std::int64_t g = 1; g <= inputs; ++g) {
      if (inputs % g == 0) divisors.push_back(g);
    }
    return divisors[pick(divisors.size())];
  }

  ValueId conv(ValueId x) {
    ConvSpec spec{.window = conv_window(x, false), .bias = chance(0.8)};
    spec.groups = groups(channels(x));
    spec.channels = output_channels(x, spec);
    return b_.conv(fresh("conv"), x, spec);
  }

  // Rows and columns as in x.
  ValueId same_conv(ValueId x, std::int64_t outputs) {
    ConvSpec spec{.channels = outputs, .window = conv_window(x, true), .bias = chance(0.8)};
    const std::int64_t taps = spec.window.kernel[0] * spec.window.kernel[1];
    const std::int64_t macs = element_count(b_.shape(x)) * outputs * taps;
    if (macs > options_.max_macs) spec.window = square_window(1);
    return b_.conv(fresh("conv"), x, spec);
  }

  // A multiple of the groups within the limits; at least one per group.
  std::int64_t output_channels(ValueId x, const ConvSpec& spec) {
    const std::int64_t wanted = spec.groups == channels(x) ? spec.groups * between(1, 2)
                                : chance(options_.wide)    ? between(97, 260)
                                                           : between(1, options_.max_channels);
    const std::int64_t cells = positions(b_.shape(x), spec.window);
    const std::int64_t taps =
        channels(x) / spec.groups * spec.window.kernel[0] * spec.window.kernel[1];
    const std::int64_t limit =
        std::min(options_.max_macs / (cells * taps), options_.max_elements / cells);
    return std::max<std::int64_t>(1, std::min(wanted, limit) / spec.groups) * spec.groups;
  }

  ValueId finish_conv(ValueId x) {
    if (chance(options_.batch_norm)) x = b_.batch_norm(fresh("bn"), x);
    return chance(options_.activation) ? activation(x) : x;
  }

  ValueId activation(ValueId x) {
    const std::int64_t dice = between(0, 9);
    if (dice < 6) return b_.activate(fresh("relu"), x, {.kind = Activation::Kind::Relu});
    if (dice == 6) {
      return b_.activate(fresh("relu6"), x, {.kind = Activation::Kind::Clip, .beta = 6});
    }
    if (dice < 9) {
      const float alpha = static_cast<float>(between(1, 30)) / 100;
      return b_.activate(fresh("leaky"), x, {.kind = Activation::Kind::LeakyRelu, .alpha = alpha});
    }
    const std::string name = fresh("prelu");
    const Shape slopes{chance(0.7) ? channels(x) : 1, 1, 1};
    return b_.node(name, PRelu{}, {x, b_.constant(name + "/slope", slopes, 0.2, 0.05)});
  }

  Window pool_window(ValueId x, bool same) {
    Window w = window_2d(1, 1, same ? 1 : between(1, 3));
    const std::int64_t square = between(2, 3);
    const bool uneven = chance(0.15);
    for (std::size_t i = 0; i < 2; ++i) {
      dimension(w, i, side(x, i), uneven ? between(1, 4) : square, same);
    }
    return w;
  }
  ValueId max_pool(ValueId x, bool same) {
    return b_.max_pool(fresh("max_pool"), x, pool_window(x, same), !same && chance(0.5));
  }
  ValueId average_pool(ValueId x) {
    if (chance(0.25)) return b_.global_average_pool(fresh("global_pool"), x);
    return b_.average_pool(fresh("average_pool"), x, pool_window(x, false), false, chance(0.7));
  }

  bool may_grow(ValueId x, std::int64_t factor) const {
    const bool small = side(x, 0) * factor <= kMaxSide && side(x, 1) * factor <= kMaxSide;
    return small && element_count(b_.shape(x)) * factor * factor <= options_.max_elements;
  }
  ValueId upsample(ValueId x) {
    if (!may_grow(x, 2)) return max_pool(x, false);
    return b_.node(
        fresh("upsample"),
        Resize{.scales = {1, 1, 2, 2}, .sizes = {1, channels(x), 2 * side(x, 0), 2 * side(x, 1)}},
        {x});
  }
  ValueId conv_transpose(ValueId x) {
    const std::int64_t stride = between(1, 2);
    const std::int64_t kernel = between(2, 4);
    if (!may_grow(x, stride + 1)) return max_pool(x, false);
    Window w = square_window(kernel, stride);
    for (std::size_t i = 0; i < 2; ++i) {
      w.pads_begin[i] = between(0, (kernel - 1) / 2);
      w.pads_end[i] = between(0, (kernel - 1) / 2);
    }
    const std::int64_t macs = element_count(b_.shape(x)) * kernel * kernel;
    const std::int64_t area = (stride * side(x, 0) + kernel) * (stride * side(x, 1) + kernel);
    const std::int64_t most = std::min(options_.max_macs / macs, options_.max_elements / area);
    return b_.conv_transpose(fresh("deconv"), x,
                             {.channels = between(1, std::clamp<std::int64_t>(most, 1, 40)),
                              .window = w,
                              .bias = chance(0.8)});
  }

  // x + f(x), or x + y for an earlier y that fits.
  ValueId residual(ValueId x) {
    std::vector<ValueId> fitting;
    for (const ValueId y : earlier_) {
      if (y != x && b_.shape(y) == b_.shape(x)) fitting.push_back(y);
    }
    ValueId other = x;
    if (!fitting.empty() && chance(0.4)) {
      other = fitting[pick(fitting.size())];
    } else {
      if (chance(0.4)) other = finish_conv(same_conv(other, between(1, part_channels(x))));
      other = same_conv(other, channels(x));
    }
    const bool swapped = chance(0.3);
    const ValueId sum = b_.add(fresh("add"), swapped ? other : x, swapped ? x : other);
    return chance(0.5) ? b_.activate(fresh("relu"), sum, {.kind = Activation::Kind::Relu}) : sum;
  }

  // Most channels of one of four parts with the rows and columns of x.
  std::int64_t part_channels(ValueId x) const {
    const std::int64_t most = options_.max_elements / (4 * side(x, 0) * side(x, 1));
    return std::clamp<std::int64_t>(most, 1, options_.max_channels);
  }

  // 2 to 4 parts of equal rows and columns: functions of x, concats, x itself, earlier values.
  ValueId concat(ValueId x) {
    std::vector<ValueId> fitting;
    for (const ValueId y : earlier_) {
      const bool equal = side(y, 0) == side(x, 0) && side(y, 1) == side(x, 1);
      if (equal && channels(y) <= part_channels(x)) fitting.push_back(y);
    }
    std::vector<ValueId> parts{finish_conv(same_conv(x, between(1, part_channels(x))))};
    for (std::int64_t count = between(1, 3); count > 0; --count) {
      const std::size_t at = chance(0.5) ? 0 : parts.size();
      const ValueId part = concat_part(x, fitting);
      parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(at), part);
    }
    return b_.concat(fresh("concat"), parts);
  }

  // Some of the channels of x through one function, the others through another, joined again. Cuts
  // are mostly at multiples of 16, where machines may have an address.
  ValueId split(ValueId x) {
    const std::int64_t all = channels(x);
    if (all < 2) return finish_conv(conv(x));
    std::int64_t cut = between(1, all - 1);
    if (chance(0.7) && all > 16) cut = 16 * between(1, (all - 1) / 16);
    const ValueId first = half(slice(x, 0, cut)), second = half(slice(x, cut, all));
    return chance(0.3) ? b_.concat(fresh("concat"), {second, first, x})
                       : b_.concat(fresh("concat"), {first, second});
  }
  ValueId half(ValueId x) {
    const std::int64_t dice = between(0, 3);
    if (dice == 0) return x;
    if (dice == 1) return max_pool(x, true);
    if (dice == 2) return b_.activate(fresh("relu"), x, {.kind = Activation::Kind::Relu});
    return finish_conv(same_conv(x, between(1, part_channels(x))));
  }
  ValueId slice(ValueId x, std::int64_t begin, std::int64_t end) {
    return b_.node(fresh("slice"),
                   Slice{.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}}, {x});
  }

  ValueId concat_part(ValueId x, const std::vector<ValueId>& fitting) {
    const std::int64_t most = part_channels(x);
    const std::int64_t dice = between(0, 9);
    if (dice < 3 && !fitting.empty()) return fitting[pick(fitting.size())];
    if (dice == 3 && channels(x) <= most) return max_pool(x, true);
    if (dice == 4 && most > 1) {
      const ValueId left = same_conv(x, between(1, most / 2));
      const ValueId right = same_conv(x, between(1, most / 2));
      return b_.concat(fresh("inner_concat"), {left, right});
    }
    return finish_conv(same_conv(x, between(1, most)));
  }

  ValueId host(ValueId x) {
    switch (between(0, 3)) {
      case 0:
        return b_.activate(fresh("sigmoid"), x, {.kind = Activation::Kind::Sigmoid});
      case 1:
        return b_.activate(fresh("hard_swish"), x, {.kind = Activation::Kind::HardSwish});
      case 2:
        return b_.node(fresh("lrn"), Lrn{.size = 3}, {x});
      default:
        return squeeze_excite(x);
    }
  }

  // x scaled per channel by a function of its means (Hu et al. 2017, arXiv 1709.01507).
  ValueId squeeze_excite(ValueId x) {
    ValueId gate = b_.global_average_pool(fresh("squeeze"), x);
    gate = b_.conv(fresh("conv"), gate, {.channels = between(1, 8)});
    gate = b_.activate(fresh("relu"), gate, {.kind = Activation::Kind::Relu});
    gate = b_.conv(fresh("conv"), gate, {.channels = channels(x)});
    gate = b_.activate(fresh("sigmoid"), gate, {.kind = Activation::Kind::Sigmoid});
    return b_.node(fresh("scale"), Binary{.kind = Binary::Kind::Mul}, {x, gate});
  }

  void tail() {
    if (chance(0.5)) tip_ = b_.global_average_pool(fresh("global_pool"), tip_);
    const Shape& from = b_.shape(tip_);
    tip_ = b_.node(fresh("flatten"), Reshape{{from[0], element_count(from) / from[0]}}, {tip_});
    if (chance(0.7)) tip_ = b_.gemm(fresh("fc"), tip_, between(2, 20), 2);
    if (chance(0.6)) tip_ = b_.softmax(fresh("softmax"), tip_);
  }

  std::mt19937_64& random_;
  const RandomGraphOptions& options_;
  NetworkBuilder b_;
  ValueId tip_ = kNoValue;        // what the next step reads
  std::vector<ValueId> earlier_;  // what each step wrote; all rank 4
  int names_ = 0;
};

}  // namespace

Graph random_graph(std::mt19937_64& random, const RandomGraphOptions& options) {
  return Generator(random, options).run();
}

}  // namespace workbench
