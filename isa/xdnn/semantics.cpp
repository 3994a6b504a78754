// Everything but convolution; that is conv_semantics.cpp.
#include "isa/xdnn/semantics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "isa/xdnn/conv_semantics.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

std::int64_t round_shift(std::int64_t value, std::int64_t shift) {
  return shift == 0 ? value : ((value >> (shift - 1)) + 1) >> 1;
}

namespace {

// Pixels are bytes; arithmetic is on the codes they are.
template <typename Code>
std::span<Code> codes(std::vector<std::int8_t>& pixels) {
  return {reinterpret_cast<Code*>(pixels.data()), pixels.size() / sizeof(Code)};
}

template <typename Code>
std::span<const Code> codes(const std::vector<std::int8_t>& pixels) {
  return {reinterpret_cast<const Code*>(pixels.data()), pixels.size() / sizeof(Code)};
}

template <typename Code>
Code saturate(std::int64_t value) {
  using Limits = std::numeric_limits<Code>;
  return static_cast<Code>(std::clamp<std::int64_t>(value, Limits::min(), Limits::max()));
}

template <typename Code>
void relu_in_place(std::vector<std::int8_t>& pixels) {
  for (Code& v : codes<Code>(pixels)) v = std::max<Code>(v, 0);
}

template <typename Code>
std::vector<std::int8_t> pooled(const PoolShape& shape, const std::vector<std::int8_t>& in) {
  std::vector<std::int8_t> out(
      static_cast<std::size_t>(shape.out_h * shape.out_w * shape.channels) * sizeof(Code));
  max_pool(shape, codes<Code>(in).data(), codes<Code>(out).data());
  return out;
}

template <typename Code>
struct Execute {
  static constexpr auto kCodeBytes = static_cast<std::int64_t>(sizeof(Code));

  const Step& step;
  const Machine& machine;
  const Memory& memory;
  int threads;

  std::vector<std::int8_t> read(const AmTensor& source, bool pre_relu) const {
    std::vector<std::int8_t> pixels = read_am(memory, source);
    if (pre_relu) relu_in_place<Code>(pixels);
    return pixels;
  }

  // Operand `i` of an instruction that reads the AM, or tiles of a DDR tensor.
  std::vector<std::int8_t> operand(std::size_t i) const {
    const Tail& t = tail(step.instruction);
    if (!t.source_in_ddr) return read(am_operands(step, machine).sources.at(i), t.pre_relu);
    const DdrTensor from = ddr_sources(step.instruction).at(i);
    std::vector<std::int8_t> pixels =
        read_ddr(memory, from.address, from.channels, from.height, from.width);
    if (t.pre_relu) relu_in_place<Code>(pixels);
    return pixels;
  }

  // Where the result goes, without its pixels.
  Result destination() const {
    if (tail(step.instruction).destination_in_ddr) return {.ddr = ddr_result(step)};
    return {.am = am_operands(step, machine).results.at(0)};
  }

  Result operator()(const Conv& op) const { return convolution(op, step, nullptr); }
  Result operator()(const ConvPool& op) const { return convolution(op.conv, step, &op); }

  Result convolution(const Conv& op, const Step& at, const ConvPool* fused) const {
    ConvResult conv = convolve(op, at.filter_address, machine, memory, threads);
    Result result{.wide_accumulators = conv.wide_accumulators, .channel_off = conv.channel_off};
    if (op.tail.destination_in_ddr) {
      result.ddr = ddr_result(at);
    } else {
      result.am = am_operands(at, machine).results.at(0);
    }
    if (fused == nullptr) {
      result.pixels = std::move(conv.pixels);
    } else {
      const PoolShape shape{fused->kernel_w, fused->kernel_h, fused->stride_w, fused->stride_h,
                            fused->pad_w,    fused->pad_h,    op.out_w,        op.out_h,
                            fused->out_w,    fused->out_h,    op.out_ch};
      result.pixels = pooled<Code>(shape, conv.pixels);
    }
    return result;
  }

  Result operator()(const Pool& op) const {
    const std::vector<std::int8_t> source = operand(0);
    const PoolShape shape{op.kernel_w, op.kernel_h, op.stride_w, op.stride_h, op.pad_w,   op.pad_h,
                          op.in_w,     op.in_h,     op.out_w,    op.out_h,    op.channels};
    Result result = destination();
    result.pixels = op.average ? average_pool(shape, source) : pooled<Code>(shape, source);
    return result;
  }

  // Padding adds nothing to the sum; the scale holds 1/(kw*kh) (docs/facts/xdnn.md 3.4).
  std::vector<std::int8_t> average_pool(const PoolShape& s,
                                        const std::vector<std::int8_t>& in) const {
    std::vector<std::int8_t> out(static_cast<std::size_t>(s.out_h * s.out_w * s.channels) *
                                 sizeof(Code));
    const std::span<const Code> sources = codes<Code>(in);
    std::vector<std::int32_t> sum(static_cast<std::size_t>(s.channels));
    const Rescale rescale =
        step.rescale;  // a copy: the written bytes may alias the operand's table
    for (std::int64_t p = 0; p < s.out_h * s.out_w; ++p) {
      std::fill(sum.begin(), sum.end(), 0);
      for_each_in_window(s, p, [&](std::int64_t pixel) {
        const Code* from = sources.data() + pixel * s.channels;
        for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += from[c];
      });
      Code* to = codes<Code>(out).data() + p * s.channels;
      for (std::size_t c = 0; c < sum.size(); ++c) {
        to[c] = saturate<Code>(round_shift(sum[c] * rescale.scale, rescale.shift));
      }
    }
    return out;
  }

  Result operator()(const Eltwise& op) const {
    Result result = destination();
    result.pixels = operand(0);
    const std::vector<std::int8_t> other = operand(1);
    const Rescale rescale =
        step.rescale;  // a copy: the written bytes may alias the operand's table
    Code* const sums = codes<Code>(result.pixels).data();
    const std::span<const Code> addends = codes<Code>(other);
    const std::size_t count = addends.size();
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t sum = std::int64_t{sums[i]} + addends[i];
      sums[i] = saturate<Code>(round_shift(sum * rescale.scale, rescale.shift));
    }
    if (op.relu) relu_in_place<Code>(result.pixels);
    return result;
  }

  Result operator()(const Upsample& op) const {
    const Operands operands = am_operands(step, machine);
    const std::vector<std::int8_t> source = read(operands.sources[0], op.tail.pre_relu);
    Result result{.am = operands.results[0]};
    const std::int64_t pixel_bytes = op.channels * kCodeBytes;
    result.pixels.reserve(static_cast<std::size_t>(op.out_h * op.out_w * pixel_bytes));
    for (std::int64_t y = 0; y < op.out_h; ++y) {
      for (std::int64_t x = 0; x < op.out_w; ++x) {
        const std::int64_t pixel = y / op.factor_h * op.in_w + x / op.factor_w;
        const auto from = source.begin() + pixel * pixel_bytes;
        result.pixels.insert(result.pixels.end(), from, from + pixel_bytes);
      }
    }
    return result;
  }

  Result operator()(const Gather& op) const {
    const auto all = read_ddr(memory, op.ddr_address, op.channels, op.height, op.width);
    const std::int64_t row = op.width * op.channels * kCodeBytes;
    return {.am = am_operands(step, machine).results.at(0),
            .pixels = {all.begin() + op.start_row * row, all.begin() + (op.end_row + 1) * row}};
  }

  Result operator()(const Scatter& op) const {
    std::vector<std::int8_t> rows = read(am_operands(step, machine).sources.at(0), false);
    const bool whole = op.start_row == 0 && op.end_row + 1 == op.height;
    if (!whole) {  // rows of a larger tensor: the others stay as they are
      auto all = read_ddr(memory, op.ddr_address, op.channels, op.height, op.width);
      const std::int64_t row = op.width * op.channels * kCodeBytes;
      std::copy(rows.begin(), rows.end(), all.begin() + op.start_row * row);
      rows = std::move(all);
    }
    return {.ddr = DdrTensor{"", op.ddr_address, op.channels, op.height, op.width},
            .pixels = std::move(rows)};
  }
};

}  // namespace

Result execute(const Step& step, const Machine& machine, const Memory& memory, int threads) {
  const MachineOfSlice own(machine, tail(step.instruction).slice);
  if (machine.code_bytes() == 2) {
    return std::visit(Execute<std::int16_t>{step, own.get(), memory, threads}, step.instruction);
  }
  return std::visit(Execute<std::int8_t>{step, own.get(), memory, threads}, step.instruction);
}

void commit(const Result& result, Memory& memory) {
  if (result.am) write_am(memory, *result.am, result.pixels);
  if (result.ddr) {
    const DdrTensor& to = *result.ddr;
    write_ddr(memory, to.address, to.channels, to.height, to.width, result.pixels);
  }
}

namespace {

template <typename Code>
Tensor quantized(const Tensor& real, const Quantization& quantization) {
  const auto threshold = static_cast<float>(quantization.thresholds[0]);
  const float factor = static_cast<float>(quantization.high()) / threshold;
  Tensor codes = Tensor::uninitialized(element_type_of<Code>(), real.shape(), real.layout());
  const auto in = real.values<float>();
  const auto out = codes.mutable_values<Code>();
  for (std::size_t i = 0; i < in.size(); ++i) {  // NaN becomes 0: comparisons with it are false
    const float x = in[i] > threshold ? threshold : in[i] < -threshold ? -threshold : in[i];
    out[i] = std::isnan(x) ? Code{0} : static_cast<Code>(x * factor);
  }
  return codes;
}

template <typename Code>
Tensor dequantized(const Tensor& codes, const Quantization& quantization) {
  const auto threshold = static_cast<float>(quantization.thresholds[0]);
  const auto high = static_cast<float>(quantization.high());
  Tensor real = Tensor::uninitialized(ElementType::Float32, codes.shape(), codes.layout());
  const auto in = codes.values<Code>();
  const auto out = real.mutable_values<float>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = static_cast<float>(in[i]) / high * threshold;
  }
  return real;
}

}  // namespace

Tensor quantize_input(const Tensor& real, const Quantization& quantization) {
  CHECK(quantization.thresholds.size() == 1);
  return code_type(quantization.bits) == ElementType::Int8
             ? quantized<std::int8_t>(real, quantization)
             : quantized<std::int16_t>(real, quantization);
}

Tensor dequantize_output(const Tensor& codes, const Quantization& quantization) {
  CHECK(quantization.thresholds.size() == 1);
  return code_type(quantization.bits) == ElementType::Int8
             ? dequantized<std::int8_t>(codes, quantization)
             : dequantized<std::int16_t>(codes, quantization);
}

}  // namespace workbench::xdnn
