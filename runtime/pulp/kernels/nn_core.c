// From accumulators to results, whatever their form.
#include "nn_core.h"

int32_t nn_clip(int32_t value, int32_t bits, int is_signed) {
  if (bits == 8) return nn_clip_8(value, is_signed);
  if (bits == 32) return value;
  const int32_t low = is_signed ? -(1 << (bits - 1)) : 0;
  return nn_min(nn_max(value, low), low + (1 << bits) - 1);
}

int32_t nn_start(const nn_call_t* call, int32_t pixel, int32_t channel) {
  if (call->sums_in) {
    return (int32_t)nn_word(call->bias + 4 * (pixel * call->out_c + channel));
  }
  if (call->has_bias) return (int32_t)nn_word(call->bias + 4 * channel);
  return call->bias8 == NULL ? 0 : call->bias8[channel];
}

static int32_t nn_scale(const nn_call_t* call, int32_t sum, int32_t channel) {
  if (!call->norm) {
    const int32_t value = nn_mac(call->offset, call->multiplier, sum) >> call->shift;
    return nn_clip(call->narrow ? (int16_t)value : value, call->out_bits, call->out_signed);
  }
  int32_t value;
  if (call->clamped) {
    const uint8_t *kappa = call->kappa + 8 * channel, *lambda = call->lambda + 8 * channel;
    const int32_t low = (int32_t)nn_word(kappa + 4), high = (int32_t)nn_word(lambda + 4);
    const int32_t bounded = nn_min(nn_max(sum, low), high);
    value = nn_mac((int32_t)nn_word(lambda), (int32_t)nn_word(kappa), bounded) >> call->shift;
  } else if (call->norm_bits == 32) {
    const int32_t kappa = (int32_t)nn_word(call->kappa + 4 * channel);
    value = nn_mac((int32_t)nn_word(call->lambda + 4 * channel), kappa, sum) >> call->shift;
  } else {
    const uint64_t kappa = (uint64_t)nn_double_word(call->kappa + 8 * channel);
    const uint64_t lambda = (uint64_t)nn_double_word(call->lambda + 8 * channel);
    value = (int32_t)((int64_t)(kappa * (uint64_t)(int64_t)sum + lambda) >> call->shift);
  }
  return nn_clip(value, call->out_bits, call->out_signed);
}

void nn_finish(const nn_call_t* call, int32_t sum, int32_t pixel, int32_t channel) {
  if (nn_words_out(call)) {
    nn_put_word(call->out + 4 * (pixel * call->out_c + channel), (uint32_t)sum);
    return;
  }
  nn_put_code(call->out + pixel * nn_packed(call->out_c, call->out_bits), channel, call->out_bits,
              nn_scale(call, sum, channel));
}
