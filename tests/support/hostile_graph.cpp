#include "tests/support/hostile_graph.h"

#include <algorithm>
#include <random>

#include "tests/support/graph_builder.h"

namespace workbench {

namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed), build_(seed + 1) {}

  Graph run() {
    ValueId x = build_.input("input", {1, range(1, 40), range(6, 24), range(6, 24)});
    for (std::int64_t i = range(1, 4); i > 0; --i) x = step(x);
    build_.output(x);
    build_.graph().name = "hostile";
    return std::move(build_.graph());
  }

 private:
  std::int64_t range(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(std::int64_t one_in) { return range(1, one_in) == 1; }
  std::string name(const std::string& kind) { return kind + std::to_string(++count_); }
  const Shape& shape(ValueId id) const { return build_.shape(id); }

  // Any window that has a result and whose first position touches the map; dilated only for
  // convolutions.
  Window window(ValueId x, bool conv) {
    Window w = square_window(1);
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t size = shape(x)[i + 2];
      w.kernel[i] = range(1, std::min<std::int64_t>(9, size));
      if (conv && chance(3)) w.dilations[i] = range(2, 5);
      if ((w.kernel[i] - 1) * w.dilations[i] >= size) w.dilations[i] = 1;
      if (chance(2)) w.strides[i] = range(1, 8);
      if (!chance(2)) continue;
      w.pads_begin[i] = range(0, (w.kernel[i] - 1) * w.dilations[i]);
      w.pads_end[i] = range(0, (w.kernel[i] - 1) * w.dilations[i]);
    }
    return w;
  }

  Activation activation(std::int64_t channels) {
    switch (range(0, 4)) {
      case 0:
        return {.kind = Activation::Kind::Relu};
      case 1:
        return {.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F};
      case 2: {
        Activation prelu{.kind = Activation::Kind::PRelu};
        for (std::int64_t c = 0; c < channels; ++c) {
          prelu.slopes.push_back(static_cast<float>(range(-4, 4)) / 4);
        }
        return prelu;
      }
      default:
        return {};
    }
  }

  ValueId conv(ValueId x) {
    const std::int64_t in = shape(x)[1];
    const bool depthwise = chance(4), grouped = in % 2 == 0 && chance(4);
    const std::int64_t groups = depthwise ? in : grouped ? 2 : 1;
    const std::int64_t out = groups * range(1, depthwise ? 2 : 8);
    const ValueId result = build_.conv(name("conv"), x, out, window(x, true), groups, chance(2));
    auto& op = std::get<Conv>(build_.graph().nodes.back().op);
    op.activation = activation(out);
    return result;
  }

  ValueId max_pool(ValueId x) {
    return build_.add(name("max"), MaxPool{.window = window(x, false), .ceil_mode = chance(3)},
                      {x});
  }

  ValueId average(ValueId x) {
    AveragePool op{.window = square_window(1), .count_include_pad = true};
    if (chance(2)) {
      op.window.kernel = {shape(x)[2], shape(x)[3]};
    } else {
      op.window = window(x, false);
    }
    return build_.add(name("average"), op, {x});
  }

  ValueId sum(ValueId x) {
    const Binary op{.kind = chance(2) ? Binary::Kind::Add : Binary::Kind::Sub,
                    .activation = activation(1)};
    const Window same = square_window(3, 1, 1);
    return build_.add(name("sum"), op, {build_.conv(name("branch"), x, shape(x)[1], same), x});
  }

  ValueId pad(ValueId x) {
    const Pad op{.begin = {0, 0, range(0, 5), range(0, 5)}, .end = {0, 0, range(0, 5), 1}};
    return build_.add(name("pad"), op, {x});
  }

  ValueId slice(ValueId x) {
    const std::int64_t step = range(1, 2), channels = shape(x)[1];
    const Slice op{.starts = {range(0, channels - 1), range(0, 1), range(0, 1)},
                   .ends = {channels, shape(x)[2] - range(0, 1), shape(x)[3]},
                   .axes = {1, 2, 3},
                   .steps = {1, step, step}};
    return build_.add(name("slice"), op, {x});
  }

  ValueId reorganize(ValueId x) {
    const Shape& in = shape(x);
    if (in[1] % 4 == 0 && in[2] < 16) {
      return build_.add(name("space"), DepthToSpace{.block = 2, .column_row_depth = chance(2)},
                        {x});
    }
    if (in[2] % 2 == 0 && in[3] % 2 == 0) {
      return build_.add(name("depth"), SpaceToDepth{.block = 2}, {x});
    }
    return conv(x);
  }

  ValueId upsample(ValueId x) {
    const std::int64_t rows = range(1, 3), columns = range(1, 4);
    Resize op{.scales = {1, 1, static_cast<float>(rows), static_cast<float>(columns)},
              .sizes = shape(x)};
    op.sizes[2] *= rows;
    op.sizes[3] *= columns;
    return build_.add(name("upsample"), op, {x});
  }

  ValueId step(ValueId x) {
    if (shape(x)[2] < 3 || shape(x)[3] < 3) return conv(x);
    if (element_count(shape(x)) > 20000) return max_pool(x);
    switch (range(0, 11)) {
      case 0:
        return max_pool(x);
      case 1:
        return average(x);
      case 2:
        return sum(x);
      case 3:
        return pad(x);
      case 4:
        return slice(x);
      case 5:
        return reorganize(x);
      case 6:
        return upsample(x);
      case 7:
        return build_.add(name("act"), Activate{{Activation::Kind::LeakyRelu, 0.25F}}, {x});
      default:
        return conv(x);
    }
  }

  std::mt19937_64 random_;
  GraphBuilder build_;
  int count_ = 0;
};

}  // namespace

Graph hostile_graph(std::uint64_t seed) { return Generator(seed).run(); }

}  // namespace workbench
