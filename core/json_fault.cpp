#include "core/json_fault.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"

namespace workbench {

namespace {

// Between the first `before` and the next `after`; empty: not there.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + before.size());
  return rest.substr(0, rest.find(after));
}

// A kind of value as a reader of the file would call it.
std::string_view kind(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kKinds{
      {{"array", "a list"},
       {"boolean", "true or false"},
       {"null", "null"},
       {"number", "a number"},
       {"object", "an object"},
       {"string", "a text"},
       {"binary", "bytes"}}};
  const auto* const found =
      std::ranges::find(kKinds, name, &std::pair<std::string_view, std::string_view>::first);
  return found == kKinds.end() ? "a value of another kind" : found->second;
}

}  // namespace

std::string json_fault(std::string_view what) {
  const std::string_view line = between(what, "at line ", ",");
  if (!line.empty()) {
    return fmt::format("line {}, column {} is no JSON (or the file is truncated)", line,
                       between(what, "column ", ":"));
  }
  const std::string_view key = between(what, "key '", "' not found");
  if (!key.empty()) return fmt::format("no '{}'", key);
  const std::string_view wanted = between(what, "type must be ", ", but is ");
  if (!wanted.empty()) {
    return fmt::format("{} where {} belongs", kind(between(what, "but is ", " ")), kind(wanted));
  }
  const std::string_view used = between(what, ") with ", " ");
  if (!used.empty()) return fmt::format("{} where a list or an object belongs", kind(used));
  if (what.find("out_of_range.406") != std::string_view::npos) {
    return "a number beyond the range of numbers";
  }
  return "a value of another kind";
}

void check_json_depth(std::string_view text, const std::string& where) {
  constexpr int kDeepest = 64;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      i += c == '\\' ? 1 : 0;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) fail("{}: JSON nested deeper than {} levels", where, kDeepest);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

}  // namespace workbench
