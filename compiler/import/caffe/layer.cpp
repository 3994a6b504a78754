#include "compiler/import/caffe/layer.h"

#include "compiler/import/tensor_proto.h"

namespace workbench::importer::caffe_format {

LayerReader::LayerReader(const caffe::Layer& layer, NetState& state)
    : layer_(layer), state_(state), name_(layer.name()) {
  if (name_.empty()) name_ = layer.top_size() > 0 ? layer.top(0) : layer.type();
  for (const std::string& bottom : layer.bottom()) {
    const auto found = state.current.find(bottom);
    if (found == state.current.end()) {
      refuse("expected a bottom that an input or a layer above provides, found '{}'", bottom);
    }
    bottoms_.push_back(found->second);
    state.blobs[found->second].is_read = true;
  }
}

void LayerReader::remark(const std::string& text) {
  state_.remarks.push_back(fmt::format("layer '{}' ({}): {}", name_, layer_.type(), text));
}

void LayerReader::expect_bottoms(std::size_t least, std::size_t most) const {
  if (bottoms_.size() >= least && bottoms_.size() <= most) return;
  refuse("expected {}{} bottom{}, found {}", least, least == most ? "" : " or more",
         most == 1 ? "" : "s", bottoms_.size());
}

void LayerReader::expect_rank(std::size_t least) const {
  if (shape().size() < least) {
    refuse("expected a bottom of {} or more dimensions, found {}", least, to_string(shape()));
  }
}

std::size_t LayerReader::axis(std::int64_t axis, std::size_t rank, bool end) const {
  const auto count = static_cast<std::int64_t>(rank);
  const std::int64_t counted = axis < 0 ? axis + count + (end ? 1 : 0) : axis;
  if (counted < 0 || counted > count - (end ? 0 : 1)) {
    refuse("expected an axis of {} dimensions, found {}", rank, axis);
  }
  return static_cast<std::size_t>(counted);
}

Tensor LayerReader::blob(std::size_t index, const Shape& shape, Weights::Fill fill, double fan_in) {
  try {
    return state_.weights.take(name_, index, shape, fill, fan_in);
  } catch (const Error& error) {
    refuse("{}", error.what());
  }
}

// The name of a part of the layer that is no name of the file.
std::string LayerReader::derived(const std::string& suffix) const {
  std::string name = name_ + "_" + suffix;
  while (state_.names.contains(name)) name += "_";
  return name;
}

std::string LayerReader::constant(const std::string& suffix, const Tensor& tensor) {
  return state_.model.constant(derived(suffix), tensor);
}

std::string LayerReader::scalar(const std::string& suffix, float number) {
  return constant(suffix, Tensor::from<float>({1}, std::vector<float>{number}));
}

std::string LayerReader::list(const std::string& suffix, const Integers& numbers) {
  return state_.model.list(derived(suffix), numbers);
}

std::string LayerReader::step(const std::string& suffix, const std::string& op,
                              const std::vector<std::string>& inputs) {
  return state_.model.value(op, derived(suffix), inputs);
}

std::string LayerReader::declare(std::size_t top, Shape shape, bool is_constant) {
  if (top >= top_count()) refuse("expected {} tops, found {}", top + 1, top_count());
  const std::string& name = layer_.top(static_cast<int>(top));
  check_shape(shape, fmt::format("layer '{}' ({}): top '{}'", name_, layer_.type(), name));
  if (element_count(shape) == 0) {
    refuse("expected a top with elements, found {} of shape {}", name, to_string(shape));
  }
  const bool again = state_.current.contains(name);
  std::string value = state_.model.value_name(again ? name_ : name);
  state_.current[name] = state_.blobs.size();
  state_.blobs.push_back({.value = value, .shape = std::move(shape), .is_constant = is_constant});
  return value;
}

onnx::NodeProto& LayerReader::top(const std::string& op, const std::vector<std::string>& inputs,
                                  Shape shape, std::size_t i) {
  bool is_constant = !bottoms_.empty();
  for (const std::size_t b : bottoms_) is_constant = is_constant && state_.blobs[b].is_constant;
  const std::string value = declare(i, std::move(shape), is_constant);
  return state_.model.node(op, name_, inputs, {value});
}

onnx::NodeProto& LayerReader::tops(const std::string& op, const std::vector<std::string>& inputs,
                                   const std::vector<Shape>& shapes) {
  const bool is_constant = bottom(0).is_constant;
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    outputs.push_back(declare(i, shapes[i], is_constant));
  }
  return state_.model.node(op, name_, inputs, outputs);
}

void LayerReader::top_constant(const Tensor& tensor) {
  const std::string value = declare(0, tensor.shape(), true);
  state_.model.node("Identity", name_, {constant("values", tensor)}, {value});
}

void LayerReader::alias(std::size_t top, std::size_t bottom) {
  if (top >= top_count()) refuse("expected {} tops, found {}", top + 1, top_count());
  state_.current[layer_.top(static_cast<int>(top))] = bottoms_.at(bottom);
}

}  // namespace workbench::importer::caffe_format
