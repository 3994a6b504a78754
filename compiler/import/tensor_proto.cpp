#include "compiler/import/tensor_proto.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench::importer {

namespace {

constexpr std::size_t kMaxName = 1000;
constexpr std::size_t kMaxLine = 500;

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7F; }

// Bytes of the UTF-8 character that begins with `lead`; 0: none does.
std::size_t utf8_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

// What the second byte may be is narrower after four leads: no overlong forms, no surrogates,
// nothing above U+10FFFF (Unicode standard, table 3-7).
bool second_byte_fits(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second < 0xA0;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second < 0x90;
    default:
      return true;
  }
}

bool is_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(lead);
    if (is_control(lead) || length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0U) != 0x80U) return false;
      if (k == 1 && !second_byte_fits(lead, byte)) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace

void check_name(std::string_view name, std::string_view kind) {
  if (name.empty()) fail("{}: expected a name, found none", kind);
  if (name.size() > kMaxName) {
    fail("{} '{}...': expected a name of at most {} bytes, found {}", kind, name.substr(0, 50),
         kMaxName, name.size());
  }
  if (!is_text(name)) fail("{} '{}': expected a name in UTF-8, found other bytes", kind, name);
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxLine));
  for (char& c : line) {
    if (is_control(static_cast<unsigned char>(c))) c = '?';
  }
  if (is_text(line)) return line;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return line;
}

std::string unique_name(std::set<std::string>& taken, const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
  return name;
}

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

namespace {

using Proto = onnx::TensorProto;

std::string type_name(std::int32_t type) {
  return Proto::DataType_IsValid(type) ? Proto::DataType_Name(static_cast<Proto::DataType>(type))
                                       : fmt::format("type {}", type);
}

struct Half {
  std::uint16_t bits;
  explicit operator float() const {  // IEEE 754 binary16
    const int exponent = (bits >> 10) & 0x1F;
    const int fraction = bits & 0x3FF;
    const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
    if (exponent == 0x1F) {
      return fraction != 0 ? std::numeric_limits<float>::quiet_NaN()
                           : sign * std::numeric_limits<float>::infinity();
    }
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
    return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  }
};

struct Bfloat16 {
  std::uint16_t bits;
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

// As stored in the file -> as stored by us. A double beyond float's range becomes an infinity,
// which check_finite then reports.
template <typename Element, typename Stored>
Element convert(Stored stored) {
  if constexpr (std::is_same_v<Stored, double>) {
    constexpr auto kMax = static_cast<double>(std::numeric_limits<float>::max());
    if (std::isfinite(stored) && std::abs(stored) > kMax) {
      return stored < 0 ? -std::numeric_limits<float>::infinity()
                        : std::numeric_limits<float>::infinity();
    }
    return static_cast<Element>(stored);
  } else if constexpr (std::is_same_v<Element, bool>) {
    return stored != 0;
  } else {
    return static_cast<Element>(stored);
  }
}

template <typename Stored, typename Entry>
Stored stored_of(Entry entry) {
  if constexpr (std::is_same_v<Stored, Half> || std::is_same_v<Stored, Bfloat16>) {
    return Stored{static_cast<std::uint16_t>(entry)};
  } else {
    return static_cast<Stored>(entry);
  }
}

// One tensor being taken out of its message.
struct Taker {
  Proto& proto;
  Shape shape;
  std::string_view where;

  void expect(std::size_t found, std::size_t expected, std::string_view unit) const {
    if (found == expected) return;
    fail("{}: expected {} {} for shape {}, found {}", where, expected, unit, to_string(shape),
         found);
  }

  template <typename Element, typename Stored, typename Field>
  Tensor take(const Field& field) const {
    const auto count = static_cast<std::size_t>(element_count(shape));
    if (!proto.has_raw_data()) {
      expect(static_cast<std::size_t>(field.size()), count, "elements");
      Tensor tensor = Tensor::uninitialized(element_type_of<Element>(), shape);
      std::transform(field.begin(), field.end(), tensor.mutable_values<Element>().begin(),
                     [](auto entry) { return convert<Element>(stored_of<Stored>(entry)); });
      return tensor;
    }
    const std::unique_ptr<std::string> raw(proto.release_raw_data());
    expect(raw->size(), count * sizeof(Stored), "bytes");
    Tensor tensor = Tensor::uninitialized(element_type_of<Element>(), shape);
    if constexpr (std::is_same_v<Element, Stored>) {
      std::memcpy(tensor.mutable_data(), raw->data(), raw->size());
      return tensor;
    }
    Element* out = tensor.mutable_values<Element>().data();
    for (std::size_t i = 0; i < count; ++i) {
      Stored stored;
      std::memcpy(&stored, raw->data() + i * sizeof(Stored), sizeof(Stored));
      out[i] = convert<Element>(stored);
    }
    return tensor;
  }
};

}  // namespace

ElementType element_type(std::int32_t onnx_type, std::string_view where) {
  switch (onnx_type) {
    case Proto::FLOAT:
    case Proto::FLOAT16:
    case Proto::BFLOAT16:
    case Proto::DOUBLE:
      return ElementType::Float32;
    case Proto::INT8:
      return ElementType::Int8;
    case Proto::UINT8:
      return ElementType::Uint8;
    case Proto::INT16:
      return ElementType::Int16;
    case Proto::UINT16:
      return ElementType::Uint16;
    case Proto::INT32:
      return ElementType::Int32;
    case Proto::UINT32:
      return ElementType::Uint32;
    case Proto::INT64:
      return ElementType::Int64;
    case Proto::UINT64:
      return ElementType::Uint64;
    case Proto::BOOL:
      return ElementType::Bool;
    default:
      fail("{}: expected a tensor of numbers, found element type {}", where, type_name(onnx_type));
  }
}

std::int32_t onnx_type(ElementType type) {
  switch (type) {
    case ElementType::Float32:
      return Proto::FLOAT;
    case ElementType::Float64:
      return Proto::DOUBLE;
    case ElementType::Int8:
      return Proto::INT8;
    case ElementType::Uint8:
      return Proto::UINT8;
    case ElementType::Int16:
      return Proto::INT16;
    case ElementType::Uint16:
      return Proto::UINT16;
    case ElementType::Int32:
      return Proto::INT32;
    case ElementType::Uint32:
      return Proto::UINT32;
    case ElementType::Int64:
      return Proto::INT64;
    case ElementType::Uint64:
      return Proto::UINT64;
    case ElementType::Bool:
      return Proto::BOOL;
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

void check_shape(const Shape& shape, std::string_view where) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) fail("{}: expected dimensions >= 0, found {}", where, to_string(shape));
    if (dim > kMaxElements || (count != 0 && dim > kMaxElements / count)) {
      fail("{}: expected at most {} elements, found shape {}", where, kMaxElements,
           to_string(shape));
    }
    count *= dim;
  }
}

Tensor take_tensor(Proto& proto, std::string_view where) {
  if (proto.data_location() == Proto::EXTERNAL || proto.external_data_size() > 0) {
    fail("{}: expected the data inside the file, found external data", where);
  }
  if (proto.has_segment()) fail("{}: expected a whole tensor, found a segment", where);
  const Taker taker{proto, Shape(proto.dims().begin(), proto.dims().end()), where};
  check_shape(taker.shape, where);
  switch (proto.data_type()) {
    case Proto::FLOAT:
      return taker.take<float, float>(proto.float_data());
    case Proto::FLOAT16:
      return taker.take<float, Half>(proto.int32_data());
    case Proto::BFLOAT16:
      return taker.take<float, Bfloat16>(proto.int32_data());
    case Proto::DOUBLE:
      return taker.take<float, double>(proto.double_data());
    case Proto::INT8:
      return taker.take<std::int8_t, std::int8_t>(proto.int32_data());
    case Proto::UINT8:
      return taker.take<std::uint8_t, std::uint8_t>(proto.int32_data());
    case Proto::INT16:
      return taker.take<std::int16_t, std::int16_t>(proto.int32_data());
    case Proto::UINT16:
      return taker.take<std::uint16_t, std::uint16_t>(proto.int32_data());
    case Proto::INT32:
      return taker.take<std::int32_t, std::int32_t>(proto.int32_data());
    case Proto::UINT32:
      return taker.take<std::uint32_t, std::uint32_t>(proto.uint64_data());
    case Proto::INT64:
      return taker.take<std::int64_t, std::int64_t>(proto.int64_data());
    case Proto::UINT64:
      return taker.take<std::uint64_t, std::uint64_t>(proto.uint64_data());
    case Proto::BOOL:  // a byte that is neither 0 nor 1 must not become a C++ bool
      return taker.take<bool, std::uint8_t>(proto.int32_data());
    default:
      element_type(proto.data_type(), where);
      CHECK(false, "type {} is known and has no reader", type_name(proto.data_type()));
  }
}

void check_finite(const Tensor& tensor, std::string_view where) {
  if (tensor.type() != ElementType::Float32) return;
  const auto values = tensor.values<float>();
  constexpr std::uint32_t kInfinity = 0x7F800000;
  std::uint32_t largest = 0;  // integers: the loop vectorises, and weights are many
  for (const float x : values) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFU);
  }
  if (largest < kInfinity) return;
  const bool scalar = tensor.rank() == 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || (!scalar && std::isinf(values[i]))) {
      fail("{}: expected finite numbers, found {} at element {}", where, values[i], i);
    }
  }
}

}  // namespace workbench::importer

namespace workbench {

Tensor read_tensor_proto(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const google::protobuf::LogSilencer silence;  // errors are worded here
  onnx::TensorProto proto;
  if (!proto.ParseFromString(bytes)) {
    fail("{}: expected an ONNX TensorProto, found other bytes", path.string());
  }
  return importer::take_tensor(proto, path.string());
}

}  // namespace workbench
