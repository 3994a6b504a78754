// Sizes that a model leaves open: which they are, and values with which the graph can be read.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/import/import.h"
#include "compiler/import/obstacles.h"

namespace workbench::importer {

using InputShapes = std::map<std::string, Shape>;

// What a size counts, as far as rank, position, type and name tell.
enum class SizeKind { Batch, Channels, Image, Volume, Sequence, Samples };

class FirstReaders;

class InputSizes {
 public:
  // Throws Error for a --shape of no input, or of another rank.
  InputSizes(const onnx::GraphProto& graph, const ImportOptions& options);

  InputShapes shapes() const;
  // The open sizes of a kind, each name once; empty: there are none.
  std::vector<std::size_t> of_kind(SizeKind kind) const;
  std::int64_t size(std::size_t open) const { return open_[open].size; }
  void set(std::size_t open, std::int64_t size);
  // Values to try for the sizes of a kind, the first for all but `sizes` of them: likely ones
  // first.
  std::vector<std::vector<std::int64_t>> candidates(SizeKind kind) const;

  // One line per input with sizes that were chosen, batches of 1 apart; and the same as an end for
  // an error.
  std::vector<std::string> notes() const;
  std::string hint() const;

 private:
  struct Open {
    std::string name;  // dim_param; empty: no other size is the same
    SizeKind kind = SizeKind::Image;
    std::int64_t size = 1;
    bool was_set = false;
  };
  struct Dimension {
    std::int64_t size = 1;
    std::optional<std::size_t> open;
  };
  struct Input {
    std::string name;
    std::vector<Dimension> dimensions;
  };

  Input declared(const onnx::ValueInfoProto& input, const FirstReaders& readers);
  std::size_t open(const std::string& name, SizeKind kind, std::int64_t size);
  void fix(Input& input, const Shape& shape);
  std::string line(const Input& input) const;

  std::vector<Open> open_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<Input> inputs_;
  std::vector<std::int64_t> weight_sizes_;  // likely channels and features, from the first weights
};

// What reading the graph with certain sizes came to.
struct Attempt {
  Graph graph = {};
  Obstacles obstacles = {};
  std::int64_t work = 0;      // of reading, in nodes
  std::int64_t progress = 0;  // nodes read before the first obstacle
  std::vector<std::string> notes = {};
};
using Read = std::function<Attempt(const InputShapes&, std::int64_t patience)>;

// Reads with the sizes that are likely and, where obstacles remain, looks for others with which
// there are none; `sizes` are those of the result, which is the first attempt if none is better.
Attempt fitting_sizes(InputSizes& sizes, std::int64_t nodes, const Read& read);

}  // namespace workbench::importer
