#include "sim/xdnn/host.h"

#include <array>
#include <cstring>

#include "core/eval/evaluate.h"
#include "isa/xdnn/semantics.h"

namespace workbench::xdnn {

namespace {

// Eight bytes of eight rows, transposed by swapping ever smaller quarters.
void transpose_8x8(const std::int8_t* from, std::int64_t from_stride, std::int8_t* to,
                   std::int64_t to_stride) {
  std::array<std::uint64_t, 8> rows{};
  for (std::size_t i = 0; i < 8; ++i) {
    std::memcpy(&rows[i], from + static_cast<std::int64_t>(i) * from_stride, 8);
  }
  const auto swap = [&rows](std::size_t distance, std::uint64_t mask) {
    for (std::size_t i = 0; i < 8; ++i) {
      if ((i & distance) != 0) continue;
      std::uint64_t &a = rows[i], &b = rows[i + distance];
      const std::uint64_t difference = ((a >> (8 * distance)) ^ b) & mask;
      a ^= difference << (8 * distance);
      b ^= difference;
    }
  };
  swap(4, 0x00000000ffffffffU);
  swap(2, 0x0000ffff0000ffffU);
  swap(1, 0x00ff00ff00ff00ffU);
  for (std::size_t i = 0; i < 8; ++i) {
    std::memcpy(to + static_cast<std::int64_t>(i) * to_stride, &rows[i], 8);
  }
}

// Pixels of `channels` bytes, `stride` bytes apart, to planes [channels][count].
void planes_from_pixels(const std::int8_t* from, std::int64_t stride, std::int64_t channels,
                        std::int64_t count, std::int8_t* to) {
  const std::int64_t whole_channels = channels / 8 * 8, whole_count = count / 8 * 8;
  for (std::int64_t p = 0; p < whole_count; p += 8) {
    for (std::int64_t c = 0; c < whole_channels; c += 8) {
      transpose_8x8(from + p * stride + c, stride, to + c * count + p, count);
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::int64_t first = c < whole_channels ? whole_count : 0;
    for (std::int64_t p = first; p < count; ++p) to[c * count + p] = from[p * stride + c];
  }
}

Tensor uninitialized_image(ElementType type, std::int64_t channels, std::int64_t height,
                           std::int64_t width) {
  return Tensor::uninitialized(type, {1, channels, height, width}, Layout::Nchw);
}

// Element (i, j) of [rows][columns] becomes (j, i) of [columns][rows].
template <typename Code>
void transpose(const Code* from, std::int64_t rows, std::int64_t columns, Code* to) {
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = 0; i < rows; ++i) to[j * rows + i] = from[i * columns + j];
  }
}

}  // namespace

Tensor nchw_from_pixels(std::span<const std::int8_t> pixels, std::int64_t channels,
                        std::int64_t height, std::int64_t width) {
  const auto count = static_cast<std::int64_t>(pixels.size());
  if (count > channels * height * width) {  // two bytes each
    Tensor tensor = uninitialized_image(ElementType::Int16, channels, height, width);
    CHECK(count == tensor.size_bytes(), "{} bytes for {}", count,
          workbench::to_string(tensor.shape()));
    transpose(reinterpret_cast<const std::int16_t*>(pixels.data()), height * width, channels,
              tensor.mutable_values<std::int16_t>().data());
    return tensor;
  }
  Tensor tensor = uninitialized_image(ElementType::Int8, channels, height, width);
  planes_from_pixels(pixels.data(), channels, channels, height * width,
                     tensor.mutable_values<std::int8_t>().data());
  return tensor;
}

Tensor nchw_from_am(const Memory& memory, const AmTensor& tensor) {
  if (memory.geometry.width_aligned() || memory.geometry.code_bytes == 2) {
    return nchw_from_pixels(read_am(memory, tensor), tensor.channels, tensor.height, tensor.width);
  }
  const std::int64_t count = tensor.height * tensor.width;
  Tensor result =
      uninitialized_image(ElementType::Int8, tensor.channels, tensor.height, tensor.width);
  std::int8_t* planes = result.mutable_values<std::int8_t>().data();
  const std::int64_t word_bytes = memory.geometry.word_bytes;
  std::int64_t word = tensor.address;
  for (const SectionSlice& slice : section_slices(tensor, memory.geometry)) {
    planes_from_pixels(memory.am.data() + word * word_bytes + slice.first_byte, word_bytes,
                       slice.channels, count, planes + slice.first_channel * count);
    word += count;
  }
  return result;
}

std::vector<std::int8_t> pixels_from_nchw(const Tensor& tensor) {
  const std::int64_t channels = tensor.dim(1), count = tensor.dim(2) * tensor.dim(3);
  std::vector<std::int8_t> pixels(static_cast<std::size_t>(tensor.size_bytes()));
  if (tensor.type() == ElementType::Int16) {
    transpose(tensor.values<std::int16_t>().data(), channels, count,
              reinterpret_cast<std::int16_t*>(pixels.data()));
  } else {
    transpose(tensor.values<std::int8_t>().data(), channels, count, pixels.data());
  }
  return pixels;
}

Host::Host(const Program& program, Memory& memory, HazardMonitor& hazards,
           std::span<const Tensor> inputs, int threads)
    : program_(program),
      memory_(memory),
      hazards_(hazards),
      threads_(threads),
      values_(program.host, inputs) {
  CHECK(inputs.size() == program.host.inputs.size(), "{} inputs for {}", inputs.size(),
        program.host.inputs.size());
  for (const DdrTensor& tensor : program.ddr_tensors) in_ddr_[tensor.value] = &tensor;
}

void Host::run(const HostStep& step) {
  const auto uploaded = [&](const Value& value) {
    const auto found = in_ddr_.find(value.name);
    CHECK(found != in_ddr_.end(), "host value '{}' comes from nowhere", value.name);
    const DdrTensor& t = *found->second;
    return nchw_from_pixels(read_ddr(memory_, t.address, t.channels, t.height, t.width), t.channels,
                            t.height, t.width);
  };
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    const std::vector<Tensor> operands = values_.operands(node, uploaded);
    std::vector<Tensor> results;
    const auto* codes = std::holds_alternative<Quantize>(node.op)
                            ? &*program_.host.value(node.outputs[0]).quantization
                            : nullptr;
    if (codes != nullptr && codes->rounding == Rounding::TowardZero) {  // others are the user's
      results.push_back(quantize_input(operands[0], *codes));
    } else if (std::holds_alternative<Dequantize>(node.op)) {
      results.push_back(
          dequantize_output(operands[0], *program_.host.value(node.inputs[0]).quantization));
    } else {
      results = evaluate_node(program_.host, node, operands,
                              {.arithmetic = Arithmetic::Exact, .threads = threads_});
    }
    for (std::size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue) continue;
      const Tensor& result = values_.computed(id, std::move(results[i]));
      const auto found = in_ddr_.find(program_.host.value(id).name);
      if (found == in_ddr_.end()) continue;
      const DdrTensor& t = *found->second;
      write_ddr(memory_, t.address, t.channels, t.height, t.width, pixels_from_nchw(result));
      hazards_.host_wrote(
          t.address, t.address + ddr_tensor_bytes(t.channels, t.height, t.width, memory_.geometry));
    }
  }
}

}  // namespace workbench::xdnn
