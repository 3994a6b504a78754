// What the functions of elements (elements.h) are written with: a node, its operands at an index,
// and text that is made line by line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/graph.h"

namespace workbench::pulp {

// The C of operand k of the node at an index.
using ReadElement = std::function<std::string(std::size_t k, const std::string& index)>;

// Statements of a function; braces open blocks.
class Body {
 public:
  void line(const std::string& text);
  void open(const std::string& text);  // "TEXT {"
  void close();
  void loop(const std::string& index, std::int64_t count);
  void close_all();
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int depth_ = 1;
};

// A sum of indices times steps: "(a) * 3 + b"; an index that is "0" adds nothing.
std::string offset_text(const std::vector<std::pair<std::string, std::int64_t>>& terms);
std::vector<std::int64_t> row_major_steps(const Shape& shape);

// float, or int32_t for codes, truths and indices; empty: no C has such elements.
std::string c_type(const Value& value);
// The integer that elements of a type are, indices in 32 bits; empty: they are none.
std::string_view c_integer(ElementType type);

struct ElementWriter {
  const Graph& graph;
  const Node& node;
  const std::string& name;  // of the function: names of tables begin with it
  const ReadElement& read;
  std::string tables;    // before the function
  std::string at_begin;  // before its first call in each turn
  Body body;             // of a function of "int32_t i"

  std::size_t result_number = 0;

  const Value& result() const { return graph.value(node.outputs[result_number]); }
  const Shape& out() const { return result().shape; }
  const Value& operand(std::size_t k) const { return graph.value(node.inputs[k]); }
  const Shape& in(std::size_t k) const { return operand(k).shape; }
  bool has(std::size_t k) const { return k < node.inputs.size() && node.inputs[k] != kNoValue; }
  bool is_real(std::size_t k) const { return operand(k).type == ElementType::Float32; }
  bool all_real() const;  // operands and result
  // A dimension of the result that may be counted from the back.
  std::size_t axis(std::int64_t axis) const;

  // Of element i: its index along dimension d of the result, and along its channels.
  std::string digit(std::size_t d) const;
  std::string channel() const { return out().size() > 1 ? digit(1) : "0"; }
  // Of element i: the index in operand k, which broadcasts to the result.
  std::string broadcast(std::size_t k) const;

  // A table NAME_WHAT; its name.
  std::string doubles(const std::string& what, const std::vector<double>& values);
  std::string wide_integers(const std::string& what, const std::vector<std::int64_t>& values);
  // The one number, or an element of a table of them.
  std::string chosen(const std::string& what, const std::vector<double>& values,
                     const std::string& index);

  // The C of an activation of a double "x".
  std::string activated(const Activation& activation, const std::string& channel);
  // Ends the function: with the activation of the double that is `x` in C.
  bool finish(const Activation& activation, const std::string& x, const std::string& channel);
};

}  // namespace workbench::pulp
