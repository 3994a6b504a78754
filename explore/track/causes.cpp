#include "explore/track/causes.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace workbench::track {

namespace {

constexpr std::size_t kNamed = 5;  // of many changes of one kind, those that are spelt out

std::string listed(const std::vector<std::string>& items) {
  const std::size_t shown = std::min(items.size(), kNamed);
  std::string text = fmt::format(
      "{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (items.size() > shown) text += fmt::format(" and {} more", items.size() - shown);
  return text;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// "NAME OLD -> NEW" of every name whose value differs.
std::vector<std::string> changed_values(const Pairs& before, const Pairs& after) {
  const std::map<std::string, std::string> old(before.begin(), before.end());
  const std::map<std::string, std::string> now(after.begin(), after.end());
  std::vector<std::string> changes;
  for (const auto& [name, value] : after) {
    const auto was = old.find(name);
    if (was == old.end()) {
      changes.push_back(fmt::format("{} (none) -> {}", name, value));
    } else if (was->second != value) {
      changes.push_back(fmt::format("{} {} -> {}", name, was->second, value));
    }
  }
  for (const auto& [name, value] : before) {
    if (!now.contains(name)) changes.push_back(fmt::format("{} {} -> (none)", name, value));
  }
  return changes;
}

// The question itself. Paths are left out: they are where a checkout happens to lie.
Pairs asked_values(const CaseRecord& record) {
  const Point& point = record.asked.point;
  const auto last_name = [](const std::string& path) {
    return path.substr(path.find_last_of('/') + 1);
  };
  Pairs values{{"network", last_name(point.network)},
               {"machine", last_name(point.machine)},
               {"tier", std::string(to_string(point.tier))}};
  for (const Setting& setting : point.settings) values.emplace_back(setting.name, setting.value);
  return values;
}

void add_if(std::vector<Cause>& causes, bool differs, Cause::Kind kind, std::string_view text) {
  if (!differs) return;
  Cause cause;
  cause.kind = kind;
  cause.text = text;
  causes.push_back(std::move(cause));
}

// "" when the layers that both have begin in the same order.
std::string order_change(const LayerPairs& pairs, const CaseRecord& before) {
  std::vector<const LayerRecord*> old_order;
  for (const LayerRecord& layer : before.layers) {
    const bool stays = std::any_of(pairs.both.begin(), pairs.both.end(),
                                   [&](const auto& pair) { return pair.first == &layer; });
    if (stays) old_order.push_back(&layer);
  }
  for (std::size_t i = 0; i < old_order.size(); ++i) {
    if (old_order[i] == pairs.both[i].first) continue;
    return fmt::format("layer {} was {}, is {}", i + 1, old_order[i]->name,
                       pairs.both[i].second->name);
  }
  return "";
}

// "3 layers: conv1, conv2, fc", those in which `member` differs; "" for none.
std::string layers_changed(const LayerPairs& pairs, std::string LayerRecord::*member) {
  std::vector<std::string> names;
  for (const auto& [was, is] : pairs.both) {
    if (was->*member != is->*member) names.push_back(is->name);
  }
  if (names.empty()) return "";
  return fmt::format("{} layer{}: {}", names.size(), names.size() == 1 ? "" : "s", listed(names));
}

void add_layer_lists(const LayerPairs& pairs, const CaseRecord& before,
                     std::vector<Cause>& causes) {
  const std::string order = order_change(pairs, before);
  add_if(causes, !order.empty(), Cause::Kind::Schedule, order);
  const std::string tiles = layers_changed(pairs, &LayerRecord::tiles);
  add_if(causes, !tiles.empty(), Cause::Kind::Tiles, tiles);
}

std::string instruction_change(const LayerPairs& pairs) {
  std::vector<std::string> parts;
  if (std::string code = layers_changed(pairs, &LayerRecord::code); !code.empty()) {
    parts.push_back("instructions of " + std::move(code));
  }
  const auto names = [](const std::vector<const LayerRecord*>& layers) {
    std::vector<std::string> list;
    for (const LayerRecord* layer : layers) list.push_back(layer->name);
    return listed(list);
  };
  if (!pairs.added.empty()) parts.push_back("new layers: " + names(pairs.added));
  if (!pairs.gone.empty()) parts.push_back("layers gone: " + names(pairs.gone));
  return fmt::format("{}", fmt::join(parts, "; "));
}

void add_program(const LayerPairs& pairs, const Fingerprints& was, const Fingerprints& is,
                 std::vector<Cause>& causes) {
  const std::string text = instruction_change(pairs);
  const bool other_constants = text.empty() && was.constants != is.constants;
  add_if(causes, !text.empty(), Cause::Kind::Program, text);
  add_if(causes, other_constants, Cause::Kind::Constants,
         "filters or parameters, not the instructions");
  add_if(causes, text.empty() && !other_constants && was.program != is.program,
         Cause::Kind::Program, "the file's bytes, not the instructions");
}

}  // namespace

std::string_view to_string(Cause::Kind kind) {
  switch (kind) {
    case Cause::Kind::Asked:
      return "another question";
    case Cause::Kind::Machine:
      return "machine constants";
    case Cause::Kind::Network:
      return "network";
    case Cause::Kind::Weights:
      return "weights";
    case Cause::Kind::Passes:
      return "passes";
    case Cause::Kind::Quantization:
      return "quantization";
    case Cause::Kind::Schedule:
      return "schedule";
    case Cause::Kind::Tiles:
      return "tiles";
    case Cause::Kind::Program:
      return "program bytes";
    case Cause::Kind::Constants:
      return "program constants";
    case Cause::Kind::Technology:
      return "technology";
    case Cause::Kind::OtherLayers:
      return "other layers";
    case Cause::Kind::Simulator:
      return "simulator's model";
    case Cause::Kind::Formulas:
      return "formulas";
  }
  CHECK(false, "cause {}", static_cast<int>(kind));
}

LayerPairs pair_layers(const CaseRecord& before, const CaseRecord& after) {
  std::map<std::string, std::vector<const LayerRecord*>> old;
  for (auto layer = before.layers.rbegin(); layer != before.layers.rend(); ++layer) {
    old[layer->name].push_back(&*layer);
  }
  LayerPairs pairs;
  for (const LayerRecord& layer : after.layers) {
    std::vector<const LayerRecord*>& candidates = old[layer.name];
    if (candidates.empty()) {
      pairs.added.push_back(&layer);
    } else {
      pairs.both.emplace_back(candidates.back(), &layer);
      candidates.pop_back();
    }
  }
  for (const LayerRecord& layer : before.layers) {
    const auto& left = old[layer.name];
    if (std::find(left.begin(), left.end(), &layer) != left.end()) pairs.gone.push_back(&layer);
  }
  return pairs;
}

std::vector<Cause> differences(const CaseRecord& before, const CaseRecord& after) {
  std::vector<Cause> causes;
  const std::vector<std::string> asked = changed_values(asked_values(before), asked_values(after));
  add_if(causes, !asked.empty(), Cause::Kind::Asked, listed(asked));
  const std::vector<std::string> knobs = changed_values(before.machine, after.machine);
  add_if(causes, !knobs.empty(), Cause::Kind::Machine, listed(knobs));

  const Fingerprints& was = before.fingerprints;
  const Fingerprints& is = after.fingerprints;
  const bool other_network = was.network != is.network, other_weights = was.weights != is.weights;
  const bool other_passes = was.passes != is.passes;
  add_if(causes, other_network, Cause::Kind::Network, "nodes or shapes, as imported");
  add_if(causes, other_weights && !other_network, Cause::Kind::Weights, "constants, as imported");
  add_if(causes, other_passes && !other_network, Cause::Kind::Passes,
         "nodes or shapes after the passes; the network is the same");
  add_if(causes, was.quantization != is.quantization && !other_network && !other_passes,
         Cause::Kind::Quantization,
         other_weights ? "codes or scales" : "codes or scales; the weights are the same");
  const LayerPairs pairs = pair_layers(before, after);
  add_layer_lists(pairs, before, causes);
  add_program(pairs, was, is, causes);
  add_if(causes, was.technology != is.technology, Cause::Kind::Technology,
         "numbers that energy and area are estimated with");
  return causes;
}

Cause remaining_cause(bool times_moved) {
  std::vector<Cause> causes;
  add_if(causes, times_moved, Cause::Kind::Simulator, "machine constants and program are the same");
  add_if(causes, !times_moved, Cause::Kind::Formulas,
         "of these figures; times, constants and program are the same");
  return causes.front();
}

std::vector<Cause> layer_causes(const LayerRecord& before, const LayerRecord& after,
                                const std::vector<Cause>& case_causes, bool same_code) {
  std::vector<Cause> causes;
  for (const Cause& cause : case_causes) {
    if (cause.kind == Cause::Kind::Machine) causes.push_back(cause);
  }
  add_if(causes, before.op != after.op, Cause::Kind::Passes,
         fmt::format("{} -> {}", before.op, after.op));
  add_if(causes, before.shape != after.shape, Cause::Kind::Network,
         fmt::format("{} -> {}", before.shape, after.shape));
  const bool other_tiles = before.tiles != after.tiles, other_code = before.code != after.code;
  const auto whole = [](const std::string& tiles) { return tiles.empty() ? "whole" : tiles; };
  add_if(causes, other_tiles, Cause::Kind::Tiles,
         fmt::format("{} -> {}", whole(before.tiles), whole(after.tiles)));
  add_if(causes, other_code && !other_tiles, Cause::Kind::Program,
         before.instructions == after.instructions
             ? fmt::format("fields of its {} instructions", after.instructions)
             : fmt::format("{} -> {} instructions", before.instructions, after.instructions));
  for (const Cause& cause : case_causes) {
    if (cause.kind == Cause::Kind::Schedule) causes.push_back(cause);
  }
  add_if(causes, causes.empty() && !same_code, Cause::Kind::OtherLayers,
         "its own instructions are the same");
  if (causes.empty()) causes.push_back(remaining_cause(true));
  return causes;
}

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
