// The subcommands. Each takes what was on the command line as a plain struct, calls the functions
// of explore/ and writes what was asked for; it returns the exit code (0, or 1 for a mismatch) and
// throws Error for what the user got wrong. Only command_line.cpp knows how options are spelled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/quantize/preprocessing.h"
#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/order.h"
#include "explore/flow/machine.h"
#include "explore/store/result_table.h"
#include "explore/sweep/executor.h"
#include "explore/sweep/worker.h"
#include "explore/track/compare.h"

namespace workbench::app {

// What names a network, its data and the machine: common to compile, run and verify.
struct NetworkOptions {
  std::string hw;                   // file, or name of a shipped machine
  MachineOptions machine;           // what is different from it
  std::string model;                // ONNX file or zoo:NAME
  std::vector<std::string> shapes;  // NAME=1,3,224,224
  std::optional<double> width;
  std::optional<std::int64_t> resolution;
  std::optional<std::uint64_t> seed;
  std::filesystem::path calibration, input, preprocess;
  std::size_t calibration_limit = 0;
  std::string scheme;                   // how to quantize; empty: published
  std::vector<std::string> transforms;  // files or texts (explore/scheme.h)
  Effort effort = Effort::Normal;
  std::string calibration_cache;         // folder, "none", or empty: the user's
  std::filesystem::path quantizer_json;  // read
  std::filesystem::path save_quantizer;  // written
  std::filesystem::path save_program;
  std::filesystem::path dump_passes;
  std::vector<std::string> with_passes, without_passes;
  bool no_host = false;
  xdnn::OrderGoal schedule = xdnn::OrderGoal::Time;
  std::filesystem::path schedule_file;
  pulp::Tiler tiler = pulp::Tiler::Optimal;
  pulp::NormBits norm_bits = pulp::NormBits::Auto;
  std::filesystem::path emit_c;          // folder
  std::string report;                    // "xfdnn", "dory", or empty: neither
  std::filesystem::path graph;           // .dot or .svg
  std::filesystem::path save_optimized;  // ONNX, written
  int threads = 0;
};

struct CompileCommandOptions {
  NetworkOptions network;
  bool dump_schedules = false;
};

struct RunOptions {
  NetworkOptions network;
  bool golden = true;
  bool timing_only = false;
  std::filesystem::path program;  // somebody else's, to run instead of our own
  std::filesystem::path json, csv, trace, html, png, dump_tensors;
  bool deterministic = false;
  bool brief = false;
  std::string technology;  // to estimate energy and area for, "default": the machine's; empty: none
};

struct VerifyOptions {
  NetworkOptions network;
  std::filesystem::path expect;
  double absolute_tolerance = 0, relative_tolerance = 0;
};

// What quantize and accuracy have in common.
struct QuantizationOptions {
  std::string model;                // ONNX file or zoo:NAME
  std::vector<std::string> shapes;  // NAME=1,3,224,224
  std::optional<double> width;
  std::optional<std::int64_t> resolution;
  std::optional<std::uint64_t> seed;
  std::string target = "xdnn";
  std::string hw;  // empty: v3_96 or gap8
  MachineOptions machine;
  std::string scheme = "default";
  std::vector<std::string> transforms;  // files or texts (explore/scheme.h)
  Effort effort = Effort::Normal;
  std::string calibration_cache;  // folder, "none", or empty: the user's
  std::vector<std::string> with_passes, without_passes;
  std::filesystem::path calibration;
  std::size_t calibration_size = 0;
  std::optional<std::uint64_t> calibration_seed;
  std::string calibration_indices;
  std::filesystem::path preprocess;
  PreprocessingOptions steps;
  bool skip_bad = false;
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

struct WorkloadCommandOptions {
  std::string name;
  bool list = false;
  std::filesystem::path output;
  std::optional<double> width;
  std::optional<std::int64_t> resolution;
  std::optional<std::uint64_t> seed;
};

struct ListingOptions {
  std::filesystem::path file;    // program, or listing as text or JSON
  std::filesystem::path output;  // empty: stdout
  std::string format = "text";   // or "json"
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
  std::string point;  // key, or what it begins with
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
  std::optional<std::int64_t> limit;
  bool dry_run = false, parameters = false;
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

int run(const RunOptions& options);
int compile(const CompileCommandOptions& options);
int verify(const VerifyOptions& options);
int assemble(const ListingOptions& options);
int disasm(const ListingOptions& options);
int quantize(const QuantizeCommandOptions& options);
int accuracy(const AccuracyCommandOptions& options);
int workload(const WorkloadCommandOptions& options);
int allocate(const AllocateOptions& options);
int results(const ResultsOptions& options);
int sweep(const SweepCommandOptions& options);
int sweep_worker(const WorkerRequest& request);
int track_record(const TrackRecordOptions& options);
int track_compare(const TrackCompareOptions& options);
int track_report(const TrackReportOptions& options);
int ops();
int passes();

}  // namespace workbench::app
