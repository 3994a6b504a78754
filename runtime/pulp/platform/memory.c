/* memset and memcpy word by word where addresses allow it: the C library's, which Debian has built
 * for size, go byte by byte. */
#include <stdint.h>
#include <string.h>

typedef uint32_t __attribute__((may_alias)) word_t;

/* Else the compiler makes calls of these very functions of the loops. */
#define AS_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))

static size_t in_words(uintptr_t addresses, size_t size) {
  return (addresses & 3) != 0 ? 0 : size & ~(size_t)3;
}

AS_LOOPS void *memset(void *to, int value, size_t size) {
  const uint32_t word = (uint8_t)value * 0x01010101u;
  uint8_t *at = to, *const end = at + size, *const words_end = at + in_words((uintptr_t)to, size);
  for (; at != words_end; at += 4) *(word_t *)at = word;
  for (; at != end; ++at) *at = (uint8_t)value;
  return to;
}

AS_LOOPS void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  const uint8_t *source = from;
  uint8_t *at = to, *const end = at + size;
  uint8_t *const words_end = at + in_words((uintptr_t)to | (uintptr_t)from, size);
  for (; at != words_end; at += 4, source += 4) *(word_t *)at = *(const word_t *)source;
  for (; at != end; ++at, ++source) *at = *source;
  return to;
}
