// Caffe's files as messages: a network as text (prototxt) or bytes (caffemodel), of either layer
// syntax, and the weights of a caffemodel. Facts: docs/facts/caffe.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "compiler/import/caffe/caffe.pb.h"
#include "core/tensor.h"

namespace workbench::importer::caffe_format {

// Whether the bytes begin as a network in text form, or are one in binary form.
bool is_net_text(std::string_view bytes);
bool is_net_binary(std::string_view bytes);

// In today's layer syntax, with the layers that are there in the TEST phase. `name` is for errors.
// Throws Error "NAME: ..." or, for text, "NAME:LINE:COLUMN: ...".
caffe::Net parse_net(std::string_view bytes, const std::string& name);

// The parameters of the layers of a network, by layer: from a file, or made up of seeded random
// numbers that keep activations in bounds.
class Weights {
 public:
  explicit Weights(std::string_view bytes, std::string name);
  Weights() = default;  // made up

  bool is_made_up() const { return name_.empty(); }
  bool has(const std::string& layer) const { return layers_.contains(layer); }
  std::size_t count(const std::string& layer) const;  // of its blobs

  // What a made-up blob holds: factors (of sums of `fan_in` terms), small offsets, numbers about 1,
  // or, where the file has no blob, too, the weights of a bilinear interpolation.
  enum class Fill { Factors, Offsets, Ones, Bilinear };

  // Blob `index` of a layer, which is to be of `shape`; sizes of 1 at the front may be missing or
  // be too many. Throws Error "expected ..., found ...".
  Tensor take(const std::string& layer, std::size_t index, const Shape& shape, Fill fill,
              double fan_in = 1);

 private:
  Tensor made_up(const std::string& layer, std::size_t index, const Shape& shape, Fill fill,
                 double fan_in);

  std::string name_;
  std::map<std::string, google::protobuf::RepeatedPtrField<caffe::Blob>> layers_;
  std::uint64_t made_ = 0;  // elements
};

}  // namespace workbench::importer::caffe_format
