#include "compiler/import/front_end.h"

#include "compiler/import/tensor_proto.h"
#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

onnx::ModelProto read(const std::filesystem::path& path, std::string_view bytes,
                      const ImportOptions& options) {
  try {
    const tflite::File file = tflite::read_file(bytes);
    return tflite::Converter(file, options, path.stem().string()).run();
  } catch (const Error& error) {
    fail("{}: {}", path.string(), one_line(error.what()));
  }
}

}  // namespace

const FrontEnd kTensorFlowLite{
    .format = "TensorFlow Lite", .recognises = tflite::has_identifier, .read = read};

}  // namespace workbench::importer
