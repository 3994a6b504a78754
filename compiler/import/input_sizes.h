// Sizes that a model leaves open, whatever its format: which they are, and values with which the
// graph can be read. The front ends say what their files tell of an input; what is chosen, tried
// and said about it is the same for all.
#pragma once

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

using Dims = std::vector<std::optional<std::int64_t>>;  // none: left open

// What the first operator behind an input that has weights says of it.
struct Reader {
  Dims needs = {};         // sizes that its weights fix, in the order of the input's dimensions
  bool is_window = false;  // a convolution
  bool any_shape = false;  // there is none, only functions of each element; `needs` is empty
};

struct InputFacts {
  std::string name;
  std::optional<Dims> dims = {};            // none: not even how many there are
  std::vector<std::string> dim_names = {};  // equal ones are one size; "" or missing: no name
  bool is_real = true;
  bool channels_last = false;         // maps are [N, H, W, C] in this format
  std::optional<Reader> reader = {};  // of an input with something open
};

// What a size counts, as far as rank, position, type, name and the reader tell. Weights: a size
// that the reader's weights fix.
enum class SizeKind { Batch, Weights, Channels, Image, Volume, Sequence, Samples };

class InputSizes {
 public:
  // `weight_sizes`: likely channels and features, of the first weights. Throws Error for a --shape
  // of no input, or of another rank.
  InputSizes(const std::vector<InputFacts>& inputs, const ImportOptions& options,
             std::vector<std::int64_t> weight_sizes);

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
    std::vector<Dimension> dimensions = {};
    bool has_rank = true;    // the file says it
    bool any_shape = false;  // would do
  };

  Input declared(const InputFacts& facts);
  std::size_t open(const std::string& name, SizeKind kind, std::int64_t size);
  void fix(Input& input, const Shape& shape);
  void fill(Input& input, const Shape& shape);
  std::string line(const Input& input) const;

  std::vector<Open> open_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<Input> inputs_;
  std::vector<std::int64_t> weight_sizes_;
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
