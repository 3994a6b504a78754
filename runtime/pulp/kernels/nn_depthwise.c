// Depthwise convolution, channels over cores. Of a channel the columns of the result are made one
// after another: what a column sees of the padded map is copied to the core's scratch, kernel_w
// bytes of each row, so that a result is one dot product.
#include "nn_core.h"

typedef struct {
  const nn_call_t* call;
  int32_t channel;
  const uint8_t *plane, *weights;
  uint8_t* column;
} nn_plane_t;

static void nn_row_of_column(const nn_plane_t* of, int32_t in_y, int32_t first, uint8_t* to) {
  const nn_call_t* call = of->call;
  const int32_t reach = (call->kernel_w - 1) * call->dilation_x;
  if (call->in_bits == 8 && call->dilation_x == 1 && first >= 0 && first + reach < call->in_w) {
    const uint8_t* from = of->plane + in_y * call->in_w + first;
    for (int32_t kx = 0; kx < call->kernel_w; ++kx) to[kx] = from[kx];
    return;
  }
  for (int32_t kx = 0; kx < call->kernel_w; ++kx) {
    const int32_t x = first + kx * call->dilation_x;
    const int inside = x >= 0 && x < call->in_w;
    to[kx] = (uint8_t)(inside ? nn_code(of->plane, in_y * call->in_w + x, call->in_bits,
                                        call->in_signed)
                              : 0);
  }
}

static void nn_column(const nn_plane_t* of, int32_t x) {
  const nn_call_t* call = of->call;
  const int32_t first = x * call->stride_x - call->pad_left, w = call->kernel_w;
  uint8_t* to = of->column;
  memset(to, 0, (size_t)(call->pad_top * w));
  to += call->pad_top * w;
  for (int32_t y = 0; y < call->in_h; ++y, to += w) nn_row_of_column(of, y, first, to);
  memset(to, 0, (size_t)(call->pad_bottom * w));
}

// Rows of the window follow each other in the column where nothing parts them.
static int32_t nn_window(const nn_plane_t* of, int32_t sum, int32_t y) {
  const nn_call_t* call = of->call;
  const int32_t w = call->kernel_w;
  const uint8_t* from = of->column + y * call->stride_y * w;
  if (call->dilation_y == 1 && call->weight_bits == 8) {
    return nn_dot(sum, from, of->weights, call->kernel_h * w, call->in_signed);
  }
  for (int32_t ky = 0; ky < call->kernel_h; ++ky) {
    for (int32_t kx = 0; kx < w; ++kx) {
      sum = nn_mac(sum, nn_byte(from[ky * call->dilation_y * w + kx], call->in_signed),
                   nn_code(of->weights, ky * w + kx, call->weight_bits, 1));
    }
  }
  return sum;
}

static void nn_channel(const nn_plane_t* of) {
  const nn_call_t* call = of->call;
  const int32_t start = nn_start(call, 0, of->channel);
  for (int32_t x = 0; x < call->out_w; ++x) {
    nn_column(of, x);
    for (int32_t y = 0; y < call->out_h; ++y) {
      nn_finish(call, nn_window(of, start, y), y * call->out_w + x, of->channel);
    }
  }
}

void nn_depthwise(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const int32_t rows = call->in_h + call->pad_top + call->pad_bottom;
  if (core < cores) {
    const nn_share_t channels = nn_share(call->out_c, 8 / call->out_bits, cores, core);
    const int32_t plane = nn_packed(call->in_h * call->in_w, call->in_bits);
    const int32_t filter = nn_packed(call->kernel_h * call->kernel_w, call->weight_bits);
    for (int32_t c = channels.begin; c < channels.end; ++c) {
      const nn_plane_t of = {.call = call,
                             .channel = c,
                             .plane = call->in + c * plane,
                             .weights = call->weights + c * filter,
                             .column = call->scratch + core * call->kernel_w * (rows + 1)};
      nn_channel(&of);
    }
  }
  pi_cl_team_barrier();
}
