#include "explore/sweep/conditions.h"

#include <muParser.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <list>
#include <map>

#include "core/error.h"
#include "explore/sweep/study.h"
#include "explore/sweep/values.h"

namespace workbench {

struct Conditions::Expression {
  std::string text;  // as the user wrote it
  mu::Parser parser;
};

struct Conditions::State {
  std::string where;
  std::vector<std::vector<double>> numbers;  // of each variable, of each of its values
  std::vector<double> current;               // of each variable; the parsers read them here
  std::list<Expression> expressions;
};

namespace {

bool is_letter(char letter) {
  return std::isalpha(static_cast<unsigned char>(letter)) != 0 || letter == '_';
}
bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }
bool is_name_part(char letter) { return is_letter(letter) || is_digit(letter); }

// The meaning of names: variables by position, words by the number that represents them.
struct Names {
  std::map<std::string, std::string, std::greater<>> meaning;  // what the parser is given
};

// An expression in the user's words becomes one of the parser's: its names have no dots or hyphens,
// its numbers no suffixes.
class Translation {
 public:
  Translation(const std::string& text, const Names& names, const std::string& where)
      : text_(text), names_(names), where_(where) {}

  std::string result() {
    while (at_ < text_.size()) {
      const char letter = text_[at_];
      if (is_letter(letter)) {
        name();
      } else if (is_digit(letter)) {
        number();
      } else {
        sign();
      }
    }
    return out_;
  }

 private:
  // The longest known name that the rest begins with and that ends there.
  const std::pair<const std::string, std::string>* known_name() const {
    const std::pair<const std::string, std::string>* longest = nullptr;
    for (const auto& entry : names_.meaning) {
      const std::string& candidate = entry.first;
      if (text_.compare(at_, candidate.size(), candidate) != 0) continue;
      const std::size_t end = at_ + candidate.size();
      if (end < text_.size() && is_name_part(text_[end])) continue;
      const bool goes_on = end + 1 < text_.size() && text_[end] == '.' && is_letter(text_[end + 1]);
      if (goes_on) continue;
      if (longest == nullptr || longest->first.size() < candidate.size()) longest = &entry;
    }
    return longest;
  }

  void name() {
    if (const auto* known = known_name()) {
      out_ += known->second;
      at_ += known->first.size();
      return;
    }
    std::size_t end = at_;
    while (end < text_.size() && (is_name_part(text_[end]) || text_[end] == '.')) ++end;
    const std::string found = text_.substr(at_, end - at_);
    const std::size_t next = text_.find_first_not_of(' ', end);
    if (next == std::string::npos || text_[next] != '(') refuse_name(found);
    out_ += found;  // a function: the parser knows which there are
    at_ = end;
  }

  [[noreturn]] void refuse_name(const std::string& found) const {
    std::vector<std::string> known;
    for (const auto& [name, meaning] : names_.meaning) known.push_back(name);
    if (known.empty()) {
      fail("{}: expected parameters that the study sets in '{}', found {}, and it sets none",
           where_, text_, found);
    }
    fail("{}: expected parameters and options of the study in '{}', the nearest is {}; found {}",
         where_, text_, nearest_name(found, known), found);
  }

  void number() {
    std::size_t end = at_;
    while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
    const bool exponent = end + 1 < text_.size() && (text_[end] == 'e' || text_[end] == 'E') &&
                          (is_digit(text_[end + 1]) || text_[end + 1] == '-');
    if (exponent) {
      end += 2;
      while (end < text_.size() && is_digit(text_[end])) ++end;
    }
    if (end < text_.size() && (text_[end] == 'k' || text_[end] == 'K' || text_[end] == 'M')) ++end;
    const std::string found = text_.substr(at_, end - at_);
    const std::optional<double> value = numeric_value(found);
    if (!value || (end < text_.size() && is_name_part(text_[end]))) {
      fail("{}: expected a number in '{}', found '{}'", where_, text_, text_.substr(at_));
    }
    out_ += fmt::format("{:.17g}", *value);
    at_ = end;
  }

  void sign() {
    const char letter = text_[at_];
    const char before = at_ > 0 ? text_[at_ - 1] : ' ';
    const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    // The parser would assign, and go on with the last of several.
    if (letter == '=' && after != '=' && std::string_view("<>!=").find(before) == std::string::npos)
      fail("{}: expected == or another comparison in '{}', found =", where_, text_);
    if (letter == ';') fail("{}: expected one expression, found ; in '{}'", where_, text_);
    out_ += letter;
    ++at_;
  }

  const std::string& text_;
  const Names& names_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string out_;
};

// Numbers of the values; words get numbers of their own, the same word the same everywhere.
std::vector<std::vector<double>> numbers_of(std::span<const Dimension> variables, Names& names) {
  std::map<std::string, double> words;
  std::vector<std::vector<double>> numbers;
  for (const Dimension& variable : variables) {
    std::vector<double>& of_variable = numbers.emplace_back();
    for (const std::string& value : variable.values) {
      const std::optional<double> number = numeric_value(value);
      const double word = static_cast<double>(words.size() + 1);
      of_variable.push_back(number ? *number : words.try_emplace(value, word).first->second);
    }
  }
  for (const auto& [word, number] : words) {
    names.meaning.emplace(word, fmt::format("{}", number));
  }
  // Parameters come last: they hide words of the same name.
  for (std::size_t i = 0; i < variables.size(); ++i) {
    names.meaning.insert_or_assign(variables[i].name, fmt::format("v{}_", i));
  }
  return numbers;
}

}  // namespace

Conditions::Conditions(std::span<const std::string> expressions,
                       std::span<const Dimension> variables, const std::string& where)
    : state_(std::make_unique<State>()) {
  state_->where = where;
  Names names;
  state_->numbers = numbers_of(variables, names);
  state_->current.resize(variables.size());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    state_->current[i] = state_->numbers[i].front();
  }
  for (const std::string& text : expressions) {
    Expression& expression = state_->expressions.emplace_back();
    expression.text = text;
    const std::string translated = Translation(text, names, where).result();
    try {
      for (std::size_t i = 0; i < variables.size(); ++i) {
        expression.parser.DefineVar(fmt::format("v{}_", i), &state_->current[i]);
      }
      expression.parser.SetExpr(translated);
      (void)expression.parser.Eval();
    } catch (const mu::Parser::exception_type& error) {
      fail("{}: expected an expression such as l1 * cores <= 512k, found '{}': {}", where, text,
           error.GetMsg());
    }
    if (expression.parser.GetNumResults() != 1) {
      fail("{}: expected one expression, found {} in '{}'", where,
           expression.parser.GetNumResults(), text);
    }
  }
}

Conditions::~Conditions() = default;

bool Conditions::hold(std::span<const std::size_t> indices) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    state_->current[i] = state_->numbers[i][indices[i]];
  }
  return std::ranges::all_of(state_->expressions, [&](const Expression& expression) {
    const double value = expression.parser.Eval();
    if (std::isnan(value)) {
      fail("{}: expected true or false for every point, found no number in '{}'", state_->where,
           expression.text);
    }
    return value != 0;
  });
}

}  // namespace workbench
