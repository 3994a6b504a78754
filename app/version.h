#pragma once

#include <string>

namespace workbench::app {

// The program's version, the revision of its sources, and what it is built with, one a line.
std::string version_text();

}  // namespace workbench::app
