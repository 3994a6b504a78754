// Thresholds in topological order (docs/facts/quantization.md 1.3): node after node, all samples at
// each, so that a quantizer sees operands that are already quantized.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/graffitist_form.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/graph.h"
#include "core/parallel.h"
#include "data/samples.h"

namespace workbench::graffitist {

namespace {

// Values of a network for many samples at once, on disk: calibration in lockstep visits every
// sample before it goes on to the next node, and memory must not grow with the number of samples.

// Float32 tensors by value and sample, in a temporary file without a name (the page cache keeps
// what fits). Different samples may be written and read at the same time; not release().
class ActivationStore {
 public:
  // Throws Error when no temporary file can be made.
  ActivationStore(const Graph& graph, std::size_t samples);

  bool has(ValueId id) const { return slots_.contains(id); }
  // Makes room for every sample of the value. Before put(), and not while samples are in use.
  void reserve(ValueId id);
  // Throws Error when the disk is full.
  void put(ValueId id, std::size_t sample, const Tensor& tensor);
  Tensor get(ValueId id, std::size_t sample) const;
  void release(ValueId id);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::int64_t bytes(ValueId id) const;

  const Graph& graph_;
  std::size_t samples_;
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t end_ = 0;
  std::map<ValueId, std::int64_t> slots_;           // where the first sample lies
  std::multimap<std::int64_t, std::int64_t> free_;  // bytes of a slot -> where
};

ActivationStore::ActivationStore(const Graph& graph, std::size_t samples)
    : graph_(graph), samples_(samples), file_(std::tmpfile()) {
  if (!file_) fail("calibration: cannot make a temporary file: {}", std::strerror(errno));
}

std::int64_t ActivationStore::bytes(ValueId id) const {
  return element_count(graph_.value(id).shape) * static_cast<std::int64_t>(sizeof(float));
}

void ActivationStore::reserve(ValueId id) {
  if (has(id)) return;
  const std::int64_t wanted = bytes(id) * static_cast<std::int64_t>(samples_);
  const auto found = free_.find(wanted);
  if (found != free_.end()) {
    slots_[id] = found->second;
    free_.erase(found);
    return;
  }
  slots_[id] = end_;
  end_ += wanted;
}

void ActivationStore::put(ValueId id, std::size_t sample, const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  const auto* from = reinterpret_cast<const char*>(values.data());
  auto left = static_cast<std::size_t>(bytes(id));
  CHECK(values.size_bytes() == left, "'{}' has other bytes", graph_.value(id).name);
  auto at = slots_.at(id) + bytes(id) * static_cast<std::int64_t>(sample);
  while (left > 0) {
    const ssize_t written = pwrite(fileno(file_.get()), from, left, at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("calibration: cannot write a temporary file: {}", std::strerror(errno));
    from += written;
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

Tensor ActivationStore::get(ValueId id, std::size_t sample) const {
  const Shape& shape = graph_.value(id).shape;
  const Layout layout = shape.size() >= 3 ? Layout::Nchw : Layout::RowMajor;
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape, layout);
  auto* to = reinterpret_cast<char*>(tensor.mutable_values<float>().data());
  auto left = static_cast<std::size_t>(bytes(id));
  auto at = slots_.at(id) + bytes(id) * static_cast<std::int64_t>(sample);
  while (left > 0) {
    const ssize_t got = pread(fileno(file_.get()), to, left, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("calibration: cannot read a temporary file: {}", std::strerror(errno));
    to += got;
    at += got;
    left -= static_cast<std::size_t>(got);
  }
  return tensor;
}

void ActivationStore::release(ValueId id) {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return;
  free_.emplace(bytes(id) * static_cast<std::int64_t>(samples_), found->second);
  slots_.erase(found);
}

}  // namespace

namespace {

// s = 2^ceil(log2 t) / Q (1.1), exact where t is a power of two itself.
double scale_of(double threshold, int bits, bool is_signed) {
  int exponent = 0;
  const double fraction = std::frexp(threshold, &exponent);  // t = fraction * 2^exponent
  if (fraction == 0.5) --exponent;
  return std::ldexp(1.0, exponent - (bits - (is_signed ? 1 : 0)));
}

class Walk {
 public:
  Walk(Form& form, const SampleSource& samples, const StageProgress& progress)
      : form_(form),
        graph_(form.graph),
        samples_(samples),
        progress_(progress),
        store_(form.graph, samples.count),
        place_of_(graph_.nodes.size()),
        last_reader_(graph_.values.size(), 0) {
    for (std::size_t p = 0; p < form.places.size(); ++p) {
      place_of_[form.places[p].node] = p + 1;
      seen_.push_back(false);
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const ValueId id : graph_.nodes[n].inputs) {
        if (id != kNoValue) last_reader_[at(id)] = n;
      }
    }
    for (const ValueId id : graph_.outputs) last_reader_[at(id)] = graph_.nodes.size();
  }

  void run() {
    put_inputs();
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (progress_) {
        progress_("calibrating", static_cast<double>(n) / static_cast<double>(graph_.nodes.size()));
      }
      if (place_of_[n] > 0) {
        meet(place_of_[n] - 1);
        continue;  // the Dequantize behind it gives the values
      }
      compute(n);
      done_.push_back(n);
      release_until(n);
    }
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  void put_inputs() {
    for (const ValueId id : graph_.inputs) store_.reserve(id);
    for (std::size_t sample = 0; sample < samples_.count; ++sample) {
      const std::vector<Tensor> tensors = samples_.at(sample);
      for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
        const auto magnitude = max_magnitude(tensors[i].values<float>());
        if (!std::isfinite(magnitude)) {
          fail("calibration: sample {}: expected finite numbers, found NaN or infinity", sample);
        }
        store_.put(graph_.inputs[i], sample, tensors[i]);
      }
    }
  }

  bool is_constant(ValueId id) const { return graph_.value(id).constant.has_value(); }

  // Constants are unchanged, or rounded by their own quantizer.
  Tensor operand(ValueId id, std::size_t sample) const {
    if (id == kNoValue) return {};
    if (is_constant(id)) return *graph_.value(id).constant;
    const auto rounded = rounded_constants_.find(id);
    return rounded != rounded_constants_.end() ? rounded->second : store_.get(id, sample);
  }

  static Tensor one_result(const Graph& graph, const Node& node, const Tensor& operand) {
    return evaluate_node(graph, node, std::span(&operand, 1), {.threads = 1}).at(0);
  }

  // Quantize and Dequantize in one step, as they are never looked at apart.
  Tensor rounded(const Node& dequantize, std::size_t sample) const {
    const Node& quantize =
        graph_.nodes[static_cast<std::size_t>(&dequantize - &graph_.nodes[0]) - 1];
    const Tensor codes = one_result(graph_, quantize, operand(quantize.inputs[0], sample));
    return one_result(graph_, dequantize, codes);
  }

  void compute(std::size_t n) {
    const Node& node = graph_.nodes[n];
    const ValueId out = node.outputs[0];
    const bool is_rounding = std::holds_alternative<Dequantize>(node.op);
    if (is_rounding && is_constant(graph_.nodes[n - 1].inputs[0])) {
      rounded_constants_[out] = rounded(node, 0);
      return;
    }
    store_.reserve(out);
    parallel_for(static_cast<std::int64_t>(samples_.count), 0, [&](std::int64_t i) {
      const auto sample = static_cast<std::size_t>(i);
      if (is_rounding) {
        store_.put(out, sample, rounded(node, sample));
        return;
      }
      std::vector<Tensor> operands;
      for (const ValueId id : node.inputs) operands.push_back(operand(id, sample));
      store_.put(out, sample, evaluate_node(graph_, node, operands, {.threads = 1}).at(0));
    });
  }

  // Every tensor a quantizer is given: one for each sample, or the constant.
  template <typename Visit>
  void for_data(const Place& place, Visit&& visit) const {
    const ValueId id = graph_.nodes[place.node].inputs[0];
    if (is_constant(id)) return visit(*graph_.value(id).constant);
    for (std::size_t sample = 0; sample < samples_.count; ++sample) visit(store_.get(id, sample));
  }

  // The threshold of the data of all members met so far (1.5), by maximum or KL-J.
  double threshold_of(const std::vector<const Place*>& members) const {
    MagnitudeHistogram histogram;
    std::int64_t count = 0;
    for (const Place* place : members) {
      for_data(*place, [&](const Tensor& tensor) {
        histogram.max =
            std::max(histogram.max, static_cast<double>(max_magnitude(tensor.values<float>())));
        count += tensor.size();
      });
    }
    const Quantizer& quantizer = members[0]->quantizer;
    if (histogram.max < kDeadMagnitude) return 1;  // all codes 0
    const std::size_t levels = std::size_t{1} << (quantizer.bits - (quantizer.is_signed ? 1 : 0));
    const std::int64_t bins = histogram_bins(count);
    if (members[0]->from_weights || static_cast<std::int64_t>(levels) + 1 > bins) {
      return histogram.max;
    }
    histogram.counts.assign(static_cast<std::size_t>(bins), 0);
    for (const Place* place : members) {
      for_data(*place,
               [&](const Tensor& tensor) { add_magnitudes(histogram, tensor.values<float>()); });
    }
    return j_divergence_threshold(histogram, {.levels = levels, .skip_empty_bins = true});
  }

  // The data of place `p` are known: it and those it shares with get a threshold.
  void meet(std::size_t p) {
    seen_[p] = true;
    std::vector<const Place*> members;
    const std::vector<std::size_t>& group = form_.groups[form_.places[p].group];
    for (const std::size_t member : group) {
      if (seen_[member]) members.push_back(&form_.places[member]);
    }
    const double threshold = threshold_of(members);
    std::set<ValueId> changed;
    for (const std::size_t member : group) {
      if (seen_[member] && set_threshold(form_.places[member], threshold) && member != p) {
        changed.insert(graph_.nodes[form_.places[member].node].outputs[0]);
      }
    }
    if (!changed.empty()) recompute(std::move(changed));
    update_open(group);
  }

  // Whether its scale is another one now.
  bool set_threshold(Place& place, double threshold) {
    Quantizer& quantizer = place.quantizer;
    const double scale = scale_of(threshold, quantizer.bits, quantizer.is_signed);
    const bool changes = quantizer.scale != scale;
    quantizer.threshold = threshold;
    quantizer.scale = scale;
    Quantization& codes = *graph_.value(graph_.nodes[place.node].outputs[0]).quantization;
    codes.thresholds = {scale * static_cast<double>(codes.high())};
    return changes;
  }

  // What has been computed from `changed` codes is computed again; nothing is calibrated again.
  void recompute(std::set<ValueId> changed) {
    for (const std::size_t n : done_) {
      const Node& node = graph_.nodes[n];
      const bool affected = std::any_of(node.inputs.begin(), node.inputs.end(),
                                        [&](ValueId id) { return changed.contains(id); });
      if (!affected) continue;
      // The Quantize between is no node of its own here: its Dequantize reads the codes.
      compute(n);
      changed.insert(node.outputs[0]);
      for (const std::size_t reader : quantizers_of(node.outputs[0])) {
        changed.insert(graph_.nodes[reader].outputs[0]);
      }
    }
  }

  std::vector<std::size_t> quantizers_of(ValueId id) const {
    std::vector<std::size_t> nodes;
    for (const Place& place : form_.places) {
      if (graph_.nodes[place.node].inputs[0] == id) nodes.push_back(place.node);
    }
    return nodes;
  }

  void update_open(const std::vector<std::size_t>& group) {
    const auto met = [&](std::size_t member) { return seen_[member]; };
    const auto count = std::count_if(group.begin(), group.end(), met);
    if (count == 1 && group.size() > 1) ++open_groups_;
    if (count == static_cast<std::ptrdiff_t>(group.size()) && group.size() > 1) --open_groups_;
  }

  // While a group waits for its last member, what its first ones gave may have to be made again.
  void release_until(std::size_t n) {
    if (open_groups_ > 0) return;
    for (std::size_t id = 0; id < last_reader_.size(); ++id) {
      if (last_reader_[id] <= n) store_.release(static_cast<ValueId>(id));
    }
  }

  Form& form_;
  Graph& graph_;
  const SampleSource& samples_;
  const StageProgress& progress_;
  ActivationStore store_;
  std::vector<std::size_t> place_of_;  // by node: its place + 1, or 0
  std::vector<std::size_t> last_reader_;
  std::vector<bool> seen_;         // by place
  std::vector<std::size_t> done_;  // nodes, in order
  std::map<ValueId, Tensor> rounded_constants_;
  int open_groups_ = 0;
};

}  // namespace

void calibrate(Form& form, const SampleSource& samples, const StageProgress& progress) {
  CHECK(samples.count > 0, "calibration without a sample");
  Walk(form, samples, progress).run();
}

}  // namespace workbench::graffitist
