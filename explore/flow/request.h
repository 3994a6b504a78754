// What all stages need beside a request (options.h): times, progress, its passes and its machine.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "explore/options.h"

namespace workbench {

// Wall time since it was made.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Called with the next step and the fraction done (0 to 1).
using Progress = std::function<void(std::string_view stage, double fraction)>;
// Of a stage that takes that part of the whole.
Progress within(const Progress& whole, double begin, double end);

// Every pass that can be switched: those of the float pipeline in the order they run, then the
// rewrites that fit a network into a machine's limits.
std::vector<PassDescription> known_passes();

// The machine that the request names; none for the target "none". Throws Error.
std::optional<Machine> machine_of(const CompileRequest& request);
// What its target is: where it names none, the family of its machine, and without one
// `without_machine`. Throws Error as load_machine() does.
std::string target_of(const CompileRequest& request, std::string_view without_machine);

}  // namespace workbench
