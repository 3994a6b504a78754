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
  Cycles bound;
  Cycles taken;  // of a layer those that are counted as its own: no cycle is counted twice
  // From where its engines begin to where they end, beside whatever others: but for dispatch, never
  // below the bound.
  Cycles busy;
  std::string held_by;  // causes of the rest, the largest first; empty: none
  // Of the bound, as a fraction; 0 where there is no bound, and of a layer that is done while
  // others are.
  double gap() const;
  bool beside_others = false;  // counted for less than the bound: others hide the rest
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
