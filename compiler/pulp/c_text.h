// Names and numbers of a network in the C that is written for it.
#pragma once

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <string>

namespace workbench::pulp {

// As a part of a name; names of files are made of it, too.
inline std::string c_identifier(const std::string& name) {
  constexpr std::size_t kLettersMost = 60;
  std::string text;
  for (const char c : name.substr(0, kLettersMost)) {
    text += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return text;
}

// As a C string; nothing of it ends a string or a comment.
inline std::string c_quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || c == '?') {
      result += fmt::format("\\{}", c);
    } else if (code < 32 || code > 126) {
      result += fmt::format("\\{:03o}", code);
    } else {
      result += c;
    }
  }
  return result + "\"";
}

// As it may stand behind "//".
inline std::string in_c_comment(std::string text) {
  for (char& c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 32 || code > 126 || c == '\\' || c == '?') c = '_';
  }
  return text;
}

// Whether a name stands in the text as a whole.
inline bool has_word(const std::string& text, const std::string& word) {
  const auto in_word = [&](std::size_t i) {
    return i < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
  };
  for (std::size_t i = text.find(word); i != std::string::npos; i = text.find(word, i + 1)) {
    if (!in_word(i - 1) && !in_word(i + word.size())) return true;
  }
  return false;
}

// The shortest text that is read as this number; negative ones in brackets.
inline std::string c_double(double x) {
  if (std::isnan(x)) return "(double)NAN";
  if (std::isinf(x)) return x < 0 ? "(-(double)INFINITY)" : "(double)INFINITY";
  std::string text = fmt::format("{}", x);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return std::signbit(x) ? fmt::format("({})", text) : text;
}
inline std::string c_float(float x) {
  if (std::isnan(x)) return "NAN";
  if (std::isinf(x)) return x < 0 ? "(-INFINITY)" : "INFINITY";
  std::string text = fmt::format("{}", x);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return std::signbit(x) ? fmt::format("({}f)", text) : fmt::format("{}f", text);
}

}  // namespace workbench::pulp
