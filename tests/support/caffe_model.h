// Caffe's files in a few lines, for tests of its front end: weights by the wire format of protocol
// buffers (docs/facts/caffe.md), networks as text.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "compiler/import/import.h"
#include "core/eval/evaluate.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

// A length-delimited field.
inline std::string field(std::uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

struct CaffeBlob {
  Shape shape;
  std::vector<float> values;

  std::string bytes() const {
    std::string sizes, data(4 * values.size(), '\0');
    for (const std::int64_t size : shape) sizes += varint(static_cast<std::uint64_t>(size));
    std::memcpy(data.data(), values.data(), data.size());
    return field(7, field(1, sizes)) + field(5, data);
  }
};

// A layer of a caffemodel.
inline std::string caffe_layer(const std::string& name, const std::vector<CaffeBlob>& blobs) {
  std::string layer = field(1, name);
  for (const CaffeBlob& blob : blobs) layer += field(7, blob.bytes());
  return field(100, layer);
}

// The network as a file beside which its weights lie, if there are any.
class CaffeNet {
 public:
  explicit CaffeNet(const std::string& text, const std::string& weights = {})
      : path_(folder_.write("net.prototxt", text)) {
    if (!weights.empty()) folder_.write("net.caffemodel", weights);
  }

  Graph import(const ImportOptions& options = {}) {
    remarks.clear();
    ModelImport network = import_with_notes(path_, options);
    remarks = std::move(network.notes);
    return std::move(network.graph);
  }
  // The first output of it for one input.
  std::vector<float> run(const Tensor& input) {
    const Graph graph = import();
    const std::vector<Tensor> inputs{input};
    const Tensor result = evaluate(graph, inputs, {.arithmetic = Arithmetic::Exact}).at(0);
    const auto values = result.values<float>();
    return {values.begin(), values.end()};
  }
  // What import ends in, without the file's name.
  std::string error(const ImportOptions& options = {}) {
    try {
      import(options);
      return "none";
    } catch (const Error& error) {
      const std::string text = error.what(), file = path_.string() + ": ";
      return text.starts_with(file) ? text.substr(file.size()) : text;
    }
  }
  const std::filesystem::path& path() const { return path_; }
  const TemporaryFolder& folder() const { return folder_; }

  std::vector<std::string> remarks;

 private:
  TemporaryFolder folder_;
  std::filesystem::path path_;
};

// "input: 'data' input_dim: ..." of one image.
inline std::string caffe_input(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return fmt::format("input: 'data' input_dim: 1 input_dim: {} input_dim: {} input_dim: {}\n",
                     channels, height, width);
}

// A layer from "data" or from `bottom`, with `rest` in it.
inline std::string caffe_text(const std::string& name, const std::string& type,
                              const std::string& rest, const std::string& bottom = "data") {
  return fmt::format("layer {{ name: '{}' type: '{}' bottom: '{}' top: '{}' {} }}\n", name, type,
                     bottom, name, rest);
}

}  // namespace workbench::test
