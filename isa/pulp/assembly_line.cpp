#include "isa/pulp/assembly_line.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kNumberMax = std::int64_t{1} << 40;  // as in files: products stay safe

bool is_bare(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("_-./:+*,;()[]<>|@!?%&$~^").find(c) != std::string_view::npos;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  AssemblyLine run() {
    AssemblyLine line{.where = where_, .word = {}, .fields = {}};
    if (!at_end()) line.word = bare();
    while (!at_end()) {
      AssemblyLine::Field field{bare(), ""};
      if (at_ >= text_.size() || text_[at_] != '=') {
        fail("{}: '{}' after {}: expected FIELD=VALUE", where_, field.name, line.word);
      }
      ++at_;
      field.value = at_ < text_.size() && text_[at_] == '"' ? in_quotes() : bare();
      line.fields.push_back(std::move(field));
    }
    return line;
  }

 private:
  // Skips to the next word.
  bool at_end() {
    const std::size_t from = at_;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
    if (at_ >= text_.size() || text_[at_] == '#') return true;
    if (from == at_ && at_ > 0) fail("{}: unexpected {}", where_, quote(text_.substr(at_, 1)));
    return false;
  }

  std::string bare() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_bare(text_[at_])) ++at_;
    if (from == at_) {
      fail("{}: unexpected {}", where_,
           at_ < text_.size() ? quote(text_.substr(at_, 1)) : "end of line");
    }
    return std::string(text_.substr(from, at_ - from));
  }

  std::string in_quotes() {
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      value += text_[at_] == '\\' ? escaped() : text_[at_];
    }
    if (at_ >= text_.size()) fail("{}: a quote is not closed", where_);
    ++at_;
    return value;
  }

  // Of what follows the backslash; ends at its last character.
  char escaped() {
    const std::string_view rest = text_.substr(at_ + 1, 3);
    if (rest.starts_with('n')) return ++at_, '\n';
    if (rest.starts_with('"') || rest.starts_with('\\')) return text_[++at_];
    unsigned code = 0;
    const bool hexadecimal =
        rest.size() == 3 && rest[0] == 'x' &&
        std::from_chars(rest.data() + 1, rest.data() + 3, code, 16).ptr == rest.data() + 3;
    if (!hexadecimal) fail("{}: unknown escape \\{}", where_, rest);
    at_ += 3;
    return static_cast<char>(code);
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

bool is_address(std::string_view field) {
  for (const char* name : {"address", "l1", "l2", "l3", "in", "in2", "weights", "bias", "kappa",
                           "lambda", "out", "scratch"}) {
    if (field == name) return true;
  }
  return false;
}

[[noreturn]] void refuse_value(const AssemblyLine& line, const AssemblyLine::Field& field,
                               const std::string& expected) {
  refuse(line,
         fmt::format("field {}: expected {}, found {}", field.name, expected, quote(field.value)));
}

// The enumerator whose text that is.
template <typename Enum>
void read_enumerator(const AssemblyLine& line, const AssemblyLine::Field& field, Enum& value) {
  std::string names;
  for (std::int64_t i = 0; i <= static_cast<std::int64_t>(last(Enum{})); ++i) {
    value = static_cast<Enum>(i);
    if (to_string(value) == field.value) return;
    names.append(names.empty() ? "" : ", ").append(to_string(value));
  }
  refuse_value(line, field, "one of " + names);
}

}  // namespace

AssemblyLine parse_line(std::string_view text, const std::string& where) {
  return Parser(text, where).run();
}

std::string quote(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result.append(1, '\\').append(1, c);
    } else if (c == '\n') {
      result += "\\n";
    } else if (c < ' ' || c > '~') {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string value_text(std::string_view field, std::int64_t value) {
  return is_address(field) ? fmt::format("{:#x}", value) : fmt::format("{}", value);
}

std::string value_text(std::string_view, double value) { return fmt::format("{}", value); }

std::string value_text(std::string_view, const std::string& value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), is_bare) ? value : quote(value);
}

std::string value_text(std::string_view, KernelKind value) { return std::string(to_string(value)); }

std::string value_text(std::string_view, Space value) { return std::string(to_string(value)); }

std::string value_text(std::string_view, LoopOver value) { return std::string(to_string(value)); }

std::string growth_text(std::string_view field, const std::vector<Advance>& advances) {
  for (const Advance& advance : advances) {
    if (advance.field == field) return steps_text(advance.steps, is_address(field));
  }
  return "";
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, std::int64_t& value) {
  std::string_view digits = field.value;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  const bool hexadecimal = digits.starts_with("0x");
  if (hexadecimal) digits.remove_prefix(2);
  const char* const end = digits.data() + digits.size();
  std::uint64_t magnitude = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, magnitude, hexadecimal ? 16 : 10);
  if (error != std::errc{} || stop != end) refuse_value(line, field, "a whole number");
  if (magnitude > static_cast<std::uint64_t>(kNumberMax)) {
    refuse_value(line, field, fmt::format("at most {}", kNumberMax));
  }
  value = negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, std::int32_t& value) {
  std::int64_t wide = 0;
  read_value(line, field, wide);
  if (wide < INT32_MIN || wide > INT32_MAX) refuse_value(line, field, "a number of 32 bits");
  value = static_cast<std::int32_t>(wide);
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, bool& value) {
  if (field.value != "0" && field.value != "1") refuse_value(line, field, "0 or 1");
  value = field.value == "1";
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, double& value) {
  const char* const end = field.value.data() + field.value.size();
  const auto [stop, error] = std::from_chars(field.value.data(), end, value);
  if (error != std::errc{} || stop != end) refuse_value(line, field, "a number");
}

void read_value(const AssemblyLine&, const AssemblyLine::Field& field, std::string& value) {
  value = field.value;
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, KernelKind& value) {
  read_enumerator(line, field, value);
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, Space& value) {
  read_enumerator(line, field, value);
}

void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, LoopOver& value) {
  read_enumerator(line, field, value);
}

void refuse(const AssemblyLine& line, const std::string& what) {
  fail("{}: {}: {}", line.where, line.word, what);
}

std::vector<Advance> take_advances(AssemblyLine& line) {
  std::vector<Advance> advances;
  for (AssemblyLine::Field& field : line.fields) {
    if (field.name == "text" || field.value.find('*') == std::string::npos) continue;
    std::optional<Formula> formula = formula_of(field.value);
    if (!formula) refuse_value(line, field, "START+STEP*VARIABLE with the variables i to l");
    field.value = std::to_string(formula->start);
    advances.push_back({field.name, std::move(formula->steps)});
  }
  return advances;
}

std::vector<const AssemblyLine::Field*> fields_called(const AssemblyLine& line,
                                                      std::string_view name) {
  std::vector<const AssemblyLine::Field*> found;
  for (const AssemblyLine::Field& field : line.fields) {
    if (field.name == name) found.push_back(&field);
  }
  return found;
}

void check_names(const AssemblyLine& line, const std::vector<std::string_view>& names,
                 const std::vector<std::string_view>& repeated) {
  const auto one_of = [](std::string_view name, const std::vector<std::string_view>& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const AssemblyLine::Field& field : line.fields) {
    if (!one_of(field.name, names)) refuse(line, fmt::format("no field '{}'", field.name));
    if (!one_of(field.name, repeated) && fields_called(line, field.name).size() > 1) {
      refuse(line, fmt::format("field {} appears twice", field.name));
    }
  }
}

}  // namespace workbench::pulp
