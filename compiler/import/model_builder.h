// An ONNX model in the making: what the front ends of other formats (front_end.h) produce. They
// keep the names of their source; what they add gets names derived from those.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/import/export_ops.h"
#include "compiler/import/names.h"
#include "core/tensor.h"

namespace workbench::importer {

// Remarks travel as metadata_props, too.
void add_remark(onnx::ModelProto& model, const std::string& text);
std::vector<std::string> remarks(const onnx::ModelProto& model);

class ModelBuilder {
 public:
  // `producer`: the source's format, for inspect.
  ModelBuilder(const std::string& graph_name, const std::string& producer);

  // -1 in `shape`: a size that the source leaves open.
  void input(const std::string& name, ElementType type, const Shape& shape);
  void output(const std::string& name);

  // `wanted`, or `wanted` with a number behind it where that is taken; takes it. Values and nodes
  // have names of their own.
  std::string value_name(const std::string& wanted);
  // An initializer; returns its name, `wanted` or one derived from it.
  std::string constant(const std::string& wanted, const Tensor& tensor);
  template <typename T>
  std::string list(const std::string& wanted, const std::vector<T>& values) {
    return constant(wanted, Tensor::from<T>({static_cast<std::int64_t>(values.size())}, values));
  }

  // Appends a node of ONNX's standard operators as of opset kOpset; an empty input is absent.
  // `name` is made unique, `outputs` must be. Attributes: attribute(node, "axis", 1).
  onnx::NodeProto& node(const std::string& op, const std::string& name,
                        const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs);
  // The same, with one output that is named after `name`; returns the output's name.
  std::string value(const std::string& op, const std::string& name,
                    const std::vector<std::string>& inputs);
  onnx::NodeProto& last() { return *model_.mutable_graph()->mutable_node()->rbegin(); }

  // A fact that travels with the model, as metadata_props: "preprocess.mean_value".
  void note(const std::string& key, const std::string& text);
  // What the user should be told whenever the model is read; a line.
  void remark(const std::string& text) { add_remark(model_, text); }

  static constexpr int kOpset = 17;
  onnx::ModelProto finish() { return std::move(model_); }

 private:
  onnx::ModelProto model_;
  Names values_, nodes_;
};

}  // namespace workbench::importer
