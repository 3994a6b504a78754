// Bytes to GraphDef: a frozen graph, or the graph inside a SavedModel.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/import/tensorflow/graph_def.pb.h"

namespace workbench::importer::tensorflow {

// Whether the bytes begin as a GraphDef or a SavedModel does. Neither has a magic number: the
// first node, or the first graph, is looked into. Reads no further than that.
bool recognises(std::string_view bytes);

struct GraphFile {
  wire::GraphDef graph;
  bool saved_model = false;
  // Tensors that the serving signature of a SavedModel names, in order of their keys.
  std::vector<std::string> inputs, outputs;
};

// Throws Error without the file's name.
GraphFile parse(std::string_view bytes);

}  // namespace workbench::importer::tensorflow
