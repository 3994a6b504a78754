// Integer graph -> PULP program: layers, tiles, L2 placement over the network's life, instructions.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/layer.h"
#include "core/graph.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

enum class Tiler { Optimal, Dory };

struct CompileOptions {
  bool allow_host = true;  // false: host steps other than the classifier tail are an Error
  Tiler tiler = Tiler::Optimal;
  NormBits norm_bits = NormBits::Auto;
  // Why nodes that the cluster could run are the host's all the same, by name.
  std::map<std::string, std::string> left_to_host = {};
  Choices choices = {};
};

// `quantized`: integer nodes carry `affine`. Throws Error naming the layer when something does not
// fit the machine or cannot be expressed exactly.
Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options = {});
// The same; `remark` takes a line for each search that stopped at its limit (search_steps.h).
Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark);

}  // namespace workbench::pulp
