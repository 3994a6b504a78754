#include "tests/reference/xpulp.h"

#include <vector>

namespace workbench::reference {
namespace {

using U = std::uint32_t;
using I = std::int64_t;

I bits(U word, int high, int low) {
  I value = 0;
  for (int k = high; k >= low; --k) value = 2 * value + (word >> k & 1);
  return value;
}
// A number of so many bits as two's complement.
I with_sign(I value, int width) {
  const I modulus = I{1} << width;
  value = ((value % modulus) + modulus) % modulus;
  return value >= modulus / 2 ? value - modulus : value;
}
I without_sign(I value, int width) {
  const I modulus = I{1} << width;
  return ((value % modulus) + modulus) % modulus;
}
U word_of(I value) { return static_cast<U>(without_sign(value, 32)); }
// Towards minus infinity.
I divided(I value, I by) { return value >= 0 ? value / by : -((-value + by - 1) / by); }

I limited(I value, I low, I high) { return value <= low ? low : value >= high ? high : value; }

// Scalars, opcode 0x33 ----------------------------------------------------------------------

std::optional<U> bit_fields(U word, U a, U b, U d, bool from_register) {
  const I more = from_register ? bits(b, 9, 5) : bits(word, 29, 25);
  const I from = from_register ? bits(b, 4, 0) : bits(word, 24, 20);
  const auto inside = [&](int k) { return k >= from && k <= from + more; };
  U result = 0;
  switch (bits(word, 14, 12)) {
    case 0:
    case 1: {
      I value = 0;
      for (I k = more; k >= 0; --k) value = 2 * value + (from + k < 32 ? a >> (from + k) & 1 : 0);
      return word_of(bits(word, 14, 12) == 0 ? with_sign(value, static_cast<int>(more) + 1)
                                             : value);
    }
    case 2:
      for (int k = 0; k < 32; ++k) {
        result |= (inside(k) ? a >> (k - from) & 1 : d >> k & 1) << k;
      }
      return result;
    case 3:
      for (int k = 0; k < 32; ++k) result |= (inside(k) ? 0U : a >> k & 1) << k;
      return result;
    case 4:
      for (int k = 0; k < 32; ++k) result |= (inside(k) ? 1U : a >> k & 1) << k;
      return result;
    default:
      return {};
  }
}

std::optional<U> bit_counts(I funct3, U a) {
  int first = 32, last = 32, ones = 0, same = 0;
  for (int k = 0; k < 32; ++k) {
    if ((a >> k & 1) == 0) continue;
    if (first == 32) first = k;
    last = k;
    ++ones;
  }
  for (int k = 30; k >= 0 && (a >> k & 1) == a >> 31; --k) ++same;
  switch (funct3) {
    case 0:
      return static_cast<U>(first);
    case 1:
      return static_cast<U>(last);
    case 2:
      return a == 0 ? 0U : static_cast<U>(same);
    case 3:
      return static_cast<U>(ones);
    case 4:
      return word_of(with_sign(a, 16));
    case 5:
      return word_of(without_sign(a, 16));
    case 6:
      return word_of(with_sign(a, 8));
    default:
      return word_of(without_sign(a, 8));
  }
}

std::optional<U> comparisons(I funct3, U a, U b) {
  const I x = with_sign(a, 32), y = with_sign(b, 32);
  switch (funct3) {
    case 0:
      return word_of(x < 0 ? -x : x);
    case 2:
      return x <= y ? 1U : 0U;
    case 3:
      return a <= b ? 1U : 0U;
    case 4:
      return x < y ? a : b;
    case 5:
      return a < b ? a : b;
    case 6:
      return x < y ? b : a;
    case 7:
      return a < b ? b : a;
    default:
      return {};
  }
}

std::optional<U> clips(U word, U a, U b) {
  const I x = with_sign(a, 32), bound = with_sign(b, 32);
  const I width = bits(word, 24, 20) == 0 ? 1 : bits(word, 24, 20);
  const I most = (I{1} << (width - 1)) - 1;
  switch (bits(word, 14, 12)) {
    case 1:
      return word_of(limited(x, -most - 1, most));
    case 2:
      return word_of(limited(x, 0, most));
    case 5:
      return word_of(limited(x, -bound - 1, bound));
    case 6:
      return word_of(limited(x, 0, bound));
    default:
      return {};
  }
}

std::optional<U> scalar(U word, U a, U b, U d) {
  if (bits(word, 31, 30) == 3) return bit_fields(word, a, b, d, false);
  const I funct3 = bits(word, 14, 12);
  switch (bits(word, 31, 25)) {
    case 0x02:
      return comparisons(funct3, a, b);
    case 0x04: {
      if (funct3 != 5) return {};
      U result = 0;
      for (U k = 0; k < 32; ++k) result |= (a >> ((k + b) % 32) & 1) << k;
      return result;
    }
    case 0x08:
      return bit_counts(funct3, a);
    case 0x0a:
      return clips(word, a, b);
    case 0x21:
      if (funct3 > 1) return {};
      return word_of(I{d} + (funct3 == 0 ? 1 : -1) * with_sign(a, 32) * with_sign(b, 32));
    case 0x40:
      return bit_fields(word, a, b, d, true);
    default:
      return {};
  }
}

// Sums with a shift, opcode 0x5b ------------------------------------------------------------

std::optional<U> shifted(I sum, I shift, bool is_signed, bool rounds) {
  if (rounds && shift > 0) sum += I{1} << (shift - 1);
  const I value = is_signed ? with_sign(sum, 32) : without_sign(sum, 32);
  return word_of(divided(value, I{1} << shift));
}

std::optional<U> normal(U word, U a, U b, U d) {
  const I funct3 = bits(word, 14, 12), kind = bits(word, 31, 30);
  const bool rounds = funct3 >= 4;
  if (funct3 % 4 < 2) {
    const bool is_signed = kind >= 2, high = kind % 2 == 1;
    const I x = high ? bits(a, 31, 16) : bits(a, 15, 0),
            y = high ? bits(b, 31, 16) : bits(b, 15, 0);
    I sum = is_signed ? with_sign(x, 16) * with_sign(y, 16) : x * y;
    if (funct3 % 4 == 1) sum += d;
    return shifted(sum, bits(word, 29, 25), is_signed, rounds);
  }
  const bool from_register = kind % 2 == 1;
  if (from_register && bits(word, 29, 25) != 0) return {};
  const I sign = funct3 % 4 == 2 ? 1 : -1;
  const I sum = from_register ? I{d} + sign * I{a} : I{a} + sign * I{b};
  return shifted(sum, from_register ? b % 32 : bits(word, 29, 25), kind < 2, rounds);
}

// SIMD, opcode 0x57 -------------------------------------------------------------------------

struct Lanes {
  std::vector<I> values;  // without sign
  int width;
  I plain(std::size_t k) const { return values[k]; }
  I number(std::size_t k) const { return with_sign(values[k], width); }
};

Lanes lanes_of(U word, int width) {
  Lanes lanes{{}, width};
  for (int low = 0; low < 32; low += width)
    lanes.values.push_back(bits(word, low + width - 1, low));
  return lanes;
}
U joined(const Lanes& lanes) {
  I word = 0;
  for (std::size_t k = lanes.values.size(); k-- > 0;) {
    word = (word << lanes.width) + without_sign(lanes.values[k], lanes.width);
  }
  return word_of(word);
}

I compared(I which, I x, I y, I u, I v) {
  const bool truths[] = {u == v, u != v, x > y, x >= y, x<y, x <= y, u> v, u >= v, u < v, u <= v};
  return truths[which] ? -1 : 0;
}

std::optional<I> lane_result(I op, int width, I x, I y, I u, I v) {
  switch (op) {
    case 0:
      return u + v;
    case 1:
      return u - v;
    case 2:
      return divided(with_sign(u + v, width), 2);
    case 3:
      return without_sign(u + v, width) / 2;
    case 4:
      return x < y ? x : y;
    case 5:
      return u < v ? u : v;
    case 6:
      return x > y ? x : y;
    case 7:
      return u > v ? u : v;
    case 8:
      return u >> (v % width);
    case 9:
      return divided(x, I{1} << (v % width));
    case 10:
      return u << (v % width);
    case 11:
      return u | v;
    case 12:
      return u ^ v;
    case 13:
      return u & v;
    case 14:
      return x < 0 ? -x : x;
    default:
      return {};
  }
}

std::optional<I> dot(I op, const Lanes& a, const Lanes& b) {
  I sum = 0;
  for (std::size_t k = 0; k < a.values.size(); ++k) {
    switch (op) {
      case 16:
      case 20:
        sum += a.plain(k) * b.plain(k);
        break;
      case 17:
      case 21:
        sum += a.plain(k) * b.number(k);
        break;
      case 19:
      case 23:
        sum += a.number(k) * b.number(k);
        break;
      default:
        return {};
    }
  }
  return sum;
}

std::optional<U> moved(U word, I op, int width, const Lanes& a, const Lanes& b, U b_word, U d) {
  const std::size_t count = a.values.size();
  Lanes result = lanes_of(d, width);
  const I constant = 2 * bits(word, 24, 20) + bits(word, 25, 25);
  const auto index = static_cast<std::size_t>(constant) % count;
  const I funct3 = bits(word, 14, 12);
  switch (op) {
    case 15:
      return word_of(a.number(index));
    case 18:
      return word_of(a.plain(index));
    case 22:
      result.values[index] = a.values[0];
      return joined(result);
    case 24:
    case 29:
    case 30:
    case 31:
      if (funct3 == 7) {
        const I top = op == 24 ? 0 : op - 28;
        const I all = top * 64 + constant;
        for (std::size_t k = 0; k < 4; ++k) {
          result.values[k] = a.values[static_cast<std::size_t>(all >> 2 * k) % 4];
        }
        return joined(result);
      }
      for (std::size_t k = 0; k < count; ++k) {
        const I chosen = funct3 == 6 ? constant >> k : b.plain(k);
        result.values[k] = a.values[static_cast<std::size_t>(chosen) % count];
      }
      return joined(result);
    case 25:
      for (std::size_t k = 0; k < count; ++k) {
        const auto chosen = static_cast<std::size_t>(b.plain(k));
        const Lanes from = chosen / count % 2 == 1 ? a : lanes_of(d, width);
        result.values[k] = from.values[chosen % count];
      }
      return joined(result);
    case 26:
      return bits(word, 25, 25) == 1 ? joined({{b.values[1], a.values[1]}, 16})
                                     : joined({{b.values[0], a.values[0]}, 16});
    case 27:
      result.values[3] = a.values[0];
      result.values[2] = bits(b_word, 7, 0);
      return joined(result);
    case 28:
      result.values[1] = a.values[0];
      result.values[0] = bits(b_word, 7, 0);
      return joined(result);
    default:
      return {};
  }
}

std::optional<U> simd(U word, U a_word, U b_word, U d) {
  const I op = bits(word, 31, 27), funct3 = bits(word, 14, 12);
  const bool compares = bits(word, 26, 26) == 1;
  const bool sub_byte = funct3 == 2 || funct3 == 3;
  const int narrow = bits(word, 25, 25) == 1 ? 2 : 4;
  const int width = sub_byte ? narrow : funct3 % 2 == 0 ? 16 : 8;
  const Lanes a = lanes_of(a_word, width);
  Lanes b = lanes_of(b_word, width);
  if (funct3 >= 6) {
    const I raw = 2 * bits(word, 24, 20) + bits(word, 25, 25);
    const bool plain =
        compares ? op >= 6
                 : op == 3 || op == 5 || op == 7 || (op >= 8 && op <= 10) || op == 16 || op == 20;
    for (I& value : b.values) value = without_sign(plain ? raw : with_sign(raw, 6), width);
  } else if (funct3 >= 3) {
    for (I& value : b.values) value = b.values[0];
  }
  Lanes result = a;
  if (compares || op <= 14) {
    for (std::size_t k = 0; k < a.values.size(); ++k) {
      const I x = a.number(k), y = b.number(k), u = a.plain(k), v = b.plain(k);
      const auto lane = compares ? compared(op, x, y, u, v) : lane_result(op, width, x, y, u, v);
      if (!lane) return {};
      result.values[k] = *lane;
    }
    return joined(result);
  }
  if (const auto sum = dot(op, a, b)) return word_of(*sum + (op >= 20 ? I{d} : 0));
  return moved(word, op, width, a, b, b_word, d);
}

}  // namespace

bool mac_load(U word, const MacLoadMemory& memory, MacLoadRegisters& of, U& rd, U& rs1) {
  const I top = bits(word, 31, 25), control = bits(word, 24, 20);
  if (bits(word, 6, 0) != 0x77 || bits(word, 14, 12) > 3) return false;
  const int width = 16 >> bits(word, 14, 12);
  U& p = of.activations[control % 2];
  U& w = of.weights[control / 2 % 4];
  const bool p_signed = top == 0x74 || top == 0x7c, w_signed = top == 0x6c || top == 0x7c;
  if (top != 0x70 && !p_signed && !w_signed) return false;
  const Lanes a = lanes_of(p, width), b = lanes_of(w, width);
  I sum = with_sign(rd, 32);
  for (std::size_t k = 0; k < a.values.size(); ++k) {
    sum += (p_signed ? a.number(k) : a.plain(k)) * (w_signed ? b.number(k) : b.plain(k));
  }
  rd = word_of(sum);
  if (control < 8) return true;
  (control / 8 % 2 == 1 ? p : w) = memory(rs1);
  rs1 = word_of(I{rs1} + 4);
  return true;
}

std::optional<U> xpulp(U word, U rs1, U rs2, U rd) {
  switch (bits(word, 6, 0)) {
    case 0x33:
      return scalar(word, rs1, rs2, rd);
    case 0x5b:
      return normal(word, rs1, rs2, rd);
    case 0x57:
      return simd(word, rs1, rs2, rd);
    default:
      return {};
  }
}

}  // namespace workbench::reference
