// What is wrong with a JSON file, in the words of this program: the text of an exception of the
// JSON library names its own functions, and no user has called those.
#pragma once

#include <string>
#include <string_view>

namespace workbench {

// `what`: of an nlohmann::json::exception. "line 374, column 6 is no JSON", "no 'points'",
// "a number where a text belongs".
std::string json_fault(std::string_view what);

// Throws Error "WHERE: JSON nested deeper than 64 levels": far beyond any file of ours, and what
// the library parses it also prints and copies by calls of itself, to the end of the stack. Before
// parsing.
void check_json_depth(std::string_view text, const std::string& where);

}  // namespace workbench
