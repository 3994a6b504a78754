#include "sim/pulp/host.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/units.h"

namespace workbench::pulp {

Host::Host(const Program& program, Memory& memory, HazardMonitor& hazards,
           std::span<const Tensor> inputs, int threads)
    : program_(program),
      memory_(memory),
      hazards_(hazards),
      threads_(threads),
      values_(program.host, inputs) {
  for (const auto* list : {&program.inputs, &program.outputs}) {
    for (const TensorPlace& place : *list) places_[place.value] = &place;
  }
}

const TensorPlace* Host::place_of(ValueId id) const {
  const auto found = places_.find(program_.host.value(id).name);
  return found == places_.end() ? nullptr : found->second;
}

void Host::check(const HostStep& step, std::int64_t time) {
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || values_.is_computed(id)) continue;
      const TensorPlace* place = place_of(id);
      if (place != nullptr) hazards_.result_read(*place, step.before - 1, time);
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      values_.computed(id);
      const TensorPlace* place = place_of(id);
      if (place != nullptr) hazards_.host_wrote(*place);
    }
  }
}

void Host::run(const HostStep& step, std::int64_t time) {
  check(step, time);
  const auto made_by_cluster = [&](const Value& value) {
    const auto place = places_.find(value.name);
    CHECK(place != places_.end(), "host value '{}' comes from nowhere", value.name);
    return read_tensor(memory_, *place->second).reshaped(value.shape);
  };
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    std::vector<Tensor> results =
        evaluate_node(program_.host, node, values_.operands(node, made_by_cluster),
                      {.arithmetic = Arithmetic::Exact, .threads = threads_, .observe = {}});
    for (std::size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == kNoValue) continue;
      const Tensor& result = values_.computed(id, std::move(results[i]));
      const TensorPlace* place = place_of(id);
      if (place != nullptr) write_tensor(memory_, *place, result);
    }
  }
}

namespace {

template <typename Bytes>  // of a Memory, const or not
auto& bytes_of(Bytes& memory, const TensorPlace& place) {
  auto& bytes = place.space == Space::L1   ? memory.l1
                : place.space == Space::L2 ? memory.l2
                                           : memory.l3;
  const std::int64_t end = place.address + (place.height - 1) * place.row_stride +
                           (place.width - 1) * place.pixel_stride +
                           ceil_div(place.channels * place.bits, 8);
  CHECK(place.address >= 0 && end <= static_cast<std::int64_t>(bytes.size()),
        "'{}' ends at {} of {}", place.value, end, bytes.size());
  return bytes;
}

// Channel `c` of the pixel that begins at `pixel`.
std::int32_t code_at(const std::uint8_t* pixel, std::int64_t c, const TensorPlace& place) {
  if (place.bits == 32) {
    std::int32_t code = 0;
    std::memcpy(&code, pixel + 4 * c, 4);
    return code;
  }
  const std::int64_t bit = c * place.bits, mask = (1 << place.bits) - 1;
  const auto code = static_cast<std::int32_t>((pixel[bit / 8] >> (bit % 8)) & mask);
  const bool negative = place.is_signed && (code >> (place.bits - 1)) != 0;
  return negative ? code - static_cast<std::int32_t>(mask) - 1 : code;
}
void put_code(std::uint8_t* pixel, std::int64_t c, const TensorPlace& place, std::int32_t code) {
  if (place.bits == 32) {
    std::memcpy(pixel + 4 * c, &code, 4);
    return;
  }
  const std::int64_t bit = c * place.bits;
  const int mask = (1 << place.bits) - 1, shift = static_cast<int>(bit % 8);
  std::uint8_t& byte = pixel[bit / 8];
  byte = static_cast<std::uint8_t>((byte & ~(mask << shift)) | ((code & mask) << shift));
}

// call(index into [C, H, W], byte offset of the pixel, channel)
template <typename Call>
void each_code(const TensorPlace& place, Call call) {
  for (std::int64_t y = 0; y < place.height; ++y) {
    for (std::int64_t x = 0; x < place.width; ++x) {
      const std::int64_t pixel = place.address + y * place.row_stride + x * place.pixel_stride;
      for (std::int64_t c = 0; c < place.channels; ++c) {
        call(static_cast<std::size_t>((c * place.height + y) * place.width + x), pixel, c);
      }
    }
  }
}

template <typename Code>
Tensor read_as(const std::uint8_t* bytes, const TensorPlace& place) {
  Tensor tensor = Tensor::uninitialized(
      element_type_of<Code>(), {1, place.channels, place.height, place.width}, Layout::Nchw);
  const auto codes = tensor.mutable_values<Code>();
  each_code(place, [&](std::size_t i, std::int64_t pixel, std::int64_t c) {
    codes[i] = static_cast<Code>(code_at(bytes + pixel, c, place));
  });
  return tensor;
}

template <typename Code>
void write_as(std::uint8_t* bytes, const TensorPlace& place, const Tensor& tensor) {
  const auto codes = tensor.values<Code>();
  each_code(place, [&](std::size_t i, std::int64_t pixel, std::int64_t c) {
    put_code(bytes + pixel, c, place, static_cast<std::int32_t>(codes[i]));
  });
}

}  // namespace

Tensor read_tensor(const Memory& memory, const TensorPlace& place) {
  const std::uint8_t* bytes = bytes_of(memory, place).data();
  if (place.bits == 32) return read_as<std::int32_t>(bytes, place);
  return place.is_signed ? read_as<std::int8_t>(bytes, place) : read_as<std::uint8_t>(bytes, place);
}

void write_tensor(Memory& memory, const TensorPlace& place, const Tensor& tensor) {
  CHECK(tensor.size() == place.channels * place.height * place.width, "'{}' of {}", place.value,
        workbench::to_string(tensor.shape()));
  std::uint8_t* bytes = bytes_of(memory, place).data();
  switch (tensor.type()) {
    case ElementType::Int8:
      return write_as<std::int8_t>(bytes, place, tensor);
    case ElementType::Uint8:
      return write_as<std::uint8_t>(bytes, place, tensor);
    case ElementType::Int32:
      return write_as<std::int32_t>(bytes, place, tensor);
    default:
      CHECK(false, "'{}' holds {}", place.value, workbench::to_string(tensor.type()));
  }
}

void name_shapes(const Graph& host, std::map<std::string, Tensor>& tensors) {
  for (const Value& value : host.values) {
    const auto found = tensors.find(value.name);
    if (found == tensors.end() || found->second.shape() == value.shape) continue;
    if (found->second.size() != element_count(value.shape)) continue;
    found->second = found->second.reshaped(value.shape);
  }
}

void put_piece(const Probe& probe, const Tensor& piece, Tensor& whole) {
  const TensorPlace& place = probe.place;
  const Shape shape{1, probe.value_channels, probe.value_height, place.width};
  if (whole.shape() != shape) whole = Tensor::zeros(piece.type(), shape, Layout::Nchw);
  const std::int64_t code = element_bytes(piece.type());
  const std::int64_t plane = place.height * place.width * code;
  std::byte* const to = whole.mutable_data();
  for (std::int64_t c = 0; c < place.channels; ++c) {
    const std::int64_t row = (probe.first_channel + c) * probe.value_height + probe.first_row;
    std::copy_n(piece.data() + c * plane, plane, to + row * place.width * code);
  }
}

}  // namespace workbench::pulp
