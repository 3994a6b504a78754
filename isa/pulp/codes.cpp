#include "isa/pulp/codes.h"

#include <bit>
#include <cstring>

#include "core/error.h"

namespace workbench::pulp {

static_assert(std::endian::native == std::endian::little, "words are copied as they lie");

namespace {

void check_range(const Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  const auto size = static_cast<std::int64_t>(l1.size());
  CHECK(address >= 0 && bytes >= 0 && address <= size && bytes <= size - address,
        "{} bytes at {} of {}", bytes, address, size);
}

template <typename Word>
std::vector<Word> read_words(const Bytes8& l1, std::int64_t address, std::int64_t count,
                             std::int64_t padded) {
  std::vector<Word> words(static_cast<std::size_t>(padded), 0);
  const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(Word));
  if (bytes > 0) {
    std::memcpy(words.data(), bytes_at(l1, address, bytes), static_cast<std::size_t>(bytes));
  }
  return words;
}

}  // namespace

const std::uint8_t* bytes_at(const Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  check_range(l1, address, bytes);
  return l1.data() + address;
}

std::uint8_t* bytes_at(Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  check_range(l1, address, bytes);
  return l1.data() + address;
}

SourceCodes::SourceCodes(const Bytes8& l1, std::int64_t address, const CodeLayout& layout)
    : codes_(bytes_at(l1, address, layout.bytes())) {
  if (layout.bits == 8) return;
  CHECK(layout.bits == 4 || layout.bits == 2, "{} bit codes", layout.bits);
  unpacked_.resize(static_cast<std::size_t>(layout.codes()));
  const unsigned bits = static_cast<unsigned>(layout.bits), per_byte = 8 / bits;
  const unsigned sign = layout.is_signed ? 1U << (bits - 1) : 0U, mask = (1U << bits) - 1;
  std::uint8_t* to = unpacked_.data();
  for (std::int64_t run = 0; run < layout.runs; ++run) {
    const std::uint8_t* from = codes_ + run * layout.run_bytes();
    for (std::int64_t i = 0; i < layout.length; ++i) {
      const auto at = static_cast<unsigned>(i % per_byte);
      const unsigned code = from[i / per_byte] >> (at * bits) & mask;
      *to++ = static_cast<std::uint8_t>((code ^ sign) - sign);
    }
  }
  codes_ = unpacked_.data();
}

ResultCodes::ResultCodes(Bytes8& l1, std::int64_t address, const CodeLayout& layout)
    : layout_(layout), packed_(bytes_at(l1, address, layout.bytes())), codes_(packed_) {
  if (layout.bits == 8) return;
  CHECK(layout.bits == 4 || layout.bits == 2, "{} bit codes", layout.bits);
  unpacked_.resize(static_cast<std::size_t>(layout.codes()));
  codes_ = unpacked_.data();
}

void ResultCodes::store() {
  if (layout_.bits == 8) return;
  const unsigned bits = static_cast<unsigned>(layout_.bits), per_byte = 8 / bits;
  const unsigned mask = (1U << bits) - 1;
  std::memset(packed_, 0, static_cast<std::size_t>(layout_.bytes()));
  const std::uint8_t* from = unpacked_.data();
  for (std::int64_t run = 0; run < layout_.runs; ++run) {
    std::uint8_t* to = packed_ + run * layout_.run_bytes();
    for (std::int64_t i = 0; i < layout_.length; ++i) {
      const auto at = static_cast<unsigned>(i % per_byte);
      to[i / per_byte] =
          static_cast<std::uint8_t>(to[i / per_byte] | (*from++ & mask) << (at * bits));
    }
  }
}

std::vector<std::int32_t> words_at(const Bytes8& l1, std::int64_t address, std::int64_t count,
                                   std::int64_t padded) {
  return read_words<std::int32_t>(l1, address, count, padded);
}

std::vector<std::int64_t> double_words_at(const Bytes8& l1, std::int64_t address,
                                          std::int64_t count, std::int64_t padded) {
  return read_words<std::int64_t>(l1, address, count, padded);
}

}  // namespace workbench::pulp
