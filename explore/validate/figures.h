// Figures of real machines, published or measured, that the models are held against: a file of rows
// (configs/validation/published.yaml), each with its source and whether a constant was chosen by
// it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "explore/report/metrics.h"
#include "explore/sweep/point.h"

namespace workbench {

struct RealFigure {
  std::string name;     // unique in its file
  std::string machine;  // as --hw has it
  std::string network;  // zoo:NAME, or a file below the folder of networks
  std::string
      program;  // of another tool, below that folder: run instead of compiling; may be empty
  std::string settings;    // parameters of sweeps, "mode=throughput engines=4"
  std::string metric;      // of metrics(), that a run has, or with `layer` a layer
  std::string layer;       // empty: of the whole run
  double value = 0;        // in the metric's unit
  std::string kernels;     // that it ran, by their names in support.h: "Conv Pointwise"
  std::string calibrates;  // the constant of configs/ that was chosen with it; empty: none
  std::string source;      // a section of docs/facts/
  int line = 0;            // in the file

  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("machine", self.machine);
    visit("network", self.network);
    visit("program", self.program);
    visit("settings", self.settings);
    visit("metric", self.metric);
    visit("layer", self.layer);
    visit("value", self.value);
    visit("kernels", self.kernels);
    visit("calibrates", self.calibrates);
    visit("source", self.source);
  }
};

// Throws Error "FILE:LINE: ..." on anything that is no such file: unknown, repeated and missing
// keys, names that repeat, metrics and parameters there are not, values that are not positive.
std::vector<RealFigure> load_figures(const std::filesystem::path& path);
std::vector<RealFigure> parse_figures(const std::string& yaml, const std::string& file);

// Its metric; nullptr: there is none of that name for runs, or for layers where it is of one.
const Metric* find_metric(const RealFigure& figure);

// The question that the model answers: `settings` parsed, the transaction tier.
Point point_of(const RealFigure& figure);

}  // namespace workbench
