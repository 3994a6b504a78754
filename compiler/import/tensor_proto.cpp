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

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

namespace {

using Proto = onnx::TensorProto;

// Types that came after Debian's onnx.proto: which number is which is from the proto of ONNX 1.18.
constexpr std::int32_t kUint4 = 21, kInt4 = 22;
constexpr std::pair<std::int32_t, std::string_view> kLaterTypes[] = {
    {17, "FLOAT8E4M3FN"}, {18, "FLOAT8E4M3FNUZ"}, {19, "FLOAT8E5M2"}, {20, "FLOAT8E5M2FNUZ"},
    {kUint4, "UINT4"},    {kInt4, "INT4"},        {23, "FLOAT4E2M1"}, {24, "FLOAT8E8M0"}};

std::string type_name(std::int32_t type) {
  for (const auto& [number, name] : kLaterTypes) {
    if (number == type) return std::string(name);
  }
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
  ExternalData& external;

  void expect(std::size_t found, std::size_t expected, std::string_view unit) const {
    if (found == expected) return;
    fail("{}: expected {} {} for shape {}, found {}", where, expected, unit, to_string(shape),
         found);
  }

  template <typename Element, typename Stored, typename Field>
  Tensor take(const Field& field) const {
    const auto count = static_cast<std::size_t>(element_count(shape));
    if (is_external(proto)) {
      return from_bytes<Element, Stored>(external.bytes(proto, count * sizeof(Stored), where));
    }
    if (!proto.has_raw_data()) {
      expect(static_cast<std::size_t>(field.size()), count, "elements");
      Tensor tensor = Tensor::uninitialized(element_type_of<Element>(), shape);
      std::transform(field.begin(), field.end(), tensor.mutable_values<Element>().begin(),
                     [](auto entry) { return convert<Element>(stored_of<Stored>(entry)); });
      return tensor;
    }
    const std::unique_ptr<std::string> raw(proto.release_raw_data());
    expect(raw->size(), count * sizeof(Stored), "bytes");
    return from_bytes<Element, Stored>(*raw);
  }

  template <typename Element, typename Stored>
  Tensor from_bytes(std::string_view bytes) const {
    Tensor tensor = Tensor::uninitialized(element_type_of<Element>(), shape);
    if constexpr (std::is_same_v<Element, Stored>) {
      std::memcpy(tensor.mutable_data(), bytes.data(), bytes.size());
      return tensor;
    }
    Element* out = tensor.mutable_values<Element>().data();
    for (std::size_t i = 0; i * sizeof(Stored) < bytes.size(); ++i) {
      Stored stored;
      std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      out[i] = convert<Element>(stored);
    }
    return tensor;
  }

  // Two codes a byte, the first in the low half.
  template <typename Element>
  Tensor take_nibbles() const {
    const auto count = static_cast<std::size_t>(element_count(shape));
    std::string bytes;
    if (is_external(proto)) {
      bytes = external.bytes(proto, (count + 1) / 2, where);
    } else if (proto.has_raw_data()) {
      bytes = proto.raw_data();
    } else {
      for (const std::int32_t entry : proto.int32_data()) bytes += static_cast<char>(entry);
    }
    expect(bytes.size(), (count + 1) / 2, "bytes");
    Tensor tensor = Tensor::uninitialized(element_type_of<Element>(), shape);
    auto out = tensor.mutable_values<Element>();
    for (std::size_t i = 0; i < count; ++i) {
      const int code = (static_cast<unsigned char>(bytes[i / 2]) >> (i % 2 * 4)) & 0xF;
      out[i] = static_cast<Element>(std::is_signed_v<Element> && code > 7 ? code - 16 : code);
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
    case kInt4:
      return ElementType::Int8;
    case kUint4:
      return ElementType::Uint8;
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

std::int32_t onnx_type_of_4_bits(bool is_signed) { return is_signed ? kInt4 : kUint4; }

int narrow_bits(std::int32_t onnx_type) {
  return onnx_type == kInt4 || onnx_type == kUint4 ? 4 : 0;
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

namespace {

Tensor take_tensor(Proto& proto, ExternalData& external, std::string_view where) {
  if (proto.has_segment()) fail("{}: expected a whole tensor, found a segment", where);
  const Taker taker{proto, Shape(proto.dims().begin(), proto.dims().end()), where, external};
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
    case kInt4:
      return taker.take_nibbles<std::int8_t>();
    case kUint4:
      return taker.take_nibbles<std::uint8_t>();
    default:
      element_type(proto.data_type(), where);
      CHECK(false, "type {} is known and has no reader", type_name(proto.data_type()));
  }
}

// Where each value of a sparse tensor goes: `indices` are places in the dense tensor, or one
// coordinate per dimension.
std::vector<std::size_t> dense_places(const Tensor& indices, const Shape& shape,
                                      std::string_view where) {
  const bool linear = indices.rank() == 1;
  const auto rank = static_cast<std::int64_t>(shape.size());
  if (indices.type() != ElementType::Int64 ||
      !(linear || (indices.rank() == 2 && indices.shape()[1] == rank))) {
    fail("{}: expected indices int64 [N] or [N, {}], found {} {}", where, rank,
         to_string(indices.type()), to_string(indices.shape()));
  }
  const auto values = indices.values<std::int64_t>();
  const Shape whole{element_count(shape)};
  const Shape& limits = linear ? whole : shape;
  std::vector<std::size_t> places(static_cast<std::size_t>(indices.shape()[0]));
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::int64_t place = 0;
    for (std::size_t d = 0; d < limits.size(); ++d) {
      const std::int64_t index = values[i * limits.size() + d];
      if (index < 0 || index >= limits[d]) {
        fail("{}: expected indices below {}, found {}", where, limits[d], index);
      }
      place = place * limits[d] + index;
    }
    places[i] = static_cast<std::size_t>(place);
  }
  return places;
}

}  // namespace

Tensor TensorSource::take(Proto& proto, std::string_view where) {
  if (const auto found = taken_.find(&proto); found != taken_.end()) return found->second;
  return taken_.emplace(&proto, take_tensor(proto, external_, where)).first->second;
}

void TensorSource::expect_finite(const Tensor& tensor, std::string_view where) {
  if (finite_.contains(tensor.data())) return;
  check_finite(tensor, where);
  finite_.insert(tensor.data());
}

Tensor TensorSource::take(onnx::SparseTensorProto& proto, std::string_view where) {
  if (const auto found = taken_.find(&proto); found != taken_.end()) return found->second;
  const Tensor values = take(*proto.mutable_values(), where);
  const Shape shape(proto.dims().begin(), proto.dims().end());
  check_shape(shape, where);
  // A few numbers must not become memory without end.
  const std::int64_t most = std::max(std::int64_t{1} << 24, 256 * values.size());
  if (element_count(shape) > most) {
    fail("{}: expected at most {} elements for {} that are stored, found shape {}", where, most,
         values.size(), to_string(shape));
  }
  const std::vector<std::size_t> places =
      dense_places(take(*proto.mutable_indices(), where), shape, where);
  if (values.rank() != 1 || places.size() != static_cast<std::size_t>(values.size())) {
    fail("{}: expected a list of {} values, one per index, found shape {}", where, places.size(),
         to_string(values.shape()));
  }
  Tensor dense = Tensor::zeros(values.type(), shape);
  const auto width = static_cast<std::size_t>(element_bytes(values.type()));
  std::byte* out = dense.mutable_data();
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::copy_n(values.data() + i * width, width, out + places[i] * width);
  }
  return taken_.emplace(&proto, dense).first->second;
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
  return importer::TensorSource({}).take(proto, path.string());
}

}  // namespace workbench
