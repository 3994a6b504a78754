// Order of a graph's nodes, and while loops: a loop whose condition is known in every iteration is
// unrolled, one copy of its nodes per iteration (docs/facts/tensorflow.md 3).
#include <algorithm>
#include <utility>

#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

namespace {

constexpr std::int64_t kMaxUnrolled = std::int64_t{1} << 18;  // nodes, long names counting more
constexpr int kMaxDepth = 8;

bool is_any_of(const GraphNode& node, std::string_view op) {
  std::string_view name = node.def->op();
  if (name.starts_with("Ref")) name.remove_prefix(3);  // of variables
  return name == op;
}

bool enters(const GraphNode& node) { return is_any_of(node, "Enter"); }
bool leaves(const GraphNode& node) { return is_any_of(node, "Exit"); }
bool merges(const GraphNode& node) { return is_any_of(node, "Merge"); }

}  // namespace

bool Converter::is_back_edge(int n, const Edge& edge) const {
  return merges(node(n)) && is_any_of(node(edge.node), "NextIteration");
}

// Of a node in `frame`: itself; of one in a loop within: the loop, as a negative number.
int Converter::group_of(int n, int frame) const {
  int at = node(n).frame;
  if (at == frame) return n;
  while (at != 0 && frames_[static_cast<std::size_t>(at)].parent != frame) {
    at = frames_[static_cast<std::size_t>(at)].parent;
  }
  return at == 0 ? n : -at;
}

Converter::Groups Converter::order(const std::vector<int>& wanted, int frame, bool whole_loops) {
  struct Group {
    std::vector<int> nodes, readers;  // readers: keys
    int missing = 0;
  };
  std::map<int, Group> groups;
  std::map<int, int> key_of;
  for (const int n : wanted) {
    const int key = whole_loops ? group_of(n, frame) : n;
    key_of[n] = key;
    groups[key].nodes.push_back(n);
  }
  for (const auto& [n, key] : key_of) {
    if (n == input_node_) continue;
    for (const Edge& edge : node(n).inputs) {
      const auto from = key_of.find(edge.node);
      if (from == key_of.end() || from->second == key || is_back_edge(n, edge)) continue;
      groups.at(from->second).readers.push_back(key);
      ++groups.at(key).missing;
    }
  }
  std::set<std::pair<int, int>> ready;  // first node, key
  const auto is_ready = [&](int key) {
    const std::vector<int>& nodes = groups.at(key).nodes;
    ready.insert({*std::ranges::min_element(nodes), key});
  };
  for (const auto& [key, group] : groups) {
    if (group.missing == 0) is_ready(key);
  }
  Groups ordered;
  while (!ready.empty()) {
    Group& group = groups.at(ready.extract(ready.begin()).value().second);
    for (const int reader : group.readers) {
      if (--groups.at(reader).missing == 0) is_ready(reader);
    }
    ordered.push_back(std::move(group.nodes));
  }
  if (ordered.size() == groups.size()) return ordered;
  for (const auto& [key, group] : groups) {
    if (group.missing > 0) add_obstacle(group.nodes.front(), "expected no cycle, found one");
  }
  return ordered;
}

bool Converter::is_within(int frame, int outer) const {
  while (frame != outer && frame != 0) frame = frames_[static_cast<std::size_t>(frame)].parent;
  return frame == outer;
}

int Converter::depth_of(int frame) const {
  int depth = 0;
  for (; frame != 0; frame = frames_[static_cast<std::size_t>(frame)].parent) ++depth;
  return depth;
}

// The loop that holds what a node reads.
int Converter::frame_around(int n) {
  int frame = 0;
  for (const Edge& edge : node(n).inputs) {
    if (n == input_node_ || is_back_edge(n, edge)) continue;
    const GraphNode& from = node(edge.node);
    const int outside = frames_[static_cast<std::size_t>(from.frame)].parent;
    const int behind = leaves(from) ? outside : from.frame;
    if (is_within(behind, frame)) {
      frame = behind;
    } else if (!is_within(frame, behind)) {
      add_obstacle(n, "expected operands of one loop, found some of two");
    }
  }
  return frame;
}

// A loop lies in the innermost one that any of its Enters reads from: constants belong to none.
void Converter::nest(int n, int frame, int around) {
  int& parent = frames_[static_cast<std::size_t>(frame)].parent;
  if (around == parent || !is_within(around, parent)) return;
  if (is_within(around, frame) || depth_of(around) >= kMaxDepth) {
    add_obstacle(n, fmt::format("expected loops at most {} deep, found more", kMaxDepth));
  } else {
    parent = around;
  }
}

// A loop's nodes are those behind its Enters, up to its Exits.
void Converter::find_frames(const Groups& ordered) {
  std::map<std::string, int> by_name;
  for (const std::vector<int>& group : ordered) {
    const int n = group.front();
    int frame = frame_around(n);
    if (enters(node(n))) {
      const int next = static_cast<int>(frames_.size());
      const auto [found, is_new] = by_name.emplace(Op(*this, n).text("frame_name", ""), next);
      if (is_new) frames_.push_back({.parent = 0});
      nest(n, found->second, frame);
      frame = found->second;
    }
    nodes_[static_cast<std::size_t>(n)].frame = frame;
  }
}

// The nodes of `frame` and of the loops within.
void Converter::convert_all(const std::vector<int>& wanted, int frame) {
  for (const std::vector<int>& group : order(wanted, frame, true)) {
    const int loop = group_of(group.front(), frame);
    if (loop < 0) {
      unroll(group, -loop);
    } else {
      convert_node(group.front());
    }
  }
}

// Copies of a loop's nodes: the copy of each. They read each other; what a Merge reads is from
// before the loop in the first iteration, from the one before in all others.
std::map<int, int> Converter::next_iteration(const std::vector<int>& loop, int frame,
                                             std::int64_t iteration,
                                             const std::map<int, int>& before) {
  constexpr std::size_t kLongName = 256;
  std::map<int, int> copies;
  for (const int n : loop) {
    GraphNode copy = node(n);
    unrolled_ += 1 + static_cast<std::int64_t>(copy.name.size() / kLongName + copy.inputs.size());
    if (unrolled_ > kMaxUnrolled) {
      fail("expected loops that unroll to at most {} nodes and edges, found more", kMaxUnrolled);
    }
    copy.name = fmt::format("{}/{}", copy.name, iteration);
    copies[n] = static_cast<int>(nodes_.size());
    nodes_.push_back(std::move(copy));
    results_.emplace_back();
    feeds_window_.push_back(feeds_window_[static_cast<std::size_t>(n)]);
  }
  for (const auto& [n, copy] : copies) {
    std::vector<Edge> inputs;
    for (Edge edge : node(n).inputs) {
      const bool own_merge = merges(node(n)) && node(n).frame == frame;
      const bool back = own_merge && is_back_edge(n, edge);
      if (own_merge && back != (iteration > 0)) continue;
      const std::map<int, int>& from = back ? before : copies;
      if (const auto found = from.find(edge.node); found != from.end()) edge.node = found->second;
      inputs.push_back(edge);
    }
    nodes_[static_cast<std::size_t>(copy)].inputs = std::move(inputs);
  }
  return copies;
}

// Whether there is another iteration; nullopt where that is not known.
std::optional<bool> Converter::condition(const std::vector<int>& loop, int frame,
                                         const std::map<int, int>& iteration) {
  const auto found = std::ranges::find_if(
      loop, [&](int n) { return node(n).frame == frame && node(n).def->op() == "LoopCond"; });
  if (found == loop.end()) {
    add_obstacle(loop.front(), "expected a loop with a LoopCond, found none");
    return std::nullopt;
  }
  const int id = result(iteration.at(*found), 0);
  if (id < 0) return std::nullopt;  // behind an obstacle, which has been named
  const auto& constant = value(id).constant;
  if (!constant || constant->holds_reals() || constant->size() != 1) {
    add_obstacle(*found, refusal("While"));
    return std::nullopt;
  }
  return constant->integers()[0] != 0;
}

// Results of the loop: those of the last iteration; none where there is no last one.
void Converter::leave(const std::vector<int>& loop, int frame, const std::map<int, int>* last) {
  for (const int n : loop) {
    if (!leaves(node(n)) || node(n).frame != frame) continue;
    const int id = last == nullptr ? kUnknown : result(last->at(n), 0);
    set_result(n, 0, id);
  }
}

void Converter::unroll(const std::vector<int>& loop, int frame) {
  std::map<int, int> before;
  const std::int64_t obstacles = obstacles_.count();
  for (std::int64_t iteration = 0;; ++iteration) {
    try {
      before = next_iteration(loop, frame, iteration, before);
    } catch (const Error& error) {
      add_obstacle(loop.front(), error.what());
      return leave(loop, frame, nullptr);
    }
    std::vector<int> copies;
    for (const auto& [n, copy] : before) copies.push_back(copy);
    convert_all(copies, frame);
    const auto again = condition(loop, frame, before);
    if (!again || obstacles_.count() > obstacles) return leave(loop, frame, nullptr);
    if (!*again) return leave(loop, frame, &before);
  }
}

}  // namespace workbench::importer::tensorflow
