// Subcommands that bring their own options: each add_...() declares them and names what runs.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace CLI {
class App;
}

namespace workbench::app {

// What runs for a subcommand's name, with exit codes and errors as in commands.h.
using Commands = std::map<std::string, std::function<int()>>;

void add_allocate(CLI::App& app, Commands& commands);
void add_results(CLI::App& app, Commands& commands);
void add_sweep_worker(CLI::App& app, Commands& commands);
void add_sweep(CLI::App& app, Commands& commands);
void add_track(CLI::App& app, Commands& commands);

}  // namespace workbench::app
