// The formats that networks come in. A front end turns a file of its format into an ONNX model in
// memory; everything behind it is the same for all (import.h). Parsers are trust boundaries: an
// Error of one line, whatever the bytes.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "compiler/import/import.h"

namespace workbench::importer {

struct FrontEnd {
  std::string_view format;  // "ONNX"
  // Whether a file looks like one of this format. `bytes`: all of the file.
  bool (*recognises)(std::string_view bytes);
  // `path` is for errors and for files beside it.
  onnx::ModelProto (*read)(const std::filesystem::path& path, std::string_view bytes,
                           const ImportOptions& options);
  // Whether there may be ImportOptions::weights, or input_node.
  bool takes_weights = false, takes_input_node = false;
};

extern const FrontEnd kCaffe, kTensorFlow, kTensorFlowLite;  // each in the folder of its format

// In the order in which they are asked; the last one, ONNX, takes what no other recognises.
std::span<const FrontEnd> front_ends();

}  // namespace workbench::importer
