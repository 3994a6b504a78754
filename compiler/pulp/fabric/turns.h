// What the fabric controller computes before the layers, between parts of them and behind them, in
// C: the program's host steps.
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
std::string node_names(const Program& program, const std::vector<std::size_t>& nodes);

struct FabricWork {
  std::vector<std::pair<std::string, std::string>> files;  // path and contents
  // By the layer run that they come before; behind the last one by their number.
  std::map<std::size_t, std::string> functions;
  // The program's L3, and behind it what the fabric controller has there: constants, tensors that
  // no layer reads or that it reads again later.
  std::int64_t l3_bytes = 0;
  std::int64_t constants_at = 0;
  std::string constants;
  // What is there before the first turn, and what is behind the last one. Codes that layers read or
  // make lie as these have them, others in the order of their elements.
  std::vector<TensorPlace> inputs, outputs;
  std::vector<std::size_t> left_out, without_c;  // nodes of the host (ends.h)
};

// `computes`: else turns are whoever watches' own, and there are no files. Throws Error naming a
// node between layers that there is no C for.
FabricWork fabric_work(const Program& program, const std::vector<LayerRun>& runs, bool computes);

}  // namespace workbench::pulp
