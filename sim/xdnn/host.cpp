#include "sim/xdnn/host.h"

#include <algorithm>

#include "core/eval/evaluate.h"
#include "isa/xdnn/semantics.h"

namespace workbench::xdnn {

Tensor nchw_from_pixels(std::span<const std::int8_t> pixels, std::int64_t channels,
                        std::int64_t height, std::int64_t width) {
  Tensor tensor =
      Tensor::uninitialized(ElementType::Int8, {1, channels, height, width}, Layout::Nchw);
  const auto out = tensor.mutable_values<std::int8_t>();
  const std::int64_t count = height * width;
  constexpr std::int64_t kBlock = 64;  // both sides of the transpose stay in the L1 cache
  for (std::int64_t p0 = 0; p0 < count; p0 += kBlock) {
    const std::int64_t p1 = std::min(count, p0 + kBlock);
    for (std::int64_t c0 = 0; c0 < channels; c0 += kBlock) {
      const std::int64_t c1 = std::min(channels, c0 + kBlock);
      for (std::int64_t c = c0; c < c1; ++c) {
        std::int8_t* to = out.data() + c * count;
        const std::int8_t* from = pixels.data() + c;
        for (std::int64_t p = p0; p < p1; ++p) to[p] = from[p * channels];
      }
    }
  }
  return tensor;
}

std::vector<std::int8_t> pixels_from_nchw(const Tensor& tensor) {
  const std::int64_t channels = tensor.dim(1), count = tensor.dim(2) * tensor.dim(3);
  const auto in = tensor.values<std::int8_t>();
  std::vector<std::int8_t> pixels(in.size());
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t p = 0; p < count; ++p) {
      pixels[static_cast<std::size_t>(p * channels + c)] =
          in[static_cast<std::size_t>(c * count + p)];
    }
  }
  return pixels;
}

Host::Host(const Program& program, Memory& memory, HazardMonitor& hazards,
           std::span<const Tensor> inputs, int threads)
    : program_(program),
      memory_(memory),
      hazards_(hazards),
      threads_(threads),
      values_(program.host.values.size()),
      known_(program.host.values.size(), false),
      computed_(program.host.values.size(), false) {
  for (const DdrTensor& tensor : program.ddr_tensors) in_ddr_[tensor.value] = &tensor;
  CHECK(inputs.size() == program.host.inputs.size(), "{} inputs for {}", inputs.size(),
        program.host.inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<std::size_t>(program.host.inputs[i]);
    CHECK(inputs[i].shape() == program.host.values[id].shape, "input {}", i);
    values_[id] = inputs[i];
    known_[id] = true;
  }
}

Tensor Host::operand(ValueId id) {
  if (id == kNoValue) return {};
  const auto index = static_cast<std::size_t>(id);
  const Value& value = program_.host.values[index];
  if (value.constant) return *value.constant;
  if (!known_[index]) {  // computed by the overlay, uploaded to DDR
    const auto found = in_ddr_.find(value.name);
    CHECK(found != in_ddr_.end(), "host value '{}' comes from nowhere", value.name);
    const DdrTensor& t = *found->second;
    values_[index] = nchw_from_pixels(read_ddr(memory_, t.address, t.channels, t.height, t.width),
                                      t.channels, t.height, t.width);
    known_[index] = true;
  }
  return values_[index];
}

void Host::run(const HostStep& step) {
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) operands.push_back(operand(id));
    std::vector<Tensor> results;
    if (std::holds_alternative<Quantize>(node.op)) {
      results.push_back(
          quantize_input(operands[0], *program_.host.value(node.outputs[0]).quantization));
    } else if (std::holds_alternative<Dequantize>(node.op)) {
      results.push_back(
          dequantize_output(operands[0], *program_.host.value(node.inputs[0]).quantization));
    } else {
      results = evaluate_node(program_.host, node, operands,
                              {.arithmetic = Arithmetic::Exact, .threads = threads_});
    }
    for (std::size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const auto index = static_cast<std::size_t>(node.outputs[i]);
      values_[index] = std::move(results[i]);
      known_[index] = computed_[index] = true;
      const auto found = in_ddr_.find(program_.host.values[index].name);
      if (found == in_ddr_.end()) continue;
      const DdrTensor& t = *found->second;
      write_ddr(memory_, t.address, t.channels, t.height, t.width,
                pixels_from_nchw(values_[index]));
      hazards_.host_wrote(t.address, t.address + ddr_tensor_bytes(t.channels, t.height, t.width));
    }
  }
}

std::vector<Tensor> Host::outputs() const {
  std::vector<Tensor> result;
  for (const ValueId id : program_.host.outputs) {
    result.push_back(values_[static_cast<std::size_t>(id)]);
  }
  return result;
}

std::map<std::string, Tensor> Host::values() const {
  std::map<std::string, Tensor> result;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (computed_[i]) result[program_.host.values[i].name] = values_[i];
  }
  return result;
}

}  // namespace workbench::xdnn
