#include "compiler/pulp/fabric/ends.h"

#include <algorithm>
#include <set>

#include "compiler/pulp/fabric/elements.h"
#include "core/error.h"

namespace workbench::pulp {

namespace {

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}
// Whether codes that lie pixel by pixel are known by the shape of the tensor that stands for them.
bool is_same_order(const TensorPlace& codes, const Shape& named) {
  if (codes.channels == 1 || codes.height * codes.width == 1) return true;
  return without_ones({codes.channels, codes.height, codes.width}) == without_ones(named);
}

class EndFinder {
 public:
  EndFinder(const HostValues& host, const Program& program, bool computes) : host_(host) {
    for (const TensorPlace& place : program.inputs) to_cluster_.insert(place.value);
    const std::size_t count = host.graph().nodes.size();
    possible_.resize(count, false);
    for (std::size_t n = 0; n < count; ++n) possible_[n] = is_possible(n, computes);
  }

  Ends run() {
    find_outputs();
    const std::vector<bool> all_live = live();
    for (const std::size_t n : conversions(all_live)) possible_[n] = false;
    const std::vector<bool> computed = live();
    for (std::size_t n = 0; n < computed.size(); ++n) {
      if (!computed[n] && turn(n) >= 0) ends_.left_out.push_back(n);
    }
    return std::move(ends_);
  }

 private:
  const Node& node(std::size_t n) const { return host_.graph().nodes[n]; }
  int turn(std::size_t n) const { return host_.turn_of_node(n); }
  bool is_first(std::size_t n) const { return turn(n) == 0; }
  bool is_last(std::size_t n) const { return turn(n) == host_.last_turn(); }
  bool is_between(std::size_t n) const { return turn(n) > 0 && !is_last(n); }

  bool is_possible(std::size_t n, bool computes) {
    if (turn(n) < 0) return false;
    if (is_between(n)) return true;
    if (!computes) return false;
    if (!obstacle_to_c(host_, node(n)).empty()) {
      ends_.without_c.push_back(n);
      return false;
    }
    if (is_first(n)) return true;  // its operands may be given
    return std::ranges::all_of(node(n).inputs, [&](ValueId id) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : host_.writer_number(id);
      return from < 0 || !is_last(static_cast<std::size_t>(from)) ||
             possible_[static_cast<std::size_t>(from)];
    });
  }

  // What a tensor is given as.
  void add_output(ValueId id) {
    if (id == kNoValue || !given_.insert(id).second) return;
    const ValueId root = host_.root(id);
    if (host_.value(root).constant) return;
    const TensorPlace* place = host_.place(root);
    if (host_.is_by_cluster(root) && place != nullptr &&
        (root == id || is_same_order(*place, host_.value(id).shape))) {
      if (given_.insert(root).second || root == id) ends_.outputs.push_back({id, root});
      return;
    }
    const std::ptrdiff_t from = host_.writer_number(id);
    if (from >= 0 && possible_[static_cast<std::size_t>(from)])
      ends_.outputs.push_back({id, kNoValue});
  }
  void find_outputs() {
    for (const ValueId id : host_.graph().outputs) add_output(id);
    for (std::size_t n = 0; n < possible_.size(); ++n) {
      if (!is_last(n) || possible_[n]) continue;
      for (const ValueId id : node(n).inputs) add_output(id);
    }
  }

  // Nodes that are possible and whose results something asks for.
  std::vector<bool> live() const {
    std::set<ValueId> wanted;
    for (const Output& output : ends_.outputs) {
      if (output.codes == kNoValue) wanted.insert(output.named);
    }
    const auto is_wanted = [&](ValueId id) {
      return id != kNoValue && (wanted.contains(id) || to_cluster_.contains(host_.value(id).name));
    };
    std::vector<bool> result(possible_.size(), false);
    for (std::size_t n = possible_.size(); n-- > 0;) {
      result[n] =
          possible_[n] && (is_between(n) || std::ranges::any_of(node(n).outputs, is_wanted));
      if (result[n]) wanted.insert(node(n).inputs.begin(), node(n).inputs.end());
    }
    return result;
  }

  // Under its first name.
  ValueId first_name(ValueId id) const {
    while (host_.is_renamed(id)) id = host_.writer(id)->inputs[0];
    return id;
  }
  bool is_given(ValueId id) const {
    const std::ptrdiff_t from = host_.writer_number(id);
    return from < 0 ? host_.is_input(id) : !possible_[static_cast<std::size_t>(from)];
  }

  // Those that make codes of what is given and of which nothing else is made.
  std::vector<std::size_t> conversions(const std::vector<bool>& is_live) const {
    std::vector<std::size_t> candidates;
    std::set<ValueId> numbers;  // that are read as such
    for (std::size_t n = 0; n < is_live.size(); ++n) {
      if (!is_live[n]) continue;
      for (const ValueId id : node(n).inputs) {
        if (id == kNoValue) continue;
        const ValueId from = first_name(id);
        const TensorPlace* codes = host_.place(node(n).outputs[0]);
        const bool converts = is_first(n) && std::holds_alternative<Quantize>(node(n).op) &&
                              codes != nullptr && is_given(from) &&
                              is_same_order(*codes, host_.value(from).shape);
        if (converts) candidates.push_back(n);
        if (!converts && !host_.is_renamed(node(n).outputs[0])) numbers.insert(from);
      }
    }
    std::erase_if(candidates,
                  [&](std::size_t n) { return numbers.contains(first_name(node(n).inputs[0])); });
    return candidates;
  }

  const HostValues& host_;
  std::set<std::string> to_cluster_;
  std::vector<bool> possible_;
  std::set<ValueId> given_;
  Ends ends_;
};

}  // namespace

std::string obstacle_to_c(const HostValues& host, const Node& node) {
  const Graph& graph = host.graph();
  for (const ValueId id : node.inputs) {  // in programs that were written by hand
    const ValueId root = id == kNoValue ? id : host.root(id);
    if (root != kNoValue && host.is_by_cluster(root) && host.place(root) == nullptr) {
      return fmt::format("nothing says where '{}' lies", graph.value(root).name);
    }
  }
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const ValueId id : *list) {
      if (id == kNoValue || !c_type(graph.value(id)).empty()) continue;
      return fmt::format("the application has no C for elements of type {}",
                         to_string(graph.value(id).type));
    }
  }
  if (std::holds_alternative<ConvTranspose>(node.op) && !graph.value(node.inputs[1]).constant) {
    return "the application has C for constant weights alone";
  }
  const auto any = [](std::size_t, const std::string& index) { return "x(" + index + ")"; };
  for (std::size_t k = 0; k < node.outputs.size(); ++k) {
    const ValueId id = node.outputs[k];
    const bool is_output = std::ranges::find(graph.outputs, id) != graph.outputs.end();
    if (id == kNoValue || (k > 0 && !is_output && host.readers(id).empty())) continue;
    if (!c_element(graph, node, k, "f", any)) return "the application has no C for it";
  }
  return "";
}

Ends ends_of(const HostValues& host, const Program& program, bool computes) {
  return EndFinder(host, program, computes).run();
}

}  // namespace workbench::pulp
