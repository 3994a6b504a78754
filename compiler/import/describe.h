// What a model file is, whether or not it can be imported; and any format as ONNX.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "compiler/import/import.h"

namespace workbench {

struct ModelFacts {
  struct Value {
    std::string name, type,
        shape;  // "input", "float32", "[N,3,224,224]"; what is open as it is named
  };
  struct Operator {
    std::string name;  // with its domain, unless that is the standard's: "com.microsoft.Gelu"
    std::int64_t nodes = 0;
  };
  std::string format;                 // "ONNX", "Caffe", ...
  std::string producer;               // "pytorch 2.1"; empty: the file does not say
  std::vector<std::string> versions;  // "IR 8", "opset 17", "com.microsoft 1"
  std::vector<Value> inputs, outputs;
  std::vector<Operator> operators;  // most nodes first
  std::vector<std::string> notes;   // "preprocess.mean_value: 104,117,123"
};

// Throws Error for a file that is no model of its format.
ModelFacts describe_model(const std::filesystem::path& path, const ImportOptions& options = {});

// The model as ONNX: that of its front end, before any rewrite; weights of other files inside.
// Throws Error for what import_model() refuses before it looks at operators.
std::string converted_onnx_bytes(const std::filesystem::path& path,
                                 const ImportOptions& options = {});

}  // namespace workbench
