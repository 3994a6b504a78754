#include "compiler/quantize/search_thresholds.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "compiler/quantize/activation_thresholds.h"
#include "compiler/quantize/fake_quantize.h"
#include "core/eval/evaluate.h"
#include "core/math.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::size_t kMostSamples = 16;
constexpr double kWorthIt = 0.995;
constexpr int kMostMoves = 4;
constexpr double kNext = 1e-30;  // to nothing: of values whose codes have no threshold of their own

bool is_annotated_activation(const Value& value) {
  return !value.constant && value.type == ElementType::Float32 && value.quantization;
}

bool has_power_of_two_steps(const Graph& annotated) {
  return std::all_of(annotated.values.begin(), annotated.values.end(), [](const Value& value) {
    int exponent = 0;
    return !is_annotated_activation(value) ||
           std::frexp(value.quantization->step(), &exponent) == 0.5;
  });
}

// What enters a softmax in its place: its results are too much alike to compare.
Graph with_logits(Graph graph) {
  for (ValueId& id : graph.outputs) {
    for (const Node& node : graph.nodes) {
      if (node.outputs[0] == id && std::holds_alternative<Softmax>(node.op)) id = node.inputs[0];
    }
  }
  return graph;
}

// Sets of activations that have one scale, in graph order.
std::vector<std::vector<ValueId>> scales(const Graph& annotated) {
  std::vector<std::vector<ValueId>> result;
  std::vector<bool> done(annotated.values.size(), false);
  for (std::size_t i = 0; i < annotated.values.size(); ++i) {
    if (done[i] || !is_annotated_activation(annotated.values[i])) continue;
    std::vector<ValueId> members{static_cast<ValueId>(i)};
    for (const ScaleGroup& group : annotated.scale_groups) {
      if (std::find(group.members.begin(), group.members.end(), members[0]) !=
          group.members.end()) {
        members = group.members;
        break;
      }
    }
    for (const ValueId id : members) done[static_cast<std::size_t>(id)] = true;
    result.push_back(std::move(members));
  }
  return result;
}

class Search {
 public:
  Search(Graph& annotated, const Graph& reference, const SampleSource& samples,
         const QuantizeTarget& target)
      : annotated_(annotated), target_(target), octaves_(has_power_of_two_steps(annotated)) {
    const Graph logits = with_logits(reference);
    for (std::size_t s = 0; s < std::min(samples.count, kMostSamples); ++s) {
      samples_.push_back(samples.at(s));
      wanted_.push_back(evaluate(logits, samples_.back()));
    }
    error_ = error(annotated);
  }

  double error() const { return error_; }

  // Whether the threshold moved.
  bool improve(const std::vector<ValueId>& members) {
    const double step = octaves_ ? 2 : math::pow(2, 0.25);
    for (const double factor : {1 / step, step}) {
      int moves = 0;
      while (moves < kMostMoves && accept(members, factor)) ++moves;
      if (moves > 0) return true;
    }
    return false;
  }

 private:
  bool accept(const std::vector<ValueId>& members, double factor) {
    Graph candidate = with_factor(members, factor);
    const Quantization& now = *candidate.value(members[0]).quantization;
    if (now == *annotated_.value(members[0]).quantization) return false;
    const double of_candidate = error(candidate);
    if (of_candidate > kWorthIt * error_) return false;
    error_ = of_candidate;
    annotated_ = std::move(candidate);
    return true;
  }

  Graph with_factor(const std::vector<ValueId>& members, double factor) const {
    Graph graph = annotated_;
    Thresholds thresholds;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
      Value& value = graph.values[i];
      thresholds[value.name] = kNext;
      if (!is_annotated_activation(value)) continue;
      const bool moves =
          std::find(members.begin(), members.end(), static_cast<ValueId>(i)) != members.end();
      thresholds[value.name] = value.quantization->thresholds[0] * (moves ? factor : 1);
      value.quantization.reset();  // it would be taken for a hint
    }
    graph = target_.annotate(std::move(graph), thresholds);
    if (octaves_) make_steps_powers_of_two(graph);
    return graph;
  }

  double error(const Graph& annotated) const {
    const Graph graph = rounded(with_logits(annotated));
    std::vector<double> errors(samples_.size());
    parallel_for(static_cast<std::int64_t>(samples_.size()), 0, [&](std::int64_t s) {
      const auto at = static_cast<std::size_t>(s);
      const std::vector<Tensor> found = evaluate(graph, samples_[at], {.threads = 1});
      for (std::size_t k = 0; k < found.size(); ++k) {
        const auto x = found[k].values<float>(), y = wanted_[at][k].values<float>();
        for (std::size_t i = 0; i < x.size(); ++i) {
          errors[at] += (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
        }
      }
    });
    double sum = 0;
    for (const double of_sample : errors) sum += of_sample;
    return sum;
  }

  Graph& annotated_;
  const QuantizeTarget& target_;
  bool octaves_;  // else quarters of them
  std::vector<std::vector<Tensor>> samples_, wanted_;
  double error_ = 0;
};

}  // namespace

void search_thresholds(Graph& annotated, const Graph& reference, const SampleSource& samples,
                       const QuantizeTarget& target, std::vector<std::string>& notes,
                       const StageProgress& progress) {
  Search search(annotated, reference, samples, target);
  const double before = search.error();
  const std::vector<std::vector<ValueId>> all = scales(annotated);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (progress) {
      progress("threshold search", static_cast<double>(i) / static_cast<double>(all.size()));
    }
    if (search.improve(all[i])) ++moved;
  }
  if (progress) progress("threshold search", 1);
  notes.push_back(
      fmt::format("thresholds of {} of {} scales moved: error of the results {:.1f} dB "
                  "less",
                  moved, all.size(),
                  10 * math::log10(std::max(before, 1e-300) / std::max(search.error(), 1e-300))));
}

}  // namespace workbench
