#include "compiler/pulp/fabric/elements.h"

#include <algorithm>

#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/moves.h"

namespace workbench::pulp {

namespace {

// What only moves.
bool moved(ElementWriter& w) {
  const auto sources = moved_elements(w.graph, w.node);
  if (!sources || c_type(w.operand(0)) != c_type(w.result())) return false;
  if (traits(w.node.op).silent) {  // another name
    w.body.line(fmt::format("return {};", w.read(0, "i")));
    return true;
  }
  const std::string index = w.name + "_from", from = w.read(0, "from");
  w.tables += c_index_function(index, *sources, w.out());
  w.body.line(fmt::format("const int32_t from = {}(i);", index));
  const bool fills = std::ranges::find(*sources, -1) != sources->end();
  const float fill = fill_value(w.node.op).value_or(0);
  const std::string filled =
      w.is_real(0) ? c_float(fill) : std::to_string(static_cast<std::int64_t>(fill));
  w.body.line(fills ? fmt::format("return from < 0 ? {} : {};", filled, from)
                    : fmt::format("return {};", from));
  return true;
}

}  // namespace

std::optional<ElementText> c_element(const Graph& graph, const Node& node, std::size_t number,
                                     const std::string& name, const ReadElement& read) {
  const bool further = std::holds_alternative<TopK>(node.op) ||
                       std::holds_alternative<MaxPool>(node.op) ||
                       std::holds_alternative<Recurrent>(node.op);
  if (number > 0 && !further) return std::nullopt;
  ElementWriter w{.graph = graph,
                  .node = node,
                  .name = name,
                  .read = read,
                  .tables = {},
                  .at_begin = {},
                  .body = {},
                  .result_number = number};
  const std::string type = c_type(w.result());
  if (type.empty()) return std::nullopt;
  const auto write = [&](const auto& op) { return write_element(w, op); };
  if (!moved(w) && !std::visit(write, node.op)) return std::nullopt;
  const std::string unused = has_word(w.body.text(), "i") ? "" : "  (void)i;\n";
  return ElementText{fmt::format("{}static {} {}(int32_t i) {{\n{}{}}}\n", w.tables, type, name,
                                 unused, w.body.text()),
                     w.at_begin};
}

bool reads_many(const Op& op) {
  return !(traits(op).elementwise || traits(op).moves_data ||
           std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op) ||
           std::holds_alternative<Where>(op) || std::holds_alternative<Gather>(op) ||
           std::holds_alternative<GatherElements>(op) || std::holds_alternative<GatherNd>(op));
}

}  // namespace workbench::pulp
