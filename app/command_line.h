#pragma once

#include <functional>

namespace workbench::app {

// The subcommand that the arguments name, with its options; call it for the exit code. Prints the
// help where that is asked for. Throws Error for arguments that make no sense.
std::function<int()> command_of(int argc, char** argv);

}  // namespace workbench::app
