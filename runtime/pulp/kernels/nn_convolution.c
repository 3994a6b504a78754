// Convolutions and linear layers: matrix products of 4 channels by 2 pixels. A pixel's window is
// copied into one of the core's two columns (im2col); of 1x1 kernels the input is the column.
#include "nn_core.h"

// What a core has to do, and the pixels that wait for their product.
typedef struct {
  const nn_call_t* call;
  nn_share_t channels;
  int32_t depth;  // codes of a column
  int32_t row;    // bytes of a channel's weights
  int32_t waiting;
  int32_t pixels[2];
  const uint8_t* columns[2];
} nn_work_t;

// Weights of less than 8 bits are taken one by one.
static int32_t nn_row(const nn_work_t* work, int32_t sum, const uint8_t* column, int32_t channel) {
  const nn_call_t* call = work->call;
  const uint8_t* weights = call->weights + channel * work->row;
  if (call->weight_bits == 8) {
    return nn_dot(sum, column, weights, work->depth, call->in_signed);
  }
  for (int32_t i = 0; i < work->depth; ++i) {
    sum = nn_mac(sum, nn_byte(column[i], call->in_signed),
                 nn_code(weights, i, call->weight_bits, 1));
  }
  return sum;
}

static void nn_block(const nn_work_t* work, int32_t channel) {
  const nn_call_t* call = work->call;
  int32_t sums[2][4];
  for (int32_t i = 0; i < 4; ++i) {
    sums[0][i] = nn_start(call, work->pixels[0], channel + i);
    sums[1][i] = nn_start(call, work->pixels[1], channel + i);
  }
  nn_dot_4x2(sums, work->columns[0], work->columns[1], call->weights + channel * work->row,
             work->row, work->depth, call->in_signed);
  for (int32_t i = 0; i < 4; ++i) {
    nn_finish(call, sums[0][i], work->pixels[0], channel + i);
    nn_finish(call, sums[1][i], work->pixels[1], channel + i);
  }
}

static void nn_products(nn_work_t* work) {
  const nn_call_t* call = work->call;
  int32_t channel = work->channels.begin;
  if (work->waiting == 2 && call->weight_bits == 8) {
    for (; channel + 4 <= work->channels.end; channel += 4) nn_block(work, channel);
  }
  for (; channel < work->channels.end; ++channel) {
    for (int32_t i = 0; i < work->waiting; ++i) {
      const int32_t start = nn_start(call, work->pixels[i], channel);
      nn_finish(call, nn_row(work, start, work->columns[i], channel), work->pixels[i], channel);
    }
  }
  work->waiting = 0;
}

static void nn_unpack(const nn_call_t* call, const uint8_t* from, uint8_t* to) {
  if (call->in_bits == 8) {
    memcpy(to, from, (size_t)call->in_c);
    return;
  }
  for (int32_t c = 0; c < call->in_c; ++c) {
    to[c] = (uint8_t)nn_code(from, c, call->in_bits, call->in_signed);
  }
}

static void nn_im2col(const nn_call_t* call, int32_t y, int32_t x, uint8_t* to) {
  const int32_t pixel = nn_packed(call->in_c, call->in_bits);
  for (int32_t ky = 0; ky < call->kernel_h; ++ky) {
    const int32_t in_y = y * call->stride_y - call->pad_top + ky * call->dilation_y;
    for (int32_t kx = 0; kx < call->kernel_w; ++kx, to += call->in_c) {
      const int32_t in_x = x * call->stride_x - call->pad_left + kx * call->dilation_x;
      if (in_y < 0 || in_y >= call->in_h || in_x < 0 || in_x >= call->in_w) {
        memset(to, 0, (size_t)call->in_c);
      } else {
        nn_unpack(call, call->in + (in_y * call->in_w + in_x) * pixel, to);
      }
    }
  }
}

static int nn_is_pointwise(const nn_call_t* call) {
  return call->kernel_w == 1 && call->kernel_h == 1 && call->stride_x == 1 && call->stride_y == 1 &&
         (call->pad_top | call->pad_bottom | call->pad_left | call->pad_right) == 0 &&
         call->in_bits == 8;
}

static void nn_pixel(nn_work_t* work, int32_t y, int32_t x, uint8_t* scratch) {
  const nn_call_t* call = work->call;
  const int32_t i = work->waiting;
  if (nn_is_pointwise(call)) {
    work->columns[i] = call->in + (y * call->in_w + x) * call->in_c;
  } else {
    uint8_t* column = scratch + i * work->depth;
    nn_im2col(call, y, x, column);
    work->columns[i] = column;
  }
  work->pixels[i] = y * call->out_w + x;
  if (++work->waiting == 2) nn_products(work);
}

static void nn_convolve(const nn_call_t* call, nn_share_t rows, nn_share_t columns,
                        nn_share_t channels) {
  const int32_t core = (int32_t)pi_core_id();
  nn_work_t work = {.call = call, .channels = channels};
  work.depth = call->kernel_h * call->kernel_w * call->in_c;
  work.row = nn_packed(work.depth, call->weight_bits);
  uint8_t* scratch = call->scratch + 2 * core * work.depth;
  for (int32_t y = rows.begin; y < rows.end; ++y) {
    for (int32_t x = columns.begin; x < columns.end; ++x) nn_pixel(&work, y, x, scratch);
  }
  nn_products(&work);
}

static nn_share_t nn_all(int32_t n) {
  const nn_share_t share = {0, n};
  return share;
}

void nn_conv_Ho(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    nn_convolve(call, nn_share(call->out_h, 1, cores, core), nn_all(call->out_w),
                nn_all(call->out_c));
  }
  pi_cl_team_barrier();
}

void nn_conv_HoWo(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call), half = call->out_w / 2;
  const nn_share_t halves[2] = {{0, half}, {half, call->out_w}};
  if (call->out_h % cores == 0 || call->out_w <= 1 || cores < 2) {
    nn_conv_Ho(call);
    return;
  }
  if (core < cores) {
    nn_convolve(call, nn_share(call->out_h, 1, cores / 2, core / 2), halves[core % 2],
                nn_all(call->out_c));
  }
  pi_cl_team_barrier();
}

void nn_conv_Co(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const int32_t unit = nn_words_out(call) ? 1 : 8 / call->out_bits;  // no byte is of two cores
  if (core < cores) {
    nn_convolve(call, nn_all(call->out_h), nn_all(call->out_w),
                nn_share(call->out_c, unit, cores, core));
  }
  pi_cl_team_barrier();
}

// Inputs and weights of any width, code by code.
static int32_t nn_neuron(const nn_call_t* call, int32_t sum, int32_t channel) {
  const int32_t pixels = call->in_h * call->in_w, depth = pixels * call->in_c;
  const uint8_t* weights = call->weights + channel * nn_packed(depth, call->weight_bits);
  if (call->in_bits == 8 && call->weight_bits == 8) {
    return nn_dot(sum, call->in, weights, depth, call->in_signed);
  }
  const int32_t pixel_bytes = nn_packed(call->in_c, call->in_bits);
  for (int32_t p = 0, i = 0; p < pixels; ++p) {
    for (int32_t c = 0; c < call->in_c; ++c, ++i) {
      sum = nn_mac(sum, nn_code(call->in + p * pixel_bytes, c, call->in_bits, call->in_signed),
                   nn_code(weights, i, call->weight_bits, 1));
    }
  }
  return sum;
}

void nn_linear(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const int32_t unit = nn_words_out(call) ? 1 : 8 / call->out_bits;
  if (core < cores) {
    const nn_share_t channels = nn_share(call->out_c, unit, cores, core);
    for (int32_t channel = channels.begin; channel < channels.end; ++channel) {
      nn_finish(call, nn_neuron(call, nn_start(call, 0, channel), channel), 0, channel);
    }
  }
  pi_cl_team_barrier();
}

void nn_linear_out_32(const nn_call_t* call) {
  nn_call_t words = *call;
  words.out_bits = 32;
  nn_linear(&words);
}
