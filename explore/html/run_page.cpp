#include "explore/html/run_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "explore/energy/energy.h"
#include "explore/html/page.h"
#include "explore/html/run_timeline.h"
#include "explore/report/export.h"
#include "explore/report/graph_drawing.h"
#include "explore/report/isa_reference.h"
#include "explore/report/metrics.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/machine.h"

namespace workbench {

namespace {

// How a compiler cut the layers, as a table: tiles in L1 and slices of L2 on PULP, passes of
// filters and hardware-assisted tiles on xDNN.
struct TilesTable {
  struct Head {
    std::string title, hint;
    bool numeric = false;  // cells are numbers as text, or "–"
  };
  std::vector<Head> heads;
  struct Row {
    std::int32_t layer = 0;          // index into ProgramInfo::layers
    std::vector<std::string> cells;  // as many as heads
  };
  std::vector<Row> rows;
};

constexpr const char* kNone = "–";

std::string sizes(const std::array<std::int64_t, 3>& chw) {
  return fmt::format("{} × {} × {}", chw[0], chw[1], chw[2]);
}

TilesTable tiles_of(const pulp::Program& program, const pulp::Machine& machine) {
  TilesTable table;
  table.heads = {
      {"kernel", "code that computes the layer", false},
      {"cores", "that take part", true},
      {"L1 tile in", "channels × rows × columns of a full tile", false},
      {"L1 tile out", "channels × rows × columns of a full tile", false},
      {"tiles", "in all slices", true},
      {"buffers", "double: the next tile comes while one is computed", false},
      {"L1 bytes", "taken while the layer runs", true},
      {"of L1", "share of what programs may use", true},
      {"L2 slices", "1: the layer lies in L2 whole", true},
      {"L2 slice in", "channels × rows × columns", false},
      {"L2 slice out", "channels × rows × columns", false},
      {"L2 bytes", "live while the layer runs", true},
      {"batch norm", "where plain 32 bits may wrap: how it is computed, and why", false}};
  for (const pulp::LayerTiling& t : program.tilings) {
    const std::int64_t cores = t.cores == 0 ? machine.cluster.cores : t.cores;
    const double share =
        100 * static_cast<double>(t.l1_bytes) / static_cast<double>(machine.l1.buffer_bytes);
    table.rows.push_back(
        {t.layer,
         {t.kernel, std::to_string(cores), sizes(t.l1_in), sizes(t.l1_out),
          std::to_string(t.l1_tiles), t.double_buffered ? "double" : "single",
          std::to_string(t.l1_bytes), fmt::format("{:.1f} %", share), std::to_string(t.l2_slices),
          sizes(t.l2_in), sizes(t.l2_out), std::to_string(t.l2_bytes), t.wide_norm}});
  }
  return table;
}

// Summary of one xDNN layer's instructions.
struct LayerCommands {
  std::map<std::string, int> opcodes;
  std::int64_t passes = 0, steps = 0, tiles = 0;
  std::int64_t tile_width = 0, tile_height = 0;
  Bytes slab;
};

void add(const xdnn::Instruction& instruction, const xdnn::Machine& machine,
         LayerCommands& commands) {
  ++commands.opcodes[std::string(xdnn::opcode(instruction))];
  const bool conv = std::holds_alternative<xdnn::Conv>(instruction) ||
                    std::holds_alternative<xdnn::ConvPool>(instruction);
  if (!conv) return;
  const xdnn::ConvCost cost = xdnn::conv_cost(instruction, machine);
  commands.passes += cost.passes;
  commands.steps = std::max(commands.steps, cost.steps);
  commands.slab = std::max(commands.slab, cost.slab);
  const xdnn::Tail& tail = xdnn::tail(instruction);
  if (!tail.source_in_ddr) return;
  commands.tile_width = std::max(commands.tile_width, tail.tile_width);
  commands.tile_height = std::max(commands.tile_height, tail.tile_height);
  commands.tiles +=
      static_cast<std::int64_t>(xdnn::tile_costs(instruction, machine.geometry()).size());
}

std::string text(const std::map<std::string, int>& opcodes) {
  std::string result;
  for (const auto& [opcode, count] : opcodes) {
    result += fmt::format("{}{} × {}", result.empty() ? "" : ", ", count, opcode);
  }
  return result;
}

std::string text(std::int64_t number) { return number == 0 ? kNone : std::to_string(number); }

TilesTable tiles_of(const xdnn::Program& program, const xdnn::Machine& machine) {
  TilesTable table;
  table.heads = {{"commands", "instructions of the layer", false},
                 {"passes", "slabs of filters, each a sweep over the output", true},
                 {"steps", "array cycles per output pixel of a pass", true},
                 {"slab bytes", "filters of one pass", true},
                 {"tile", "columns × rows of the output, by hardware-assisted tiling", false},
                 {"tiles", "brought from DDR one by one", true}};
  std::vector<LayerCommands> layers(program.info.layers.size());
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const std::int32_t layer = program.info.instruction_layer.at(i);
    if (layer < 0) continue;
    const xdnn::Instruction& instruction = program.steps[i].instruction;
    const xdnn::MachineOfSlice slice(machine, xdnn::tail(instruction).slice);
    add(instruction, slice.get(), layers.at(static_cast<std::size_t>(layer)));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerCommands& one = layers[i];
    table.rows.push_back(
        {static_cast<std::int32_t>(i),
         {text(one.opcodes), text(one.passes), text(one.steps), text(one.slab.value),
          one.tiles == 0 ? kNone : fmt::format("{} × {}", one.tile_width, one.tile_height),
          text(one.tiles)}});
  }
  return table;
}

TilesTable layer_tiles(const Compiled& compiled) {
  return is_xdnn(compiled) ? tiles_of(compiled.xdnn_program(), compiled.xdnn_machine())
                           : tiles_of(compiled.pulp_program(), compiled.pulp_machine());
}

using Json = nlohmann::ordered_json;

// [{key, label}] by Step.
Json steps(const MachineInfo& machine) {
  Json rows = Json::array();
  for (std::size_t s = 0; s < kSteps; ++s) {
    const auto step = static_cast<Step>(s);
    rows.push_back({{"key", step_key(step)}, {"label", label(step, machine)}});
  }
  return rows;
}

// [{name, unit, total, layer}]: what the figures of the report mean.
Json meanings() {
  Json rows = Json::array();
  for (const Metric& metric : metrics()) {
    rows.push_back({{"name", metric.name},
                    {"unit", metric.unit},
                    {"total", metric.run.meaning},
                    {"layer", metric.layer.meaning}});
  }
  return rows;
}

// [{label, step}] by Cause.
Json causes(const MachineInfo& machine) {
  Json rows = Json::array();
  for (int c = 0; c <= static_cast<int>(Cause::Idle); ++c) {
    const auto cause = static_cast<Cause>(c);
    const Step step = step_of(cause);
    const bool own_name = cause == Cause::Work || cause == Cause::Idle;
    rows.push_back({{"label", own_name ? to_string(cause) : label(step, machine)},
                    {"step", static_cast<int>(step)}});
  }
  return rows;
}

// Per resource a flat list of five numbers a piece: cycles since the end of the one before, its
// length, layer, cause, and percent of it that are busy.
Json timeline(const Timeline& timeline, const ProgramInfo& program, const MachineInfo& machine,
              std::size_t pieces_max) {
  const TimelinePieces pieces = timeline_pieces(timeline, program, pieces_max);
  Json lanes = Json::array();
  for (std::size_t r = 0; r < timeline.resources.size(); ++r) {
    Json numbers = Json::array();
    Cycles at;
    for (const TimelinePiece& piece : pieces.of_resource[r]) {
      const Cycles length = piece.end - piece.begin;
      numbers.insert(numbers.end(), {(piece.begin - at).value, length.value, piece.layer,
                                     static_cast<int>(piece.cause),
                                     ceil_div(100 * piece.busy.value, length.value)});
      at = piece.end;
    }
    lanes.push_back({{"name", timeline.resources[r]}, {"pieces", std::move(numbers)}});
  }
  return {{"end", timeline.end.value},
          {"array", machine.array_resource},
          {"together_below", pieces.together_below.value},
          {"lanes", std::move(lanes)}};
}

Json memories(const Compiled& compiled, const Timeline& timeline) {
  Json rows = Json::array();
  for (const MemoryUse& use : memory_use(compiled, timeline)) {
    Json volumes = Json::array(), steps = Json::array();
    for (const MemoryVolume& v : use.volumes) {
      volumes.push_back({{"name", v.name},
                         {"layer", v.layer},
                         {"address", v.address},
                         {"bytes", v.bytes},
                         {"begin", v.begin.value},
                         {"end", v.end.value}});
    }
    for (const Occupied& step : occupied(use)) {
      steps.push_back({{"time", step.time.value}, {"bytes", step.bytes}});
    }
    rows.push_back({{"name", use.name},
                    {"capacity_bytes", use.capacity_bytes},
                    {"volumes", std::move(volumes)},
                    {"occupied", std::move(steps)}});
  }
  return rows;
}

// A memory that a roofline is drawn of: its bytes are those of some resources of the timeline.
struct Roof {
  std::string name;
  double bytes_per_cycle = 0;
  std::vector<std::string> resources;
};

std::vector<Roof> roofs(const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    return {{"DDR", xdnn->ddr_bytes_per_cycle(), {"ddr"}}};
  }
  const auto& pulp = std::get<pulp::Machine>(machine);
  return {{"L2", static_cast<double>(pulp.dma.bytes_per_cycle), {"dma in", "dma out"}},
          {"L3", pulp.l3_bytes_per_cycle(), {"l3"}}};
}

Json rooflines(const Compiled& compiled, const Timeline& timeline) {
  const ProgramInfo& info = compiled.info();
  Json rows = Json::array();
  for (const Roof& roof : roofs(compiled.machine)) {
    std::vector<std::int64_t> bytes(info.layers.size());
    for (const Interval& interval : timeline.intervals) {
      const std::int32_t layer = layer_number(info, interval.instruction);
      const std::string& name = timeline.resources[static_cast<std::size_t>(interval.resource)];
      if (layer < 0 || interval.bytes.value == 0) continue;
      if (std::count(roof.resources.begin(), roof.resources.end(), name) == 0) continue;
      bytes[static_cast<std::size_t>(layer)] += interval.bytes.value;
    }
    rows.push_back(
        {{"memory", roof.name}, {"bytes_per_cycle", roof.bytes_per_cycle}, {"bytes", bytes}});
  }
  return rows;
}

Json tiles(const Compiled& compiled) {
  const TilesTable table = layer_tiles(compiled);
  Json heads = Json::array(), rows = Json::array();
  for (const TilesTable::Head& head : table.heads) {
    heads.push_back({{"title", head.title}, {"hint", head.hint}, {"numeric", head.numeric}});
  }
  for (const TilesTable::Row& row : table.rows) {
    rows.push_back({{"layer", row.layer}, {"cells", row.cells}});
  }
  return {{"heads", std::move(heads)}, {"rows", std::move(rows)}};
}

Json estimate(const Estimate& value) {
  return {{"low", value.low}, {"typical", value.typical}, {"high", value.high}};
}

// Of one image; milliwatts of one engine.
Json energy_of(const Compiled& compiled, const Report& report, const Technology& technology) {
  std::vector<Cycles> cycles;
  for (const LayerReport& layer : report.layers) cycles.push_back(layer.cycles);
  const ProgramEnergy used = energy(compiled.program, compiled.machine, technology, cycles);
  const double per_image = 1 / static_cast<double>(report.machine.images);
  const double seconds =
      static_cast<double>(report.cycles.value) / (report.machine.report_clock_mhz * 1e6);
  Json terms = Json::array(), layers = Json::array();
  for (const EnergyTerm& term : used.total.terms) {
    terms.push_back({{"name", term.name},
                     {"count", term.count},
                     {"millijoules", estimate(term.picojoules * (1e-9 * per_image))}});
  }
  for (const Estimate& layer : used.layer_millijoules) {
    layers.push_back(estimate(layer * per_image));
  }
  const Estimate run = used.total.millijoules();
  return {{"technology", name(technology)},
          {"millijoules", estimate(run * per_image)},
          {"milliwatts", seconds > 0 ? run.typical / seconds : 0},
          {"area_mm2", estimate(area(compiled.machine, technology))},
          {"terms", std::move(terms)},
          {"layers", std::move(layers)}};
}

std::string_view kind_text(DrawnVertex::Kind kind) {
  switch (kind) {
    case DrawnVertex::Kind::Input:
      return "input";
    case DrawnVertex::Kind::Output:
      return "output";
    case DrawnVertex::Kind::Layer:
      return "layer";
    case DrawnVertex::Kind::Host:
      return "host";
    case DrawnVertex::Kind::Silent:
      return "silent";
  }
  CHECK(false, "vertex of kind {}", static_cast<int>(kind));
}

Json graph_of(const Compiled& compiled) {
  const DrawnNetwork drawn = drawn_network(compiled);
  Json vertices = Json::array(), edges = Json::array();
  for (const DrawnVertex& v : drawn.vertices) {
    vertices.push_back({{"kind", kind_text(v.kind)},
                        {"name", v.name},
                        {"op", v.op},
                        {"layer", v.layer},
                        {"engine", v.unit},
                        {"bits", v.bits},
                        {"reason", v.reason}});
  }
  for (const auto& [from, to] : drawn.edges) edges.push_back({from, to});
  return {{"vertices", std::move(vertices)}, {"edges", std::move(edges)}};
}

// The first instructions of each layer with their fields, and what fields mean, once each.
Json instructions_of(const Compiled& compiled) {
  constexpr std::size_t kMost = 24;  // of a layer: `disasm --explain` has all
  const ProgramInfo& info = compiled.info();
  std::vector<Json> layers(info.layers.size(), Json::array());
  std::vector<std::size_t> counts(info.layers.size());
  Json meanings = Json::object();
  const auto all = is_xdnn(compiled)
                       ? explained_instructions(xdnn::listing_of(compiled.xdnn_program()))
                       : explained_instructions(compiled.pulp_program());
  for (const ExplainedInstruction& one : all) {
    if (one.number < 0) continue;
    const std::int32_t layer = info.instruction_layer.at(static_cast<std::size_t>(one.number));
    if (layer < 0) continue;
    const auto l = static_cast<std::size_t>(layer);
    if (counts[l]++ >= kMost) continue;
    Json fields = Json::array();
    for (const ExplainedField& field : one.fields) {
      fields.push_back({field.field, field.value});
      meanings[field.field] =
          fmt::format("{}{}{}", field.unit, field.unit.empty() ? "" : ", ", field.meaning);
    }
    layers[l].push_back(
        {{"number", one.number}, {"text", one.text}, {"fields", std::move(fields)}});
  }
  return {{"layers", std::move(layers)}, {"counts", counts}, {"meanings", std::move(meanings)}};
}

}  // namespace

std::string run_page_json(const Compiled& compiled, const SimulatedNetwork& run,
                          const Technology& technology, std::size_t timeline_pieces_max) {
  const RunResult& result = run.result;
  const Json json = {{"report", Json::parse(json_report(result))},
                     {"metrics", meanings()},
                     {"steps", steps(result.report.machine)},
                     {"causes", causes(result.report.machine)},
                     {"timeline", timeline(result.timeline, compiled.info(), result.report.machine,
                                           timeline_pieces_max)},
                     {"memories", memories(compiled, result.timeline)},
                     {"rooflines", rooflines(compiled, result.timeline)},
                     {"tiles", tiles(compiled)},
                     {"graph", graph_of(compiled)},
                     {"instructions", instructions_of(compiled)},
                     {"energy", energy_of(compiled, result.report, technology)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string run_html(const Compiled& compiled, const SimulatedNetwork& run,
                     const Technology& technology) {
  const ProgramInfo& info = compiled.info();
  std::string script;
  for (const char* file : {"layer_charts.js", "time_charts.js", "network_graph.js", "run.js"}) {
    script += embedded_file(file);
  }
  return html_page({.title = info.network + " on " + name(compiled.machine),
                    .json = run_page_json(compiled, run, technology),
                    .script = script});
}

}  // namespace workbench
