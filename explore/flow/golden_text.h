// DORY's text files of golden tensors: a header line, then one whole number per line ("206.000," or
// "0,\"); and the inputs that DORY and Deeploy publish beside them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "core/tensor.h"

namespace workbench {

struct GoldenText {
  std::string header;          // without the leading '#' and what a shell left behind
  bool marked = false;         // the header began with '#'
  std::string name;            // "relu1" of "relu1 (shape [64, 64, 32]),"; empty: not said
  std::optional<Shape> shape;  // what that says
  std::vector<std::int64_t> values;
};

// Throws Error with file and line.
GoldenText read_golden_text(const std::filesystem::path& path);

// How the values of a file are ordered, decided by its header alone, never by its values.
enum class GoldenOrder {
  PixelsFirst,    // [H][W][C]: what NEMO's exporter writes, and says in its header
  ChannelsFirst,  // [C][H][W]: a header that says so, or one without '#' (another writer's, dscnn)
};
// For a value of `shape` ([1, C, H, W], or flat). Throws Error when the header says another shape.
GoldenOrder golden_order(const GoldenText& text, const Shape& shape, const std::string& file);

// The values as an int64 tensor of `shape`. `bytes_allowed`: four times as many values are the
// little-endian bytes of int32 ones. Throws Error naming `file` when there are more or fewer.
Tensor arranged(const GoldenText& text, const Shape& shape, bool bytes_allowed,
                const std::string& file);

struct IntegerInput {
  std::vector<Tensor> tensors;     // float32, one per graph input, whole numbers
  std::vector<std::string> notes;  // one line per array: where it went
};
// input.txt (networks of one input) or inputs.npz: arrays go to inputs by name, those that match
// none in order. Surplus arrays must equal a constant of the network, or it is an Error.
IntegerInput read_integer_input(const std::filesystem::path& path, const Graph& graph);

}  // namespace workbench
