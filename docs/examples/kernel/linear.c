// A fully connected layer: out[i] is the sum of in[k] * weights[i][k]. Each core has every eighth i.
#include "linear.h"

void linear(const uint8_t *in, const int8_t *weights, int32_t *out, int inputs, int outputs) {
  for (int i = (int)pi_core_id(); i < outputs; i += NUM_CORES) {
    const int8_t *row = weights + i * inputs;
    int32_t sum = 0;
    for (int k = 0; k < inputs; ++k) {
      sum += in[k] * row[k];
    }
    out[i] = sum;
  }
  pi_cl_team_barrier();
}
