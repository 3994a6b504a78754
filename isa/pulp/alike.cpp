#include "isa/pulp/alike.h"

#include <cstdint>
#include <string_view>

namespace workbench::pulp {

Kernel alike(Kernel kernel) {
  for (std::int64_t* address : {&kernel.in, &kernel.in2, &kernel.weights, &kernel.bias,
                                &kernel.kappa, &kernel.lambda, &kernel.out, &kernel.scratch}) {
    *address &= 3;
  }
  for (std::int64_t* factor :
       {&kernel.multiplier, &kernel.multiplier1, &kernel.multiplier2, &kernel.divisor}) {
    *factor = *factor == 1 ? 1 : 2;
  }
  for (std::int64_t* term : {&kernel.offset, &kernel.offset1, &kernel.offset2, &kernel.shift,
                             &kernel.shift1, &kernel.shift2}) {
    *term = *term == 0 ? 0 : 1;
  }
  return kernel;
}

std::size_t KernelHash::operator()(const Kernel& kernel) const {
  std::uint64_t hash = 0;
  Kernel::fields(kernel, [&](std::string_view, const auto& value) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32;
  });
  return hash;
}

}  // namespace workbench::pulp
