#include "explore/track/attribute.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace workbench::track {

namespace {

void add_causes(const std::vector<Cause>& from, std::vector<Cause>& to) {
  for (const Cause& cause : from) {
    const bool there = std::any_of(to.begin(), to.end(), [&](const Cause& one) {
      return one.kind == cause.kind && one.text == cause.text;
    });
    if (!there) to.push_back(cause);
  }
}

void set_back(const std::string& knob, const std::string& value, std::vector<Setting>& settings) {
  std::erase_if(settings, [&](const Setting& one) { return one.name == knob; });
  settings.push_back({knob, value});
}

}  // namespace

std::optional<CaseRecord> with_old_constants(const CaseRecord& before, const CaseRecord& after) {
  const std::map<std::string, std::string> now(after.machine.begin(), after.machine.end());
  Case one = after.asked;
  bool differs = false;
  for (const auto& [knob, value] : before.machine) {
    const auto found = now.find(knob);
    // A knob that is gone, or another kind of machine: there is no setting it back.
    if (found == now.end()) return std::nullopt;
    if (found->second == value || knob == "name") continue;
    if (knob == "family") return std::nullopt;
    set_back(knob, value, one.point.settings);
    differs = true;
  }
  if (!differs) return std::nullopt;
  std::sort(one.point.settings.begin(), one.point.settings.end());
  try {
    CaseRecord control = record_case(one, false);
    if (control.figures.empty()) return std::nullopt;
    return control;
  } catch (const Error&) {  // an option of today's does not go together with yesterday's constants
    return std::nullopt;
  }
}

void attribute(const CaseRecord& before, const CaseRecord& after, const CaseRecord& control,
               CaseChange& change) {
  change.machine_cycles = static_cast<std::int64_t>(after.figures.at("cycles")) -
                          static_cast<std::int64_t>(control.figures.at("cycles"));
  CaseRecord compared = control;
  // It was asked another question on purpose, and not compared with golden. The machine's name is
  // no constant; nothing else of them differs.
  compared.asked = before.asked;
  compared.verdict = before.verdict;
  compared.machine = before.machine;
  const CaseChange rest = compare(before, compared);
  add_causes(rest.causes, change.causes);
  for (LayerChange& layer : change.layers) {
    for (const LayerChange& other : rest.layers) {
      if (other.name == layer.name) add_causes(other.causes, layer.causes);
    }
  }
}

}  // namespace workbench::track
