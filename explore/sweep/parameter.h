// What can vary between the points of a study: the options of a request that have one value (dsp,
// memory, l1, cores, tiler, scheme, calibration, width, ...), each clock (clock.cluster), and any
// machine knob by its dotted name (ddr.efficiency). Made from the list of options (options.h); the
// help, the errors and the docs print it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/options.h"
#include "explore/sweep/point.h"

namespace workbench {

struct Parameter {
  std::string name;
  Stage stage;
  std::string_view family;   // "xdnn", "pulp", or empty: both
  std::string_view meaning;  // one line, with unit
  std::string without;       // what is without it; empty: as the machine's file says
  std::string knob;          // of the machine, that it sets; empty: none
  bool is_list = false;      // of names, with + between them
};

// Those with a name of their own; dotted machine knobs are not in it.
const std::vector<Parameter>& named_parameters();
Stage stage_of(std::string_view parameter);  // knobs are the machine's

// The equivalent command line of the point. Throws Error: unknown parameter of the machine's
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

// The command of `workbench sweep` that computes the point alone, for a shell.
std::string sweep_command(const Point& point);
// That of `workbench run` that simulates it and reports on it in full, and its options that stand
// for the point's settings. Throws Error as request_of() does.
std::string run_command(const Point& point);
std::vector<std::string> run_options(const Point& point);

}  // namespace workbench
