// One TensorFlow Lite network on its way into an ONNX model: the tensors known so far, and the
// operator that is being converted. The rules of ops_*.cpp are written in these terms.
//
// Layouts. Every tensor of the file is a *view* of a value of the model: dimension i of the value
// is dimension permutation[i] of the tensor. Convolutions and pools want N, C, H, W and leave their
// results so; element-wise operators, concatenations, paddings, reductions and slices work in
// whatever order their operand has; a TRANSPOSE of the file only changes the view. Nodes that
// transpose appear where a rule asks for another order than a value has.
//
// Codes. A tensor with a scale is real numbers in the model: what writes it is followed by
// QuantizeLinear and DequantizeLinear, and constants are codes behind a DequantizeLinear where they
// are weights.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/import.h"
#include "compiler/import/model_builder.h"
#include "compiler/import/obstacles.h"
#include "compiler/import/tflite/constants.h"
#include "compiler/import/tflite/file.h"

namespace workbench::importer::tflite {

Integers identity_order(std::size_t rank);
Integers channels_first(std::size_t rank);  // 0, rank - 1, 1, 2, ...
Shape permuted(const Shape& shape, const Integers& permutation);
// Where each dimension went: result[permutation[i]] = i.
Integers inverse(const Integers& permutation);

struct View {
  std::string value;
  Integers permutation;
  // A flattened map: the last dimension of the tensor is `map` in row-major order, but in the value
  // the dimensions of the map stand in the order `order`. Empty: not so.
  Shape map;
  Integers order;

  bool is_plain() const { return map.empty(); }
};

class Converter {
 public:
  Converter(const File& file, const ImportOptions& options, const std::string& name);

  // Reads every operator. Obstacles are kept, not thrown.
  void run();
  // Throws Error that names every obstacle, with `hint` behind them.
  onnx::ModelProto finish(const std::string& hint = "");
  const Obstacles& obstacles() const { return obstacles_; }
  std::int64_t progress() const { return progress_; }  // operators read without an obstacle

  const File& file() const { return file_; }
  // The order in which the model has an input of the file.
  Integers input_order(int id) const;

  ModelBuilder& model() { return model_; }
  const TensorInfo& info(int id) const { return file_.tensor(id); }
  const Shape& shape(int id) const;
  // The name of tensor `id` in the model: its own, or one derived from it.
  const std::string& name_of(int id) const { return names_.at(static_cast<std::size_t>(id)); }

  // The operators that read `id` and that a result depends on.
  const std::vector<const OperatorInfo*>& readers(int id) const;
  bool is_output(int id) const { return outputs_.contains(id); }

  bool is_constant(int id) const { return constants_.contains(id) || info(id).data.has_value(); }
  // The numbers of a constant: as stored, real, whole.
  Tensor stored(int id) const;
  Tensor real_constant(int id) const;
  std::optional<Integral> integral(int id) const;
  void set_constant(int id, Tensor tensor);

  // The view of a tensor; constants have the order of the file.
  const View& view(int id);
  // The value that holds the tensor in this order of dimensions.
  std::string value(int id, const Integers& permutation);
  std::string value(int id) { return value(id, identity_order(shape(id).size())); }
  // Weights as they are multiplied: codes behind DequantizeLinear where `as_codes`.
  std::string weights(int id, const Integers& permutation, bool as_codes);

  // Weights [out, in] of a flattened map, the columns in the map's order in the model.
  std::string map_weights(int id, const Shape& map, const Integers& order, bool as_codes);
  // Constant codes as real numbers.
  std::string dequantized(const std::string& name, const Tensor& codes,
                          const std::vector<float>& scales, const Integers& zero_points,
                          std::size_t axis);

  // Tensor `id` has `shape` and is this view of a value of real numbers, which the model's last
  // node has written if `fresh`: the value takes the tensor's name. Codes are rounded to here.
  void write(int id, const Shape& shape, View view, bool fresh);
  // Codes that nothing rounds again: a view of the same codes.
  void write_same_codes(int id, const Shape& shape, View view);

  // As write() or write_same_codes(), of a result whose elements are operand `in`'s.
  void write_moved(int in, int id, const Shape& shape, View view);
  // The elements of a flattened map in the order of the file.
  void flatten(int id);

  // A tensor of lower rank, as an operand that broadcasts to `rank` dimensions in this order.
  std::string broadcast_value(int id, const Integers& order);

  // `value` with a Reshape if the shape differs; `from` empty: not known to be the same.
  std::string reshaped(const std::string& value, const Shape& from, const Shape& to,
                       const std::string& name);

 private:
  void add_inputs();
  void add_outputs();
  void find_live();
  void find_layouts();
  void convert(const OperatorInfo& op);
  Shape input_shape(int id, const std::string& name, const Integers& order) const;
  static ElementType input_type(const TensorInfo& tensor);
  static bool keeps_order(const View& view);
  bool is_written(const std::string& name) const;
  void note_tensor(const std::string& kind, int id, const Integers& order);
  void check_written(int id, const Shape& shape) const;
  std::string rounded(int id, const std::string& real, bool takes_name);
  std::string materialised(int id, const Integers& permutation);
  std::string coded(int id, const Tensor& codes, std::size_t axis);
  std::string permuted_value(const std::string& value, const Shape& from, const Integers& order,
                             const std::string& name);

  const File& file_;
  const ImportOptions& options_;
  ModelBuilder model_;
  std::vector<std::string> names_;  // by tensor
  std::set<std::string> written_;   // names of tensors that a value of the model has
  std::map<int, Shape> shapes_;
  std::map<int, Tensor> constants_;  // computed at import
  std::map<int, View> views_;
  std::map<std::pair<int, Integers>, std::string> values_;  // every order of a tensor there is
  std::map<std::pair<int, Integers>, std::string> weights_, map_weights_;
  std::map<int, Integers> layouts_;  // what the first reader of a tensor wants
  std::vector<std::vector<const OperatorInfo*>> readers_;
  std::set<const OperatorInfo*> live_;
  std::set<int> outputs_, unknown_;  // unknown: behind an obstacle
  Obstacles obstacles_;
  std::int64_t progress_ = 0;
};

// What rules see: one operator.
class Step {
 public:
  Step(Converter& converter, const OperatorInfo& info);

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("node '{}' ({}): {}", name, op.name, fmt::format(format, std::forward<Args>(args)...));
  }

  std::size_t inputs() const { return op.inputs.size(); }
  bool has(std::size_t i) const { return i < op.inputs.size() && op.inputs[i] != kAbsent; }
  int in(std::size_t i) const;  // refuses an absent operand
  int out(std::size_t i = 0) const;
  const Shape& shape(std::size_t i) const { return net.shape(in(i)); }
  std::size_t rank(std::size_t i) const { return shape(i).size(); }
  void want_rank(std::size_t i, std::size_t rank) const;
  bool is_code(std::size_t i) const { return net.info(in(i)).scales.has_value(); }

  // Operand `i` as whole numbers, known now.
  Integers integers(std::size_t i, std::string_view meaning) const;
  std::size_t axis(std::int64_t axis, std::size_t rank) const;

  // Operand `i` in this order, or in the order it has.
  std::string value(std::size_t i, const Integers& permutation) {
    return net.value(in(i), permutation);
  }
  std::string value(std::size_t i) { return net.value(in(i)); }
  Shape broadcast(const Shape& a, const Shape& b) const;
  // The order of operand `i`'s value; of a flattened map, and of constants, the file's.
  Integers order(std::size_t i);

  // The order that most suits operands of one rank: the first that is not the file's.
  Integers common_order();
  // Operand `i` as an element-wise operator with a result in this order reads it.
  std::string broadcast_value(std::size_t i, const Integers& order) {
    return net.broadcast_value(in(i), order);
  }
  // The only element of constant operand `i`.
  std::optional<float> known_scalar(std::size_t i) const;
  std::string constant_scalar(std::size_t i, std::string_view meaning) const;

  // A node; the value it writes.
  std::string emit(const std::string& onnx_op, const std::vector<std::string>& operands) const {
    return net.model().value(onnx_op, name, operands);
  }
  template <typename T>
  void set(const std::string& key, const T& value) const {
    attribute(net.model().last(), key, value);
  }
  std::string scalar(float number) const {
    return net.model().constant(name + "_constant", Tensor::scalar(number));
  }
  template <typename T>
  std::string list(const std::vector<T>& numbers) const {
    return net.model().list(name + "_constant", numbers);
  }
  // `value` behind the activation of this number in the file.
  std::string activated(std::string value, int activation) const;

  // Result `i`, in this order of dimensions; `result_shape` as in the file.
  void finish(const std::string& value, const Shape& result_shape, const Integers& permutation,
              std::size_t i = 0) const {
    net.write(out(i), result_shape, {.value = value, .permutation = permutation}, true);
  }
  void finish(const std::string& value, const Shape& result_shape, std::size_t i = 0) const {
    finish(value, result_shape, identity_order(result_shape.size()), i);
  }

  Converter& net;
  const OperatorInfo& op;
  const std::string name;
};

// A shape and its order without these dimensions.
std::pair<Shape, Integers> without(const Shape& shape, const Integers& order,
                                   const std::set<std::size_t>& dropped);

struct Rule {
  std::string_view name;
  void (*convert)(Step&);
};
std::span<const Rule> window_rules();
std::span<const Rule> movement_rules();
std::span<const Rule> arithmetic_rules();
std::span<const Rule> recurrent_rules();
const Rule* find_rule(std::string_view name);  // nullptr: cannot be converted
std::string_view refusal(std::string_view name);

// The result if all that it takes is known: shape arithmetic. False: not computed.
bool fold(Step& step);

}  // namespace workbench::importer::tflite
