#include "tests/support/host_nodes.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <random>
#include <utility>

namespace workbench {

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t in(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution(low, high)(engine_);
  }
  bool coin() { return in(0, 1) == 1; }
  float real(float low = -4, float high = 4) {
    return std::uniform_real_distribution(low, high)(engine_);
  }
  Tensor reals(Shape shape, float low = -4, float high = 4) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, std::move(shape));
    for (float& value : tensor.mutable_values<float>()) value = real(low, high);
    return tensor;
  }
  // Signed integers of few values: ties for pools and maxima.
  Tensor digits(Shape shape) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, std::move(shape));
    for (float& value : tensor.mutable_values<float>()) value = static_cast<float>(in(-3, 3));
    return tensor;
  }
  Tensor wholes(Shape shape, std::int64_t low, std::int64_t high) {
    Tensor tensor = Tensor::uninitialized(ElementType::Int64, std::move(shape));
    for (std::int64_t& value : tensor.mutable_values<std::int64_t>()) value = in(low, high);
    return tensor;
  }
  Tensor truths(Shape shape) {
    Tensor tensor = Tensor::uninitialized(ElementType::Bool, std::move(shape));
    for (bool& value : tensor.mutable_values<bool>()) value = coin();
    return tensor;
  }
  ScatterReduction reduction() { return static_cast<ScatterReduction>(in(0, 4)); }
  Shape shape(std::size_t rank, std::int64_t high = 5) {
    Shape result(rank);
    for (std::int64_t& dim : result) dim = in(1, high);
    return result;
  }
  Shape image(std::size_t spatial) {
    Shape result{1, in(1, 4)};
    for (std::size_t d = 0; d < spatial; ++d) result.push_back(in(5, 8));
    return result;
  }
  // Padding is always less than the kernel: each window sees the input.
  Window window(std::size_t spatial) {
    Window w;
    for (std::size_t d = 0; d < spatial; ++d) {
      w.kernel.push_back(in(1, 3));
      w.strides.push_back(in(1, 3));
      w.dilations.push_back(in(1, 2));
      w.pads_begin.push_back(in(0, w.kernel[d] - 1));
      w.pads_end.push_back(in(0, w.kernel[d] - 1));
    }
    return w;
  }
  // Those that give numbers.
  Activation::Kind activation_kind() {
    return static_cast<Activation::Kind>(in(0, static_cast<int>(Activation::Kind::Mish)));
  }
  Activation activation(std::int64_t channels) {
    Activation a{.kind = activation_kind(), .alpha = -real(0.1F, 1), .beta = real(0, 3)};
    if (a.kind == Activation::Kind::PRelu) {
      const Tensor slopes = reals({coin() ? 1 : channels});
      a.slopes.assign(slopes.values<float>().begin(), slopes.values<float>().end());
    }
    return a;
  }
  // A shape that broadcasts to `out` without changing it.
  Shape stretched(const Shape& out) {
    Shape result(out.begin() + in(0, static_cast<std::int64_t>(out.size())), out.end());
    for (std::int64_t& dim : result) dim = in(0, 2) == 0 ? 1 : dim;
    return result;
  }

 private:
  std::mt19937_64 engine_;
};

// Ops with cases of their own; each call makes another one.
const std::vector<std::pair<const char*, std::function<OneNode(Random&)>>> kMakers = {
    {"conv",
     [](Random& r) {
       const auto spatial = static_cast<std::size_t>(r.in(1, 3));
       const std::int64_t groups = r.in(1, 2), co = groups * r.in(1, 3);
       Shape x = r.image(spatial);
       x[0] = r.in(1, 2);
       x[1] *= groups;
       const Window window = r.window(spatial);
       Shape w{co, x[1] / groups};
       w.insert(w.end(), window.kernel.begin(), window.kernel.end());
       return OneNode{
           .op = Conv{.window = window, .groups = groups, .activation = r.activation(co)},
           .operands = {r.reals(x), r.reals(w), r.coin() ? r.reals({co}) : Tensor()}};
     }},
    {"transposed conv",
     [](Random& r) {
       const auto spatial = static_cast<std::size_t>(r.in(1, 2));
       const std::int64_t groups = r.in(1, 2), co = r.in(1, 3);
       Shape x = r.image(spatial);
       x[1] *= groups;
       const Window window = r.window(spatial);
       Shape w{x[1], co};
       w.insert(w.end(), window.kernel.begin(), window.kernel.end());
       return OneNode{
           .op = ConvTranspose{.window = window,
                               .groups = groups,
                               .output_padding = Shape(spatial, r.in(0, 1)),
                               .activation = r.activation(co * groups)},
           .operands = {r.reals(x), r.reals(w), r.coin() ? r.reals({co * groups}) : Tensor()}};
     }},
    {"max pool",
     [](Random& r) {
       const auto spatial = static_cast<std::size_t>(r.in(1, 3));
       return OneNode{.op = MaxPool{.window = r.window(spatial),
                                    .ceil_mode = r.coin(),
                                    .storage_order = r.in(0, 1)},
                      .operands = {r.digits(r.image(spatial))},
                      .outputs = static_cast<std::size_t>(r.in(1, 2))};
     }},
    {"average pool",
     [](Random& r) {
       const auto spatial = static_cast<std::size_t>(r.in(1, 3));
       return OneNode{.op = AveragePool{.window = r.window(spatial),
                                        .ceil_mode = r.coin(),
                                        .count_include_pad = r.coin()},
                      .operands = {r.reals(r.image(spatial))}};
     }},
    {"gemm",
     [](Random& r) {
       const std::int64_t m = r.in(1, 4), k = r.in(1, 40), n = r.in(1, 5);
       const bool ta = r.coin(), tb = r.coin();
       return OneNode{.op = Gemm{.transpose_a = ta,
                                 .transpose_b = tb,
                                 .alpha = r.coin() ? 1 : r.real(),
                                 .beta = r.coin() ? 1 : r.real(),
                                 .activation = r.activation(n)},
                      .operands = {r.reals(ta ? Shape{k, m} : Shape{m, k}),
                                   r.reals(tb ? Shape{n, k} : Shape{k, n}),
                                   r.coin() ? r.reals(r.stretched({m, n})) : Tensor()}};
     }},
    {"mat mul",
     [](Random& r) {
       const std::int64_t k = r.in(1, 9);
       Shape a = r.shape(static_cast<std::size_t>(r.in(0, 2)));  // batches, then [M, K] or [K]
       Shape b = r.stretched(a);
       if (a.empty() ? r.coin() : true) a.push_back(r.in(1, 4));
       a.push_back(k);
       b.push_back(k);
       if (b.size() > 1 || r.coin()) b.push_back(r.in(1, 4));
       return OneNode{.op = MatMul{}, .operands = {r.reals(a), r.reals(b)}};
     }},
    {"batch norm",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(2, 4)));
       return OneNode{.op = BatchNorm{},
                      .operands = {r.reals(x), r.reals({x[1]}), r.reals({x[1]}), r.reals({x[1]}),
                                   r.reals({x[1]}, 0.1F, 4)}};
     }},
    {"activation",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(2, 4)));
       return OneNode{.op = Activate{r.activation(x[1])}, .operands = {r.reals(x)}};
     }},
    {"prelu",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(1, 4)));
       return OneNode{.op = PRelu{}, .operands = {r.reals(x), r.reals(r.stretched(x))}};
     }},
    {"binary",
     [](Random& r) {
       const Shape out = r.shape(static_cast<std::size_t>(r.in(2, 4)));
       const Tensor whole = r.reals(out);
       const Tensor part = r.reals(r.stretched(out), 1, 4);
       const bool swapped = r.coin();
       return OneNode{.op = Binary{.kind = static_cast<Binary::Kind>(
                                       r.in(0, static_cast<int>(Binary::Kind::Fmod))),
                                   .activation = r.activation(out[1])},
                      .operands = {swapped ? part : whole, swapped ? whole : part}};
     }},
    {"softmax",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 4);
       return OneNode{.op = Softmax{.axis = r.in(-rank, rank - 1), .log = r.coin()},
                      .operands = {r.reals(r.shape(static_cast<std::size_t>(rank)))}};
     }},
    {"lrn",
     [](Random& r) {
       return OneNode{.op = Lrn{.size = r.in(1, 6),
                                .alpha = r.real(0.001F, 1),
                                .beta = r.real(0.5F, 1),
                                .bias = r.real(0.5F, 2)},
                      .operands = {r.reals(r.shape(4, 7))}};
     }},
    {"instance_norm",
     [](Random& r) {
       const Shape shape = r.shape(static_cast<std::size_t>(r.in(3, 5)));
       return OneNode{.op = InstanceNorm{.epsilon = r.real(1e-5F, 1)},
                      .operands = {r.reals(shape), r.reals({shape[1]}), r.reals({shape[1]})}};
     }},
    {"reduce",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 4);
       std::vector<std::int64_t> axes;
       for (std::int64_t a = 0; a < rank; ++a) {
         if (r.coin()) axes.push_back(r.coin() ? a : a - rank);
       }
       return OneNode{.op = Reduce{.kind = static_cast<Reduce::Kind>(
                                       r.in(0, static_cast<int>(Reduce::Kind::SumSquare))),
                                   .axes = axes,
                                   .keep_dims = r.coin()},
                      .operands = {r.reals(r.shape(static_cast<std::size_t>(rank)))}};
     }},
    {"reduce of integers",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 4);
       std::vector<std::int64_t> axes;
       for (std::int64_t a = 0; a < rank; ++a) {
         if (r.coin()) axes.push_back(a);
       }
       using Kind = Reduce::Kind;
       constexpr std::array kKinds = {Kind::Sum,  Kind::Mean, Kind::Max, Kind::Min,
                                      Kind::Prod, Kind::L1,   Kind::L2,  Kind::SumSquare};
       return OneNode{
           .op = Reduce{.kind = kKinds[static_cast<std::size_t>(r.in(0, kKinds.size() - 1))],
                        .axes = axes,
                        .keep_dims = r.coin()},
           .operands = {r.wholes(r.shape(static_cast<std::size_t>(rank)), -3, 3)},
           .result = ElementType::Int64};
     }},
    {"resize",
     [](Random& r) {
       const Shape x = r.shape(3, 7);
       Resize op{.sizes = r.shape(3, 9),
                 .coordinates = static_cast<Resize::Coordinates>(r.in(0, 6)),
                 .nearest = static_cast<Resize::Nearest>(r.in(0, 3)),
                 .roi = {0, 0.25F, -0.5F, 1, 0.75F, 1.5F},
                 .extrapolation_value = r.real()};
       if (r.coin()) {
         op.scales = {1, 2, 0.6F};
         for (std::size_t d = 0; d < 3; ++d) {
           op.sizes[d] = static_cast<std::int64_t>(static_cast<float>(x[d]) * op.scales[d]);
           if (op.sizes[d] == 0) op.sizes[d] = 1;
         }
       }
       return OneNode{.op = op, .operands = {r.reals(x)}};
     }},
    {"pad",
     [](Random& r) {
       const Shape x = r.shape(3);
       Pad op{.mode = static_cast<Pad::Mode>(r.in(0, 3)), .value = r.real()};
       for (const std::int64_t dim : x) {
         op.begin.push_back(r.in(dim > 1 ? -1 : 0, dim - 1));
         op.end.push_back(r.in(0, dim - 1));
       }
       return OneNode{.op = op, .operands = {r.reals(x)}};
     }},
    {"transpose",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(1, 4)));
       std::vector<std::int64_t> order(x.size());
       std::iota(order.begin(), order.end(), std::int64_t{0});
       for (std::size_t i = order.size(); i-- > 1;) {
         std::swap(order[i],
                   order[static_cast<std::size_t>(r.in(0, static_cast<std::int64_t>(i)))]);
       }
       return OneNode{.op = Transpose{order}, .operands = {r.reals(x)}};
     }},
    {"slice",
     [](Random& r) {
       const Shape x = r.shape(2, 8);
       Slice op{.axes = {0, 1}};
       for (const std::int64_t dim : x) {
         const bool backwards = r.coin();
         const std::int64_t start = r.in(0, dim - 1);
         op.starts.push_back(start);
         op.ends.push_back(backwards ? r.in(-1, start - 1) : r.in(start + 1, dim));
         op.steps.push_back(r.in(1, 3) * (backwards ? -1 : 1));
       }
       return OneNode{.op = op, .operands = {r.reals(x)}};
     }},
    {"concat",
     [](Random& r) {
       Shape x = r.shape(3);
       const std::int64_t axis = r.in(-3, 2);
       std::vector<Tensor> operands;
       for (std::int64_t i = r.in(1, 4); i > 0; --i) {
         x[static_cast<std::size_t>((axis + 3) % 3)] = r.in(1, 4);
         operands.push_back(r.reals(x));
       }
       return OneNode{.op = Concat{.axis = axis}, .operands = operands};
     }},
    {"space to depth",
     [](Random& r) {
       const std::int64_t block = r.in(1, 3);
       const Shape x{1, r.in(1, 3), block * r.in(1, 3), block * r.in(1, 3)};
       return OneNode{.op = SpaceToDepth{.block = block}, .operands = {r.reals(x)}};
     }},
    {"depth to space",
     [](Random& r) {
       const std::int64_t block = r.in(1, 3);
       const Shape x{1, block * block * r.in(1, 3), r.in(1, 3), r.in(1, 3)};
       return OneNode{.op = DepthToSpace{.block = block, .column_row_depth = r.coin()},
                      .operands = {r.reals(x)}};
     }},
    {"comparison",
     [](Random& r) {
       const Shape out = r.shape(static_cast<std::size_t>(r.in(1, 4)));
       const auto kind = static_cast<Binary::Kind>(
           r.in(static_cast<int>(Binary::Kind::Equal), static_cast<int>(Binary::Kind::Xor)));
       const bool logic = kind >= Binary::Kind::And;
       return OneNode{.op = Binary{.kind = kind},
                      .operands = logic ? std::vector{r.truths(out), r.truths(r.stretched(out))}
                                        : std::vector{r.digits(out), r.digits(r.stretched(out))},
                      .result = ElementType::Bool};
     }},
    {"whole numbers",
     [](Random& r) {
       const Shape out = r.shape(static_cast<std::size_t>(r.in(1, 4)));
       const auto kind = static_cast<Binary::Kind>(r.in(0, static_cast<int>(Binary::Kind::Fmod)));
       Binary op{.kind = kind};
       if (kind == Binary::Kind::Div) op.activation.kind = Activation::Kind::Truncate;
       return OneNode{.op = op,
                      .operands = {r.wholes(out, -9, 9), r.wholes(r.stretched(out), 1, 5)},
                      .result = ElementType::Int64};
     }},
    {"cast",
     [](Random& r) {
       constexpr ElementType kTypes[] = {ElementType::Float32, ElementType::Int64,
                                         ElementType::Int32, ElementType::Uint8, ElementType::Bool};
       const ElementType to = kTypes[r.in(0, 4)];
       const Shape x = r.shape(2);
       const bool whole = r.coin();
       const bool cuts = !whole && to != ElementType::Float32 && to != ElementType::Bool;
       const Op op = cuts ? Op(Activate{{.kind = Activation::Kind::Truncate}}) : Op(Identity{});
       return OneNode{.op = op,
                      .operands = {whole ? r.wholes(x, -300, 300) : r.reals(x, -300, 300)},
                      .result = to};
     }},
    {"where",
     [](Random& r) {
       const Shape out = r.shape(static_cast<std::size_t>(r.in(1, 4)));
       return OneNode{
           .op = Where{},
           .operands = {r.truths(r.stretched(out)), r.reals(out), r.reals(r.stretched(out))}};
     }},
    {"tile",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(0, 3)), 3);
       Shape shape = r.shape(static_cast<std::size_t>(r.in(0, 1)), 3);
       for (const std::int64_t dim : x) shape.push_back(dim * r.in(1, 3));
       return OneNode{.op = Repeat{shape}, .operands = {r.reals(x)}};
     }},
    {"gather",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(1, 3)));
       const std::int64_t rank = static_cast<std::int64_t>(x.size()), axis = r.in(-rank, rank - 1);
       const std::int64_t size = x[static_cast<std::size_t>((axis + rank) % rank)];
       return OneNode{
           .op = Gather{.axis = axis},
           .operands = {r.reals(x),
                        r.wholes(r.shape(static_cast<std::size_t>(r.in(0, 2))), -size, size - 1)}};
     }},
    {"gather and scatter elements",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(1, 3)));
       const std::int64_t axis = r.in(0, static_cast<std::int64_t>(x.size()) - 1);
       const std::int64_t size = x[static_cast<std::size_t>(axis)];
       Shape at = x;
       for (std::int64_t& dim : at) dim = r.in(1, dim);
       const Tensor indices = r.wholes(at, -size, size - 1);
       if (r.coin()) {
         return OneNode{.op = GatherElements{.axis = axis}, .operands = {r.reals(x), indices}};
       }
       return OneNode{.op = ScatterElements{.axis = axis, .reduction = r.reduction()},
                      .operands = {r.reals(x), indices, r.reals(at)}};
     }},
    {"gather and scatter nd",
     [](Random& r) {
       const Shape x = r.shape(static_cast<std::size_t>(r.in(2, 4)), 3);
       const std::int64_t batches = r.in(0, 1), rank = static_cast<std::int64_t>(x.size());
       const std::int64_t depth = r.in(1, rank - batches);
       std::int64_t least = 9;
       for (const std::int64_t dim : x) least = std::min(least, dim);
       Shape rows(x.begin(), x.begin() + batches);
       rows.push_back(r.in(1, 4));
       Shape updates = rows;
       rows.push_back(depth);
       updates.insert(updates.end(), x.begin() + batches + depth, x.end());
       const Tensor indices = r.wholes(rows, -least, least - 1);
       if (batches > 0 || r.coin()) {
         return OneNode{.op = GatherNd{.batch_dims = batches}, .operands = {r.reals(x), indices}};
       }
       return OneNode{.op = ScatterNd{.reduction = r.reduction()},
                      .operands = {r.reals(x), indices, r.reals(updates)}};
     }},
    {"arg max",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 3);
       return OneNode{.op = ArgReduce{.least = r.coin(),
                                      .axis = r.in(-rank, rank - 1),
                                      .keep_dims = r.coin(),
                                      .last = r.coin()},
                      .operands = {r.digits(r.shape(static_cast<std::size_t>(rank), 7))},
                      .result = ElementType::Int64};
     }},
    {"top k",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 3), axis = r.in(0, rank - 1);
       const Shape x = r.shape(static_cast<std::size_t>(rank), 7);
       return OneNode{.op = TopK{.axis = axis,
                                 .count = r.in(1, x[static_cast<std::size_t>(axis)]),
                                 .least = r.coin()},
                      .operands = {r.digits(x)},
                      .outputs = static_cast<std::size_t>(r.in(1, 2))};
     }},
    {"cum sum",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 3);
       return OneNode{
           .op = CumSum{.axis = r.in(-rank, rank - 1), .exclusive = r.coin(), .reverse = r.coin()},
           .operands = {r.reals(r.shape(static_cast<std::size_t>(rank)))}};
     }},
    {"cum sum of integers",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 3);
       return OneNode{
           .op = CumSum{.axis = r.in(-rank, rank - 1), .exclusive = r.coin(), .reverse = r.coin()},
           .operands = {r.wholes(r.shape(static_cast<std::size_t>(rank)), -9, 9)},
           .result = ElementType::Int64};
     }},
    {"layer norm",
     [](Random& r) {
       const std::int64_t rank = r.in(1, 4);
       const Shape x = r.shape(static_cast<std::size_t>(rank));
       return OneNode{.op = LayerNorm{.axis = r.in(-rank, rank - 1),
                                      .epsilon = r.real(1e-5F, 1),
                                      .rms = r.coin()},
                      .operands = {r.reals(x), r.reals(r.stretched(x)),
                                   r.coin() ? r.reals(r.stretched(x)) : Tensor()}};
     }},
    {"recurrent",
     [](Random& r) {
       Recurrent op{.kind = static_cast<Recurrent::Kind>(r.in(0, 2)),
                    .direction = static_cast<Recurrent::Direction>(r.in(0, 2)),
                    .hidden = r.in(1, 4),
                    .clip = r.coin() ? 0 : 1.5F,
                    .linear_before_reset = r.coin(),
                    .input_forget = r.coin()};
       if (r.coin()) op.gate = Activation::Kind::HardSigmoid;
       const std::int64_t d = op.directions(), h = op.hidden, rows = op.gates() * h;
       const Shape x = r.shape(3, 4), state{d, x[1], h};
       const bool lstm = op.kind == Recurrent::Kind::Lstm;
       return OneNode{.op = op,
                      .operands = {r.reals(x), r.reals({d, rows, x[2]}), r.reals({d, rows, h}),
                                   r.coin() ? r.reals({d, 2 * rows}) : Tensor(),
                                   r.coin() ? r.reals(state) : Tensor(),
                                   lstm && r.coin() ? r.reals(state) : Tensor(),
                                   lstm && r.coin() ? r.reals({d, 3 * h}) : Tensor()},
                      .outputs = static_cast<std::size_t>(r.in(1, lstm ? 3 : 2))};
     }},
    {"interpolate",
     [](Random& r) {
       const Shape x = r.shape(3, 7);
       const Resize resize{.sizes = r.shape(3, 9),
                           .coordinates = static_cast<Resize::Coordinates>(r.in(0, 6)),
                           .roi = {0, 0.25F, -0.5F, 1, 0.75F, 1.5F},
                           .extrapolation_value = r.real()};
       return OneNode{.op = Interpolate{.resize = resize,
                                        .cubic = r.coin(),
                                        .cubic_coefficient = r.coin() ? -0.75F : -0.5F,
                                        .exclude_outside = r.coin()},
                      .operands = {r.reals(x)}};
     }},
    {"grid sample",
     [](Random& r) {
       const Shape x = r.shape(4, 6);
       return OneNode{.op = GridSample{.mode = static_cast<GridSample::Mode>(r.in(0, 2)),
                                       .outside = static_cast<GridSample::Outside>(r.in(0, 2)),
                                       .align_corners = r.coin()},
                      .operands = {r.reals(x), r.reals({x[0], r.in(1, 4), r.in(1, 4), 2}, -2, 2)}};
     }},
};

}  // namespace

std::vector<HostNodes> host_nodes(std::uint64_t seed) {
  const auto random = std::make_shared<Random>(seed);
  std::vector<HostNodes> nodes;
  for (const auto& [name, make] : kMakers) {
    nodes.push_back({name, [random, make = make] { return make(*random); }});
  }
  return nodes;
}

}  // namespace workbench
