// What a program takes beside what the machine cannot do faster (isa/bounds.h): per layer and in
// all the bound, the resource it comes from, and what holds the rest.
#pragma once

#include <string>
#include <vector>

#include "explore/report/report.h"
#include "isa/bounds.h"

namespace workbench {

struct ExplainedBound {
  std::string name;           // of the layer; of the network for the whole
  std::string resource;       // with the largest of the least times
  std::vector<Cycles> least;  // per resource
  Cycles bound, taken;        // `taken` of a layer may be less: what others hide it behind
  std::string held_by;        // causes of the rest, the largest first; empty: none
  double gap() const;         // of the bound, as a fraction; 0 where there is no bound
};

struct BoundReport {
  std::vector<std::string> resources;
  ExplainedBound total;
  std::vector<ExplainedBound> layers;
};

// `bounds` has one entry for each layer of the report (CHECKed).
BoundReport explain(const Bounds& bounds, const Report& report);

std::string bound_text(const BoundReport& bounds);

}  // namespace workbench
