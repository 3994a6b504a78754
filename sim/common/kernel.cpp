#include "sim/common/kernel.h"

#ifdef __SANITIZE_ADDRESS__
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>

#include "core/error.h"
#endif

namespace workbench::sim {

StackBounds::~StackBounds() {
#ifdef __SANITIZE_ADDRESS__
  pthread_attr_t attributes;
  void* bottom = nullptr;
  std::size_t size_bytes = 0;
  CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
  CHECK(pthread_attr_getstack(&attributes, &bottom, &size_bytes) == 0);
  pthread_attr_destroy(&attributes);
  __sanitizer_start_switch_fiber(nullptr, bottom, size_bytes);
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace workbench::sim
