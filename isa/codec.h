// What the program files of all targets share <-> protobuf: graphs, program info, field lists; and
// bytes as printable text.
#pragma once

#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/error.h"
#include "core/fields.h"
#include "core/graph.h"
#include "isa/program_info.h"
#include "program.pb.h"

namespace workbench {

void encode(const Graph& graph, file::Graph& message);
// Throws Error "NAME: ..." on anything that is no graph (ids out of range, unknown op, sizes that
// do not agree).
Graph decode(const file::Graph& message, const std::string& name);

// ProgramInfo <-> protobuf.

void encode(const ProgramInfo& info, file::Info& message);
ProgramInfo decode(const file::Info& message);

// Structs with field lists <-> the protobuf messages that hold them field by field under their
// names: file::Instruction, file::Record.

// Numbers that are 0 are left out; so are empty names.
template <HasFields T, typename Message>
void encode_fields(const T& object, Message& message) {
  for_each_field(object, [&](std::string_view name, const auto& member) {
    if constexpr (std::same_as<decltype(member), const std::string&>) {
      if (member.empty()) return;
      file::Text& text = *message.add_texts();
      text.set_name(std::string(name));
      text.set_value(member);
    } else {
      const auto value = static_cast<std::int64_t>(member);
      if (value == 0) return;
      file::Field& field = *message.add_fields();
      field.set_name(std::string(name));
      field.set_value(value);
    }
  });
}

// A number for a field whose enumeration has `last`, found by argument: dense from 0.
template <typename Member>
bool fits_field(std::int64_t value) {
  if constexpr (requires { last(Member{}); }) {
    return value >= 0 && value <= static_cast<std::int64_t>(last(Member{}));
  } else if constexpr (std::same_as<Member, std::int32_t>) {
    return value >= INT32_MIN && value <= INT32_MAX;
  } else {
    // Beyond this no product of two fields could be formed safely.
    return value >= -(std::int64_t{1} << 40) && value <= std::int64_t{1} << 40;
  }
}

// Throws Error "NAME: WHAT ..." on a field that T has not and on a number out of range.
template <HasFields T, typename Message>
void decode_fields(T& object, const Message& message, const std::string& name,
                   const std::string& what) {
  std::map<std::string_view, std::int64_t> numbers;
  std::map<std::string_view, const std::string*> texts;
  for (const file::Field& field : message.fields()) numbers[field.name()] = field.value();
  if constexpr (requires { message.texts(); }) {
    for (const file::Text& text : message.texts()) texts[text.name()] = &text.value();
  }
  for_each_field(object, [&](std::string_view field, auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (std::same_as<Member, std::string>) {
      const auto found = texts.find(field);
      member = found == texts.end() ? "" : *found->second;
      texts.erase(field);
    } else {
      const auto found = numbers.find(field);
      const std::int64_t value = found == numbers.end() ? 0 : found->second;
      if (!fits_field<Member>(value)) fail("{}: {} field '{}' is {}", name, what, field, value);
      member = static_cast<Member>(value);
      numbers.erase(field);
    }
  });
  if (!numbers.empty()) fail("{}: {} has no field '{}'", name, what, numbers.begin()->first);
  if (!texts.empty()) fail("{}: {} has no field '{}'", name, what, texts.begin()->first);
}

// An instruction (a variant of structs with field lists) under its opcode.
template <typename Instruction>
void encode_instruction(const Instruction& instruction, file::Instruction& message) {
  message.set_opcode(std::string(opcode(instruction)));
  std::visit([&](const auto& op) { encode_fields(op, message); }, instruction);
}

// `blank`: the family's instruction of an opcode, nothing where it has none.
template <typename Instruction>
Instruction decode_instruction(std::optional<Instruction> (*blank)(std::string_view),
                               const file::Instruction& message, const std::string& name) {
  std::optional<Instruction> instruction = blank(message.opcode());
  if (!instruction) fail("{}: unknown opcode '{}'", name, message.opcode());
  std::visit([&](auto& op) { decode_fields(op, message, name, message.opcode()); }, *instruction);
  return *instruction;
}

// The part of a program that the host runs.
template <typename Program, typename Message>
void encode_host(const Program& program, Message& message) {
  encode(program.host, *message.mutable_host());
  for (const auto& step : program.host_steps) {
    file::HostStep& to = *message.add_host_steps();
    to.set_before(step.before);
    to.mutable_nodes()->Assign(step.nodes.begin(), step.nodes.end());
  }
}
template <typename Program, typename Message>
void decode_host(const Message& message, const std::string& name, Program& program) {
  program.host = decode(message.host(), name);
  for (const file::HostStep& step : message.host_steps()) {
    program.host_steps.push_back({step.before(), {step.nodes().begin(), step.nodes().end()}});
  }
}

// Bytes as printable text (RFC 4648, with padding).

std::string base64(std::string_view bytes);
// None for what is no base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace workbench
