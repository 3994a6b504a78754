// YAML into any struct with a field list. The only place that reads machine files: every error says
// FILE:LINE, what was expected and what was found; unknown and repeated keys are errors.
#pragma once

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <concepts>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/fields.h"
#include "core/yaml.h"

namespace workbench {

namespace yaml {

inline std::string where(const std::string& file, const YAML::Node& node) {
  return fmt::format("{}:{}", file, node.Mark().line + 1);
}

// A scalar of a struct's member type. `place` and `key` are for the message.
template <typename T>
void read_scalar(const YAML::Node& node, T& member, const std::string& place,
                 const std::string& key) {
  if (!node.IsScalar()) fail("{}: {} must be a single value", place, key);
  if constexpr (std::same_as<T, std::string>) {
    member = node.Scalar();
  } else {
    const char* expected = std::same_as<T, bool> ? "true or false"
                           : std::integral<T>    ? "a whole number"
                                                 : "a number";
    try {
      member = node.as<T>();
    } catch (const YAML::Exception&) {
      std::string found = node.Scalar();
      std::ranges::replace(found, '\n', ' ');  // an error is one line
      fail("{}: {} must be {}, found '{}'", place, key, expected, found);
    }
  }
}

template <typename Range>
void check_range(const YAML::Node& node, double value, const Range& range, const std::string& place,
                 const std::string& key) {
  if (value >= range.low && value <= range.high) return;  // NaN fails both
  fail("{}: {} must lie between {} and {}, found {}", place, key, range.low, range.high,
       node.Scalar());
}

// Reads `node` into `member` and checks it against the field's range, if it has one.
template <typename T, typename... Range>
void read_field(const YAML::Node& node, T& member, const std::string& place, const std::string& key,
                const Range&... range) {
  read_scalar(node, member, place, key);
  if constexpr (std::is_arithmetic_v<T>) {
    (check_range(node, static_cast<double>(member), range, place, key), ...);
  }
}

}  // namespace yaml

// What a machine file says, for the families to read. Throws Error where that is not YAML, or
// nothing.
inline YAML::Node machine_root(const std::string& text, const std::string& name) {
  YAML::Node root = parse_yaml(text, name);
  if (!root.IsDefined() || root.IsNull()) fail("{}:1: the machine file is empty", name);
  return root;
}

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
        yaml::read_field(entry.second, member, yaml::where(file, entry.second), prefix + key,
                         range...);
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

// Sets the one field that a dotted name says ("ddr.efficiency"), with the checks of a file.
// `place` stands for the file in errors, `prefix` names the enclosing key.
template <HasFields T>
void set_yaml_field(T& object, const std::string& name, const std::string& value,
                    const std::string& place, const std::string& prefix = "") {
  const std::size_t dot = name.find('.');
  const std::string key = name.substr(0, dot);
  bool known = false;
  std::string names;
  for_each_field(object, [&](std::string_view field, auto& member, auto... range) {
    using Member = std::remove_cvref_t<decltype(member)>;
    names += (names.empty() ? "" : ", ") + std::string(field);
    if (field != key) return;
    if constexpr (HasFields<Member>) {
      if (dot == std::string::npos) return;  // a group is no field
      known = true;
      set_yaml_field(member, name.substr(dot + 1), value, place, prefix + key + ".");
    } else {
      if (dot != std::string::npos) return;
      known = true;
      yaml::read_field(YAML::Node(value), member, place, prefix + key, range...);
    }
  });
  if (!known) {
    fail("{}: unknown key '{}{}', expected one of: {}{}", place, prefix, name, names,
         prefix.empty() ? " (a group's knobs are GROUP.KNOB)" : "");
  }
}

// Sets the field that an option's "KEY=VALUE" says, KEY after `prefix`; `seen` are the keys before.
// A machine keeps its family.
template <HasFields T>
void set_yaml_pair(T& machine, const std::string& option, const std::string& prefix,
                   const std::string& text, std::set<std::string>& seen) {
  const std::string where = option + " " + text;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    fail("{}: expected {}", where, prefix.empty() ? "KEY=VALUE" : "NAME=MHz");
  }
  const std::string key = prefix + text.substr(0, equals);
  if (key == "family") fail("{}: a machine keeps its family; give another --hw", where);
  if (!seen.insert(key).second) fail("{}: key '{}' appears twice", where, key);
  set_yaml_field(machine, key, text.substr(equals + 1), where);
}

}  // namespace workbench
