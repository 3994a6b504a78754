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

// The fastest of one image, or of several that are merged.
Placed found_by(const Search& search, const Graph& quantized, const std::optional<Graph>& other,
                const Machine& machine, const CompileOptions& options) {
  Placed placed = options.images == 1
                      ? place_fastest_order(quantized, machine, options.order, options.choices)
                      : place_images(quantized, options.images, machine, options.order,
                                     options.choices, search);
  if (other) {
    auto second = fastest_whole(*other, machine, options, search);
    const bool always = options.choices.pools_in_branches == Use::Always;
    if (second && (always || second->time < placed.time)) placed = std::move(*second);
  }
  if (const Use use = options.choices.split_passes; use != Use::Never) {
    placed.time = split_passes(placed.lowered, machine, placed.time, search, use == Use::Always);
  }
  if (const Use use = options.choices.one_port_sums; use != Use::Never) {
    placed.time = choose_ports(placed.lowered, machine, placed.time, search, use == Use::Always);
  }
  if (const Use use = options.choices.reordered; use != Use::Never) {
    placed.time = reorder(placed.lowered, machine, placed.time, search, use == Use::Always);
  }
  return placed;
}

// Images one behind the other, merged, and stacked: each is changed further by itself, so that the
// fastest is known at the end only.
Placed found_merged(const Search& search, const Graph& quantized, const std::optional<Graph>& other,
                    const Machine& machine, const CompileOptions& options) {
  if (options.images == 1) return found_by(search, quantized, other, machine, options);
  std::vector<CompileOptions> ways(1, options);
  if (options.choices.merged_images == Use::WhereFaster) {
    if (options.choices.stacked_images == Use::WhereFaster) {
      ways.back().choices.stacked_images = Use::Always;
      ways.emplace_back(options).choices.stacked_images = Use::Never;
    }
    ways.emplace_back(options).choices.merged_images = Use::Never;
  }
  Placed best = found_by(search, quantized, other, machine, ways.front());
  for (std::size_t i = 1; i < ways.size(); ++i) {
    Placed placed = found_by(search, quantized, other, machine, ways[i]);
    if (placed.time <= best.time) best = std::move(placed);
  }
  return best;
}

// Never slower than the best program of one image, run as often as there are images.
Placed found_with(const Search& search, const Graph& quantized, const std::optional<Graph>& other,
                  const Machine& machine, const CompileOptions& options) {
  Placed merged = found_merged(search, quantized, other, machine, options);
  if (options.images == 1 || options.choices.merged_images == Use::Always) return merged;
  CompileOptions alone = options;
  alone.images = 1;
  const Graph one = first_image(quantized, options.images);
  std::optional<Graph> other_one;
  if (other) other_one = first_image(*other, options.images);
  const Placed single = found_by(search, one, other_one, machine, alone);
  const Graph& several = single.lowered.graph == &one ? quantized : *other;
  auto again = place_again(single, several, options.images, machine);
  return again && again->time < merged.time ? std::move(*again) : std::move(merged);
}

// The best by each search, the thorough one last.
std::vector<Cycles> times_of_searches(Placed& best, const Graph& quantized,
                                      const std::optional<Graph>& other, const Machine& machine,
                                      const CompileOptions& options) {
  best = found_with({}, quantized, other, machine, options);
  std::vector<Cycles> times = {best.time};
  if (!options.thorough) return times;
  Placed second = found_with(kThoroughSearch, quantized, other, machine, options);
  times.push_back(second.time);
  if (second.time < best.time) best = std::move(second);
  return times;
}

// What the searches came to, of a program that is complete.
std::string progress(const std::vector<Cycles>& times, const Program& program,
                     const Machine& machine) {
  const Bounds bounds = least_times(program, machine);
  const auto bound = static_cast<double>(bounds.total[binding(bounds.total)].value);
  std::string text = "search:";
  auto best = times.front();
  for (const Cycles time : times) {
    best = std::min(best, time);
    text += fmt::format(" best so far {} cycles, gap to the bound {:.1f} %;", best.value,
                        100 * (static_cast<double>(best.value) / bound - 1));
  }
  return text + fmt::format(" bound {:.0f} ({})", bound, bounds.resources[binding(bounds.total)]);
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  const auto reasons = reasons_for_host(quantized, machine, options);  // or refuses
  if (const auto fewest = fewest_instructions(quantized);
      fewest > machine.control.instructions_max) {
    refuse_instructions(quantized, machine, fmt::format("at least {}", fewest));
  }
  const std::optional<Graph> other = other_form(quantized, options);
  Placed best;
  const auto times = times_of_searches(best, quantized, other, machine, options);
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
  if (searched && options.remark) options.remark(progress(times, program, machine));
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
