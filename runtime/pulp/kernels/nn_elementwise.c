// Kernels that take code by code: additions and requantizations, pixels over cores.
#include "nn_core.h"

typedef struct {
  int32_t multiplier, offset, shift;
} nn_affine_t;

static int32_t nn_apply(nn_affine_t by, int32_t value) {
  return nn_mac(by.offset, by.multiplier, value) >> by.shift;
}

static void nn_add_pixel(const nn_call_t* call, int32_t pixel) {
  const nn_affine_t of_a = {call->multiplier1, call->offset1, call->shift1};
  const nn_affine_t of_b = {call->multiplier2, call->offset2, call->shift2};
  const nn_affine_t of_sum = {call->multiplier, call->offset, call->shift};
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  const uint8_t *first = call->in + pixel * bytes, *second = call->in2 + pixel * bytes;
  uint8_t* out = call->out + pixel * nn_packed(call->out_c, call->out_bits);
  for (int32_t c = 0; c < call->out_c; ++c) {
    int32_t a = nn_apply(of_a, nn_code(first, c, call->in_bits, call->in_signed));
    int32_t b = nn_apply(of_b, nn_code(second, c, call->in_bits, call->in2_signed));
    if (call->clip_operands) {
      a = nn_clip(a, call->out_bits, call->out_signed);
      b = nn_clip(b, call->out_bits, call->out_signed);
    }
    const int32_t sum = nn_apply(of_sum, (int32_t)((uint32_t)a + (uint32_t)b));
    if (call->out_bits == 32) {
      nn_put_word(out + 4 * c, (uint32_t)sum);
    } else {
      nn_put_code(out, c, call->out_bits, nn_clip(sum, call->out_bits, call->out_signed));
    }
  }
}

static void nn_requantize_pixel(const nn_call_t* call, int32_t pixel) {
  const uint8_t* in = call->in + pixel * nn_packed(call->in_c, call->in_bits);
  for (int32_t c = 0; c < call->out_c; ++c) {
    const int32_t value = call->in_bits == 32
                              ? (int32_t)nn_word(in + 4 * c)
                              : nn_code(in, c, call->in_bits, call->in_signed);
    nn_finish(call, value, pixel, c);
  }
}

static void nn_each_pixel(const nn_call_t* call, void (*run)(const nn_call_t*, int32_t)) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    const nn_share_t pixels = nn_share(call->out_h * call->out_w, 1, cores, core);
    for (int32_t pixel = pixels.begin; pixel < pixels.end; ++pixel) run(call, pixel);
  }
  pi_cl_team_barrier();
}

void nn_add(const nn_call_t* call) { nn_each_pixel(call, nn_add_pixel); }
void nn_requantize(const nn_call_t* call) { nn_each_pixel(call, nn_requantize_pixel); }
