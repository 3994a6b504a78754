// workbench allocate: addresses for the buffers of a problem file.
#include "compiler/memory/allocate.h"

#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/memory/exact.h"
#include "compiler/memory/problem_file.h"
#include "core/file.h"

namespace workbench::app {

namespace {

constexpr int kNone = 1;  // exit code: there is no placement

ExactResult solve(const Problem& problem, const AllocateOptions& options) {
  if (options.minimize) {
    if (options.strategy != "exact") {
      fail("--minimize: expected --strategy exact, found '{}'", options.strategy);
    }
    return least_extent(problem, options.node_limit);
  }
  if (options.strategy == "exact") return place_exactly(problem, options.node_limit);
  return {.solution = allocate(problem, {.strategy = options.strategy, .seed = options.seed}),
          .lower_bound = peak_demand(problem)};
}

std::string verdict(const ExactResult& result, const AllocateOptions& options) {
  if (!result.solution) {
    return result.proved ? "no placement exists" : "none found within the limit";
  }
  const std::int64_t gap = result.solution->extent - result.lower_bound;
  if (gap <= 0) return "optimal";
  if (options.minimize) return fmt::format("feasible, gap {}", gap);
  return fmt::format("feasible, at most {} from the optimum", gap);
}

}  // namespace

int allocate(const AllocateOptions& options) {
  Problem problem = read_problem(options.problem);
  problem.capacity = parse_capacity(options.capacity, "--capacity");
  if (!options.bucket.empty()) problem.bucket = parse_capacity(options.bucket, "--bucket");
  const ExactResult result = solve(problem, options);
  if (result.solution) {
    const auto violations = validate(problem, *result.solution);
    CHECK(violations.empty(), "illegal allocation: {}", violations[0]);
    const std::string csv = placement_csv(problem, *result.solution);
    if (options.output.empty()) {
      print(csv);
    } else {
      write_file(options.output, csv);
    }
  }
  std::string line = fmt::format("capacity {}, ", problem.capacity);
  if (result.solution) line += fmt::format("extent {}, ", result.solution->extent);
  line += fmt::format("lower bound {}: {}; {} nodes searched\n", result.lower_bound,
                      verdict(result, options), result.nodes);
  std::fputs(line.c_str(), stderr);
  return result.solution ? 0 : kNone;
}

}  // namespace workbench::app
