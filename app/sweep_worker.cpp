// workbench sweep-worker: one chunk of a sweep's job file, for any scheduler (docs/scale-out.md).
#include <CLI/CLI.hpp>
#include <memory>

#include "app/subcommands.h"
#include "app/terminal.h"
#include "explore/sweep/worker.h"

namespace workbench::app {

namespace {

int sweep_worker(const WorkerRequest& request) {
  const WorkerResult result = work_on_chunk(request);
  std::string text = fmt::format("chunk {} of {}: {} points computed, {} were there", request.chunk,
                                 request.chunks, result.computed, result.present);
  if (result.infeasible > 0) text += fmt::format(", {} infeasible", result.infeasible);
  if (result.failed > 0) text += fmt::format(", {} failed", result.failed);
  print(text + "\n");
  return result.failed > 0 ? 1 : 0;
}

}  // namespace

void add_sweep_worker(CLI::App& app, Commands& commands) {
  const auto request = std::make_shared<WorkerRequest>();
  CLI::App& command = *app.add_subcommand(
      "sweep-worker", "compute a part of a sweep's job file, as a task of any scheduler");
  command.add_option("job", request->job, "job file, as sweep writes it")->required();
  command.add_option("--chunk", request->chunk, "number of the part, from 0");
  command.add_option("--chunks", request->chunks, "how many parts there are");
  command.add_option("--output", request->output,
                     "folder for finished points: chunk-K-of-N.jsonl, one line each");
  command.add_option("--store", request->store, "store for finished points, instead of --output");
  commands["sweep-worker"] = [request] { return sweep_worker(*request); };
}

}  // namespace workbench::app
