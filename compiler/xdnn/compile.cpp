#include "compiler/xdnn/compile.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "compiler/passes/several_images.h"
#include "compiler/xdnn/bounds.h"
#include "compiler/xdnn/branch_pools.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/images.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/minimum_memory.h"
#include "compiler/xdnn/one_port.h"
#include "compiler/xdnn/placed.h"
#include "compiler/xdnn/reorder.h"
#include "compiler/xdnn/split_passes.h"
#include "isa/host_steps.h"

namespace workbench::xdnn {

namespace {

// Of what a unit could compute: quantization left it (compiler/quantize/integer_nodes.h,
// thresholds.h).
std::string reason_of_codes(const Node& node) {
  if (std::holds_alternative<Concat>(node.op)) {
    return "no layer reads what it joins: each part keeps its own scale";
  }
  if (std::holds_alternative<Binary>(node.op)) {
    return "its operands are on scales too far apart, or on the host already";
  }
  return "its operands are on the host already";
}

// Why each node that the host runs is its own, by name; or refuses.
std::map<std::string, std::string> reasons_for_host(const Graph& quantized, const Machine& machine,
                                                    const CompileOptions& options) {
  std::map<std::string, std::string> reasons;
  const auto reason = host_reasons(machine);
  for (const Node& node : quantized.nodes) {
    const bool real = quantized.value(node.outputs[0]).type == ElementType::Float32 ||
                      quantized.value(node.inputs[0]).type == ElementType::Float32;
    if (!real || traits(node.op).silent) continue;
    const auto left = options.left_to_host.find(node.name);
    const bool by_gain = left != options.left_to_host.end();
    const auto no_unit = reason(quantized, node);
    const std::string why = by_gain ? left->second : no_unit.value_or(reason_of_codes(node));
    const bool ends = !by_gain && !no_unit && std::holds_alternative<Concat>(node.op);
    if (!options.allow_host && !host_by_design(node.op) && !ends) {
      fail("{}: node '{}' ({}) would run on the host, which --no-host forbids: {}", quantized.name,
           node.name, op_name(node.op), why);
    }
    reasons.emplace(node.name, why);
  }
  return reasons;
}

std::vector<HostStepInfo> host_steps(const Program& program, const Machine& machine,
                                     const std::map<std::string, std::string>& reasons) {
  std::vector<std::vector<std::size_t>> turns;
  for (const HostStep& step : program.host_steps) turns.push_back(step.nodes);
  return describe_host_steps(program.host, turns, reasons,
                             {machine.host.gflops, machine.host.gigabytes_per_second});
}

// At least one instruction each: all that has no other to be part of. Not pools, which convolutions
// take along, unless they are behind something else.
std::int64_t fewest_instructions(const Graph& quantized) {
  std::set<ValueId> of_convolutions;  // and of concats of them
  std::int64_t count = 0;
  for (const Node& node : quantized.nodes) {
    const bool conv = std::holds_alternative<workbench::Conv>(node.op) ||
                      std::holds_alternative<ConvTranspose>(node.op);
    if (conv || std::holds_alternative<Concat>(node.op)) {
      of_convolutions.insert(node.outputs[0]);
    }
    if (!on_accelerator(quantized, node)) continue;
    const auto* pool = std::get_if<MaxPool>(&node.op);
    const bool alone = pool != nullptr && !of_convolutions.contains(node.inputs[0]) &&
                       pool->window.kernel != std::vector<std::int64_t>{1, 1};
    if (conv || alone || std::holds_alternative<AveragePool>(node.op)) ++count;
  }
  return count;
}

[[noreturn]] void refuse_instructions(const Graph& quantized, const Machine& machine,
                                      const std::string& count) {
  fail("{}: {} instructions, the instruction memory of {} holds {}", quantized.name, count,
       machine.name, machine.control.instructions_max);
}

// With max pools moved into the branches of concats, where that is possible and was asked for. An
// order that the user wrote names the pools as they are.
std::optional<Graph> other_form(const Graph& quantized, const CompileOptions& options) {
  if (options.choices.pools_in_branches == Use::Never || options.order.file) return std::nullopt;
  if (options.images == 1) return pools_in_branches(quantized);
  const auto one = pools_in_branches(first_image(quantized, options.images));
  if (!one) return std::nullopt;
  return several_images(*one, options.images);
}

std::optional<Placed> fastest_whole(const Graph& graph, const Machine& machine,
                                    const CompileOptions& options, const Search& search) {
  if (options.images == 1) return place_whole(graph, machine, options.order, options.choices);
  return place_images_whole(graph, options.images, machine, options.order, options.choices, search);
}

// Best so far by modelled time, bound and gap: while the thorough search goes on, and after each
// search.
class SearchReport {
 public:
  SearchReport(const Machine& machine, const CompileOptions& options)
      : machine_(machine), options_(options) {}

  // Each part of the search that begins now has kStages, of which some may be left out.
  static constexpr int kStages = 7;
  void begin_search(std::size_t parts) {
    stages_ = kStages * static_cast<int>(parts), done_ = parts_done_ = 0;
  }
  void end_stage(Cycles time) {
    see(time);
    done_ = std::min(done_ + 1, stages_);
    tell();
  }
  void end_part(Cycles time) {
    see(time);
    done_ = std::min(kStages * ++parts_done_, stages_);
    tell();
  }
  void see(Cycles time) {
    if (best_ && time >= *best_) return;
    best_ = time;
    tell();
  }
  void end_search(const Placed& best) {
    see(best.time);
    if (!options_.thorough || best.time.value == 0) return;  // all is the host's
    Lowered complete = best.lowered;
    const Bounds bounds = least_times(emit(complete, machine_, false), machine_);
    const std::size_t resource = binding(bounds.total);
    bound_ = std::max<std::int64_t>(1, bounds.total[resource].value);
    resource_ = bounds.resources[resource];
    text_ += now() + "; ";
  }
  std::string text() const {
    return fmt::format("search: {}bound {} ({})", text_, bound_, resource_);
  }

 private:
  std::string now() const {
    const double gap = static_cast<double>(best_->value) / static_cast<double>(bound_) - 1;
    return fmt::format("best so far {} cycles, gap to the bound {:.1f} %", best_->value, 100 * gap);
  }
  // Of the usual search nothing is told, which takes no time that one waits for.
  void tell() const {
    if (!options_.progress || bound_ == 0 || stages_ == 0) return;
    const double share = static_cast<double>(done_) / stages_;
    options_.progress(fmt::format("searching, step {} of {}: {}, bound {} ({})",
                                  std::min(done_ + 1, stages_), stages_, now(), bound_, resource_),
                      share);
  }

  const Machine& machine_;
  const CompileOptions& options_;
  std::optional<Cycles> best_;
  std::int64_t bound_ = 0;  // of the best of the last search; 0: none has ended
  int stages_ = 0, done_ = 0, parts_done_ = 0;
  std::string text_, resource_;
};

// With addresses, changed one instruction after the other as long as that gains.
void improve(Placed& placed, const Search& search, const Machine& machine, const Choices& choices,
             SearchReport& report) {
  const auto by = [&](auto change, Use use) {
    if (use != Use::Never) {
      placed.time = change(placed.lowered, machine, placed.time, search, use == Use::Always);
    }
    report.end_stage(placed.time);
  };
  by(split_passes, choices.split_passes);
  by(choose_ports, choices.one_port_sums);
  by(reorder, choices.reordered);
}

// The fastest of one image, or of several that are merged.
Placed found_by(const Search& search, const Graph& quantized, const std::optional<Graph>& other,
                const Machine& machine, const CompileOptions& options, SearchReport& report) {
  const Choices& choices = options.choices;
  Placed placed =
      options.images == 1
          ? place_fastest_order(quantized, machine, options.order, choices)
          : place_images(quantized, options.images, machine, options.order, choices, search);
  if (other) {
    auto second = fastest_whole(*other, machine, options, search);
    const bool always = choices.pools_in_branches == Use::Always;
    if (second && (always || second->time < placed.time)) placed = std::move(*second);
  }
  report.end_stage(placed.time);
  // What follows may gain more without sums in chunks than with them: both are changed further.
  Placed chunked = placed;
  const bool always = choices.sums_beside == Use::Always;
  if (choices.sums_beside != Use::Never) {
    chunked.time = sums_beside(chunked.lowered, machine, placed.time, search, always);
  }
  const bool cut = chunked.lowered.ops.size() > placed.lowered.ops.size();
  if (cut) improve(chunked, search, machine, choices, report);
  if (!cut || !always) improve(placed, search, machine, choices, report);
  if (cut && (always || chunked.time < placed.time)) placed = std::move(chunked);
  report.end_part(placed.time);
  return placed;
}

// Images one behind the other, merged, and stacked: each is changed further by itself, so that the
// fastest is known at the end only.
std::vector<CompileOptions> ways_to_merge(const CompileOptions& options) {
  std::vector<CompileOptions> ways(1, options);
  if (options.images == 1 || options.choices.merged_images != Use::WhereFaster) return ways;
  if (options.choices.stacked_images == Use::WhereFaster) {
    ways.back().choices.stacked_images = Use::Always;
    ways.emplace_back(options).choices.stacked_images = Use::Never;
  }
  ways.emplace_back(options).choices.merged_images = Use::Never;
  return ways;
}

// Never slower than the best program of one image, run as often as there are images.
Placed found_with(Search search, const Graph& quantized, const std::optional<Graph>& other,
                  const Machine& machine, const CompileOptions& options, SearchReport& report) {
  search.seen = [&](Cycles time) { report.see(time); };
  const std::vector<CompileOptions> ways = ways_to_merge(options);
  const bool repeats = options.images > 1 && options.choices.merged_images != Use::Always;
  report.begin_search(ways.size() + (repeats ? 1 : 0));
  Placed best = found_by(search, quantized, other, machine, ways.front(), report);
  for (std::size_t i = 1; i < ways.size(); ++i) {
    Placed placed = found_by(search, quantized, other, machine, ways[i], report);
    if (placed.time <= best.time) best = std::move(placed);
  }
  if (!repeats) return best;
  CompileOptions alone = options;
  alone.images = 1;
  const Graph one = first_image(quantized, options.images);
  std::optional<Graph> other_one;
  if (other) other_one = first_image(*other, options.images);
  SearchReport of_one(machine, alone);  // its times are no times of this program
  search.seen = {};
  const Placed single = found_by(search, one, other_one, machine, alone, of_one);
  const Graph& several = single.lowered.graph == &one ? quantized : *other;
  auto again = place_again(single, several, options.images, machine);
  if (again && again->time < best.time) best = std::move(*again);
  report.end_part(best.time);
  return best;
}

// The best by each search, the thorough one last.
Placed best_of_searches(const Graph& quantized, const std::optional<Graph>& other,
                        const Machine& machine, const CompileOptions& options,
                        SearchReport& report) {
  Placed best = found_with({}, quantized, other, machine, options, report);
  report.end_search(best);
  if (!options.thorough) return best;
  Placed second = found_with(thorough_search(), quantized, other, machine, options, report);
  if (second.time < best.time) best = std::move(second);
  report.end_search(best);
  return best;
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  const auto reasons = reasons_for_host(quantized, machine, options);  // or refuses
  if (const auto fewest = fewest_instructions(quantized);
      fewest > machine.control.instructions_max) {
    refuse_instructions(quantized, machine, fmt::format("at least {}", fewest));
  }
  const std::optional<Graph> other = other_form(quantized, options);
  SearchReport report(machine, options);
  Placed best = best_of_searches(quantized, other, machine, options, report);
  auto& [lowered, placement, time, plan_steps, stopped] = best;
  if (stopped && options.remark) {
    options.remark(
        "the search for an order of the layers, or for a memory plan, stopped at its limit: it is "
        "the best so far");
  }
  Program program = emit(lowered, machine, options.constants);
  if (static_cast<std::int64_t>(program.steps.size()) > machine.control.instructions_max) {
    refuse_instructions(quantized, machine, std::to_string(program.steps.size()));
  }
  set_wait_bits(program, machine);
  const MovedBytes moved = moved_bytes(program, machine);
  program.info.moveops = moved.inside;
  program.info.io_bytes = moved.input_output;
  program.info.network = quantized.name;
  program.images = options.images;
  const bool searched = options.thorough && time.value > 0;  // not where all is the host's
  if (searched && options.remark) options.remark(report.text());
  program.info.machine = machine.name;
  program.info.host_steps = host_steps(program, machine, reasons);
  const std::int64_t word = machine.word_bytes();
  program.info.peak_bytes = placement.peak_words * word;
  const MinimumMemory before = minimum_memory(quantized, machine, model_order(quantized));
  if (!before.live_bytes.empty()) {
    program.info.minimum_bytes = before.live_bytes[static_cast<std::size_t>(before.worst())];
  }
  program.info.extent_bytes = placement.extent_words * word;
  program.info.capacity_bytes = machine.am.size_bytes;
  return program;
}

}  // namespace workbench::xdnn
