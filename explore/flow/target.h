// What differs between the families of hardware on the way from a network to a result, as functions
// bound to one machine. The stages (pipeline.h, quantization.h) are the same for all.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"
#include "explore/flow/request.h"
#include "explore/flow/signal_to_noise.h"
#include "isa/bounds.h"
#include "isa/timeline.h"
#include "isa/xdnn/listing.h"

namespace workbench {

// The network as its file or its builder has it, before any pass.
struct Imported {
  Graph graph;
  std::int64_t macs = 0, ops = 0, parameters = 0;
  std::optional<xdnn::Listing> listing;  // the third-party program to run instead of compiling
  std::vector<std::string> notes;        // what was chosen for the user, one line each
  double seconds = 0;
  std::vector<std::string> warnings;
};
// With its sums. A network of a fixed batch becomes that of one image, unless its images meet.
Imported imported(Graph graph, std::vector<std::string> notes = {});

struct LoadedProgram {
  Program program;
  std::vector<std::string> remarks;
};

struct SimulateOptions {
  bool values = true;   // false: timing without data, of families that can
  bool collect = true;  // keep every tensor that can be read from the modelled memories
};

struct Simulated {
  std::vector<Tensor> outputs;
  NamedTensors tensors;
  Timeline timeline;
  std::vector<Hazard> hazards;
  std::vector<EngineReport> engines;
  std::vector<Cycles> counters;  // PULP: per layer, what DORY's counter measures
  std::vector<std::string> warnings;
  double seconds = 0;
};

// Why nodes that the machine could run are the host's all the same, by name.
using LeftToHost = std::map<std::string, std::string>;

struct Target {
  std::optional<Machine> machine;  // none: no hardware, and no function but `quantize`
  // Its name is the target's; codes, scales and integer arithmetic are asked of it.
  QuantizeTarget quantize;
  bool takes_tables = false;            // quantizer JSON
  int published_bits = 8;               // of the activations of the published scheme
  bool takes_integer_networks = false;  // as NEMO, Quantlab and Deeploy export them

  // The same target, but for these nodes. Of targets with a machine.
  std::function<Target(const LeftToHost&)> leaving;
  std::function<Imported(const CompileRequest&)> import;
  // Rewrites that bring the network within the machine's limits, after the passes; true if anything
  // changed. Empty: the family has none.
  std::function<bool(Graph& passed, const PassSwitches&)> fit;
  // Integers as the family's own tools make them, of `quantize.prepare`d floats. `table`, which
  // decides before thresholds: of families that take tables.
  std::function<Graph(const Graph& prepared, const Thresholds&, const QuantizerTable* table)>
      published;
  // Without `constants` the program is good for timing alone (of PULP it has them all the same).
  // `progress` is told how a long search stands (--effort best).
  std::function<LoadedProgram(const Graph& integers, const CompileRequest&, bool constants,
                              const Progress& progress)>
      compile;
  // The program of `request.program`. Throws Error when it was not made from `integers`.
  std::function<LoadedProgram(const CompileRequest&, const Imported&, const Graph& integers)> load;
  std::function<Simulated(const Program&, std::span<const Tensor> input, const SimulateOptions&)>
      simulate;
  // What the machine cannot do faster of a program's work.
  std::function<Bounds(const Program&)> bounds;
};

Target target_for(const Machine& machine);
Target target_for(const std::optional<Machine>& machine);  // none: no hardware

}  // namespace workbench
