// workbench allocate: addresses for the buffers of a problem file.
#include "compiler/memory/allocate.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/option_checks.h"
#include "app/subcommands.h"
#include "app/terminal.h"
#include "compiler/memory/exact.h"
#include "compiler/memory/problem_file.h"
#include "core/file.h"

namespace workbench::app {

namespace {

constexpr int kNone = 1;  // exit code: there is no placement

struct Options {
  std::filesystem::path problem;
  std::string capacity, bucket;  // bytes, 4k, 4M
  std::string strategy = "exact";
  std::uint64_t seed = 1;
  std::int64_t node_limit = 2000000;
  bool minimize = false;
  std::filesystem::path output;
};

ExactResult solve(const Problem& problem, const Options& options) {
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

std::string verdict(const ExactResult& result, const Options& options) {
  if (!result.solution) {
    return result.proved ? "no placement exists" : "none found within the limit";
  }
  const std::int64_t gap = result.solution->extent - result.lower_bound;
  if (gap <= 0) return "optimal";
  if (options.minimize) return fmt::format("feasible, gap {}", gap);
  return fmt::format("feasible, at most {} from the optimum", gap);
}

int solve_file(const Options& options) {
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

}  // namespace

void add_allocate(CLI::App& app, Commands& commands) {
  const auto shared = std::make_shared<Options>();
  Options& options = *shared;
  CLI::App& command =
      *app.add_subcommand("allocate", "find addresses for buffers that live at given times");
  command.add_option("problem", options.problem, "CSV with the columns id, lower, upper, size")
      ->required();
  command.add_option("--capacity", options.capacity, "bytes of memory: 1048576, 1024k or 1M")
      ->required();
  command.add_option("--bucket", options.bucket,
                     "the memory is in equal parts of that many bytes, one buffer in each");
  command.add_flag("--minimize", options.minimize, "find the smallest extent there is");
  command.add_option("--strategy", options.strategy,
                     "exact (default), all, or bysize, bottom, top, tops, bottle, bottles, xXx, "
                     "shuffle, flip");
  command.add_option("--seed", options.seed, "of the random strategies bottle, bottles, xXx");
  command.add_option("--nodes", options.node_limit, "how far to search: buffers placed")
      ->check(positive());
  command.add_option("-o,--output", options.output, "CSV file to write instead of printing");
  commands["allocate"] = [shared] { return solve_file(*shared); };
}

}  // namespace workbench::app
