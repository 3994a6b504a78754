// Access to the attributes and operands of one TensorFlow node, and what it writes.
#include <algorithm>
#include <cmath>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

Op::Op(Converter& converter, int node)
    : converter_(&converter), node_(node), def_(converter.node(node).def) {}

const std::string& Op::name() const { return converter_->node(node_).name; }

const wire::AttrValue* Op::find(std::string_view attribute) const {
  for (const wire::Attribute& entry : def_->attr()) {
    if (entry.key() == attribute) return &entry.value();
  }
  return nullptr;
}

std::int64_t Op::integer(std::string_view attribute, std::int64_t fallback) const {
  const wire::AttrValue* found = find(attribute);
  return found != nullptr && found->has_i() ? found->i() : fallback;
}

bool Op::flag(std::string_view attribute, bool fallback) const {
  const wire::AttrValue* found = find(attribute);
  return found != nullptr && found->has_b() ? found->b() : fallback;
}

float Op::real(std::string_view attribute, float fallback) const {
  const wire::AttrValue* found = find(attribute);
  return found != nullptr && found->has_f() ? found->f() : fallback;
}

std::string Op::text(std::string_view attribute, const std::string& fallback) const {
  const wire::AttrValue* found = find(attribute);
  return found != nullptr && found->has_s() ? found->s() : fallback;
}

Integers Op::integers(std::string_view attribute) const {
  const wire::AttrValue* found = find(attribute);
  if (found == nullptr) return {};
  Integers values(found->list().i().begin(), found->list().i().end());
  for (const std::int64_t v : values) {
    if (v < -kMaxParameter || v > kMaxParameter) {
      refuse("attribute '{}': expected values up to {}, found {}", attribute, kMaxParameter, v);
    }
  }
  return values;
}

DataType Op::type(std::string_view attribute, DataType fallback) const {
  const wire::AttrValue* found = find(attribute);
  return found != nullptr && found->has_type() ? static_cast<DataType>(found->type()) : fallback;
}

bool Op::channels_last() const {
  const std::string format = text("data_format", "NHWC");
  if (format == "NHWC" || format == "NDHWC" || format.empty()) return true;
  if (format == "NCHW" || format == "NCDHW") return false;
  refuse("attribute 'data_format': expected NHWC or NCHW, found '{}'", format);
}

std::size_t Op::input_count() const { return converter_->node(node_).inputs.size(); }

int Op::value_id(std::size_t i) const {
  if (i >= input_count()) refuse("expected input {}, found {} inputs", i, input_count());
  const int id = converter_->operand(node_, i);
  CHECK(id >= 0, "an operand without a value");
  return id;
}

int Op::peek(std::size_t i) const {
  return i < input_count() ? converter_->operand(node_, i) : kUnknown;
}

bool Op::is_constant(std::size_t i) const {
  const int id = peek(i);
  return id >= 0 && converter_->value(id).constant.has_value();
}

const Value& Op::value(std::size_t i) const { return converter_->value(value_id(i)); }

const Constant& Op::constant(std::size_t i, std::string_view meaning) const {
  const Value& found = value(i);
  if (!found.constant) {
    refuse(
        "input {} ({}): expected a value known at import, found '{}', which is computed at "
        "run time",
        i, meaning, found.name);
  }
  return *found.constant;
}

Integers Op::constant_integers(std::size_t i, std::string_view meaning) const {
  const Constant& found = constant(i, meaning);
  if (found.holds_reals()) {
    refuse("input {} ({}): expected integers, found {}", i, meaning, to_string(found.type));
  }
  constexpr std::size_t kMax = 1U << 16;
  if (found.integers().size() > kMax) {
    refuse("input {} ({}): expected at most {} integers, found {}", i, meaning, kMax,
           found.integers().size());
  }
  for (const std::int64_t v : found.integers()) {
    if (v < -(std::int64_t{1} << 31) || v > std::int64_t{1} << 31) {
      refuse("input {} ({}): expected values of 32 bits, found {}", i, meaning, v);
    }
  }
  return found.integers();
}

std::int64_t Op::constant_integer(std::size_t i, std::string_view meaning) const {
  const Integers values = constant_integers(i, meaning);
  if (values.size() != 1) {
    refuse("input {} ({}): expected one number, found {}", i, meaning, values.size());
  }
  return values[0];
}

float Op::constant_real(std::size_t i, std::string_view meaning) const {
  const Constant& found = constant(i, meaning);
  if (!found.holds_reals() || found.size() != 1) {
    refuse("input {} ({}): expected one real number, found {} {}", i, meaning,
           to_string(found.type), workbench::to_string(found.shape));
  }
  return found.reals()[0];
}

std::size_t Op::axis(std::int64_t axis, std::size_t rank) const {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    refuse("axis: expected a value in [{}, {}), found {}", -count, count, axis);
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

Op Op::writer(std::size_t i) const {
  constexpr int kRenames = 8;  // more in a row is no network
  int at = converter_->node(node_).inputs.at(i).node;
  for (int n = 0; n < kRenames; ++n) {
    const GraphNode& found = converter_->node(at);
    if (found.def->op() != "Identity" || found.inputs.empty()) break;
    at = found.inputs[0].node;
  }
  return {*converter_, at};
}

bool Op::is_output() const { return converter_->is_output(node_); }

int Op::readers() const { return converter_->node(node_).readers; }

std::string Op::stored(std::size_t i, const Arrangement& arrangement) {
  return converter_->stored(value_id(i), arrangement);
}

std::string Op::plain(std::size_t i) { return stored(i, tensorflow::plain(shape(i).size())); }

Arrangement Op::arrangement(std::size_t i) const {
  const Value& found = value(i);
  return found.constant ? tensorflow::plain(found.shape.size()) : found.forms.front().arrangement;
}

Arrangement Op::preferred(std::size_t rank) const {
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (is_constant(i) || shape(i).size() != rank) continue;
    const Arrangement found = arrangement(i);
    if (!is_plain(found)) return found;
  }
  return converter_->feeds_window(node_) ? channels_first(rank) : tensorflow::plain(rank);
}

std::string Op::initializer(const std::string& suffix, const Constant& constant) {
  return converter_->initializer(name() + "/" + suffix, constant);
}

onnx::NodeProto& Op::emit(const std::string& onnx_op, const std::vector<std::string>& inputs,
                          const Shape& shape, const Arrangement& arrangement, int output) {
  check_size(shape);
  const std::string tensor = converter_->tensor_name(node_, output);
  const bool turned = !is_plain(arrangement) && converter_->is_output(node_);
  const std::string name = converter_->claim(turned ? tensor + "/channels_first" : tensor);
  const DataType type = type_.value_or(input_count() > 0 ? value(0).type : DataType::Float);
  std::optional<Dilation> dilation;
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (value(i).dilation) dilation = value(i).dilation;
  }
  Value written{.name = tensor, .type = type, .shape = shape};
  written.dilation = dilation;
  if (dilation && readers() > 1) written.dilation->shared = true;
  written.forms.push_back({name, arrangement});
  converter_->set_result(node_, output, converter_->add_value(std::move(written)));
  return builder().node(onnx_op, tensor, inputs, {name});
}

std::string Op::step(const std::string& onnx_op, const std::vector<std::string>& inputs) {
  return builder().value(onnx_op, name() + "/" + onnx_op, inputs);
}

void Op::bind(int output, int value_id) { converter_->set_result(node_, output, value_id); }

void Op::bind_constant(int output, Constant constant) {
  converter_->charge(constant.size());
  Value value{.name = converter_->tensor_name(node_, output),
              .type = constant.type,
              .shape = constant.shape};
  value.constant = std::move(constant);
  bind(output, converter_->add_value(std::move(value)));
}

Value& Op::result(int output) { return converter_->value(converter_->result(node_, output)); }

ModelBuilder& Op::builder() { return converter_->builder(); }

}  // namespace workbench::importer::tensorflow
