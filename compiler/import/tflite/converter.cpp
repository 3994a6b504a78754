#include "compiler/import/tflite/converter.h"

#include <algorithm>
#include <numeric>

#include "compiler/import/tensor_proto.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::size_t kImageRank = 4;  // N, H, W, C

// Operators whose first operand is a map of an image.
bool reads_image(const OperatorInfo& op, std::size_t operand) {
  constexpr std::string_view kNames[] = {
      "AVERAGE_POOL_2D", "CONV_2D",          "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE",
      "MAX_POOL_2D",     "L2_POOL_2D",       "RESIZE_BILINEAR",   "RESIZE_NEAREST_NEIGHBOR",
      "SPACE_TO_DEPTH",  "SPACE_TO_BATCH_ND"};
  if (op.name == "TRANSPOSE_CONV") return operand == 2;
  return operand == 0 && std::ranges::find(kNames, op.name) != std::end(kNames);
}

// Operators that look at elements in the order of the file.
bool fixes_order(const OperatorInfo& op) {
  constexpr std::string_view kNames[] = {"BATCH_MATMUL", "BATCH_TO_SPACE_ND", "FULLY_CONNECTED",
                                         "RESHAPE", "UNIDIRECTIONAL_SEQUENCE_LSTM"};
  return std::ranges::find(kNames, op.name) != std::end(kNames);
}

Integers composed(const Integers& outer, const Integers& inner) {
  Integers result;
  for (const std::int64_t i : inner) result.push_back(outer[static_cast<std::size_t>(i)]);
  return result;
}

// Whether all that moves are dimensions of size 1.
bool moves_only_units(const Shape& from, const Integers& order) {
  std::int64_t last = -1;
  for (const std::int64_t d : order) {
    if (from[static_cast<std::size_t>(d)] == 1) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

}  // namespace

Integers identity_order(std::size_t rank) {
  Integers order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Integers channels_first(std::size_t rank) {
  Integers order = identity_order(rank);
  if (rank > 2) std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return order;
}

Shape permuted(const Shape& shape, const Integers& permutation) {
  Shape result;
  for (const std::int64_t d : permutation) result.push_back(shape.at(static_cast<std::size_t>(d)));
  return result;
}

Integers inverse(const Integers& permutation) {
  Integers result(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    result[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
  }
  return result;
}

std::pair<Shape, Integers> without(const Shape& shape, const Integers& order,
                                   const std::set<std::size_t>& dropped) {
  std::pair<Shape, Integers> result;
  Integers renamed(shape.size(), 0);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    renamed[d] = static_cast<std::int64_t>(result.first.size());
    if (!dropped.contains(d)) result.first.push_back(shape[d]);
  }
  for (const std::int64_t d : order) {
    const auto from = static_cast<std::size_t>(d);
    if (!dropped.contains(from)) result.second.push_back(renamed[from]);
  }
  return result;
}

Converter::Converter(const File& file, const ImportOptions& options, const std::string& name)
    : file_(file),
      options_(options),
      model_(file.name.empty() ? name : one_line(file.name), "TensorFlow Lite"),
      outputs_(file.outputs.begin(), file.outputs.end()) {
  constexpr std::size_t kLongest = 500;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    std::string text = one_line(file.tensors[i].name.substr(0, file.tensors[i].name.find('\0')));
    if (text.size() > kLongest) text = text.substr(0, text.find(';'));
    if (text.empty() || text.size() > kLongest) text = "tensor";
    if (!taken.insert(text).second) taken.insert(text = fmt::format("{}_tensor{}", text, i));
    names_.push_back(model_.value_name(text));
  }
  find_live();
  find_layouts();
}

void Converter::run() {
  add_inputs();
  for (const OperatorInfo& op : file_.operators) {
    if (!live_.contains(&op)) continue;
    if (obstacles_.count() == 0) ++progress_;
    convert(op);
  }
}

onnx::ModelProto Converter::finish(const std::string& hint) {
  if (obstacles_.count() > 0) fail("{}{}", obstacles_.text(), hint);
  add_outputs();
  return model_.finish();
}

const Shape& Converter::shape(int id) const {
  const auto found = shapes_.find(id);
  return found != shapes_.end() ? found->second : info(id).shape;
}

const std::vector<const OperatorInfo*>& Converter::readers(int id) const {
  return readers_.at(static_cast<std::size_t>(id));
}

// Operators that a result of the network depends on.
void Converter::find_live() {
  std::set<int> wanted(outputs_.begin(), outputs_.end());
  readers_.resize(file_.tensors.size());
  for (auto op = file_.operators.rbegin(); op != file_.operators.rend(); ++op) {
    const auto is_wanted = [&](int id) { return wanted.contains(id); };
    if (std::ranges::none_of(op->outputs, is_wanted)) continue;
    live_.insert(&*op);
    for (const int id : op->inputs) {
      if (id == kAbsent) continue;
      wanted.insert(id);
      readers_[static_cast<std::size_t>(id)].push_back(&*op);
    }
  }
}

// Backwards, so that the first reader of a tensor has the last word.
void Converter::find_layouts() {
  for (auto op = file_.operators.rbegin(); op != file_.operators.rend(); ++op) {
    if (!live_.contains(&*op) || op->outputs.empty()) continue;
    const int out = op->outputs[0];
    const auto behind = layouts_.find(out);
    for (std::size_t i = 0; i < op->inputs.size(); ++i) {
      const int id = op->inputs[i];
      if (id == kAbsent || info(id).data || info(id).shape.size() != kImageRank) continue;
      if (reads_image(*op, i)) {
        layouts_[id] = channels_first(kImageRank);
      } else if (op->name == "TRANSPOSE" && op->inputs.size() > 1) {
        const auto order = integral(op->inputs[1]);
        const bool permutes =
            order && std::ranges::is_permutation(order->values, identity_order(kImageRank));
        if (permutes && behind != layouts_.end()) {
          layouts_[id] = composed(order->values, behind->second);
        }
      } else if (behind != layouts_.end() && info(out).shape.size() == kImageRank &&
                 !fixes_order(*op)) {
        layouts_[id] = behind->second;
      }
    }
  }
}

// What --shape or the search for open sizes says, else what the file fixes.
Shape Converter::input_shape(int id, const std::string& name, const Integers& order) const {
  const TensorInfo& tensor = info(id);
  const auto given = options_.input_shapes.find(name);
  if (given == options_.input_shapes.end()) return tensor.shape;
  if (given->second.size() != tensor.shape.size()) {
    fail("--shape {}: expected {} dimensions, found {}", name, tensor.shape.size(),
         given->second.size());
  }
  check_shape(given->second, fmt::format("--shape {}", name));
  return permuted(given->second, inverse(order));
}

Integers Converter::input_order(int id) const {
  const auto wanted = layouts_.find(id);
  return wanted != layouts_.end() ? wanted->second : identity_order(info(id).shape.size());
}

void Converter::add_inputs() {
  for (const int id : file_.inputs) {
    const TensorInfo& tensor = info(id);
    const std::string name = name_of(id);
    const Integers order = input_order(id);
    const Shape shape = input_shape(id, name, order);
    model_.input(name, input_type(tensor), permuted(shape, order));
    note_tensor("input", id, order);
    shapes_[id] = shape;
    const std::string real = tensor.scales ? rounded(id, name, false) : name;
    views_[id] = {.value = real, .permutation = order};
  }
}

ElementType Converter::input_type(const TensorInfo& tensor) {
  if (tensor.scales) return ElementType::Float32;
  const auto type = number_type(tensor.type);
  if (!type) fail("input '{}': expected numbers, found {}", tensor.name, type_name(tensor.type));
  return *type;
}

// What the file says of an input or output that the model does not.
void Converter::note_tensor(const std::string& kind, int id, const Integers& order) {
  const TensorInfo& tensor = info(id);
  std::string text = type_name(tensor.type);
  if (tensor.scales) {
    text += fmt::format(", scale {}, zero point {}", tensor.scales->scales[0],
                        tensor.scales->zero_points[0]);
  }
  if (order != identity_order(order.size())) {
    text += fmt::format(", dimensions {} of the file's", to_string(order));
  }
  model_.note(fmt::format("tflite.{}.{}", kind, name_of(id)), text);
}

void Converter::add_outputs() {
  std::set<std::string> given;
  for (const int id : file_.outputs) {
    Integers order = identity_order(shape(id).size());
    if (!is_constant(id) && keeps_order(view(id))) order = view(id).permutation;
    std::string name = name_of(id);
    const std::string value = this->value(id, order);
    if (given.contains(name) || value != name) {
      if (given.contains(name) || is_written(name)) name = model_.value_name(name);
      model_.node("Identity", name, {value}, {name});
    }
    given.insert(name);
    model_.output(name);
    note_tensor("output", id, order);
  }
}

// Images leave the network as the convolutions write them; everything else as in the file.
bool Converter::keeps_order(const View& view) {
  const std::size_t rank = view.permutation.size();
  return view.is_plain() && (view.permutation == identity_order(rank) ||
                             (rank == kImageRank && view.permutation == channels_first(rank)));
}

// Whether the name of a tensor is taken by a value that is not what leaves the network.
bool Converter::is_written(const std::string& name) const { return written_.contains(name); }

void Converter::convert(const OperatorInfo& op) {
  const auto is_unknown = [&](int id) { return id != kAbsent && unknown_.contains(id); };
  const std::string name = op.outputs.empty() ? op.name : name_of(op.outputs[0]);
  try {
    const Rule* rule = find_rule(op.name);
    if (rule == nullptr) fail("{}", refusal(op.name));
    if (std::ranges::any_of(op.inputs, is_unknown)) {
      unknown_.insert(op.outputs.begin(), op.outputs.end());
      return;
    }
    Step step(*this, op);
    if (!fold(step)) rule->convert(step);
  } catch (const Error& error) {
    obstacles_.add(name, op.name, error.what());
    unknown_.insert(op.outputs.begin(), op.outputs.end());
  }
}

Tensor Converter::stored(int id) const {
  const auto found = constants_.find(id);
  return found != constants_.end() ? found->second : decode(info(id));
}

Tensor Converter::real_constant(int id) const {
  const auto found = constants_.find(id);
  return found != constants_.end() ? found->second
                                   : real_numbers(decode(info(id)), info(id).scales);
}

std::optional<Integral> Converter::integral(int id) const {
  if (!is_constant(id)) return std::nullopt;
  const Type type = info(id).type;
  if (type != Type::Int32 && type != Type::Int64) return std::nullopt;
  return tflite::integral(stored(id));
}

void Converter::set_constant(int id, Tensor tensor) {
  check_written(id, tensor.shape());
  shapes_[id] = tensor.shape();
  constants_[id] = std::move(tensor);
}

const View& Converter::view(int id) {
  const auto found = views_.find(id);
  if (found != views_.end()) return found->second;
  if (!is_constant(id)) fail("tensor '{}': expected a value, found a variable", info(id).name);
  const Integers order = identity_order(shape(id).size());
  return views_[id] = {.value = value(id, order), .permutation = order};
}

std::string Converter::value(int id, const Integers& permutation) {
  const auto found = values_.find({id, permutation});
  if (found != values_.end()) return found->second;
  std::string result;
  if (is_constant(id)) {
    const Tensor tensor = real_constant(id);
    result = model_.constant(name_of(id), transposed(tensor, permutation));
  } else {
    result = materialised(id, permutation);
  }
  return values_[{id, permutation}] = result;
}

std::string Converter::materialised(int id, const Integers& permutation) {
  const View view = this->view(id);
  const std::string& name = name_of(id);
  const Shape& tensor = shape(id);
  if (view.is_plain()) {
    const Integers order = composed(inverse(view.permutation), permutation);
    return permuted_value(view.value, permuted(tensor, view.permutation), order, name);
  }
  // In the order of the map first, then flat again.
  Shape map{tensor.front()};
  for (const std::int64_t d : view.order) map.push_back(view.map[static_cast<std::size_t>(d)]);
  Integers order{0};
  for (const std::int64_t d : inverse(view.order)) order.push_back(d + 1);
  const std::string opened = reshaped(view.value, {}, map, name);
  const std::string turned = permuted_value(opened, map, order, name);
  const std::string flat = reshaped(turned, {}, tensor, name);
  return permuted_value(flat, tensor, permutation, name);
}

std::string Converter::permuted_value(const std::string& value, const Shape& from,
                                      const Integers& order, const std::string& name) {
  if (order == identity_order(order.size())) return value;
  if (moves_only_units(from, order)) return reshaped(value, from, permuted(from, order), name);
  std::string result = model_.value("Transpose", name + "_transposed", {value});
  attribute(model_.last(), "perm", order);
  return result;
}

std::string Converter::reshaped(const std::string& value, const Shape& from, const Shape& to,
                                const std::string& name) {
  if (from == to && !from.empty()) return value;
  const std::string shape = model_.list(name + "_shape", to);
  return model_.value("Reshape", name + "_reshaped", {value, shape});
}

std::string Converter::weights(int id, const Integers& permutation, bool as_codes) {
  const TensorInfo& tensor = info(id);
  const bool codes = as_codes && is_constant(id) && tensor.scales && !constants_.contains(id);
  if (!codes) return value(id, permutation);
  const auto found = weights_.find({id, permutation});
  if (found != weights_.end()) return found->second;
  const Tensor stored = transposed(decode(tensor), permutation);
  const std::size_t axis =
      tensor.scales->scales.size() == 1
          ? 0
          : static_cast<std::size_t>(inverse(permutation)[tensor.scales->axis]);
  return weights_[{id, permutation}] = coded(id, stored, axis);
}

std::string Converter::coded(int id, const Tensor& codes, std::size_t axis) {
  const Scales& scales = *info(id).scales;
  return dequantized(name_of(id), codes, scales.scales, scales.zero_points, axis);
}

std::string Converter::map_weights(int id, const Shape& map, const Integers& order, bool as_codes) {
  const auto found = map_weights_.find({id, order});
  if (found != map_weights_.end()) return found->second;
  const TensorInfo& tensor = info(id);
  const bool codes = as_codes && tensor.scales && !constants_.contains(id);
  const Tensor flat = codes ? decode(tensor) : real_constant(id);
  Shape opened{flat.dim(0)};
  opened.insert(opened.end(), map.begin(), map.end());
  Integers moved{0};
  for (const std::int64_t d : order) moved.push_back(d + 1);
  const Tensor columns = transposed(flat.reshaped(opened), moved).reshaped(flat.shape());
  if (codes && tensor.scales->scales.size() > 1 && tensor.scales->axis != 0) {
    fail("constant '{}': expected scales per row, found them along axis {}", tensor.name,
         tensor.scales->axis);
  }
  const std::string result = codes ? coded(id, columns, 0) : model_.constant(name_of(id), columns);
  return map_weights_[{id, order}] = result;
}

namespace {

// Codes of this type, one or as a list.
Tensor code_tensor(ElementType type, const Integers& codes, bool is_list) {
  const Shape shape = is_list ? Shape{static_cast<std::int64_t>(codes.size())} : Shape{};
  if (type == ElementType::Uint8) {
    return Tensor::from<std::uint8_t>(shape, {codes.begin(), codes.end()});
  }
  return Tensor::from<std::int8_t>(shape, {codes.begin(), codes.end()});
}

Tensor scale_tensor(const std::vector<float>& scales, bool is_list) {
  return is_list ? Tensor::from<float>({static_cast<std::int64_t>(scales.size())}, scales)
                 : Tensor::scalar(scales[0]);
}

bool fits(ElementType type, const Integers& zero_points) {
  const std::int64_t low = type == ElementType::Uint8 ? 0 : -128;
  return std::ranges::all_of(zero_points,
                             [&](std::int64_t z) { return z >= low && z <= low + 255; });
}

}  // namespace

std::string Converter::dequantized(const std::string& name, const Tensor& codes,
                                   const std::vector<float>& scales, const Integers& zero_points,
                                   std::size_t axis) {
  const bool is_list = scales.size() > 1;
  std::vector<std::string> operands{
      model_.constant(name, codes),
      model_.constant(name + "_scale", scale_tensor(scales, is_list))};
  if (codes.type() != ElementType::Int32) {
    if (!fits(codes.type(), zero_points)) {
      fail("constant '{}': expected zero points that are codes, found {}", name,
           to_string(zero_points));
    }
    operands.push_back(
        model_.constant(name + "_zero_point", code_tensor(codes.type(), zero_points, is_list)));
  }
  std::string result = model_.value("DequantizeLinear", name + "_dequantized", operands);
  if (is_list) attribute(model_.last(), "axis", static_cast<std::int64_t>(axis));
  return result;
}

// 8 bits only: wider codes stay real numbers, whose error is far below theirs.
std::string Converter::rounded(int id, const std::string& real, bool takes_name) {
  const TensorInfo& tensor = info(id);
  if (tensor.type != Type::Int8 && tensor.type != Type::Uint8) return real;
  const Scales& scales = *tensor.scales;
  const std::string& name = name_of(id);
  if (scales.scales.size() != 1) {
    fail("tensor '{}': expected one scale for a result, found {}", tensor.name,
         scales.scales.size());
  }
  const ElementType type = tensor.type == Type::Uint8 ? ElementType::Uint8 : ElementType::Int8;
  if (!fits(type, scales.zero_points)) {
    fail("tensor '{}': expected a zero point that is a code, found {}", tensor.name,
         scales.zero_points[0]);
  }
  const std::string scale = model_.constant(name + "_scale", scale_tensor(scales.scales, false));
  const std::string zero =
      model_.constant(name + "_zero_point", code_tensor(type, scales.zero_points, false));
  const std::string codes =
      model_.value("QuantizeLinear", name + "_quantized", {real, scale, zero});
  const std::string result = takes_name ? name : model_.value_name(name + "_dequantized");
  model_.node("DequantizeLinear", name + "_dequantized", {codes, scale, zero}, {result});
  if (takes_name) written_.insert(result);
  return result;
}

// Where the file fixes a shape, what comes out has it.
void Converter::check_written(int id, const Shape& shape) const {
  const TensorInfo& tensor = info(id);
  check_shape(shape, fmt::format("tensor '{}'", tensor.name));
  if (!options_.input_shapes.empty() || tensor.shape.empty() || !tensor.open.empty()) return;
  if (shape != tensor.shape) {
    fail("tensor '{}': expected shape {} as the operator gives it, found {} in the file",
         tensor.name, to_string(shape), to_string(tensor.shape));
  }
}

void Converter::write(int id, const Shape& shape, View view, bool fresh) {
  check_written(id, shape);
  const bool codes = info(id).scales.has_value();
  const bool leaves = is_output(id);
  if (fresh && model_.last().output_size() == 1 && model_.last().output(0) == view.value) {
    // The name of a result of the network is for the value that leaves it.
    const bool inner = leaves && (codes || !keeps_order(view));
    if (inner) {
      view.value = model_.value_name(name_of(id) + "_inner");
    } else {
      view.value = name_of(id);
      written_.insert(view.value);
    }
    model_.last().set_output(0, view.value);
  }
  if (codes) {
    view.value = rounded(id, view.value, view.value != name_of(id) && keeps_order(view));
  }
  write_same_codes(id, shape, std::move(view));
}

void Converter::write_moved(int in, int id, const Shape& shape, View view) {
  const auto &from = info(in).scales, &to = info(id).scales;
  const bool same = from && to && info(in).type == info(id).type && from->scales == to->scales &&
                    from->zero_points == to->zero_points;
  if (same) {
    write_same_codes(id, shape, std::move(view));
  } else {
    write(id, shape, std::move(view), false);
  }
}

void Converter::flatten(int id) {
  if (view(id).is_plain()) return;
  const Integers order = identity_order(shape(id).size());
  views_[id] = {.value = value(id, order), .permutation = order};
}

std::string Converter::broadcast_value(int id, const Integers& order) {
  const Shape& own = shape(id);
  const std::size_t rank = order.size();
  if (own.size() == rank) return value(id, order);
  if (own.size() > rank) {
    fail("tensor '{}': expected at most {} dimensions, found {}", info(id).name, rank,
         to_string(own));
  }
  if (order == identity_order(rank)) return value(id);
  Shape widened(rank - own.size(), 1);
  widened.insert(widened.end(), own.begin(), own.end());
  if (is_constant(id)) {
    return model_.constant(name_of(id), transposed(real_constant(id).reshaped(widened), order));
  }
  const std::string wide = reshaped(value(id), own, widened, name_of(id));
  return permuted_value(wide, widened, order, name_of(id));
}

void Converter::write_same_codes(int id, const Shape& shape, View view) {
  check_written(id, shape);
  shapes_[id] = shape;
  if (view.is_plain()) values_[{id, view.permutation}] = view.value;
  views_[id] = std::move(view);
}

}  // namespace workbench::importer::tflite
