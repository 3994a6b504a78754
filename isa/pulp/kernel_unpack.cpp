#include "isa/pulp/kernel_unpack.h"

namespace workbench::pulp {

void unpack_codes(CodeBuilder& b, std::int64_t bits, const Address& from, const Address& to,
                  std::int64_t codes) {
  constexpr Straight kUnpackCall{.instructions = 12, .taken_branches = 3, .jumps = 1};
  constexpr Straight kUnpackRest{.instructions = 6, .jumps = 1};
  const std::int64_t per_word = 32 / bits, words = codes / per_word;
  const std::int64_t bytes = per_word / 4;  // words of bytes
  b.work(kUnpackCall);
  b.loop(words, [&](int depth) {
    b.load(stepped(from, depth, 4));
    b.work({.instructions = bytes * kUnpackFour, .load_uses = 1});
    for (std::int64_t i = 0; i < bytes; ++i) b.store(stepped(to + 4 * i, depth, per_word));
  });
  const std::int64_t left = codes % per_word;
  if (left == 0) return;
  b.work(kUnpackRest);
  b.load(from + 4 * words);
  b.loop(left, [&](int depth) {
    b.work({.instructions = 4, .taken_branches = 1});
    b.store(stepped(to + per_word * words, depth, 1), 1);
  });
}

}  // namespace workbench::pulp
