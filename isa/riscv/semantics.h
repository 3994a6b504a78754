// What the arithmetic instructions compute: the words that the rows of instructions.inc are written
// in, and the rows as one function (docs/facts/riscv.md 1). tests/reference/xpulp.h says the same
// independently.
#pragma once

#include <bit>
#include <cstdint>

namespace workbench::riscv {

using Word = std::uint32_t;

inline std::int32_t as_signed(Word a) { return static_cast<std::int32_t>(a); }
inline bool less(Word a, Word b) { return as_signed(a) < as_signed(b); }
inline Word sra(Word a, Word shift) { return static_cast<Word>(as_signed(a) >> shift); }
inline Word sign_extended(Word a, unsigned bits) {
  return static_cast<Word>(as_signed(a << (32 - bits)) >> (32 - bits));
}
inline Word low_s(Word a) { return sign_extended(a, 16); }
inline Word high_s(Word a) { return sra(a, 16); }

inline Word mulhu(Word a, Word b) {
  return static_cast<Word>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline Word mulh(Word a, Word b) {
  return static_cast<Word>(static_cast<std::int64_t>(as_signed(a)) * as_signed(b) >> 32);
}
inline Word mulhsu(Word a, Word b) {
  return static_cast<Word>(static_cast<std::int64_t>(as_signed(a)) * static_cast<std::int64_t>(b) >>
                           32);
}
inline Word div(Word a, Word b) {
  if (b == 0) return ~0U;
  if (b == ~0U) return 0 - a;  // the most negative number, too, whose quotient is itself
  return static_cast<Word>(as_signed(a) / as_signed(b));
}
inline Word rem(Word a, Word b) {
  if (b == 0) return a;
  if (b == ~0U) return 0;
  return static_cast<Word>(as_signed(a) % as_signed(b));
}

inline Word rotate_right(Word a, Word b) { return std::rotr(a, static_cast<int>(b & 31)); }
inline Word find_first_one(Word a) { return static_cast<Word>(std::countr_zero(a)); }
inline Word find_last_one(Word a) {
  return a == 0 ? 32 : 31 - static_cast<Word>(std::countl_zero(a));
}
// Bits behind the sign bit that repeat it; of 0 none.
inline Word count_leading_bits(Word a) {
  if (a == 0) return 0;
  return static_cast<Word>(std::countl_zero(sra(a, 31) ^ a)) - 1;
}
inline Word count_ones(Word a) { return static_cast<Word>(std::popcount(a)); }
// 2^(bits - 1) - 1; of 0 as of 1.
inline Word clip_bound(Word bits) { return bits == 0 ? 0 : (1U << (bits - 1)) - 1; }
// The lower bound first, as the comparators stand.
inline Word clip(Word a, Word low, Word high) {
  if (!less(low, a)) return low;
  return less(a, high) ? a : high;
}
// Bits `from` to `from + more`, those of a word only.
inline Word field(Word more, Word from) { return (~0U >> (31 - more)) << from; }
inline Word extractu(Word a, Word more, Word from) { return a >> from & ~0U >> (31 - more); }
inline Word extract(Word a, Word more, Word from) { return sign_extended(a >> from, more + 1); }
inline Word insert(Word d, Word a, Word more, Word from) {
  return (d & ~field(more, from)) | (a << from & field(more, from));
}
inline Word normalised(Word sum, Word shift, bool is_signed, bool round) {
  if (round && shift > 0) sum += 1U << (shift - 1);
  return is_signed ? sra(sum, shift) : sum >> shift;
}

namespace simd {

template <unsigned kBits>
inline constexpr Word kLane = (1U << kBits) - 1;

template <unsigned kBits>
inline Word lane(Word a, unsigned at) {
  return a >> at & kLane<kBits>;
}
template <unsigned kBits>
inline Word lane_s(Word a, unsigned at) {
  return sign_extended(a >> at, kBits);
}
template <unsigned kBits>
inline Word spread(Word a) {
  return (a & kLane<kBits>)*(~0U / kLane<kBits>);
}
template <unsigned kBits, typename Lane>
inline Word each(Lane lane) {
  Word result = 0;
  for (unsigned at = 0; at < 32; at += kBits) result |= (lane(at) & kLane<kBits>) << at;
  return result;
}
template <unsigned kBits, typename Lane>
inline Word sum(Lane lane) {
  Word result = 0;
  for (unsigned at = 0; at < 32; at += kBits) result += lane(at);
  return result;
}

// An operation on lanes of both operands: x and y with sign, u and v without.
#define WORKBENCH_LANES(name, expression)                   \
  template <unsigned kBits>                                 \
  inline Word name(Word a, Word b) {                        \
    return each<kBits>([&](unsigned at) {                   \
      [[maybe_unused]] const Word x = lane_s<kBits>(a, at); \
      [[maybe_unused]] const Word y = lane_s<kBits>(b, at); \
      [[maybe_unused]] const Word u = lane<kBits>(a, at);   \
      [[maybe_unused]] const Word v = lane<kBits>(b, at);   \
      return static_cast<Word>(expression);                 \
    });                                                     \
  }
WORKBENCH_LANES(add, u + v)
WORKBENCH_LANES(sub, u - v)
WORKBENCH_LANES(avg, riscv::sra(sign_extended(u + v, kBits), 1))
WORKBENCH_LANES(avgu, ((u + v) & kLane<kBits>) >> 1)
WORKBENCH_LANES(min, less(x, y) ? x : y)
WORKBENCH_LANES(minu, u < v ? u : v)
WORKBENCH_LANES(max, less(x, y) ? y : x)
WORKBENCH_LANES(maxu, u < v ? v : u)
WORKBENCH_LANES(srl, u >> (v & (kBits - 1)))
WORKBENCH_LANES(sra, riscv::sra(x, v&(kBits - 1)))
WORKBENCH_LANES(sll, u << (v & (kBits - 1)))
WORKBENCH_LANES(or_, u | v)
WORKBENCH_LANES(xor_, u ^ v)
WORKBENCH_LANES(and_, u& v)
WORKBENCH_LANES(eq, u == v ? ~0U : 0)
WORKBENCH_LANES(ne, u != v ? ~0U : 0)
WORKBENCH_LANES(gt, less(y, x) ? ~0U : 0)
WORKBENCH_LANES(ge, !less(x, y) ? ~0U : 0)
WORKBENCH_LANES(lt, less(x, y) ? ~0U : 0)
WORKBENCH_LANES(le, !less(y, x) ? ~0U : 0)
WORKBENCH_LANES(gtu, u > v ? ~0U : 0)
WORKBENCH_LANES(geu, u >= v ? ~0U : 0)
WORKBENCH_LANES(ltu, u < v ? ~0U : 0)
WORKBENCH_LANES(leu, u <= v ? ~0U : 0)
#undef WORKBENCH_LANES

template <unsigned kBits>
inline Word dotup(Word a, Word b) {
  return sum<kBits>([&](unsigned at) { return lane<kBits>(a, at) * lane<kBits>(b, at); });
}
template <unsigned kBits>
inline Word dotusp(Word a, Word b) {
  return sum<kBits>([&](unsigned at) { return lane<kBits>(a, at) * lane_s<kBits>(b, at); });
}
template <unsigned kBits>
inline Word dotsp(Word a, Word b) {
  return sum<kBits>([&](unsigned at) { return lane_s<kBits>(a, at) * lane_s<kBits>(b, at); });
}
template <unsigned kBits>
inline Word abs(Word a) {
  return each<kBits>([&](unsigned at) {
    const Word x = lane_s<kBits>(a, at);
    return less(x, 0) ? 0 - x : x;
  });
}
// Bit of the lane that an index names.
template <unsigned kBits>
inline unsigned chosen(Word index) {
  return (index & (32 / kBits - 1)) * kBits;
}
template <unsigned kBits>
inline Word extractu(Word a, Word index) {
  return lane<kBits>(a, chosen<kBits>(index));
}
template <unsigned kBits>
inline Word extract(Word a, Word index) {
  return lane_s<kBits>(a, chosen<kBits>(index));
}
template <unsigned kBits>
inline Word insert(Word d, Word a, Word index) {
  const unsigned at = chosen<kBits>(index);
  return (d & ~(kLane<kBits> << at)) | (a & kLane<kBits>) << at;
}
template <unsigned kBits>
inline Word shuffle(Word a, Word b) {
  return each<kBits>([&](unsigned at) { return a >> chosen<kBits>(b >> at); });
}
// Two bits of the index per byte.
inline Word shuffle_imm(Word a, Word index) {
  return each<8>([&](unsigned at) { return a >> chosen<8>(index >> at / 4); });
}
// The bit above the index chooses rs1, else rd.
template <unsigned kBits>
inline Word shuffle2(Word a, Word b, Word d) {
  return each<kBits>([&](unsigned at) {
    const Word index = b >> at;
    return ((index & 32 / kBits) != 0 ? a : d) >> chosen<kBits>(index);
  });
}

}  // namespace simd
}  // namespace workbench::riscv
