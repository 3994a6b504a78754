// What the models say today of figures of real machines (figures.h), and how far they are off.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "explore/flow/request.h"
#include "explore/validate/figures.h"

namespace workbench {

struct HeldFigure {
  RealFigure figure;
  std::string unit;                // of the metric
  std::optional<double> modelled;  // none: `reason` says why
  std::string reason;
  // (modelled - value) / value; only where there is one.
  double error() const { return (*modelled - figure.value) / figure.value; }
};

struct Validation {
  std::vector<HeldFigure> figures;  // in the file's order
};

// Simulates every network of a figure, timing alone. `networks`: the folder that files are below;
// where it is empty or has no such file the figure has no model and says what is missing. Throws
// Error for a machine or a parameter there is not.
Validation validate(const std::vector<RealFigure>& figures, const std::filesystem::path& networks,
                    const Progress& progress = {});

// Per machine how far figures are off that calibrated a constant, and the others.
struct ValidationSummary {
  std::string machine;
  bool calibrating = false;
  std::int64_t figures = 0;  // with a model
  double mean_error = 0;     // of |error|
  const HeldFigure* worst = nullptr;
};
// In the order in which machines appear, others than those that calibrated first. The pointers are
// into `validation`.
std::vector<ValidationSummary> summaries(const Validation& validation);

std::string to_text(const Validation& validation);
std::string validation_json(const Validation& validation);

}  // namespace workbench
