// A line of a text listing (listing.h): its tokens, and the instruction it holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

std::string_view trimmed(std::string_view text);
std::vector<std::string_view> tokens(std::string_view text);

// As one token; `more` are further characters that would be misread.
std::string escaped(std::string_view text, std::string_view more = "");
std::string unescaped(std::string_view token);

// An instruction line cut in its parts.
struct LineParts {
  std::string_view id;  // "-": the entry has none; empty: nor has the line
  std::string_view opcode;
  std::vector<std::string_view> values, extras;  // extras: key=value
  std::string_view comment;
};
// Throws Error "WHERE: ..." where there is no opcode.
LineParts parts_of(std::string_view line, const std::string& where);

// The names of a line's fields.
using LineTemplate = std::vector<std::string>;
// Those of the dialect for the line: some compilers print an fcmode of XNAvgPool, others do not
// (docs/facts/xdnn.md 2.4).
LineTemplate template_for(const LineParts& parts, Dialect dialect);
void fit_fcmode(const LineParts& parts, LineTemplate& fields);

// Adds the instruction of the line to the entry, extras and comment aside. Throws Error naming the
// field that is missing, or how many fields were expected.
void read_line(const LineParts& parts, const LineTemplate& fields, Dialect dialect, Entry& entry);

// The dialect that most of these lines fit; the newer of equals.
Dialect dialect_of_lines(const std::vector<std::string_view>& lines);

}  // namespace workbench::xdnn
