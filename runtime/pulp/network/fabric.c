// Elements in L2 and RAM, and numbers to codes (fabric.h).
#include "fabric.h"

#include <math.h>

#include "mem.h"

// Pieces of RAM are kept here; all tensors share them, so that what is written is what is read.
enum { kPieces = 8, kPieceBytes = 256 };
typedef struct {
  int32_t offset, size;  // from the beginning of L3
  uint8_t is_used, is_changed;
  uint8_t bytes[kPieceBytes];
} piece_t;
static const memories_t* memories;
static piece_t pieces[kPieces];
static int32_t last, next;  // which was used last, and which is given up next

static void store(piece_t* piece) {
  if (piece->is_used && piece->is_changed) {
    ram_write(memories->l3 + (uint32_t)piece->offset, piece->bytes, (size_t)piece->size);
  }
  piece->is_changed = 0;
}

static piece_t* piece_at(int32_t offset) {
  if (pieces[last].is_used && pieces[last].offset == offset) return &pieces[last];
  for (last = 0; last < kPieces; ++last) {
    if (pieces[last].is_used && pieces[last].offset == offset) return &pieces[last];
  }
  last = next;
  next = (next + 1) % kPieces;
  piece_t* piece = &pieces[last];
  store(piece);
  const int32_t left = network_l3_bytes - offset;  // what lies behind is not the network's
  piece->offset = offset;
  piece->size = left < kPieceBytes ? left : kPieceBytes;
  piece->is_used = 1;
  ram_read(piece->bytes, memories->l3 + (uint32_t)offset, (size_t)piece->size);
  return piece;
}

// No element lies across two pieces: its address is a multiple of its size, and so is L3's.
static uint8_t* byte_at(const fabric_tensor_t* tensor, int32_t offset, int changes) {
  if (!tensor->in_l3) return memories->l2 + tensor->address + offset;
  const int32_t at = tensor->address + offset;
  piece_t* piece = piece_at(at / kPieceBytes * kPieceBytes);
  piece->is_changed |= (uint8_t)changes;
  return piece->bytes + at % kPieceBytes;
}

// Of element i: the byte its pixel begins with, and its channel.
static int32_t pixel_of(const fabric_tensor_t* tensor, int32_t i, int32_t* channel) {
  const int32_t pixels = tensor->height * tensor->width;
  if (pixels == 1) {
    *channel = i;
    return 0;
  }
  // Divisions are the slowest instructions here.
  *channel = i / pixels;
  const int32_t pixel = i - *channel * pixels;
  if (tensor->row_stride == tensor->width * tensor->pixel_stride) {
    return pixel * tensor->pixel_stride;
  }
  const int32_t row = pixel / tensor->width;
  return row * tensor->row_stride + (pixel - row * tensor->width) * tensor->pixel_stride;
}

void fabric_begin(const memories_t* of_network) {
  memories = of_network;
  last = next = 0;
  memset(pieces, 0, sizeof pieces);
}

void fabric_end(void) {
  for (int32_t i = 0; i < kPieces; ++i) store(&pieces[i]);
}

int32_t fabric_code(const fabric_tensor_t* tensor, int32_t i) {
  int32_t channel, bits = tensor->bits;
  const int32_t pixel = pixel_of(tensor, i, &channel), bit = channel * bits;
  const uint8_t* from = byte_at(tensor, pixel + bit / 8, 0);
  uint32_t code = *from;
  if (bits == 16) {
    uint16_t half;
    memcpy(&half, from, sizeof half);
    code = half;
  } else if (bits == 32) {
    memcpy(&code, from, sizeof code);
    return (int32_t)code;
  } else {
    code = code >> bit % 8 & ((1u << bits) - 1);
  }
  return tensor->is_signed && code >> (bits - 1) != 0 ? (int32_t)code - (1 << bits) : (int32_t)code;
}

float fabric_real(const fabric_tensor_t* tensor, int32_t i) {
  int32_t channel;
  const int32_t pixel = pixel_of(tensor, i, &channel);
  float x;
  memcpy(&x, byte_at(tensor, pixel + 4 * channel, 0), sizeof x);
  return x;
}

void fabric_put_code(const fabric_tensor_t* tensor, int32_t i, int32_t code) {
  int32_t channel, bits = tensor->bits;
  const int32_t pixel = pixel_of(tensor, i, &channel), bit = channel * bits;
  uint8_t* to = byte_at(tensor, pixel + bit / 8, 1);
  if (bits >= 8) {
    memcpy(to, &code, (size_t)bits / 8);  // low bytes come first
  } else {
    const uint32_t mask = ((1u << bits) - 1) << bit % 8;
    *to = (uint8_t)((*to & ~mask) | ((uint32_t)code << bit % 8 & mask));
  }
}

void fabric_put_real(const fabric_tensor_t* tensor, int32_t i, float x) {
  int32_t channel;
  const int32_t pixel = pixel_of(tensor, i, &channel);
  memcpy(byte_at(tensor, pixel + 4 * channel, 1), &x, sizeof x);
}

// Channels from `begin` on, `count` of them.
static void map_channels(const fabric_tensor_t* from, const fabric_tensor_t* to, int32_t begin,
                         int32_t count, const uint8_t* table) {
  const uint8_t sign = from->is_signed ? 0x80 : 0;
  const int in_l2 = !from->in_l3 && !to->in_l3;
  for (int32_t y = 0; y < from->height; ++y) {
    int32_t read = y * from->row_stride + begin, written = y * to->row_stride + begin;
    const uint8_t* code = in_l2 ? byte_at(from, read, 0) : NULL;
    uint8_t* result = in_l2 ? byte_at(to, written, 1) : NULL;
    for (int32_t x = 0; x < from->width; ++x) {
      if (in_l2) {
        for (int32_t c = 0; c < count; ++c) result[c] = table[code[c] ^ sign];
        code += from->pixel_stride;
        result += to->pixel_stride;
        continue;
      }
      for (int32_t c = 0; c < count; ++c) {
        const uint8_t looked_up = table[*byte_at(from, read + c, 0) ^ sign];
        *byte_at(to, written + c, 1) = looked_up;
      }
      read += from->pixel_stride;
      written += to->pixel_stride;
    }
  }
}

void fabric_map(const fabric_tensor_t* from, const fabric_tensor_t* to, const void* table) {
  map_channels(from, to, 0, from->channels, table);
}

void fabric_map_channels(const fabric_tensor_t* from, const fabric_tensor_t* to,
                         const fabric_tensor_t* tables) {
  static uint8_t table[256];
  for (int32_t c = 0; c < from->channels; ++c) {
    ram_read(table, memories->l3 + (uint32_t)(tables->address + 256 * c), sizeof table);
    map_channels(from, to, c, 1, table);
  }
}

double fabric_round(double x) {
  const double below = floor(x), rest = x - below;
  const int up = rest > 0.5 || (rest == 0.5 && below / 2 != floor(below / 2));
  return copysign(up ? below + 1 : below, x);
}

// Few operations on doubles: each is some hundred instructions where there is no unit for them.
int32_t fabric_quantize(float x, double step, int32_t zero, int32_t low, int32_t high,
                        fabric_rounding_t rounding) {
  const double steps = (double)x / step;
  if (!(steps > -2147483648.0)) return low;  // NaN, too
  if (!(steps < 2147483647.0)) return high;
  int32_t whole = (int32_t)steps;
  const double rest = steps - whole;
  switch (rounding) {
    case kHalfUp:
      whole += (rest >= 0.5) - (rest < -0.5);
      break;
    case kHalfEven:
      whole += (rest > 0.5 || (rest == 0.5 && whole % 2 != 0)) -
               (rest < -0.5 || (rest == -0.5 && whole % 2 != 0));
      break;
    case kHalfAwayFromZero:
      whole += (rest >= 0.5) - (rest <= -0.5);
      break;
    case kFloor:
      whole -= rest < 0;
      break;
    case kTowardZero:
      break;
  }
  const int64_t code = (int64_t)whole + zero;
  return code < low ? low : code > high ? high : (int32_t)code;
}

float fabric_modulo(float a, float b) {
  const float rest = fmodf(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
double fabric_clip(double x, double low, double high) {
  const double above = x < low ? low : x;
  return high < above ? high : above;
}
double fabric_unit(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
double fabric_softplus(double x) { return (x < 0 ? 0 : x) + log1p(exp(-fabs(x))); }

int32_t fabric_cast(float x, int32_t low, int32_t high) {
  if (x != x) return 0;
  if ((double)x <= low) return low;
  return (double)x >= high ? high : (int32_t)x;
}
int64_t fabric_integer_power(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  uint64_t result = 1, square = (uint64_t)a;
  for (; b > 0; b >>= 1, square *= square) {
    if (b & 1) result *= square;
  }
  return (int64_t)result;
}
int64_t fabric_integer_modulo(int64_t a, int64_t b) {
  const int64_t rest = b == 0 ? 0 : a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
