#include "explore/validate/support.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "explore/flow/knobs.h"
#include "explore/sweep/parameter.h"
#include "isa/pulp/kernels.h"

namespace workbench {

namespace {

void add_kernels(const xdnn::Program& program, const xdnn::Machine& machine,
                 std::set<std::string>& kernels) {
  if (machine.array.bits == 16) kernels.insert("16 bits");
  for (const xdnn::Step& step : program.steps) {
    kernels.emplace(opcode(step.instruction));
    const xdnn::Tail& tail = xdnn::tail(step.instruction);
    if (tail.source_in_ddr) kernels.insert("tiles from DDR");
    if (tail.destination_in_ddr) kernels.insert("results to DDR");
    if (tail.half_rate) kernels.insert("half rate");
    if (!machine.width_aligned() && tail.slice == 0) kernels.insert("slice 0");
  }
}

void add_kernels(const pulp::Program& program, const pulp::Machine& machine,
                 std::set<std::string>& kernels) {
  if (machine.icache.ideal == 0) kernels.insert("first use of code");
  for (const pulp::Instruction& instruction : program.instructions) {
    const auto* kernel = std::get_if<pulp::Kernel>(&instruction);
    if (kernel == nullptr) continue;
    const pulp::KernelTraits& row = pulp::traits(kernel->kind);
    const std::string_view how = row.mac_load ? " with mac-load"
                                 : row.packed ? " of packed codes"
                                              : "";
    kernels.insert(std::string(to_string(row.family)) + std::string(how));
  }
}

bool overlap(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::ranges::any_of(a, [&](const std::string& one) { return b.contains(one); });
}

// Knobs in which the machine differs from the shipped one of its name, without those of `varied`.
std::vector<std::string> changed_knobs(const Machine& machine,
                                       const std::set<std::string>& varied) {
  const Knobs now = knobs_of(machine);
  const Knobs shipped = knobs_of(load_machine(find_machine_file(name(machine)), {}));
  std::vector<std::string> changed;
  for (const auto& knob : now) {
    const bool same = std::ranges::find(shipped, knob) != shipped.end();
    if (!same && !varied.contains(knob.first)) changed.push_back(knob.first);
  }
  return changed;
}

}  // namespace

std::set<std::string> kernels_of(const Program& program, const Machine& machine) {
  std::set<std::string> kernels;
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    add_kernels(std::get<xdnn::Program>(program), *xdnn, kernels);
  } else {
    add_kernels(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine), kernels);
  }
  return kernels;
}

std::set<std::string> kernels_of(const RealFigure& figure) {
  std::set<std::string> kernels;
  std::istringstream list(figure.kernels);
  for (std::string one; std::getline(list >> std::ws, one, ',');) kernels.insert(one);
  return kernels;
}

Support support_of(const Program& program, const Machine& machine,
                   const std::vector<RealFigure>& figures) {
  std::set<std::string> never = kernels_of(program, machine), varied;
  const std::set<std::string> runs = never;
  Support support{.machine = name(machine)};
  for (const RealFigure& figure : figures) {
    const std::set<std::string> kernels = kernels_of(figure);
    if (figure.machine != support.machine || !overlap(kernels, runs)) continue;
    for (const std::string& one : kernels) never.erase(one);
    for (const Setting& setting : point_of(figure).settings) varied.insert(knob_of(setting.name));
    support.figures.push_back({.name = figure.name,
                               .metric = figure.metric,
                               .source = figure.source,
                               .calibrates = figure.calibrates,
                               .value = figure.value});
  }
  support.never_measured.assign(never.begin(), never.end());
  if (!support.figures.empty()) support.changed = changed_knobs(machine, varied);
  return support;
}

Support support_of(const Compiled& compiled) {
  return support_of(compiled.program, compiled.machine,
                    load_figures(find_config_file("validation/published.yaml")));
}

}  // namespace workbench
