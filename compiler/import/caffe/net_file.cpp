#include "compiler/import/caffe/net_file.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "compiler/import/tensor_proto.h"
#include "core/error.h"

namespace workbench::importer::caffe_format {

namespace {

// Deeper nesting than any network has; protobuf's own limit counts what it knows alone.
constexpr int kMaxDepth = 32;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Behind white space and comments.
std::string_view without_comments(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    if (text.front() == '#') {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (std::isspace(static_cast<unsigned char>(text.front())) != 0) {
      text.remove_prefix(1);
    } else {
      break;
    }
  }
  return text;
}

// A field of a message in binary form.
struct WireField {
  std::uint64_t number = 0;
  unsigned type = 0;
  std::string_view bytes;  // of a length-delimited one
};
enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<WireField> take_field(std::string_view& bytes) {
  const auto key = take_varint(bytes);
  if (!key) return std::nullopt;
  WireField field{.number = *key >> 3, .type = static_cast<unsigned>(*key & 7)};
  std::uint64_t size = 0;
  if (field.type == kVarint) {
    if (!take_varint(bytes)) return std::nullopt;
  } else if (field.type == kBytes) {
    const auto length = take_varint(bytes);
    if (!length) return std::nullopt;
    size = *length;
  } else if (field.type == kFixed64 || field.type == kFixed32) {
    size = field.type == kFixed64 ? 8 : 4;
  } else {
    return std::nullopt;
  }
  field.bytes = bytes.substr(0, std::min<std::uint64_t>(size, bytes.size()));
  bytes.remove_prefix(field.bytes.size());
  return field;
}

// Whether the bytes begin as an old layer: names of tensors or the layer's own, its type, or the
// layer of a still older syntax.
bool is_old_layer(std::string_view bytes) {
  const auto field = take_field(bytes);
  if (!field) return false;
  return field->number == 5 ? field->type == kVarint
                            : field->number >= 1 && field->number <= 4 && field->type == kBytes;
}

class ErrorLine : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// The parser descends into messages that it skips without counting them.
void check_depth(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '"' || c == '\'') {
      for (++i; i < text.size() && text[i] != c && text[i] != '\n'; ++i) i += text[i] == '\\';
    } else if (c == '{' || c == '<' || c == '[') {
      if (++depth > kMaxDepth) {
        fail("line {}: expected at most {} messages inside each other, found more",
             std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n') + 1,
             kMaxDepth);
      }
    } else if (c == '}' || c == '>' || c == ']') {
      --depth;
    }
  }
}

caffe::Net parse_text(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  check_depth(text);
  ErrorLine error;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.AllowUnknownExtension(true);
  parser.SetRecursionLimit(kMaxDepth);
  parser.RecordErrorsTo(&error);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  caffe::Net net;
  if (!parser.Parse(&stream, &net)) fail("{}", error.text());
  return net;
}

template <typename Message>
Message parse_binary(std::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail("expected a Caffe model, found {} bytes that are none, or part of one", bytes.size());
  }
  message.DiscardUnknownFields();
  return message;
}

void check_size(std::string_view bytes) {
  if (bytes.size() > std::numeric_limits<int>::max()) {  // protobuf counts in int
    fail("expected a Caffe model below 2 GiB, found {} bytes", bytes.size());
  }
}

constexpr std::array<std::string_view, 40> kTypeOfOld{"",
                                                      "Accuracy",
                                                      "BNLL",
                                                      "Concat",
                                                      "Convolution",
                                                      "Data",
                                                      "Dropout",
                                                      "EuclideanLoss",
                                                      "Flatten",
                                                      "HDF5Data",
                                                      "HDF5Output",
                                                      "Im2col",
                                                      "ImageData",
                                                      "InfogainLoss",
                                                      "InnerProduct",
                                                      "LRN",
                                                      "MultinomialLogisticLoss",
                                                      "Pooling",
                                                      "ReLU",
                                                      "Sigmoid",
                                                      "Softmax",
                                                      "SoftmaxWithLoss",
                                                      "Split",
                                                      "TanH",
                                                      "WindowData",
                                                      "Eltwise",
                                                      "Power",
                                                      "SigmoidCrossEntropyLoss",
                                                      "HingeLoss",
                                                      "MemoryData",
                                                      "ArgMax",
                                                      "Threshold",
                                                      "DummyData",
                                                      "Slice",
                                                      "MVN",
                                                      "AbsVal",
                                                      "Silence",
                                                      "ContrastiveLoss",
                                                      "Exp",
                                                      "Deconvolution"};
static_assert(caffe::OldLayer::Type_MAX + 1 == kTypeOfOld.size());

// The same layer in today's syntax, in which all but the type has the same name.
void upgrade(const caffe::OldLayer& old, caffe::Layer& layer) {
  if (old.has_layer()) {
    fail(
        "layers: expected Caffe's syntax of 2014 or later, found an older one, layer inside "
        "layers; Caffe's upgrade_net_proto_text rewrites it");
  }
  const google::protobuf::Reflection& from = *old.GetReflection();
  const google::protobuf::Reflection& to = *layer.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  from.ListFields(old, &fields);
  for (const auto* field : fields) {
    const auto* same = caffe::Layer::descriptor()->FindFieldByName(field->name());
    if (field->name() == "type") {
      layer.set_type(std::string(kTypeOfOld[static_cast<std::size_t>(old.type())]));
    } else if (field->cpp_type() == field->CPPTYPE_STRING && field->is_repeated()) {
      for (int i = 0; i < from.FieldSize(old, field); ++i) {
        to.AddString(&layer, same, from.GetRepeatedString(old, field, i));
      }
    } else if (field->cpp_type() == field->CPPTYPE_STRING) {
      to.SetString(&layer, same, from.GetString(old, field));
    } else if (field->is_repeated()) {
      for (int i = 0; i < from.FieldSize(old, field); ++i) {
        to.AddMessage(&layer, same)->CopyFrom(from.GetRepeatedMessage(old, field, i));
      }
    } else {
      to.MutableMessage(&layer, same)->CopyFrom(from.GetMessage(old, field));
    }
  }
}

bool contains(const google::protobuf::RepeatedPtrField<std::string>& list,
              const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool meets(const caffe::NetState& state, const caffe::NetStateRule& rule) {
  if (rule.has_phase() && rule.phase() != caffe::TEST) return false;
  if (rule.has_min_level() && state.level() < rule.min_level()) return false;
  if (rule.has_max_level() && state.level() > rule.max_level()) return false;
  const auto set = [&](const std::string& stage) { return contains(state.stage(), stage); };
  return std::all_of(rule.stage().begin(), rule.stage().end(), set) &&
         std::none_of(rule.not_stage().begin(), rule.not_stage().end(), set);
}

bool is_there(const caffe::NetState& state, const caffe::Layer& layer) {
  const auto met = [&](const caffe::NetStateRule& rule) { return meets(state, rule); };
  if (layer.include_size() == 0) {
    return std::none_of(layer.exclude().begin(), layer.exclude().end(), met);
  }
  return std::any_of(layer.include().begin(), layer.include().end(), met);
}

Shape declared_shape(const caffe::Blob& blob) {
  if (blob.has_shape()) return {blob.shape().dim().begin(), blob.shape().dim().end()};
  if (blob.num() == 0 && blob.channels() == 0 && blob.height() == 0 && blob.width() == 0) {
    return {blob.data_size() > 0 ? blob.data_size() : blob.double_data_size()};
  }
  return {blob.num(), blob.channels(), blob.height(), blob.width()};
}

Shape without_ones(const Shape& shape) {
  Shape rest;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(rest),
               [](std::int64_t size) { return size != 1; });
  return rest;
}

// Linear interpolation over a square window, as Caffe's filler of that name has it.
Tensor bilinear(const Shape& shape) {
  const std::int64_t k = shape.back();
  const double f = std::ceil(static_cast<double>(k) / 2);
  const double centre = static_cast<double>(k - 1) / (2 * f);
  const auto weight = [&](std::int64_t i) {
    return 1 - std::abs(static_cast<double>(i) / f - centre);
  };
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  std::int64_t at = 0;
  for (float& value : tensor.mutable_values<float>()) {
    value = static_cast<float>(weight(at % k) * weight(at / k % k));
    ++at;
  }
  return tensor;
}

std::uint64_t seed_of(const std::string& layer, std::size_t index) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : layer + '/' + std::to_string(index)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

bool is_net_text(std::string_view bytes) {
  constexpr std::string_view kFields[] = {"name",  "layer",          "layers",
                                          "input", "input_dim",      "input_shape",
                                          "state", "force_backward", "debug_info"};
  const std::string_view text = without_comments(bytes);
  const auto end = std::find_if_not(text.begin(), text.end(), is_word);
  const auto word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  if (std::ranges::find(kFields, word) == std::end(kFields)) return false;
  const std::string_view rest = without_comments(text.substr(word.size()));
  return !rest.empty() && (rest.front() == ':' || rest.front() == '{' || rest.front() == '<') &&
         text.find('\0') == std::string_view::npos &&
         (text.find("layer") != std::string_view::npos ||
          text.find("input_dim") != std::string_view::npos);
}

// ONNX has a number (ir_version) as field 1, TensorFlow's graphs have many of it.
bool is_net_binary(std::string_view bytes) {
  int names = 0;
  while (!bytes.empty()) {
    const auto field = take_field(bytes);
    if (!field) return false;
    if (field->number == 1 && (field->type != kBytes || ++names > 1)) return false;
    if (field->number == 100 && field->type == kBytes) return true;
    if (field->number == 2) {
      if (field->type != kBytes || !is_old_layer(field->bytes)) return false;
      if (names > 0 || bytes.empty()) return true;
    }
    if (field->number > 8 && field->number != 100) return false;
    if (field->number == 7 && field->type != kVarint) return false;
  }
  return false;
}

caffe::Net parse_net(std::string_view bytes, const std::string& name) {
  check_size(bytes);
  caffe::Net net = is_net_text(bytes) ? parse_text(bytes) : parse_binary<caffe::Net>(bytes);
  if (net.layers_size() > 0 && net.layer_size() > 0) {
    fail("expected layers of one syntax, found 'layers' and 'layer'");
  }
  for (const caffe::OldLayer& old : net.layers()) upgrade(old, *net.add_layer());
  net.clear_layers();
  auto& layers = *net.mutable_layer();
  layers.erase(
      std::remove_if(layers.begin(), layers.end(),
                     [&](const caffe::Layer& layer) { return !is_there(net.state(), layer); }),
      layers.end());
  if (net.name().empty()) net.set_name(name);
  return net;
}

Weights::Weights(std::string_view bytes, std::string name) : name_(std::move(name)) {
  if (bytes.starts_with("\x89HDF")) {
    fail(
        "{}: expected a caffemodel (protobuf), found HDF5; Caffe writes the other with "
        "snapshot_format: BINARYPROTO",
        name_);
  }
  if (is_net_text(bytes)) fail("{}: expected weights, found a network as text", name_);
  check_size(bytes);
  caffe::Weights file;
  try {
    file = parse_binary<caffe::Weights>(bytes);
  } catch (const Error& error) {
    fail("{}: {}", name_, error.what());
  }
  for (auto& layer : *file.mutable_layer()) layers_[layer.name()].Swap(layer.mutable_blobs());
  for (auto& layer : *file.mutable_layers()) layers_[layer.name()].Swap(layer.mutable_blobs());
}

std::size_t Weights::count(const std::string& layer) const {
  const auto found = layers_.find(layer);
  return found == layers_.end() ? 0 : static_cast<std::size_t>(found->second.size());
}

Tensor Weights::take(const std::string& layer, std::size_t index, const Shape& shape, Fill fill,
                     double fan_in) {
  check_shape(shape, "weights");
  const std::size_t present = count(layer);
  if (is_made_up() || (present == 0 && fill == Fill::Bilinear)) {
    return made_up(layer, index, shape, fill, fan_in);
  }
  if (present == 0) {
    fail("expected weights, found none for it in {}{}", name_,
         layers_.contains(layer) ? "" : ", which has no layer of that name");
  }
  if (index >= present) {
    fail("expected {} or more blobs in {}, found {}", index + 1, name_, present);
  }
  const caffe::Blob& blob = layers_.at(layer).Get(static_cast<int>(index));
  const Shape declared = declared_shape(blob);
  const std::int64_t size = blob.data_size() > 0 ? blob.data_size() : blob.double_data_size();
  if (without_ones(declared) != without_ones(shape)) {
    fail("blob {}: expected {}, found {} in {}", index, to_string(shape), to_string(declared),
         name_);
  }
  if (size != element_count(shape)) {
    fail("blob {}: expected {} values, found {} in {}", index, element_count(shape), size, name_);
  }
  if (blob.data_size() > 0) {
    return Tensor::from<float>(
        shape, std::span<const float>(blob.data().data(), static_cast<std::size_t>(size)));
  }
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  std::transform(blob.double_data().begin(), blob.double_data().end(),
                 tensor.mutable_values<float>().begin(),
                 [](double value) { return static_cast<float>(value); });
  return tensor;
}

Tensor Weights::made_up(const std::string& layer, std::size_t index, const Shape& shape, Fill fill,
                        double fan_in) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 28;  // 1 GiB; VGG-16 has half of that
  made_ += static_cast<std::uint64_t>(element_count(shape));
  if (made_ > kMost) {
    fail(
        "expected at most {} weights in a network whose weights are made up, found more; give "
        "them with --weights NET.caffemodel",
        kMost);
  }
  if (fill == Fill::Bilinear) return bilinear(shape);
  std::mt19937_64 random(seed_of(layer, index));
  const double reach = fill == Fill::Factors ? std::sqrt(6.0 / std::max(fan_in, 1.0)) : 0.1;
  const double centre = fill == Fill::Ones ? 1 : 0;
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  for (float& value : tensor.mutable_values<float>()) {
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-52 - 1;
    value = static_cast<float>(centre + reach * uniform);
  }
  return tensor;
}

}  // namespace workbench::importer::caffe_format
