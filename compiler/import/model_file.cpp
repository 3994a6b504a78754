#include "compiler/import/model_file.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <limits>

#include "compiler/import/front_end.h"
#include "compiler/import/mapped_file.h"
#include "core/error.h"

namespace workbench::importer {

onnx::ModelProto parse_model(std::string_view bytes, std::string_view name) {
  if (bytes.size() > std::numeric_limits<int>::max()) {  // protobuf counts in int
    fail("{}: expected an ONNX model below 2 GiB, found {} bytes", name, bytes.size());
  }
  const google::protobuf::LogSilencer silence;  // errors are worded here
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail("{}: expected an ONNX model, found {} bytes that are none, or part of one", name,
         bytes.size());
  }
  if (!model.has_graph()) fail("{}: expected an ONNX model with a graph, found none", name);
  return model;
}

namespace {

constexpr FrontEnd kOnnx{
    .format = "ONNX",
    .recognises = [](std::string_view) { return true; },
    .read = [](const std::filesystem::path& path, std::string_view bytes,
               const ImportOptions&) { return parse_model(bytes, path.string()); }};

}  // namespace

std::span<const FrontEnd> front_ends() {
  static const std::vector<FrontEnd> all{kTensorFlowLite, kCaffe, kTensorFlow, kOnnx};
  return all;
}

namespace {

const FrontEnd& front_end_of(std::string_view bytes) {
  const auto found = std::ranges::find_if(
      front_ends(), [&](const FrontEnd& candidate) { return candidate.recognises(bytes); });
  CHECK(found != front_ends().end(), "ONNX takes every file");
  return *found;
}

// A SavedModel is a folder.
std::filesystem::path file_of(const std::filesystem::path& path) {
  const std::filesystem::path inside = path / "saved_model.pb";
  std::error_code none;
  return std::filesystem::is_regular_file(inside, none) ? inside : path;
}

}  // namespace

AnyModel read_any(const std::filesystem::path& path, const ImportOptions& options) {
  const MappedFile file(file_of(path));
  const std::string_view bytes = file.bytes();
  const FrontEnd& found = front_end_of(bytes);
  if (!options.weights.empty() && !found.takes_weights) {
    fail("--weights {}: expected a Caffe network, which has them in another file; {} is {}",
         options.weights.string(), path.string(), found.format);
  }
  if (!options.input_node.empty() && !found.takes_input_node) {
    fail("--input-node {}: expected a TensorFlow graph; {} is {}", options.input_node,
         path.string(), found.format);
  }
  return {.format = found.format, .proto = found.read(path, bytes, options)};
}

std::optional<onnx::ModelProto> read_onnx(const std::filesystem::path& path) {
  const MappedFile file(file_of(path));
  if (front_end_of(file.bytes()).format != kOnnx.format) return std::nullopt;
  return parse_model(file.bytes(), path.string());
}

onnx::ModelProto read_model(const std::filesystem::path& path, const ImportOptions& options) {
  return read_any(path, options).proto;
}

}  // namespace workbench::importer
