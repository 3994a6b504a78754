#include "compiler/import/caffe/convert.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "compiler/import/caffe/layer.h"
#include "compiler/import/names.h"
#include "compiler/import/tensor_proto.h"

namespace workbench::importer::caffe_format {

namespace {

using Names = std::set<std::string>;

bool is_one_of(std::string_view type, std::span<const std::string_view> types) {
  return std::ranges::find(types, type) != types.end();
}

bool brings_data(const caffe::Layer& layer) {
  constexpr std::string_view kTypes[] = {"AnnotatedData", "Data",       "DummyData", "HDF5Data",
                                         "ImageData",     "MemoryData", "VideoData", "WindowData"};
  return is_one_of(layer.type(), kTypes) || (layer.type() == "Python" && layer.bottom_size() == 0);
}

// Layers that training and its supervision need.
bool is_for_training(std::string_view type) {
  constexpr std::string_view kTypes[] = {
      "Accuracy",
      "ContrastiveLoss",
      "DetectionEvaluate",
      "EuclideanLoss",
      "HDF5Output",
      "HingeLoss",
      "InfogainLoss",
      "MultiBoxLoss",
      "SmoothL1Loss",
      "RegionLoss",
      "MultinomialLogisticLoss",
  };
  return is_one_of(type, kTypes);
}

// Losses that hold what a deployed network ends in.
bool is_loss_of(std::string_view type) {
  return type == "SoftmaxWithLoss" || type == "SigmoidCrossEntropyLoss";
}

// What chooses among the boxes of one image: as many results as that has objects.
bool chooses_boxes(std::string_view type) {
  constexpr std::string_view kTypes[] = {"DetectionOutput",     "Region",
                                         "RegionOutput",        "Yolo",
                                         "YoloDetectionOutput", "Yolov3DetectionOutput"};
  return is_one_of(type, kTypes);
}

std::string_view reason(std::string_view type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kReasons = {{
      {"BN", "forks give it different meanings; BatchNorm and Scale say the same"},
      {"LSTM", "sequences"},
      {"PSROIPooling", "regions that depend on the image"},
      {"Proposal", "regions that depend on the image"},
      {"Python", "code that is not in the file"},
      {"RNN", "sequences"},
      {"ROIPooling", "regions that depend on the image"},
      {"Recurrent", "sequences"},
      {"SPP", "write it as Pooling layers"},
  }};
  for (const auto& [name, why] : kReasons) {
    if (name == type) return why;
  }
  return {};
}

const LayerRule* find_rule(std::string_view type) {
  for (const auto rules :
       {window_layers(), arithmetic_layers(), movement_layers(), detection_layers()}) {
    const auto found = std::ranges::find(rules, type, &LayerRule::type);
    if (found != rules.end()) return &*found;
  }
  return nullptr;
}

bool is_known(const caffe::Layer& layer) {
  return layer.type() == "Input" || layer.type() == "Silence" || brings_data(layer) ||
         is_for_training(layer.type()) || chooses_boxes(layer.type()) ||
         find_rule(layer.type()) != nullptr;
}

// All that stands in the way, at once.
void check_types(const caffe::Net& net) {
  std::map<std::string, std::pair<std::string, int>> unknown;  // type -> first name, number
  for (const caffe::Layer& layer : net.layer()) {
    if (!is_known(layer)) ++unknown.try_emplace(layer.type(), layer.name(), 0).first->second.second;
  }
  if (unknown.empty()) return;
  std::string text;
  for (const auto& [type, where] : unknown) {
    text += fmt::format("{}{} ('{}'{}{}{})", text.empty() ? "" : ", ", type.empty() ? "none" : type,
                        where.first,
                        where.second > 1 ? fmt::format(" and {} more", where.second - 1) : "",
                        reason(type).empty() ? "" : ": ", reason(type));
  }
  fail("layer types that are not supported: {}", text);
}

struct Input {
  std::string name;
  std::optional<Shape> shape;
};

Shape shape_of(const caffe::BlobShape& shape) { return {shape.dim().begin(), shape.dim().end()}; }

bool is_label(const std::string& name) {
  return name.find("label") != std::string::npos || name == "sim";
}

std::optional<Shape> shape_of_data(const caffe::Layer& layer, int top) {
  const auto& dummy = layer.dummy_data_param();
  const auto& memory = layer.memory_data_param();
  if (dummy.shape_size() > 0) return shape_of(dummy.shape(std::min(top, dummy.shape_size() - 1)));
  if (dummy.num_size() > 0 && dummy.channels_size() > 0 && dummy.height_size() > 0 &&
      dummy.width_size() > 0) {
    return Shape{dummy.num(0), dummy.channels(0), dummy.height(0), dummy.width(0)};
  }
  if (memory.channels() > 0 && memory.height() > 0 && memory.width() > 0) {
    return Shape{1, memory.channels(), memory.height(), memory.width()};
  }
  return std::nullopt;
}

void add_input_layer(const caffe::Layer& layer, std::vector<Input>& inputs) {
  const auto& p = layer.input_param();
  if (p.shape_size() > 1 && p.shape_size() != layer.top_size()) {
    fail("layer '{}' (Input): expected one shape, or one for each of {} tops, found {}",
         layer.name(), layer.top_size(), p.shape_size());
  }
  for (int i = 0; i < layer.top_size(); ++i) {
    std::optional<Shape> shape;
    if (p.shape_size() > 0) shape = shape_of(p.shape(p.shape_size() > 1 ? i : 0));
    inputs.push_back({layer.top(i), shape});
  }
}

// In the order of the file. What training data holds beside images is no input.
std::vector<Input> inputs_of(const caffe::Net& net) {
  constexpr int kDims = 4;
  const bool has_dims = net.input_dim_size() > 0;
  if (has_dims && net.input_dim_size() != kDims * net.input_size()) {
    fail("input_dim: expected {} for each of {} inputs, found {}", kDims, net.input_size(),
         net.input_dim_size());
  }
  if (!has_dims && net.input_shape_size() > 0 && net.input_shape_size() != net.input_size()) {
    fail("input_shape: expected one for each of {} inputs, found {}", net.input_size(),
         net.input_shape_size());
  }
  std::vector<Input> inputs;
  for (int i = 0; i < net.input_size(); ++i) {
    std::optional<Shape> shape;
    if (has_dims) {
      const auto first = net.input_dim().begin() + kDims * i;
      shape = Shape(first, first + kDims);
    } else if (net.input_shape_size() > 0) {
      shape = shape_of(net.input_shape(i));
    }
    inputs.push_back({net.input(i), shape});
  }
  for (const caffe::Layer& layer : net.layer()) {
    if (layer.type() == "Input") {
      add_input_layer(layer, inputs);
    } else if (brings_data(layer) && layer.top_size() > 0 && !is_label(layer.top(0))) {
      inputs.push_back({layer.top(0), shape_of_data(layer, 0)});
    }
  }
  return inputs;
}

// Names that some layer reads before another writes them.
Names names_read(const caffe::Net& net) {
  Names read;
  for (const caffe::Layer& layer : net.layer()) {
    if (is_for_training(layer.type()) || layer.type() == "Silence") continue;
    read.insert(layer.bottom().begin(), layer.bottom().end());
  }
  return read;
}

class Conversion {
 public:
  Conversion(const caffe::Net& net, Weights& weights, const ConvertOptions& options)
      : net_(net),
        options_(options),
        state_{.model = ModelBuilder(net.name(), "Caffe"), .weights = weights} {}

  onnx::ModelProto run() {
    check_types(net_);
    for (const caffe::Layer& layer : net_.layer()) {
      state_.names.insert(layer.name());
      state_.names.insert(layer.top().begin(), layer.top().end());
    }
    add_inputs();
    for (const caffe::Layer& layer : net_.layer()) add(layer);
    add_outputs();
    for (const caffe::Layer& layer : net_.layer()) note_preprocessing(layer.transform_param());
    for (const std::string& text : state_.remarks) state_.model.remark(text);
    return state_.model.finish();
  }

 private:
  void add_inputs() {
    const Names read = names_read(net_);
    std::string all;
    for (const Input& input : inputs_of(net_)) {
      if (!read.contains(input.name)) continue;
      all += fmt::format("{}'{}'", all.empty() ? "" : ", ", input.name);
      add_input(input);
    }
    for (const auto& [name, shape] : options_.input_shapes) {
      if (!state_.current.contains(name)) {
        fail("--shape {}: expected one of the inputs {}", name, all);
      }
    }
  }

  void add_input(const Input& input) {
    const std::string where = fmt::format("input '{}'", input.name);
    check_name(input.name, "input");
    if (state_.current.contains(input.name))
      fail("{}: expected one of that name, found two", where);
    const auto given = options_.input_shapes.find(input.name);
    Shape shape;
    if (given != options_.input_shapes.end()) {
      shape = given->second;
    } else if (input.shape) {
      shape = *input.shape;
      if (!shape.empty() && shape[0] > 1) {  // a batch
        if (state_.blobs.empty()) state_.batch = shape[0];
        shape[0] = 1;
      }
    } else if (options_.guess) {
      shape = *options_.guess;
    } else {
      fail("{}: the file says no shape: give it with --shape {}=1,3,224,224", where, input.name);
    }
    check_shape(shape, where);
    if (element_count(shape) == 0) {
      fail("{}: expected elements, found none (shape {})", where, to_string(shape));
    }
    state_.model.input(input.name, ElementType::Float32, shape);
    state_.current[input.name] = state_.blobs.size();
    state_.blobs.push_back({.value = input.name, .shape = shape});
    ++inputs_;
  }

  // Whether the layer depends on labels, or on what is left out.
  bool is_out_of_reach(const caffe::Layer& layer) const {
    return std::ranges::any_of(layer.bottom(), [&](const std::string& bottom) {
      return out_of_reach_.contains(bottom) && !state_.current.contains(bottom);
    });
  }

  void leave_out(const caffe::Layer& layer) {
    for (const std::string& top : layer.top()) {
      if (!state_.current.contains(top)) out_of_reach_.insert(top);
    }
  }

  void add(const caffe::Layer& layer) {
    if (layer.type() == "Input") return;
    if (layer.type() == "Silence") {
      for (const std::string& bottom : layer.bottom()) {
        const auto found = state_.current.find(bottom);
        if (found != state_.current.end()) state_.blobs[found->second].is_read = true;
      }
    } else if (brings_data(layer) || is_for_training(layer.type())) {
      leave_out(layer);
    } else if (is_loss_of(layer.type())) {
      add_end_of_loss(layer);
    } else if (is_out_of_reach(layer)) {
      leave_out(layer);
    } else if (chooses_boxes(layer.type())) {
      leave_out_choice(layer);
    } else {
      convert(layer);
    }
  }

  void convert(const caffe::Layer& layer) {
    check_name(layer.name().empty() ? layer.type() : layer.name(), "layer");
    for (const std::string& top : layer.top()) check_name(top, "top");
    LayerReader reader(layer, state_);
    find_rule(layer.type())->convert(reader);
    if (layer.top_size() > 0 && !state_.current.contains(layer.top(layer.top_size() - 1))) {
      reader.refuse("expected fewer than {} tops", layer.top_size());
    }
  }

  // SoftmaxWithLoss without its loss, unless a Softmax reads the same.
  void add_end_of_loss(const caffe::Layer& layer) {
    const auto has_end = [&](const caffe::Layer& other) {
      return (other.type() == "Softmax" || other.type() == "Sigmoid") && other.bottom_size() > 0 &&
             layer.bottom_size() > 0 && other.bottom(0) == layer.bottom(0);
    };
    if (std::any_of(net_.layer().begin(), net_.layer().end(), has_end)) return;
    caffe::Layer end = layer;
    while (end.bottom_size() > 1) end.mutable_bottom()->RemoveLast();
    while (end.top_size() > 1) end.mutable_top()->RemoveLast();
    if (end.top_size() == 0) end.add_top(end.name());
    if (!is_out_of_reach(end)) convert(end);
  }

  void leave_out_choice(const caffe::Layer& layer) {
    std::string ends;
    for (const std::string& bottom : layer.bottom()) {
      const auto found = state_.current.find(bottom);
      if (found == state_.current.end() || state_.blobs[found->second].is_constant) continue;
      Blob& blob = state_.blobs[found->second];
      blob.is_result = true;
      ends += fmt::format("{}'{}'", ends.empty() ? "" : ", ", blob.value);
    }
    state_.remarks.push_back(fmt::format(
        "layer '{}' ({}) is left to the application, as its result has no fixed size: the network "
        "ends at {}",
        layer.name(), layer.type(), ends));
    leave_out(layer);
  }

  void add_outputs() {
    Names taken;
    for (std::size_t i = inputs_; i < state_.blobs.size(); ++i) {
      const Blob& blob = state_.blobs[i];
      const bool is_result = blob.is_result || !blob.is_read;
      if (!is_result || blob.is_constant || !taken.insert(blob.value).second) continue;
      state_.model.output(blob.value);
    }
    if (taken.empty()) fail("expected a network with layers that compute a result, found none");
  }

  // What the file says about images before they are inputs.
  void note_preprocessing(const caffe::TransformationParameter& p) {
    const auto note = [&](const std::string& key, const std::string& text) {
      state_.model.note("preprocess." + key, text);
    };
    if (p.mean_value_size() > 0)
      note("mean_value", fmt::format("{}", fmt::join(p.mean_value(), ",")));
    if (p.has_mean_file()) note("mean_file", one_line(p.mean_file()));
    if (p.has_scale()) note("scale", fmt::format("{}", p.scale()));
    if (p.crop_size() > 0) note("crop_size", fmt::format("{}", p.crop_size()));
    if (p.has_mirror()) note("mirror", p.mirror() ? "true" : "false");
    if (p.force_gray()) note("channels", "gray");
    if (p.force_color()) note("channels", "BGR");
  }

  const caffe::Net& net_;
  const ConvertOptions& options_;
  NetState state_;
  std::size_t inputs_ = 0;
  Names out_of_reach_;
};

}  // namespace

onnx::ModelProto convert(const caffe::Net& net, Weights& weights, const ConvertOptions& options) {
  return Conversion(net, weights, options).run();
}

std::optional<std::string> input_without_shape(const caffe::Net& net,
                                               const std::map<std::string, Shape>& given) {
  const Names read = names_read(net);
  for (const Input& input : inputs_of(net)) {
    if (!input.shape && !given.contains(input.name) && read.contains(input.name)) return input.name;
  }
  return std::nullopt;
}

}  // namespace workbench::importer::caffe_format
