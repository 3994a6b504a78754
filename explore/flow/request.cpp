#include "explore/flow/request.h"

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_limits.h"
#include "core/error.h"

namespace workbench {

Progress within(const Progress& whole, double begin, double end) {
  if (!whole) return {};
  return [=](std::string_view stage, double fraction) {
    whole(stage, begin + (end - begin) * fraction);
  };
}

std::vector<PassDescription> known_passes() {
  std::vector<PassDescription> passes = describe_float_passes();
  const std::vector<PassDescription> rewrites = xdnn::describe_limit_rewrites();
  passes.insert(passes.end(), rewrites.begin(), rewrites.end());
  return passes;
}

std::optional<Machine> machine_of(const CompileRequest& request) {
  if (request.target == "none") {
    if (!request.machine.empty()) fail("--hw: expected none with --target none");
    return std::nullopt;
  }
  if (request.target.empty()) return load_machine(request.machine, request.overrides);
  const bool wants_xdnn = request.target == "xdnn";
  const std::filesystem::path path =
      request.machine.empty() ? find_machine_file(wants_xdnn ? "v3_96" : "gap8") : request.machine;
  Machine machine = load_machine(path, request.overrides);
  if (family_of(machine) != request.target) {
    fail("--hw {}: expected a machine of --target {}, found one of --target {}", name(machine),
         request.target, family_of(machine));
  }
  return machine;
}

std::string target_of(const CompileRequest& request, std::string_view without_machine) {
  if (!request.target.empty()) return request.target;
  if (request.machine.empty()) return std::string(without_machine);
  return std::string(family_of(load_machine(request.machine, request.overrides)));
}

}  // namespace workbench
