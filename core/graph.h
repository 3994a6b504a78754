// The network as the compiler sees it: nodes in topological order, values (edges and constants).
// Ops are plain structs in a variant; operands beyond the first data input that are constants
// (weights, bias, slopes) are ordinary values whose `constant` is set. Each op says once what it is
// called in files (kName), what is generally true of it (kTraits) and which attributes it has
// (fields(): name, member, for an enumeration its last value); files, digests, listings and the
// questions of the compiler read these.
//
// Life of a Graph: imported (float) -> passes -> quantized (integer nodes carry `requantize`,
// int8 values carry `quantization`; Quantize/Dequantize nodes stand where the number system
// changes) -> golden model and target compilers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/fields.h"
#include "core/quantization.h"
#include "core/tensor.h"

namespace workbench {

using ValueId = std::int32_t;            // index into Graph::values
inline constexpr ValueId kNoValue = -1;  // an absent optional input

// What is true of an op whatever its attributes and operands.
struct OpTraits {
  // Each element of the result is one of an operand, or a fill value: nothing is computed.
  bool moves_data = false;
  // The same, but which element depends on the values: a maximum.
  bool selects = false;
  // Element i of the result depends on element i of operand 0, and on other operands by
  // broadcasting or per channel.
  bool elementwise = false;
  // Sums of products of two operands: what macs() counts.
  bool multiplies = false;
  // Constants among the operands are weights: what parameters() counts.
  bool has_weights = false;
  // No result is negative where no operand is; fused activations and fill values aside.
  bool keeps_sign = false;
  // A result of the network that passes through it still is one: neither weights nor sums follow.
  bool hands_on = false;
  // Converts or renames only: not worth a line in reports and drawings.
  bool silent = false;
};
inline constexpr OpTraits kMovesData{.moves_data = true, .keeps_sign = true, .hands_on = true};
inline constexpr OpTraits kRenames{
    .moves_data = true, .keeps_sign = true, .hands_on = true, .silent = true};
inline constexpr OpTraits kConverts{.hands_on = true, .silent = true};
inline constexpr OpTraits kLinear{.multiplies = true, .has_weights = true};

// What is applied to each element of a result. `alpha`, `beta` as in ONNX unless said.
struct Activation {
  enum class Kind {
    None,
    Relu,
    Clip /* alpha = min, beta = max */,
    LeakyRelu /* alpha */,
    PRelu /* slopes */,
    Sigmoid,
    Tanh,
    HardSigmoid /* alpha, beta */,
    HardSwish,
    Exp,
    Floor,
    Truncate, /* fractions go, toward zero: what a Cast to integers does */
    Abs,
    Neg,
    Sign,
    Ceil,
    Round, /* ties to even */
    Sqrt,
    Reciprocal,
    Log,
    Erf,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Softplus,
    Softsign,
    Elu /* alpha */,
    Selu /* alpha, beta = gamma */,
    Celu /* alpha */,
    ThresholdedRelu /* alpha */,
    Shrink /* alpha = lambd, beta = bias */,
    Gelu,     /* by erf */
    GeluTanh, /* Gelu with approximate="tanh" */
    Mish,
    Not,
    IsNaN,
  };
  Kind kind = Kind::None;
  float alpha = 0;
  float beta = 0;
  std::vector<float> slopes;  // PRelu fused into a node: one, or one per channel (axis 1)
  std::vector<float> bounds;  // Clip: one upper bound per channel (axis 1) in place of beta

  std::string_view name() const;  // "Relu"; "Identity" for None

  static constexpr void fields(auto& self, auto&& visit) {
    visit("activation", self.kind, Kind::IsNaN);
    visit("alpha", self.alpha);
    visit("beta", self.beta);
    visit("slopes", self.slopes);
    visit("bounds", self.bounds);
  }
  friend bool operator==(const Activation&, const Activation&) = default;
};

// Sliding window over the spatial dimensions (those after N and C); all vectors have the spatial
// rank. Padding is always explicit: auto_pad is resolved at import.
struct Window {
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("kernel", self.kernel);
    visit("strides", self.strides);
    visit("dilations", self.dilations);
    visit("pads_begin", self.pads_begin);
    visit("pads_end", self.pads_end);
  }
  friend bool operator==(const Window&, const Window&) = default;
};

// inputs x [N,Ci,spatial], w [Co,Ci/groups,kernel], optional bias [Co]
struct Conv {
  static constexpr std::string_view kName = "Conv";
  static constexpr OpTraits kTraits = kLinear;
  Window window;
  std::int64_t groups = 1;
  Activation activation;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("window", self.window);
    visit("groups", self.groups);
    visit("activation", self.activation);
  }
};
// inputs x [N,Ci,spatial], w [Ci,Co/groups,kernel], optional bias [Co]
struct ConvTranspose {
  static constexpr std::string_view kName = "ConvTranspose";
  static constexpr OpTraits kTraits = kLinear;
  Window window;
  std::int64_t groups = 1;
  std::vector<std::int64_t> output_padding;
  Activation activation;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("window", self.window);
    visit("groups", self.groups);
    visit("output_padding", self.output_padding);
    visit("activation", self.activation);
  }
};
// inputs x, scale, bias, mean, variance: each [C]
struct BatchNorm {
  static constexpr std::string_view kName = "BatchNorm";
  static constexpr OpTraits kTraits{.elementwise = true, .has_weights = true};
  float epsilon = 1e-5F;
  static constexpr void fields(auto& self, auto&& visit) { visit("epsilon", self.epsilon); }
};
struct Activate {
  static constexpr std::string_view kName = "Activate";
  static constexpr OpTraits kTraits{.elementwise = true, .hands_on = true};
  Activation activation;
  std::string_view name() const { return activation.name(); }
  static constexpr void fields(auto& self, auto&& visit) { visit("activation", self.activation); }
};
// inputs x, slope (unidirectional broadcast to x)
struct PRelu {
  static constexpr std::string_view kName = "PRelu";
  static constexpr OpTraits kTraits{.elementwise = true, .has_weights = true, .hands_on = true};
  static constexpr void fields(auto&, auto&&) {}
};
// Padding cells never win. outputs y, and optionally int64 indices (ONNX, storage_order 0/1).
struct MaxPool {
  static constexpr std::string_view kName = "MaxPool";
  static constexpr OpTraits kTraits{.selects = true, .keeps_sign = true, .hands_on = true};
  Window window;
  bool ceil_mode = false;
  std::int64_t storage_order = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("window", self.window);
    visit("ceil_mode", self.ceil_mode);
    visit("storage_order", self.storage_order);
  }
};
struct AveragePool {
  static constexpr std::string_view kName = "AveragePool";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  Window window;
  bool ceil_mode = false;
  bool count_include_pad = false;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("window", self.window);
    visit("ceil_mode", self.ceil_mode);
    visit("count_include_pad", self.count_include_pad);
  }
};
// Two inputs with numpy broadcasting. Comparisons give Bool; And, Or and Xor take it.
struct Binary {
  static constexpr std::string_view kName = "Binary";
  static constexpr OpTraits kTraits{.elementwise = true};
  enum class Kind {
    Add,
    Sub,
    Mul,
    Div /* of integers: with a fused Truncate */,
    Max,
    Min,
    Pow,
    Mod /* the sign of the divisor */,
    Fmod /* the sign of the dividend */,
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
  };
  Kind kind = Kind::Add;
  Activation activation;
  std::string_view name() const;  // "Add"
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kind", self.kind, Kind::Xor);
    visit("activation", self.activation);
  }
};
struct Concat {
  static constexpr std::string_view kName = "Concat";
  static constexpr OpTraits kTraits = kMovesData;
  std::int64_t axis = 1;
  static constexpr void fields(auto& self, auto&& visit) { visit("axis", self.axis); }
};
// inputs a, b, optional c (broadcast to [M,N])
struct Gemm {
  static constexpr std::string_view kName = "Gemm";
  static constexpr OpTraits kTraits = kLinear;
  bool transpose_a = false, transpose_b = false;
  float alpha = 1, beta = 1;
  Activation activation;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("transpose_a", self.transpose_a);
    visit("transpose_b", self.transpose_b);
    visit("gemm_alpha", self.alpha);
    visit("gemm_beta", self.beta);
    visit("activation", self.activation);
  }
};
// numpy matmul of two inputs
struct MatMul {
  static constexpr std::string_view kName = "MatMul";
  static constexpr OpTraits kTraits = kLinear;
  static constexpr void fields(auto&, auto&&) {}
};
struct Reshape {
  static constexpr std::string_view kName = "Reshape";
  static constexpr OpTraits kTraits = kRenames;
  Shape shape;  // resolved: no 0 or -1
  static constexpr void fields(auto& self, auto&& visit) { visit("shape", self.shape); }
};
struct Transpose {
  static constexpr std::string_view kName = "Transpose";
  static constexpr OpTraits kTraits = kMovesData;
  std::vector<std::int64_t> permutation;
  static constexpr void fields(auto& self, auto&& visit) { visit("permutation", self.permutation); }
};
struct Pad {
  static constexpr std::string_view kName = "Pad";
  static constexpr OpTraits kTraits = kMovesData;
  enum class Mode { Constant, Reflect, Edge, Wrap };
  Mode mode = Mode::Constant;
  std::vector<std::int64_t> begin, end;
  float value = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("mode", self.mode, Mode::Wrap);
    visit("begin", self.begin);
    visit("end", self.end);
    visit("value", self.value);
  }
};
// Where the result has another element type, a Cast: fractions go, what is not 0 is true.
struct Identity {
  static constexpr std::string_view kName = "Identity";
  static constexpr OpTraits kTraits = kRenames;
  static constexpr void fields(auto&, auto&&) {}
};
struct Softmax {
  static constexpr std::string_view kName = "Softmax";
  static constexpr OpTraits kTraits{.hands_on = true};
  std::int64_t axis = -1;
  bool log = false;
  std::string_view name() const { return log ? "LogSoftmax" : "Softmax"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("axis", self.axis);
    visit("log", self.log);
  }
};
struct Lrn {
  static constexpr std::string_view kName = "Lrn";
  static constexpr OpTraits kTraits{};
  std::int64_t size = 1;
  float alpha = 1e-4F, beta = 0.75F, bias = 1;
  std::string_view name() const { return "LRN"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("size", self.size);
    visit("alpha", self.alpha);
    visit("beta", self.beta);
    visit("bias", self.bias);
  }
};
// Nearest neighbour; `scales` per dimension. Modes as named in ONNX Resize-19.
struct Resize {
  static constexpr std::string_view kName = "Resize";
  static constexpr OpTraits kTraits = kMovesData;
  enum class Coordinates {
    HalfPixel,
    Asymmetric,
    AlignCorners,
    PytorchHalfPixel,
    TfCropAndResize,
    HalfPixelSymmetric,
    TfHalfPixelForNn,
  };
  enum class Nearest { RoundPreferFloor, RoundPreferCeil, Floor, Ceil };
  std::vector<float> scales;
  std::vector<std::int64_t> sizes;  // output sizes, always set
  Coordinates coordinates = Coordinates::Asymmetric;
  Nearest nearest = Nearest::Floor;
  std::vector<float> roi;
  float extrapolation_value = 0;  // TfCropAndResize only
  static constexpr void fields(auto& self, auto&& visit) {
    visit("scales", self.scales);
    visit("sizes", self.sizes);
    visit("coordinates", self.coordinates, Coordinates::TfHalfPixelForNn);
    visit("nearest", self.nearest, Nearest::Ceil);
    visit("roi", self.roi);
    visit("extrapolation_value", self.extrapolation_value);
  }
};
struct SpaceToDepth {
  static constexpr std::string_view kName = "SpaceToDepth";
  static constexpr OpTraits kTraits = kMovesData;
  std::int64_t block = 1;
  static constexpr void fields(auto& self, auto&& visit) { visit("block", self.block); }
};
struct DepthToSpace {
  static constexpr std::string_view kName = "DepthToSpace";
  static constexpr OpTraits kTraits = kMovesData;
  std::int64_t block = 1;
  bool column_row_depth = false; /* mode CRD */
  static constexpr void fields(auto& self, auto&& visit) {
    visit("block", self.block);
    visit("column_row_depth", self.column_row_depth);
  }
};
// Normalised, non-negative except ends of steps < 0.
struct Slice {
  static constexpr std::string_view kName = "Slice";
  static constexpr OpTraits kTraits = kMovesData;
  std::vector<std::int64_t> starts, ends, axes, steps;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("starts", self.starts);
    visit("ends", self.ends);
    visit("axes", self.axes);
    visit("steps", self.steps);
  }
};
struct Reduce {
  static constexpr std::string_view kName = "Reduce";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  enum class Kind { Mean, Sum, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare };
  Kind kind = Kind::Mean;
  std::vector<std::int64_t> axes;
  bool keep_dims = true;
  std::string_view name() const;  // "ReduceMean"
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kind", self.kind, Kind::SumSquare);
    visit("axes", self.axes);
    visit("keep_dims", self.keep_dims);
  }
};
// Real -> code as the output value's `quantization` says.
struct Quantize {
  static constexpr std::string_view kName = "Quantize";
  static constexpr OpTraits kTraits = kConverts;
  static constexpr void fields(auto&, auto&&) {}
};
// Code -> real as the input value's `quantization` says.
struct Dequantize {
  static constexpr std::string_view kName = "Dequantize";
  static constexpr OpTraits kTraits = kConverts;
  static constexpr void fields(auto&, auto&&) {}
};
// inputs x [N,C,spatial], scale [C], bias [C]. Each map is brought to mean 0 and variance 1, over
// its own positions, then scaled and shifted.
struct InstanceNorm {
  static constexpr std::string_view kName = "InstanceNorm";
  static constexpr OpTraits kTraits{.has_weights = true};
  float epsilon = 1e-5F;
  static constexpr void fields(auto& self, auto&& visit) { visit("epsilon", self.epsilon); }
};

// A Resize whose results are weighted means of 2 (linear) or 4 (cubic) elements along each
// dimension that it changes; the rest as in Resize.
struct Interpolate {
  static constexpr std::string_view kName = "Interpolate";
  static constexpr OpTraits kTraits{.hands_on = true};
  Resize resize;
  bool cubic = false;
  float cubic_coefficient = -0.75F;
  bool exclude_outside = false;  // weights of elements outside are 0, the others add up to 1
  std::string_view name() const { return cubic ? "ResizeCubic" : "ResizeLinear"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("resize", self.resize);
    visit("cubic", self.cubic);
    visit("cubic_coefficient", self.cubic_coefficient);
    visit("exclude_outside", self.exclude_outside);
  }
};
// inputs x [N,C,H,W], grid [N,Ho,Wo,2] of positions (x, y) in [-1, 1].
struct GridSample {
  static constexpr std::string_view kName = "GridSample";
  static constexpr OpTraits kTraits{.hands_on = true};
  enum class Mode { Linear, Nearest, Cubic };
  enum class Outside { Zeros, Border, Reflection };
  Mode mode = Mode::Linear;
  Outside outside = Outside::Zeros;
  bool align_corners = false;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("mode", self.mode, Mode::Cubic);
    visit("outside", self.outside, Outside::Reflection);
    visit("align_corners", self.align_corners);
  }
};
// inputs condition (Bool), a, b: a where the condition is true, else b; numpy broadcasting.
struct Where {
  static constexpr std::string_view kName = "Where";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  static constexpr void fields(auto&, auto&&) {}
};
// y[i] = x[i mod its size] in every dimension, aligned at the last: Tile, and Expand from size 1.
struct Repeat {
  static constexpr std::string_view kName = "Repeat";
  static constexpr OpTraits kTraits = kMovesData;
  Shape shape;  // of the result: multiples of x's dimensions
  std::string_view name() const { return "Tile"; }
  static constexpr void fields(auto& self, auto&& visit) { visit("shape", self.shape); }
};
// inputs x, indices (int32 or int64; negative: from the back). Indices known only when it runs are
// checked then.
struct Gather {
  static constexpr std::string_view kName = "Gather";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  std::int64_t axis = 0;
  static constexpr void fields(auto& self, auto&& visit) { visit("axis", self.axis); }
};
struct GatherElements {
  static constexpr std::string_view kName = "GatherElements";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  std::int64_t axis = 0;
  static constexpr void fields(auto& self, auto&& visit) { visit("axis", self.axis); }
};
struct GatherNd {
  static constexpr std::string_view kName = "GatherNd";
  static constexpr OpTraits kTraits{.keeps_sign = true, .hands_on = true};
  std::int64_t batch_dims = 0;
  std::string_view name() const { return "GatherND"; }
  static constexpr void fields(auto& self, auto&& visit) { visit("batch_dims", self.batch_dims); }
};
// inputs x, indices, updates: x with the updates at the indices, in order.
enum class ScatterReduction { None, Add, Mul, Max, Min };
struct ScatterElements {
  static constexpr std::string_view kName = "ScatterElements";
  static constexpr OpTraits kTraits{.hands_on = true};
  std::int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::None;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("axis", self.axis);
    visit("reduction", self.reduction, ScatterReduction::Min);
  }
};
struct ScatterNd {
  static constexpr std::string_view kName = "ScatterNd";
  static constexpr OpTraits kTraits{.hands_on = true};
  ScatterReduction reduction = ScatterReduction::None;
  std::string_view name() const { return "ScatterND"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("reduction", self.reduction, ScatterReduction::Min);
  }
};
// int64 index of the greatest or least element along an axis.
struct ArgReduce {
  static constexpr std::string_view kName = "ArgReduce";
  static constexpr OpTraits kTraits{};
  bool least = false;
  std::int64_t axis = 0;
  bool keep_dims = true;
  bool last = false;  // of equal ones the last
  std::string_view name() const { return least ? "ArgMin" : "ArgMax"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("least", self.least);
    visit("axis", self.axis);
    visit("keep_dims", self.keep_dims);
    visit("last", self.last);
  }
};
// outputs the `count` greatest or least elements along an axis, best first, and their int64
// indices; of equal ones the lower index comes first.
struct TopK {
  static constexpr std::string_view kName = "TopK";
  static constexpr OpTraits kTraits{.keeps_sign = true};
  std::int64_t axis = -1;
  std::int64_t count = 1;
  bool least = false;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("axis", self.axis);
    visit("count", self.count);
    visit("least", self.least);
  }
};
struct CumSum {
  static constexpr std::string_view kName = "CumSum";
  static constexpr OpTraits kTraits{.keeps_sign = true};
  std::int64_t axis = 0;
  bool exclusive = false;
  bool reverse = false;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("axis", self.axis);
    visit("exclusive", self.exclusive);
    visit("reverse", self.reverse);
  }
};
// inputs x, scale, optional bias, which broadcast to x. The elements of the dimensions from `axis`
// on are brought to mean 0 and variance 1 together (RMS: divided by the root of their mean square).
struct LayerNorm {
  static constexpr std::string_view kName = "LayerNorm";
  static constexpr OpTraits kTraits{.has_weights = true};
  std::int64_t axis = -1;
  float epsilon = 1e-5F;
  bool rms = false;
  std::string_view name() const { return rms ? "RMSNormalization" : "LayerNormalization"; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("axis", self.axis);
    visit("epsilon", self.epsilon);
    visit("rms", self.rms);
  }
};
// RNN, GRU, LSTM of ONNX with layout 0. D directions, G gates (1, 3, 4) of H cells, in ONNX's
// order: inputs x [T,N,I], w [D,G*H,I], r [D,G*H,H], optional b [D,2*G*H], initial h [D,N,H],
// initial c [D,N,H], peepholes p [D,3*H]; outputs y [T,D,N,H], h [D,N,H], of an LSTM c [D,N,H].
struct Recurrent {
  static constexpr std::string_view kName = "Recurrent";
  static constexpr OpTraits kTraits{.multiplies = true, .has_weights = true};
  enum class Kind { Rnn, Gru, Lstm };
  enum class Direction { Forward, Reverse, Bidirectional };
  Kind kind = Kind::Lstm;
  Direction direction = Direction::Forward;
  std::int64_t hidden = 1;
  // f, g, h of ONNX: of gates (an RNN has only this one), of the cell, of the result.
  Activation::Kind gate = Activation::Kind::Sigmoid, cell = Activation::Kind::Tanh,
                   result = Activation::Kind::Tanh;
  float clip = 0;  // of what activations are given; 0: none
  bool linear_before_reset = false, input_forget = false;
  std::int64_t gates() const { return kind == Kind::Lstm ? 4 : kind == Kind::Gru ? 3 : 1; }
  std::int64_t directions() const { return direction == Direction::Bidirectional ? 2 : 1; }
  std::string_view name() const {
    return kind == Kind::Lstm ? "LSTM" : kind == Kind::Gru ? "GRU" : "RNN";
  }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("kind", self.kind, Kind::Lstm);
    visit("direction", self.direction, Direction::Bidirectional);
    visit("hidden", self.hidden);
    visit("gate", self.gate, Activation::Kind::IsNaN);
    visit("cell", self.cell, Activation::Kind::IsNaN);
    visit("result", self.result, Activation::Kind::IsNaN);
    visit("clip", self.clip);
    visit("linear_before_reset", self.linear_before_reset);
    visit("input_forget", self.input_forget);
  }
};

using Op =
    std::variant<Conv, ConvTranspose, BatchNorm, Activate, PRelu, MaxPool, AveragePool, Binary,
                 Concat, Gemm, MatMul, Reshape, Transpose, Pad, Identity, Softmax, Lrn, Resize,
                 SpaceToDepth, DepthToSpace, Slice, Reduce, Quantize, Dequantize, InstanceNorm,
                 Interpolate, GridSample, Where, Repeat, Gather, GatherElements, GatherNd,
                 ScatterElements, ScatterNd, ArgReduce, TopK, CumSum, LayerNorm, Recurrent>;

// Add, Sub, Mul, Div: with a constant, an affine map of the other operand (k / x aside).
constexpr bool is_affine(Binary::Kind kind) { return kind <= Binary::Kind::Div; }
// Whether the results are Bool.
bool gives_truth(Binary::Kind kind);
bool gives_truth(Activation::Kind kind);

std::string op_name(const Op& op);  // "Conv", "MaxPool", "Relu" (Activate by its kind), "Add", ...
const OpTraits& traits(const Op& op);

// What the op applies to each element of its result: its own purpose or fused; none of ops that
// cannot.
const Activation& activation_of(const Op& op);
// The fused activation of ops that can have one (Activate's is its own purpose), else nullptr.
Activation* fused_activation(Op& op);
const Activation* fused_activation(const Op& op);
// The window of convolutions and pools, else nullptr.
Window* window_of(Op& op);
// What a data movement puts where no element of its operand goes; nothing if each place has one.
std::optional<float> fill_value(const Op& op);

struct Value {
  std::string name;  // unique in the graph; passes keep the name of what a user can see
  Shape shape;
  ElementType type = ElementType::Float32;
  std::optional<Tensor> constant;
  std::optional<Quantization> quantization;
};

struct Node {
  std::string name;  // the ONNX node's name, or a derived one; unique, never empty
  Op op;
  std::vector<ValueId> inputs;      // kNoValue for an absent optional input
  std::vector<ValueId> outputs;     // at least one
  std::vector<std::string> merged;  // names of source nodes folded into this one
  // Integer nodes have one of two forms of rescaling (core/quantization.h): this one, ...
  std::optional<Requantize> requantize;
  // ... or this: of the result (an Identity with one is a rescaling of its own), and, in an Add, of
  // each operand before it; empty: operands as they are.
  std::optional<AffineRequantize> affine;
  std::vector<AffineRequantize> operand_affine;
};

// Values whose codes must have one scale, and why: "concat 'inception_3a/output'".
struct ScaleGroup {
  std::string reason;
  std::vector<ValueId> members;  // ascending
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;  // topological order
  std::vector<ValueId> inputs, outputs;
  std::vector<ScaleGroup> scale_groups;  // of an annotated graph (compiler/quantize/recipe.h)

  const Value& value(ValueId id) const { return values.at(static_cast<std::size_t>(id)); }
  Value& value(ValueId id) { return values.at(static_cast<std::size_t>(id)); }
  ValueId add_value(Value value);
  ValueId add_constant(std::string name, Tensor tensor);
};

// value id -> indices of the nodes that read it, ascending, each once.
std::vector<std::vector<std::size_t>> consumers(const Graph& graph);
// value id -> index of the node that writes it, or -1 (graph input, constant).
std::vector<std::ptrdiff_t> producers(const Graph& graph);
// Name -> id, for every value.
std::map<std::string, ValueId> values_by_name(const Graph& graph);

struct Violation {
  std::string message;
};
// Structure (ids in range, order, unique names, one writer per value) and shapes (each node's
// output shapes equal shapes.h's rule). Empty means well-formed.
std::vector<Violation> verify(const Graph& graph);

// Multiply-accumulates of one node: Conv, ConvTranspose, Gemm, MatMul, Recurrent; 0 otherwise.
// Padding counts.
std::int64_t macs(const Graph& graph, const Node& node);
// Operations as reports count them, which is how xfDNN does (docs/facts/xdnn.md 0):
// 2*Wo*Ho*Co*Ci*Kw*Kh for conv and deconv (Ci of the whole tensor: grouped convolutions run dense
// there; here Ci/groups is used), Wo*Ho*C*Kw*Kh for max and average pool, W*H*C for eltwise; 0 for
// FC, softmax, concat, input.
std::int64_t layer_ops(const Graph& graph, const Node& node);
// Elements of all weights (constants read by Conv, ConvTranspose, Gemm, MatMul, BatchNorm, PRelu).
std::int64_t parameters(const Graph& graph);

}  // namespace workbench
