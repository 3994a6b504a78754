// `workbench search-bits`: widths of weights and activations, layer by layer, that lose least for
// what they cost. Losses are measured on images, one width at a time, costs on compiled programs;
// of their sums the best choices are found, and some of them are quantized in earnest, simulated
// and compared with the golden model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/quantize/code_bits.h"
#include "data/image_set.h"
#include "explore/flow/accuracy.h"
#include "explore/flow/pipeline.h"

namespace workbench {

struct BitPoint;

// Trains the thresholds and weights of a network that is quantized as the request says.
using PointTrainer =
    std::function<Quantized(const BitPoint&, const CompileRequest&, const Progress&)>;

struct BitSearchRequest {
  CompileRequest network;  // a PULP machine, a recipe
  ImageRequest calibration;
  std::filesystem::path preprocessing;
  PreprocessingOptions preprocessing_steps;
  ImageRequest images;                   // labelled, to score points with; an empty path: none
  std::vector<std::string> objectives;   // "accuracy" and a metric that layers add up to
  std::vector<std::string> constraints;  // "l3_bytes <= 100k"
  std::size_t points = 8;                // of the front, to be simulated
  // Takes the run of each point, and may set its page; empty: nothing does.
  std::function<void(BitPoint&, const Compiled&, const SimulatedNetwork&)> on_run;
  PointTrainer train;  // of the front, scored on `images`; empty: nothing is trained
};

// Of a quantized network, simulated.
struct BitFigures {
  double signal_to_noise_db = 0;          // of the results, on the calibration images
  std::optional<double> top1;             // of the images to score
  std::map<std::string, double> metrics;  // by names of point_metrics()
  std::int64_t golden_values = 0;
  bool bit_exact = false;
};

// One choice of widths, quantized, compiled, simulated.
struct BitPoint {
  enum class Kind { Searched, Uniform, MemoryRule };
  Kind kind = Kind::Searched;
  std::string name;  // "searched 3", "uniform W4A8", "memory rule 3"
  RecipeFile recipe;
  std::vector<int> bits;           // per variable of the report
  double predicted_db = 0;         // signal to noise of the results, of the sums
  double predicted_objective = 0;  // of the program, by the analytic tier
  BitFigures measured;
  std::optional<BitFigures> trained;  // the same widths after training
  std::string run_page;               // path of its page; empty: there is none
  std::int64_t weight_bytes = 0, activation_bytes = 0;
  bool meets = true;      // the constraints
  bool on_front = false;  // of all points that meet them
};
std::string_view to_string(BitPoint::Kind kind);

struct BitSearchReport {
  std::string network, machine, scheme, images;
  std::int64_t calibration_images = 0, scored_images = 0;
  std::optional<double> float_top1;
  std::string objective, unit;
  std::vector<std::string> constraints;
  struct Variable {
    std::string name;  // of the layer, or the first of the layers whose results have the width
    bool weights = true;
    std::int64_t elements = 0;
    std::vector<double> noise_db;  // per choice: signal to noise with this one alone at that width
  };
  std::vector<int> choices;
  std::vector<Variable> variables;
  std::size_t programs = 0, refused_programs = 0, unknown_combinations = 0;
  std::size_t front_size = 0;  // choices that no other is as good as, by the sums
  double gap_db = 0;           // by which a choice left out may be better; 0: they are all
  std::size_t candidates = 0;  // choices compiled for the machine
  double sums_off = 0;         // the largest share by which the sums miss a program's objective
  std::vector<BitPoint> points;
  std::vector<std::string> notes, warnings;

  bool passed() const;  // every point is bit-exact, trained and not
};

// Throws Error for whatever the request gets wrong, and where no choice meets the constraints.
BitSearchReport search_bits(const BitSearchRequest& request, const Progress& progress = {});

}  // namespace workbench
