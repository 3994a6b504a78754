#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <string>
#include <vector>

#include "compiler/import/caffe/convert.h"
#include "compiler/import/caffe/net_file.h"
#include "compiler/import/front_end.h"
#include "compiler/import/model_builder.h"
#include "compiler/import/names.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace fs = std::filesystem;

namespace importer {

namespace caffe_format {

constexpr std::string_view kText = ".prototxt", kBinary = ".caffemodel";

namespace {

struct Files {
  caffe::Net net;
  Weights weights;
  std::vector<std::string> remarks;
};

// What `path` is, with what lies beside it where --weights says nothing.
Files open(const fs::path& path, std::string_view bytes, const fs::path& given) {
  const std::optional<fs::path> beside =
      given.empty() ? companion_file(path) : std::optional<fs::path>();
  const std::string name = path.stem().string();
  Files files;
  if (is_net_text(bytes)) {
    files.net = parse_net(bytes, name);
    const fs::path weights = beside.value_or(given);
    if (!weights.empty()) {
      files.weights = Weights(read_file(weights), weights.string());
      if (beside) files.remarks.push_back(fmt::format("weights from {}", weights.string()));
    } else {
      files.remarks.emplace_back(
          "no --weights and no .caffemodel beside it: seeded random weights; cycles are real, "
          "accuracy is not");
    }
    return files;
  }
  if (!given.empty()) {
    fail("--weights {}: expected a network as text (.prototxt) beside it, found a caffemodel",
         given.string());
  }
  if (beside) {
    files.net = parse_net(read_file(*beside), name);
    files.remarks.push_back(fmt::format("network from {}", beside->string()));
  } else {
    files.net = parse_net(bytes, name);
    files.remarks.emplace_back(
        "no .prototxt beside it: the network is the one it was trained as, without its training "
        "layers");
  }
  files.weights = Weights(bytes, path.string());
  return files;
}

// Sizes of inputs that networks of training data are tried with: the first that its layers and
// weights fit.
std::vector<Shape> likely_shapes(const caffe::Net& net) {
  std::vector<std::int64_t> sides{224, 227, 299, 300, 416, 256, 128, 112, 96, 64,
                                  48,  40,  36,  32,  28,  24,  20,  16,  12};
  for (const caffe::Layer& layer : net.layer()) {
    const std::int64_t crop = layer.transform_param().crop_size();
    if (crop > 0 && crop <= 4096) sides.insert(sides.begin(), crop);
  }
  std::vector<Shape> shapes;
  for (const std::int64_t side : sides) {
    for (const std::int64_t channels : {3, 1}) shapes.push_back({1, channels, side, side});
  }
  return shapes;
}

onnx::ModelProto convert_with_guess(Files& files, ConvertOptions options,
                                    const std::string& input) {
  for (const Shape& shape : likely_shapes(files.net)) {
    options.guess = shape;
    Weights weights = files.weights;
    try {
      onnx::ModelProto model = convert(files.net, weights, options);
      files.remarks.push_back(
          fmt::format("input '{}': the file says no shape; {} fits its layers{}, --shape {}=... "
                      "sets another",
                      input, to_string(shape), weights.is_made_up() ? "" : " and weights", input));
      return model;
    } catch (const Error&) {
      continue;
    }
  }
  options.guess.reset();
  return convert(files.net, files.weights, options);
}

onnx::ModelProto read(const fs::path& path, std::string_view bytes, const ImportOptions& options) {
  const google::protobuf::LogSilencer silence;  // errors are worded here
  try {
    Files files = open(path, bytes, options.weights);
    const ConvertOptions wanted{.input_shapes = options.input_shapes, .guess = {}};
    const auto open_input = input_without_shape(files.net, options.input_shapes);
    onnx::ModelProto model = open_input ? convert_with_guess(files, wanted, *open_input)
                                        : convert(files.net, files.weights, wanted);
    for (const std::string& text : files.remarks) add_remark(model, text);
    return model;
  } catch (const Error& error) {
    fail("{}: {}", path.string(), one_line(error.what()));
  }
}

bool recognises(std::string_view bytes) { return is_net_text(bytes) || is_net_binary(bytes); }

}  // namespace

}  // namespace caffe_format

const FrontEnd kCaffe{.format = "Caffe",
                      .recognises = caffe_format::recognises,
                      .read = caffe_format::read,
                      .takes_weights = true};

}  // namespace importer

std::optional<fs::path> companion_file(const fs::path& file) {
  using importer::caffe_format::kBinary, importer::caffe_format::kText;
  const bool is_text = file.extension() == kText;
  if (!is_text && file.extension() != kBinary) return std::nullopt;
  const std::string_view wanted = is_text ? kBinary : kText;
  std::error_code ignored;
  const fs::path named = fs::path(file).replace_extension(wanted);
  if (fs::is_regular_file(named, ignored)) return named;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == wanted && entry.is_regular_file(ignored)) {
      found.push_back(entry.path());
    }
  }
  if (found.size() != 1) return std::nullopt;
  return file.has_parent_path() ? found.front() : found.front().filename();
}

}  // namespace workbench
