#include "compiler/pulp/fabric/moves.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/eval/evaluate.h"

namespace workbench::pulp {

namespace {

using Indices = std::vector<std::int64_t>;

constexpr std::int64_t kFill = -1;
constexpr std::size_t kPiecesMost = 5;  // of a dimension; more are a table

std::int64_t size_of(const Indices& list) { return static_cast<std::int64_t>(list.size()); }

// The nodes whose result is chosen by what is known now.
bool moves(const Node& node) {
  return (traits(node.op).moves_data && !std::holds_alternative<Concat>(node.op) && !node.affine) ||
         std::holds_alternative<Gather>(node.op) ||
         std::holds_alternative<GatherElements>(node.op) ||
         std::holds_alternative<GatherNd>(node.op);
}

// A dimension of a nest of loops.
struct Digit {
  std::int64_t count = 1, step = 0;
};

// The list as one sum of digits times steps, innermost first, and its first element.
std::optional<std::vector<Digit>> as_digits(Indices list) {
  std::vector<Digit> digits;
  while (list.size() > 1) {
    const std::int64_t step = list[1] - list[0], size = size_of(list);
    std::int64_t run = 1;
    while (run < size && list[static_cast<std::size_t>(run)] == list[0] + run * step) ++run;
    run = std::gcd(run, size);
    if (run == 1) return std::nullopt;
    Indices firsts;
    for (std::int64_t first = 0; first < size; first += run) {
      for (std::int64_t i = 0; i < run; ++i) {
        const auto at = static_cast<std::size_t>(first);
        if (list[at + static_cast<std::size_t>(i)] != list[at] + i * step) return std::nullopt;
      }
      firsts.push_back(list[static_cast<std::size_t>(first)]);
    }
    digits.push_back({run, step});
    list = std::move(firsts);
  }
  return digits;
}

// "i / 12 % 3" where `inner` elements lie behind each of `count`, of `size` in all.
std::string digit_text(const std::string& i, std::int64_t inner, std::int64_t count,
                       std::int64_t size) {
  std::string text = i;
  if (inner > 1) text += fmt::format(" / {}", inner);
  if (inner * count < size) text += fmt::format(" % {}", count);
  return text;
}

void add_term(std::string& sum, const std::string& term) {
  if (!sum.empty()) sum += " + ";
  sum += term;
}

std::string sum_of_digits(const std::vector<Digit>& digits, std::int64_t first, std::int64_t size) {
  std::string sum = first != 0 ? std::to_string(first) : "";
  std::int64_t inner = 1;
  for (const Digit& digit : digits) {
    const std::string text = digit_text("i", inner, digit.count, size);
    if (digit.step == 1) add_term(sum, text);
    if (digit.step != 0 && digit.step != 1) add_term(sum, fmt::format("{} * {}", text, digit.step));
    inner *= digit.count;
  }
  return sum.empty() ? "0" : sum;
}

// What each index of a dimension adds to `base`, or kFill where it lies outside of the operand.
struct Sum {
  std::int64_t base = 0;
  std::vector<Indices> parts;  // by dimension; none is negative
};

bool is_sum(const Sum& sum, const Indices& list, const Shape& shape) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::int64_t source = sum.base, rest = static_cast<std::int64_t>(i);
    bool outside = false;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      const std::int64_t part = sum.parts[d][static_cast<std::size_t>(rest % shape[d])];
      outside = outside || part == kFill;
      source += part;
    }
    if ((outside ? kFill : source) != list[i]) return false;
  }
  return true;
}

std::optional<Sum> along_dimensions(const Indices& list, const Shape& shape) {
  const auto inside = std::find_if(list.begin(), list.end(), [](auto v) { return v != kFill; });
  if (inside == list.end()) return std::nullopt;
  const std::int64_t at = inside - list.begin();
  Sum sum{*inside, {}};
  std::int64_t behind = size_of(list);
  for (const std::int64_t count : shape) {
    behind /= count;
    const std::int64_t first = at - at / behind % count * behind;
    Indices part;
    for (std::int64_t k = 0; k < count; ++k) {
      part.push_back(list[static_cast<std::size_t>(first + k * behind)]);
    }
    std::int64_t least = *inside;
    for (const std::int64_t from : part) least = from == kFill ? least : std::min(least, from);
    for (std::int64_t& from : part) from = from == kFill ? kFill : from - least;
    sum.base += least - *inside;
    sum.parts.push_back(std::move(part));
  }
  return is_sum(sum, list, shape) ? std::optional(sum) : std::nullopt;
}

// k times a step for each index k.
std::optional<std::int64_t> step_of(const Indices& part) {
  const std::int64_t step = part.size() > 1 ? part[1] : 0;
  if (std::ranges::find(part, kFill) != part.end()) return std::nullopt;
  for (std::size_t k = 0; k < part.size(); ++k) {
    if (part[k] != static_cast<std::int64_t>(k) * step) return std::nullopt;
  }
  return step;
}

// A dimension in pieces of constant steps, or of fill values: what Pad makes of one.
struct Piece {
  std::int64_t end = 0, first = 0, step = 0;  // of the indices [the piece before, end)
};
std::vector<Piece> pieces_of(const Indices& part) {
  std::vector<Piece> pieces;
  std::size_t begin = 0;
  while (begin < part.size()) {
    std::size_t end = begin + 1;
    const bool fills = part[begin] == kFill;
    const bool alone = end == part.size() || fills != (part[end] == kFill);
    const std::int64_t step = alone || fills ? 0 : part[end] - part[begin];
    while (end < part.size() && fills == (part[end] == kFill) &&
           (fills || part[end] == part[end - 1] + step)) {
      ++end;
    }
    pieces.push_back({static_cast<std::int64_t>(end), part[begin], fills ? 0 : step});
    begin = end;
  }
  return pieces;
}

// "k < 2 ? 2 - k : k - 2"
std::string choice_of(const std::vector<Piece>& pieces, const std::string& k) {
  std::string text;
  std::int64_t begin = 0;
  for (const Piece& piece : pieces) {
    const std::int64_t offset = piece.first - begin * piece.step;  // at k = 0
    std::string value = std::to_string(offset);
    if (piece.step != 0) value = fmt::format("{} * {} + {}", k, piece.step, offset);
    const bool last = &piece == &pieces.back();
    text += last ? value : fmt::format("{} < {} ? {} : ", k, piece.end, value);
    begin = piece.end;
  }
  return text;
}

std::string head(const std::string& name) {
  return fmt::format("static int32_t {}(int32_t i) {{\n", name);
}

std::string function_of(const std::string& name, const Sum& sum, const Shape& shape) {
  std::string tables, body, total = sum.base != 0 ? std::to_string(sum.base) : "", outside;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const Indices& part = sum.parts[d];
    const std::string digit = c_digit("i", shape, d);
    if (const auto step = step_of(part)) {
      if (*step != 0) add_term(total, *step == 1 ? digit : fmt::format("{} * {}", digit, *step));
      continue;
    }
    const std::vector<Piece> pieces = pieces_of(part);
    if (pieces.size() <= kPiecesMost && pieces.size() < part.size()) {
      body += fmt::format("  const int32_t k{0} = {1}, d{0} = {2};\n", d, digit,
                          choice_of(pieces, fmt::format("k{}", d)));
    } else {
      const std::string table = fmt::format("{}_along_{}", name, d);
      tables += c_index_table(table, part);
      body += fmt::format("  const int32_t d{} = {}[{}];\n", d, table, digit);
    }
    add_term(total, fmt::format("d{}", d));
    if (std::ranges::find(part, kFill) == part.end()) continue;
    outside += fmt::format("{}d{} < 0", outside.empty() ? "" : " || ", d);
  }
  std::string result = total.empty() ? std::string("0") : total;
  if (!outside.empty()) result = fmt::format("{} ? -1 : {}", outside, result);
  return tables + head(name) + body + fmt::format("  return {};\n}}\n", result);
}

}  // namespace

std::optional<Indices> moved_elements(const Graph& graph, const Node& node) {
  if (!moves(node)) return std::nullopt;
  std::vector<Tensor> operands;
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (node.inputs[k] == kNoValue) {
      operands.emplace_back();
      continue;
    }
    const Value& value = graph.value(node.inputs[k]);
    if (k > 0) {
      if (!value.constant) return std::nullopt;
      operands.push_back(*value.constant);
      continue;
    }
    Tensor numbers = Tensor::uninitialized(ElementType::Int64, value.shape);
    std::iota(numbers.mutable_values<std::int64_t>().begin(),
              numbers.mutable_values<std::int64_t>().end(), std::int64_t{0});
    operands.push_back(std::move(numbers));
  }
  Node numbering = node;
  if (auto* pad = std::get_if<Pad>(&numbering.op)) pad->value = kFill;
  if (auto* resize = std::get_if<Resize>(&numbering.op)) resize->extrapolation_value = kFill;
  if (std::holds_alternative<Identity>(node.op) || std::holds_alternative<Reshape>(node.op)) {
    if (graph.value(node.outputs[0]).type != graph.value(node.inputs[0]).type) return std::nullopt;
    const auto numbers = operands[0].values<std::int64_t>();
    return Indices(numbers.begin(), numbers.end());
  }
  const Tensor moved = evaluate_node(graph, numbering, operands)[0];
  const auto sources = moved.values<std::int64_t>();
  return Indices(sources.begin(), sources.end());
}

std::string c_digit(const std::string& i, const Shape& shape, std::size_t d) {
  if (shape[d] == 1) return "0";
  std::int64_t inner = 1;
  for (std::size_t k = d + 1; k < shape.size(); ++k) inner *= shape[k];
  return digit_text(i, inner, shape[d], element_count(shape));
}

std::string c_index_table(const std::string& name, const Indices& list) {
  const bool narrow = std::ranges::all_of(list, [](std::int64_t v) { return v < 32768; });
  std::string text = fmt::format("static const {} {}[] = {{", narrow ? "int16_t" : "int32_t", name);
  for (std::size_t i = 0; i < list.size(); ++i) {
    text += i % 16 == 0 ? "\n    " : " ";
    text += fmt::format("{},", list[i]);
  }
  return text + "\n};\n";
}

std::string c_index_function(const std::string& name, const Indices& sources, const Shape& shape) {
  const bool fills = std::ranges::find(sources, kFill) != sources.end();
  if (!fills && !sources.empty()) {
    if (const auto digits = as_digits(sources)) {
      return head(name) + fmt::format("  return {};\n}}\n",
                                      sum_of_digits(*digits, sources[0], size_of(sources)));
    }
  }
  if (const auto sum = along_dimensions(sources, shape)) return function_of(name, *sum, shape);
  return c_index_table(name + "_table", sources) + head(name) +
         fmt::format("  return {}_table[i];\n}}\n", name);
}

}  // namespace workbench::pulp
