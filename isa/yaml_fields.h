// YAML into any struct with a field list. The only place that reads machine files: every error says
// FILE:LINE, what was expected and what was found; unknown and repeated keys are errors.
#pragma once

#include <yaml-cpp/yaml.h>

#include <concepts>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/fields.h"

namespace workbench {

namespace yaml {

inline std::string where(const std::string& file, const YAML::Node& node) {
  return fmt::format("{}:{}", file, node.Mark().line + 1);
}

// A scalar of a struct's member type. `key` is for the message.
template <typename T>
void read_scalar(const YAML::Node& node, T& member, const std::string& file,
                 const std::string& key) {
  if (!node.IsScalar()) fail("{}: {} must be a single value", where(file, node), key);
  if constexpr (std::same_as<T, std::string>) {
    member = node.Scalar();
  } else {
    const char* expected = std::same_as<T, bool> ? "true or false"
                           : std::integral<T>    ? "a whole number"
                                                 : "a number";
    try {
      member = node.as<T>();
    } catch (const YAML::Exception&) {
      fail("{}: {} must be {}, found '{}'", where(file, node), key, expected, node.Scalar());
    }
  }
}

template <typename Range>
void check_range(const YAML::Node& node, double value, const Range& range, const std::string& file,
                 const std::string& key) {
  if (value >= range.low && value <= range.high) return;  // NaN fails both
  fail("{}: {} must lie between {} and {}, found {}", where(file, node), key, range.low, range.high,
       node.Scalar());
}

}  // namespace yaml

// `prefix` names the enclosing key in messages ("ddr."). Keys that are absent keep their default;
// keys listed in `required` must be there.
template <HasFields T>
void read_yaml_fields(const YAML::Node& map, T& object, const std::string& file,
                      const std::string& prefix = "",
                      const std::vector<std::string>& required = {}) {
  if (!map.IsMap()) {
    fail("{}: {} must be a mapping of keys to values", yaml::where(file, map),
         prefix.empty() ? "the machine" : prefix.substr(0, prefix.size() - 1));
  }
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!seen.insert(key).second) {
      fail("{}: key '{}{}' appears twice", yaml::where(file, entry.first), prefix, key);
    }
    bool known = false;
    std::string names;
    for_each_field(object, [&](std::string_view name, auto& member, auto... range) {
      using Member = std::remove_cvref_t<decltype(member)>;
      names += (names.empty() ? "" : ", ") + std::string(name);
      if (name != key) return;
      known = true;
      if (entry.second.IsNull()) {  // whose own mark lies behind it, maybe beyond the file's end
        fail("{}: {}{} has no value", yaml::where(file, entry.first), prefix, key);
      }
      if constexpr (HasFields<Member>) {
        read_yaml_fields(entry.second, member, file, prefix + key + ".");
      } else {
        yaml::read_scalar(entry.second, member, file, prefix + key);
        if constexpr (std::is_arithmetic_v<Member>) {
          (yaml::check_range(entry.second, static_cast<double>(member), range, file, prefix + key),
           ...);
        }
      }
    });
    if (!known) {
      fail("{}: unknown key '{}{}', expected one of: {}", yaml::where(file, entry.first), prefix,
           key, names);
    }
  }
  for (const std::string& key : required) {
    if (!seen.contains(key)) fail("{}: key '{}{}' is missing", yaml::where(file, map), prefix, key);
  }
}

}  // namespace workbench
