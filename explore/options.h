// Every option that a result can depend on, described once. The command line, sweeps, tracking,
// Python, the keys of all that is kept (sweep/point.h, sweep/evaluate.h) and docs/options.md are
// loops over these lists. A new option is a member of the request and its row here: a member that
// no list binds is an error of compilation, and tests/unit/options_test.cpp holds each row to its
// stage. Behind the request: images to calibrate with, and files that commands write, which only
// the command line and docs/options.md have.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/pulp/compile.h"
#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/order.h"
#include "data/image.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"

namespace workbench {

// The first stage that reads an option. Its value, and those of all later stages but the last,
// depend on it.
enum class Stage {
  Hardware,  // later stages depend on the machine that it leads to
  Imported,
  Quantized,
  Compiled,
  Reported,  // figures of a simulation, which itself has no options
  Shown,     // what is kept or written beside a result
};

// How text becomes a value where the type of the member does not say.
enum class Takes {
  Value,
  ByteCount,       // a whole number that may have k or M behind it
  Mode,            // "latency" or "throughput"
  Side,            // of an image: at least 1
  SchemeName,      // as scheme_named() knows it, a file included
  TechnologyName,  // as technology_for() knows it, a file included
  Names,           // a list: NAME,NAME on a command line, NAME+NAME or none in a point
  Repeated,        // given once for each text
};

struct Option {
  std::string_view name;  // as the command line has it, without dashes
  Stage stage;
  std::string_view meaning;       // one line, with unit
  std::string_view family = "";   // "xdnn", "pulp", or empty: both
  std::string_view without = "";  // what happens without, where the member's default does not say
  std::string_view knob = "";     // of the machine's file that it sets
  Takes takes = Takes::Value;
  bool varies = true;  // may differ between the points of a sweep
  std::string_view alias = "";
};

// Which layers a machine runs: all that it can, or, where the network goes to the host and back,
// those that are done sooner there by the model, what crosses counted (flow/partition.h).
enum class Placement { Gain, All };

// The words of an option with a closed set of values.
template <typename T>
struct Words;
template <typename T>
using WordList = std::vector<std::pair<std::string, T>>;
template <>
struct Words<Effort> {
  static WordList<Effort> all() {
    return {{"fast", Effort::Fast}, {"normal", Effort::Normal}, {"best", Effort::Best}};
  }
};
template <>
struct Words<Placement> {
  static WordList<Placement> all() { return {{"gain", Placement::Gain}, {"all", Placement::All}}; }
};
template <>
struct Words<xdnn::OrderGoal> {
  static WordList<xdnn::OrderGoal> all() {
    return {{"time", xdnn::OrderGoal::Time},
            {"space", xdnn::OrderGoal::Space},
            {"natural", xdnn::OrderGoal::Natural}};
  }
};
template <>
struct Words<pulp::Tiler> {
  static WordList<pulp::Tiler> all() {
    return {{"optimal", pulp::Tiler::Optimal}, {"dory", pulp::Tiler::Dory}};
  }
};
template <>
struct Words<pulp::NormBits> {
  static WordList<pulp::NormBits> all() {
    return {{"auto", pulp::NormBits::Auto},
            {"32", pulp::NormBits::Bits32},
            {"64", pulp::NormBits::Bits64}};
  }
};

template <typename T, typename Request>
concept RequestOf = std::same_as<std::remove_const_t<T>, Request>;

// for_each_option(request, visit) calls visit(option, member) for every option of a request, in the
// order of the documentation.

template <RequestOf<ModelSource> Source>
void for_each_option(Source& source, auto&& visit) {
  auto& [name, import, width, resolution, seed] = source;
  auto& [input_shapes, likely_shapes, weights, input_node] = import;
  visit(Option{.name = "model",
               .stage = Stage::Imported,
               .meaning = "ONNX, Caffe or TensorFlow file, or zoo:NAME[?width=0.5&resolution=128]",
               .varies = false},
        name);
  visit(Option{.name = "shape",
               .stage = Stage::Imported,
               .meaning = "fix an input's shape: NAME=1,3,224,224",
               .takes = Takes::Repeated},
        input_shapes);
  visit(Option{.name = "weights",
               .stage = Stage::Imported,
               .meaning = "of a Caffe network: its .caffemodel; without any, seeded numbers",
               .without = "the one beside it"},
        weights);
  visit(Option{.name = "input-node",
               .stage = Stage::Imported,
               .meaning = "TensorFlow: the first tensor, behind what reads files, text or sound",
               .without = "the placeholders",
               .varies = false},
        input_node);
  visit(Option{.name = "width",
               .stage = Stage::Imported,
               .meaning = "zoo:mobilenet: multiplier of the channel counts",
               .without = "1"},
        width);
  visit(Option{.name = "resolution",
               .stage = Stage::Imported,
               .meaning = "zoo: input side in pixels",
               .without = "as published",
               .takes = Takes::Side},
        resolution);
  visit(Option{.name = "seed",
               .stage = Stage::Imported,
               .meaning = "zoo: seed of the weights",
               .without = "1"},
        seed);
}

template <RequestOf<MachineOptions> Overrides>
void for_each_option(Overrides& overrides, auto&& visit) {
  auto& [on_xdnn, on_pulp, clocks, settings] = overrides;
  // Clocks and settings of the families are copies of those above.
  auto& [dsp, bits, memory_mb, ddr_mb, xdnn_clocks, engines, mode, xdnn_settings] = on_xdnn;
  auto& [l1, l2, l3, cores, dma_width, pulp_clocks, pulp_settings] = on_pulp;
  visit(Option{.name = "dsp",
               .stage = Stage::Hardware,
               .meaning = "width of the array: pixels (V2), channels (V3, Darius)",
               .family = "xdnn",
               .knob = "array.rows"},
        dsp);
  visit(Option{.name = "bits",
               .stage = Stage::Hardware,
               .meaning = "width of codes and weights: 8, or 16 (V2, V3)",
               .family = "xdnn",
               .knob = "array.bits"},
        bits);
  visit(Option{.name = "memory",
               .stage = Stage::Hardware,
               .meaning = "activation memory in MB of 2^20 bytes",
               .family = "xdnn",
               .knob = "am.size_bytes"},
        memory_mb);
  visit(Option{.name = "ddr",
               .stage = Stage::Hardware,
               .meaning = "DDR of an engine in MB of 2^20 bytes",
               .family = "xdnn",
               .knob = "ddr.size_bytes"},
        ddr_mb);
  visit(Option{.name = "engines",
               .stage = Stage::Hardware,
               .meaning = "engines on the card, 1 to 8",
               .family = "xdnn",
               .knob = "board.engines"},
        engines);
  visit(Option{.name = "mode",
               .stage = Stage::Hardware,
               .meaning = "latency, or throughput: the first layer on an array of its own (V3)",
               .family = "xdnn",
               .knob = "slice0.used",
               .takes = Takes::Mode},
        mode);
  visit(Option{.name = "l1",
               .stage = Stage::Hardware,
               .meaning = "L1 buffer without stacks in bytes, or with k, M",
               .family = "pulp",
               .knob = "l1.buffer_bytes",
               .takes = Takes::ByteCount},
        l1);
  visit(Option{.name = "l2",
               .stage = Stage::Hardware,
               .meaning = "L2 buffer in bytes, or with k, M",
               .family = "pulp",
               .knob = "l2.buffer_bytes",
               .takes = Takes::ByteCount},
        l2);
  visit(Option{.name = "l3",
               .stage = Stage::Hardware,
               .meaning = "L3 in bytes, or with k, M",
               .family = "pulp",
               .knob = "l3.size_bytes",
               .takes = Takes::ByteCount},
        l3);
  visit(Option{.name = "cores",
               .stage = Stage::Hardware,
               .meaning = "cores of the cluster, 1 to 16",
               .family = "pulp",
               .knob = "cluster.cores"},
        cores);
  visit(Option{.name = "dma-width",
               .stage = Stage::Hardware,
               .meaning = "bytes of the cluster DMA per cycle, each way",
               .family = "pulp",
               .knob = "dma.bytes_per_cycle"},
        dma_width);
  visit(Option{.name = "clock",
               .stage = Stage::Hardware,
               .meaning = "NAME=MHz, may be repeated: report, array, ddr; PULP: cluster, fabric",
               .takes = Takes::Repeated},
        clocks);
  visit(
      Option{.name = "set",
             .stage = Stage::Hardware,
             .meaning = "any knob of the machine file: KEY=VALUE, e.g. ddr.efficiency=0.7; may be "
                        "repeated",
             .takes = Takes::Repeated},
      settings);
}

template <RequestOf<PreprocessingOptions> Steps>
void for_each_option(Steps& steps, auto&& visit) {
  auto& [resize, dims, transpose, channel_swap, raw_scale, mean_value, input_scale] = steps;
  const auto step = [&](std::string_view name, std::string_view alias, std::string_view meaning,
                        auto& member) {
    visit(Option{.name = name,
                 .stage = Stage::Quantized,
                 .meaning = meaning,
                 .varies = false,
                 .alias = alias},
          member);
  };
  step("resize", "", "SHORT_SIDE,CENTRE_CROP; WIDTHxHEIGHT; stretch: to the dims; or none", resize);
  step("dims", "", "C,H,W of the resized image: 3,224,224", dims);
  step("transpose", "", "order of H,W,C: 2,0,1", transpose);
  step("channel-swap", "channel_swap", "2,1,0 for BGR", channel_swap);
  step("raw-scale", "raw_scale", "pixels in [0, 1] times this", raw_scale);
  step("mean-value", "mean_value", "subtracted: 104,117,123", mean_value);
  step("input-scale", "input_scale", "factor after the mean", input_scale);
}

template <RequestOf<DataOptions> Data>
void for_each_option(Data& data, auto&& visit) {
  auto& [calibration, input, preprocessing, steps, calibration_limit] = data;
  visit(Option{.name = "calibration",
               .stage = Stage::Quantized,
               .meaning = "calibration data: .npy, .npz, .pb or a folder of images",
               .without = "the input"},
        calibration);
  visit(Option{.name = "calibration-limit",
               .stage = Stage::Quantized,
               .meaning = "at most that many calibration samples",
               .without = "all"},
        calibration_limit);
  visit(Option{.name = "input",
               .stage = Stage::Quantized,
               .meaning = "what the network runs on: .npy, .npz, .pb or an image",
               .without = "the last calibration one"},
        input);
  visit(Option{.name = "preprocess",
               .stage = Stage::Quantized,
               .meaning = "file that says how images become input",
               .without = "MODEL.preprocess.yaml"},
        preprocessing);
  for_each_option(steps, visit);
}

// All that may be asked of a network and a machine: every stage (flow/pipeline.h) reads its part.
struct CompileRequest {
  ModelSource model;
  // "xdnn", "pulp": the machine is of that family, v3_96 or gap8 if none is named; "none": no
  // machine, to quantize and to measure accuracy alone; empty: whatever the machine is of.
  std::string target;
  std::filesystem::path machine;
  MachineOptions overrides;  // of what that file says
  DataOptions data;
  std::filesystem::path quantizer_table;  // quantizer JSON to use; empty: none
  // One of scheme_names() (quantization.h); empty: "published". All but that leave a network that
  // came quantized (QDQ, QOperator) its own codes, and so does that where the target has them.
  std::string scheme;
  std::vector<std::string> transforms;  // of the scheme "graffitist"; empty: the published ones
  Effort effort = Effort::Normal;
  // Widths of codes, of recipes; 0: the target's. `layers`: "NAME:weight-bits=4" (code_bits.h).
  int weight_bits = 0, activation_bits = 0;
  std::vector<std::string> layers;
  std::filesystem::path calibration_cache;  // folder (statistics_cache.h); empty: none
  std::filesystem::path dump_passes;        // folder; empty: no dump
  std::filesystem::path save_optimized;  // ONNX file for the network after the passes; empty: none
  PassSwitches passes;                   // which of known_passes() run
  // A saved or third-party program to run instead of compiling; empty: none. With one, the model
  // gives the weights; an xDNN program without a model gets seeded ones.
  std::filesystem::path program;
  bool allow_host = true;
  Placement placement = Placement::Gain;
  xdnn::OrderOptions schedule;        // xDNN
  std::optional<std::int64_t> batch;  // xDNN
  pulp::Tiler tiler = pulp::Tiler::Optimal;
  pulp::NormBits norm_bits = pulp::NormBits::Auto;
  std::string technology;      // for energy and area, "default": the machine's; empty: none
  bool keep_reference = true;  // float values of the run's input, for accuracy figures
};

template <RequestOf<CompileRequest> Request>
void for_each_option(Request& request, auto&& visit) {
  auto& [model, target, machine, overrides, data, quantizer_table, scheme, transforms, effort,
         weight_bits, activation_bits, layers, calibration_cache, dump_passes, save_optimized,
         passes, program, allow_host, placement, schedule, batch, tiler, norm_bits, technology,
         keep_reference] = request;
  auto& [goal, schedule_file] = schedule;
  auto& [with, without] = passes;
  visit(Option{.name = "hw",
               .stage = Stage::Hardware,
               .meaning = "machine: a YAML file or a shipped name (v3_96)",
               .varies = false},
        machine);
  visit(Option{.name = "target",
               .stage = Stage::Quantized,
               .meaning = "xdnn, pulp, or none: no hardware",
               .without = "the machine's family",
               .varies = false},
        target);
  for_each_option(overrides, visit);
  for_each_option(model, visit);
  for_each_option(data, visit);
  visit(Option{.name = "scheme",
               .stage = Stage::Quantized,
               .meaning = "how to quantize: default (ours for the target), published (as the "
                          "family's own tools), graffitist, nemo, or a recipe "
                          "(docs/quantization.md)",
               .without = "published",
               .takes = Takes::SchemeName},
        scheme);
  visit(Option{.name = "transforms",
               .stage = Stage::Quantized,
               .meaning = "with --scheme graffitist: its transforms in order, as text like 'name "
                          "quantize(weight_bits=-4)' or a file of them; may be repeated",
               .without = "the published list",
               .takes = Takes::Repeated},
        transforms);
  visit(Option{.name = "effort",
               .stage = Stage::Quantized,
               .meaning = "of searches, of the default scheme's and the compilers': fast, normal "
                          "or best"},
        effort);
  visit(Option{.name = "weight-bits",
               .stage = Stage::Quantized,
               .meaning = "of a recipe: width of weights, but for the first and the last layer",
               .without = "as wide as codes"},
        weight_bits);
  visit(Option{.name = "activation-bits",
               .stage = Stage::Quantized,
               .meaning =
                   "of a recipe: width of activations, but for inputs and results (PULP, none)",
               .without = "the target's"},
        activation_bits);
  visit(Option{.name = "layer",
               .stage = Stage::Quantized,
               .meaning = "of a recipe: widths of one layer's weights and result, "
                          "NAME:weight-bits=4,activation-bits=8; may be repeated",
               .takes = Takes::Repeated},
        layers);
  visit(Option{.name = "with",
               .stage = Stage::Quantized,
               .meaning = "passes to run too (see passes)",
               .takes = Takes::Names},
        with);
  visit(Option{.name = "without",
               .stage = Stage::Quantized,
               .meaning = "passes not to run",
               .takes = Takes::Names},
        without);
  visit(Option{.name = "calibration-cache",
               .stage = Stage::Shown,
               .meaning = "folder for what calibration measures, or none",
               .without = "$WORKBENCH_CACHE, else ~/.cache/workbench",
               .varies = false},
        calibration_cache);
  visit(Option{.name = "quantizer-json",
               .stage = Stage::Quantized,
               .meaning = "file with thresholds and scales, as the xfDNN quantizer writes it",
               .family = "xdnn"},
        quantizer_table);
  visit(Option{.name = "no-host",
               .stage = Stage::Quantized,
               .meaning = "fail where more than classifier tail and LRN would run on the host",
               .varies = false},
        allow_host);
  visit(Option{.name = "placement",
               .stage = Stage::Quantized,
               .meaning = "of a network that goes to the host and back the machine runs what it is "
                          "modelled to gain by (gain), or all that it can (all)"},
        placement);
  visit(
      Option{.name = "schedule",
             .stage = Stage::Compiled,
             .meaning = "order of the layers: least time, least space, or natural: as in the model",
             .family = "xdnn"},
      goal);
  visit(Option{.name = "schedule-file",
               .stage = Stage::Compiled,
               .meaning = "file with the order of the layers, one name per line",
               .family = "xdnn"},
        schedule_file);
  visit(Option{.name = "batch",
               .stage = Stage::Compiled,
               .meaning = "images that a program computes at once, 1 to 16, each with an input of "
                          "its own",
               .family = "xdnn",
               .without = "1"},
        batch);
  visit(Option{.name = "tiler",
               .stage = Stage::Compiled,
               .meaning = "tiles by modelled cycles (optimal) or by DORY's published rules (dory)",
               .family = "pulp"},
        tiler);
  visit(Option{.name = "norm-bits",
               .stage = Stage::Compiled,
               .meaning = "width of batch norm: 32, 64, or auto: 32 where nothing can wrap",
               .family = "pulp"},
        norm_bits);
  visit(Option{.name = "program",
               .stage = Stage::Imported,
               .meaning = "program of another tool, text or JSON, to run instead of compiling",
               .varies = false},
        program);
  visit(Option{.name = "technology",
               .stage = Stage::Reported,
               .meaning = "what the machine is made in, for energy and area: asic_22nm, asic_28nm, "
                          "asic_40nm, asic_55nm, fpga_16nm, a file, or default",
               .takes = Takes::TechnologyName},
        technology);
  visit(Option{.name = "dump-passes",
               .stage = Stage::Shown,
               .meaning = "folder for the graph after each pass",
               .varies = false},
        dump_passes);
  visit(Option{.name = "save-optimized",
               .stage = Stage::Shown,
               .meaning = "write the network after all passes as an ONNX file",
               .varies = false},
        save_optimized);
  (void)keep_reference;  // a command's own choice
}

// Images that quantize and accuracy calibrate with, and how they become input.
struct CalibrationOptions {
  std::filesystem::path images;
  std::size_t size = 0;               // 0: all
  std::optional<std::uint64_t> seed;  // none: the first
  std::string indices;                // parse_indices() of data/image_set.h
  bool skip_bad = false;
  std::filesystem::path preprocess;
  PreprocessingOptions steps;  // the six of the xfDNN quantizer, named as its arguments are
};

template <RequestOf<CalibrationOptions> Calibration>
void for_each_option(Calibration& calibration, auto&& visit) {
  auto& [images, size, seed, indices, skip_bad, preprocess, steps] = calibration;
  visit(Option{.name = "calibration",
               .stage = Stage::Quantized,
               .meaning = "images to calibrate with: a folder, a batch, .npy or .npz",
               .varies = false},
        images);
  visit(Option{.name = "calibration-size",
               .stage = Stage::Quantized,
               .meaning = "use that many of them",
               .varies = false},
        size);
  visit(Option{.name = "calibration-seed",
               .stage = Stage::Quantized,
               .meaning = "choose them at random",
               .without = "the first by name",
               .varies = false},
        seed);
  visit(Option{.name = "calibration-indices",
               .stage = Stage::Quantized,
               .meaning = "choose these of the names in ascending order: 0,4,20-29",
               .varies = false},
        indices);
  visit(Option{.name = "skip-bad",
               .stage = Stage::Quantized,
               .meaning = "leave out images that cannot be used",
               .varies = false},
        skip_bad);
  visit(Option{.name = "preprocess",
               .stage = Stage::Quantized,
               .meaning = "how images become input",
               .without = "MODEL.preprocess.yaml",
               .varies = false},
        preprocess);
  for_each_option(steps, visit);
}

// What compile, run and verify write and print of a compiled network.
struct ViewOptions {
  std::filesystem::path save_quantizer, save_program;
  std::string report;                          // "xfdnn", "dory", or empty: neither
  std::filesystem::path emit_c, emit_runtime;  // folders
  std::filesystem::path graph;                 // .dot or .svg
};

template <RequestOf<ViewOptions> Views>
void for_each_option(Views& views, auto&& visit) {
  auto& [save_quantizer, save_program, report, emit_c, emit_runtime, graph] = views;
  visit(Option{.name = "save-quantizer",
               .stage = Stage::Shown,
               .meaning = "write thresholds and scales",
               .varies = false},
        save_quantizer);
  visit(Option{.name = "save-program",
               .stage = Stage::Shown,
               .meaning = "write the compiled program",
               .varies = false},
        save_program);
  visit(Option{.name = "report",
               .stage = Stage::Shown,
               .meaning = "xfdnn: schedule, minimum memory and placement as the xfDNN compiler "
                          "prints them; dory: counters, tiles and check sums as DORY does",
               .varies = false},
        report);
  visit(Option{.name = "emit-c",
               .stage = Stage::Shown,
               .meaning = "folder for the program as an application in C",
               .family = "pulp",
               .varies = false},
        emit_c);
  visit(Option{.name = "emit-runtime",
               .stage = Stage::Shown,
               .meaning = "folder for the program as files for the card's runtime",
               .family = "xdnn",
               .varies = false},
        emit_runtime);
  visit(Option{.name = "graph",
               .stage = Stage::Shown,
               .meaning = "draw the compiled network: FILE.dot or FILE.svg",
               .varies = false},
        graph);
}

// What run writes of a simulation.
struct RunFiles {
  std::filesystem::path json, csv, trace, html, png, dump_tensors;
};

template <RequestOf<RunFiles> Files>
void for_each_option(Files& files, auto&& visit) {
  auto& [json, csv, trace, html, png, dump_tensors] = files;
  const auto file = [&](std::string_view name, std::string_view meaning, auto& member) {
    visit(Option{.name = name, .stage = Stage::Shown, .meaning = meaning, .varies = false}, member);
  };
  file("json", "write the report as JSON", json);
  file("csv", "write the per-layer table as CSV", csv);
  file("trace", "write a timeline for ui.perfetto.dev", trace);
  file("html", "write the report as one self-contained page", html);
  file("png", "write the page's roofline as a picture (by Chromium)", png);
  file("dump-tensors", "folder for every tensor, as .npy", dump_tensors);
}

// Whether its value may name a file or a folder, whose contents are then what counts.
template <typename T>
constexpr bool may_name_file(const Option& option, const T&) {
  return std::same_as<T, std::filesystem::path> ||
         std::same_as<T, std::optional<xdnn::OrderFile>> || option.takes == Takes::SchemeName ||
         option.takes == Takes::TechnologyName;
}

// What is without the option, whose member has its default value.
template <typename T>
std::string default_text(const Option& option, const T& member) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [word, value] : Words<T>::all()) {
      if (value == member) return word;
    }
  }
  if constexpr (std::same_as<T, std::string>) {
    if (!member.empty()) return member;
  }
  return std::string(option.without);
}

}  // namespace workbench
