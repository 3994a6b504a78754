#include "core/error.h"

#include <cstdio>
#include <cstdlib>

namespace workbench {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: internal error: CHECK(%s) failed: %s\n", file, line, condition,
               message.c_str());
  std::abort();
}

}  // namespace workbench
