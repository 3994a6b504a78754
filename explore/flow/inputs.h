// What a command line names: the network (a file, or
// zoo:NAME[?width=0.5&resolution=128&seed=2]), and the data it is calibrated with and run on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/import/import.h"
#include "core/graph.h"
#include "core/tensor.h"
#include "data/image.h"
#include "data/samples.h"
#include "workloads/workloads.h"

namespace workbench {

struct ModelSource {
  std::string name;             // path or zoo:NAME
  ImportOptions import;         // files only
  std::optional<double> width;  // zoo only, as are the next two; override what the name says
  std::optional<std::int64_t> resolution;
  std::optional<std::uint64_t> seed;
};

// "NAME=1,3,224,224". Throws Error.
std::pair<std::string, Shape> parse_input_shape(std::string_view text);

bool is_zoo(const ModelSource& source);

// Throws Error: an unknown network or option, an option of the other kind, whatever import says.
ModelImport load_with_notes(const ModelSource& source);
Graph load_model(const ModelSource& source);

struct DataOptions {
  std::filesystem::path calibration, input;  // empty: not given
  std::filesystem::path preprocessing;       // empty: MODEL.preprocess.yaml, if there
  PreprocessingOptions steps;                // replace those of the file
  std::size_t calibration_limit = 0;         // 0: all
};

// `given`, or else MODEL.preprocess.yaml beside the model, or nothing.
std::filesystem::path preprocessing_file(const std::string& model,
                                         const std::filesystem::path& given);

// Where that file lies.
std::filesystem::path preprocessing_beside(const std::string& model);

// Steps to begin with, of a network with one image as its input: its size and layout, pixels in
// [0, 1]. What it was trained with, no file of a network says. Throws Error for another network.
Preprocessing example_preprocessing(const Graph& graph);

struct RunData {
  SampleSource calibration;
  std::vector<Tensor> input;
  bool input_is_last_sample = false;  // then its float evaluation is a by-product of calibration
  std::vector<std::string> warnings;  // of a network that is calibrated with it, ...
  std::vector<std::string> uncalibrated_warnings;  // ... and of one with which it only runs
  std::vector<std::string> notes;                  // which array of a file went where
};

// One seeded sample for each input: image-like floats, codes of all values, small indices.
std::vector<Tensor> synthetic_inputs(const Graph& graph);
// For a network that came as integers: seeded codes in float32, each as likely, unsigned where the
// file does not say.
std::vector<Tensor> synthetic_codes(const Graph& graph);

// `model` is the path (or zoo name) that preprocessing may lie beside. Without --input the run is
// on the last calibration sample; without --calibration, the input calibrates itself; with neither,
// both are one seeded synthetic sample. The latter two warn. A network of several inputs takes .npz
// files with one array per input name. Throws Error.
RunData read_data(const Graph& graph, const std::string& model, const DataOptions& options);

}  // namespace workbench
