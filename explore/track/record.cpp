#include "explore/track/record.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/parameter.h"
#include "explore/track/fingerprint.h"

namespace workbench::track {

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
  record.machine = machine_constants(compiled.machine);
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
void add_times(const Compiled& compiled, const PointTimes& times,
               const std::vector<std::size_t>& order, const std::string& technology,
               CaseRecord& record) {
  PointResult result;
  add_figures(compiled.program, compiled.machine, times, true, result, technology);
  record.fingerprints.technology = technology_print(technology_for(compiled.machine, technology));
  std::erase_if(result.metrics, [](const auto& figure) { return !std::isfinite(figure.second); });
  record.figures = result.metrics;
  record.answer = std::move(result);
  CHECK(times.layers.size() == order.size(), "times of {} layers, the program has {}",
        times.layers.size(), order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    record.layers[i].cycles = times.layers[order[i]].cycles.value;
  }
}

std::string technology_of(const Point& point) {
  for (const Setting& setting : point.settings) {
    if (setting.name == "technology") return setting.value;
  }
  return "";
}

CaseRecord computed(const CompileRequest& request, const Point& point, bool golden) {
  const std::string technology = technology_of(point);
  const Compiled compiled = compile_network(request);
  if (point.tier == Tier::Transaction) {
    return record_of(compiled, run_network(compiled, {.golden = golden}), technology);
  }
  std::vector<std::size_t> order;
  CaseRecord record = compiled_record(compiled, order);
  add_times(compiled, analytic_times(compiled.program, compiled.machine), order, technology,
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
  add_times(compiled, times_of(run.result.report), order, technology, record);
  for (std::size_t i = 0; i < order.size(); ++i) {
    record.layers[i].waterfall = run.result.report.layers[order[i]].waterfall;
  }
  return record;
}

CaseRecord record_case(const Case& one, bool golden) {
  CompileRequest request;
  Graph imported;
  try {
    request = request_of(one.point);
    request.keep_reference = false;
    imported = load_model(request.model);
  } catch (const Error& error) {
    fail("case '{}': {}", one.name, error.what());
  }
  CaseRecord record;
  try {
    record = computed(request, one.point, golden);
  } catch (const Error& error) {
    record.verdict = fmt::format("{}{}", kFails, error.what());
  }
  record.fingerprints.network = structure_print(imported);
  record.fingerprints.weights = numbers_print(imported);
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
