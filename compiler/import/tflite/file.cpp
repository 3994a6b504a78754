#include "compiler/import/tflite/file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::size_t kHeader = 8;  // the root's offset and the identifier
constexpr int kVersion = 3;
constexpr int kCustom = 32;  // operator code
// A FlatBuffer may name one table many times; a file of n bytes does not need more visits than n.
constexpr flatbuffers::uoffset_t kMaxDepth = 16;
constexpr std::size_t kMaxRank = 16;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

std::string text(const flatbuffers::String* string) {
  return string == nullptr ? std::string() : string->str();
}

template <typename T>
std::size_t count(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// Bits of an element; none for types whose bytes the front end does not read.
std::optional<std::int64_t> element_bits(Type type) {
  switch (type) {
    case Type::Int4:
      return 4;
    case Type::Uint8:
    case Type::Int8:
    case Type::Bool:
      return 8;
    case Type::Float16:
    case Type::Bfloat16:
    case Type::Int16:
    case Type::Uint16:
      return 16;
    case Type::Float32:
    case Type::Int32:
    case Type::Uint32:
      return 32;
    case Type::Int64:
    case Type::Uint64:
    case Type::Float64:
      return 64;
    case Type::String:
    case Type::Complex64:
    case Type::Complex128:
    case Type::Resource:
    case Type::Variant:
      break;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(const wire::Model& model, std::string_view bytes) : model_(model), bytes_(bytes) {}

  File run() {
    if (model_.version() != kVersion) {
      fail("version: expected {}, found {}", kVersion, model_.version());
    }
    if (count(model_.subgraphs()) == 0) fail("expected a subgraph, found none");
    const wire::SubGraph& graph = *model_.subgraphs()->Get(0);
    file_.name = text(graph.name());
    file_.description = text(model_.description());
    for (std::size_t i = 0; i < count(graph.tensors()); ++i) read_tensor(graph, i);
    for (std::size_t i = 0; i < count(graph.operators()); ++i) read_operator(graph, i);
    file_.inputs = indices(graph.inputs(), "inputs", false);
    file_.outputs = indices(graph.outputs(), "outputs", false);
    if (file_.outputs.empty()) fail("outputs: expected one or more, found none");
    check_order();
    return std::move(file_);
  }

 private:
  void read_tensor(const wire::SubGraph& graph, std::size_t index) {
    const wire::Tensor& wire = *graph.tensors()->Get(static_cast<flatbuffers::uoffset_t>(index));
    TensorInfo tensor{.name = text(wire.name()), .type = static_cast<Type>(wire.type())};
    tensor.is_variable = wire.is_variable();
    tensor.is_sparse = wire.sparsity() != nullptr;
    const std::string where = fmt::format("tensor {} '{}'", index, tensor.name);
    read_shape(wire, tensor, where);
    read_data(wire, tensor, where);
    if (wire.quantization() != nullptr) read_scales(*wire.quantization(), tensor, where);
    file_.tensors.push_back(std::move(tensor));
  }

  static void read_shape(const wire::Tensor& wire, TensorInfo& tensor, const std::string& where) {
    if (count(wire.shape()) > kMaxRank) {
      fail("{}: expected at most {} dimensions, found {}", where, kMaxRank, wire.shape()->size());
    }
    if (wire.shape() != nullptr) tensor.shape.assign(wire.shape()->begin(), wire.shape()->end());
    std::int64_t elements = 1;
    for (const std::int64_t size : tensor.shape) {
      if (size < 0) fail("{}: expected sizes >= 0, found {}", where, size);
      elements *= std::max<std::int64_t>(size, 1);
      if (elements > kMaxElements) {
        fail("{}: expected at most {} elements, found shape {}", where, kMaxElements,
             to_string(tensor.shape));
      }
    }
    const bool has_signature = count(wire.shape_signature()) == tensor.shape.size();
    if (tensor.shape.empty() || !has_signature) return;
    Shape open(wire.shape_signature()->begin(), wire.shape_signature()->end());
    if (std::ranges::any_of(open, [](std::int64_t size) { return size < 0; })) tensor.open = open;
  }

  // Bytes in the FlatBuffer, or behind it where the buffer gives an offset.
  std::string_view buffer_bytes(const wire::Buffer& buffer, const std::string& where) const {
    if (buffer.offset() > 1) {
      if (buffer.offset() > bytes_.size() || buffer.size() > bytes_.size() - buffer.offset()) {
        fail("{}: expected bytes within the file of {}, found {} from {} on", where, bytes_.size(),
             buffer.size(), buffer.offset());
      }
      return bytes_.substr(buffer.offset(), buffer.size());
    }
    if (buffer.data() == nullptr) return {};
    return {reinterpret_cast<const char*>(buffer.data()->data()), buffer.data()->size()};
  }

  void read_data(const wire::Tensor& wire, TensorInfo& tensor, const std::string& where) const {
    if (wire.buffer() == 0) return;
    if (wire.buffer() >= count(model_.buffers())) {
      fail("{}: expected one of {} buffers, found {}", where, count(model_.buffers()),
           wire.buffer());
    }
    const std::string_view bytes = buffer_bytes(*model_.buffers()->Get(wire.buffer()), where);
    if (bytes.empty()) return;
    tensor.data = bytes;
    const auto bits = element_bits(tensor.type);
    if (tensor.is_sparse || !bits) return;
    const auto expected = static_cast<std::size_t>((element_count(tensor.shape) * *bits + 7) / 8);
    if (bytes.size() != expected) {
      fail("{}: expected {} bytes for {}{}, found {}", where, expected, type_name(tensor.type),
           to_string(tensor.shape), bytes.size());
    }
  }

  static void read_scales(const wire::Quantization& wire, TensorInfo& tensor,
                          const std::string& where) {
    const std::size_t scales = count(wire.scale());
    if (scales == 0 || tensor.type == Type::Float32) return;  // of float tensors: a remark
    Scales result;
    for (const float scale : *wire.scale()) {
      if (!std::isfinite(scale) || scale <= 0) {
        fail("{}: expected scales above 0, found {}", where, scale);
      }
      result.scales.push_back(scale);
    }
    result.zero_points.assign(scales, 0);
    if (count(wire.zero_point()) == scales) {
      std::ranges::copy(*wire.zero_point(), result.zero_points.begin());
    } else if (count(wire.zero_point()) == 1) {
      std::ranges::fill(result.zero_points, wire.zero_point()->Get(0));
    } else if (count(wire.zero_point()) != 0) {
      fail("{}: expected {} zero points, one per scale, found {}", where, scales,
           wire.zero_point()->size());
    }
    read_axis(wire, tensor, result, where);
    tensor.scales = std::move(result);
  }

  // The axis of a list is taken from its place: biases carry that of their weights (1.2).
  static void read_axis(const wire::Quantization& wire, const TensorInfo& tensor, Scales& scales,
                        const std::string& where) {
    if (scales.scales.size() == 1) return;
    const auto length = static_cast<std::int64_t>(scales.scales.size());
    const auto axis = static_cast<std::size_t>(std::max(wire.quantized_dimension(), 0));
    scales.axis = tensor.shape.size() == 1 ? 0 : axis;
    if (scales.axis >= tensor.shape.size() || tensor.shape[scales.axis] != length) {
      fail("{}: expected {} scales along axis {} of {}, found them not to fit", where, length,
           wire.quantized_dimension(), to_string(tensor.shape));
    }
  }

  std::vector<int> indices(const flatbuffers::Vector<std::int32_t>* list, std::string_view what,
                           bool may_be_absent) const {
    std::vector<int> result;
    if (list == nullptr) return result;
    for (const std::int32_t index : *list) {
      const bool absent = index == kAbsent && may_be_absent;
      if (!absent && (index < 0 || static_cast<std::size_t>(index) >= file_.tensors.size())) {
        fail("{}: expected indices of {} tensors, found {}", what, file_.tensors.size(), index);
      }
      result.push_back(index);
    }
    return result;
  }

  void read_operator(const wire::SubGraph& graph, std::size_t index) {
    const wire::Operator& wire =
        *graph.operators()->Get(static_cast<flatbuffers::uoffset_t>(index));
    if (wire.opcode_index() >= count(model_.operator_codes())) {
      fail("operator {}: expected one of {} operator codes, found {}", index,
           count(model_.operator_codes()), wire.opcode_index());
    }
    const wire::OperatorCode& code = *model_.operator_codes()->Get(wire.opcode_index());
    OperatorInfo op{.code = std::max<int>(code.deprecated_builtin_code(), code.builtin_code()),
                    .options = &wire};
    op.name = op.code == kCustom ? "CUSTOM:" + text(code.custom_code()) : operator_name(op.code);
    op.inputs = indices(wire.inputs(), fmt::format("operator {} ({})", index, op.name), true);
    op.outputs = indices(wire.outputs(), fmt::format("operator {} ({})", index, op.name), false);
    file_.operators.push_back(std::move(op));
  }

  // Operators stand in the order in which they run, and a tensor has one writer.
  void check_order() const {
    std::set<int> known(file_.inputs.begin(), file_.inputs.end());
    if (known.size() != file_.inputs.size()) fail("inputs: expected each tensor once");
    const auto is_known = [&](int id) {
      return id == kAbsent || known.contains(id) || file_.tensor(id).data.has_value() ||
             file_.tensor(id).is_variable || element_count(file_.tensor(id).shape) == 0;
    };
    for (std::size_t i = 0; i < file_.operators.size(); ++i) {
      const OperatorInfo& op = file_.operators[i];
      for (const int id : op.inputs) {
        if (is_known(id) || op.code == kCustom)
          continue;  // which may have operands of its own kind
        fail("operator {} ({}): expected operands that stand before it, found tensor {} '{}'", i,
             op.name, id, file_.tensor(id).name);
      }
      for (const int id : op.outputs) {
        if (file_.tensor(id).data.has_value() || !known.insert(id).second) {
          fail("operator {} ({}): expected a result of its own, found tensor {} '{}'", i, op.name,
               id, file_.tensor(id).name);
        }
      }
    }
    for (const int id : file_.outputs) {
      if (!is_known(id))
        fail("outputs: tensor {} '{}' is never written", id, file_.tensor(id).name);
    }
  }

  const wire::Model& model_;
  const std::string_view bytes_;
  File file_;
};

}  // namespace

bool has_identifier(std::string_view bytes) {
  return bytes.size() >= kHeader && bytes.substr(4, 4) == wire::ModelIdentifier();
}

File read_file(std::string_view bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    fail("expected a model below 2 GiB, found {} bytes", bytes.size());
  }
  const auto tables = static_cast<flatbuffers::uoffset_t>(bytes.size());
  flatbuffers::Verifier verifier(data, bytes.size(), kMaxDepth, tables);
  if (!wire::VerifyModelBuffer(verifier)) {
    fail("expected a TensorFlow Lite model, found {} bytes that are none, or part of one",
         bytes.size());
  }
  return Reader(*wire::GetModel(data), bytes).run();
}

}  // namespace workbench::importer::tflite
