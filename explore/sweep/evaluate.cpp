#include "explore/sweep/evaluate.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/fields.h"
#include "explore/flow/memory_need.h"
#include "explore/report/metrics.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/parameter.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Every field of a machine as text, doubles so that they read back the same.
struct FieldTexts {
  std::string text;
  template <typename T, typename... Meta>
  void operator()(std::string_view name, const T& value, Meta&&...) {
    if constexpr (HasFields<T>) {
      for_each_field(value, *this);
    } else {
      text += fmt::format("{}={};", name, value);
    }
  }
};

template <typename Machine>
std::string text_of(const Machine& machine) {
  FieldTexts fields;
  for_each_field(machine, fields);
  return fields.text;
}

std::string all_fields(const Machine& machine) {
  return std::visit([](const auto& one) { return text_of(one); }, machine);
}

// Texts of any content, so that no two lists of them read alike.
std::string counted(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

// An option's value as text; of files and networks what they contain, which may change while a
// process lives. What is not there is told by the stage that reads it.
struct ValueText {
  std::string operator()(const Option& option, const std::string& value) const {
    std::error_code none;
    if (option.name == "model") {
      const bool there = is_zoo({.name = value}) || fs::is_regular_file(value, none);
      return counted(there ? network_content(value) : value);
    }
    if (may_name_file(option, value) && fs::exists(value, none)) return file_content(value);
    return counted(value);
  }
  std::string operator()(const Option&, const fs::path& value) const {
    std::error_code none;
    return fs::exists(value, none) ? file_content(value) : counted(value.string());
  }
  std::string operator()(const Option&, const std::vector<std::string>& values) const {
    std::string text;
    for (const std::string& value : values) text += counted(value);
    return text;
  }
  std::string operator()(const Option&, const std::map<std::string, Shape>& shapes) const {
    std::string text;
    for (const auto& [name, shape] : shapes) text += counted(name) + to_string(shape);
    return text;
  }
  std::string operator()(const Option&, const std::optional<xdnn::OrderFile>& file) const {
    std::string text = file ? "file " : "";
    for (std::size_t i = 0; file && i < file->entries.size(); ++i) {
      text += counted(file->entries[i].node);
    }
    return text;
  }
  template <typename T>
  std::string operator()(const Option&, const std::optional<T>& value) const {
    return value ? fmt::format("{}", *value) : "";
  }
  template <typename T>
  requires std::is_enum_v<T> || std::integral<T> std::string operator()(const Option&,
                                                                        const T& value) const {
    return fmt::format("{}", static_cast<std::size_t>(value));
  }
};

// Whether what the stage makes depends on an option of `read`, but for the machine, which has a
// text of its own.
bool depends(Stage stage, Stage read) { return read > Stage::Hardware && read <= stage; }

std::string options_text(const CompileRequest& request, Stage stage) {
  std::string text;
  for_each_option(request, [&](const Option& option, const auto& member) {
    if (depends(stage, option.stage)) {
      text += fmt::format("{}={};", option.name, ValueText()(option, member));
    }
  });
  return text;
}

// Knobs without influence on quantization: memories, transfers, control, the card.
// (tests/property/sweep_evaluate_test.cpp changes each and compares.)
xdnn::Machine for_integers(xdnn::Machine machine) {
  const xdnn::Machine plain;
  machine.name.clear();
  machine.am = plain.am;
  machine.clocks.ddr = plain.clocks.ddr;
  machine.ddr = plain.ddr;
  machine.control = plain.control;
  machine.slice0 = plain.slice0;
  machine.board = plain.board;
  machine.host = plain.host;
  return machine;
}

// One engine is compiled for, however many there are.
xdnn::Machine for_program(xdnn::Machine machine) {
  machine.board = {};
  return machine;
}

}  // namespace

CompileRequest read_by(Stage stage, CompileRequest request) {
  static const CompileRequest plain;
  for_each_option(request, [&]<typename T>(const Option& option, T& member) {
    if (depends(stage, option.stage) || option.stage == Stage::Shown) return;
    for_each_option(plain, [&]<typename U>(const Option& other, const U& value) {
      if constexpr (std::same_as<T, U>) {
        if (other.name == option.name) member = value;
      }
    });
  });
  return request;
}

std::string integers_key(const CompileRequest& request, const Machine& machine) {
  const auto* xdnn = std::get_if<xdnn::Machine>(&machine);
  return options_text(request, Stage::Quantized) +
         (xdnn != nullptr ? "xdnn;" + text_of(for_integers(*xdnn)) : "pulp");
}

std::string program_key(const CompileRequest& request, const Machine& machine) {
  const auto* xdnn = std::get_if<xdnn::Machine>(&machine);
  return options_text(request, Stage::Compiled) +
         (xdnn != nullptr ? "xdnn;" + text_of(for_program(*xdnn))
                          : "pulp;" + text_of(std::get<pulp::Machine>(machine)));
}

const PreparedNetworks::Kept<Imported>& PreparedNetworks::imported(const CompileRequest& request,
                                                                   const Target& target) {
  return imported_.get(options_text(request, Stage::Imported), [&]() -> Kept<Imported> {
    const ModelSource& model = request.model;
    try {
      return {target.import(read_by(Stage::Imported, request)), ""};
    } catch (const Error& error) {
      if (!model.width && !model.resolution && !model.seed) throw;
      return {{}, one_line(error.what())};
    }
  });
}

const PreparedNetworks::Kept<Quantized>& PreparedNetworks::integers(const CompileRequest& request,
                                                                    const Target& target) {
  const auto make = [&]() -> Kept<Quantized> {
    const Kept<Imported>& source = imported(request, target);
    if (!source.obstacle.empty()) return {{}, source.obstacle};
    try {
      return {quantize_network(source.value, target, read_by(Stage::Quantized, request)), ""};
    } catch (const Error& error) {
      return {{}, one_line(error.what())};
    }
  };
  const std::string key = integers_key(request, *target.machine);
  const Kept<Quantized>& any = integers_.get(key, make);
  if (!any.value.depends_on_times) return any;
  return integers_.get(key + all_fields(*target.machine), make);
}

const PreparedNetworks::Answer& PreparedNetworks::program(const CompileRequest& request,
                                                          const Machine& machine, bool constants) {
  check(request.passes, known_passes());
  std::string key = program_key(request, machine);
  key += constants ? "|constants" : "";
  const Answer& answer = programs_.get(key, [&]() -> Answer {
    const Target target = target_for(machine);
    if (constants) {  // it is going to run
      const Kept<Imported>& source = imported(request, target);
      try {
        if (source.obstacle.empty()) require_memory_for_run(source.value, target, request);
      } catch (const Error& error) {
        return {.obstacle = one_line(error.what()), .constants = constants};
      }
    }
    const Kept<Quantized>& quantized = integers(request, target);
    if (!quantized.obstacle.empty()) {
      return {.obstacle = quantized.obstacle, .constants = constants};
    }
    try {
      return {.compiled = compile_network(imported(request, target).value, quantized.value, target,
                                          read_by(Stage::Compiled, request), constants),
              .constants = constants};
    } catch (const Error& error) {
      return {.obstacle = one_line(error.what()), .constants = constants};
    }
  });
  if (!answer.obstacle.empty() || all_fields(answer.compiled.machine) == all_fields(machine)) {
    return answer;
  }
  other_card_ = answer;  // one engine's program, on a card of others
  other_card_.compiled.machine = machine;
  return other_card_;
}

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

PointResult transaction(const Compiled& compiled, const EvaluatorOptions& options,
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
  add_costs(compiled.program, compiled.machine, technology_for(compiled.machine, technology),
            run.report);
  add_figures(run.report, options.layers, result);
  return result;
}

}  // namespace

PointResult analytic_figures(const Compiled& compiled, const std::string& technology, bool layers) {
  PointResult result;
  Report report = analytic_report(compiled.program, compiled.machine);
  add_costs(compiled.program, compiled.machine, technology_for(compiled.machine, technology),
            report);
  add_figures(report, layers, result);
  return result;
}

Evaluator::Evaluator(const EvaluatorOptions& options)
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
      const std::string& technology = request.technology;
      result = runs ? transaction(answer.compiled, options_, technology)
                    : analytic_figures(answer.compiled, technology, options_.layers);
    }
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace workbench
