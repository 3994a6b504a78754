// Where an application begins and ends: which of the host's nodes it computes, what it is given and
// what it gives. Nodes between layers are computed, all of them. Before the first layer and behind
// the last one are left out: what only makes codes of an input, or numbers of a layer's codes,
// where the codes lie in the order of the tensor; and nodes that there is no C for, with those
// before them or behind them.
#pragma once

#include <string>
#include <vector>

#include "compiler/pulp/fabric/values.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

struct Output {
  ValueId named = kNoValue;  // an output of the network, or what a node that is left out reads
  ValueId codes = kNoValue;  // the codes of a layer that it is given as; kNoValue: as itself
};

struct Ends {
  std::vector<std::size_t> left_out;   // nodes
  std::vector<std::size_t> without_c;  // those of them that are the reason
  std::vector<Output> outputs;
};

// `computes`: false where nothing but nodes between layers is wanted.
Ends ends_of(const HostValues& host, const Program& program, bool computes);

// Why there is no C for a node: "the application has no C for it", or of what kind of it.
std::string obstacle_to_c(const HostValues& host, const Node& node);

}  // namespace workbench::pulp
