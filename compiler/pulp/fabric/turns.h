// What the fabric controller computes between parts of the layers, in C: the program's host steps
// that are neither before its first layer nor behind its last one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "isa/pulp/layer_runs.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

// "'act_1' (Sigmoid), 'mul_1' (Mul)".
std::string node_names(const Program& program, const HostStep& step);

struct FabricWork {
  std::vector<std::pair<std::string, std::string>> files;  // path and contents
  std::map<std::size_t, std::string> functions;            // by the layer run that they come before
  // The program's L3, and behind it what the fabric controller has there: constants, tensors that
  // no layer reads or that it reads again later.
  std::int64_t l3_bytes = 0;
  std::int64_t constants_at = 0;
  std::string constants;
  std::vector<TensorPlace> inputs;  // made before the first layer, read between others
};

// Nothing but the program's L3 where there is no such step. Throws Error naming a node that there
// is no C for.
FabricWork fabric_work(const Program& program, const std::vector<LayerRun>& runs);

}  // namespace workbench::pulp
