// Small integer networks of PULP's number system (integer_network.h), by hand and at random.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/graph.h"
#include "workloads/builder.h"

namespace workbench {

// Codes of a tensor: bits, signed or not.
struct CodeType {
  int bits = 8;
  bool is_signed = false;
  std::int64_t low() const { return is_signed ? -(std::int64_t{1} << (bits - 1)) : 0; }
  std::int64_t high() const { return (std::int64_t{1} << (bits - (is_signed ? 1 : 0))) - 1; }
};
inline constexpr CodeType kUnsigned8{8, false}, kSigned8{8, true}, kInt32{32, true};

// Adds node after node; each function returns the value it made.
class IntegerGraph {
 public:
  explicit IntegerGraph(std::uint64_t seed = 1) : random_(seed) { graph_.name = "integers"; }

  // A float graph input and its Quantize.
  ValueId input(Shape shape, CodeType codes);
  // Random weights and, where `biased`, bias.
  ValueId conv(ValueId x, std::int64_t channels, const Window& window, std::int64_t groups,
               const AffineRequantize& affine, CodeType codes, bool biased = false,
               int weight_bits = 8);
  ValueId gemm(ValueId x, std::int64_t outs, const AffineRequantize& affine, CodeType codes);
  ValueId add(ValueId a, ValueId b, std::vector<AffineRequantize> operands,
              const AffineRequantize& affine, CodeType codes);
  ValueId average_pool(ValueId x, const Window& window, const AffineRequantize& affine);
  ValueId max_pool(ValueId x, const Window& window);
  ValueId rescale(ValueId x, const AffineRequantize& affine, CodeType codes);
  ValueId concat(const std::vector<ValueId>& parts);
  ValueId flatten(ValueId x);
  // Any node whose first operand is a value of the graph; shapes follow from the op.
  ValueId node(Op op, std::vector<ValueId> inputs, CodeType codes,
               const std::optional<AffineRequantize>& affine = std::nullopt);
  // A Dequantize and a graph output behind it.
  void output(ValueId x);

  const Graph& graph() const { return graph_; }
  Graph& graph() { return graph_; }
  CodeType codes(ValueId x) const;
  // Floats that are codes of the inputs.
  std::vector<Tensor> random_inputs();
  std::mt19937_64& random() { return random_; }
  // Brings accumulators of about `reach` to codes, a multiplier and offset per channel.
  AffineRequantize random_affine(std::int64_t channels, std::int64_t reach, CodeType codes);
  std::int64_t between(std::int64_t low, std::int64_t high);

 private:
  ValueId constant(Shape shape, int bits);
  Graph graph_;
  std::mt19937_64 random_;
};

// Accumulators as they are.
AffineRequantize raw_accumulators();

// A few layers of every kind, sizes up to about `most` in each direction; ends in a Gemm of 32
// bits.
IntegerGraph random_integer_graph(std::uint64_t seed, std::int64_t most = 24);

}  // namespace workbench
