#include "core/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/node/parse.h>

#include <algorithm>

#include "core/error.h"

namespace workbench {

void refuse_yaml(const YAML::Exception& error, const std::string& name) {
  const int line = std::max(error.mark.line, 0) + 1;  // -1: nowhere
  if (const auto* deep = dynamic_cast<const YAML::DeepRecursion*>(&error)) {
    fail("{}:{}: not valid YAML: lists and maps are nested more than {} levels deep", name, line,
         deep->depth() - 1);
  }
  fail("{}:{}: not valid YAML: {}", name, line, error.msg);
}

YAML::Node parse_yaml(const std::string& text, const std::string& name) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    refuse_yaml(error, name);
  }
}

}  // namespace workbench
