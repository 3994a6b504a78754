// Tensors that lie beside the model (onnx.proto, TensorProto.external_data): files of the model's
// own folder and nothing else, whatever the model says.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/import/mapped_file.h"

namespace workbench::importer {

bool is_external(const onnx::TensorProto& tensor);

// Every tensor of a model: initializers, also sparse ones, and attributes, also of branches and
// functions.
void for_each_tensor(onnx::ModelProto& model, const std::function<void(onnx::TensorProto&)>& visit);

// Makes the model of that file whole: its external tensors become part of it. Throws Error
// "PATH: ..." also when it would not be a file of protobuf any more, which ends at 2 GiB.
void embed_external_data(onnx::ModelProto& model, const std::filesystem::path& path);

class ExternalData {
 public:
  // The folder of the model; none: a model without a file cannot have any.
  explicit ExternalData(std::optional<std::filesystem::path> folder);

  // The `count` bytes of `tensor`, or as many as it says, mapped; valid as long as this object.
  // Throws Error "WHERE: ..." when the location leaves the folder, or offset and length leave the
  // file.
  std::string_view bytes(const onnx::TensorProto& tensor, std::optional<std::size_t> count,
                         std::string_view where);

 private:
  const MappedFile& file(const std::string& location, std::string_view where);

  std::optional<std::filesystem::path> folder_;
  std::map<std::string, MappedFile> files_;
  std::size_t present_ = 0, given_ = 0;  // bytes of the files, and of all that was asked for
};

}  // namespace workbench::importer
