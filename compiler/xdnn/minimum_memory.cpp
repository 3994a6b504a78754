#include "compiler/xdnn/minimum_memory.h"

#include <algorithm>
#include <numeric>

#include "compiler/xdnn/lower.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

class Counting {
 public:
  Counting(const Graph& graph, const Machine& machine, std::span<const std::size_t> order)
      : graph_(graph), machine_(machine), order_(order), tensor_of_(graph.values.size(), -1) {
    result_.step_of_node.assign(graph.nodes.size(), -1);
  }

  MinimumMemory run() {
    for (const ValueId id : graph_.inputs) {
      result_.steps.push_back({graph_.value(id).name, false});
    }
    for (const std::size_t n : order_) visit(n);
    replace_operands();
    join_parts();
    sum_up();
    return std::move(result_);
  }

 private:
  // The effect of a node with a volume of its own on other live ranges.
  struct Joint {
    int step = 0, result = 0;
    std::vector<int> operands;
    std::vector<bool> whole;  // the operand is all of its tensor, not a slice
  };

  MemoryTensor& tensor(int id) { return result_.tensors[static_cast<std::size_t>(id)]; }
  int& tensor_of(ValueId id) { return tensor_of_[static_cast<std::size_t>(id)]; }
  int last_step() const { return static_cast<int>(result_.steps.size()) - 1; }

  void visit(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (std::holds_alternative<Quantize>(node.op)) {
      enter(node);
    } else if (on_accelerator(graph_, node)) {
      compute(n, node);
    } else {
      leave(n, node);
    }
  }

  // From the host into the memory.
  void enter(const Node& node) {
    const auto input = std::find(graph_.inputs.begin(), graph_.inputs.end(), node.inputs[0]);
    if (input == graph_.inputs.end()) {
      add_tensor(node.outputs[0], last_step());
    } else if (in_memory(node.outputs[0])) {
      add_tensor(node.outputs[0], static_cast<int>(input - graph_.inputs.begin()));
    }
  }

  // Tiling machines read a convolution's operand from DDR when it is there.
  bool in_memory(ValueId input) const {
    if (machine_.features.tiling == 0) return true;
    return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& node) {
      return std::find(node.inputs.begin(), node.inputs.end(), input) != node.inputs.end() &&
             !std::holds_alternative<workbench::Conv>(node.op);
    });
  }

  void compute(std::size_t n, const Node& node) {
    const bool renames = traits(node.op).silent;
    const int step = renames ? last_step() : add_step(n, node, false);
    Joint joint{.step = step, .result = -1, .operands = {}, .whole = {}};
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || tensor_of(id) < 0) continue;
      read(tensor_of(id), step);
      joint.operands.push_back(tensor_of(id));
      joint.whole.push_back(graph_.value(id).shape == tensor(tensor_of(id)).shape);
    }
    if (renames || std::holds_alternative<workbench::Slice>(node.op)) {
      tensor_of(node.outputs[0]) = joint.operands.empty() ? -1 : joint.operands[0];
      return;
    }
    add_tensor(node.outputs[0], step);
    joint.result = tensor_of(node.outputs[0]);
    MemoryTensor& written = tensor(joint.result);
    for (std::size_t i = 0; i < node.merged.size(); ++i) {  // in place
      result_.steps.push_back({node.merged[i], false});
      written.writers.push_back(last_step());
      read(joint.result, last_step());
    }
    const bool in_place =
        std::holds_alternative<Binary>(node.op) || std::holds_alternative<Activate>(node.op);
    if (in_place) eltwises_.push_back(joint);
    if (std::holds_alternative<Concat>(node.op)) concats_.push_back(std::move(joint));
  }

  // Out of the memory, or on the host altogether.
  void leave(std::size_t n, const Node& node) {
    const bool leaves = std::holds_alternative<Dequantize>(node.op);
    if (!traits(node.op).silent) add_step(n, node, true);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || tensor_of(id) < 0) continue;
      const int source = tensor_of(id);
      if (leaves) {
        tensor(source).last = std::max(tensor(source).last, last_step());
      } else if (!traits(node.op).silent) {
        tensor(source).readers.push_back(last_step());  // of its copy on the host
      }
      if (traits(node.op).silent) tensor_of(node.outputs[0]) = source;
    }
  }

  int add_step(std::size_t n, const Node& node, bool on_host) {
    result_.steps.push_back({node.name, on_host});
    return result_.step_of_node[n] = last_step();
  }

  void add_tensor(ValueId id, int step) {
    const Value& value = graph_.value(id);
    MemoryTensor t{.name = result_.steps[static_cast<std::size_t>(step)].name,
                   .value = value.name,
                   .shape = value.shape,
                   .writers = {step},
                   .first = step,
                   .last = step};
    if (value.shape.size() == 4) {
      const Geometry geometry = machine_.geometry();
      t.bytes = geometry.words(value.shape[1], value.shape[2], value.shape[3],
                               plain_layout(value.shape[1], geometry)) *
                machine_.word_bytes();
    }
    result_.tensors.push_back(std::move(t));
    tensor_of(id) = static_cast<int>(result_.tensors.size()) - 1;
  }

  void read(int id, int step) {
    MemoryTensor& t = tensor(id);
    if (t.readers.empty() || t.readers.back() != step) t.readers.push_back(step);
    t.last = std::max(t.last, step);
  }

  bool is_part(int id) const {
    return std::any_of(concats_.begin(), concats_.end(), [&](const Joint& concat) {
      return std::find(concat.operands.begin(), concat.operands.end(), id) != concat.operands.end();
    });
  }

  // "replace_layer": the result takes the place of an operand that dies, the first one that does.
  void replace_operands() {
    for (const Joint& eltwise : eltwises_) {
      for (std::size_t i = 0; i < eltwise.operands.size(); ++i) {
        MemoryTensor& operand = tensor(eltwise.operands[i]);
        const MemoryTensor& result = tensor(eltwise.result);
        const bool dies = operand.last == eltwise.step && !is_part(eltwise.operands[i]);
        if (!dies || !eltwise.whole[i] || operand.shape != result.shape) continue;
        operand.last = eltwise.step - 1;
        tensor(eltwise.result).replaces = true;
        break;
      }
    }
  }

  // From the concat on its parts lie in it; who reads them later reads it. A tensor can lie in one
  // concat: another one, or one that takes a slice of it, has a copy. Inner concats come first.
  void join_parts() {
    std::vector<int> lies_in(result_.tensors.size(), -1);
    for (const Joint& concat : concats_) {
      for (std::size_t i = 0; i < concat.operands.size(); ++i) {
        int& where = lies_in[static_cast<std::size_t>(concat.operands[i])];
        if (where < 0 && concat.whole[i]) where = concat.result;
      }
    }
    for (std::size_t i = 0; i < lies_in.size(); ++i) {
      if (lies_in[i] < 0) continue;
      MemoryTensor& part = result_.tensors[i];
      MemoryTensor& whole = tensor(lies_in[i]);
      whole.last = std::max(whole.last, part.last);
      part.last = whole.first - 1;
    }
  }

  void sum_up() {
    result_.live_bytes.assign(result_.steps.size(), 0);
    for (const MemoryTensor& t : result_.tensors) {
      for (int step = t.first; step <= t.last; ++step) {
        result_.live_bytes[static_cast<std::size_t>(step)] += t.bytes;
      }
    }
  }

  const Graph& graph_;
  const Machine& machine_;
  std::span<const std::size_t> order_;
  std::vector<int> tensor_of_;  // value -> tensor it is, or is a part of; -1: none in the memory
  std::vector<Joint> eltwises_, concats_;
  MinimumMemory result_;
};

}  // namespace

int MinimumMemory::worst() const {
  return static_cast<int>(std::max_element(live_bytes.begin(), live_bytes.end()) -
                          live_bytes.begin());
}

MinimumMemory minimum_memory(const Graph& quantized, const Machine& machine,
                             std::span<const std::size_t> order) {
  return Counting(quantized, machine, order).run();
}

std::vector<std::size_t> model_order(const Graph& quantized) {
  std::vector<std::size_t> order(quantized.nodes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

}  // namespace workbench::xdnn
