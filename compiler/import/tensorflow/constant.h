// A tensor whose values are known while a TensorFlow graph is imported: weights, and the shape
// arithmetic that is computed here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/import/tensorflow/graph_def.pb.h"
#include "core/tensor.h"

namespace workbench::importer::tensorflow {

using Integers = std::vector<std::int64_t>;
using Reals = std::vector<float>;

// DataType of types.proto: docs/facts/tensorflow.md 1.
enum class DataType {
  Invalid = 0,
  Float = 1,
  Double = 2,
  Int32 = 3,
  Uint8 = 4,
  Int16 = 5,
  Int8 = 6,
  String = 7,
  Int64 = 9,
  Bool = 10,
  Qint8 = 11,
  Quint8 = 12,
  Qint32 = 13,
  Bfloat16 = 14,
  Qint16 = 15,
  Quint16 = 16,
  Uint16 = 17,
  Half = 19,
  Resource = 20,
  Variant = 21,
  Uint32 = 22,
  Uint64 = 23,
};
std::string_view to_string(DataType type);
bool is_real(DataType type);              // becomes float32
bool is_integer(DataType type);           // or bool
ElementType element_type(DataType type);  // CHECKs that it is one of the two

// Real numbers are float32, integers and bools int64, whatever their type in the file.
struct Constant {
  DataType type = DataType::Float;
  Shape shape;
  std::variant<Reals, Integers> values;

  const Reals& reals() const { return std::get<Reals>(values); }
  const Integers& integers() const { return std::get<Integers>(values); }
  bool holds_reals() const { return std::holds_alternative<Reals>(values); }
  std::int64_t size() const { return element_count(shape); }
};

// Elements that fill a tensor beyond the bytes in the file: a bound against hostile files.
inline constexpr std::int64_t kMaxFilled = std::int64_t{1} << 24;

// Throws Error.
Constant read_constant(const wire::Tensor& proto);
// nullopt: unknown rank. -1 where a size is unknown. Throws Error on sizes below that.
std::optional<Shape> read_shape(const wire::TensorShape& proto);
// Throws Error when the product of the sizes is more than any network has.
void check_size(const Shape& shape);

Tensor to_tensor(const Constant& constant);

Constant integer_list(const Integers& values, DataType type = DataType::Int32);
Constant scalar(float value);

// Dimension `i` of the result is dimension `order[i]` of the operand.
Constant transposed(const Constant& constant, const std::vector<std::size_t>& order);
Constant reshaped(Constant constant, Shape shape);  // CHECKs the size

}  // namespace workbench::importer::tensorflow
