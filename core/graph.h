// The network as the compiler sees it: nodes in topological order, values (edges and constants).
// Ops are plain structs in a variant; operands beyond the first data input that are constants
// (weights, bias, slopes) are ordinary values whose `constant` is set.
//
// Life of a Graph: imported (float) -> passes -> quantized (integer nodes carry `requantize`,
// int8 values carry `quantization`; Quantize/Dequantize nodes stand where the number system
// changes) -> golden model and target compilers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/quantization.h"
#include "core/tensor.h"

namespace workbench {

using ValueId = std::int32_t;            // index into Graph::values
inline constexpr ValueId kNoValue = -1;  // an absent optional input

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
  };
  Kind kind = Kind::None;
  float alpha = 0;
  float beta = 0;
  std::vector<float> slopes;  // PRelu fused into a node: one, or one per channel (axis 1)
  std::vector<float> bounds;  // Clip: one upper bound per channel (axis 1) in place of beta
  friend bool operator==(const Activation&, const Activation&) = default;
};

// Sliding window over the spatial dimensions (those after N and C); all vectors have the spatial
// rank. Padding is always explicit: auto_pad is resolved at import.
struct Window {
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;
  friend bool operator==(const Window&, const Window&) = default;
};

// inputs x [N,Ci,spatial], w [Co,Ci/groups,kernel], optional bias [Co]
struct Conv {
  Window window;
  std::int64_t groups = 1;
  Activation activation;
};
// inputs x [N,Ci,spatial], w [Ci,Co/groups,kernel], optional bias [Co]
struct ConvTranspose {
  Window window;
  std::int64_t groups = 1;
  std::vector<std::int64_t> output_padding;
  Activation activation;
};
// inputs x, scale, bias, mean, variance: each [C]
struct BatchNorm {
  float epsilon = 1e-5F;
};
struct Activate {
  Activation activation;
};
struct PRelu {};  // inputs x, slope (unidirectional broadcast to x)
// Padding cells never win. outputs y, and optionally int64 indices (ONNX, storage_order 0/1).
struct MaxPool {
  Window window;
  bool ceil_mode = false;
  std::int64_t storage_order = 0;
};
struct AveragePool {
  Window window;
  bool ceil_mode = false;
  bool count_include_pad = false;
};
// Two inputs with numpy broadcasting.
struct Binary {
  enum class Kind { Add, Sub, Mul, Div };  // of integers: Div with a fused Truncate
  Kind kind = Kind::Add;
  Activation activation;
};
struct Concat {
  std::int64_t axis = 1;
};
struct Gemm {  // inputs a, b, optional c (broadcast to [M,N])
  bool transpose_a = false, transpose_b = false;
  float alpha = 1, beta = 1;
  Activation activation;
};
struct MatMul {};  // numpy matmul of two inputs
struct Reshape {
  Shape shape;
};  // resolved: no 0 or -1
struct Transpose {
  std::vector<std::int64_t> permutation;
};
struct Pad {
  enum class Mode { Constant, Reflect, Edge };
  Mode mode = Mode::Constant;
  std::vector<std::int64_t> begin, end;
  float value = 0;
};
struct Identity {};
struct Softmax {
  std::int64_t axis = -1;
  bool log = false;
};
struct Lrn {
  std::int64_t size = 1;
  float alpha = 1e-4F, beta = 0.75F, bias = 1;
};
// Nearest neighbour only; `scales` per dimension. Modes as named in ONNX Resize-13.
struct Resize {
  enum class Coordinates { HalfPixel, Asymmetric, AlignCorners, PytorchHalfPixel, TfCropAndResize };
  enum class Nearest { RoundPreferFloor, RoundPreferCeil, Floor, Ceil };
  std::vector<float> scales;
  std::vector<std::int64_t> sizes;  // output sizes, always set
  Coordinates coordinates = Coordinates::Asymmetric;
  Nearest nearest = Nearest::Floor;
  std::vector<float> roi;
  float extrapolation_value = 0;  // TfCropAndResize only
};
struct SpaceToDepth {
  std::int64_t block = 1;
};
struct DepthToSpace {
  std::int64_t block = 1;
  bool column_row_depth = false; /* mode CRD */
};
struct Slice {
  std::vector<std::int64_t> starts, ends, axes, steps;
};  // normalised, non-negative
    // except ends of steps < 0
struct Reduce {
  enum class Kind { Mean, Sum, Max };
  Kind kind = Kind::Mean;
  std::vector<std::int64_t> axes;
  bool keep_dims = true;
};
// Real -> code as the output value's `quantization` says.
struct Quantize {};
// Code -> real as the input value's `quantization` says.
struct Dequantize {};

using Op =
    std::variant<Conv, ConvTranspose, BatchNorm, Activate, PRelu, MaxPool, AveragePool, Binary,
                 Concat, Gemm, MatMul, Reshape, Transpose, Pad, Identity, Softmax, Lrn, Resize,
                 SpaceToDepth, DepthToSpace, Slice, Reduce, Quantize, Dequantize>;

std::string op_name(const Op& op);  // "Conv", "MaxPool", "Relu" (Activate by its kind), "Add", ...

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
  std::vector<ValueId> inputs;           // kNoValue for an absent optional input
  std::vector<ValueId> outputs;          // at least one
  std::vector<std::string> merged;       // names of source nodes folded into this one
  std::optional<Requantize> requantize;  // set on integer nodes that rescale as xDNN does
  // Set on integer nodes that rescale as PULP does: of the result (an Identity with one is a
  // rescaling of its own), and, in an Add, of each operand before it; empty: operands as they are.
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

// Multiply-accumulates of one node: Conv, ConvTranspose, Gemm, MatMul; 0 otherwise. Padding counts.
std::int64_t macs(const Graph& graph, const Node& node);
// Operations as xfDNN counts them (xdnn.md section 0, fact 2): 2*Wo*Ho*Co*Ci*Kw*Kh for conv and
// deconv (Ci of the whole tensor: grouped convolutions run dense there; here Ci/groups is used),
// Wo*Ho*C*Kw*Kh for max and average pool, W*H*C for eltwise; 0 for FC, softmax, concat, input.
std::int64_t xfdnn_ops(const Graph& graph, const Node& node);
// Elements of all weights (constants read by Conv, ConvTranspose, Gemm, MatMul, BatchNorm, PRelu).
std::int64_t parameters(const Graph& graph);

}  // namespace workbench
