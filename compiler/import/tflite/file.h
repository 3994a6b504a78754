// A TensorFlow Lite file as plain data, checked: every index is in range, every size positive and
// every constant as long as its shape says (docs/facts/tflite.md 1).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/tflite/schema_generated.h"
#include "core/tensor.h"

namespace workbench::importer::tflite {

using Integers = std::vector<std::int64_t>;

enum class Type : std::int8_t {
  Float32 = 0,
  Float16 = 1,
  Int32 = 2,
  Uint8 = 3,
  Int64 = 4,
  String = 5,
  Bool = 6,
  Int16 = 7,
  Complex64 = 8,
  Int8 = 9,
  Float64 = 10,
  Complex128 = 11,
  Uint64 = 12,
  Resource = 13,
  Variant = 14,
  Uint32 = 15,
  Uint16 = 16,
  Int4 = 17,
  Bfloat16 = 18
};
std::string type_name(Type type);  // "int8"; "type 40" for a number without a name

// real = scale * (code - zero point), per tensor or along `axis`.
struct Scales {
  std::vector<float> scales;  // finite, > 0
  Integers zero_points;       // as many as scales
  std::size_t axis = 0;
};

struct TensorInfo {
  std::string name;  // not unique, may be empty
  Shape shape;       // >= 0
  Shape open;        // as shape, -1 where the file leaves a size open; empty: nothing is
  Type type = Type::Float32;
  std::optional<std::string_view> data;  // of a constant: bytes of the file
  std::optional<Scales> scales;
  bool is_variable = false, is_sparse = false;
};

inline constexpr int kAbsent = -1;  // an optional operand that is not there

struct OperatorInfo {
  int code = 0;
  std::string name;  // "CONV_2D", or "CUSTOM:ethos-u"
  std::vector<int> inputs, outputs;
  const wire::Operator* options = nullptr;
};

// The first subgraph of a file, which is what an interpreter runs. Refers to the file's bytes.
struct File {
  std::string name, description;
  std::vector<TensorInfo> tensors;
  std::vector<OperatorInfo> operators;  // in an order in which they can run
  std::vector<int> inputs, outputs;

  const TensorInfo& tensor(int id) const { return tensors.at(static_cast<std::size_t>(id)); }
};

bool has_identifier(std::string_view bytes);

// Throws Error without the file's name.
File read_file(std::string_view bytes);

// "CONV_2D" of 3; "operator 300" for a number without a name.
std::string operator_name(int code);

// What an operator of `T` options has; nullptr where the file gives none.
template <typename T>
const T* options_of(const OperatorInfo& op, wire::Options kind) {
  if (op.options == nullptr || op.options->options_type() != kind) return nullptr;
  return static_cast<const T*>(op.options->options());
}

}  // namespace workbench::importer::tflite
