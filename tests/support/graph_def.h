// TensorFlow GraphDefs built in a few lines, byte by byte: tests share no message with the
// importer.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace workbench::test {

// Protobuf's wire format.
inline std::string varint(std::int64_t value) {
  auto rest = static_cast<std::uint64_t>(value);
  std::string bytes;
  while (rest >= 128) {
    bytes += static_cast<char>(rest % 128 + 128);
    rest /= 128;
  }
  return bytes + static_cast<char>(rest);
}
inline std::string wire_number(int field, std::int64_t value) {
  return varint(std::int64_t{field} * 8) + varint(value);
}
inline std::string wire_bytes(int field, const std::string& bytes) {
  return varint(std::int64_t{field} * 8 + 2) + varint(static_cast<std::int64_t>(bytes.size())) +
         bytes;
}
inline std::string wire_float(int field, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return varint(std::int64_t{field} * 8 + 5) + bytes;
}

inline constexpr int kTfFloat = 1, kTfInt32 = 3, kTfUint8 = 4, kTfString = 7, kTfBool = 10,
                     kTfHalf = 19;

inline std::string tf_shape(const Shape& shape) {
  std::string bytes;
  for (const std::int64_t size : shape) bytes += wire_bytes(2, wire_number(1, size));
  return bytes;
}
inline std::string tf_tensor(int type, const Shape& shape, const std::string& values) {
  return wire_number(1, type) + wire_bytes(2, tf_shape(shape)) + values;
}
template <typename T>
std::string content_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

class TfNode {
 public:
  TfNode(const std::string& op, const std::string& name, const std::vector<std::string>& inputs)
      : bytes_(wire_bytes(1, name) + wire_bytes(2, op)) {
    for (const std::string& input : inputs) bytes_ += wire_bytes(3, input);
  }
  TfNode& attr(const std::string& key, const std::string& value_bytes) {
    bytes_ += wire_bytes(5, wire_bytes(1, key) + wire_bytes(2, value_bytes));
    return *this;
  }
  TfNode& text(const std::string& key, const std::string& v) { return attr(key, wire_bytes(2, v)); }
  TfNode& integer(const std::string& key, std::int64_t v) { return attr(key, wire_number(3, v)); }
  TfNode& real(const std::string& key, float v) { return attr(key, wire_float(4, v)); }
  TfNode& flag(const std::string& key, bool v) { return attr(key, wire_number(5, v ? 1 : 0)); }
  TfNode& type(const std::string& key, int v) { return attr(key, wire_number(6, v)); }
  TfNode& shape(const std::string& key, const Shape& v) {
    return attr(key, wire_bytes(7, tf_shape(v)));
  }
  TfNode& tensor(const std::string& key, const std::string& v) {
    return attr(key, wire_bytes(8, v));
  }
  TfNode& integers(const std::string& key, const std::vector<std::int64_t>& v) {
    std::string packed;
    for (const std::int64_t x : v) packed += varint(x);
    return attr(key, wire_bytes(1, wire_bytes(3, packed)));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class GraphDef {
 public:
  GraphDef& add(const TfNode& node) {
    nodes_ += wire_bytes(1, node.bytes());
    return *this;
  }
  GraphDef& placeholder(const std::string& name, const Shape& shape, int type = kTfFloat) {
    return add(TfNode("Placeholder", name, {}).type("dtype", type).shape("shape", shape));
  }
  GraphDef& placeholder_of_any_shape(const std::string& name) {
    return add(TfNode("Placeholder", name, {}).type("dtype", kTfFloat));
  }
  GraphDef& reals(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    return add(TfNode("Const", name, {})
                   .type("dtype", kTfFloat)
                   .tensor("value", tf_tensor(kTfFloat, shape, wire_bytes(4, content_of(values)))));
  }
  GraphDef& integers(const std::string& name, const Shape& shape,
                     const std::vector<std::int32_t>& values) {
    return add(TfNode("Const", name, {})
                   .type("dtype", kTfInt32)
                   .tensor("value", tf_tensor(kTfInt32, shape, wire_bytes(4, content_of(values)))));
  }
  GraphDef& list(const std::string& name, const std::vector<std::int32_t>& values) {
    return integers(name, {static_cast<std::int64_t>(values.size())}, values);
  }
  GraphDef& op(const std::string& op, const std::string& name,
               const std::vector<std::string>& inputs) {
    return add(TfNode(op, name, inputs));
  }
  const std::string& bytes() const { return nodes_; }

 private:
  std::string nodes_;
};

}  // namespace workbench::test
