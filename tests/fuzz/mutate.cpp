#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace workbench::fuzz {

namespace {

constexpr std::size_t kLargest = std::size_t{1} << 20;

std::size_t below(std::size_t end, std::mt19937_64& random) {
  return end == 0 ? 0 : static_cast<std::size_t>(random() % end);
}

// A part of a file: short ones more often.
std::pair<std::size_t, std::size_t> part(const std::string& bytes, std::mt19937_64& random) {
  const std::size_t begin = below(bytes.size() + 1, random);
  const std::size_t most = random() % 2 == 0 ? 16 : bytes.size();
  return {begin, std::min(below(most + 1, random), bytes.size() - begin)};
}

void change_byte(std::string& bytes, std::mt19937_64& random) {
  if (bytes.empty()) return;
  constexpr std::array<unsigned char, 6> kOdd{0, 1, 0x7f, 0x80, 0xfe, 0xff};
  char& byte = bytes[below(bytes.size(), random)];
  const auto old = static_cast<unsigned char>(byte);
  const unsigned char flipped = old ^ static_cast<unsigned char>(1U << below(8, random));
  byte = static_cast<char>(random() % 2 == 0 ? flipped : kOdd[below(kOdd.size(), random)]);
}

void change_number(std::string& bytes, std::mt19937_64& random) {
  constexpr std::array<std::string_view, 16> kNumbers{"0",
                                                      "1",
                                                      "-1",
                                                      "2",
                                                      "255",
                                                      "65536",
                                                      "2147483647",
                                                      "4294967296",
                                                      "9223372036854775807",
                                                      "-9223372036854775808",
                                                      "1e308",
                                                      "1e-320",
                                                      "nan",
                                                      "inf",
                                                      "0.5",
                                                      ""};
  const std::size_t begin = bytes.find_first_of("0123456789", below(bytes.size() + 1, random));
  if (begin == std::string::npos) return;
  const std::size_t end = std::min(bytes.find_first_not_of("0123456789.", begin), bytes.size());
  bytes.replace(begin, end - begin, kNumbers[below(kNumbers.size(), random)]);
}

// A line doubled, gone or moved.
void change_line(std::string& bytes, std::mt19937_64& random) {
  const auto line = [&] {
    const std::size_t at = below(bytes.size() + 1, random);
    const std::size_t before = at == 0 ? std::string::npos : bytes.rfind('\n', at - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::size_t end = bytes.find('\n', begin);
    return std::pair(begin, (end == std::string::npos ? bytes.size() : end + 1) - begin);
  };
  const auto [begin, size] = line();
  const std::string taken = bytes.substr(begin, size);
  const auto kind = random() % 3;
  if (kind > 0) bytes.erase(begin, size);
  if (kind < 2) bytes.insert(line().first, taken);
}

void change_part(std::string& bytes, const std::string& other, std::mt19937_64& random) {
  const auto [begin, size] = part(bytes, random);
  const std::string taken = bytes.substr(begin, size);
  switch (random() % 4) {
    case 0:
      bytes.erase(begin, size);
      break;
    case 1:
      bytes.insert(below(bytes.size() + 1, random), taken);
      break;
    case 2: {
      const auto [from, count] = part(other, random);
      bytes.replace(begin, size, other, from, count);
      break;
    }
    default:
      bytes.resize(below(bytes.size() + 1, random));
  }
}

}  // namespace

std::size_t seed_of(std::size_t count, std::mt19937_64& random) {
  const std::size_t one = below(count, random);
  return std::min(one, below(count, random));
}

std::string mutated(std::span<const std::string> corpus, bool text, std::mt19937_64& random) {
  std::string bytes = corpus[seed_of(corpus.size(), random)];
  const std::string& other = corpus[below(corpus.size(), random)];
  const std::size_t changes = 1 + below(random() % 4 == 0 ? 12 : 3, random);
  for (std::size_t i = 0; i < changes; ++i) {
    const auto kind = random() % (text ? 8 : 4);
    if (kind < 3) {
      change_byte(bytes, random);
    } else if (kind == 3) {
      change_part(bytes, other, random);
    } else if (kind < 7) {
      change_number(bytes, random);
    } else {
      change_line(bytes, random);
    }
  }
  bytes.resize(std::min(bytes.size(), kLargest));
  return bytes;
}

}  // namespace workbench::fuzz
