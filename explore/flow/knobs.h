// The numbers of a machine file, or of a technology's, as text: what tracking compares, and by
// which a machine differs from the one that was shipped.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/fields.h"
#include "explore/flow/machine.h"

namespace workbench {

using Knobs = std::vector<std::pair<std::string, std::string>>;  // "ddr.efficiency", "0.71"

// In the order of the file.
template <HasFields T>
void add_knobs(const T& object, const std::string& prefix, Knobs& knobs) {
  for_each_field(object, [&](std::string_view name, const auto& member, auto...) {
    using Member = std::remove_cvref_t<decltype(member)>;
    const std::string full = prefix + std::string(name);
    if constexpr (HasFields<Member>) {
      add_knobs(member, full + ".", knobs);
    } else {
      knobs.emplace_back(full, fmt::format("{}", member));
    }
  });
}

inline Knobs knobs_of(const Machine& machine) {
  Knobs knobs;
  std::visit([&](const auto& m) { add_knobs(m, "", knobs); }, machine);
  return knobs;
}

}  // namespace workbench
