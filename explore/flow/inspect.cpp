#include "explore/flow/inspect.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "explore/flow/inputs.h"
#include "explore/flow/pipeline.h"
#include "explore/report/text.h"

namespace workbench {

namespace {

std::vector<std::pair<std::string, Shape>> named_shapes(const Graph& graph,
                                                        const std::vector<ValueId>& ids) {
  std::vector<std::pair<std::string, Shape>> list;
  for (const ValueId id : ids) list.emplace_back(graph.value(id).name, graph.value(id).shape);
  return list;
}

Inspection::Network network_of(const Imported& imported) {
  return {.inputs = named_shapes(imported.graph, imported.graph.inputs),
          .outputs = named_shapes(imported.graph, imported.graph.outputs),
          .nodes = static_cast<std::int64_t>(imported.graph.nodes.size()),
          .macs = imported.macs,
          .parameters = imported.parameters};
}

// Nodes of the imported network by where the program has them. A node that no layer and no host
// step has was folded into another, or away.
Inspection::Placement placement_of(const Graph& graph, const ProgramInfo& info,
                                   const Machine& machine) {
  std::set<std::string> engine, host;
  Inspection::Placement placement{.machine = name(machine)};
  for (const LayerInfo& layer : info.layers) {
    engine.insert(layer.name);
    engine.insert(layer.merged.begin(), layer.merged.end());
    placement.engine_macs += layer.macs;
  }
  placement.macs = placement.engine_macs;
  placement.host_steps = static_cast<std::int64_t>(info.host_steps.size());
  std::map<std::string, std::int64_t> reasons;
  for (const HostStepInfo& step : info.host_steps) {
    for (const HostNodeInfo& node : step.nodes) {
      host.insert(node.name);
      ++reasons[node.reason];
    }
    placement.macs += step.macs;
  }
  std::map<std::string, Inspection::Placement::Row> rows;
  for (const Node& node : graph.nodes) {
    Inspection::Placement::Row& row = rows[op_name(node.op)];
    if (host.contains(node.name)) {
      ++row.host;
    } else if (engine.contains(node.name)) {
      ++row.engine;
    } else {
      ++row.folded;
    }
  }
  for (auto& [op, row] : rows) {
    row.op = op;
    placement.rows.push_back(row);
  }
  std::ranges::stable_sort(placement.rows, std::greater(),
                           [](const auto& row) { return row.engine + row.host + row.folded; });
  placement.reasons.assign(reasons.begin(), reasons.end());
  std::ranges::stable_sort(placement.reasons, std::greater(),
                           &std::pair<std::string, std::int64_t>::second);
  return placement;
}

void place(const CompileRequest& request, Inspection& inspection) {
  const std::optional<Machine> machine = machine_of(request);
  try {
    const Target target = target_for(machine);
    const Imported imported = target.import(request);
    inspection.network = network_of(imported);
    if (!machine) return;
    const Quantized quantized = quantize_network(imported, target, request);
    const Compiled compiled = compile_network(imported, quantized, target, request);
    inspection.placement = placement_of(imported.graph, compiled.info(), compiled.machine);
    inspection.warnings = compiled.warnings;
  } catch (const Error& error) {  // what the user wants to know, not a failure of inspect
    if (is_zoo(request.model) && !inspection.network) throw;  // a name that does not exist
    inspection.obstacle = error.what();
  }
}

std::string list(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string text(const char* what, const std::vector<ModelFacts::Value>& values) {
  std::string lines;
  for (const ModelFacts::Value& value : values) {
    lines += fmt::format("{:<13} {} {} {}\n", what, value.name, value.type, value.shape);
  }
  return lines;
}

std::string text(const ModelFacts& facts) {
  std::string lines = fmt::format("{:<13} {}", "format", facts.format);
  if (!facts.versions.empty()) lines += ", " + list(facts.versions);
  if (!facts.producer.empty()) lines += fmt::format(", by {}", facts.producer);
  lines += "\n" + text("input", facts.inputs) + text("output", facts.outputs);
  std::vector<std::string> operators;
  for (const auto& [name, nodes] : facts.operators) {
    operators.push_back(fmt::format("{} {}", nodes, name));
  }
  if (!operators.empty()) lines += fmt::format("{:<13} {}\n", "operators", list(operators));
  for (const std::string& note : facts.notes) lines += fmt::format("{:<13} {}\n", "note", note);
  return lines;
}

std::string text(const Inspection::Network& network) {
  std::string lines =
      fmt::format("{:<13} {} nodes, {} MACs, {} parameters\n", "imported", thousands(network.nodes),
                  thousands(network.macs), thousands(network.parameters));
  for (const auto& [name, shape] : network.inputs) {
    lines += fmt::format("{:<13} {} = {}\n", "  input", name, to_string(shape));
  }
  for (const auto& [name, shape] : network.outputs) {
    lines += fmt::format("{:<13} {} = {}\n", "  output", name, to_string(shape));
  }
  return lines;
}

std::string text(const Inspection::Placement& placement) {
  const auto count = [](std::int64_t nodes) { return nodes == 0 ? "" : thousands(nodes); };
  Table table{.columns = {{"operator", false}, {"engine"}, {"host"}, {"folded"}}};
  for (const auto& row : placement.rows) {
    table.rows.push_back({row.op, count(row.engine), count(row.host), count(row.folded)});
  }
  std::string result = fmt::format("\non {}\n", placement.machine);
  for (const std::string& line : lines(table)) result += line + "\n";
  const double share = placement.macs == 0 ? 0
                                           : 100.0 * static_cast<double>(placement.engine_macs) /
                                                 static_cast<double>(placement.macs);
  result += fmt::format("{:.1f} % of the MACs on the accelerator\n", share);
  if (placement.host_steps > 0) {
    result += fmt::format("{:<13} {} step{}\n", "on the host", placement.host_steps,
                          placement.host_steps == 1 ? "" : "s");
  }
  for (const auto& [reason, nodes] : placement.reasons) {
    result += fmt::format("{:<13} {} node{}: {}\n", "", nodes, nodes == 1 ? "" : "s", reason);
  }
  return result;
}

}  // namespace

Inspection inspect(const CompileRequest& request) {
  Inspection inspection;
  if (!is_zoo(request.model)) {
    inspection.facts = describe_model(request.model.name, request.model.import);
  }
  place(request, inspection);
  return inspection;
}

std::string to_text(const Inspection& inspection) {
  std::string result = inspection.facts.format.empty() ? "" : text(inspection.facts);
  if (inspection.network) result += text(*inspection.network);
  if (inspection.placement) result += text(*inspection.placement);
  if (!inspection.obstacle.empty()) {
    result += fmt::format("{:<13} {}\n", "obstacle", inspection.obstacle);
  }
  return result;
}

}  // namespace workbench
