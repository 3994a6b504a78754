// One ONNX node on its way into the Graph: typed access to its attributes and operands, whose
// errors name the node, and the emission of graph nodes for it. Every function of the op table is
// written in these terms.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/import/import_state.h"
#include "core/error.h"
#include "core/graph.h"

namespace workbench::importer {

using Integers = std::vector<std::int64_t>;

// No window, stride, axis or block of a network is larger; keeps sums and products in 64 bits.
inline constexpr std::int64_t kMaxParameter = std::int64_t{1} << 30;

// What a graph node writes.
struct Result {
  int output = 0;                   // which output of the ONNX node, or kIntermediate
  std::optional<ElementType> type;  // default: that of the first operand
  std::optional<Quantization> quantization;
  std::string name;  // of an intermediate; default: OUTPUT_part
};
inline constexpr int kIntermediate = -1;

class NodeReader {
 public:
  // `name`: what the node is called in errors and the Graph. Throws Error on a malformed attribute
  // list. `proto` and `state` outlive the reader.
  NodeReader(onnx::NodeProto& proto, std::string name, ImportState& state);

  const std::string& name() const { return name_; }
  std::int64_t opset() const { return state_.scope->opset; }
  const std::string& op() const { return proto_.op_type(); }
  const std::string& domain() const { return proto_.domain(); }
  const onnx::NodeProto& proto() const { return proto_; }
  ImportState& state() { return state_; }
  const Scope& scope() const { return *state_.scope; }

  // Throws Error "node 'NAME' (OP): ...".
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("node '{}' ({}): {}", name_, op(), fmt::format(format, std::forward<Args>(args)...));
  }

  // Attributes. Asking for one marks it as understood; of the wrong type it is refused.
  bool has(std::string_view attribute) const { return attributes_.contains(attribute); }
  std::int64_t integer(std::string_view attribute, std::int64_t fallback);
  std::int64_t required_integer(std::string_view attribute);
  bool flag(std::string_view attribute, bool fallback);  // 0 or 1
  float real(std::string_view attribute, float fallback);
  std::string text(std::string_view attribute, const std::string& fallback);
  std::optional<std::vector<std::string>> texts(std::string_view attribute);
  std::optional<Integers> integers(std::string_view attribute);
  std::optional<std::vector<float>> reals(std::string_view attribute);
  std::optional<Tensor> tensor(std::string_view attribute);
  std::optional<Tensor> sparse_tensor(std::string_view attribute);
  onnx::GraphProto* graph(std::string_view attribute);  // nullptr: none
  // A number, however it is written: an integer, a float, or a tensor of one element.
  std::optional<double> number(std::string_view attribute);
  // Refuses an attribute with a value other than `only`.
  void only_integer(std::string_view attribute, std::int64_t only);
  // Counts one as read that says nothing here.
  void ignore(std::string_view attribute) { asked_.emplace(attribute); }
  // All attributes, by name.
  const auto& attributes() const { return attributes_; }
  // Refuses attributes that were not read; NAME_bits are a quantizer's annotations.
  void finish() const;

  // Operands.
  std::size_t input_count() const { return static_cast<std::size_t>(proto_.input_size()); }
  bool has_input(std::size_t i) const;
  ValueId input(std::size_t i) const;  // refuses an absent one
  ValueId optional_input(std::size_t i) const { return has_input(i) ? input(i) : kNoValue; }
  ValueId float_input(std::size_t i) const;   // refuses other types
  ValueId number_input(std::size_t i) const;  // float or integer
  const Value& value(std::size_t i) const { return state_.graph.value(input(i)); }
  // Operand `i` with that quantization; a constant with another one elsewhere is copied.
  ValueId with_codes(std::size_t i, const Quantization& codes);
  Value& mutable_value(std::size_t i) { return state_.graph.value(input(i)); }
  const Shape& shape(std::size_t i) const { return value(i).shape; }
  const Shape& shape_of(ValueId id) const { return state_.graph.value(id).shape; }
  // Bits of operand `i`'s codes.
  int code_bits(std::size_t i) const;
  // From here on, of codes that a constant is or will be.
  void set_code_bits(ValueId id, int bits) { state_.narrow[id] = bits; }
  bool all_constant() const;
  bool any_unknown() const;  // the result of a refused node, also in a branch
  bool is_sequence(std::size_t i) const;
  // The tensors of a sequence.
  const std::vector<ValueId>& sequence(std::size_t i) const;
  // Operands that must be known now; `meaning` is for the error.
  const Tensor& constant(std::size_t i, std::string_view meaning) const;
  Integers constant_integers(std::size_t i, std::string_view meaning) const;  // int32 or int64
  std::vector<float> constant_reals(std::size_t i, std::string_view meaning) const;
  float constant_scalar(std::size_t i, std::string_view meaning) const;
  // A list that was an attribute before opset `since` and is operand `i` from then on.
  std::optional<Integers> list(std::string_view attribute, std::size_t i, std::int64_t since);

  // `axis`, counted from the back when negative, as an index below `rank`.
  std::size_t axis(std::int64_t axis, std::size_t rank) const;

  // Results.
  std::size_t output_count() const { return static_cast<std::size_t>(proto_.output_size()); }
  void note_made_static();                 // its scales were known at run time only
  bool wants_output(std::size_t i) const;  // it has a name, and something depends on it
  const std::string& output_name(std::size_t i) const { return proto_.output(static_cast<int>(i)); }
  // Appends a graph node and returns what it writes first.
  ValueId emit(Op op, std::vector<ValueId> inputs, const std::vector<Result>& results = {{}});
  // The same; returns all that it writes.
  std::vector<ValueId> emit_all(Op op, std::vector<ValueId> inputs,
                                const std::vector<Result>& results);
  // A constant that the file does not have.
  ValueId add_constant(Tensor tensor);
  // `id` with as many elements in another shape: a Reshape, or a constant of its own.
  ValueId reshaped(ValueId id, Shape shape);
  // An Identity that rescales `x`.
  ValueId emit_affine(const AffineRequantize& affine, ValueId x, const Result& result);
  // The graph node emitted last is the one that has the ONNX node's name.
  void take_name();
  // Output `i` of the ONNX node is known now, or is another name of a value.
  void bind_constant(std::size_t i, Tensor tensor);
  void bind_stored(std::size_t i, Tensor tensor);  // the file has it: no memory is added
  void bind_alias(std::size_t i, ValueId id);
  void bind_sequence(std::size_t i, std::vector<ValueId> elements);

 private:
  onnx::AttributeProto* find(std::string_view attribute, onnx::AttributeProto::AttributeType type);
  const Binding& binding(std::size_t i) const;
  ValueId add_result(const Result& result, ElementType fallback);

  onnx::NodeProto& proto_;
  ImportState& state_;
  std::string name_;
  bool emitted_ = false;  // the first graph node takes the ONNX node's name
  std::map<std::string, onnx::AttributeProto*, std::less<>> attributes_;
  std::set<std::string, std::less<>> asked_;
};

// The ONNX operators the importer knows, one row each. A new operator is a function and a row in
// the file of its family.
inline constexpr std::size_t kAnyNumber = 1U << 16;

struct ImportRule {
  std::string_view name;
  void (*import)(NodeReader&);
  std::size_t max_inputs, max_outputs;
  bool folds;  // evaluated at import when all operands are constant: shape arithmetic, weight views
  std::string_view note;
  std::string_view domain = {};  // empty: the standard's; kAnyDomain
};
inline constexpr std::string_view kAnyDomain = "*", kMicrosoft = "com.microsoft";

// Sorted by name.
std::span<const ImportRule> import_table();
const ImportRule* find_rule(std::string_view name);  // nullptr: unknown
// Why a known operator cannot be imported; empty for all others.
std::string_view refusal(std::string_view name);

// The rows of each family, ops_*.cpp.
std::span<const ImportRule> arithmetic_rules();
std::span<const ImportRule> attention_rules();
std::span<const ImportRule> code_rules();
std::span<const ImportRule> compare_rules();
std::span<const ImportRule> constant_rules();
std::span<const ImportRule> elementary_rules();
std::span<const ImportRule> index_rules();
std::span<const ImportRule> movement_rules();
std::span<const ImportRule> normalize_rules();
std::span<const ImportRule> qonnx_rules();
std::span<const ImportRule> sequence_rules();
std::span<const ImportRule> nested_rules();
std::span<const ImportRule> window_rules();

// What one family has for another.
Conv conv_op(NodeReader& node, std::size_t weights = 1);  // window and groups of a convolution
AveragePool average_pool_op(NodeReader& node);
Window global_window(const NodeReader& node);  // the whole map of operand 0
// What operand `scale` and the zero point behind it say about codes of `type` in a tensor of
// `shape`: per tensor, or along `axis` if there is one. `bits` 0: as many as the type has.
Quantization read_quantization(const NodeReader& node, std::size_t scale, ElementType type,
                               const Shape& shape, std::optional<std::int64_t> axis, int bits = 0);
bool import_quantlab_add(NodeReader& node);  // false: an Add without Quantlab's attributes
// The elements of a constant as another type, as ONNX's Cast.
Tensor cast_constant(const Tensor& tensor, ElementType type);
// Whether another domain has the standard's operator of that row as it is.
bool is_microsoft_copy(const ImportRule& rule, std::string_view domain);
void import_running_cast(NodeReader& node, ElementType type);
void import_running_gather(NodeReader& node);
void import_loop(NodeReader& node);
void import_scan(NodeReader& node);
// a OP b of two constants of one integer type; binds output 0.
void fold_integer_binary(NodeReader& node, Binary::Kind kind);

}  // namespace workbench::importer
