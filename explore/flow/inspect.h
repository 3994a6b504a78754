// workbench inspect: what a model file is, what it needs, and where each of its operators would run
// on a machine, without running it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/describe.h"
#include "explore/flow/request.h"

namespace workbench {

struct Inspection {
  ModelFacts facts;
  // Of the network as imported; none: `obstacle` says why it cannot be.
  struct Network {
    std::vector<std::pair<std::string, Shape>> inputs, outputs;
    std::int64_t nodes = 0, macs = 0, parameters = 0;
  };
  std::optional<Network> network;
  // Of the machine that the request names; none: it names none, or `obstacle` says why not.
  struct Placement {
    struct Row {
      std::string op;                                 // of the imported graph: "Conv", "Relu"
      std::int64_t engine = 0, host = 0, folded = 0;  // nodes
    };
    std::string machine;
    std::vector<Row> rows;                                      // most nodes first
    std::vector<std::pair<std::string, std::int64_t>> reasons;  // why on the host, nodes
    std::int64_t engine_macs = 0, macs = 0, host_steps = 0;
  };
  std::optional<Placement> placement;
  std::vector<std::string> warnings;
  std::string obstacle;  // what stands in the way, one line; empty: nothing
};

// Throws Error for what is no model at all, and for a machine that cannot be read.
Inspection inspect(const CompileRequest& request);

std::string to_text(const Inspection& inspection);

}  // namespace workbench
