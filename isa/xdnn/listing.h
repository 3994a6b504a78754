// A program as its text or JSON file holds it (docs/facts/xdnn.md 2.2, 2.4, 2.5): entries with
// named fields as text, nothing interpreted, nothing lost. What dialects differ in is tables in
// listing.cpp.
//
// Text: the vendor's lines, `id opcode fields # comment`, and comment lines. Information that a
// vendor line cannot hold is in comments of our own:
//   # dialect NAME                 which templates the lines follow; guessed when absent
//   # template id OPCODE FIELDS    the fields of this opcode's lines from here on
//   ... #+ key=value key:=JSON     further fields of the instruction on this line
//   ... #+ key:                    the field on this line is a JSON number
//   #: {...}                       JSON keys of the entry whose line follows
//   #; {...}                       the same, of an entry that has the line as key xdnn_instr alone
//   #= {...}                       an entry without an instruction
//   #! {...}                       JSON keys of the file
// Blanks, '%' and a leading '#' in a name are written %20, %25 and %23; the id of an entry without
// one is '-'.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workbench::xdnn {

enum class Dialect {
  V3,       // newest text: v1.5 compiler, Vitis 1.3
  V3Json,   // v1.4 and v1.5 samples: without weights_bit
  V3Early,  // version 1.1.1: no prelu, no concat_channels, no DDR flags
  V3First,  // v1.3 commands: no parallel_read, no image queue flags either
  V2,       // version 2.0.0: gather and scatter name the slice and the image queue
  V2First,  // v1.1 and v1.2
};
inline constexpr std::string_view kDialectNames[] = {"v3",       "v3_json", "v3_early",
                                                     "v3_first", "v2",      "v2_first"};
std::string_view to_string(Dialect dialect);
// Throws Error "WHERE: expected a dialect (v3, ...), found ...".
Dialect dialect_called(std::string_view name, const std::string& where);
bool is_v2(Dialect dialect);

// The field names of an opcode's lines behind `id opcode`, in order. Empty: unknown opcode in this
// dialect (or one without known fields).
std::span<const std::string_view> template_of(Dialect dialect, std::string_view opcode);
bool known_opcode(std::string_view opcode);
// Fields of `opcode` that every dialect of the same family has.
std::vector<std::string_view> required_fields(Dialect dialect, std::string_view opcode);

// The rule for values of that field; none for unknown fields.
struct FieldRule {
  bool text = false;  // any text; else a whole number in [low, high]
  std::int64_t low = 0, high = 0;
};
std::optional<FieldRule> field_rule(std::string_view key);

struct Field {
  std::string key, value;  // value as written: "0x8000"
  bool json = false;     // value is JSON that is neither text nor a whole number; unknown keys only
  bool integer = false;  // value is a JSON number, not text
  friend bool operator==(const Field&, const Field&) = default;
};

// A key of a JSON object with its value as compact JSON.
struct Attribute {
  std::string key, json;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

struct Entry {
  std::string where;                  // for errors: "FILE:LINE", or "FILE: network[3]"
  std::string opcode;                 // "XNConv"; empty: a comment, or an entry without instruction
  std::vector<Field> fields;          // `id` first when read from text; no key twice
  std::vector<Attribute> attributes;  // JSON keys other than xdnn_kv and comment
  std::string comment;                // behind '#'; of an entry without instruction: the whole line
  bool line = false;  // the JSON form has the fields as the text of its key xdnn_instr alone
  const Field* find(std::string_view key) const;
  void set(std::string_view key, std::string value);  // adds the field where it is absent
};

struct Listing {
  Dialect dialect = Dialect::V3;
  std::vector<Attribute> attributes;  // top-level JSON keys other than `network`
  std::vector<Entry> entries;
};

// Same opcode, comment and attributes, and the same fields in whatever order.
bool same(const Entry& a, const Entry& b);

// Name for people: the `name` field or attribute, else "".
std::string name_of(const Entry& entry);
// The attribute's text; "" when it is absent or no string.
std::string text_attribute(const Entry& entry, std::string_view key);
// "active" is absent or not 0.
bool active(const Entry& entry);
// The number a known field holds. Throws Error.
std::int64_t number(const Entry& entry, const Field& field);

// Whether the entry is an instruction to be executed: active, and no bookkeeping.
bool executed(const Entry& entry);

// Throws Error "WHERE: OPCODE 'name': field KEY: expected ..., found ...": an unknown opcode, a
// required field that is missing, a value of the wrong kind or out of range. What is not active may
// hold anything.
void check(const Entry& entry, Dialect dialect);

// --- the crossbar table --------------------------------------------------------------------------

// The crossbar table of hand-tuned V3 programs (docs/facts/xdnn.md 2.5, 2.7): which output channels
// go to which bytes of an AM word. Where an instruction names entries of it, they say where in the
// first word its result begins, whatever its concat fields say.

// First byte of the AM word that the entry's first channels are written to; none where the entry
// names no table entry or the listing has no table. Throws Error for a table that cannot be read.
std::optional<std::int64_t> crossbar_start(const Listing& listing, const Entry& entry);

}  // namespace workbench::xdnn
