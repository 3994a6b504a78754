// Small TensorFlow Lite files for tests, from the schema that the importer reads.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/import.h"
#include "compiler/import/tflite/schema_generated.h"
#include "core/graph.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {

namespace wire = importer::tflite::wire;

class TfliteModel {
 public:
  static constexpr int kFloat = 0, kInt32 = 2, kUint8 = 3, kInt8 = 9;  // TensorType

  // Returns the tensor's index. Scales and zero points: none, one, or one per index of `axis`.
  int tensor(const std::string& name, const std::vector<int>& shape, int type = kFloat,
             const std::vector<float>& scales = {}, const std::vector<std::int64_t>& zeros = {},
             int axis = 0) {
    return add(name, shape, type, scales, zeros, axis, 0);
  }
  template <typename T>
  int constant(const std::string& name, const std::vector<int>& shape, const std::vector<T>& values,
               const std::vector<float>& scales = {}, const std::vector<std::int64_t>& zeros = {},
               int axis = 0) {
    std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    buffers_.push_back(wire::CreateBuffer(fbb_, fbb_.CreateVector(bytes)));
    const int type = std::is_same_v<T, float> ? kFloat : sizeof(T) == 1 ? kInt8 : kInt32;
    return add(name, shape, type, scales, zeros, axis, static_cast<unsigned>(buffers_.size()));
  }

  template <typename Options>
  void op(int code, const std::vector<int>& inputs, const std::vector<int>& outputs,
          wire::Options kind, flatbuffers::Offset<Options> options) {
    codes_.push_back(
        wire::CreateOperatorCode(fbb_, static_cast<std::int8_t>(std::min(code, 127)), 0, 1, code));
    operators_.push_back(wire::CreateOperator(fbb_, static_cast<unsigned>(codes_.size() - 1),
                                              fbb_.CreateVector(inputs), fbb_.CreateVector(outputs),
                                              kind, options.Union()));
  }
  void op(int code, const std::vector<int>& inputs, const std::vector<int>& outputs) {
    op(code, inputs, outputs, wire::Options::NONE, flatbuffers::Offset<void>());
  }
  flatbuffers::FlatBufferBuilder& builder() { return fbb_; }

  std::string bytes(const std::vector<int>& inputs, const std::vector<int>& outputs,
                    unsigned version = 3) {
    const auto graph =
        wire::CreateSubGraph(fbb_, fbb_.CreateVector(tensors_), fbb_.CreateVector(inputs),
                             fbb_.CreateVector(outputs), fbb_.CreateVector(operators_));
    std::vector<flatbuffers::Offset<wire::Buffer>> buffers{wire::CreateBuffer(fbb_)};
    buffers.insert(buffers.end(), buffers_.begin(), buffers_.end());
    const std::vector graphs{graph};
    wire::FinishModelBuffer(
        fbb_, wire::CreateModel(fbb_, version, fbb_.CreateVector(codes_), fbb_.CreateVector(graphs),
                                0, fbb_.CreateVector(buffers)));
    return {reinterpret_cast<const char*>(fbb_.GetBufferPointer()), fbb_.GetSize()};
  }

 private:
  int add(const std::string& name, const std::vector<int>& shape, int type,
          const std::vector<float>& scales, const std::vector<std::int64_t>& zeros, int axis,
          unsigned buffer) {
    const auto codes = wire::CreateQuantization(fbb_, 0, 0, fbb_.CreateVector(scales),
                                                fbb_.CreateVector(zeros), 0, axis);
    tensors_.push_back(wire::CreateTensor(fbb_, fbb_.CreateVector(shape),
                                          static_cast<std::int8_t>(type), buffer,
                                          fbb_.CreateString(name), codes));
    return static_cast<int>(tensors_.size()) - 1;
  }

  flatbuffers::FlatBufferBuilder fbb_;
  std::vector<flatbuffers::Offset<wire::Tensor>> tensors_;
  std::vector<flatbuffers::Offset<wire::Buffer>> buffers_;
  std::vector<flatbuffers::Offset<wire::OperatorCode>> codes_;
  std::vector<flatbuffers::Offset<wire::Operator>> operators_;
};

inline Graph import_tflite(const std::string& bytes, const ImportOptions& options = {}) {
  const TemporaryFolder folder;
  return import_model(folder.write("net.tflite", bytes), options);
}

// x [1,4,6,2] -> 3x3 convolution of 3 channels, stride 2, SAME, RELU6 -> 2x2 average pool -> flat
// -> fully connected -> softmax of 3. In float, or in int8 codes.
inline std::string small_tflite(bool codes) {
  TfliteModel model;
  auto& fbb = model.builder();
  const int type = codes ? TfliteModel::kInt8 : TfliteModel::kFloat;
  const auto activation = [&](const std::string& name, const std::vector<int>& shape, float scale,
                              std::int64_t zero) {
    return codes ? model.tensor(name, shape, type, {scale}, {zero}) : model.tensor(name, shape);
  };
  const auto weights = [&](const std::string& name, const std::vector<int>& shape, int count,
                           const std::vector<float>& scales) {
    std::vector<std::int8_t> values;
    for (int i = 0; i < count; ++i) values.push_back(static_cast<std::int8_t>(i * 37 % 255 - 127));
    if (codes) {
      return model.constant(name, shape, values, scales,
                            std::vector<std::int64_t>(scales.size(), 0));
    }
    std::vector<float> reals(values.begin(), values.end());
    for (float& v : reals) v *= scales[0];
    return model.constant(name, shape, reals);
  };
  const int x = activation("x", {1, 4, 6, 2}, 0.05F, 3);
  const int conv = activation("conv", {1, 2, 3, 3}, 6.0F / 255, -128);
  const int pool = activation("pool", {1, 1, 2, 3}, 6.0F / 255, -128);
  const int flat = activation("flat", {1, 6}, 6.0F / 255, -128);
  const int dense = activation("dense", {1, 3}, 0.1F, 7);
  const int y = activation("y", {1, 3}, 1.0F / 256, -128);
  const int w = weights("w", {3, 3, 3, 2}, 54, {0.01F, 0.01F, 0.01F});
  const int f = weights("f", {3, 6}, 18, {0.01F});
  const int b = codes ? model.constant<std::int32_t>("b", {3}, {100, -200, 300},
                                                     {0.0005F, 0.0005F, 0.0005F}, {0, 0, 0})
                      : model.constant<float>("b", {3}, {0.05F, -0.1F, 0.15F});
  const int shape = model.constant<std::int32_t>("shape", {2}, {1, -1});
  model.op(3, {x, w, b}, {conv}, wire::Options::Conv2D, wire::CreateConv2D(fbb, 0, 2, 2, 3));
  model.op(1, {conv}, {pool}, wire::Options::Pool2D, wire::CreatePool2D(fbb, 1, 1, 1, 2, 2, 0));
  model.op(22, {pool, shape}, {flat});
  model.op(9, {flat, f, -1}, {dense}, wire::Options::FullyConnected,
           wire::CreateFullyConnected(fbb));
  model.op(25, {dense}, {y}, wire::Options::Softmax, wire::CreateSoftmax(fbb, 1));
  return model.bytes({x}, {y});
}

}  // namespace workbench::test
