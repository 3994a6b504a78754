// Graph <-> protobuf: the host's part of a program travels with it.
#pragma once

#include "core/graph.h"
#include "program.pb.h"

namespace workbench {

void encode(const Graph& graph, file::Graph& message);
// Throws Error "NAME: ..." on anything that is no graph (ids out of range, unknown op, sizes that
// do not agree).
Graph decode(const file::Graph& message, const std::string& name);

}  // namespace workbench
