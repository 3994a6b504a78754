// One Caffe layer on its way into an ONNX model: its tensors with their shapes, its weights, and
// the nodes that compute it. Every function of the layer table is written in these terms.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/import/caffe/net_file.h"
#include "compiler/import/model_builder.h"
#include "core/error.h"
#include "core/tensor.h"

namespace workbench::importer::caffe_format {

using Integers = std::vector<std::int64_t>;

// No window, stride or size of a network is larger; keeps sums and products in 64 bits.
inline constexpr std::int64_t kMost = std::int64_t{1} << 30;

// What a name of the file stands for at some point of it: layers may write a name again.
struct Blob {
  std::string value;  // its name in the model
  Shape shape;
  bool is_constant = false;  // follows from sizes alone
  bool is_read = false;
  bool is_result = false;  // all the same
};

struct NetState {
  ModelBuilder model;
  Weights& weights;
  std::set<std::string> names = {};  // of layers and tensors of the file, which keep them
  std::int64_t batch = 1;            // that the file asks for, of which one image is imported
  std::vector<Blob> blobs = {};      // in order of their writing
  std::map<std::string, std::size_t> current = {};  // name -> the blob that it stands for now
  std::vector<std::string> remarks = {};
};

class LayerReader {
 public:
  LayerReader(const caffe::Layer& layer, NetState& state);

  const caffe::Layer& layer() const { return layer_; }
  const std::string& name() const { return name_; }
  std::int64_t file_batch() const { return state_.batch; }

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("layer '{}' ({}): {}", name_, layer_.type(),
         fmt::format(format, std::forward<Args>(args)...));
  }
  void remark(const std::string& text);

  // Tensors read.
  std::size_t bottom_count() const { return bottoms_.size(); }
  const Blob& bottom(std::size_t i) const { return state_.blobs[bottoms_.at(i)]; }
  const std::string& value(std::size_t i = 0) const { return bottom(i).value; }
  const Shape& shape(std::size_t i = 0) const { return bottom(i).shape; }
  void expect_bottoms(std::size_t least, std::size_t most) const;
  void expect_rank(std::size_t least) const;  // of bottom 0
  // `axis`, counted from the back when negative; at most `rank` - 1, or `rank` where `end` is
  // meant.
  std::size_t axis(std::int64_t axis, std::size_t rank, bool end = false) const;

  // Weights.
  std::size_t blob_count() const { return state_.weights.count(name_); }
  bool weights_are_made_up() const { return state_.weights.is_made_up(); }
  Tensor blob(std::size_t index, const Shape& shape, Weights::Fill fill, double fan_in = 1);

  // The model. Names of what a layer consists of are its own with `suffix` behind.
  std::string constant(const std::string& suffix, const Tensor& tensor);
  std::string scalar(const std::string& suffix, float number);
  std::string list(const std::string& suffix, const Integers& numbers);
  std::string step(const std::string& suffix, const std::string& op,
                   const std::vector<std::string>& inputs);
  onnx::NodeProto& last() { return state_.model.last(); }

  // Tensors written, in the order of the file.
  std::size_t top_count() const { return static_cast<std::size_t>(layer_.top_size()); }
  // The node that writes top `i`; the first has the layer's name.
  onnx::NodeProto& top(const std::string& op, const std::vector<std::string>& inputs, Shape shape,
                       std::size_t i = 0);
  // One node with several results.
  onnx::NodeProto& tops(const std::string& op, const std::vector<std::string>& inputs,
                        const std::vector<Shape>& shapes);
  void top_constant(const Tensor& tensor);
  void alias(std::size_t top, std::size_t bottom);

 private:
  std::string derived(const std::string& suffix) const;
  std::string declare(std::size_t top, Shape shape, bool is_constant);

  const caffe::Layer& layer_;
  NetState& state_;
  std::string name_;
  std::vector<std::size_t> bottoms_;
};

// How a layer type is read.
struct LayerRule {
  std::string_view type;
  void (*convert)(LayerReader&);
  std::string_view onnx;  // what becomes of it, for docs/formats.md
};
std::span<const LayerRule> window_layers();
std::span<const LayerRule> arithmetic_layers();
std::span<const LayerRule> movement_layers();
std::span<const LayerRule> detection_layers();

// Average over n x n values about each one, as an AVE pooling layer takes it: what lies outside the
// map counts as zeros. Returns the name of the result.
std::string local_average(LayerReader& layer, const std::string& value, std::int64_t n);

}  // namespace workbench::importer::caffe_format
