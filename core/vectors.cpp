#include "core/vectors.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "core/error.h"

namespace workbench {

namespace {

constexpr std::array kAll = {Vectors::Sse2, Vectors::Avx2, Vectors::Avx512};

Vectors of_cpu() {
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) return Vectors::Avx512;
  return __builtin_cpu_supports("avx2") ? Vectors::Avx2 : Vectors::Sse2;
}

Vectors limit() {
  const char* name = std::getenv("WORKBENCH_VECTORS");
  if (name == nullptr) return kAll.back();
  for (const Vectors known : kAll) {
    if (std::string(name) == to_string(known)) return known;
  }
  fail("WORKBENCH_VECTORS: expected sse2, avx2 or avx512, found '{}'", name);
}

}  // namespace

Vectors vectors() {
  static const Vectors used = std::min(of_cpu(), limit());
  return used;
}

const char* to_string(Vectors vectors) {
  switch (vectors) {
    case Vectors::Sse2:
      return "sse2";
    case Vectors::Avx2:
      return "avx2";
    case Vectors::Avx512:
      return "avx512";
  }
  CHECK(false, "vectors {}", static_cast<int>(vectors));
}

}  // namespace workbench
