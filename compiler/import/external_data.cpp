#include "compiler/import/external_data.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace workbench::importer {

namespace {

namespace fs = std::filesystem;

struct Place {
  std::string location;
  std::size_t offset = 0;
  std::optional<std::size_t> length;
};

std::size_t whole_number(const onnx::StringStringEntryProto& entry, std::string_view where) {
  const std::string& text = entry.value();
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("{}: external data: {}: expected a number of bytes, found '{}'", where, entry.key(), text);
  }
  return number;
}

// Other keys (checksum, what an exporter adds) say nothing about where the bytes are.
Place place_of(const onnx::TensorProto& tensor, std::string_view where) {
  Place place;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") place.offset = whole_number(entry, where);
    if (entry.key() == "length") place.length = whole_number(entry, where);
  }
  if (place.location.empty()) fail("{}: external data: expected a location, found none", where);
  return place;
}

// Lexically below the folder: what links lead out of it is found when the file is there.
void check_location(const std::string& location, std::string_view where) {
  const fs::path path = location;
  const bool climbs = std::ranges::find(path, fs::path("..")) != path.end();
  if (path.is_absolute() || climbs || location.find('\0') != std::string::npos) {
    fail("{}: external data: expected a file in the model's folder, found location '{}'", where,
         location);
  }
}

bool is_below(const fs::path& path, const fs::path& folder) {
  return std::ranges::mismatch(folder, path).in1 == folder.end();
}

}  // namespace

bool is_external(const onnx::TensorProto& tensor) {
  return tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0;
}

ExternalData::ExternalData(std::optional<fs::path> folder) : folder_(std::move(folder)) {}

const MappedFile& ExternalData::file(const std::string& location, std::string_view where) {
  if (const auto found = files_.find(location); found != files_.end()) return found->second;
  check_location(location, where);
  std::error_code error;
  const fs::path base = fs::canonical(folder_->empty() ? fs::path(".") : *folder_, error);
  const fs::path path = fs::canonical(base / location, error);
  if (error) {
    fail("{}: external data: cannot read '{}': {}", where, (*folder_ / location).string(),
         error.message());
  }
  if (!is_below(path, base)) {
    fail("{}: external data: expected a file in the model's folder, found '{}', a link to '{}'",
         where, location, path.string());
  }
  if (!fs::is_regular_file(path, error)) {
    fail("{}: external data: expected a file, found '{}', which is none", where, location);
  }
  const MappedFile& file = files_.try_emplace(location, path).first->second;
  present_ += file.bytes().size();
  return file;
}

std::string_view ExternalData::bytes(const onnx::TensorProto& tensor,
                                     std::optional<std::size_t> count, std::string_view where) {
  if (!folder_) {
    fail("{}: expected the data inside the model, which has no file, found external data", where);
  }
  const Place place = place_of(tensor, where);
  if (count && place.length && *place.length != *count) {
    fail("{}: external data: expected {} bytes for its shape and type, found length {}", where,
         *count, *place.length);
  }
  const std::string_view all = file(place.location, where).bytes();
  const std::size_t rest = all.size() - std::min(place.offset, all.size());
  const std::size_t size = count.value_or(place.length.value_or(rest));
  if (place.offset > all.size() || size > rest) {
    fail("{}: external data: expected {} bytes at offset {} of '{}', found a file of {} bytes",
         where, size, place.offset, place.location, all.size());
  }
  given_ += size;  // tensors may share bytes, but a small file must not become memory without end
  constexpr std::size_t kSmall = std::size_t{1} << 26;
  if (given_ > 4 * present_ + kSmall) {
    fail("{}: external data: expected tensors of about the files' {} bytes, found {} or more",
         where, present_, given_);
  }
  return all.substr(place.offset, size);
}

namespace {

using Visit = std::function<void(onnx::TensorProto&)>;

void visit_sparse(onnx::SparseTensorProto& tensor, const Visit& visit) {
  if (tensor.has_values()) visit(*tensor.mutable_values());
  if (tensor.has_indices()) visit(*tensor.mutable_indices());
}

void visit_graph(onnx::GraphProto& graph, const Visit& visit);

void visit_node(onnx::NodeProto& node, const Visit& visit) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_t()) visit(*attribute.mutable_t());
    if (attribute.has_sparse_tensor()) visit_sparse(*attribute.mutable_sparse_tensor(), visit);
    for (auto& tensor : *attribute.mutable_tensors()) visit(tensor);
    for (auto& tensor : *attribute.mutable_sparse_tensors()) visit_sparse(tensor, visit);
    if (attribute.has_g()) visit_graph(*attribute.mutable_g(), visit);
    for (auto& graph : *attribute.mutable_graphs()) visit_graph(graph, visit);
  }
}

void visit_graph(onnx::GraphProto& graph, const Visit& visit) {
  for (auto& tensor : *graph.mutable_initializer()) visit(tensor);
  for (auto& tensor : *graph.mutable_sparse_initializer()) visit_sparse(tensor, visit);
  for (auto& node : *graph.mutable_node()) visit_node(node, visit);
}

}  // namespace

void for_each_tensor(onnx::ModelProto& model, const Visit& visit) {
  visit_graph(*model.mutable_graph(), visit);
  for (auto& function : *model.mutable_functions()) {
    for (auto& node : *function.mutable_node()) visit_node(node, visit);
  }
}

void embed_external_data(onnx::ModelProto& model, const fs::path& path) {
  ExternalData data(path.parent_path());
  for_each_tensor(model, [&](onnx::TensorProto& tensor) {
    if (!is_external(tensor)) return;
    const std::string where = fmt::format("{}: tensor '{}'", path.string(), tensor.name());
    tensor.set_raw_data(std::string(data.bytes(tensor, std::nullopt, where)));
    tensor.clear_external_data();
    tensor.clear_data_location();
  });
  if (model.ByteSizeLong() > std::numeric_limits<int>::max()) {
    fail("{}: expected tensors that fit into a file below 2 GiB, found {} bytes", path.string(),
         model.ByteSizeLong());
  }
}

}  // namespace workbench::importer
