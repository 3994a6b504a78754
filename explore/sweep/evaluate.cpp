#include "explore/sweep/evaluate.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "core/error.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/prepared_networks.h"

namespace workbench {

struct Evaluator::Cache {
  PreparedNetworks networks;
  std::set<std::string> machine_files;  // that could be read
};

namespace {

PointResult infeasible(std::string reason) {
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return {.status = PointResult::Status::Infeasible, .reason = std::move(reason)};
}

// Why the run is not right; empty: it is.
std::string fault(const RunResult& run) {
  if (!run.hazards.empty()) return to_string(run.hazards.front());
  if (!run.verdict || run.verdict->bit_exact()) return "";
  return fmt::format("not bit-exact: {} of {} values differ from the golden model's",
                     run.verdict->mismatches, run.verdict->values_compared);
}

std::string technology_of(const Point& point) {
  for (const Setting& setting : point.settings) {
    if (setting.name == "technology") return setting.value;
  }
  return "";
}

PointResult analytic(const Compiled& compiled, bool layers, const std::string& technology) {
  PointResult result;
  add_figures(compiled.program, compiled.machine,
              analytic_times(compiled.program, compiled.machine), layers, result, technology);
  return result;
}

PointResult transaction(const Compiled& compiled, const EvaluateOptions& options,
                        const std::string& technology) {
  const bool values = options.values || is_xdnn(compiled);  // xDNN has no model without
  RunResult run;
  try {
    run = run_network(compiled, {.golden = options.golden, .values = values}).result;
  } catch (const Error& error) {
    return infeasible(error.what());
  }
  if (const std::string wrong = fault(run); !wrong.empty()) {
    return {.status = PointResult::Status::Failed,
            .reason = wrong,
            .bit_exact = run.verdict ? std::optional(run.verdict->bit_exact()) : std::nullopt};
  }
  PointResult result;
  if (run.verdict) result.bit_exact = true;
  add_figures(compiled.program, compiled.machine, times_of(run.report), options.layers, result,
              technology);
  return result;
}

}  // namespace

Evaluator::Evaluator(const EvaluateOptions& options)
    : options_(options), cache_(std::make_unique<Cache>()) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

PointResult Evaluator::evaluate(const Point& point) {
  const auto begin = std::chrono::steady_clock::now();
  CompileRequest request = request_of(point);
  request.keep_reference = false;
  if (cache_->machine_files.insert(request.machine.string()).second) {
    try {
      load_machine(request.machine, {});  // whose errors are the file's own
    } catch (const Error&) {
      cache_->machine_files.erase(request.machine.string());
      throw;
    }
  }
  PointResult result;
  std::optional<Machine> machine;
  try {
    machine = load_machine(request.machine, request.overrides);
  } catch (const Error& error) {
    result = infeasible(error.what());
  }
  if (machine) {
    const bool runs = point.tier == Tier::Transaction;
    const auto& answer = cache_->networks.program(request, *machine, runs);
    if (!answer.obstacle.empty()) {
      result = infeasible(answer.obstacle);
    } else {
      const std::string technology = technology_of(point);
      result = runs ? transaction(answer.compiled, options_, technology)
                    : analytic(answer.compiled, options_.layers, technology);
    }
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace workbench
