// What the shape rules ask of a node's operands and attributes. Every refusal is an Error that
// starts with the node: "node 'NAME' (Op): where: expected ..., found ...".
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Window parameters and results above these are no network: refusing them keeps every product of
// the rules below inside 64 bits.
inline constexpr std::int64_t kMaxParameter = std::int64_t{1} << 20;
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

class ShapeChecks {
 public:
  ShapeChecks(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

 protected:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("node '{}' ({}): {}", node_.name, op_name(node_.op),
         fmt::format(format, std::forward<Args>(args)...));
  }

  void check_size(const Shape& shape) const {
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) {
      if (dim < 0) refuse("output: expected dimensions >= 0, found {}", to_string(shape));
      if (dim != 0 && count > kMaxElements / dim) {
        refuse("output: expected at most {} elements, found shape {}", kMaxElements,
               to_string(shape));
      }
      count *= dim;
    }
  }

  bool has(std::size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kNoValue; }

  const Shape& operand(std::size_t i, std::string_view meaning) const {
    if (!has(i)) {
      refuse("operand {} ({}): expected a value, found none", i, meaning);
    }
    return graph_.value(node_.inputs[i]).shape;
  }

  const Shape& data(std::size_t least_rank = 0) const {
    const Shape& x = operand(0, "x");
    if (x.size() < least_rank) {
      refuse("operand 0 (x): expected rank {} or more, found {}", least_rank, to_string(x));
    }
    return x;
  }

  void expect(std::size_t i, std::string_view meaning, const Shape& expected) const {
    const Shape& found = operand(i, meaning);
    if (found != expected) {
      refuse("operand {} ({}): expected shape {}, found {}", i, meaning, to_string(expected),
             to_string(found));
    }
  }

  void expect_length(std::string_view attribute, std::size_t found, std::size_t expected) const {
    if (found != expected) refuse("{}: expected {} entries, found {}", attribute, expected, found);
  }

  void expect_range(std::string_view attribute, const std::vector<std::int64_t>& values,
                    std::int64_t low, std::int64_t high) const {
    for (const std::int64_t v : values) {
      if (v < low || v > high) {
        refuse("{}: expected values in [{}, {}], found {}", attribute, low, high, v);
      }
    }
  }

  // Index in [0, rank) of an axis that may count from the back.
  std::size_t axis(std::int64_t axis, std::size_t rank) const {
    const auto signed_rank = static_cast<std::int64_t>(rank);
    if (axis < -signed_rank || axis >= signed_rank) {
      refuse("axis: expected a value in [{}, {}), found {}", -signed_rank, signed_rank, axis);
    }
    return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
  }

  void check(const Window& window, std::size_t rank) const {
    expect_length("kernel_shape", window.kernel.size(), rank);
    expect_length("strides", window.strides.size(), rank);
    expect_length("dilations", window.dilations.size(), rank);
    expect_length("pads (begin)", window.pads_begin.size(), rank);
    expect_length("pads (end)", window.pads_end.size(), rank);
    expect_range("kernel_shape", window.kernel, 1, kMaxParameter);
    expect_range("strides", window.strides, 1, kMaxParameter);
    expect_range("dilations", window.dilations, 1, kMaxParameter);
    expect_range("pads (begin)", window.pads_begin, 0, kMaxParameter);
    expect_range("pads (end)", window.pads_end, 0, kMaxParameter);
  }

  // numpy: aligned at the last dimension, 1 stretches.
  Shape broadcast(const Shape& a, const Shape& b) const {
    Shape out(std::max(a.size(), b.size()));
    for (std::size_t i = 0; i < out.size(); ++i) {  // counted from the back
      const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
      const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
      if (left != right && left != 1 && right != 1) {
        refuse("operand 1: expected a shape that broadcasts with {}, found {}", to_string(a),
               to_string(b));
      }
      out[out.size() - 1 - i] = left == 1 ? right : left;
    }
    return out;
  }

  const Graph& graph_;
  const Node& node_;
};

}  // namespace workbench
