// Codes of a kernel call in L1 as the arithmetic wants them, a byte each (two's complement where
// signed): as they lie there when they have 8 bits, else an unpacked copy.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/int8_matrix.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

using Bytes8 = std::vector<std::uint8_t>;

// `runs` runs of `length` codes; every run begins at a byte, the first code in the low bits.
struct CodeLayout {
  std::int64_t runs = 0, length = 0, bits = 8;
  bool is_signed = false;
  std::int64_t run_bytes() const { return (length * bits + 7) / 8; }
  std::int64_t bytes() const { return runs * run_bytes(); }
  std::int64_t codes() const { return runs * length; }
};

// `bytes` bytes of `l1` from `address` on; a CHECK that there are as many.
const std::uint8_t* bytes_at(const Bytes8& l1, std::int64_t address, std::int64_t bytes);
std::uint8_t* bytes_at(Bytes8& l1, std::int64_t address, std::int64_t bytes);

class SourceCodes {
 public:
  SourceCodes(const Bytes8& l1, std::int64_t address, const CodeLayout& layout);
  SourceCodes(const SourceCodes&) = delete;
  SourceCodes& operator=(const SourceCodes&) = delete;
  const std::uint8_t* data() const { return codes_; }  // [runs][length]

 private:
  Bytes8 unpacked_;
  const std::uint8_t* codes_;
};

// Codes to be computed. What is written to data() is in L1 once store() has been called.
class ResultCodes {
 public:
  ResultCodes(Bytes8& l1, std::int64_t address, const CodeLayout& layout);
  ResultCodes(const ResultCodes&) = delete;
  ResultCodes& operator=(const ResultCodes&) = delete;
  std::uint8_t* data() { return codes_; }  // [runs][length]
  void store();                            // unused bits of a run's last byte become 0

 private:
  CodeLayout layout_;
  std::uint8_t* packed_;
  Bytes8 unpacked_;
  std::uint8_t* codes_;
};

// int32 or int64 (`bits`), little endian, unaligned, followed by zeros up to `padded`.
std::vector<std::int32_t> words_at(const Bytes8& l1, std::int64_t address, std::int64_t count,
                                   std::int64_t padded);
std::vector<std::int64_t> double_words_at(const Bytes8& l1, std::int64_t address,
                                          std::int64_t count, std::int64_t padded);

// From accumulators to codes (docs/facts/pulp.md 2.2), a block of channels at a time: what conv,
// linear, depthwise and requantize have in common.

// Bounds of a result's codes.
struct CodeRange {
  std::int32_t low = 0, high = 255;
};
CodeRange result_range(const Kernel& kernel);

// Constants of a kernel's output channels, padded to whole blocks of kTileColumns.
class ChannelArithmetic {
 public:
  ChannelArithmetic(const Kernel& kernel, const Bytes8& l1);
  // Where accumulators start: the bias, or 0.
  const std::vector<std::int32_t>& starts() const { return starts_; }
  // Codes of channels [kTileColumns * block, + kTileColumns) from their accumulators.
  void finish(const TileRow& sums, std::int64_t block, std::uint8_t* codes) const;

 private:
  bool wide_, clamped_;
  int shift_;
  CodeRange range_;
  std::vector<std::int32_t> starts_;
  std::vector<std::int32_t> kappa_, lambda_, low_, high_;  // bounds: of clamped accumulators
  std::vector<std::int64_t> wide_kappa_, wide_lambda_;
};

// Accumulator -> code, the arithmetic of one element (docs/facts/pulp.md 2.2): kappa * accumulator
// + lambda and the shift in 64 bits where kernel.norm and kernel.norm_bits is 64, of which the
// lower 32 are clipped; else all in 32, with bounds in the entries' upper words where clamped.
// Without norm, kappa and lambda stand for multiplier and offset.
std::int64_t normalized(std::int32_t accumulator, std::int64_t kappa, std::int64_t lambda,
                        const Kernel& kernel);

}  // namespace workbench::pulp
