// What can vary between the points of a study: machine dimensions under their option names (dsp,
// memory, l1, cores, clock.cluster, ...), any machine knob by its dotted name (ddr.efficiency),
// compiler options (tiler, schedule, norm-bits), quantization (scheme, effort, calibration) and the
// zoo's (width, resolution, seed). One table; the help, the errors and the docs print it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/flow/pipeline.h"
#include "explore/sweep/point.h"

namespace workbench {

struct Parameter {
  std::string_view name;
  std::string_view family;   // "xdnn", "pulp", or empty: both
  std::string_view meaning;  // one line, with unit
  // Puts `value` into the request. Throws Error "NAME=VALUE: expected ..., found ...".
  void (*set)(CompileRequest& request, const std::string& value);
};

// Those with a name of their own; dotted machine knobs are not in it.
std::span<const Parameter> named_parameters();

// What the command line would be for the point. Throws Error: unknown parameter of the machine's
// family (nearest names suggested), a value it does not take.
CompileRequest request_of(const Point& point);

// Refuses `name` as request_of() would, before anything is computed. `machine`: as --hw has it.
void check_parameter(const std::string& name, const std::string& machine);
// The same for values, too: type and words, not what the machine could be built with.
void check_values(const std::string& name, std::span<const std::string> values,
                  const std::string& machine);

// The machine knob that a parameter sets: "cluster.cores" for "cores"; of a knob, its own name;
// else empty. Two parameters of one knob would say two things of one number.
std::string knob_of(std::string_view parameter);

// Machine knobs know no suffixes: "64k" becomes "65536".
std::string without_suffix(const std::string& value);

// The options of `workbench sweep` that compute the point alone, for a shell (commands.cpp).
std::string sweep_command(const Point& point);
// Those of `workbench run` that simulate it and report on it in full.
std::string run_command(const Point& point);

}  // namespace workbench
