// The subcommands. Each takes what was on the command line as a plain struct, calls the functions
// of explore/ and writes what was asked for; it returns the exit code (0, or 1 for a mismatch) and
// throws Error for bad input. Only command_line.cpp knows how options are spelled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/image_set.h"
#include "explore/bits/bit_search.h"
#include "explore/flow/float_evaluation.h"
#include "explore/flow/pipeline.h"
#include "explore/flow/quantization_report.h"
#include "explore/store/result_table.h"
#include "explore/sweep/executor.h"
#include "explore/sweep/worker.h"
#include "explore/track/compare.h"

namespace workbench::app {

struct CompileCommandOptions {
  CompileRequest request;  // as the command line has it: names, not files
  ViewOptions views;
  int threads = 0;
  bool dump_schedules = false;
};

struct RunOptions {
  CompileRequest request;  // as the command line has it: names, not files
  ViewOptions views;
  int threads = 0;
  bool golden = true;
  bool timing_only = false;
  bool explain_bound = false;
  std::string tier = "transaction";  // or "detailed": PULP
  RunFiles files;
  bool deterministic = false;
  bool brief = false;
  bool advise = false;  // what would help
};

struct VerifyOptions {
  CompileRequest request;  // as the command line has it: names, not files
  ViewOptions views;
  int threads = 0;
  std::filesystem::path expect;
  double absolute_tolerance = 0, relative_tolerance = 0;
};

// What quantize, accuracy, retrain and search-bits have in common.
struct QuantizationOptions {
  // As the command line has it: names, not files.
  CompileRequest request{.scheme = "default"};
  std::string target_without_machine = "xdnn";  // where neither is named
  CalibrationOptions calibration;
  int threads = 0;
};

struct QuantizeCommandOptions {
  QuantizationOptions quantization;
  std::filesystem::path output;          // ONNX
  std::string format = "qdq";            // or "nemo"
  std::filesystem::path save_quantizer;  // JSON, as the xfDNN quantizer writes it
  std::filesystem::path dump_reference;  // folder
  std::size_t compared_images = 1;       // lowered against the scheme's own arithmetic
};

struct AccuracyCommandOptions {
  QuantizationOptions quantization;
  std::filesystem::path images, labels;
  std::size_t limit = 0;          // images to score; 0: all
  std::size_t golden_images = 1;  // compared with the golden model
  bool brief = false;             // classes only
  std::filesystem::path json, html;
};

struct RetrainCommandOptions {
  QuantizationOptions quantization;
  std::filesystem::path train, validate, test;
  std::size_t train_limit = 0, validate_limit = 0;  // 0: all
  std::string mode = "both";                        // or "thresholds", "weights"
  std::string loss = "distill";                     // or "labels", "both"
  std::vector<std::string> augment;  // "shift", "flip", "noise", "mix", or "none"; empty: by loss
  std::int64_t epochs = 10, batch = 64;
  std::uint64_t seed = 1;
  std::optional<double> weight_rate;  // none: by the width of codes (weight_rates.h)
  double threshold_rate = 1e-2;
  std::int64_t look_every = 0;  // steps; 0: as published
  std::filesystem::path output, checkpoint;
  std::string format = "qdq";
  std::size_t golden_images = 1;
  std::string device = "cpu";
  std::filesystem::path json, html;
  std::vector<std::string> arguments;  // of the process, for the program that has libtorch
};

struct SearchBitsOptions {
  QuantizationOptions quantization{.target_without_machine = "pulp"};
  std::vector<std::string> objectives, constraints;
  std::size_t points = 8;
  std::filesystem::path images, labels;
  std::size_t limit = 0;  // images to score; 0: all
  bool retrain = false;   // points of the front, with images of `train`
  std::filesystem::path train;
  std::int64_t epochs = RetrainCommandOptions{}.epochs;
  std::filesystem::path output;  // folder of recipe files
  std::filesystem::path json, html;
  bool brief = false;
  std::vector<std::string> arguments;  // of the process, for the program that has libtorch
};

struct WorkloadCommandOptions {
  ModelSource model;  // without zoo:
  bool list = false;
  std::filesystem::path output;
};

struct InspectOptions {
  CompileRequest request;  // as the command line has it: names, not files
};

struct ConvertOptions {
  ModelSource model;
  std::filesystem::path output;  // ONNX
};

struct EvaluateCommandOptions {
  EvaluationRequest request;
  std::filesystem::path output;  // folder
  int threads = 0;
};

struct ListingOptions {
  std::filesystem::path file;    // program, or listing as text or JSON
  std::filesystem::path output;  // empty: stdout
  std::string format = "text";   // or "json"
  bool explain = false;          // disasm: every field in words
};

struct IsaOptions {
  std::string family;  // "xdnn" or "pulp"
};

struct PreprocessCommandOptions {
  ModelSource model;
  std::filesystem::path preprocess;     // empty: MODEL.preprocess.yaml, or an example
  PreprocessingOptions steps;           // replace those of the file
  bool write = false, force = false;    // to MODEL.preprocess.yaml, over one that is there
  std::filesystem::path image, output;  // an image and the array that it becomes
};

struct AllocateOptions {
  std::filesystem::path problem;
  std::string capacity, bucket;  // bytes, 4k, 4M
  std::string strategy = "exact";
  std::uint64_t seed = 1;
  std::int64_t node_limit = 2000000;
  bool minimize = false;
  std::filesystem::path output;
};

struct ResultsOptions {
  std::filesystem::path store = "workbench.db";
  std::string run;  // number, or "last"
  bool all = false;
  std::string point;  // key, or a prefix of it
  ResultQuery query;
  std::string status, network, machine, tier;
  bool layers = false;
  std::string csv, json;  // file, or "-"
  std::filesystem::path salvage;
};

struct SweepCommandOptions {
  std::vector<std::string> what;  // a study file, networks
  std::vector<std::string> machines, settings, conditions, objectives, constraints;
  std::string name, tier;
  bool refine = false;
  std::optional<std::int64_t> neighbours, sample;
  bool search = false;
  std::optional<std::int64_t> population, generations;
  std::optional<std::uint64_t> seed;
  std::filesystem::path store = "workbench.db";
  int jobs = 0;
  std::string executor = "local";
  SlurmOptions slurm;
  std::filesystem::path job_folder;
  int recheck = 1, recheck_stored = 0;
  std::optional<std::int64_t> limit;
  bool dry_run = false, parameters = false, metrics = false;
  std::filesystem::path csv, json, html, png;
};

struct TrackRecordOptions {
  std::filesystem::path suite, baseline, store;
  std::string name, revision, date;
  std::vector<std::string> cases;
  int wall = 0;
};

struct TrackCompareOptions {
  std::string baseline;
  std::filesystem::path suite, store, results;
  std::vector<std::string> cases, settings;
  track::Gate gate;
  std::size_t layers = 10;
  std::filesystem::path junit, json;
  bool github = false;
  int wall = 0;
  std::filesystem::path against;
  std::optional<double> wall_threshold;
};

struct TrackReportOptions {
  std::vector<std::filesystem::path> files;
  std::filesystem::path store, json, html, png;
  std::string name;
  std::vector<std::string> cases;
};

struct CompareOptions {
  std::vector<std::string> runs;
  bool golden = true;
  std::size_t layers = 20;
  int threads = 0;
  std::filesystem::path json, html;
};

struct ValidateOptions {
  std::filesystem::path figures, networks, json, html;
  std::string machine;
};

struct ExecuteOptions {
  std::filesystem::path program, files, json, html, folded, trace;
  std::string machine = "pulp_open";
  std::vector<std::string> settings;
  std::int64_t max_cycles = 1'000'000'000;
  std::size_t functions = 20;
  bool profile = false, instructions = false, brief = false;
};

// What quantization, with names resolved and a target, is asked, and the images it calibrates with.
// Throw Error for options that make no sense together.
CompileRequest quantization_request(const QuantizationOptions& options);
ImageRequest calibration_request(const QuantizationOptions& options);
// The model that is written takes the same images: how they become its input, to a file beside it.
// Returns what to tell of it. Nothing where it is not known how.
std::string write_preprocessing(const QuantizationOptions& options, const Quantized& network,
                                ModelFormat format, const std::filesystem::path& model);

int run(const RunOptions& options);
int execute(const ExecuteOptions& options);
int compile(const CompileCommandOptions& options);
int verify(const VerifyOptions& options);
int assemble(const ListingOptions& options);
int isa(const IsaOptions& options);
int disasm(const ListingOptions& options);
int preprocess(const PreprocessCommandOptions& options);
int quantize(const QuantizeCommandOptions& options);
int accuracy(const AccuracyCommandOptions& options);
// In `workbench`: runs the program workbench-retrain in its place; there: trains (train/).
int retrain(const RetrainCommandOptions& options);
// The same of the trainer of a search.
PointTrainer point_trainer(const SearchBitsOptions& options);
int search_bits(const SearchBitsOptions& options);
int workload(const WorkloadCommandOptions& options);
int inspect(const InspectOptions& options);
int convert(const ConvertOptions& options);
int evaluate(const EvaluateCommandOptions& options);
int allocate(const AllocateOptions& options);
int results(const ResultsOptions& options);
int sweep(const SweepCommandOptions& options);
int sweep_worker(const WorkerRequest& request);
int track_record(const TrackRecordOptions& options);
int track_compare(const TrackCompareOptions& options);
int track_report(const TrackReportOptions& options);
int compare(const CompareOptions& options);
int validate(const ValidateOptions& options);
int ops();
int passes();

}  // namespace workbench::app
