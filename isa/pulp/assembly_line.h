// One line of PULP assembly: a word, then fields "name=value". Values are numbers, words of an
// enumeration, or names: bare where that is unambiguous, else in quotes with \" \\ \n \xHH.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/loops.h"

namespace workbench::pulp {

struct AssemblyLine {
  std::string where;  // "NAME:LINE"
  std::string word;   // opcode or directive; empty: nothing but a comment
  struct Field {
    std::string name, value;
  };
  std::vector<Field> fields;
};

// Throws Error "NAME:LINE: ..." on what is no such line.
AssemblyLine parse_line(std::string_view text, const std::string& where);

std::string quote(std::string_view text);

// Text of a value. Fields that hold addresses are hexadecimal.
std::string value_text(std::string_view field, std::int64_t value);
std::string value_text(std::string_view field, double value);
template <std::integral T>
std::string value_text(std::string_view field, T value) {
  return value_text(field, static_cast<std::int64_t>(value));
}
std::string value_text(std::string_view field, const std::string& value);
std::string value_text(std::string_view field, KernelKind value);
std::string value_text(std::string_view field, Space value);
std::string value_text(std::string_view field, LoopOver value);

// What a field grows by in loops, behind its value: "+0x40*i"; nothing where it does not.
std::string growth_text(std::string_view field, const std::vector<Advance>& advances);

// As they are; out of range or no number is an Error "NAME:LINE: WORD: field ...".
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, std::int64_t& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, std::int32_t& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, bool& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, double& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, std::string& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, KernelKind& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, Space& value);
void read_value(const AssemblyLine& line, const AssemblyLine::Field& field, LoopOver& value);

// Throws Error "NAME:LINE: WORD: ...".
[[noreturn]] void refuse(const AssemblyLine& line, const std::string& what);
// Takes what fields grow by in loops off their values: "4+2*i" remains "4".
std::vector<Advance> take_advances(AssemblyLine& line);
// The values of all fields called so, in order.
std::vector<const AssemblyLine::Field*> fields_called(const AssemblyLine& line,
                                                      std::string_view name);
// Refuses a field that is none of `names`, and one that appears twice and is none of `repeated`.
void check_names(const AssemblyLine& line, const std::vector<std::string_view>& names,
                 const std::vector<std::string_view>& repeated = {});

// Texts of all values, in the order of the list.
template <HasFields T>
std::vector<std::string> value_texts(const T& object) {
  std::vector<std::string> texts;
  for_each_field(object, [&](std::string_view name, const auto& member) {
    texts.push_back(value_text(name, member));
  });
  return texts;
}

// " name=value" for every field that is not as declared, or does not stay so; and a kernel's kind.
template <HasFields T>
std::string fields_text(const T& object, const std::vector<Advance>& advances = {}) {
  static const std::vector<std::string> declared = value_texts(T{});
  std::string text;
  std::size_t i = 0;
  for_each_field(object, [&](std::string_view name, const auto& member) {
    const std::string value = value_text(name, member) + growth_text(name, advances);
    const bool usual = value == declared[i++];
    if (!usual || name == "kind") text.append(" ").append(name).append("=").append(value);
  });
  return text;
}

// Reads the fields of T into `object`; `repeated` are names that are read elsewhere.
template <HasFields T>
void read_fields(const AssemblyLine& line, T& object,
                 const std::vector<std::string_view>& repeated = {}) {
  std::vector<std::string_view> names = repeated;
  for_each_field(object, [&](std::string_view name, auto& member) {
    names.push_back(name);
    for (const auto* field : fields_called(line, name)) read_value(line, *field, member);
  });
  check_names(line, names, repeated);
}

}  // namespace workbench::pulp
