// Networks in: file or bytes to Graph (docs/onnx.md: which ONNX is read). A parser is a trust
// boundary: whatever the bytes, the result is a verified Graph or an Error of one line that names
// everything in the way: node, op, attribute, value.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

struct ImportOptions {
  // --shape NAME=1,3,224,224 : the sizes of a graph input, whatever the model says. Sizes that the
  // model leaves open and this does not fix are chosen: 1 for a batch, else a typical size that the
  // graph accepts.
  std::map<std::string, Shape> input_shapes;
  // Sizes for what the model leaves open and input_shapes does not fix, of data at hand.
  std::map<std::string, Shape> likely_shapes = {};
  // --weights NET.caffemodel: of a network whose file holds none. Without, those that lie beside
  // it.
  std::filesystem::path weights;
  // --input-node NAME : the first tensor of a TensorFlow graph, behind what reads files, text or
  // sound. Empty: the placeholders.
  std::string input_node;
};

struct ModelImport {
  Graph graph;
  std::vector<std::string> notes;  // what was chosen for the user, one line each
};

ModelImport import_with_notes(const std::filesystem::path& path, const ImportOptions& options = {});
Graph import_model(const std::filesystem::path& path, const ImportOptions& options = {});
// Of ONNX bytes; `name` is used in errors and as the graph's fallback name.
ModelImport import_onnx_with_notes(std::string_view bytes, const std::string& name,
                                   const ImportOptions& options = {});
Graph import_onnx_bytes(std::string_view bytes, const std::string& name,
                        const ImportOptions& options = {});

// The rows of `workbench ops`: ONNX operators the importer knows, from the importer's own table.
struct SupportedOp {
  std::string name;
  std::string note;
  bool disappears = false;  // at import: a branch, a sequence
};
std::vector<SupportedOp> importable_ops();

// Reads an ONNX TensorProto file (.pb), as in ONNX test data. Throws Error.
Tensor read_tensor_proto(const std::filesystem::path& path);

// Which other files an ONNX file consists of: tensors may lie beside it (onnx.proto,
// TensorProto.external_data).

// Locations as the model has them, relative to its folder; sorted, each once; empty for a model
// that is whole. Throws Error as import_model() does for a file that is no model.
std::vector<std::string> external_data_locations(const std::filesystem::path& model);

// The other file that is read with this one where no --weights names it: of a Caffe network as text
// its weights, of weights the network. By names alone; none for files of other formats.
std::optional<std::filesystem::path> companion_file(const std::filesystem::path& model);

}  // namespace workbench
