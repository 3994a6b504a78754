// Names in a file end up in reports, JSON and error lines, so they must be text.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace workbench::importer {

// Throws Error when `name` is empty, too long, not UTF-8 or holds control characters; `kind` is for
// the message.
void check_name(std::string_view name, std::string_view kind);

// Control characters, and bytes beyond ASCII that are not UTF-8, replaced by '?'; at most 500
// bytes.
std::string one_line(std::string_view text);

// `wanted`, or `wanted` with the first free number behind it; takes it.
std::string unique_name(std::set<std::string>& taken, const std::string& wanted);

}  // namespace workbench::importer
