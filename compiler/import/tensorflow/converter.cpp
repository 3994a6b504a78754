// The order of a graph's nodes, what is known of its tensors, and the list of what stands in the
// way of an import.
#include "compiler/import/tensorflow/converter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "compiler/import/names.h"

namespace workbench::importer::tensorflow {

namespace {

constexpr std::int64_t kMaxOutputs = 4096;

bool is_one_of(std::string_view op, std::span<const std::string_view> names) {
  return std::ranges::find(names, op) != names.end();
}

// Nodes that may be left over in a file and compute nothing that is wanted.
bool is_no_output(std::string_view op) {
  constexpr std::string_view kNames[] = {"Const",
                                         "Placeholder",
                                         "PlaceholderWithDefault",
                                         "NoOp",
                                         "Assert",
                                         "Assign",
                                         "AssignAdd",
                                         "AssignSub",
                                         "VariableV2",
                                         "VarHandleOp",
                                         "SaveV2",
                                         "SaveSlices",
                                         "RestoreV2",
                                         "Print",
                                         "MergeSummary",
                                         "ScalarSummary",
                                         "HistogramSummary",
                                         "ImageSummary",
                                         "ShardedFilename",
                                         "MergeV2Checkpoints",
                                         "AssignVariableOp",
                                         "Variable"};
  return is_one_of(op, kNames);
}

// What turns files, text and sound into numbers: no part of a network.
bool is_front_end(std::string_view op) {
  constexpr std::string_view kNames[] = {
      "DecodeWav",          "AudioSpectrogram", "Mfcc",           "DecodeJpeg",
      "DecodePng",          "DecodeImage",      "DecodeBmp",      "DecodeGif",
      "DecodeRaw",          "ReadFile",         "Substr",         "ParseExample",
      "ParseSingleExample", "DecodeBase64",     "StringToNumber", "DecodeAndCropJpeg",
      "DecodeCSV",          "ParseExampleV2",   "StringSplit"};
  return is_one_of(op, kNames);
}

// The borders of loops, which are unrolled (loops.cpp).
bool passes_on(std::string_view op) {
  constexpr std::string_view kNames[] = {"Enter",    "Exit",    "LoopCond",        "NextIteration",
                                         "RefEnter", "RefExit", "RefNextIteration"};
  return is_one_of(op, kNames);
}

const std::map<std::string_view, const Rule*>& rules() {
  static const std::map<std::string_view, const Rule*> all = [] {
    std::map<std::string_view, const Rule*> table;
    for (const auto family :
         {elementwise_rules(), movement_rules(), window_rules(), reduction_rules(),
          constant_rules(), quantize_rules(), array_rules()}) {
      for (const Rule& rule : family) table.emplace(rule.name, &rule);
    }
    return table;
  }();
  return all;
}

}  // namespace

Converter::Converter(const GraphFile& file, const std::string& name, const Request& request)
    : file_(file), request_(request), builder_(name, "TensorFlow") {
  // Weights are read, turned around and folded a few times; a byte holds at most one of them.
  constexpr std::int64_t kCopies = 16;
  elements_allowed_ =
      4 * kMaxFilled + kCopies * static_cast<std::int64_t>(file.graph.ByteSizeLong());
  elements_left_ = elements_allowed_;
  read_nodes();
  if (!request_.input_node.empty()) {
    input_node_ = find_node(request_.input_node);
    if (!input_node_) {
      fail("--input-node {}: expected a node of the graph, found none of this name",
           request_.input_node);
    }
  }
  find_outputs();
  for (const std::string& output : kept_names_) builder_.value_name(output);
}

std::string Converter::claim(const std::string& wanted) {
  return kept_names_.erase(wanted) > 0 ? wanted : builder_.value_name(wanted);
}

std::string Converter::initializer(const std::string& wanted, const Constant& constant) {
  charge(constant.size());
  return builder_.constant(wanted, to_tensor(constant));
}

void Converter::charge(std::int64_t elements) {
  if (elements > elements_left_) {
    fail("expected constants that the size of the file explains, found too many elements");
  }
  elements_left_ -= elements;
}

void Converter::read_nodes() {
  const auto& defs = file_.graph.node();
  if (defs.empty()) fail("expected a graph with nodes, found none");
  nodes_.reserve(static_cast<std::size_t>(defs.size()));
  for (const wire::NodeDef& def : defs) {
    if (def.name().empty()) fail("node {}: expected a name, found none", nodes_.size());
    if (!by_name_.emplace(def.name(), static_cast<int>(nodes_.size())).second) {
      fail("node '{}': expected a name of its own, found it twice", def.name());
    }
    nodes_.push_back({.def = &def, .name = def.name(), .inputs = {}});
  }
  for (GraphNode& node : nodes_) {
    for (const std::string& input : node.def->input()) {
      if (!input.empty() && input.front() == '^') continue;
      node.inputs.push_back(edge_to(input, node.name));
    }
  }
  for (const GraphNode& node : nodes_) {
    for (const Edge& edge : node.inputs) ++nodes_[static_cast<std::size_t>(edge.node)].readers;
  }
  results_.resize(nodes_.size());
}

Edge Converter::edge_to(const std::string& input, const std::string& reader) const {
  if (const auto whole = by_name_.find(input); whole != by_name_.end()) return {whole->second, 0};
  const std::size_t colon = input.rfind(':');
  if (colon != std::string::npos && colon + 1 < input.size()) {
    const auto found = by_name_.find(input.substr(0, colon));
    const std::string digits = input.substr(colon + 1);
    const bool is_number = digits.size() <= 4 &&
                           std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (found != by_name_.end() && is_number && std::stoi(digits) < kMaxOutputs) {
      return {found->second, std::stoi(digits)};
    }
  }
  fail("node '{}': expected inputs that nodes write, found '{}'", reader, input);
}

std::optional<int> Converter::find_node(const std::string& tensor) const {
  const std::string node =
      tensor.size() > 2 && tensor.ends_with(":0") ? tensor.substr(0, tensor.size() - 2) : tensor;
  const auto found = by_name_.find(node);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

void Converter::find_outputs() {
  const auto add = [&](const Edge& edge) {
    const bool is_new = kept_names_.insert(tensor_name(edge.node, edge.output)).second;
    outputs_.insert(edge.node);
    if (is_new) output_order_.push_back(edge);
  };
  for (const std::string& tensor : file_.outputs) add(edge_to(tensor, "signature"));
  if (!output_order_.empty()) return;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].readers == 0 && !is_no_output(nodes_[n].def->op())) {
      add({static_cast<int>(n), 0});
    }
  }
  if (output_order_.empty()) {
    fail("expected a node whose result no other node reads, as the network's output, found none");
  }
}

// From the outputs back to the inputs; what lies before a first tensor is not read.
std::vector<int> Converter::reachable() const {
  std::vector<bool> seen(nodes_.size(), false);
  std::vector<int> pending(outputs_.begin(), outputs_.end());
  for (const int n : pending) seen[static_cast<std::size_t>(n)] = true;
  std::vector<int> found;
  while (!pending.empty()) {
    const int n = pending.back();
    pending.pop_back();
    found.push_back(n);
    if (n == input_node_) continue;
    for (const Edge& edge : node(n).inputs) {
      if (seen[static_cast<std::size_t>(edge.node)]) continue;
      seen[static_cast<std::size_t>(edge.node)] = true;
      pending.push_back(edge.node);
    }
  }
  return found;
}

void Converter::find_windows(const Groups& ordered) {
  feeds_window_.assign(nodes_.size(), false);
  for (auto group = ordered.rbegin(); group != ordered.rend(); ++group) {
    const int n = group->front();
    const GraphNode& reader = node(n);
    const auto rule = rules().find(reader.def->op());
    if (rule == rules().end()) continue;
    const bool window = rule->second->channels == Rule::Channels::First;
    // A layout that is none is refused where the node is converted.
    if (window && Op(*this, n).text("data_format", "NHWC").starts_with("NC")) continue;
    if (!window && !feeds_window_[static_cast<std::size_t>(n)]) continue;
    for (const Edge& edge : reader.inputs) {
      feeds_window_[static_cast<std::size_t>(edge.node)] = true;
    }
  }
}

void Converter::run() {
  const std::vector<int> wanted = reachable();
  const Groups ordered = order(wanted, 0, false);
  find_windows(ordered);
  find_frames(ordered);
  if (obstacles_.count() == 0) convert_all(wanted, 0);
  for (const auto& [name, shape] : request_.input_shapes) {
    if (!shapes_used_.contains(name)) {
      obstacles_.add(fmt::format("--shape {}: expected one of the network's inputs", name));
    }
  }
}

std::int64_t Converter::work() const {
  constexpr std::int64_t kElementsLikeANode = 1024;
  return nodes_read_ + (elements_allowed_ - elements_left_) / kElementsLikeANode;
}

void Converter::add_obstacle(int n, std::string_view message) {
  obstacles_.add(node(n).name, node(n).def->op(), message);
}

void Converter::convert_node(int n) {
  const wire::NodeDef& def = *node(n).def;
  ++nodes_read_;
  if (obstacles_.count() == 0) ++nodes_before_obstacle_;
  try {
    if (convert_input(n) || convert_branch(n)) return;
    bool unknown = false;
    bool front_end = false;
    bool dead = false;
    for (std::size_t i = 0; i < node(n).inputs.size(); ++i) {
      const int id = operand(n, i);
      unknown = unknown || id == kUnknown;
      front_end = front_end || id == kFrontEnd;
      dead = dead || id == kDead;
    }
    if (is_front_end(def.op()) || front_end) {
      if (const auto shape = shape_behind_front_end(n)) {
        make_input(n, DataType::Float, shape);
      } else {
        mark(n, kFrontEnd);
      }
      return;
    }
    if (dead) return mark(n, kDead);
    if (!note_unsupported(n) && !unknown) {
      convert_known(n);
      return;
    }
  } catch (const Error& error) {
    add_obstacle(n, error.what());
  }
  mark(n, kUnknown);
}

bool Converter::note_unsupported(int n) {
  const wire::NodeDef& def = *node(n).def;
  std::string_view reason = refusal(def.op());
  constexpr std::string_view kInputs[] = {"Const", "Placeholder", "PlaceholderV2"};
  const bool known = rules().contains(def.op()) || is_one_of(def.op(), kInputs);
  if (reason.empty() && !known) reason = "operator is not supported";
  if (reason.empty()) return false;
  add_obstacle(n, reason);
  return true;
}

namespace {

// What may stand before the convolution of a dilation: what leaves zeros as they are, because the
// padding comes with the convolution.
bool keeps_padding(const std::string& op) {
  constexpr std::string_view kNames[] = {
      "Conv2D", "DepthwiseConv2dNative", "ExpandDims", "Identity", "Relu", "Relu6", "StopGradient"};
  return is_one_of(op, kNames);
}

void check_dilation(const Op& op, const Rule& rule) {
  std::size_t dilated = 0;
  bool padded = false;  // the padding has been taken, or there is none
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    const auto& dilation = op.value(i).dilation;
    if (!dilation) continue;
    ++dilated;
    const auto is_zero = [](std::int64_t v) { return v == 0; };
    padded = dilation->conv != nullptr || (std::ranges::all_of(dilation->pads_begin, is_zero) &&
                                           std::ranges::all_of(dilation->pads_end, is_zero));
  }
  if (dilated == 0) return;
  if (!rule.within_dilation || dilated > 1 || (!padded && !keeps_padding(op.kind()))) {
    op.refuse(
        "expected no such operator between SpaceToBatchND and BatchToSpaceND, where only "
        "convolutions with dilations are read, and behind them what works on each element of one "
        "map");
  }
}

}  // namespace

namespace {

// Arrays of tensors pass through names and their own operators (ops_array.cpp) alone.
void check_arrays(const Op& op, const Rule& rule) {
  const bool is_own =
      std::ranges::find(array_rules(), rule.name, &Rule::name) != array_rules().end();
  if (is_own || rule.name == "Identity" || rule.name == "IdentityN") return;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    if (op.value(i).array) {
      op.refuse("input {}: expected a tensor, found '{}', an array of tensors", i,
                op.value(i).name);
    }
  }
}

}  // namespace

void Converter::convert_known(int n) {
  const wire::NodeDef& def = *node(n).def;
  Op op(*this, n);
  if (def.op() == "Const") {
    const wire::AttrValue* value = op.find("value");
    if (value == nullptr || !value->has_tensor()) op.refuse("attribute 'value': found no tensor");
    const auto type = static_cast<DataType>(value->tensor().dtype());
    if (type == DataType::String) return mark(n, kDead);  // names of files and the like
    try {
      op.bind_constant(0, read_constant(value->tensor()));
    } catch (const Error& error) {
      op.refuse("attribute 'value': {}", error.what());
    }
    return;
  }
  const Rule& rule = *rules().at(def.op());
  check_arrays(op, rule);
  check_dilation(op, rule);
  bool all_constant = op.input_count() > 0;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    all_constant = all_constant && op.is_constant(i) && !op.value(i).fake_quant;
  }
  if (all_constant) {
    if (auto folded = fold(op)) {
      for (std::size_t i = 0; i < folded->size(); ++i) {
        op.bind_constant(static_cast<int>(i), std::move((*folded)[i]));
      }
      return;
    }
  }
  rule.convert(op);
}

// Switch and Merge with a condition that is known: one branch is the network.
bool Converter::convert_branch(int n) {
  const wire::NodeDef& def = *node(n).def;
  if ((def.op() == "Switch" || def.op() == "RefSwitch") && node(n).inputs.size() == 2) {
    const int condition = operand(n, 1);
    if (condition == kUnknown) mark(n, kUnknown);  // behind an obstacle, which has been named
    if (condition == kUnknown) return true;
    if (condition < 0 || !value(condition).constant) return false;
    const Constant& constant = *value(condition).constant;
    if (constant.holds_reals() || constant.size() != 1) return false;
    const int taken = constant.integers()[0] != 0 ? 1 : 0;
    set_result(n, taken, operand(n, 0));
    set_result(n, 1 - taken, kDead);
    return true;
  }
  if (passes_on(def.op()) && !node(n).inputs.empty()) {
    set_result(n, 0, operand(n, 0));
    return true;
  }
  if (def.op() == "Merge" || def.op() == "RefMerge") {
    int live = kDead;
    for (std::size_t i = 0; i < node(n).inputs.size(); ++i) {
      const int id = operand(n, i);
      if (id == kDead) continue;
      if (live != kDead) return false;
      live = id;
    }
    set_result(n, 0, live);
    return true;
  }
  return false;
}

std::optional<Shape> Converter::declared_shape(int n) const {
  const Op op(const_cast<Converter&>(*this), n);
  if (const wire::AttrValue* shape = op.find("shape"); shape != nullptr && shape->has_shape()) {
    return read_shape(shape->shape());
  }
  const wire::AttrValue* outputs = op.find("_output_shapes");
  if (outputs != nullptr && outputs->list().shape_size() > 0) {
    return read_shape(outputs->list().shape(0));
  }
  return std::nullopt;
}

// Where the numbers of a file, a text or a sound have become a tensor of known size: a Reshape or
// a Resize whose result says what it is.
std::optional<Shape> Converter::shape_behind_front_end(int n) const {
  const GraphNode& at = node(n);
  const std::string& name = at.name;
  if (const auto given = request_.input_shapes.find(name); given != request_.input_shapes.end()) {
    return given->second;
  }
  if (at.inputs.size() != 2 || operand(n, 1) < 0) return std::nullopt;
  const auto& constant = value(operand(n, 1)).constant;
  if (!constant || constant->holds_reals()) return std::nullopt;
  Shape shape = constant->integers();
  const std::string& op = at.def->op();
  if (op == "Reshape" && !shape.empty()) {
    if (shape[0] == -1) shape[0] = 1;
  } else if ((op == "ResizeBilinear" || op == "ResizeNearestNeighbor") && shape.size() == 2) {
    shape = {1, shape[0], shape[1], 3};
  } else {
    return std::nullopt;
  }
  const bool known = std::ranges::all_of(shape, [](std::int64_t size) { return size > 0; });
  return known ? std::optional(shape) : std::nullopt;
}

bool Converter::convert_input(int n) {
  const wire::NodeDef& def = *node(n).def;
  const Op op(*this, n);
  if (n == input_node_) {
    DataType type = DataType::Float;
    for (const std::string_view attribute : {"T", "DstT", "dtype"}) {
      const DataType found = op.type(attribute, DataType::Invalid);
      if (is_real(found) || is_integer(found)) type = found;
    }
    make_input(n, type, declared_shape(n));
    return true;
  }
  const bool has_default = def.op() == "PlaceholderWithDefault";
  if (!has_default && def.op() != "Placeholder" && def.op() != "PlaceholderV2") return false;
  const DataType type = op.type("dtype", DataType::Float);
  const auto shape = declared_shape(n);
  const bool is_switch = shape && shape->empty();  // training or not, the share that dropout keeps
  if (has_default && node(n).inputs.empty()) op.refuse("expected a default, found none");
  if (has_default && (is_switch || type == DataType::Bool) &&
      !request_.input_shapes.contains(node(n).name)) {
    set_result(n, 0, operand(n, 0));
    return true;
  }
  if (type == DataType::String) {
    mark(n, kFrontEnd);
    return true;
  }
  if (!is_real(type) && !is_integer(type)) {
    op.refuse("expected numbers, found {}", to_string(type));
  }
  if (type == DataType::Bool && (!shape || shape->empty())) {  // "is this training?"
    Op(*this, n).bind_constant(0, {.type = type, .shape = {}, .values = Integers{0}});
    return true;
  }
  make_input(n, type, shape);
  return true;
}

void Converter::make_input(int n, DataType type, std::optional<Shape> shape) {
  const std::string& name = node(n).name;
  const std::optional<Shape> declared = shape;
  const auto given = request_.input_shapes.find(name);
  if (given != request_.input_shapes.end()) {
    shapes_used_.insert(name);
    if (shape && shape->size() != given->second.size()) {
      fail("--shape {}: expected {} dimensions, found {}", name, shape->size(),
           given->second.size());
    }
    for (std::size_t i = 1; shape && i < shape->size(); ++i) {
      if ((*shape)[i] >= 0 && (*shape)[i] != given->second[i]) {
        fail("--shape {}: expected {} for dimension {}, as the model says, found {}", name,
             (*shape)[i], i, given->second[i]);
      }
    }
    shape = given->second;
  }
  if (shape && !shape->empty() && (*shape)[0] == -1) (*shape)[0] = 1;
  if (!shape || std::ranges::any_of(*shape, [](std::int64_t size) { return size < 0; })) {
    open_inputs_.push_back({.node = n, .type = type, .declared = declared});
    return mark(n, kUnknown);
  }
  check_size(*shape);
  if (element_count(*shape) == 0) {
    fail("input '{}': expected elements, found none (shape {})", name,
         workbench::to_string(*shape));
  }
  builder_.input(name, tensorflow::element_type(type), *shape);
  Value value{.name = name, .type = type, .shape = *shape};
  value.forms.push_back({name, plain(shape->size())});
  set_result(n, 0, add_value(std::move(value)));
}

void Converter::mark(int n, int state) {
  auto& results = results_[static_cast<std::size_t>(n)];
  results.assign(1, state);
}

int Converter::result(int n, int output) const {
  const auto& results = results_[static_cast<std::size_t>(n)];
  if (results.size() == 1 && results[0] < 0) return results[0];  // holds for all of them
  if (static_cast<std::size_t>(output) >= results.size()) return kUnknown;
  return results[static_cast<std::size_t>(output)];
}

int Converter::operand(int n, std::size_t i) const {
  const Edge& edge = node(n).inputs[i];
  const int id = result(edge.node, edge.output);
  if (id == kUnknown && !results_[static_cast<std::size_t>(edge.node)].empty() &&
      results_[static_cast<std::size_t>(edge.node)][0] >= 0) {
    fail("node '{}': expected an input that its node writes, found '{}:{}'", node(n).name,
         node(edge.node).name, edge.output);
  }
  return id;
}

int Converter::add_value(Value value) {
  values_.push_back(std::move(value));
  return static_cast<int>(values_.size()) - 1;
}

void Converter::set_result(int n, int output, int value_id) {
  auto& results = results_[static_cast<std::size_t>(n)];
  const auto index = static_cast<std::size_t>(output);
  if (results.size() <= index) results.resize(index + 1, kUnknown);
  results[index] = value_id;
}

std::string Converter::tensor_name(int n, int output) const {
  const std::string& name = node(n).name;
  return output == 0 ? name : fmt::format("{}:{}", name, output);
}

std::optional<Shape> Converter::shape_of(int n) const {
  const int id = result(n, 0);
  return id < 0 ? std::nullopt : std::optional(value(id).shape);
}

std::string Converter::stored(int value_id, const Arrangement& arrangement) {
  for (const Form& form : value(value_id).forms) {
    if (form.arrangement == arrangement) return form.name;
  }
  std::string name = make_form(value_id, arrangement);
  value(value_id).forms.push_back({name, arrangement});
  return name;
}

std::string Converter::make_form(int value_id, const Arrangement& arrangement) {
  if (value(value_id).constant) return write_constant(value_id, arrangement);
  const Value& wanted = value(value_id);
  CHECK(!wanted.forms.empty(), "a tensor that nothing writes");
  Form from = wanted.forms.front();
  if (!from.arrangement.flattened.empty() && !is_plain(arrangement)) {
    const Arrangement direct = plain(wanted.shape.size());
    from = {.name = stored(value_id, direct), .arrangement = direct};
  }
  for (const Form& form : wanted.forms) {
    if (form.arrangement.flattened.empty() && arrangement.flattened.empty() &&
        same_memory(wanted.shape, form.arrangement, arrangement)) {
      from = form;
    }
  }
  // The form that a network's output is written in has the tensor's own name.
  const bool named = wanted.forms.front().name == wanted.name;
  const std::string suffix = !is_plain(arrangement) ? "/channels_first" : named ? "/plain" : "";
  const std::string name = wanted.name + suffix;
  const auto reshape = [&](const std::string& to, const std::string& x, const Shape& shape) {
    const std::string output = claim(to);
    builder_.node("Reshape", to, {x, builder_.list(to + "/shape", shape)}, {output});
    return output;
  };
  const auto transpose = [&](const std::string& to, const std::string& x,
                             const std::vector<std::int64_t>& order) {
    const std::string output = claim(to);
    attribute(builder_.node("Transpose", to, {x}, {output}), "perm", order);
    return output;
  };
  if (!from.arrangement.flattened.empty()) {
    const Arrangement whole{.axes = from.arrangement.axes, .flattened = {}};
    const std::string map = reshape(name + "/map", from.name, from.arrangement.flattened);
    const std::string turned =
        transpose(name + "/turned", map, transposition(whole, plain(whole.axes.size())));
    return reshape(name, turned, wanted.shape);
  }
  CHECK(arrangement.flattened.empty(), "a map is flattened by Reshape alone");
  if (same_memory(wanted.shape, from.arrangement, arrangement)) {
    return reshape(name, from.name, stored_shape(wanted.shape, arrangement));
  }
  return transpose(name, from.name, transposition(from.arrangement, arrangement));
}

std::string Converter::write_constant(int value_id, const Arrangement& arrangement) {
  const Value& wanted = value(value_id);
  CHECK(arrangement.flattened.empty(), "constants are arranged as maps");
  const Constant turned = is_plain(arrangement)
                              ? *wanted.constant
                              : transposed(*wanted.constant, storing_order(arrangement));
  const std::string name = initializer(wanted.name, turned);
  return wanted.fake_quant ? write_codes(wanted, name, arrangement) : name;
}

void Converter::write_output(int n, int output) {
  const int id = result(n, output);
  if (id == kFrontEnd) {
    add_obstacle(n,
                 "its values are made from files, text or sound: name the first tensor behind that "
                 "with --input-node NAME (and its size with --shape NAME=SIZES)");
  }
  // Left over from what is computed at import.
  if (id < 0 || value(id).constant || value(id).array) return;
  const std::string name = tensor_name(n, output);
  if (value(id).dilation) {
    obstacles_.add(
        fmt::format("output '{}': expected a BatchToSpaceND before it, found none", name));
    return;
  }
  const std::string written = stored(id, plain(value(id).shape.size()));
  if (written != name) {
    builder_.node("Identity", name, {written}, {name});
  }
  builder_.output(name);
}

namespace {

// Nodes that no output needs, and their operands, go: alternatives that were not taken.
void drop_unneeded(onnx::GraphProto& graph) {
  std::set<std::string> needed;
  for (const auto& output : graph.output()) needed.insert(output.name());
  google::protobuf::RepeatedPtrField<onnx::NodeProto> kept;
  for (int n = graph.node_size(); n-- > 0;) {
    onnx::NodeProto& node = *graph.mutable_node(n);
    const bool read = std::ranges::any_of(
        node.output(), [&](const std::string& name) { return needed.contains(name); });
    if (!read) continue;
    needed.insert(node.input().begin(), node.input().end());
    kept.Add(std::move(node));
  }
  std::reverse(kept.pointer_begin(), kept.pointer_end());
  graph.mutable_node()->Swap(&kept);
  google::protobuf::RepeatedPtrField<onnx::TensorProto> constants;
  for (onnx::TensorProto& constant : *graph.mutable_initializer()) {
    if (needed.contains(constant.name())) constants.Add(std::move(constant));
  }
  graph.mutable_initializer()->Swap(&constants);
}

}  // namespace

onnx::ModelProto Converter::finish(const std::string& hint) {
  std::vector<Edge> outputs = output_order_;
  if (file_.outputs.empty()) {  // an unread node's other results, too
    for (const Edge& edge : output_order_) {
      const auto& results = results_[static_cast<std::size_t>(edge.node)];
      for (std::size_t i = 1; i < results.size(); ++i) {
        outputs.push_back({edge.node, static_cast<int>(i)});
      }
    }
  }
  for (const Edge& edge : outputs) write_output(edge.node, edge.output);
  if (obstacles_.count() > 0) fail("{}{}", obstacles_.text(), hint);
  onnx::ModelProto model = builder_.finish();
  if (model.graph().output_size() == 0) {
    fail("expected an output that depends on an input, found none");
  }
  drop_unneeded(*model.mutable_graph());
  return model;
}

}  // namespace workbench::importer::tensorflow
