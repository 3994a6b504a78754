#include "explore/track/record.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "core/file.h"
#include "explore/flow/knobs.h"
#include "explore/flow/memory_need.h"
#include "explore/report/metrics.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/parameter.h"
#include "isa/codec.h"

namespace workbench::track {

namespace {

// A graph without the numbers in its constants. Tensors share their bytes: the copy is cheap.
Graph without_constants(Graph graph) {
  for (Value& value : graph.values) value.constant.reset();
  return graph;
}

std::string bytes_of(const Graph& graph) {
  file::Graph message;
  encode(graph, message);
  return message.SerializeAsString();
}

void add(std::string& text, const std::vector<std::int32_t>& numbers) {
  for (const std::int32_t number : numbers) text += fmt::format(" {}", number);
  text += ";";
}

std::string requantize_text(const Requantize& r) {
  std::string text;
  for (const auto* list : {&r.scale, &r.negative_scale, &r.shift, &r.prescale}) add(text, *list);
  return text + fmt::format("{} {} {} {}\n", r.prescaled_bits, r.bias_shift, r.bias_after,
                            static_cast<int>(r.rounding));
}

// Fields that are 0 are left out, as in program files.
template <HasFields T>
void add_fields(const T& object, std::string& text) {
  for_each_field(object, [&](std::string_view name, const auto& member, auto...) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (std::same_as<Member, std::string>) {
      if (!member.empty()) text.append(" ").append(name).append("=").append(member);
    } else {
      const auto value = static_cast<std::int64_t>(member);
      if (value != 0) fmt::format_to(std::back_inserter(text), " {}={}", name, value);
    }
  });
}

void add_instruction(const auto& instruction, std::string& text) {
  text += opcode(instruction);
  std::visit([&](const auto& op) { add_fields(op, text); }, instruction);
  text += "\n";
}

void add_tile(std::string& tiles, const std::string& tile) {
  if (!tiles.empty()) tiles += ", ";
  tiles += tile;
}

// Of hardware-assisted tiling: width x height of the output, once however often in a row.
void add_tile(const xdnn::Step& step, std::string& tiles) {
  const xdnn::Tail& tail = xdnn::tail(step.instruction);
  if (!tail.tiling) return;
  const std::string tile = fmt::format("{}x{}", tail.tile_width, tail.tile_height);
  if (!tiles.ends_with(tile)) add_tile(tiles, tile);
}

std::string tiling_text(const pulp::LayerTiling& t) {
  const auto sizes = [](const std::array<std::int64_t, 3>& chw) {
    return fmt::format("{}", fmt::join(chw, "x"));
  };
  return fmt::format("{}: L1 {} -> {} times {}, L2 {} -> {} times {}, {}{} bytes", t.kernel,
                     sizes(t.l1_in), sizes(t.l1_out), t.l1_tiles, sizes(t.l2_in), sizes(t.l2_out),
                     t.l2_slices, t.double_buffered ? "double-buffered, " : "", t.l1_bytes);
}

void add_text(const xdnn::Program& program, std::size_t i, std::string& text) {
  const xdnn::Step& step = program.steps[i];
  add_instruction(step.instruction, text);
  text += fmt::format("{} {} {}\n", step.filter_address, step.rescale.scale, step.rescale.shift);
}
void add_text(const pulp::Program& program, std::size_t i, std::string& text) {
  add_instruction(program.instructions[i], text);
}

void add_tiles(const xdnn::Program& program, std::vector<CodePrint>& prints) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const auto layer = static_cast<std::size_t>(program.info.instruction_layer[i]);
    add_tile(program.steps[i], prints[layer].tiles);
  }
}
void add_tiles(const pulp::Program& program, std::vector<CodePrint>& prints) {
  for (const pulp::LayerTiling& tiling : program.tilings) {
    add_tile(prints[static_cast<std::size_t>(tiling.layer)].tiles, tiling_text(tiling));
  }
}

}  // namespace

std::string short_hash(std::string_view bytes) { return sha256_hex(bytes).substr(0, 16); }

std::string structure_print(const Graph& graph) {
  Graph bare = without_constants(graph);
  bare.name.clear();
  for (Value& value : bare.values) value.quantization.reset();
  for (Node& node : bare.nodes) {
    node.affine.reset();
    node.operand_affine.clear();
  }
  return short_hash(bytes_of(bare));
}

std::string numbers_print(const Graph& graph) {
  std::string text = bytes_of(without_constants(graph));
  for (const Value& value : graph.values) {
    if (!value.constant) continue;
    const Tensor& tensor = *value.constant;
    const auto* bytes = reinterpret_cast<const char*>(tensor.data());
    text += sha256_hex({bytes, static_cast<std::size_t>(tensor.size_bytes())});
  }
  for (const Node& node : graph.nodes) {
    if (node.requantize) text += requantize_text(*node.requantize);
  }
  return short_hash(text);
}

std::string technology_print(const Technology& technology) {
  Knobs numbers;
  std::visit([&](const auto& t) { add_knobs(t, "", numbers); }, technology);
  std::string text;
  for (const auto& [name, value] : numbers) {
    if (name != "summary") text += name + "=" + value + "\n";
  }
  return short_hash(text);
}

std::vector<CodePrint> code_prints(const Program& program) {
  return std::visit(
      [](const auto& p) {
        const std::size_t count = p.info.instruction_layer.size();
        std::vector<CodePrint> prints(p.info.layers.size(),
                                      CodePrint{.first = static_cast<std::int64_t>(count)});
        std::vector<std::string> texts(prints.size());
        for (std::size_t i = 0; i < count; ++i) {
          const auto layer = static_cast<std::size_t>(p.info.instruction_layer[i]);
          if (prints[layer].instructions++ == 0) prints[layer].first = static_cast<std::int64_t>(i);
          add_text(p, i, texts[layer]);
        }
        for (std::size_t i = 0; i < texts.size(); ++i) prints[i].code = short_hash(texts[i]);
        add_tiles(p, prints);
        return prints;
      },
      program);
}

std::string program_bytes(const Program& program) {
  return std::visit([](const auto& p) { return save_bytes(p); }, program);
}

const std::string& constants_of(const Program& program) {
  return std::visit([](const auto& p) -> const std::string& { return p.constants; }, program);
}

namespace {

std::string verdict_text(const RunResult& result) {
  if (!result.hazards.empty()) return fmt::format("{} hazards", result.hazards.size());
  if (!result.verdict) return "not compared";
  if (result.verdict->bit_exact()) return "bit-exact";
  return fmt::format("{} of {} values differ from the golden model", result.verdict->mismatches,
                     result.verdict->values_compared);
}

// Everything but what a simulation adds: layers without cycles, in the order of their first
// instructions.
CaseRecord compiled_record(const Compiled& compiled, std::vector<std::size_t>& order) {
  CaseRecord record;
  record.machine = knobs_of(compiled.machine);
  record.fingerprints.passes = structure_print(compiled.quantized);
  record.fingerprints.quantization = numbers_print(compiled.quantized);
  record.fingerprints.program = short_hash(program_bytes(compiled.program));
  record.fingerprints.constants = short_hash(constants_of(compiled.program));
  const std::vector<CodePrint> prints = code_prints(compiled.program);
  order.resize(prints.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return prints[a].first < prints[b].first; });
  for (const std::size_t i : order) {
    const LayerInfo& info = compiled.info().layers[i];
    record.layers.push_back({.name = info.name,
                             .op = info.op,
                             .shape = fmt::format("{}", fmt::join(info.shape, "x")),
                             .instructions = prints[i].instructions,
                             .tiles = prints[i].tiles,
                             .code = prints[i].code});
  }
  return record;
}

// Figures of the case and cycles of its layers, by what a tier says of the time.
void add_times(const Compiled& compiled, Report report, const std::vector<std::size_t>& order,
               const std::string& technology, CaseRecord& record) {
  PointResult result;
  const Technology made_in = technology_for(compiled.machine, technology);
  add_costs(compiled.program, compiled.machine, made_in, report);
  add_figures(report, true, result);
  record.fingerprints.technology = technology_print(made_in);
  std::erase_if(result.metrics, [](const auto& figure) { return !std::isfinite(figure.second); });
  record.figures = result.metrics;
  record.answer = std::move(result);
  CHECK(report.layers.size() == order.size(), "times of {} layers, the program has {}",
        report.layers.size(), order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    record.layers[i].cycles = report.layers[order[i]].cycles.value;
    record.layers[i].waterfall = report.layers[order[i]].waterfall;
  }
}

Compiled compiled_case(const Imported& network, const CompileRequest& request, Tier tier) {
  check(request.passes, known_passes());
  const Target target = target_for(machine_of(request));
  if (tier == Tier::Transaction) require_memory_for_run(network, target, request);
  return compile_network(network, quantize_network(network, target, request), target, request);
}

CaseRecord computed(const Imported& network, const CompileRequest& request, const Point& point,
                    bool golden) {
  const std::string& technology = request.technology;
  const Compiled compiled = compiled_case(network, request, point.tier);
  if (point.tier == Tier::Transaction) {
    return record_of(compiled, run_network(compiled, {.golden = golden}), technology);
  }
  std::vector<std::size_t> order;
  CaseRecord record = compiled_record(compiled, order);
  add_times(compiled, analytic_report(compiled.program, compiled.machine), order, technology,
            record);
  record.verdict = "not compared";
  return record;
}

}  // namespace

CaseRecord record_of(const Compiled& compiled, const SimulatedNetwork& run,
                     const std::string& technology) {
  std::vector<std::size_t> order;
  CaseRecord record = compiled_record(compiled, order);
  record.verdict = verdict_text(run.result);
  add_times(compiled, run.result.report, order, technology, record);
  return record;
}

CaseRecord record_case(const Case& one, bool golden) {
  CompileRequest request;
  Imported network;
  try {
    request = request_of(one.point);
    request.keep_reference = false;
    network = imported(load_model(request.model));
  } catch (const Error& error) {
    fail("case '{}': {}", one.name, error.what());
  }
  CaseRecord record;
  try {
    record = computed(network, request, one.point, golden);
  } catch (const Error& error) {
    record.verdict = fmt::format("{}{}", kFails, error.what());
  }
  record.fingerprints.network = structure_print(network.graph);
  record.fingerprints.weights = numbers_print(network.graph);
  record.asked = one;
  return record;
}

Baseline record_suite(const Suite& suite, const Progress& progress) {
  Baseline baseline{.name = suite.name, .golden = suite.golden, .cases = {}};
  const auto count = static_cast<double>(suite.cases.size());
  for (const Case& one : suite.cases) {
    if (progress) progress(one.name, static_cast<double>(baseline.cases.size()) / count);
    baseline.cases.push_back(record_case(one, suite.golden));
  }
  return baseline;
}

}  // namespace workbench::track
