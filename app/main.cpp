// The command line: options in, one subcommand called, errors out. Only this file and those that
// subcommands.h names include the (slow) CLI11 header.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "app/commands.h"
#include "app/heap.h"
#include "app/option_checks.h"
#include "app/subcommands.h"
#include "app/terminal.h"
#include "core/error.h"

namespace workbench::app {

namespace {

constexpr int kUserError = 2;

void add_zoo_options(CLI::App& command, std::optional<double>& width,
                     std::optional<std::int64_t>& resolution, std::optional<std::uint64_t>& seed) {
  command.add_option("--width", width, "zoo:mobilenet: multiplier of the channel counts");
  command.add_option("--resolution", resolution, "zoo: input side in pixels");
  command.add_option("--seed", seed, "zoo: seed of the weights");
}

void add_machine_options(CLI::App& command, MachineOptions& options) {
  xdnn::MachineOverrides& machine = options.xdnn;
  command.add_option("--dsp", machine.dsp,
                     "width of the array: pixels (V2), channels (V3, Darius)");
  command.add_option("--bits", machine.bits, "width of codes and weights: 8, or 16 (V2, V3)");
  command.add_option("--memory", machine.memory_mb, "activation memory in MB of 2^20 bytes");
  command.add_option("--ddr", machine.ddr_mb, "DDR of an engine in MB of 2^20 bytes");
  command
      .add_option("--clock", options.clocks,
                  "NAME=MHz, may be repeated: report, array, ddr; PULP: cluster, fabric")
      ->allow_extra_args(false);
  command.add_option("--engines", machine.engines, "engines on the card, 1 to 8");
  command.add_option("--mode", machine.mode,
                     "latency, or throughput: the first layer on an array of its own (V3)");
  command
      .add_option(
          "--set", options.settings,
          "any knob of the machine file: KEY=VALUE, e.g. ddr.efficiency=0.7; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--l1", options.pulp.l1, "PULP: L1 buffer without stacks: 38000, 36k");
  command.add_option("--l2", options.pulp.l2, "PULP: L2 buffer: 380000, 512k, 1M");
  command.add_option("--cores", options.pulp.cores, "PULP: cores of the cluster, 1 to 16");
  command.add_option("--dma-width", options.pulp.dma_width, "PULP: bytes per cycle, each way");
}

void add_schedule_options(CLI::App& command, NetworkOptions& options) {
  const std::map<std::string, xdnn::ScheduleGoal> goals{{"time", xdnn::ScheduleGoal::Time},
                                                        {"space", xdnn::ScheduleGoal::Space},
                                                        {"natural", xdnn::ScheduleGoal::Natural}};
  command
      .add_option("--schedule", options.schedule,
                  "order of the layers: least time (default), least space, or as in the model")
      ->transform(one_of(goals))
      ->option_text("time|space|natural");
  command.add_option("--schedule-file", options.schedule_file,
                     "order of the layers: their names, one per line");
}

void add_pulp_options(CLI::App& command, NetworkOptions& options) {
  const std::map<std::string, pulp::Tiler> tilers{{"optimal", pulp::Tiler::Optimal},
                                                  {"dory", pulp::Tiler::Dory}};
  command
      .add_option("--tiler", options.tiler,
                  "PULP: tiles by modelled cycles (default), or by DORY's published rules")
      ->transform(one_of(tilers))
      ->option_text("optimal|dory");
  const std::map<std::string, pulp::NormBits> bits{{"auto", pulp::NormBits::Auto},
                                                   {"32", pulp::NormBits::Bits32},
                                                   {"64", pulp::NormBits::Bits64}};
  command
      .add_option("--norm-bits", options.norm_bits,
                  "PULP: width of batch norm: 32 where nothing can wrap (default), 32, or 64")
      ->transform(one_of(bits))
      ->option_text("auto|32|64");
}

void add_scheme_options(CLI::App& command, std::string& scheme,
                        std::vector<std::string>& transforms, Effort& effort, std::string& cache) {
  command.add_option("--scheme", scheme,
                     fmt::format("how to quantize: default (ours for the target), published (as "
                                 "the family's own tools), graffitist, nemo, or a recipe (see "
                                 "docs/quantization.md); without: {}",
                                 scheme.empty() ? "published" : scheme));
  command
      .add_option(
          "--transforms", transforms,
          "with --scheme graffitist: its transforms in order, as text like 'name "
          "quantize(weight_bits=-4)' or a file of them, in place of the published list; may "
          "be repeated")
      ->allow_extra_args(false);
  const std::map<std::string, Effort> efforts{
      {"fast", Effort::Fast}, {"normal", Effort::Normal}, {"best", Effort::Best}};
  command.add_option("--effort", effort, "of the default scheme: fast, normal (default), best")
      ->transform(one_of(efforts))
      ->option_text("fast|normal|best");
  command.add_option("--calibration-cache", cache,
                     "folder for what calibration measures, or none (default: $WORKBENCH_CACHE, "
                     "else ~/.cache/workbench)");
}

void add_network_options(CLI::App& command, NetworkOptions& options) {
  command.add_option("--hw", options.hw, "machine: a YAML file or a shipped name (v3_96)")
      ->required();
  add_machine_options(command, options.machine);
  command.add_option("model", options.model, "ONNX file, or zoo:NAME[?width=0.5&resolution=128]")
      ->required();
  command.add_option("--input", options.input, "input: .npy, .npz, .pb or an image");
  command.add_option("--calibration", options.calibration,
                     "calibration data: .npy, .npz, .pb or a folder of images");
  command.add_option("--calibration-limit", options.calibration_limit,
                     "use at most that many calibration samples");
  command.add_option("--preprocess", options.preprocess,
                     "how images become input (default: MODEL.preprocess.yaml)");
  command.add_option("--shape", options.shapes, "fix an input's shape: NAME=1,3,224,224")
      ->allow_extra_args(false);
  add_scheme_options(command, options.scheme, options.transforms, options.effort,
                     options.calibration_cache);
  command.add_option("--quantizer-json", options.quantizer_json,
                     "thresholds and scales to use, as the xfDNN quantizer writes them");
  command.add_option("--save-quantizer", options.save_quantizer, "write thresholds and scales");
  command.add_option("--save-program", options.save_program, "write the compiled program");
  command.add_option("--dump-passes", options.dump_passes, "folder for the graph after each pass");
  command.add_option("--with", options.with_passes, "passes to run too: NAME,NAME (see passes)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--without", options.without_passes, "passes not to run: NAME,NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_flag("--no-host", options.no_host,
                   "fail where more than classifier tail and LRN would run on the host");
  command.add_option("--threads", options.threads, "use at most that many CPUs (default: all)")
      ->check(positive());
  add_schedule_options(command, options);
  add_pulp_options(command, options);
  add_zoo_options(command, options.width, options.resolution, options.seed);
}

// What compile and run can show beside what they print anyway.
void add_view_options(CLI::App& command, NetworkOptions& options) {
  command
      .add_option(
          "--report", options.report,
          "xfdnn: schedule, minimum memory and placement as the xfDNN compiler prints them; "
          "dory: counters, tiles and check sums as DORY does")
      ->check(CLI::IsMember({"xfdnn", "dory"}));
  command.add_option("--emit-c", options.emit_c, "PULP: folder for the program as C");
  command.add_option("--graph", options.graph, "draw the compiled network: FILE.dot or FILE.svg");
  command.add_option("--save-optimized", options.save_optimized,
                     "write the network after all passes as an ONNX file");
}

void add_run(CLI::App& app, RunOptions& options) {
  CLI::App& command = *app.add_subcommand("run", "compile, simulate, compare with golden, report");
  add_network_options(command, options.network);
  add_view_options(command, options.network);
  command.get_option("model")->required(false);  // a program alone runs with seeded weights
  command
      .add_option("--program", options.program,
                  "run somebody else's program, text or JSON, instead of compiling")
      ->excludes("--schedule")
      ->excludes("--schedule-file");
  command.add_option("--weights", options.network.model, "with --program: the same as the model");
  command.add_option("--quantization", options.network.quantizer_json,
                     "with --program: the same as --quantizer-json");
  const std::map<std::string, bool> on_off{{"on", true}, {"off", false}};
  command.add_option("--golden", options.golden, "on or off: compare with the golden model")
      ->transform(one_of(on_off))
      ->option_text("on|off");
  command.add_flag("--timing-only", options.timing_only,
                   "PULP: cycles and hazards without computing values");
  command.add_option("--json", options.json, "write the report as JSON");
  command.add_option("--csv", options.csv, "write the per-layer table as CSV");
  command.add_option("--trace", options.trace, "write a timeline for ui.perfetto.dev");
  command.add_option("--html", options.html, "write the report as one self-contained page");
  command.add_option("--png", options.png, "write the page's roofline as a picture (by Chromium)");
  command.add_option("--dump-tensors", options.dump_tensors, "folder for every tensor, as .npy");
  command.add_flag("--deterministic", options.deterministic, "leave wall times out");
  command.add_flag("--brief", options.brief, "print totals, not every layer");
  command.add_option("--technology", options.technology,
                     "estimate energy and area: asic_22nm, asic_28nm, asic_40nm, asic_55nm, "
                     "fpga_16nm, a file, or default for what the machine is made in");
}

void add_verify(CLI::App& app, VerifyOptions& options) {
  CLI::App& command =
      *app.add_subcommand("verify", "compare a simulation with somebody else's golden tensors");
  add_network_options(command, options.network);
  command.get_option("--input")->required();
  command.add_option("--expect", options.expect, ".npy, .npz, .pb or a folder of them")->required();
  command.add_option("--atol", options.absolute_tolerance, "absolute tolerance of float tensors")
      ->check(not_negative());
  command.add_option("--rtol", options.relative_tolerance, "relative tolerance of float tensors")
      ->check(not_negative());
}

// The six steps of the xfDNN quantizer, named as its arguments are.
void add_preprocessing_options(CLI::App& command, QuantizationOptions& options) {
  command.add_option("--preprocess", options.preprocess,
                     "how images become input (default: MODEL.preprocess.yaml)");
  PreprocessingOptions& steps = options.steps;
  command.add_option("--resize", steps.resize, "SHORT_SIDE,CENTRE_CROP or none");
  command.add_option("--dims", steps.dims, "C,H,W of the resized image: 3,224,224");
  command.add_option("--transpose", steps.transpose, "order of H,W,C: 2,0,1");
  command.add_option("--channel-swap,--channel_swap", steps.channel_swap, "2,1,0 for BGR");
  command.add_option("--raw-scale,--raw_scale", steps.raw_scale, "pixels in [0, 1] times this");
  command.add_option("--mean-value,--mean_value", steps.mean_value, "subtracted: 104,117,123");
  command.add_option("--input-scale,--input_scale", steps.input_scale, "factor after the mean");
}

void add_quantization_options(CLI::App& command, QuantizationOptions& options) {
  command.add_option("model", options.model, "ONNX file, or zoo:NAME[?width=0.5&resolution=128]")
      ->required();
  command.add_option("--target", options.target, "xdnn (default), pulp, or none: no hardware")
      ->check(CLI::IsMember({"xdnn", "pulp", "none"}));
  command.add_option("--hw", options.hw, "machine of that family (default: v3_96, gap8)");
  add_machine_options(command, options.machine);
  add_scheme_options(command, options.scheme, options.transforms, options.effort,
                     options.calibration_cache);
  command.add_option("--calibration", options.calibration,
                     "images to calibrate with: a folder, a batch, .npy or .npz");
  command.add_option("--calibration-size", options.calibration_size, "use that many of them")
      ->check(positive());
  command.add_option("--calibration-seed", options.calibration_seed,
                     "choose them at random (default: the first by name)");
  command.add_option("--calibration-indices", options.calibration_indices,
                     "choose these of the names in ascending order: 0,4,20-29");
  command.add_flag("--skip-bad", options.skip_bad, "leave out images that cannot be used");
  add_preprocessing_options(command, options);
  command.add_option("--shape", options.shapes, "fix an input's shape: NAME=1,3,224,224")
      ->allow_extra_args(false);
  command.add_option("--with", options.with_passes, "passes to run too: NAME,NAME (see passes)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--without", options.without_passes, "passes not to run: NAME,NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--threads", options.threads, "use at most that many CPUs (default: all)")
      ->check(positive());
  add_zoo_options(command, options.width, options.resolution, options.seed);
}

void add_quantize(CLI::App& app, QuantizeCommandOptions& options) {
  CLI::App& command =
      *app.add_subcommand("quantize", "decide the codes of every tensor, write a quantized model");
  add_quantization_options(command, options.quantization);
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

void add_accuracy(CLI::App& app, AccuracyCommandOptions& options) {
  CLI::App& command = *app.add_subcommand(
      "accuracy", "score the float and the integer network on labelled images, explain the loss");
  add_quantization_options(command, options.quantization);
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

void add_workload(CLI::App& app, WorkloadCommandOptions& options) {
  CLI::App& command = *app.add_subcommand("workload", "list the zoo, or write a network as ONNX");
  command.add_option("name", options.name, "network");
  command.add_flag("--list", options.list, "list all networks");
  command.add_option("-o,--output", options.output, "ONNX file to write");
  add_zoo_options(command, options.width, options.resolution, options.seed);
}

void add_listing_options(CLI::App& command, ListingOptions& options, const std::string& what) {
  command.add_option("file", options.file, what)->required();
  command.add_option("-o,--output", options.output, "file to write (default: standard output)");
  command.add_option("--format", options.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

struct Options {
  RunOptions run;
  CompileCommandOptions compile;
  VerifyOptions verify;
  QuantizeCommandOptions quantize;
  AccuracyCommandOptions accuracy;
  ListingOptions assemble, disasm;
  WorkloadCommandOptions workload;
};

void add_commands(CLI::App& app, Options& options, Commands& commands) {
  app.require_subcommand(1);
  add_run(app, options.run);
  CLI::App& compile = *app.add_subcommand("compile", "compile and show what the machine would run");
  add_network_options(compile, options.compile.network);
  add_view_options(compile, options.compile.network);
  compile.add_option("-o,--output", options.compile.network.save_program,
                     "the same as --save-program");
  compile.add_flag("--dump-schedules", options.compile.dump_schedules,
                   "rank the schedules of every sub-graph by time and space");
  add_verify(app, options.verify);
  add_quantize(app, options.quantize);
  add_accuracy(app, options.accuracy);
  CLI::App& assemble = *app.add_subcommand("asm", "check a program's text and write its JSON");
  options.assemble.format = "json";
  add_listing_options(assemble, options.assemble, "program as text or JSON");
  CLI::App& disasm = *app.add_subcommand("disasm", "print a program as text");
  add_listing_options(disasm, options.disasm, "file written by --save-program, or JSON, or text");
  add_workload(app, options.workload);
  add_allocate(app, commands);
  add_results(app, commands);
  add_sweep_worker(app, commands);
  add_sweep(app, commands);
  add_track(app, commands);
  app.add_subcommand("ops", "list the ONNX operators that can be imported");
  app.add_subcommand("passes", "list the passes that --with and --without switch");
}

int dispatch(const CLI::App& app, const Options& options, const Commands& commands) {
  const std::string name = app.get_subcommands().front()->get_name();
  if (const auto found = commands.find(name); found != commands.end()) return found->second();
  if (name == "run") return run(options.run);
  if (name == "compile") return compile(options.compile);
  if (name == "verify") return verify(options.verify);
  if (name == "quantize") return quantize(options.quantize);
  if (name == "accuracy") return accuracy(options.accuracy);
  if (name == "asm") return assemble(options.assemble);
  if (name == "disasm") return disasm(options.disasm);
  if (name == "workload") return workload(options.workload);
  if (name == "passes") return passes();
  CHECK(name == "ops", "subcommand {}", name);
  return ops();
}

int refuse(const std::string& message) {
  std::fprintf(stderr, "workbench: %s\n", one_line(message).c_str());
  return kUserError;
}

int start(int argc, char** argv) {
  use_huge_pages();
  CLI::App app("Compile a CNN for an integer accelerator, simulate it, prove it, profile it.",
               "workbench");
  Options options;
  Commands commands;
  add_commands(app, options, commands);
  try {
    app.parse(argc, argv);
    return dispatch(app, options, commands);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  } catch (const Error& error) {
    return refuse(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return refuse(error.what());
  } catch (const std::bad_alloc&) {
    return refuse("out of memory");
  }
}

}  // namespace

}  // namespace workbench::app

int main(int argc, char** argv) { return workbench::app::start(argc, argv); }

// libsystemc brings a main() of its own that calls this one; ours takes its place.
extern "C" int sc_main(int argc, char** argv) { return workbench::app::start(argc, argv); }
