#include "compiler/import/tensorflow/constant.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/import/tensor_proto.h"
#include "core/error.h"

namespace workbench::importer::tensorflow {

std::string_view to_string(DataType type) {
  switch (type) {
    case DataType::Float:
      return "float";
    case DataType::Double:
      return "double";
    case DataType::Int32:
      return "int32";
    case DataType::Uint8:
      return "uint8";
    case DataType::Int16:
      return "int16";
    case DataType::Int8:
      return "int8";
    case DataType::String:
      return "string";
    case DataType::Int64:
      return "int64";
    case DataType::Bool:
      return "bool";
    case DataType::Qint8:
      return "qint8";
    case DataType::Quint8:
      return "quint8";
    case DataType::Qint32:
      return "qint32";
    case DataType::Bfloat16:
      return "bfloat16";
    case DataType::Qint16:
      return "qint16";
    case DataType::Quint16:
      return "quint16";
    case DataType::Uint16:
      return "uint16";
    case DataType::Half:
      return "half";
    case DataType::Resource:
      return "resource";
    case DataType::Variant:
      return "variant";
    case DataType::Uint32:
      return "uint32";
    case DataType::Uint64:
      return "uint64";
    case DataType::Invalid:
      break;
  }
  return "an unknown type";
}

bool is_real(DataType type) {
  return type == DataType::Float || type == DataType::Double || type == DataType::Bfloat16 ||
         type == DataType::Half;
}

bool is_integer(DataType type) {
  switch (type) {
    case DataType::Int32:
    case DataType::Uint8:
    case DataType::Int16:
    case DataType::Int8:
    case DataType::Int64:
    case DataType::Bool:
    case DataType::Qint8:
    case DataType::Quint8:
    case DataType::Qint32:
    case DataType::Qint16:
    case DataType::Quint16:
    case DataType::Uint16:
    case DataType::Uint32:
    case DataType::Uint64:
      return true;
    default:
      return false;
  }
}

ElementType element_type(DataType type) {
  if (is_real(type)) return ElementType::Float32;
  CHECK(is_integer(type), "{} is no number", to_string(type));
  switch (type) {
    case DataType::Uint8:
    case DataType::Quint8:
      return ElementType::Uint8;
    case DataType::Int8:
    case DataType::Qint8:
      return ElementType::Int8;
    case DataType::Bool:
      return ElementType::Bool;
    case DataType::Int64:
      return ElementType::Int64;
    default:
      return ElementType::Int32;
  }
}

namespace {

float from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<float>::infinity()
                         : std::numeric_limits<float>::quiet_NaN();
  }
  const int significand = exponent == 0 ? mantissa : mantissa + 1024;
  return sign * std::ldexp(static_cast<float>(significand), std::max(exponent, 1) - 25);
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::size_t stored_bytes(DataType type) {
  switch (type) {
    case DataType::Double:
    case DataType::Int64:
    case DataType::Uint64:
      return 8;
    case DataType::Half:
    case DataType::Bfloat16:
    case DataType::Int16:
    case DataType::Uint16:
    case DataType::Qint16:
    case DataType::Quint16:
      return 2;
    case DataType::Uint8:
    case DataType::Int8:
    case DataType::Bool:
    case DataType::Qint8:
    case DataType::Quint8:
      return 1;
    default:
      return 4;
  }
}

template <typename From, typename To, typename Convert>
std::vector<To> decode(std::string_view bytes, const Convert& convert) {
  std::vector<To> values(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From element;
    std::memcpy(&element, bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = convert(element);
  }
  return values;
}

Reals decode_reals(DataType type, std::string_view bytes) {
  switch (type) {
    case DataType::Double:
      return decode<double, float>(bytes, [](double v) { return static_cast<float>(v); });
    case DataType::Half:
      return decode<std::uint16_t, float>(bytes, from_half);
    case DataType::Bfloat16:
      return decode<std::uint16_t, float>(bytes, from_bfloat16);
    default:
      return decode<float, float>(bytes, [](float v) { return v; });
  }
}

Integers decode_integers(DataType type, std::string_view bytes) {
  const auto widen = [](auto v) { return static_cast<std::int64_t>(v); };
  switch (type) {
    case DataType::Int64:
    case DataType::Uint64:
      return decode<std::int64_t, std::int64_t>(bytes, widen);
    case DataType::Uint32:
      return decode<std::uint32_t, std::int64_t>(bytes, widen);
    case DataType::Int16:
    case DataType::Qint16:
      return decode<std::int16_t, std::int64_t>(bytes, widen);
    case DataType::Uint16:
    case DataType::Quint16:
      return decode<std::uint16_t, std::int64_t>(bytes, widen);
    case DataType::Int8:
    case DataType::Qint8:
      return decode<std::int8_t, std::int64_t>(bytes, widen);
    case DataType::Uint8:
    case DataType::Quint8:
    case DataType::Bool:
      return decode<std::uint8_t, std::int64_t>(bytes, widen);
    default:
      return decode<std::int32_t, std::int64_t>(bytes, widen);
  }
}

Reals listed_reals(const wire::Tensor& proto, DataType type) {
  Reals values;
  if (type == DataType::Float) values.assign(proto.float_val().begin(), proto.float_val().end());
  for (const double v : proto.double_val()) {
    if (type == DataType::Double) values.push_back(static_cast<float>(v));
  }
  for (const std::int32_t v : proto.half_val()) {
    const auto bits = static_cast<std::uint16_t>(v);
    if (type == DataType::Half) values.push_back(from_half(bits));
    if (type == DataType::Bfloat16) values.push_back(from_bfloat16(bits));
  }
  return values;
}

Integers listed_integers(const wire::Tensor& proto, DataType type) {
  switch (type) {
    case DataType::Int64:
      return {proto.int64_val().begin(), proto.int64_val().end()};
    case DataType::Bool:
      return {proto.bool_val().begin(), proto.bool_val().end()};
    case DataType::Uint32:
      return {proto.uint32_val().begin(), proto.uint32_val().end()};
    case DataType::Uint64:
      return {proto.uint64_val().begin(), proto.uint64_val().end()};
    default:
      return {proto.int_val().begin(), proto.int_val().end()};
  }
}

template <typename T>
void fill(std::vector<T>& values, std::int64_t count) {
  const auto wanted = static_cast<std::size_t>(count);
  if (values.size() > wanted) {
    fail("expected at most {} values for its shape, found {}", wanted, values.size());
  }
  if (values.size() < wanted && count > kMaxFilled) {
    fail("expected {} values, found {} to repeat", wanted, values.size());
  }
  values.resize(wanted, values.empty() ? T{} : values.back());
}

}  // namespace

std::optional<Shape> read_shape(const wire::TensorShape& proto) {
  constexpr int kMaxRank = 16;
  if (proto.unknown_rank()) return std::nullopt;
  if (proto.dim_size() > kMaxRank) {
    fail("expected a rank up to {}, found {}", kMaxRank, proto.dim_size());
  }
  Shape shape;
  for (const wire::Dimension& dimension : proto.dim()) {
    if (dimension.size() < -1) fail("expected sizes >= -1, found {}", dimension.size());
    shape.push_back(dimension.size());
  }
  return shape;
}

void check_size(const Shape& shape) { check_shape(shape, "shape"); }

Constant read_constant(const wire::Tensor& proto) {
  const auto type = static_cast<DataType>(proto.dtype());
  if (!is_real(type) && !is_integer(type)) {
    fail("expected numbers, found {} ({})", to_string(type), proto.dtype());
  }
  Constant constant{.type = type, .shape = {}, .values = {}};
  const auto shape = read_shape(proto.tensor_shape());
  if (!shape || std::ranges::any_of(*shape, [](std::int64_t v) { return v < 0; })) {
    fail("expected the shape of a constant, found unknown sizes");
  }
  constant.shape = *shape;
  check_size(constant.shape);
  const std::int64_t count = constant.size();
  const std::string& content = proto.tensor_content();
  const std::size_t wanted = static_cast<std::size_t>(count) * stored_bytes(type);
  if (!content.empty() && content.size() != wanted) {
    fail("expected {} bytes for shape {}, found {}", wanted, workbench::to_string(constant.shape),
         content.size());
  }
  if (is_real(type)) {
    Reals values = content.empty() ? listed_reals(proto, type) : decode_reals(type, content);
    fill(values, count);
    constant.values = std::move(values);
  } else {
    Integers values =
        content.empty() ? listed_integers(proto, type) : decode_integers(type, content);
    fill(values, count);
    constant.values = std::move(values);
  }
  return constant;
}

namespace {

template <typename T>
Tensor narrowed(const Constant& constant) {
  Tensor tensor = Tensor::uninitialized(element_type_of<T>(), constant.shape);
  std::ranges::transform(constant.integers(), tensor.mutable_values<T>().begin(),
                         [](std::int64_t v) { return static_cast<T>(v); });
  return tensor;
}

}  // namespace

Tensor to_tensor(const Constant& constant) {
  if (constant.holds_reals()) return Tensor::from<float>(constant.shape, constant.reals());
  switch (element_type(constant.type)) {
    case ElementType::Uint8:
      return narrowed<std::uint8_t>(constant);
    case ElementType::Int8:
      return narrowed<std::int8_t>(constant);
    case ElementType::Bool:
      return narrowed<bool>(constant);
    case ElementType::Int64:
      return narrowed<std::int64_t>(constant);
    default:
      return narrowed<std::int32_t>(constant);
  }
}

Constant integer_list(const Integers& values, DataType type) {
  return {.type = type, .shape = {static_cast<std::int64_t>(values.size())}, .values = values};
}

Constant scalar(float value) {
  return {.type = DataType::Float, .shape = {}, .values = Reals{value}};
}

Constant transposed(const Constant& constant, const std::vector<std::size_t>& order) {
  CHECK(order.size() == constant.shape.size(), "order of {} for rank {}", order.size(),
        constant.shape.size());
  Integers strides(order.size(), 1);  // of the operand
  for (std::size_t i = order.size(); i-- > 1;) strides[i - 1] = strides[i] * constant.shape[i];
  Constant result{.type = constant.type, .shape = {}, .values = constant.values};
  for (const std::size_t axis : order) result.shape.push_back(constant.shape[axis]);
  std::visit(
      [&](auto& to) {
        const auto& from = std::get<std::decay_t<decltype(to)>>(constant.values);
        Integers index(order.size(), 0);
        std::int64_t at = 0;
        for (auto& element : to) {
          element = from[static_cast<std::size_t>(at)];
          for (std::size_t i = order.size(); i-- > 0;) {
            at += strides[order[i]];
            if (++index[i] < result.shape[i]) break;
            at -= strides[order[i]] * result.shape[i];
            index[i] = 0;
          }
        }
      },
      result.values);
  return result;
}

Constant reshaped(Constant constant, Shape shape) {
  CHECK(element_count(shape) == constant.size(), "{} as {}", workbench::to_string(constant.shape),
        workbench::to_string(shape));
  constant.shape = std::move(shape);
  return constant;
}

}  // namespace workbench::importer::tensorflow
