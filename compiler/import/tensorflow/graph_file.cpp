// docs/facts/tensorflow.md 1 has the field numbers.
#include "compiler/import/tensorflow/graph_file.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "core/error.h"

namespace workbench::importer::tensorflow {

namespace {

enum class WireType { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  WireType type = WireType::Varint;
  std::string_view bytes;  // of WireType::Bytes; may be cut short by the end of the file
};

// Walks the fields of a protobuf message without knowing it.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  // nullopt at the end, and at what is no protobuf.
  std::optional<Field> next() {
    const auto tag = varint();
    if (!tag) return std::nullopt;
    Field field{.number = *tag >> 3, .type = static_cast<WireType>(*tag & 7), .bytes = {}};
    switch (field.type) {
      case WireType::Varint:
        if (!varint()) return std::nullopt;
        return field;
      case WireType::Fixed64:
        return skip(8) ? std::optional(field) : std::nullopt;
      case WireType::Fixed32:
        return skip(4) ? std::optional(field) : std::nullopt;
      case WireType::Bytes: {
        const auto size = varint();
        if (!size) return std::nullopt;
        field.bytes = rest_.substr(0, *size);
        rest_.remove_prefix(field.bytes.size());
        return field;
      }
    }
    return std::nullopt;
  }

 private:
  bool skip(std::size_t count) {
    if (rest_.size() < count) return false;
    rest_.remove_prefix(count);
    return true;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 127U) << shift;
      if (byte < 128) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

// name, op, input, device and attr are bytes, as are debug information and type.
bool looks_like_node(std::string_view bytes) {
  bool has_name = false;
  bool has_op = false;
  FieldReader fields(bytes);
  while (const auto field = fields.next()) {
    if (field->type != WireType::Bytes || field->number < 1 || field->number > 7) return false;
    if (field->number <= 2 && field->bytes.empty()) return false;
    has_name = has_name || field->number == 1;
    has_op = has_op || field->number == 2;
  }
  return has_name && has_op;
}

// node 1, library 2, version 3, versions 4.
bool looks_like_graph(std::string_view bytes) {
  FieldReader fields(bytes);
  while (const auto field = fields.next()) {
    if (field->number < 1 || field->number > 5) return false;
    if (field->number == 1) {
      return field->type == WireType::Bytes && looks_like_node(field->bytes);
    }
  }
  return false;
}

bool looks_like_saved_model(std::string_view bytes) {
  FieldReader fields(bytes);
  auto field = fields.next();
  if (field && field->number == 1 && field->type == WireType::Varint) field = fields.next();
  if (!field || field->number != 2 || field->type != WireType::Bytes) return false;
  FieldReader meta_graph(field->bytes);
  while (const auto inner = meta_graph.next()) {
    if (inner->number == 2 && inner->type == WireType::Bytes) return looks_like_graph(inner->bytes);
    if (inner->number != 1) return false;
  }
  return false;
}

template <typename Message>
Message parse_message(std::string_view bytes, std::string_view kind) {
  if (bytes.size() > std::numeric_limits<int>::max()) {  // protobuf counts in int
    fail("expected a TensorFlow {} below 2 GiB, found {} bytes", kind, bytes.size());
  }
  const google::protobuf::LogSilencer silence;  // errors are worded here
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail("expected a TensorFlow {}, found {} bytes that are none, or part of one", kind,
         bytes.size());
  }
  return message;
}

std::vector<std::string> tensor_names(
    const google::protobuf::RepeatedPtrField<wire::TensorEntry>& entries) {
  std::map<std::string, std::string> sorted;
  for (const wire::TensorEntry& entry : entries) sorted[entry.key()] = entry.value().name();
  std::vector<std::string> names;
  for (const auto& [key, name] : sorted) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

// "serving_default", or the first one.
const wire::Signature* serving_signature(const wire::MetaGraph& meta_graph) {
  const wire::Signature* found = nullptr;
  for (const wire::SignatureEntry& entry : meta_graph.signature_def()) {
    if (entry.key().starts_with("__")) continue;  // the initialiser of a loaded model
    if (found == nullptr || entry.key() == "serving_default") found = &entry.value();
  }
  return found;
}

GraphFile parse_saved_model(std::string_view bytes) {
  auto model = parse_message<wire::SavedModel>(bytes, "SavedModel");
  if (model.meta_graphs_size() == 0) fail("expected a SavedModel with a graph, found none");
  wire::MetaGraph& meta_graph = *model.mutable_meta_graphs(0);
  GraphFile file{.graph = {}, .saved_model = true, .inputs = {}, .outputs = {}};
  if (const wire::Signature* signature = serving_signature(meta_graph)) {
    file.inputs = tensor_names(signature->inputs());
    file.outputs = tensor_names(signature->outputs());
  }
  file.graph = std::move(*meta_graph.mutable_graph_def());
  return file;
}

}  // namespace

bool recognises(std::string_view bytes) {
  return looks_like_graph(bytes) || looks_like_saved_model(bytes);
}

GraphFile parse(std::string_view bytes) {
  if (!looks_like_graph(bytes)) return parse_saved_model(bytes);
  return {.graph = parse_message<wire::GraphDef>(bytes, "GraphDef"),
          .saved_model = false,
          .inputs = {},
          .outputs = {}};
}

}  // namespace workbench::importer::tensorflow
