// The command line: what each subcommand takes, and which function runs it. Only this file includes
// the (slow) CLI11 header.
#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <type_traits>

#include "app/commands.h"
#include "app/described_command.h"
#include "app/terminal.h"
#include "app/version.h"
#include "app/weight_rates.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/standard_output.h"
#include "explore/flow/shipped_files.h"
#include "explore/options.h"

namespace workbench::app {

namespace {

// What runs for each subcommand, with options of its own.
class Commands {
 public:
  template <typename Options>
  Options& add(const CLI::App& command, int (*run)(const Options&)) {
    const auto options = std::make_shared<Options>();
    run_[&command] = [options, run] { return run(*options); };
    return *options;
  }
  void add(const CLI::App& command, std::function<int()> run) { run_[&command] = std::move(run); }

  // The innermost subcommand that was named.
  const CLI::App& named(const CLI::App& app) const {
    const CLI::App* command = &app;
    while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
    return *command;
  }
  std::function<int()> run_of(const CLI::App& command) const { return run_.at(&command); }

 private:
  std::map<const CLI::App*, std::function<int()>> run_;
};

// One of these names; for CLI::Option::transform. Unlike CLI::CheckedTransformer it does not take
// the numbers behind them, too.
template <typename T>
CLI::Validator one_of(const std::map<std::string, T>& values) {
  std::map<std::string, std::string> texts;
  std::string names;
  for (const auto& [name, value] : values) {
    if constexpr (std::is_enum_v<T>) {
      texts[name] = std::to_string(static_cast<std::underlying_type_t<T>>(value));
    } else {
      texts[name] = std::to_string(value);
    }
    names += (names.empty() ? "" : texts.size() == values.size() ? " or " : ", ") + name;
  }
  const auto replace = [texts, names](std::string& text) -> std::string {
    const auto found = texts.find(text);
    if (found == texts.end()) return "expected " + names + ", found '" + text + "'";
    text = found->second;
    return "";
  };
  return {replace, names};
}

// One of these names, as it is; for CLI::Option::check.
CLI::Validator one_of_names(const std::vector<std::string>& names) {
  std::map<std::string, int> values;
  for (const std::string& name : names) values.emplace(name, 0);
  const CLI::Validator known = one_of(values);
  const auto check = [known](std::string text) { return known(text); };
  return {[check](std::string& text) { return check(text); }, ""};
}

// A number that `accepts` takes; `expected` says which those are.
template <typename Accepts>
CLI::Validator number_that(const std::string& expected, Accepts accepts) {
  const auto check = [expected, accepts](std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && accepts(value)) return "";
    return "expected " + expected + ", found '" + text + "'";
  };
  return {check, ""};
}

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  return number_that(fmt::format("a whole number from {} to {}", low, high), [=](double value) {
    return value == std::floor(value) && value >= static_cast<double>(low) &&
           value <= static_cast<double>(high);
  });
}

// A number of points, or "all", which becomes a number that no sweep has.
CLI::Option* takes_points(CLI::Option* option) {
  constexpr std::int64_t kMost = 1'000'000'000;
  const CLI::Validator points =
      number_that(fmt::format("all, or a whole number from 0 to {}", kMost), [](double value) {
        return value == std::floor(value) && value >= 0 && value <= static_cast<double>(kMost);
      });
  const auto number = [points](std::string& text) {
    if (text == "all") text = std::to_string(kMost);
    return points(text);
  };
  return option->transform(CLI::Validator(number, ""));
}

CLI::Validator positive() {
  return number_that("a number above 0", [](double value) { return value > 0; });
}

CLI::Validator not_negative() {
  return number_that("a number from 0 on", [](double value) { return value >= 0; });
}

// Adds the options of a request (options.h), each as its member has it.
class RequestOptions {
 public:
  explicit RequestOptions(CLI::App& command) : command_(command) {}

  void operator()(const Option& option, std::map<std::string, Shape>& shapes) const {
    const auto insert = [&shapes](const std::vector<std::string>& texts) {
      for (const std::string& text : texts) shapes.insert(parse_input_shape(text));
    };
    command_
        .add_option_function<std::vector<std::string>>(spelling(option), insert,
                                                       help(option, shapes))
        ->allow_extra_args(false);
  }
  void operator()(const Option& option, std::optional<xdnn::OrderFile>& file) const {
    const auto read = [&file](const std::string& path) {
      file = xdnn::parse_order_file(read_file(path), path);
    };
    command_.add_option_function<std::string>(spelling(option), read, help(option, file));
  }
  void operator()(const Option& option, std::vector<std::string>& texts) const {
    CLI::Option& added = *command_.add_option(spelling(option), texts, help(option, texts));
    added.allow_extra_args(false);
    if (option.takes == Takes::Names) added.delimiter(',');
  }
  // The option turns the default around.
  void operator()(const Option& option, bool& flag) const {
    command_.add_flag_callback(
        spelling(option), [&flag] { flag = !flag; }, help(option, flag));
  }
  template <typename T>
  void operator()(const Option& option, T& member) const {
    CLI::Option& added = *command_.add_option(spelling(option), member, help(option, member));
    if constexpr (std::is_enum_v<T>) {
      std::map<std::string, T> values;
      std::string words;
      for (const auto& [word, value] : Words<T>::all()) {
        values[word] = value;
        words += (words.empty() ? "" : "|") + word;
      }
      added.transform(one_of(values))->option_text(words);
    }
  }

 private:
  static std::string spelling(const Option& option) {
    const bool positional = option.name == "model";
    const std::string alias = option.alias.empty() ? "" : ",--" + std::string(option.alias);
    return (positional ? "" : "--") + std::string(option.name) + alias;
  }
  template <typename T>
  static std::string help(const Option& option, const T& member) {
    const std::string without = default_text(option, member);
    return (option.family == "pulp" ? "PULP: " : "") + std::string(option.meaning) +
           (without.empty() ? "" : " (default: " + without + ")");
  }

  CLI::App& command_;
};

// Where --help lists an option: by the first stage that reads it.
std::string group_of(Stage stage) {
  switch (stage) {
    case Stage::Hardware:
      return "Machine";
    case Stage::Imported:
      return "Network";
    case Stage::Quantized:
      return "Data and quantization";
    case Stage::Compiled:
      return "Program";
    case Stage::Reported:
    case Stage::Shown:
      return "Output";
  }
  return "";
}

// All options of the request but those named.
template <typename Request>
void add_request_options(CLI::App& command, Request& request,
                         const std::vector<std::string_view>& but = {}) {
  const RequestOptions add(command);
  for_each_option(request, [&](const Option& option, auto& member) {
    if (std::find(but.begin(), but.end(), option.name) != but.end()) return;
    add(option, member);
    const std::string name = (option.name == "model" ? "" : "--") + std::string(option.name);
    command.get_option(name)->group(group_of(option.stage));
  });
}

void add_thread_option(CLI::App& command, int& threads) {
  command.add_option("--threads", threads, "use at most that many CPUs (default: all)")
      ->check(positive());
}

// Of compile, run and verify.
template <typename Options>
void add_network_options(CLI::App& command, Options& options,
                         const std::vector<std::string_view>& but) {
  add_request_options(command, options.request, but);
  command.get_option("--hw")->required();
  command.get_option("model")->required();
  add_request_options(command, options.views, {"report", "emit-c", "emit-runtime", "graph"});
  add_thread_option(command, options.threads);
}

// What only compile and run show.
void add_view_options(CLI::App& command, ViewOptions& views) {
  add_request_options(command, views, {"save-quantizer", "save-program"});
  command.get_option("--report")->check(CLI::IsMember({"xfdnn", "dory"}));
}

void add_run(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("run", "compile, simulate, compare with golden, report");
  RunOptions& options = commands.add(command, run);
  add_network_options(command, options, {"target"});
  add_view_options(command, options.views);
  command.get_option("model")->required(false);  // a program alone runs with seeded weights
  command.get_option("--program")->excludes("--schedule")->excludes("--schedule-file");
  command.get_option("--weights")
      ->description(command.get_option("--weights")->get_description() +
                    "; with --program alone: the same as the model");
  command.add_option("--quantization", options.request.quantizer_table,
                     "with --program: the same as --quantizer-json");
  const std::map<std::string, bool> on_off{{"on", true}, {"off", false}};
  command.add_option("--golden", options.golden, "on or off: compare with the golden model")
      ->transform(one_of(on_off))
      ->option_text("on|off");
  command.add_flag("--timing-only", options.timing_only,
                   "PULP: cycles and hazards without computing values");
  command.add_flag(
      "--explain-bound", options.explain_bound,
      "what the machine cannot do faster, per layer and resource, and what holds the rest");
  command
      .add_option("--tier", options.tier,
                  "transaction (default), or detailed, PULP: the cores' instructions, of the "
                  "application that --emit-c writes (docs/detailed-tier.md)")
      ->check(CLI::IsMember({"transaction", "detailed"}));
  add_request_options(command, options.files);
  command.add_flag("--deterministic", options.deterministic, "leave wall times out");
  command.add_flag("--brief", options.brief, "print totals, not every layer");
  command.add_flag("--advise", options.advise,
                   "what would help: the machine's knobs doubled and halved, by the analytic tier");
  command.get_option("--advise")->excludes("--program");
}

void add_compile(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("compile", "compile and show what the machine would run");
  CompileCommandOptions& options = commands.add(command, compile);
  add_network_options(command, options, {"target", "program", "technology"});
  add_view_options(command, options.views);
  command.add_option("-o,--output", options.views.save_program, "the same as --save-program");
  command.add_flag("--dump-schedules", options.dump_schedules,
                   "rank the schedules of every sub-graph by time and space");
}

void add_verify(CLI::App& app, Commands& commands) {
  CLI::App& command =
      *app.add_subcommand("verify", "compare a simulation with external golden tensors");
  VerifyOptions& options = commands.add(command, verify);
  add_network_options(command, options, {"target", "program", "technology", "save-optimized"});
  command.get_option("--input")->required();
  command.add_option("--expect", options.expect, ".npy, .npz, .pb or a folder of them")->required();
  command.add_option("--atol", options.absolute_tolerance, "absolute tolerance of float tensors")
      ->check(not_negative());
  command.add_option("--rtol", options.relative_tolerance, "relative tolerance of float tensors")
      ->check(not_negative());
}

// Neither runs a network on an input, nor a program that was compiled before.
void add_quantization_options(CLI::App& command, QuantizationOptions& options,
                              std::vector<std::string_view> but) {
  but.insert(but.end(),
             {"calibration", "calibration-limit", "input", "preprocess", "resize", "dims",
              "transpose", "channel-swap", "raw-scale", "mean-value", "input-scale",
              "quantizer-json", "program", "technology", "dump-passes", "save-optimized"});
  add_request_options(command, options.request, but);
  command.get_option("model")->required();
  command.get_option("--hw")->description(
      "machine: a YAML file or a shipped name (default: that of the target: v3_96, gap8)");
  command.get_option("--target")
      ->check(CLI::IsMember({"xdnn", "pulp", "none"}))
      ->description("xdnn, pulp, or none: no hardware (default: the family of --hw, without it " +
                    options.target_without_machine + ")");
  add_request_options(command, options.calibration);
  command.get_option("--calibration-size")->check(positive());
  add_thread_option(command, options.threads);
}

void add_quantize(CLI::App& app, Commands& commands) {
  CLI::App& command =
      *app.add_subcommand("quantize", "decide the codes of every tensor, write a quantized model");
  QuantizeCommandOptions& options = commands.add(command, quantize);
  add_quantization_options(command, options.quantization,
                           {"no-host", "schedule", "schedule-file", "tiler", "norm-bits"});
  command.add_option("-o,--output", options.output, "ONNX file to write");
  command
      .add_option("--format", options.format,
                  "qdq (default), qoperator: QLinearConv and the like, or nemo: --target pulp, "
                  "for DORY")
      ->check(CLI::IsMember({"qdq", "qoperator", "nemo"}));
  command.add_option("--save-quantizer", options.save_quantizer,
                     "write thresholds and scales as the scheme's own tool does (JSON)");
  command.add_option("--dump-reference", options.dump_reference,
                     "folder for every tensor of the model written, of the first image, as .npy");
  command.add_option("--compare", options.compared_images,
                     "images on which lowering is compared with the scheme (default: 1)");
}

void add_accuracy(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "accuracy", "score the float and the integer network on labelled images, explain the loss");
  AccuracyCommandOptions& options = commands.add(command, accuracy);
  add_quantization_options(command, options.quantization, {});
  command
      .add_option("--quantizer-json", options.quantization.request.quantizer_table,
                  "xDNN: thresholds and scales of this file, as the xfDNN quantizer writes it")
      ->excludes("--scheme")
      ->group(group_of(Stage::Quantized));
  command.add_option("--images", options.images, "labelled images: a folder, a batch, .npz")
      ->required();
  command.add_option("--labels", options.labels, "FILE <tab> CLASS a line (default: labels.tsv)");
  command.add_option("--limit", options.limit, "score at most that many images")->check(positive());
  command.add_option("--golden-images", options.golden_images,
                     "compare that many with the golden model, value by value (default: 1)");
  command.add_flag("--brief", options.brief, "classes only, no layers");
  command.add_option("--json", options.json, "write the report as JSON");
  command.add_option("--html", options.html, "write the report as one self-contained page");
}

void add_retrain(CLI::App& app, Commands& commands, std::vector<std::string> arguments) {
  CLI::App& command = *app.add_subcommand(
      "retrain", "train thresholds and weights through the quantizers, write a quantized model");
  RetrainCommandOptions& options = commands.add(command, retrain);
  options.arguments = std::move(arguments);
  add_quantization_options(command, options.quantization,
                           {"schedule", "schedule-file", "tiler", "norm-bits"});
  command.add_option("--train", options.train, "images to train with: a folder, a batch, .npz")
      ->required();
  command.add_option("--validate", options.validate,
                     "images to look at, which choose the best (default: a tenth of --train, not "
                     "trained with)");
  command.add_option("--test", options.test, "images to score at the end, which choose nothing");
  command
      .add_option("--train-limit", options.train_limit,
                  "train with that many, chosen by --shuffle-seed")
      ->check(positive());
  command.add_option("--validate-limit", options.validate_limit, "look at the first that many")
      ->check(positive())
      ->needs("--validate");
  command
      .add_option("--trains", options.mode, "what is trained: both (default), thresholds, weights")
      ->check(CLI::IsMember({"both", "thresholds", "weights"}));
  command
      .add_option("--loss", options.loss,
                  "distill (default): what the float network says of the images; labels: their "
                  "classes; both: the mean of the two")
      ->check(CLI::IsMember({"labels", "distill", "both"}));
  command
      .add_option("--augment", options.augment,
                  "how images are shown, a list with commas: shift (by up to an eighth), flip "
                  "(mirrored one time in two), noise, mix (blended with another, with --loss "
                  "distill); or none; default: shift,flip, with classes shift")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--epochs", options.epochs, "times through the images (default: 10)")
      ->check(positive());
  command.add_option("--batch-size", options.batch, "images a step (default: 64)")
      ->check(positive());
  command.add_option("--shuffle-seed", options.seed, "of the order of images (default: 1)");
  command
      .add_option("--weight-rate", options.weight_rate,
                  "Adam's, of weights, over the root mean square of each constant (default: " +
                      weight_rates_text() + ")")
      ->check(not_negative());
  command
      .add_option("--threshold-rate", options.threshold_rate,
                  "Adam's, of log2 of the thresholds (default: 1e-2)")
      ->check(not_negative());
  command
      .add_option("--look-every", options.look_every,
                  "steps between looks at the validation images (default: 1000, or an epoch)")
      ->check(positive());
  command.add_option("-o,--output", options.output, "ONNX file to write")->required();
  command.add_option("--format", options.format, "as of quantize (default: qdq)")
      ->check(CLI::IsMember({"qdq", "qoperator", "nemo"}));
  command.add_option("--checkpoint", options.checkpoint,
                     "where training goes on from when interrupted (default: OUTPUT.checkpoint)");
  command.add_option("--golden-images", options.golden_images,
                     "compare codes of that many with the golden model (default: 1)");
  command.add_option("--device", options.device, "of libtorch: cpu (default), cuda, cuda:1");
  command.add_option("--json", options.json, "write curves and figures as JSON");
  command.add_option("--html", options.html, "write them as one self-contained page");
}

void add_search_bits(CLI::App& app, Commands& commands, std::vector<std::string> arguments) {
  CLI::App& command = *app.add_subcommand(
      "search-bits", "widths of codes, layer by layer, that lose least for what they cost");
  SearchBitsOptions& options = commands.add(command, search_bits);
  options.arguments = std::move(arguments);
  add_quantization_options(command, options.quantization,
                           {"weight-bits", "activation-bits", "layer"});
  command.get_option("--hw")->description("a PULP machine (default: gap8)");
  command
      .add_option("--objective", options.objectives,
                  "accuracy, and cycles (default), energy, l3_bytes, dma_bytes, external_bytes or "
                  "weight_bytes; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--constraint", options.constraints,
                  "METRIC <= NUMBER, also weight_bytes; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--points", options.points, "of the front, to simulate (default: 8)")
      ->check(whole_number(1, 1000));
  command.add_option("--images", options.images, "labelled images to score the points with");
  command.add_option("--labels", options.labels, "FILE <tab> CLASS a line (default: labels.tsv)");
  command.add_option("--limit", options.limit, "score at most that many images")->check(positive());
  command.add_option("-o,--output", options.output,
                     "folder for a recipe file of each point, for --scheme");
  CLI::Option& retrain =
      *command.add_flag("--retrain", options.retrain,
                        "train the points of the front, score them again (docs/retrain.md)");
  CLI::Option& train = *command.add_option("--train", options.train, "images to train with");
  retrain.needs(&train)->needs("--images");
  train.needs(&retrain);
  command.add_option("--epochs", options.epochs, "times through those images (default: 10)")
      ->check(positive())
      ->needs(&retrain);
  command.add_flag("--brief", options.brief, "points, not every width");
  command.add_option("--json", options.json, "write the report as JSON");
  command.add_option("--html", options.html, "write the report as one self-contained page");
}

void add_workload(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("workload", "list the zoo, or write a network as ONNX");
  WorkloadCommandOptions& options = commands.add(command, workload);
  command.add_option("name", options.model.name, "network");
  command.add_flag("--list", options.list, "list all networks");
  command.add_option("-o,--output", options.output, "ONNX file to write");
  add_request_options(command, options.model, {"model", "shape", "weights"});
}

void add_inspect(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "inspect", "what a model file is, what it needs, where each operator would run");
  InspectOptions& options = commands.add(command, inspect);
  add_request_options(command, options.request,
                      {"program", "technology", "dump-passes", "save-optimized"});
  command.get_option("model")->required();
}

void add_convert(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("convert", "write a model of any format as ONNX");
  ConvertOptions& options = commands.add(command, convert);
  add_request_options(command, options.model, {"width", "resolution", "seed"});
  command.get_option("model")->required();
  command.add_option("-o,--output", options.output, "ONNX file to write")->required();
}

void add_evaluate(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "evaluate", "the network in floating point, compared with arrays of other tools");
  EvaluateCommandOptions& options = commands.add(command, evaluate);
  EvaluationRequest& request = options.request;
  add_request_options(command, request.model, {});
  command.get_option("model")->required();
  command.add_option(
      "--input", request.inputs,
      "arrays or images in the order of the inputs, .npy or .pb, or one .npz (default: seeded)");
  command.add_option("--preprocess", request.preprocessing,
                     "file that says how images become input (default: MODEL.preprocess.yaml)");
  add_request_options(command, request.steps);
  command.add_option("--expect", request.expected, "the same of the outputs");
  command.add_flag("--optimized", request.passes, "evaluate what the float passes make of it");
  command
      .add_option("--integers", request.integers,
                  "TensorFlow Lite: in the file's integers, rescaled with this rounding; twice is "
                  "TensorFlow Lite Micro's")
      ->check(CLI::IsMember({"twice", "once"}));
  command.add_option("-o,--output", options.output, "folder for input_K.npy and output_K.npy");
  add_thread_option(command, options.threads);
}

void add_listing_options(CLI::App& command, ListingOptions& options, const std::string& what) {
  command.add_option("file", options.file, what)->required();
  command.add_option("-o,--output", options.output, "file to write (default: standard output)");
  command.add_option("--format", options.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

void add_asm(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("asm", "check a program's text and write its JSON");
  ListingOptions& options = commands.add(command, assemble);
  options.format = "json";
  add_listing_options(command, options, "program as text or JSON");
}

void add_disasm(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("disasm", "print a program as text");
  ListingOptions& options = commands.add(command, disasm);
  add_listing_options(command, options, "file written by --save-program, or JSON, or text");
  command.add_flag("--explain", options.explain, "every field that is set, in words");
}

void add_isa(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand("isa", "print the reference of an instruction set");
  IsaOptions& options = commands.add(command, isa);
  command.add_option("family", options.family, "xdnn or pulp")
      ->required()
      ->check(CLI::IsMember({"xdnn", "pulp"}));
}

void add_preprocess(CLI::App& app, Commands& commands) {
  CLI::App& command =
      *app.add_subcommand("preprocess", "how images become input: show it, write it, do it");
  PreprocessCommandOptions& options = commands.add(command, preprocess);
  add_request_options(command, options.model, {});
  command.get_option("model")->required();
  command.add_option("--preprocess", options.preprocess,
                     "file with the steps (default: MODEL.preprocess.yaml, else an example)");
  add_request_options(command, options.steps);
  command.add_flag("--write", options.write, "write the steps to MODEL.preprocess.yaml");
  command.add_flag("--force", options.force, "over a file that is there")->needs("--write");
  command.add_option("--input", options.image, "an image to take through the steps");
  command.add_option("-o,--output", options.output, "the array that it becomes, .npy");
}

void add_allocate(CLI::App& app, Commands& commands) {
  CLI::App& command =
      *app.add_subcommand("allocate", "find addresses for buffers that live at given times");
  AllocateOptions& options = commands.add(command, allocate);
  command.add_option("problem", options.problem, "CSV with the columns id, lower, upper, size")
      ->required();
  command.add_option("--capacity", options.capacity, "bytes of memory: 1048576, 1024k or 1M")
      ->required();
  command.add_option("--bucket", options.bucket,
                     "the memory is in equal parts of that many bytes, one buffer in each");
  command.add_flag("--minimize", options.minimize, "find the smallest extent there is");
  command.add_option("--strategy", options.strategy,
                     "exact (default), all, or bysize, bottom, top, tops, bottle, bottles, xXx, "
                     "shuffle, flip");
  command.add_option("--seed", options.seed, "of the random strategies bottle, bottles, xXx");
  command.add_option("--nodes", options.node_limit, "how far to search: buffers placed")
      ->check(positive());
  command.add_option("-o,--output", options.output, "CSV file to write instead of printing");
}

void add_results(CLI::App& app, Commands& commands) {
  CLI::App& command =
      *app.add_subcommand("results", "list, filter and export what a results store has");
  ResultsOptions& options = commands.add(command, results);
  command.add_option("run", options.run, "number of a run, or last (default: list the runs)");
  command.add_option("--store", options.store, "results store (default: workbench.db)");
  command.add_flag("--all", options.all, "points of all runs")->excludes("run");
  command.add_option("--point", options.point, "one point: its key, or how that begins")
      ->excludes("run");
  command
      .add_option("--where", options.query.where,
                  "NAME=VALUE, NAME<=VALUE, ...: parameter, metric or column; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--status", options.status, "ok, infeasible or failed")
      ->check(CLI::IsMember({"ok", "infeasible", "failed"}));
  command.add_option("--tier", options.tier, "analytic or transaction")
      ->check(CLI::IsMember({"analytic", "transaction"}));
  command.add_option("--network", options.network, "as it was named, or its file's name");
  command.add_option("--machine", options.machine, "as it was named, or its file's name");
  command.add_option("--columns", options.query.columns, "NAME,NAME,... to show")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--sort", options.query.sort, "column to sort by; -NAME: descending");
  command.add_flag("--layers", options.layers, "a row per layer instead of per point");
  command.add_option("--csv", options.csv, "write all columns as CSV");
  command.add_option("--json", options.json, "write all columns as JSON");
  command.add_option("--salvage", options.salvage,
                     "keep what can be read of a damaged store in this new file");
}

void add_study_options(CLI::App& command, SweepCommandOptions& options) {
  command.add_option("what", options.what,
                     "study file (.yaml, docs/sweep.md), networks: ONNX files, zoo:NAME");
  command
      .add_option("--hw", options.machines, "machine: a file or a shipped name; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--set", options.settings,
                  "NAME=VALUES: 1,2,4 or 16k..128k:x2 (times 2), 2..16:2 (plus 2), 0..1:n5 (5 in "
                  "all); options of run, or knobs of the machine; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--where", options.conditions,
                  "leave out points for which this does not hold: 'l1 * cores <= 512k'")
      ->allow_extra_args(false);
  command
      .add_option("--objective", options.objectives,
                  "'min METRIC' or 'max METRIC' (default: min cycles, between clocks min "
                  "latency_ms); may be "
                  "repeated")
      ->allow_extra_args(false);
  command
      .add_option("--constraint", options.constraints,
                  "'METRIC <= NUMBER': what breaks it is on no front; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--name", options.name, "of the sweep, in reports and in the store");
}

void add_execution_options(CLI::App& command, SweepCommandOptions& options) {
  command.add_option("--tier", options.tier, "analytic (default), or transaction: simulate all")
      ->check(one_of_names({"analytic", "transaction"}));
  command.add_flag("--refine", options.refine,
                   "simulate the Pareto front and its neighbours, compare with golden");
  command.add_option("--neighbours", options.neighbours, "steps around the front (default: 1)")
      ->check(whole_number(0, 1'000'000'000));
  command.add_option("--sample", options.sample, "simulate so many more, drawn at random")
      ->check(whole_number(0, 1'000'000'000));
  command.add_flag("--search", options.search,
                   "do not compute all points: search the front (NSGA-II)");
  command.add_option("--population", options.population, "of the search (default: 40)");
  command.add_option("--generations", options.generations, "of the search (default: 25)");
  command.add_option("--seed", options.seed, "of the search and of the sample (default: 1)");
  command.add_option("--store", options.store, "results, SQLite (default: ./workbench.db)");
  command.add_option("-j,--jobs", options.jobs, "processes, or tasks at once (default: CPUs)")
      ->check(whole_number(1, 1'000'000));
  command.add_option("--executor", options.executor, "local (default), or slurm")
      ->check(one_of_names({"local", "slurm"}));
  command
      .add_option("--sbatch", options.slurm.arguments,
                  "argument of sbatch, such as --partition=NAME; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--points-per-task", options.slurm.points_per_task, "of Slurm")
      ->check(whole_number(1, 1'000'000));
  command
      .add_option("--job-folder", options.job_folder,
                  "compute nothing here: write a job for sweep-worker into this folder, collect "
                  "what workers have left there (docs/scale-out.md)")
      ->excludes("--executor");
  takes_points(command.add_option(
      "--recheck", options.recheck,
      "points of each worker's file, or all, that are computed again here (default: 1)"));
  takes_points(command.add_option(
      "--recheck-stored", options.recheck_stored,
      "points that the store has already, or all, computed again here (default: 0)"));
  command.add_option("--limit", options.limit, "compute at most so many points this time")
      ->check(whole_number(0, 1'000'000'000));
  command.add_flag("--dry-run", options.dry_run, "count the points, compute none");
  command.add_flag("--parameters", options.parameters, "list what --set takes");
  command.add_flag("--metrics", options.metrics, "list what --objective and --constraint take");
  command.add_option("--csv", options.csv, "write all points as CSV");
  command.add_option("--json", options.json, "write all points with their layers as JSON");
  command.add_option("--html", options.html, "write the report as one self-contained page");
  command.add_option("--png", options.png, "write the front as a picture (by a browser)");
}

void add_sweep(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "sweep", "compute many machines, networks and options, and find the best");
  SweepCommandOptions& options = commands.add(command, sweep);
  add_study_options(command, options);
  add_execution_options(command, options);
}

void add_sweep_worker(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "sweep-worker", "compute a part of a sweep's job file, as a task of any scheduler");
  WorkerRequest& request = commands.add(command, sweep_worker);
  command.add_option("job", request.job, "job file, as sweep writes it")->required();
  command.add_option("--chunk", request.chunk, "number of the part, from 0");
  command.add_option("--chunks", request.chunks, "how many parts there are");
  command.add_option("--output", request.output,
                     "folder for finished points: chunk-K-of-N.jsonl, one line each");
  command.add_option("--store", request.store, "store for finished points, instead of --output");
}

// "2026-11-22T19:30:00Z": texts that sort as the times do.
std::string not_a_date(const std::string& text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  bool good = text.size() == kForm.size();
  for (std::size_t i = 0; good && i < kForm.size(); ++i) {
    good = kForm[i] == '0' ? std::isdigit(static_cast<unsigned char>(text[i])) != 0
                           : text[i] == kForm[i];
  }
  return good ? "" : fmt::format("expected a date as 2026-11-22T19:30:00Z, found '{}'", text);
}

void add_record(CLI::App& track, Commands& commands) {
  CLI::App& command =
      *track.add_subcommand("record", "compute every case, write a baseline of them");
  TrackRecordOptions& options = commands.add(command, track_record);
  command.add_option("suite", options.suite, "suite file (YAML, docs/track.md)")->required();
  command.add_option("--baseline,-o", options.baseline, "JSON file to write");
  command.add_option("--store", options.store, "SQLite file to add them to as a run");
  command.add_option("--name", options.name, "of the baseline (default: the suite's)");
  command.add_option("--revision", options.revision,
                     "of what is measured (default: git's of the suite's folder)");
  command.add_option("--date", options.date, "of that revision: 2026-11-22T19:30:00Z")
      ->check(not_a_date)
      ->needs("--revision");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--wall", options.wall, "time the simulator, too: runs per case, each of its own")
      ->check(whole_number(1, 1000));
}

void add_compare(CLI::App& track, Commands& commands) {
  CLI::App& command = *track.add_subcommand(
      "compare", "compute every case again; what changed, and why; exit code 1 for a regression");
  TrackCompareOptions& options = commands.add(command, track_compare);
  command.add_option("baseline", options.baseline, "JSON file; with --store: the run's name")
      ->required();
  command.add_option("suite", options.suite, "suite file (default: the baseline's own cases)");
  command.add_option("--store", options.store, "SQLite file that has the baseline: its newest");
  command.add_option("--results", options.results,
                     "compare with this baseline file instead of computing");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--set", options.settings,
                  "PARAMETER=VALUE in every case whose machine has it: what would change?")
      ->allow_extra_args(false);
  command
      .add_option("--threshold", options.gate.threshold_percent,
                  "percent that a figure may get worse by (default: 0)")
      ->check(not_negative());
  command.add_flag("--per-layer", options.gate.per_layer, "each layer's cycles must hold it, too");
  command.add_flag("--strict", options.gate.strict, "any figure that differs fails");
  command.add_option("--layers", options.layers, "layers to print per case (default: 10)");
  command.add_option("--junit", options.junit, "JUnit XML file to write");
  command.add_flag("--github", options.github, "print GitHub Actions annotations");
  command.add_option("--json", options.json, "JSON file to write");
  CLI::Option& wall =
      *command.add_option("--wall", options.wall, "time the simulator, too: runs per case")
           ->check(whole_number(1, 1000));
  CLI::Option& against =
      *command
           .add_option("--against", options.against,
                       "executable that --wall is paired with, e.g. of the last release")
           ->needs(&wall);
  command
      .add_option("--wall-threshold", options.wall_threshold,
                  "percent; fail when the simulator is slower than that for certain (95 %)")
      ->check(not_negative())
      ->needs(&against);
}

void add_report(CLI::App& track, Commands& commands) {
  CLI::App& command =
      *track.add_subcommand("report", "figures over revisions, and where they moved");
  TrackReportOptions& options = commands.add(command, track_report);
  command.add_option("baselines", options.files, "baseline files, or folders of them");
  command.add_option("--store", options.store, "SQLite file that has them");
  command.add_option("--name", options.name, "of the runs in the store (default: all)");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--json", options.json, "JSON file to write");
  command.add_option("--html", options.html, "write the history as one self-contained page");
  command.add_option("--png", options.png, "write its chart as a picture, by a Chromium");
}

void add_track(CLI::App& app, Commands& commands) {
  CLI::App& track = *app.add_subcommand(
      "track", "record figures of a suite, compare with them, show their history");
  track.require_subcommand(1);
  add_record(track, commands);
  add_compare(track, commands);
  add_report(track, commands);
}

void add_side_by_side(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "compare", "two to six runs side by side: figures, where the cycles went, layers, causes");
  CompareOptions& options = commands.add(command, compare);
  command
      .add_option("runs", options.runs,
                  "reports of run --json, or 'MACHINE NETWORK [PARAMETER=VALUE ...]' to compute")
      ->required();
  command.add_option("--layers", options.layers, "layers to print (default: 20)");
  command.add_flag_callback(
      "--no-golden", [&options] { options.golden = false; },
      "do not compare with the golden model");
  command.add_option("--json", options.json, "write all of it as JSON");
  command.add_option("--html", options.html, "write it as one self-contained page");
  add_thread_option(command, options.threads);
}

void add_validate(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "validate", "hold the models against figures of real machines: how far to trust which");
  ValidateOptions& options = commands.add(command, validate);
  command.add_option("figures", options.figures,
                     "file of figures (default: the shipped ones, docs/validation.md)");
  command.add_option("--hw", options.machine, "figures of that machine only");
  command.add_option("--networks", options.networks,
                     "folder of the networks that are files, e.g. DORY's examples");
  command.add_option("--json", options.json, "write the figures and errors as JSON");
  command.add_option("--html", options.html, "write them as one self-contained page");
}

void add_execute(CLI::App& app, Commands& commands) {
  CLI::App& command = *app.add_subcommand(
      "execute",
      "run a program of a PULP cluster instruction by instruction (docs/detailed-tier.md)");
  ExecuteOptions& options = commands.add(command, execute);
  command.add_option("program", options.program, "executable of rv32imc, with Xpulpv2 or without")
      ->required();
  command.add_option("--hw", options.machine, "PULP machine (default pulp_open)");
  command.add_option("--set", options.settings, "KEY=VALUE: another value of a machine's key")
      ->allow_extra_args(false);
  command.add_option("--files", options.files, "folder of the files that the program reads");
  command.add_option("--json", options.json, "write cycles of cores, functions and instructions");
  command.add_option("--html", options.html, "write the same as one self-contained page");
  command.add_option("--folded", options.folded,
                     "write cycles by call path, one to a line, as flame graphs are drawn of");
  command.add_option("--trace", options.trace,
                     "write calls, sleep and transfers of each core for ui.perfetto.dev");
  command.add_option("--functions", options.functions,
                     "functions and lines to list; 0: all (default 20)");
  command.add_flag("--profile", options.profile,
                   "list source lines by their cycles, of programs that are compiled with -g");
  command.add_flag("--instructions", options.instructions,
                   "list the instructions of each function");
  command.add_flag("--brief", options.brief, "print what the program prints, no more");
  command
      .add_option("--max-cycles", options.max_cycles,
                  "end with an error after so many (default 10^9; 0: never)")
      ->check(whole_number(0, 1'000'000'000'000'000));
}

// The words of "{a,b}" (CLI::IsMember) or "a|b" (one_of()).
std::vector<std::string> words_of(const CLI::Option& option) {
  if (option.get_single_name() == "hw") return shipped_machines();
  std::string text = option.get_option_text();
  char separator = '|';
  if (const std::size_t set = option.get_type_name().find('{'); set != std::string::npos) {
    text = option.get_type_name().substr(set + 1);
    text.resize(text.find('}'));
    separator = ',';
  }
  std::vector<std::string> words = CLI::detail::split(text, separator);
  return words.size() > 1 ? words : std::vector<std::string>();
}

DescribedOption described(const CLI::Option& option) {
  DescribedOption out{.meaning = option.get_description(),
                      .group = option.get_group(),
                      .words = words_of(option),
                      .positional = option.get_positional(),
                      .repeated = option.get_expected_max() > 1};
  if (out.positional) {
    out.names = {option.get_name(true)};
  } else {
    for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  }
  if (option.get_type_size_max() == 0) return out;
  const std::string type = option.get_type_name();
  out.value = !option.get_option_text().empty() ? option.get_option_text()
              : out.words.empty()               ? type.substr(0, type.find(':'))
                                                : fmt::format("{}", fmt::join(out.words, "|"));
  if (option.get_single_name() == "hw") out.value = "NAME|FILE";
  return out;
}

DescribedCommand described(const CLI::App& command, const std::string& name) {
  DescribedCommand out{.name = name.empty() ? "workbench" : name,
                       .meaning = command.get_description()};
  for (const CLI::Option* option : command.get_options()) out.options.push_back(described(*option));
  for (const CLI::App* sub : command.get_subcommands({})) {
    out.subcommands.push_back(described(*sub, (name.empty() ? "" : name + " ") + sub->get_name()));
  }
  return out;
}

void add_verbosity(CLI::App& app) {
  for (CLI::App* sub : app.get_subcommands({})) {
    if (!sub->get_subcommands({}).empty()) {
      add_verbosity(*sub);
      continue;
    }
    CLI::Option* quiet = sub->add_flag_callback(
        "--quiet", [] { set_verbosity(Verbosity::Quiet); }, "no warnings, no progress");
    sub->add_flag_callback(
           "--verbose", [] { set_verbosity(Verbosity::Verbose); }, "every stage as it begins")
        ->excludes(quiet);
  }
}

// What is generated from the command line itself, which this function therefore needs.
void add_documents(CLI::App& app, Commands& commands) {
  CLI::App& completion =
      *app.add_subcommand("completion", "print a script that completes commands and options");
  const auto shell = std::make_shared<std::string>();
  completion.add_option("shell", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  const auto program = std::make_shared<DescribedCommand>();
  commands.add(completion, [shell, program] {
    print(*shell == "bash" ? bash_completion(*program) : zsh_completion(*program));
    return 0;
  });
  CLI::App& manual = *app.add_subcommand("manual", "print the man page");
  commands.add(manual, [program] {
    print(man_page(*program));
    return 0;
  });
  add_verbosity(app);
  *program = described(app, "");
}

// 4096, 512M, 16G.
std::int64_t memory_size(const std::string& text) {
  constexpr std::string_view kUnits = "kMGT";
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::size_t unit = stop + 1 == end ? kUnits.find(*stop) : std::string_view::npos;
  const std::int64_t scale =
      unit == std::string_view::npos ? 1 : std::int64_t{1} << (10 * (unit + 1));
  const bool good = error == std::errc() && (stop == end || scale > 1) && value > 0;
  if (!good || value > std::numeric_limits<std::int64_t>::max() / scale) {
    fail("--memory-limit: expected bytes, as 4096, 512M or 16G, found '{}'", text);
  }
  return value * scale;
}

void add_memory_limit(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_subcommands([](const CLI::App*) { return true; }).empty()) {
      add_memory_limit(*command);
      continue;
    }
    const auto set = [](const std::string& text) { set_memory_limit(memory_size(text)); };
    command->add_option_function<std::string>(
        "--memory-limit", set,
        "use at most that much memory: 512M, 16G (default: half of what is free)");
  }
}

// What a command writes. Another name of a file that is read or written as well would lose it.
constexpr std::array kOutputs = {
    "--baseline", "--checkpoint",     "--csv",          "--folded",         "--graph",
    "--html",     "--json",           "--junit",        "--output",         "--png",
    "--salvage",  "--save-optimized", "--save-program", "--save-quantizer", "--trace"};

// What standard output cannot be: folders, files that are searched, a model with its preprocessing
// or its checkpoint beside it.
constexpr std::array kNotStandardOutput = {"--checkpoint",   "--dump-passes", "--dump-reference",
                                           "--dump-tensors", "--emit-c",      "--emit-runtime",
                                           "--job-folder",   "--salvage",     "--store"};
constexpr std::array kWithOutputOfMore = {"evaluate", "quantize", "retrain", "search-bits",
                                          "sweep-worker"};

template <std::size_t kCount>
bool is_named(const CLI::Option& option, const std::array<const char*, kCount>& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return option.check_name(name); });
}

bool is_output(const CLI::Option& option) { return is_named(option, kOutputs); }

bool takes_standard_output(const CLI::App& command, const CLI::Option& option) {
  const bool of_more =
      std::count(kWithOutputOfMore.begin(), kWithOutputOfMore.end(), command.get_name()) > 0;
  return !is_named(option, kNotStandardOutput) && !(of_more && option.check_name("--output"));
}

// `-`: standard output, which then has that file alone.
void find_standard_output(const CLI::App& command) {
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    const auto& values = option->results();
    if (std::count(values.begin(), values.end(), "-") == 0) continue;
    if (!takes_standard_output(command, *option)) {
      fail("{} -: cannot be standard output (./- is a file of that name)", option->get_name());
    }
    if (is_output(*option)) options.push_back(option->get_name());
  }
  if (options.size() > 1) {
    fail("{} - and {} -: expected one file for standard output", options[0], options[1]);
  }
  if (!options.empty()) leave_standard_output_to_a_file();
}

bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  namespace fs = std::filesystem;
  std::error_code none;
  if (fs::exists(a, none) && fs::exists(b, none)) {
    return fs::is_regular_file(a, none) && fs::equivalent(a, b, none);
  }
  return fs::weakly_canonical(fs::absolute(a), none) == fs::weakly_canonical(fs::absolute(b), none);
}

void require_distinct_files(const CLI::App& command) {
  struct Given {
    const CLI::Option* option;
    std::string path;
  };
  std::vector<Given> all;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& path : option->results()) {
      if (path != "-" && !path.empty()) all.push_back({option, path});
    }
  }
  for (const Given& output : all) {
    if (!is_output(*output.option)) continue;
    for (const Given& other : all) {
      if (&other == &output || !same_file(output.path, other.path)) continue;
      fail("{} {}: expected a file of its own, found that of {}", output.option->get_name(),
           output.path, other.option->get_name());
    }
  }
}

void add_commands(CLI::App& app, Commands& commands, std::vector<std::string> arguments) {
  app.require_subcommand(1);
  add_run(app, commands);
  add_compile(app, commands);
  add_verify(app, commands);
  add_quantize(app, commands);
  add_accuracy(app, commands);
  add_retrain(app, commands, arguments);
  add_search_bits(app, commands, std::move(arguments));
  add_asm(app, commands);
  add_disasm(app, commands);
  add_isa(app, commands);
  add_preprocess(app, commands);
  add_workload(app, commands);
  add_inspect(app, commands);
  add_convert(app, commands);
  add_evaluate(app, commands);
  add_allocate(app, commands);
  add_results(app, commands);
  add_sweep_worker(app, commands);
  add_sweep(app, commands);
  add_track(app, commands);
  add_side_by_side(app, commands);
  add_validate(app, commands);
  add_execute(app, commands);
  commands.add(*app.add_subcommand("ops", "list the ONNX operators that can be imported"), ops);
  commands.add(*app.add_subcommand("passes", "list the passes that --with and --without switch"),
               passes);
  add_memory_limit(app);
  add_documents(app, commands);
}

// No option means something by an empty text, which an unset variable of a script leaves.
void refuse_empty_texts(CLI::App& app) {
  const CLI::Validator not_empty{
      [](std::string& text) { return text.empty() ? "expected a value, found ''" : ""; }, ""};
  for (CLI::Option* option : app.get_options()) {
    if (option->get_type_size_max() > 0) option->check(not_empty);
  }
  for (CLI::App* sub : app.get_subcommands({})) refuse_empty_texts(*sub);
}

// Below a command: what its machines are called, calls to start from.
void add_help(CLI::App& command, const std::string& name) {
  std::string footer;
  if (const CLI::Option* machine = command.get_option_no_throw("--hw"); machine != nullptr) {
    footer += fmt::format("machines: {}\n", fmt::join(shipped_machines(), ", "));
  }
  const auto examples = examples_of(name);
  if (!examples.empty()) footer += "examples:\n";
  for (const std::string_view call : examples) footer += fmt::format("  {}\n", call);
  command.footer(footer);
  for (CLI::App* sub : command.get_subcommands({})) {
    add_help(*sub, (name.empty() ? "" : name + " ") + sub->get_name());
  }
}

// ", did you mean NAME?" where a name is near enough to be meant.
std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(word, known);
  const bool near = edit_distance(word, nearest) <= std::max<std::size_t>(2, word.size() / 4);
  return near ? fmt::format("; did you mean {}?", nearest) : "";
}

// A command or an option of the command line that there is not, for a message; empty: none.
std::string unknown_word(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::vector<std::string> commands, options;
  for (const CLI::App* sub : command->get_subcommands({})) commands.push_back(sub->get_name());
  for (const CLI::Option* option : command->get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  }
  for (const std::string& word : app.remaining(true)) {
    if (word.starts_with("-")) {
      const std::string option = word.substr(0, word.find('='));
      return fmt::format("{}: no such option of {}{}", option, command->get_display_name(),
                         suggestion(option, options));
    }
    if (commands.empty()) continue;
    return fmt::format("{}: no such command{}", word, suggestion(word, commands));
  }
  return "";
}

}  // namespace

std::function<int()> command_of(int argc, char** argv) {
  CLI::App app("Compile a CNN for an integer accelerator, simulate it, prove it, profile it.",
               "workbench");
  app.set_version_flag("--version", version_text);
  Commands commands;
  add_commands(app, commands, {argv, argv + argc});
  refuse_empty_texts(app);
  add_help(app, "");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    const int code = app.exit(help);
    return [code] { return code; };
  } catch (const CLI::ParseError& error) {
    const std::string unknown = unknown_word(app);
    fail("{}", unknown.empty() ? error.what() : unknown);
  }
  find_standard_output(commands.named(app));
  require_distinct_files(commands.named(app));
  return commands.run_of(commands.named(app));
}

}  // namespace workbench::app
