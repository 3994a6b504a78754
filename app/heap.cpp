#include "app/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <limits>

namespace workbench::app {

namespace {

constexpr std::uintptr_t kReserve = std::uintptr_t{1} << 30;  // addresses, not memory
constexpr std::uintptr_t kPage = 2 << 20;
constexpr int kLargestThreshold = 32 << 20;  // glibc accepts no larger one for mmap

}  // namespace

void use_huge_pages() {
  mallopt(M_ARENA_MAX, 1);  // all threads share the heap below
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, static_cast<int>(kReserve));
  void* volatile grown = std::malloc(kPage);  // by the pad; volatile: or it is optimised away
  std::free(grown);
  mallopt(M_TOP_PAD, kLargestThreshold);
  const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0));
  const std::uintptr_t begin = (end - kReserve + kPage - 1) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace workbench::app
