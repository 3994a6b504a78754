// YAML documents: read, or refused with one line.
#pragma once

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/node/node.h>

#include <string>

namespace workbench {

// The document in `text`; null where there is none. Throws Error "NAME:LINE: not valid YAML: ...".
YAML::Node parse_yaml(const std::string& text, const std::string& name);

// Throws that Error: for what yaml-cpp finds when values are read.
[[noreturn]] void refuse_yaml(const YAML::Exception& error, const std::string& name);

}  // namespace workbench
