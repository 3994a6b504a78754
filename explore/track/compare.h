// Two baselines beside each other: which figures moved, in which layers, and why. The cause is read
// from the fingerprints: the machine's constants, the network, passes and quantization, the order
// of layers, tiles, instructions; when all are the same, the simulator's model of them changed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "explore/track/baseline.h"

namespace workbench::track {

struct Cause {
  enum class Kind {
    Asked,         // another network, machine or setting is asked for under the case's name
    Machine,       // constants: which, old -> new
    Network,       // nodes or shapes, as imported
    Weights,       // its constants
    Passes,        // nodes or shapes, as compiled
    Quantization,  // codes or scales
    Schedule,      // order of the layers
    Tiles,
    Program,      // instructions
    Constants,    // filters and the like in the program, nothing else of it
    Technology,   // numbers that energy and area are estimated with
    OtherLayers,  // the layer's own instructions are the same, others' are not
    Simulator,    // all of the above are the same, times are not
    Formulas      // times are the same, too
  };
  Kind kind = Kind::Simulator;
  std::string text;  // one line: what changed, old -> new
};
std::string_view to_string(Cause::Kind kind);  // "machine constants", "simulator's model", ...

struct FigureChange {
  std::string name, unit;
  double before = 0, after = 0;
  Better better = Better::Lower;
  bool gates = false;
  // By how much it got worse, in percent of `before`; negative: better. Infinite from 0. 0 for a
  // figure that is neither.
  double worse_percent() const;
};

struct StepChange {
  Step step = Step::Ideal;
  std::int64_t cycles = 0;  // after - before
};

struct LayerChange {
  std::string name;
  bool added = false, gone = false;  // cycles before or after are 0 then
  std::int64_t before = 0, after = 0;
  bool cluster = false;           // of cores: its steps have labels of their own (report.h)
  std::vector<StepChange> steps;  // where the difference lies, most first
  std::vector<Cause> causes;
  double worse_percent() const;
};

struct CaseChange {
  enum class Kind {
    Same,
    Other,   // figures as before; fingerprints or verdict differ
    Better,  // figures differ, no gating one is worse
    Worse,   // within the threshold or not: failed() says
    Broken,  // it is not bit-exact, its program has hazards, or it cannot be compiled any more
    Gone,    // in the baseline, not in the suite
  };
  std::string name;
  int line = 0;  // in the suite; 0: not known
  Kind kind = Kind::Same;
  std::string verdict_before, verdict_after;  // when they differ
  std::vector<FigureChange> figures;          // those that differ
  std::vector<LayerChange> layers;            // whose cycles differ, largest difference first
  std::vector<Cause> causes;                  // of the case as a whole
  // Of the difference in cycles, what the machine's constants make; none: not told apart
  // (causes.h).
  std::optional<std::int64_t> machine_cycles;
};
std::string_view to_string(CaseChange::Kind kind);  // "same", "worse", ...

struct Comparison {
  std::string name;
  std::string before_revision, after_revision, before_date;
  std::vector<CaseChange> cases;  // in the order of `after`, those that are gone last
};

CaseChange compare(const CaseRecord& before, const CaseRecord& after);
// Throws Error when `before` lacks a case of `after`; `where`: of the baseline, for the message.
Comparison compare(const Baseline& before, const Baseline& after, const std::string& where);

struct Gate {
  double threshold_percent = 0;  // of a gating figure's worsening that is let pass
  bool per_layer = false;        // cycles of each layer gate, too
  bool strict = false;           // any figure that differs fails, better ones as well
};
// Why the case fails: empty when it does not.
std::string failure(const CaseChange& change, const Gate& gate);
bool failed(const Comparison& comparison, const Gate& gate);

}  // namespace workbench::track
