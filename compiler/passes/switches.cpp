#include "compiler/passes/switches.h"

#include <algorithm>

#include "core/error.h"

namespace workbench {

namespace {

bool holds(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

void check_list(std::string_view option, const std::vector<std::string>& list,
                std::span<const PassDescription> known) {
  for (const std::string& name : list) {
    const auto is_it = [&](const PassDescription& pass) { return pass.name == name; };
    if (std::any_of(known.begin(), known.end(), is_it)) continue;
    std::string names;
    for (const PassDescription& pass : known) {
      names += names.empty() ? "" : ", ";
      names += pass.name;
    }
    fail("{}: expected names of passes ({}), found '{}'", option, names, name);
  }
}

}  // namespace

bool PassSwitches::is_on(std::string_view name, bool by_default) const {
  if (holds(without, name)) return false;
  return by_default || holds(with, name);
}

void check(const PassSwitches& switches, std::span<const PassDescription> known) {
  check_list("--with", switches.with, known);
  check_list("--without", switches.without, known);
  for (const std::string& name : switches.with) {
    if (holds(switches.without, name)) {
      fail("--with {0} --without {0}: expected the pass in one of the lists, found it in both",
           name);
    }
  }
}

}  // namespace workbench
