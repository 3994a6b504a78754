#include "explore/bits/bit_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/math.h"
#include "explore/bits/memory_rule.h"
#include "explore/bits/program_search.h"
#include "explore/bits/width_costs.h"
#include "explore/bits/width_programs.h"
#include "explore/report/metrics.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/objectives.h"

namespace workbench {

std::string_view to_string(BitPoint::Kind kind) {
  switch (kind) {
    case BitPoint::Kind::Searched:
      return "searched";
    case BitPoint::Kind::Uniform:
      return "uniform";
    case BitPoint::Kind::MemoryRule:
      return "memory rule";
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

bool BitSearchReport::passed() const {
  return std::ranges::all_of(points, [](const BitPoint& point) {
    return point.measured.bit_exact && (!point.trained || point.trained->bit_exact);
  });
}

namespace {

constexpr std::size_t kComparedImages = 16;
constexpr std::size_t kMostCompiled = 400;  // choices, for the machine
// Bits of weights and of activations.
constexpr std::pair<int, int> kUniform[] = {{8, 8}, {4, 8}, {4, 4}, {2, 8}, {2, 2}};
constexpr std::int64_t kRoomyBytes = std::int64_t{1} << 28;
constexpr std::string_view kWeightBytes = "weight_bytes";
// Figures of a run that are the sum of those of its layers.
constexpr std::string_view kSums[] = {"cycles", "energy_mj", "l3_bytes", "dma_bytes",
                                      "external_bytes"};

double decibels(double error) { return -10 * math::log10(std::max(error, 1e-12)); }

bool is_sum(std::string_view metric) { return std::ranges::find(kSums, metric) != std::end(kSums); }

// The objective beside accuracy.
std::string objective_of(const std::vector<std::string>& objectives) {
  std::string found;
  for (const std::string& text : objectives) {
    if (text == "accuracy") continue;
    const std::string metric = text == "energy" ? "energy_mj" : text;
    if (!is_sum(metric) && metric != kWeightBytes) {
      fail("--objective: expected accuracy, energy, {} or {}, found '{}'", fmt::join(kSums, ", "),
           kWeightBytes, text);
    }
    if (!found.empty() && found != metric) {
      fail("--objective: expected accuracy and one other, found '{}' and '{}'", found, metric);
    }
    found = metric;
  }
  return found.empty() ? "cycles" : found;
}

// What a choice has of its own; all else is of the simulation.
Metrics own_metrics(const BitPoint& point) {
  Metrics metrics = point.measured.metrics;
  metrics[std::string(kWeightBytes)] = static_cast<double>(point.weight_bytes);
  return metrics;
}

struct Bound {
  Constraint constraint;
  std::string text;
};

// "weight_bytes <= 100k" is of the choice, and no metric of points.
Bound bound_of(const std::string& text) {
  if (text.find(kWeightBytes) != 0) return {parse_constraint(text, "--constraint"), text};
  // The same form with a metric that is known stands in for it.
  Constraint constraint =
      parse_constraint("l3_bytes" + text.substr(kWeightBytes.size()), "--constraint");
  constraint.metric = kWeightBytes;
  return {constraint, text};
}

// Where any program fits: what holds the weights is enlarged, which changes no time.
Machine roomy(Machine machine) {
  auto& pulp = std::get<pulp::Machine>(machine);
  std::int64_t& size = pulp.l3.size_bytes > 0 ? pulp.l3.size_bytes : pulp.l2.buffer_bytes;
  size = std::max(size, kRoomyBytes);
  return machine;
}

class BitSearch {
 public:
  BitSearch(const BitSearchRequest& request, const Progress& progress)
      : request_(request), progress_(progress), objective_(objective_of(request.objectives)) {
    for (const std::string& text : request.constraints) bounds_.push_back(bound_of(text));
    target_ = target_for(machine_of(request.network));
    if (!target_.machine || target_.quantize.activation_widths.size() < 2) {
      fail("search-bits: expected a PULP machine, whose kernels have codes of 8, 4 and 2 bits, {}",
           target_.machine ? fmt::format("found {}: its instructions name no width, a program has "
                                         "one for all layers (--bits 8, --bits 16 of run)",
                                         name(*target_.machine))
                           : "found no machine");
    }
    if (scheme_named(request.network.scheme).flow != Scheme::Flow::Recipe) {
      fail("search-bits: expected --scheme default or a recipe, found '{}'",
           request.network.scheme);
    }
  }

  BitSearchReport run() {
    open();
    measure();
    select();
    judge();
    if (request_.train) train();
    return std::move(report_);
  }

 private:
  void tell(std::string_view stage, double fraction) const {
    if (progress_) progress_(stage, fraction);
  }

  void open() {
    tell("reading images", 0);
    images_ = open_calibration(request_.network, request_.calibration, request_.preprocessing,
                               request_.preprocessing_steps);
    imported_ = target_.import(request_.network);
    report_.calibration_images = static_cast<std::int64_t>(images_.names.size());
    report_.network = imported_.graph.name;
    report_.machine = name(*target_.machine);
    report_.scheme = request_.network.scheme;
    report_.objective = objective_;
    if (const PointMetric* metric = find_point_metric(objective_)) report_.unit = metric->unit;
    for (const Bound& bound : bounds_) report_.constraints.push_back(bound.text);
    report_.warnings = images_.warnings;
    if (request_.images.path.empty()) return;
    ImageRequest scored = request_.images;
    scored.input_shape = imported_.graph.value(imported_.graph.inputs.at(0)).shape;
    scored.classes = classes_of(imported_.graph);
    scored.selection.at_most = true;
    scored.preprocessing =
        merge_preprocessing(preprocessing_file(request_.network.model.name, request_.preprocessing),
                            request_.preprocessing_steps);
    scored_ = open_images(scored);
    require_labels(*scored_);
    report_.images = scored_->name;
    report_.scored_images = static_cast<std::int64_t>(scored_->names.size());
  }

  CompileRequest request_for(const CodeBits& bits) const {
    CompileRequest request = request_.network;
    for (const auto& [layer, widths] : bits.layers) {
      if (widths.weights != 0) {
        request.layers.push_back(fmt::format("{}:weight-bits={}", layer, widths.weights));
      }
      if (widths.activations != 0) {
        request.layers.push_back(fmt::format("{}:activation-bits={}", layer, widths.activations));
      }
    }
    return request;
  }

  Quantized quantized(const CodeBits& bits) const {
    return quantize_network(request_for(bits), images_.samples);
  }

  void measure() {
    tell("quantizing", 0.02);
    base_ = quantized({});
    if (base_.came_as_integers || came_quantized(imported_.graph)) {
      fail("search-bits: expected a float network, '{}' came quantized", imported_.graph.name);
    }
    QuantizeTarget target = base_.left_to_host.empty()
                                ? target_.quantize
                                : target_.leaving(base_.left_to_host).quantize;
    widths_ = widths_of(base_.annotated, target);
    if (widths_.variables.empty()) {
      fail("search-bits: no layer of '{}' has a width that can be chosen", imported_.graph.name);
    }
    const Scheme scheme = scheme_named(request_.network.scheme);
    const Recipe recipe = for_target(
        with_weight_bits(recipe_of(scheme, target.name, request_.network.effort), scheme.bits),
        target);
    network_ = width_network(base_, std::move(target), recipe, images_.samples);
    reference_.emplace(network_.floats, images_.samples, kComparedImages);
    const WidthNoise noise = measure_noise(network_, base_.annotated, widths_, *reference_,
                                           within(progress_, 0.05, 0.45));
    problem_.base_loss = noise.base;
    problem_.losses = noise.more;
    measure_widths_costs();
    note_variables(noise);
  }

  void measure_widths_costs() {
    metrics_ = {objective_};
    problem_.bounds = {std::numeric_limits<double>::infinity()};
    for (const Bound& bound : bounds_) {
      const Constraint& constraint = bound.constraint;
      const bool upper = constraint.comparison == Constraint::Comparison::Less ||
                         constraint.comparison == Constraint::Comparison::LessOrEqual;
      if (!upper || (!is_sum(constraint.metric) && constraint.metric != kWeightBytes)) continue;
      metrics_.push_back(constraint.metric);
      problem_.bounds.push_back(constraint.bound);
    }
    graphs_.emplace(network_, widths_);
    const WidthPrograms::Network network{.widened = network_,
                                         .widths = widths_,
                                         .graphs = *graphs_,
                                         .imported = imported_,
                                         .base = base_,
                                         .request = request_.network};
    programs_.emplace(network, *target_.machine);
    const CostQuestion question{
        .network = network, .machine = roomy(*target_.machine), .metrics = metrics_};
    WidthCosts costs = measure_costs(question, within(progress_, 0.45, 0.6));
    problem_.terms = std::move(costs.terms);
    report_.programs = costs.programs;
    report_.refused_programs = costs.refused;
    report_.unknown_combinations = costs.unknown;
  }

  void note_variables(const WidthNoise& noise) {
    report_.choices = widths_.choices;
    for (std::size_t v = 0; v < widths_.variables.size(); ++v) {
      const WidthVariable& variable = widths_.variables[v];
      BitSearchReport::Variable row{.name = variable.layers.front(),
                                    .weights = variable.weights,
                                    .elements = variable.elements,
                                    .noise_db = {}};
      for (const double more : noise.more[v]) row.noise_db.push_back(decibels(noise.base + more));
      report_.variables.push_back(std::move(row));
    }
  }

  void select() {
    tell("choosing", 0.6);
    const std::size_t labels = problem_.bounds.size() == 1 ? 1000 : 250;
    SelectedFront front = best_choices(problem_, labels);
    report_.front_size = front.choices.size();
    report_.gap_db = decibels(1) - decibels(front.factor);
    if (front.choices.empty()) {
      fail("search-bits: no choice of widths meets {}", fmt::join(report_.constraints, ", "));
    }
    const std::vector<Selected> choices = of_programs(front.choices);
    for (std::size_t i : picks(choices, request_.points)) {
      add(BitPoint::Kind::Searched, choices[i]);
    }
    add_uniform(choices);
    add_memory_rule();
  }

  // The best that programs of the machine show, from those of the sums, evenly spread, and what
  // they are compared with.
  std::vector<Selected> of_programs(const std::vector<Selected>& front) {
    std::vector<Options> start;
    for (const std::size_t i : picks(front, kMostCompiled / 4)) start.push_back(front[i].options);
    for (const auto& [weights, activations] : kUniform) {
      start.push_back(uniform_options(widths_, weights, activations));
    }
    for (const std::size_t i : picks(front, request_.points)) {
      const MemoryLimits limits{weight_bytes(widths_, front[i].options),
                                activation_bytes(base_.annotated, widths_, front[i].options)};
      start.push_back(memory_driven(base_.annotated, widths_, limits));
    }
    // The bytes of weights are what they are: programs say only what fits.
    const std::size_t most = is_sum(objective_) ? kMostCompiled : start.size();
    ProgramSearch found = search_programs(
        problem_, start, most, [&](const Options& options) { return program_costs(options); },
        [&](std::size_t tried) {
          tell("compiling choices",
               0.6 + 0.05 * static_cast<double>(tried) / static_cast<double>(most));
        });
    report_.candidates = found.tried;
    if (found.refused > 0) {
      report_.notes.push_back(
          fmt::format("{} of {} choices cannot be compiled for {}, the first: {}", found.refused,
                      found.tried, name(*target_.machine), programs_->refusal()));
    }
    if (found.choices.empty()) {
      (void)programs_->compiled(front.back().options);  // says what does not fit
      fail("search-bits: no choice of widths meets {} as a program",
           fmt::join(report_.constraints, ", "));
    }
    return std::move(found.choices);
  }

  // As problem_.bounds; none: it does not fit.
  std::optional<std::vector<double>> program_costs(const Options& options) {
    const auto figures = programs_->figures(options, false);
    if (!figures) return std::nullopt;
    std::vector<double> costs;
    for (const std::string& metric : metrics_) {
      costs.push_back(metric == kWeightBytes ? static_cast<double>(weight_bytes(widths_, options))
                                             : figures->metrics.at(metric));
    }
    if (const auto sums = selected(problem_, options)) {
      report_.sums_off = std::max(report_.sums_off, share_off(sums->costs[0], costs[0]));
    }
    return costs;
  }

  // False: it does not fit.
  bool set_compiled_objective(Selected& choice) {
    const auto costs = program_costs(choice.options);
    if (costs) choice.costs = *costs;
    return costs.has_value();
  }

  // Positions, ascending: evenly spread over the objective, the ends among them.
  static std::vector<std::size_t> picks(const std::vector<Selected>& choices, std::size_t most) {
    const double first = choices.front().costs[0], last = choices.back().costs[0];
    std::set<std::size_t> found{0};
    const auto parts = static_cast<double>(std::max<std::size_t>(most, 2) - 1);
    for (std::size_t k = 1; k < most; ++k) {
      const double limit = first + (last - first) * static_cast<double>(k) / parts;
      found.insert(best_within(choices, limit));
    }
    return {found.begin(), found.end()};
  }

  // The least loss of an objective of at most `most`, or the least objective.
  static std::size_t best_within(const std::vector<Selected>& choices, double most) {
    const auto at = std::ranges::find_if(
        choices, [&](const Selected& choice) { return choice.costs[0] <= most; });
    return at == choices.end() ? choices.size() - 1
                               : static_cast<std::size_t>(at - choices.begin());
  }

  void add(BitPoint::Kind kind, const Selected& choice, std::string title = "") {
    const auto same = [&](const Options& other) { return other == choice.options; };
    if (kind != BitPoint::Kind::Uniform && std::ranges::any_of(chosen_, same)) return;
    BitPoint point{.kind = kind, .name = std::move(title)};
    if (point.name.empty()) {
      const auto of_kind = std::ranges::count(report_.points, kind, &BitPoint::kind);
      point.name = fmt::format("{} {}", to_string(kind), of_kind + 1);
    }
    const Scheme scheme = scheme_named(request_.network.scheme);
    point.recipe = {.scheme = scheme.recipe,
                    .bits = overridden(scheme.bits, code_bits(widths_, choice.options))};
    for (const std::size_t option : choice.options) point.bits.push_back(widths_.choices[option]);
    point.predicted_db = decibels(choice.loss);
    point.predicted_objective = choice.costs[0];
    point.weight_bytes = weight_bytes(widths_, choice.options);
    point.activation_bytes = activation_bytes(base_.annotated, widths_, choice.options);
    report_.points.push_back(std::move(point));
    chosen_.push_back(choice.options);
  }

  // Uniform choices, and for each the best that costs no more.
  void add_uniform(const std::vector<Selected>& front) {
    for (const auto& [weights, activations] : kUniform) {
      auto uniform = selected(problem_, uniform_options(widths_, weights, activations));
      if (!uniform || !set_compiled_objective(*uniform)) continue;
      add(BitPoint::Kind::Searched, front[best_within(front, uniform->costs[0])]);
      add(BitPoint::Kind::Uniform, *uniform, fmt::format("uniform W{}A{}", weights, activations));
    }
  }

  // The rule with the memory that each searched point has.
  void add_memory_rule() {
    std::vector<MemoryLimits> limits;
    for (const BitPoint& point : report_.points) {
      if (point.kind != BitPoint::Kind::Searched) continue;
      limits.push_back({point.weight_bytes, point.activation_bytes});
    }
    for (const MemoryLimits& limit : limits) {
      auto rule = selected(problem_, memory_driven(base_.annotated, widths_, limit));
      if (rule && set_compiled_objective(*rule)) add(BitPoint::Kind::MemoryRule, *rule);
    }
  }

  void judge() {
    const double share = request_.train ? 0.1 : 0.35;
    for (std::size_t i = 0; i < report_.points.size(); ++i) {
      const double done = static_cast<double>(i) / static_cast<double>(report_.points.size());
      tell("simulating " + report_.points[i].name, 0.65 + share * done);
      judge(report_.points[i]);
    }
    mark_front();
  }

  using OnRun = std::function<void(const Compiled&, const SimulatedNetwork&)>;

  void judge(BitPoint& point) {
    const OnRun told = [&](const Compiled& compiled, const SimulatedNetwork& simulated) {
      if (request_.on_run) request_.on_run(point, compiled, simulated);
    };
    point.measured = figures_of(quantized(point.recipe.bits), told);
    const Metrics metrics = own_metrics(point);
    point.meets = std::ranges::all_of(bounds_, [&](const Bound& bound) {
      return workbench::meets(metrics, std::span(&bound.constraint, 1));
    });
  }

  BitFigures figures_of(Quantized network, const OnRun& told) {
    BitFigures found;
    found.signal_to_noise_db = decibels(reference_->error_of(network.annotated));
    network.input = images_.samples.at(0);
    const Compiled compiled = compile_network(imported_, network, target_, request_.network);
    const SimulatedNetwork simulated = run_network(compiled);
    told(compiled, simulated);
    const RunResult& run = simulated.result;
    found.golden_values = run.verdict->values_compared;
    found.bit_exact = run.verdict->bit_exact() && run.hazards.empty();
    Report figures = run.report;
    PointResult result;
    add_costs(compiled.program, compiled.machine,
              technology_for(compiled.machine, request_.network.technology), figures);
    add_figures(figures, false, result);
    found.metrics = std::move(result.metrics);
    if (scored_) {
      const AccuracyReport accuracy = measure_accuracy(
          network, *scored_, {.golden_images = 1, .layers = false}, request_.network);
      found.top1 = accuracy.in_integer.top1.value;
      found.bit_exact = found.bit_exact && accuracy.passed();
      report_.float_top1 = accuracy.in_float.top1.value;
    }
    return found;
  }

  // Points of the front, as the machine runs them after training; of equal widths the first is
  // trained.
  void train() {
    std::map<std::vector<int>, const BitPoint*> first;
    for (const BitPoint& point : report_.points) {
      if (point.on_front) first.try_emplace(point.bits, &point);
    }
    const auto all = static_cast<double>(first.size());
    double done = 0;
    for (BitPoint& point : report_.points) {
      if (!point.on_front) continue;
      const BitPoint& equal = *first.at(point.bits);
      if (&equal != &point) {
        point.trained = equal.trained;
        continue;
      }
      const auto at = [&](double part) { return 0.75 + 0.25 * part / all; };
      const Progress told = [&](std::string_view stage, double fraction) {
        tell(fmt::format("training {}: {}", point.name, stage), at(done + fraction));
      };
      const CompileRequest request = request_for(point.recipe.bits);
      point.trained = figures_of(request_.train(point, request, told), [](const auto&...) {});
      ++done;
    }
  }

  void mark_front() {
    std::vector<std::size_t> which;
    std::vector<std::vector<double>> values;
    for (std::size_t i = 0; i < report_.points.size(); ++i) {
      const BitPoint& point = report_.points[i];
      if (!point.meets) continue;
      which.push_back(i);
      values.push_back({-point.measured.signal_to_noise_db, own_metrics(point).at(objective_)});
    }
    for (const std::size_t i : pareto_front(values)) report_.points[which[i]].on_front = true;
  }

  const BitSearchRequest& request_;
  const Progress& progress_;
  const std::string objective_;
  std::vector<Bound> bounds_;
  Target target_;
  Imported imported_;
  ImageSet images_;
  std::optional<ImageSet> scored_;
  Quantized base_;
  Widths widths_;
  WidthNetwork network_;
  std::optional<WidthGraphs> graphs_;
  std::optional<WidthPrograms> programs_;  // of the machine
  std::optional<ResultReference> reference_;
  std::vector<std::string> metrics_;
  SelectionProblem problem_;
  std::vector<Options> chosen_;
  BitSearchReport report_;
};

}  // namespace

BitSearchReport search_bits(const BitSearchRequest& request, const Progress& progress) {
  return BitSearch(request, progress).run();
}

}  // namespace workbench
