/* Random calls of every kernel, by Xpulp instructions and in plain C: the same bytes of L1. */
#include <stdio.h>
#include <string.h>

#include "nn_kernels.h"
#include "pmsis.h"

enum { kBytes = 16384 };
typedef void kernel_t(const nn_call_t *);
#define PAIR(name) {#name, nn_##name, plain_##name}
#define DECLARE(name) kernel_t plain_##name
DECLARE(conv_Ho); DECLARE(conv_HoWo); DECLARE(conv_Co); DECLARE(conv_Ho_4x4);
DECLARE(conv_HoWo_4x4); DECLARE(conv_Co_4x4); DECLARE(linear); DECLARE(linear_out_32);
DECLARE(depthwise); DECLARE(depthwise_pixels); DECLARE(add); DECLARE(avgpool);
DECLARE(avgpool_Co); DECLARE(maxpool); DECLARE(maxpool_direct); DECLARE(requantize);
DECLARE(conv_Ho_packed); DECLARE(conv_HoWo_packed); DECLARE(conv_Co_packed);
DECLARE(conv_Ho_packed_4x4); DECLARE(conv_HoWo_packed_4x4); DECLARE(conv_Co_packed_4x4);
DECLARE(conv_Ho_macload); DECLARE(conv_HoWo_macload); DECLARE(conv_Co_macload);
DECLARE(conv_Ho_macload_4x4); DECLARE(conv_HoWo_macload_4x4); DECLARE(conv_Co_macload_4x4);
DECLARE(linear_packed); DECLARE(linear_out_32_packed); DECLARE(linear_macload);
DECLARE(linear_out_32_macload);
enum { kConvolutions = 6, kQuads = 3, kLinear = 6, kDepthwise = 8, kPixels = 9, kAdd = 10,
       kAverage = 11, kMaximum = 13, kRequantize = 15, kKinds = 16 };
typedef struct {
  const char *name;
  kernel_t *xpulp, *plain;
} pair_t;
#ifdef EXTENDED /* kernels of XpulpNN, and which of the others is called alike */
static const pair_t kernels[] = {
    PAIR(conv_Ho_packed), PAIR(conv_HoWo_packed), PAIR(conv_Co_packed),
    PAIR(conv_Ho_packed_4x4), PAIR(conv_HoWo_packed_4x4), PAIR(conv_Co_packed_4x4),
    PAIR(conv_Ho_macload), PAIR(conv_HoWo_macload), PAIR(conv_Co_macload),
    PAIR(conv_Ho_macload_4x4), PAIR(conv_HoWo_macload_4x4), PAIR(conv_Co_macload_4x4),
    PAIR(linear_packed), PAIR(linear_out_32_packed), PAIR(linear_macload),
    PAIR(linear_out_32_macload)};
enum { kAll = sizeof kernels / sizeof kernels[0], kSmall = 1 };
static uint32_t alike(uint32_t kernel) { return kernel < 12 ? kernel % 3 : kLinear + kernel % 2; }
static int fits(uint32_t kernel, const nn_call_t *c) {
  const int loads = kernel >= 14 || (kernel >= 6 && kernel < 12), vector = kernel >= 12;
  return c->in_bits <= c->weight_bits && c->in_c * c->in_bits % 8 == 0 &&
         (loads || c->weight_bits < 8) && (!vector || c->in_bits == c->weight_bits);
}
#else
enum { kAll = kKinds, kSmall = 0 };
static uint32_t alike(uint32_t kernel) { return kernel; }
static int fits(uint32_t kernel, const nn_call_t *c) { return (int)kernel >= 0 && c != NULL; }
static const pair_t kernels[] = {
    PAIR(conv_Ho), PAIR(conv_HoWo), PAIR(conv_Co), PAIR(conv_Ho_4x4), PAIR(conv_HoWo_4x4),
    PAIR(conv_Co_4x4), PAIR(linear), PAIR(linear_out_32), PAIR(depthwise), PAIR(depthwise_pixels),
    PAIR(add), PAIR(avgpool), PAIR(avgpool_Co), PAIR(maxpool), PAIR(maxpool_direct),
    PAIR(requantize)};
#endif

static uint32_t state = SEED;
static uint32_t draw(uint32_t n) {
  state = state * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)(state >> 4) * n) >> 28);
}

static PI_L1 uint8_t l1[kBytes];
static uint8_t before[kBytes], after[kBytes];

static uint8_t *place(int32_t *at, int32_t bytes) {
  uint8_t *begin = l1 + *at + draw(4);
  *at = (int32_t)(begin - l1) + bytes + 8;
  return begin;
}
static int32_t packed(int32_t codes, int32_t bits) { return (codes * bits + 7) / 8; }

/* A call that fits L1; 0 where the numbers drawn do not go together. */
static int draw_call(uint32_t kernel, nn_call_t *c) {
  const uint32_t kind = alike(kernel);
  int32_t at = 0;
  const int depthwise = kind == kDepthwise || kind == kPixels;
  const int pool = kind >= kAverage && kind < kRequantize, product = kind < kDepthwise;
  const int quads = kind >= kQuads && kind < kLinear;
  static const int32_t bits[3] = {8, 4, 2};
  memset(c, 0, sizeof *c);
  const int small = kSmall || draw(3) == 0;
  c->in_bits = small && kind != kPixels && kind != kAverage + 1 ? bits[draw(3)] : 8;
  c->weight_bits = small && !quads && kind != kPixels ? bits[draw(3)] : 8;
  c->out_bits = small && kind != kPixels && kind != kAverage + 1 ? bits[draw(3)] : 8;
  if (kind == kRequantize && draw(4) == 0) c->in_bits = 32;
  c->in_signed = (int32_t)draw(2), c->in2_signed = (int32_t)draw(2);
  c->out_signed = (int32_t)draw(2);
  c->kernel_w = c->kernel_h = c->stride_x = c->stride_y = c->dilation_x = c->dilation_y = 1;
  c->in_w = 1 + (int32_t)draw(13), c->in_h = 1 + (int32_t)draw(11);
  c->in_c = 1 + (int32_t)draw(20);
  if (kind == kLinear || kind == kLinear + 1) c->in_w = c->in_h = 1, c->in_c += (int32_t)draw(90);
  if (!fits(kernel, c)) return 0;
  const int window = (kind < kLinear && draw(2)) || depthwise || pool;
  if (window) {
    c->kernel_w = kind == kPixels || draw(2) ? 3 : 1 + (int32_t)draw(6);
    c->kernel_h = kind == kPixels || draw(2) ? 3 : 1 + (int32_t)draw(4);
    c->stride_x = 1 + (int32_t)draw(3), c->stride_y = 1 + (int32_t)draw(3);
    if (draw(4) == 0 && !pool && kind != kPixels) c->dilation_x = 1 + (int32_t)draw(2), c->dilation_y = 1 + (int32_t)draw(2);
    c->pad_left = (int32_t)draw((uint32_t)(c->kernel_w > 3 ? 3 : c->kernel_w));
    c->pad_top = (int32_t)draw((uint32_t)(c->kernel_h > 3 ? 3 : c->kernel_h));
    c->pad_right = (int32_t)draw((uint32_t)(c->kernel_w > 3 ? 3 : c->kernel_w));
    c->pad_bottom = (int32_t)draw((uint32_t)(c->kernel_h > 3 ? 3 : c->kernel_h));
  }
  const int32_t reach_w = (c->kernel_w - 1) * c->dilation_x + 1, reach_h = (c->kernel_h - 1) * c->dilation_y + 1;
  if (c->in_w + c->pad_left + c->pad_right < reach_w || c->in_h + c->pad_top + c->pad_bottom < reach_h) return 0;
  c->out_w = (c->in_w + c->pad_left + c->pad_right - reach_w) / c->stride_x + 1;
  c->out_h = (c->in_h + c->pad_top + c->pad_bottom - reach_h) / c->stride_y + 1;
  c->out_c = product ? 1 + (int32_t)draw(21) : c->in_c;
  if (kind >= kMaximum && kind < kRequantize) {
    c->out_bits = c->in_bits, c->out_signed = c->in_signed;
    if (c->out_w > c->in_w || (kind == kMaximum && (c->out_w - 1) * c->stride_x - c->pad_left >= c->in_w)) return 0;
    if ((c->out_h - 1) * c->stride_y - c->pad_top >= c->in_h || (c->out_w - 1) * c->stride_x - c->pad_left >= c->in_w) return 0;
  }
  if (kind == kLinear + 1) c->out_bits = 32;
  c->cores = draw(3) == 0 ? 1 + (int32_t)draw(8) : 0;
  c->shift = (int32_t)draw(20), c->multiplier = 1, c->divisor = 1 + (int32_t)draw(16);
  if (draw(2)) c->multiplier = 1 + (int32_t)draw(300), c->offset = (int32_t)draw(4000) - 2000;
  c->multiplier1 = (int32_t)draw(200) - 50, c->multiplier2 = 1 + (int32_t)draw(200);
  if (draw(2)) c->offset1 = (int32_t)draw(400) - 200, c->shift1 = (int32_t)draw(6), c->offset2 = 3, c->shift2 = (int32_t)draw(6);
  c->clip_operands = (int32_t)draw(2);
  if (kind <= kPixels || kind == kRequantize) {
    c->norm = draw(4) != 0;
    c->norm_bits = draw(2) ? 32 : 64;
    c->clamped = c->norm && c->norm_bits == 64 && draw(2);
    if (c->norm && c->norm_bits == 64 && !c->clamped) c->shift = (int32_t)draw(60);
    if (product && draw(5) == 0) c->sums_in = 1, c->has_bias = 0;
    if (product && draw(5) == 0) c->sums_out = 1;
    if (!c->sums_in && kind != kRequantize && draw(4) == 0) c->has_bias = 1;
  }
  if (kind == kRequantize && draw(5) == 0 && c->in_bits != 32) { /* a copy */
    c->norm = c->shift = c->offset = 0, c->multiplier = 1;
    c->out_bits = c->in_bits, c->out_signed = c->in_signed;
  }
  const int32_t pixels = c->out_w * c->out_h;
  const int32_t depth = c->kernel_w * c->kernel_h * (depthwise ? 1 : c->in_c);
  const int32_t plane = packed(c->in_w * c->in_h, c->in_bits);
  const int32_t in = kind == kDepthwise ? c->in_c * plane : c->in_w * c->in_h * packed(c->in_c, c->in_bits);
  const int32_t out_bytes = pixels * (c->sums_out || c->out_bits == 32 ? 4 * c->out_c : packed(c->out_c, c->out_bits));
  const int32_t columns = 8 * c->kernel_w * (c->in_h + c->pad_top + c->pad_bottom + 4) + 64;
  const int32_t scratch = kind == kPixels ? 8 * 12 * (((c->in_w + 3) & ~3) + 8)
                          : kind == kDepthwise ? columns : kind < kLinear ? 8 * 4 * depth : 0;
  c->in = place(&at, in);
  c->in2 = place(&at, kind == kAdd ? in : 0);
  c->weights = place(&at, kind <= kPixels ? c->out_c * packed(depth, c->weight_bits) : 0);
  c->bias = place(&at, c->sums_in ? 4 * pixels * c->out_c : c->has_bias ? 4 * c->out_c : 0);
  c->kappa = place(&at, c->norm ? c->out_c * c->norm_bits / 8 : 0);
  c->lambda = place(&at, c->norm ? c->out_c * c->norm_bits / 8 : 0);
  c->out = place(&at, out_bytes);
  at = (at + 3) & ~3;
  c->scratch = l1 + at;
  if (at + scratch + 64 > kBytes) return 0;
  for (int32_t i = 0; i < at; ++i) l1[i] = (uint8_t)draw(256);
  for (int32_t i = 0; c->clamped && i < c->out_c; ++i) { /* low is below high, kappa small */
    const int32_t low = -(int32_t)draw(30000), high = (int32_t)draw(30000), kappa = 1 + (int32_t)draw(60);
    memcpy(c->kappa + 8 * i, &kappa, 4), memcpy(c->kappa + 8 * i + 4, &low, 4);
    memcpy(c->lambda + 8 * i + 4, &high, 4);
  }
  return at;
}

static struct {
  kernel_t *kernel;
  const nn_call_t *call;
} work;
static void on_core(void *unused) {
  (void)unused;
  nn_call_t call = *work.call;
  work.kernel(&call);
}
static void on_cluster(void *unused) { pi_cl_team_fork(8, on_core, unused); }
static void run(kernel_t *kernel, const nn_call_t *call) {
  static struct pi_cluster_task task;
  work.kernel = kernel, work.call = call;
  pi_cluster_send_task_to_cl(NULL, pi_cluster_task(&task, on_cluster, NULL));
}

int main(void) {
  static nn_call_t call;
  int calls = 0, wrong = 0;
  while (calls < CALLS) {
    const uint32_t kind = (uint32_t)calls % kAll;
    const int bytes = draw_call(kind, &call);
    if (bytes == 0) continue;
    ++calls;
    memcpy(before, l1, kBytes);
    run(kernels[kind].plain, &call);
    memcpy(after, l1, kBytes);
    memcpy(l1, before, kBytes);
    run(kernels[kind].xpulp, &call);
    if (memcmp(after, l1, (size_t)bytes) == 0) continue;
    int first = 0;
    while (after[first] == l1[first]) ++first;
    ++wrong;
    printf("%s: %ldx%ldx%ld to %ldx%ldx%ld, window %ldx%ld, strides %ld %ld, pads %ld %ld %ld %ld, bits %ld %ld %ld, signed %ld %ld, norm %ld %ld %ld, bias %ld sums %ld %ld, cores %ld, shift %ld: byte %d (out %d) is %d, not %d\n",
           kernels[kind].name, (long)call.in_w, (long)call.in_h, (long)call.in_c, (long)call.out_w, (long)call.out_h, (long)call.out_c,
           (long)call.kernel_w, (long)call.kernel_h, (long)call.stride_x, (long)call.stride_y, (long)call.pad_left, (long)call.pad_right, (long)call.pad_top, (long)call.pad_bottom,
           (long)call.in_bits, (long)call.weight_bits, (long)call.out_bits, (long)call.in_signed, (long)call.out_signed, (long)call.norm, (long)call.norm_bits, (long)call.clamped,
           (long)call.has_bias, (long)call.sums_in, (long)call.sums_out, (long)call.cores, (long)call.shift, first, (int)(call.out - l1), l1[first], after[first]);
  }
  printf("%d calls, %d wrong\n", calls, wrong);
  return wrong != 0;
}
