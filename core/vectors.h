// Which vector extension of x86-64 the kernels use, decided when the program runs: one binary
// serves every CPU, and kernels give the same bits with each extension (docs/determinism.md).
#pragma once

namespace workbench {

enum class Vectors { Sse2, Avx2, Avx512 };  // 128, 256 and 512 bits

// The widest that this CPU has, but none above the one that the environment variable
// WORKBENCH_VECTORS names (sse2, avx2 or avx512). Fails on another name.
Vectors vectors();
const char* to_string(Vectors vectors);

// The compiler's instruction sets for each.
#define WORKBENCH_AVX2 gnu::target("avx2")
#define WORKBENCH_AVX512 gnu::target("avx512f,avx512bw,avx512dq,avx512vl")

namespace detail {

template <typename Body>
[[gnu::flatten, WORKBENCH_AVX2]] void run_avx2(const Body& body) {
  body();
}
template <typename Body>
[[gnu::flatten, WORKBENCH_AVX512]] void run_avx512(const Body& body) {
  body();
}

}  // namespace detail

// Runs `body`, the loops of a kernel, compiled for the extension in use: everything that it calls
// becomes part of it. Only for arithmetic that the compiler may not reorder.
template <typename Body>
void with_vectors(const Body& body) {
  switch (vectors()) {
    case Vectors::Sse2:
      return body();
    case Vectors::Avx2:
      return detail::run_avx2(body);
    case Vectors::Avx512:
      return detail::run_avx512(body);
  }
}

}  // namespace workbench
