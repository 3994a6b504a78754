// Kernels with each vector extension: the same bits. An extension is chosen once per process, so
// each one runs in a process of its own and prints what it found.
#include "core/vectors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/eval/fast_math.h"
#include "isa/int8_matrix.h"

namespace workbench {
namespace {

constexpr int kCases = 200;
constexpr std::uint64_t kSeed = 5;

class Digest {
 public:
  void add(std::uint32_t word) { value_ = (value_ ^ word) * 0x100000001b3; }
  void add(float x) { add(std::bit_cast<std::uint32_t>(x)); }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

using Values = std::vector<float>;

Values random_values(std::mt19937_64& random, std::int64_t count) {
  Values values(static_cast<std::size_t>(count));
  for (float& v : values) {
    v = std::ldexp(static_cast<float>(random() % 20001) / 10000 - 1,
                   static_cast<int>(random() % 9) - 4);
  }
  return values;
}

struct Case {
  std::int64_t m, n, k;
  bool a_transposed, b_transposed;
  Values a, b, c;

  explicit Case(std::mt19937_64& random)
      : m(1 + static_cast<std::int64_t>(random() % 20)),
        n(1 + static_cast<std::int64_t>(random() % 150)),
        k(static_cast<std::int64_t>(random() % 600)),
        a_transposed(random() % 2 == 0),
        b_transposed(random() % 2 == 0),
        a(random_values(random, m * k)),
        b(random_values(random, k * n)),
        c(random_values(random, m * n)) {}

  float at_a(std::int64_t i, std::int64_t p) const {
    return a[static_cast<std::size_t>(a_transposed ? p * m + i : i * k + p)];
  }
  float at_b(std::int64_t p, std::int64_t j) const {
    return b[static_cast<std::size_t>(b_transposed ? j * k + p : p * n + j)];
  }
  Values product() const {
    Values result = c;
    const auto transposed = [](bool yes) {
      return yes ? eval::Transposed::Yes : eval::Transposed::No;
    };
    eval::multiply_add({a.data(), a_transposed ? k : m, a_transposed ? m : k, a_transposed ? m : k},
                       transposed(a_transposed),
                       {b.data(), b_transposed ? n : k, b_transposed ? k : n, b_transposed ? k : n},
                       transposed(b_transposed), {result.data(), m, n, n});
    return result;
  }
  // The order that fast_math.h defines, written out.
  Values in_order() const {
    Values result = c;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        float& element = result[static_cast<std::size_t>(i * n + j)];
        for (std::int64_t begin = 0; begin < k; begin += eval::kDepthBlock) {
          float sum = 0;
          for (std::int64_t p = begin; p < std::min(k, begin + eval::kDepthBlock); ++p) {
            sum += at_a(i, p) * at_b(p, j);
          }
          element += sum;
        }
      }
    }
    return result;
  }
};

TEST(Vectors, products_are_sums_in_the_defined_order) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed << ", " << to_string(vectors()));
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Case product(random);
    ASSERT_EQ(product.product(), product.in_order())
        << product.m << " x " << product.n << " x " << product.k;
  }
}

void add_products(Digest& digest, std::mt19937_64& random) {
  for (int i = 0; i < kCases; ++i) {
    for (const float v : Case(random).product()) digest.add(v);
  }
}

void add_functions(Digest& digest, std::mt19937_64& random) {
  for (const auto function : {eval::exp_in_place, eval::tanh_in_place, eval::sigmoid_in_place}) {
    for (int i = 0; i < kCases; ++i) {
      Values values = random_values(random, static_cast<std::int64_t>(random() % 70));
      function(values);
      for (const float v : values) digest.add(v);
    }
  }
}

void add_integer_tiles(Digest& digest, std::mt19937_64& random) {
  for (int i = 0; i < kCases; ++i) {
    PackedMatrix b(4 * (1 + static_cast<std::int64_t>(random() % 100)), kTileColumns);
    for (std::int8_t& code : b.codes) code = static_cast<std::int8_t>(random());
    b.set_offsets();
    std::vector<std::uint8_t> a(static_cast<std::size_t>(kTileRows * b.depth));
    for (std::uint8_t& code : a) code = static_cast<std::uint8_t>(random());
    Tile tile{};
    multiply_tile(a.data(), b, 0, tile);
    for (const TileRow& row : tile) {
      for (const std::int32_t sum : row) digest.add(static_cast<std::uint32_t>(sum));
    }
  }
}

std::uint64_t digest_of_kernels() {
  Digest digest;
  std::mt19937_64 random(kSeed);
  add_products(digest, random);
  add_functions(digest, random);
  add_integer_tiles(digest, random);
  return digest.value();
}

// What a child process is run for: WORKBENCH_PRINT_DIGEST is set there.
TEST(Vectors, prints_the_digest_of_all_kernels_when_asked) {
  if (std::getenv("WORKBENCH_PRINT_DIGEST") == nullptr) return;
  std::printf("%s %016llx\n", to_string(vectors()),
              static_cast<unsigned long long>(digest_of_kernels()));
}

// The line that starts with the extension's name, as a child process limited to it prints it. The
// child runs its one test whatever shard of the tests its parent is (tests/CMakeLists.txt).
std::string printed_by(const std::string& extension) {
  const std::string command =
      "env -u GTEST_TOTAL_SHARDS -u GTEST_SHARD_INDEX WORKBENCH_PRINT_DIGEST=1 "
      "WORKBENCH_VECTORS=" +
      extension + " /proc/" + std::to_string(getpid()) +
      "/exe --gtest_filter=*prints_the_digest* 2>&1";
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  CHECK(pipe != nullptr, "popen");
  char text[256];
  while (std::fgets(text, sizeof text, pipe) != nullptr) output += text;
  pclose(pipe);
  const std::size_t begin = output.find("\n" + extension + " ");
  return begin == std::string::npos ? output : output.substr(begin + extension.size() + 2, 16);
}

TEST(Vectors, every_kernel_gives_the_same_bits_with_each_extension) {
  const std::string wanted = fmt::format("{:016x}", digest_of_kernels());
  for (const Vectors extension : {Vectors::Sse2, Vectors::Avx2, Vectors::Avx512}) {
    if (extension > vectors()) continue;  // of a wider CPU
    EXPECT_EQ(printed_by(to_string(extension)), wanted) << to_string(extension);
  }
}

TEST(Vectors, an_unknown_extension_is_one_clear_error) {
  EXPECT_NE(printed_by("mmx").find("WORKBENCH_VECTORS: expected sse2, avx2 or avx512, found 'mmx'"),
            std::string::npos);
}

}  // namespace
}  // namespace workbench
