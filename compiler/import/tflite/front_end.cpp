#include "compiler/import/front_end.h"

#include <algorithm>
#include <utility>

#include "compiler/import/input_sizes.h"
#include "compiler/import/tensor_proto.h"
#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

// What the first operators behind an input say of it, in the order of the file.
std::optional<Reader> reader_of(const tflite::Converter& net, int id) {
  constexpr int kFar = 16;
  for (int step = 0; step < kFar; ++step) {
    const auto& readers = net.readers(id);
    if (readers.empty()) return std::nullopt;
    const tflite::OperatorInfo& op = *readers.back();  // the first in the file
    const auto weights = [&]() -> Shape {
      const bool has = op.inputs.size() > 1 && op.inputs[1] != tflite::kAbsent;
      return has ? net.info(op.inputs[1]).shape : Shape();
    }();
    const std::size_t rank = net.info(id).shape.size();
    if ((op.name == "CONV_2D" || op.name == "DEPTHWISE_CONV_2D") && weights.size() == 4) {
      Reader reader{.needs = Dims(rank), .is_window = true};
      if (op.name == "CONV_2D" && rank == 4) reader.needs[3] = weights[3];
      return reader;
    }
    if (op.name == "FULLY_CONNECTED" && weights.size() == 2 && rank >= 1) {
      Reader reader{.needs = Dims(rank)};
      reader.needs.back() = weights[1];
      return reader;
    }
    const bool passes = op.name == "QUANTIZE" || op.name == "DEQUANTIZE" || op.name == "CAST" ||
                        op.name == "SUB" || op.name == "MUL" || op.name == "ADD" ||
                        op.name == "DIV" || op.name == "PAD";
    if (!passes || op.outputs.empty()) return std::nullopt;
    id = op.outputs[0];
  }
  return std::nullopt;
}

Dims permuted(const Dims& dims, const tflite::Integers& order) {
  Dims result;
  for (const std::int64_t d : order) result.push_back(dims.at(static_cast<std::size_t>(d)));
  return result;
}

// Of the inputs of which the file leaves a size open beside the batch, in the model's order.
std::vector<InputFacts> open_inputs(const tflite::Converter& net, const ImportOptions& options) {
  std::vector<InputFacts> inputs;
  for (const int id : net.file().inputs) {
    const tflite::TensorInfo& tensor = net.info(id);
    const bool is_open = std::ranges::any_of(tensor.open.begin() + (tensor.open.empty() ? 0 : 1),
                                             tensor.open.end(), [](auto d) { return d < 0; });
    if (!is_open || options.input_shapes.contains(net.name_of(id))) continue;
    Dims dims;
    for (std::size_t d = 0; d < tensor.open.size(); ++d) {
      const bool fixed = tensor.open[d] >= 0;
      dims.push_back(fixed ? std::optional(tensor.open[d]) : std::nullopt);
    }
    const tflite::Integers order = net.input_order(id);
    InputFacts facts{.name = net.name_of(id)};
    facts.is_real = tensor.scales || tensor.type == tflite::Type::Float32 ||
                    tensor.type == tflite::Type::Float16;
    facts.channels_last = order == tflite::identity_order(order.size());
    facts.reader = reader_of(net, id);
    if (facts.reader) facts.reader->needs = permuted(facts.reader->needs, order);
    facts.dims = permuted(dims, order);
    inputs.push_back(std::move(facts));
  }
  return inputs;
}

onnx::ModelProto convert(const tflite::File& file, const ImportOptions& options,
                         const std::string& name) {
  const std::vector<InputFacts> open = open_inputs(tflite::Converter(file, options, name), options);
  InputSizes sizes(open, {.likely_shapes = options.likely_shapes}, {});
  const auto with = [&](const InputShapes& shapes) {
    ImportOptions sized = options;
    sized.input_shapes.insert(shapes.begin(), shapes.end());
    return sized;
  };
  const auto count = static_cast<std::int64_t>(file.operators.size());
  if (!open.empty()) {
    fitting_sizes(sizes, count, [&](const InputShapes& shapes, std::int64_t) {
      const ImportOptions sized = with(shapes);
      tflite::Converter trial(file, sized, name);
      trial.run();
      return Attempt{.obstacles = trial.obstacles(), .work = count, .progress = trial.progress()};
    });
  }
  const ImportOptions sized = with(sizes.shapes());
  tflite::Converter converter(file, sized, name);
  converter.run();
  for (const std::string& note : sizes.notes()) converter.model().remark(note);
  return converter.finish(sizes.hint());
}

onnx::ModelProto read(const std::filesystem::path& path, std::string_view bytes,
                      const ImportOptions& options) {
  try {
    return convert(tflite::read_file(bytes), options, path.stem().string());
  } catch (const Error& error) {
    fail("{}: {}", path.string(), one_line(error.what()));
  }
}

}  // namespace

const FrontEnd kTensorFlowLite{
    .format = "TensorFlow Lite", .recognises = tflite::has_identifier, .read = read};

}  // namespace workbench::importer
