// Recurrent networks, and Einsum, which becomes matrix products.
#include <algorithm>
#include <numeric>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

constexpr Result kPart{.output = kIntermediate};

Recurrent::Direction direction(NodeReader& node) {
  const std::string text = node.text("direction", "forward");
  if (text == "forward") return Recurrent::Direction::Forward;
  if (text == "reverse") return Recurrent::Direction::Reverse;
  if (text == "bidirectional") return Recurrent::Direction::Bidirectional;
  node.refuse("attribute 'direction': expected forward, reverse or bidirectional, found '{}'",
              text);
}

Activation::Kind gate_function(const NodeReader& node, const std::string& name) {
  using Kind = Activation::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {{"Relu", Kind::Relu},
                                                          {"Tanh", Kind::Tanh},
                                                          {"Sigmoid", Kind::Sigmoid},
                                                          {"Softsign", Kind::Softsign},
                                                          {"Softplus", Kind::Softplus},
                                                          {"HardSigmoid", Kind::HardSigmoid},
                                                          {"Elu", Kind::Elu}};
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  node.refuse("attribute 'activations': '{}' is not supported", name);
}

// One list for all directions.
void read_functions(NodeReader& node, Recurrent& op) {
  const auto names = node.texts("activations");
  if (node.has("activation_alpha") || node.has("activation_beta")) {
    node.refuse("attribute 'activation_alpha': expected the defaults of 'activations', found more");
  }
  if (op.kind == Recurrent::Kind::Rnn) op.gate = Activation::Kind::Tanh;
  if (!names || names->empty()) return;
  const std::size_t functions = op.kind == Recurrent::Kind::Lstm  ? 3
                                : op.kind == Recurrent::Kind::Gru ? 2
                                                                  : 1;
  const auto expected = functions * static_cast<std::size_t>(op.directions());
  if (names->size() != expected) {
    node.refuse("attribute 'activations': expected {} names, found {}", expected, names->size());
  }
  for (std::size_t i = functions; i < expected; ++i) {
    if ((*names)[i] != (*names)[i - functions]) {
      node.refuse("attribute 'activations': expected the same in both directions, found {} and {}",
                  (*names)[i - functions], (*names)[i]);
    }
  }
  Activation::Kind* const members[] = {&op.gate, &op.cell, &op.result};
  for (std::size_t i = 0; i < functions; ++i) *members[i] = gate_function(node, (*names)[i]);
}

Recurrent read_recurrent(NodeReader& node) {
  Recurrent op{.kind = node.op() == "LSTM"  ? Recurrent::Kind::Lstm
                       : node.op() == "GRU" ? Recurrent::Kind::Gru
                                            : Recurrent::Kind::Rnn,
               .direction = direction(node)};
  const Shape& r = node.shape(2);
  op.hidden = node.integer("hidden_size", r.empty() ? 0 : r.back());
  read_functions(node, op);
  op.clip = node.real("clip", 0);
  if (op.clip < 0) node.refuse("attribute 'clip': expected a number >= 0, found {}", op.clip);
  if (op.kind == Recurrent::Kind::Gru) {
    op.linear_before_reset = node.flag("linear_before_reset", false);
  }
  if (op.kind == Recurrent::Kind::Lstm) op.input_forget = node.flag("input_forget", false);
  return op;
}

// All sequences are as long as the tensor.
void check_lengths(const NodeReader& node, std::int64_t steps) {
  if (!node.has_input(4)) return;
  for (const std::int64_t length : node.constant_integers(4, "sequence_lens")) {
    if (length != steps) {
      node.refuse("input 4 (sequence_lens): expected {}, the length of the input, found {}", steps,
                  length);
    }
  }
}

void import_recurrent(NodeReader& node) {
  const Recurrent op = read_recurrent(node);
  const bool batch_first = node.flag("layout", false);
  if (node.shape(0).size() != 3) {
    node.refuse("input 0: expected rank 3, found {}", to_string(node.shape(0)));
  }
  check_lengths(node, node.shape(0)[batch_first ? 1 : 0]);
  const auto turned = [&](ValueId id) {
    if (!batch_first || id == kNoValue) return id;
    return node.emit(Transpose{{1, 0, 2}}, {id}, {kPart});
  };
  const auto real = [&](std::size_t i) {
    return node.has_input(i) ? node.float_input(i) : kNoValue;
  };
  std::vector<ValueId> inputs{turned(node.float_input(0)),
                              node.float_input(1),
                              node.float_input(2),
                              real(3),
                              turned(real(5)),
                              turned(real(6)),
                              real(7)};
  while (inputs.back() == kNoValue) inputs.pop_back();
  std::size_t count = std::min<std::size_t>(node.output_count(), 3);
  while (count > 1 && !node.wants_output(count - 1)) --count;
  std::vector<Result> results;
  for (std::size_t i = 0; i < count; ++i) {
    const bool direct = node.wants_output(i) && !batch_first;
    results.push_back({.output = direct ? static_cast<int>(i) : kIntermediate});
  }
  const std::vector<ValueId> written = node.emit_all(op, inputs, results);
  for (std::size_t i = 0; batch_first && i < count; ++i) {
    if (!node.wants_output(i)) continue;
    const Transpose back{i == 0 ? Integers{2, 0, 1, 3} : Integers{1, 0, 2}};
    node.emit(back, {written[i]}, {{.output = static_cast<int>(i)}});
  }
}

// A tensor of a sum and a letter for each of its dimensions.
struct Term {
  ValueId id = kNoValue;
  std::string labels;
};

class EinsumReader {
 public:
  explicit EinsumReader(NodeReader& node) : node_(node) {}

  void run() {
    read_equation();
    Term term = operand(0);
    for (std::size_t i = 1; i < terms_.size(); ++i) {
      std::string wanted = result_;
      for (std::size_t k = i + 1; k < terms_.size(); ++k) wanted += terms_[k];
      term = product(std::move(term), operand(i), wanted);
    }
    term = summed(std::move(term), result_);
    node_.emit(order(term, result_), {term.id});
  }

 private:
  void read_equation() {
    std::string equation = node_.text("equation", "");
    std::erase(equation, ' ');
    if (equation.find('.') != std::string::npos) {
      node_.refuse("attribute 'equation': '...' is not supported, found '{}'", equation);
    }
    const std::size_t arrow = equation.find("->");
    const std::string left = equation.substr(0, arrow);
    terms_ = {""};
    for (const char c : left) {
      if (c == ',') {
        terms_.emplace_back();
      } else {
        terms_.back() += c;
      }
    }
    result_ = arrow == std::string::npos ? once(left) : equation.substr(arrow + 2);
    if (terms_.size() != node_.input_count()) {
      node_.refuse("attribute 'equation': expected {} terms, found '{}'", node_.input_count(),
                   equation);
    }
    check_letters(result_);
    for (const char c : result_) {
      if (left.find(c) == std::string::npos) {
        node_.refuse("attribute 'equation': expected '{}' among the operands, found '{}'", c,
                     equation);
      }
    }
  }

  // The letters that stand once in the operands, sorted: the result of an equation without one.
  static std::string once(const std::string& left) {
    std::string letters;
    for (const char c : left) {
      if (c != ',' && std::ranges::count(left, c) == 1) letters += c;
    }
    std::ranges::sort(letters);
    return letters;
  }

  void check_letters(const std::string& labels) const {
    for (const char c : labels) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter || std::ranges::count(labels, c) != 1) {
        node_.refuse("attribute 'equation': expected each letter once in '{}'", labels);
      }
    }
  }

  Term operand(std::size_t i) {
    Term term{node_.float_input(i), terms_[i]};
    check_letters(term.labels);
    const Shape& shape = node_.shape(i);
    if (shape.size() != term.labels.size()) {
      node_.refuse("input {}: expected rank {} for '{}', found {}", i, term.labels.size(),
                   term.labels, to_string(shape));
    }
    for (std::size_t d = 0; d < shape.size(); ++d) {
      const auto [known, fresh] = sizes_.emplace(term.labels[d], shape[d]);
      if (!fresh && known->second != shape[d]) {
        node_.refuse("input {}: expected {} for '{}', found {}", i, known->second, term.labels[d],
                     shape[d]);
      }
    }
    return term;
  }

  static Transpose order(const Term& term, const std::string& labels) {
    Transpose op;
    for (const char c : labels) {
      op.permutation.push_back(static_cast<std::int64_t>(term.labels.find(c)));
    }
    return op;
  }

  // Without the dimensions that are not `wanted`.
  Term summed(Term term, const std::string& wanted) {
    Reduce sum{.kind = Reduce::Kind::Sum, .keep_dims = false};
    std::string kept;
    for (std::size_t d = 0; d < term.labels.size(); ++d) {
      if (wanted.find(term.labels[d]) == std::string::npos) {
        sum.axes.push_back(static_cast<std::int64_t>(d));
      } else {
        kept += term.labels[d];
      }
    }
    if (sum.axes.empty()) return term;
    return {node_.emit(sum, {term.id}, {kPart}), kept};
  }

  std::int64_t size(const std::string& labels) const {
    std::int64_t product = 1;
    for (const char c : labels) product *= sizes_.at(c);
    return product;
  }

  ValueId matrices(const Term& term, const std::string& batch, const std::string& rows,
                   const std::string& columns) {
    const ValueId turned = node_.emit(order(term, batch + rows + columns), {term.id}, {kPart});
    return node_.emit(Reshape{{size(batch), size(rows), size(columns)}}, {turned}, {kPart});
  }

  // Letters of both are those of a batch where they are wanted, else of the sum.
  Term product(Term a, Term b, const std::string& wanted) {
    a = summed(std::move(a), wanted + b.labels);
    b = summed(std::move(b), wanted + a.labels);
    std::string batch, inner, rows, columns;
    for (const char c : a.labels) {
      const bool shared = b.labels.find(c) != std::string::npos;
      (!shared ? rows : wanted.find(c) != std::string::npos ? batch : inner) += c;
    }
    for (const char c : b.labels) {
      if (a.labels.find(c) == std::string::npos) columns += c;
    }
    const ValueId left = matrices(a, batch, rows, inner);
    const ValueId right = matrices(b, batch, inner, columns);
    const ValueId flat = node_.emit(MatMul{}, {left, right}, {kPart});
    Term result{kNoValue, batch + rows + columns};
    Shape shape;
    for (const char c : result.labels) shape.push_back(sizes_.at(c));
    result.id = node_.emit(Reshape{shape}, {flat}, {kPart});
    return result;
  }

  NodeReader& node_;
  std::vector<std::string> terms_;
  std::string result_;
  std::map<char, std::int64_t> sizes_;
};

void import_einsum(NodeReader& node) { EinsumReader(node).run(); }

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Einsum", import_einsum, kAnyNumber, 1, true,
     "becomes MatMul; without ellipsis and diagonals"},
    {"GRU", import_recurrent, 6, 2, false, "sequences of one length"},
    {"LSTM", import_recurrent, 8, 3, false, "sequences of one length"},
    {"RNN", import_recurrent, 6, 2, false, "sequences of one length"},
};

}  // namespace

std::span<const ImportRule> sequence_rules() { return kRules; }

}  // namespace workbench::importer
