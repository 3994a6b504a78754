// Which passes run: each has a name and a default, and the user's lists (--with, --without) change
// it. The same lists switch the passes of the float pipeline and the rewrites of a target.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workbench {

// A row of `workbench passes`.
struct PassDescription {
  std::string_view name;
  std::string_view does;  // one line
  bool on = true;         // unless the user says otherwise
};

struct PassSwitches {
  std::vector<std::string> with, without;  // names of passes

  bool is_on(std::string_view name, bool by_default) const;
};

// Throws Error when a name is not in `known` (naming all that are), or is in both lists.
void check(const PassSwitches& switches, std::span<const PassDescription> known);

}  // namespace workbench
