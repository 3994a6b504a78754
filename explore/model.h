// The network a command line names: an ONNX file, or zoo:NAME[?width=0.5&resolution=128&seed=2].
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "compiler/import/import.h"
#include "core/graph.h"
#include "workloads/workloads.h"

namespace workbench {

struct ModelSource {
  std::string name;             // path or zoo:NAME
  ImportOptions import;         // ONNX only
  std::optional<double> width;  // zoo only, as are the next two; override what the name says
  std::optional<std::int64_t> resolution;
  std::optional<std::uint64_t> seed;
};

// "NAME=1,3,224,224". Throws Error.
std::pair<std::string, Shape> parse_input_shape(std::string_view text);

bool is_zoo(const ModelSource& source);

// Throws Error: an unknown network or option, an option of the other kind, whatever import says.
Graph load_model(const ModelSource& source);

}  // namespace workbench
