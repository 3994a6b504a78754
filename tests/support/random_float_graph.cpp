#include "tests/support/random_float_graph.h"

#include <algorithm>
#include <limits>
#include <random>

#include "tests/support/graph_builder.h"

namespace workbench {

namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed), build_(seed + 1) {}

  Graph run() {
    const bool one_dimensional = chance(5);
    Shape shape{range(1, 2), range(1, 4), range(5, 9)};
    if (!one_dimensional) shape.push_back(range(5, 9));
    ValueId x = build_.input("input", shape);
    const std::int64_t steps = range(3, 10);
    for (std::int64_t i = 0; i < steps; ++i) {
      x = one_dimensional ? step_1d(x) : step_2d(x);
      if (chance(12)) extra_outputs_.push_back(x);
    }
    if (chance(2)) x = classifier(x);
    build_.output(x);
    for (const ValueId id : extra_outputs_) {
      const auto& outputs = build_.graph().outputs;
      const bool known = std::find(outputs.begin(), outputs.end(), id) != outputs.end();
      if (!known && outputs.size() < 3 && id != build_.graph().inputs[0]) build_.output(id);
    }
    build_.graph().name = "random";
    return std::move(build_.graph());
  }

 private:
  // Uniform in [low, high].
  std::int64_t range(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(std::int64_t one_in) { return range(1, one_in) == 1; }
  std::string name(const std::string& kind) { return kind + std::to_string(++count_); }
  const Shape& shape(ValueId id) const { return build_.shape(id); }
  std::size_t spatial_rank(ValueId id) const { return shape(id).size() - 2; }

  Window window(ValueId x, std::int64_t kernel, bool padded, bool strided) {
    Window w = square_window(kernel, 1, 0, spatial_rank(x));
    for (std::size_t i = 0; i < spatial_rank(x); ++i) {
      w.kernel[i] = std::min(kernel, shape(x)[i + 2]);
      if (strided) w.strides[i] = range(1, 2);
      if (!padded) continue;
      w.pads_begin[i] = range(0, w.kernel[i] - 1);
      w.pads_end[i] = range(0, w.kernel[i] - 1);
    }
    return w;
  }

  ValueId conv(ValueId x) {
    const std::int64_t channels = shape(x)[1];
    const bool depthwise = chance(4);
    Window w = window(x, range(1, 3), chance(2), chance(3));
    return build_.conv(name("conv"), x, depthwise ? channels * range(1, 2) : range(1, 5), w,
                       depthwise ? channels : 1, chance(2));
  }

  ValueId conv_transpose(ValueId x) {
    const std::int64_t channels = shape(x)[1];
    const std::int64_t groups = channels % 2 == 0 && chance(2) ? 2 : 1;
    const std::string label = name("deconv");
    Shape weights{channels, range(1, 2)};
    const Window w = square_window(2, 2, 0, spatial_rank(x));
    weights.insert(weights.end(), w.kernel.begin(), w.kernel.end());
    ConvTranspose op{.window = w, .groups = groups, .output_padding = w.pads_begin};
    return build_.add(label, op, {x, build_.random_constant(label + "_w", weights)});
  }

  Shape constant_shape(const Shape& x) {
    if (chance(3)) return {};
    Shape channels{x[1]};
    channels.insert(channels.end(), x.size() - 2, 1);
    if (chance(2)) channels.insert(channels.begin(), 1);
    return channels;
  }

  ValueId scale(ValueId x) {
    const std::string label = name("scale");
    const ValueId k = build_.random_constant(label + "_k", constant_shape(shape(x)), 0.5, 2);
    constexpr Binary::Kind kKinds[] = {Binary::Kind::Add, Binary::Kind::Sub, Binary::Kind::Mul,
                                       Binary::Kind::Div};
    const Binary::Kind kind = kKinds[range(0, 3)];
    const bool constant_first = kind != Binary::Kind::Div && chance(3);
    return constant_first ? build_.binary(label, kind, k, x) : build_.binary(label, kind, x, k);
  }

  ValueId activation(ValueId x) {
    const std::string label = name("act");
    switch (range(0, 5)) {
      case 0:
        return build_.add(label, Activate{{Activation::Kind::Clip, 0, 1}}, {x});
      case 1:
        return build_.add(label, Activate{{Activation::Kind::LeakyRelu, 0.125F}}, {x});
      case 2:
        return build_.add(label, Activate{{Activation::Kind::Sigmoid}}, {x});
      case 3: {
        Shape slope{shape(x)[1]};
        slope.insert(slope.end(), spatial_rank(x), 1);
        return build_.add(label, PRelu{}, {x, build_.random_constant(label + "_slope", slope)});
      }
      default:
        return build_.relu(label, x);
    }
  }

  ValueId residual(ValueId x) {
    const ValueId branch = build_.conv(name("branch"), x, shape(x)[1],
                                       square_window(3, 1, 1, spatial_rank(x)), 1, chance(2));
    const ValueId normal = chance(2) ? build_.batch_norm(name("bn"), branch) : branch;
    const ValueId sum = build_.binary(name("add"), Binary::Kind::Add, normal, x);
    return chance(2) ? build_.relu(name("relu"), sum) : sum;
  }

  ValueId concat(ValueId x) {
    if (chance(4)) {
      return build_.add(name("concat"), Concat{.axis = chance(2) ? -1 : 2}, {x, activation(x)});
    }
    std::vector<ValueId> parts;
    for (std::int64_t i = range(2, 3); i > 0; --i) {
      const Window w = square_window(1, 1, 0, spatial_rank(x));
      parts.push_back(chance(3) ? x : build_.conv(name("part"), x, range(1, 3), w));
    }
    if (chance(2)) {
      const ValueId inner = build_.add(name("concat"), Concat{}, parts);
      parts = {inner, activation(x)};
    }
    return build_.add(name("concat"), Concat{}, parts);
  }

  ValueId max_pool(ValueId x) {
    const Window w = window(x, range(1, 3), chance(2), chance(2));
    return build_.add(name("max"), MaxPool{.window = w, .ceil_mode = chance(2)}, {x});
  }
  ValueId average_pool(ValueId x) {
    const Window w = window(x, range(1, 3), chance(2), chance(2));
    return build_.add(name("average"), AveragePool{.window = w, .count_include_pad = chance(2)},
                      {x});
  }

  // Padding, with what an exporter writes behind it.
  ValueId pad(ValueId x) {
    const std::int64_t reader = range(0, 4);  // 0 to 2: max pools
    Pad op{.begin = {0, 0}, .end = {0, 0}};
    for (std::size_t i = 0; i < spatial_rank(x); ++i) {
      op.begin.push_back(range(0, 2));
      op.end.push_back(range(0, 2));
    }
    if (reader == 0) op.value = std::numeric_limits<float>::lowest();
    const bool rectified = reader == 1;
    const ValueId padded =
        build_.add(name("pad"), op, {rectified ? build_.relu(name("relu"), x) : x});
    if (reader <= 2) {
      // The last window of a ceil_mode pool may see padding only: no place for the lowest value.
      const MaxPool pool{.window = window(padded, 3, false, true),
                         .ceil_mode = reader != 0 && chance(2)};
      return build_.add(name("max"), pool, {padded});
    }
    return reader == 3 ? conv(padded) : average_pool(padded);
  }

  ValueId movement(ValueId x) {
    switch (range(0, 3)) {
      case 0:
        return build_.add(name("identity"), Identity{}, {x});
      case 1:
        return build_.add(name("reshape"), Reshape{shape(x)}, {x});
      case 2: {
        const ValueId flat = build_.add(
            name("flat"), Reshape{{shape(x)[0], element_count(shape(x)) / shape(x)[0]}}, {x});
        return build_.add(name("unflat"), Reshape{shape(x)}, {flat});
      }
      default: {
        std::vector<std::int64_t> there{0, 2, 1}, back{0, 2, 1};
        if (spatial_rank(x) == 2) {
          there = {0, 2, 3, 1};
          back = {0, 3, 1, 2};
        }
        const ValueId moved = build_.add(name("transpose"), Transpose{there}, {x});
        return build_.add(name("transpose"), Transpose{back}, {moved});
      }
    }
  }

  // A scale by two constants that are only known after folding.
  ValueId constant_expression(ValueId x) {
    const std::string label = name("expr");
    const ValueId a = build_.random_constant(label + "_a", {}, 0.5, 2);
    const ValueId b = build_.random_constant(label + "_b", {}, 0.5, 2);
    const ValueId k = build_.binary(label + "_k", Binary::Kind::Add, a, b);
    return build_.binary(label, Binary::Kind::Mul, x, k);
  }

  std::vector<std::int64_t> spatial_axes(ValueId x) const {
    return spatial_rank(x) == 2 ? std::vector<std::int64_t>{2, 3} : std::vector<std::int64_t>{2};
  }

  ValueId squeeze_excite(ValueId x) {
    const Reduce mean{.axes = spatial_axes(x), .keep_dims = false};
    const ValueId squeezed = build_.add(name("squeeze"), mean, {x});
    const ValueId small = activation(build_.gemm(name("fc"), squeezed, range(1, 3)));
    const ValueId large = build_.gemm(name("fc"), small, shape(x)[1]);
    const ValueId gate = build_.add(name("gate"), Activate{{Activation::Kind::Sigmoid}}, {large});
    Shape map{shape(x)[0], shape(x)[1]};
    map.insert(map.end(), spatial_rank(x), 1);
    const ValueId factor = build_.add(name("excite"), Reshape{map}, {gate});
    return build_.binary(name("gated"), Binary::Kind::Mul, x, factor);
  }

  ValueId step_1d(ValueId x) {
    switch (range(0, 9)) {
      case 0:
        return activation(x);
      case 1:
        return residual(x);
      case 2:
        return concat(x);
      case 3:
        return max_pool(x);
      case 4:
        return average_pool(x);
      case 5:
        return scale(x);
      case 6:
        return movement(x);
      case 7:
        return build_.batch_norm(name("bn"), x);
      default:
        return conv(x);
    }
  }

  ValueId step_2d(ValueId x) {
    if (element_count(shape(x)) > 2000) return max_pool(x);
    switch (range(0, 5)) {
      case 0:
        return conv_transpose(x);
      case 1:
        return pad(x);
      case 2:
        return constant_expression(x);
      case 3:
        return squeeze_excite(x);
      default:
        return step_1d(x);
    }
  }

  ValueId classifier(ValueId x) {
    const std::int64_t features = element_count(shape(x)) / shape(x)[0];
    ValueId flat = x;
    if (chance(2)) {
      flat = build_.add(name("mean"), Reduce{.axes = spatial_axes(x), .keep_dims = false}, {x});
    } else {
      flat = build_.add(name("flatten"), Reshape{{shape(x)[0], features}}, {x});
    }
    const std::string label = name("matmul");
    const ValueId product = build_.add(
        label, MatMul{}, {flat, build_.random_constant(label + "_w", {shape(flat)[1], 4})});
    const ValueId biased = build_.binary(name("bias"), Binary::Kind::Add, product,
                                         build_.random_constant(label + "_b", {4}));
    const ValueId logits = build_.gemm(name("fc"), build_.relu(name("relu"), biased), 3);
    return build_.add(name("softmax"), Softmax{.axis = 1}, {logits});
  }

  std::mt19937_64 random_;
  GraphBuilder build_;
  int count_ = 0;
  std::vector<ValueId> extra_outputs_;
};

}  // namespace

Graph random_float_graph(std::uint64_t seed) { return Generator(seed).run(); }

}  // namespace workbench
