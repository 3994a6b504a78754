// The same, four products at a time; `inputs` is a multiple of four.
#include "linear.h"

// pv.sdotusp.b: the sum of four products of unsigned and signed bytes is added.
static inline int32_t dot(int32_t sum, uint32_t codes, uint32_t weights) {
  __asm__(".insn r 0x57, 1, 0x54, %0, %1, %2" : "+r"(sum) : "r"(codes), "r"(weights));
  return sum;
}

void linear(const uint8_t *in, const int8_t *weights, int32_t *out, int inputs, int outputs) {
  for (int i = (int)pi_core_id(); i < outputs; i += NUM_CORES) {
    const uint32_t *row = (const uint32_t *)(weights + i * inputs);
    const uint32_t *codes = (const uint32_t *)in;
    int32_t sum = 0;
    for (int k = 0; k < inputs / 4; ++k) {
      sum = dot(sum, codes[k], row[k]);
    }
    out[i] = sum;
  }
  pi_cl_team_barrier();
}
