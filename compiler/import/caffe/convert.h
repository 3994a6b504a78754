// A Caffe network, layer by layer, as an ONNX model.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>

#include "compiler/import/caffe/net_file.h"

namespace workbench::importer::caffe_format {

struct ConvertOptions {
  std::map<std::string, Shape> input_shapes;  // by name, instead of what the file says
  std::optional<Shape> guess;                 // of inputs of which the file says nothing
};

// Throws Error: of an input without a shape, too.
onnx::ModelProto convert(const caffe::Net& net, Weights& weights, const ConvertOptions& options);

// The name of an input of which the file says no shape, if there is one.
std::optional<std::string> input_without_shape(const caffe::Net& net,
                                               const std::map<std::string, Shape>& given);

}  // namespace workbench::importer::caffe_format
