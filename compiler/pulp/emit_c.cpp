// The names are those of DORY's applications where they have one (docs/facts/pulp.md 3.6).
#include "compiler/pulp/emit_c.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "compiler/pulp/c_runtime.h"
#include "compiler/pulp/c_size.h"
#include "compiler/pulp/c_tables.h"
#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/turns.h"
#include "compiler/pulp/fabric/values.h"
#include "compiler/pulp/l2_plan.h"
#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/layer_runs.h"
#include "isa/pulp/loops.h"

namespace workbench::pulp {

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

// A step of the host that has layers before and behind it.
bool is_between(const Program& program, const HostStep& step) {
  return step.before > 0 && step.before < std::ssize(program.instructions) && !step.nodes.empty();
}

template <typename Code>
std::vector<std::uint32_t> codes_as(const Tensor& tensor) {
  const auto values = tensor.values<Code>();
  std::vector<std::uint32_t> codes;
  codes.reserve(values.size());
  for (const Code value : values) {
    codes.push_back(static_cast<std::uint32_t>(static_cast<std::int32_t>(value)));
  }
  return codes;
}

std::vector<std::uint32_t> codes_of(const Tensor& tensor) {
  switch (tensor.type()) {
    case ElementType::Int8:
      return codes_as<std::int8_t>(tensor);
    case ElementType::Uint8:
      return codes_as<std::uint8_t>(tensor);
    case ElementType::Int16:
      return codes_as<std::int16_t>(tensor);
    case ElementType::Uint16:
      return codes_as<std::uint16_t>(tensor);
    case ElementType::Int64:  // indices: they fit
      return codes_as<std::int64_t>(tensor);
    case ElementType::Bool:
      return codes_as<bool>(tensor);
    case ElementType::Int32:
      return codes_as<std::int32_t>(tensor);
    case ElementType::Float32: {  // their bits
      std::vector<std::uint32_t> bits(static_cast<std::size_t>(tensor.size()));
      std::memcpy(bits.data(), tensor.data(), 4 * bits.size());
      return bits;
    }
    default:
      CHECK(false, "codes of {}", to_string(tensor.type()));
  }
}

// Codes of a value as their place holds them, pixels one after the other.
std::string packed_bytes(const Tensor& tensor, const TensorPlace& place) {
  const std::vector<std::uint32_t> values = codes_of(tensor);
  const std::int64_t pixel = ceil_div(place.channels * place.bits, 8);
  std::string bytes(static_cast<std::size_t>(pixel * place.width * place.height), '\0');
  for (std::int64_t y = 0; y < place.height; ++y) {
    for (std::int64_t x = 0; x < place.width; ++x) {
      const std::int64_t begin = (y * place.width + x) * pixel;
      for (std::int64_t c = 0; c < place.channels; ++c) {
        const std::uint32_t code =
            values[static_cast<std::size_t>((c * place.height + y) * place.width + x)];
        for (std::int64_t bit = 0; bit < place.bits; ++bit) {
          const std::int64_t at = c * place.bits + bit;
          char& byte = bytes[static_cast<std::size_t>(begin + at / 8)];
          byte = static_cast<char>(byte | ((code >> bit & 1U) << (at % 8)));
        }
      }
    }
  }
  return bytes;
}

std::optional<std::string> bytes_of(const TensorPlace& place,
                                    const std::map<std::string, Tensor>& values) {
  const auto found = values.find(place.value);
  if (found == values.end()) return std::nullopt;
  if (found->second.size() != place.channels * place.height * place.width) return std::nullopt;
  return packed_bytes(found->second, place);
}

struct Sums {
  std::uint32_t sum = 0, of_sums = 0;
};
Sums sums_of(const std::string& bytes) {
  Sums sums;
  for (const char c : bytes) {
    sums.sum += static_cast<unsigned char>(c);
    sums.of_sums += sums.sum;
  }
  return sums;
}

std::string place_fields(const TensorPlace& place) {
  return fmt::format("{}, {}, {}, {}, {}, {}, {}", place.space == Space::L3 ? 1 : 0, place.address,
                     ceil_div(place.channels * place.bits, 8), place.width, place.height,
                     place.pixel_stride, place.row_stride);
}

constexpr std::int64_t kMasterStack = 3800, kLeastStack = 2048, kHeap = 256;

class Application {
 public:
  Application(const Program& program, const Machine& machine,
              const std::map<std::string, Tensor>& values, HostNodes nodes)
      : program_(program),
        machine_(machine),
        values_(values),
        runs_(layer_runs(program)),
        fabric_(fabric_work(program_, runs_, nodes == HostNodes::Computed)) {}

  CApplication emitted() {
    require_sizes();
    for (const RuntimeFile& file : runtime_files()) {
      files_.emplace_back(std::string(file.path), std::string(file.contents));
    }
    for (std::size_t i = 0; i < runs_.size(); ++i) add_layer(i);
    for (auto& file : fabric_.files) {
      turns_.push_back(file.second);
      files_.push_back(std::move(file));
    }
    const std::string inputs = tensors("inputs", fabric_.inputs);
    const std::string outputs = tensors("outputs", fabric_.outputs);
    files_.emplace_back("hex/weights.hex", program_.constants);
    if (!fabric_.constants.empty()) {
      files_.emplace_back("hex/fabric.hex", fabric_.constants);
      hex_ += " fabric.hex";
    }
    files_.emplace_back("src/network_data.c", network_text(inputs + outputs));
    files_.emplace_back("Makefile", sdk_makefile());
    files_.emplace_back("Makefile.plain", plain_makefile());
    files_.emplace_back("Makefile.host", host_makefile());
    files_.emplace_back("vars.mk", variables());
    files_.emplace_back("README.md", readme());
    return {std::move(files_), warnings()};
  }

 private:
  void require_sizes() const {
    constexpr std::int64_t kMax = std::int64_t{1} << 31;
    if (std::max({program_.l1_bytes, program_.l2_bytes, fabric_.l3_bytes}) >= kMax) {
      fail("expected memories below 2 GiB, found {} bytes of L1, {} of L2, {} of L3",
           program_.l1_bytes, program_.l2_bytes, fabric_.l3_bytes);
    }
    if (fabric_.files.empty()) return;
    const std::string obstacle =
        l3_obstacle("the program and what is computed on the fabric controller need",
                    fabric_.l3_bytes, machine_);
    if (!obstacle.empty()) fail("{}", obstacle);
  }

  // What L1 has for the tables of layers and for the stacks of all cores but core 0.
  std::int64_t l1_room() const {
    return machine_.l1.size_bytes - program_.l1_bytes - kMasterStack - kHeap;
  }
  std::int64_t other_cores() const { return std::max<std::int64_t>(1, machine_.cluster.cores - 1); }

  // The longest layer's, twice, where the stacks stay long enough; else tables are read from L2.
  std::int64_t table_room() const {
    const std::int64_t bytes = round_up(longest_table_, 8);
    return l1_room() - 2 * bytes >= other_cores() * kLeastStack ? bytes : 0;
  }

  // Bytes of each core's stack but core 0's: what L1 has left, up to as much as DORY gives it.
  std::int64_t slave_stack() const {
    constexpr std::int64_t kMost = 3200;
    const std::int64_t each = (l1_room() - 2 * table_room()) / other_cores() / 16 * 16;
    if (l1_room() < 0 || each < kLeastStack) {
      fail(
          "the buffer of {} bytes leaves too little of the {} bytes of L1 for the stacks "
          "of {} cores: expected --l1 {} or less",
          program_.l1_bytes, machine_.l1.size_bytes, machine_.cluster.cores,
          machine_.l1.size_bytes - kMasterStack - kHeap - other_cores() * kLeastStack);
    }
    return std::min(each, kMost);
  }

  // Requests to L3 that nothing has waited for, at most; a row that lies with gaps in L2 is one.
  std::int64_t l3_requests() const {
    constexpr std::int64_t kMost = 64;
    std::map<std::int64_t, std::int64_t> in_flight;  // by id
    std::int64_t now = 0, most = 1;
    for (const Instruction& instruction : program_.instructions) {
      if (const auto* transfer = std::get_if<L3Transfer>(&instruction)) {
        const std::int64_t requests = transfer->rows > 1 && transfer->l2_stride != transfer->length
                                          ? std::min(transfer->rows, kMost)
                                          : 1;
        in_flight[transfer->id] += requests;
        most = std::max(most, now += requests);
      } else if (const auto* wait = std::get_if<L3Wait>(&instruction)) {
        now -= std::exchange(in_flight[wait->id], 0);
      }
    }
    return std::min(most, kMost);
  }

  std::string name(std::size_t run) const {
    return fmt::format("layer{:02}_{}", run, c_identifier(layer_name(run)));
  }
  const std::string& layer_name(std::size_t run) const {
    return program_.info.layers[runs_[run].layer].name;
  }

  // What the layer is, as DORY's comments say it.
  std::string about(std::size_t run) const {
    const LayerInfo& info = program_.info.layers[runs_[run].layer];
    std::string text = fmt::format("// {}: {}\n", in_c_comment(info.name), in_c_comment(info.op));
    for (const LayerTiling& t : program_.tilings) {
      if (t.layer != static_cast<std::int32_t>(runs_[run].layer)) continue;
      text += fmt::format(
          "// {} tiles of {}x{}x{} (channels, rows, columns), {} slices, {} bytes of L1, {} of "
          "L2\n",
          t.l1_tiles, t.l1_out[0], t.l1_out[1], t.l1_out[2], t.l2_slices, t.l1_bytes, t.l2_bytes);
      if (!t.wide_norm.empty()) text += fmt::format("// batch norm in {}\n", t.wide_norm);
    }
    return text;
  }

  void add_layer(std::size_t run) {
    const LayerRun& range = runs_[run];
    const auto rows =
        table_of(in_loops(program_, range.begin, range.end), layer_name(run), kernels_);
    std::string text = about(run) + fmt::format(
                                        "#include \"layer.h\"\n\nconst uint8_t {}_table[] "
                                        "__attribute__((aligned(4))) = "
                                        "{{\n",
                                        name(run));
    std::size_t bytes = 0;
    for (const TableRow& row : rows) {
      text += std::string(2 + 2 * static_cast<std::size_t>(row.depth), ' ');
      for (const std::uint8_t byte : row.bytes) text += fmt::format("{},", byte);
      if (!row.comment.empty()) text += "  // " + in_c_comment(row.comment);
      text += "\n";
      bytes += row.bytes.size();
    }
    for (; bytes % 4 != 0; ++bytes) text += "  0,\n";
    table_bytes_.push_back(static_cast<std::int64_t>(bytes));
    longest_table_ = std::max(longest_table_, table_bytes_.back());
    files_.emplace_back("src/" + name(run) + ".c", text + "};\n");
  }

  // What is known to be whole at the end of a layer.
  std::string checks() {
    std::string text;
    for (const Probe& probe : program_.probes) {
      const bool piece =
          probe.value_channels != 0 && (probe.place.channels != probe.value_channels ||
                                        probe.place.height != probe.value_height);
      const std::optional<std::size_t> run = run_that_ends_with(program_, runs_, probe);
      if (piece || !run || probe.place.space == Space::L1) continue;
      const auto bytes = bytes_of(probe.place, values_);
      const Sums sums = bytes ? sums_of(*bytes) : Sums{};
      const TensorPlace& p = probe.place;
      text += fmt::format("    {{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}U, {}U}},\n",
                          c_quoted(p.value), *run, p.space == Space::L3 ? 1 : 0, bytes ? 1 : 0,
                          p.address, ceil_div(p.channels * p.bits, 8), p.width, p.height,
                          p.pixel_stride, p.row_stride, sums.sum, sums.of_sums);
      ++checks_;
      checked_.insert(*run);
    }
    return text;
  }

  std::string tensors(const std::string& what, const std::vector<TensorPlace>& places) {
    const bool in = what == "inputs";
    std::string text;
    std::size_t index = 0, count = 0;
    for (const TensorPlace& place : places) {
      const auto bytes = bytes_of(place, values_);
      if (in && !bytes) fail("input '{}' has no value", place.value);
      const std::string file =
          fmt::format("{}{}.hex", what, index == 0 ? "" : std::to_string(index));
      ++index;
      text += fmt::format("    {{{}, {}, {}}},\n", c_quoted(place.value),
                          bytes ? c_quoted(file) : "NULL", place_fields(place));
      if (bytes) {
        files_.emplace_back("hex/" + file, *bytes);
        hex_ += " " + file;
        about_files_ += fmt::format("| `hex/{}` | {} | {} |\n", file, in_c_comment(place.value),
                                    about_elements(place));
      }
      ++count;
    }
    return fmt::format("const int32_t network_{0} = {1};\nconst tensor_t {0}[] = {{\n{2}}};\n\n",
                       what, count, count == 0 ? "    {0},\n" : text);
  }

  // What the elements of a file are.
  std::string about_elements(const TensorPlace& place) const {
    const auto value = std::ranges::find(program_.host.values, place.value, &Value::name);
    const bool is_known = value != program_.host.values.end();  // else of a program by hand
    const bool in_order = is_known && place.height == 1 && place.width == 1;
    std::string text = in_order ? workbench::to_string(value->shape)
                                : fmt::format("{} rows, {} columns, {} channels", place.height,
                                              place.width, place.channels);
    if (is_known && value->type == ElementType::Float32) return text + ", float of 4 bytes";
    text += fmt::format(", {} of {} bits", place.is_signed ? "signed" : "unsigned", place.bits);
    if (!is_known || !value->quantization) return text;
    const Quantization& codes = *value->quantization;
    if (codes.thresholds.size() != 1) return text + ", a step for each channel";
    const std::int64_t zero = codes.zero_point(0);
    return text + fmt::format(", {:.9g} * {}", codes.step(0),
                              zero == 0 ? "code" : fmt::format("(code - {})", zero));
  }

  std::string network_text(const std::string& tensors) {
    std::string text = fmt::format(
        "// {} for {}: what the runtime (layer.h) asks of a network.\n#include "
        "\"layer.h\"\n#include \"pulp_nn_calls.h\"\n\n",
        in_c_comment(program_.info.network), in_c_comment(machine_.name));
    text += fmt::format("const char network_name[] = {};\n", c_quoted(program_.info.network));
    text += fmt::format(
        "const int32_t network_l1_bytes = {}, network_l2_bytes = {}, network_l3_bytes = {};\n"
        "const int32_t network_table_bytes = {}, network_l3_requests = {};\n"
        "l3_request_t l3_requests[{}];\n\n",
        program_.l1_bytes, program_.l2_bytes, fabric_.l3_bytes, table_room(), l3_requests(),
        l3_requests());
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      text += fmt::format("extern const uint8_t {}_table[];\n", name(i));
    }
    text += fmt::format("\nconst int32_t network_layers = {};\nconst layer_t layers[] = {{\n",
                        runs_.size());
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      text += fmt::format("    {{{}, {}_table, {}}},\n", c_quoted(layer_name(i)), name(i),
                          table_bytes_[i]);
    }
    if (runs_.empty()) text += "    {0},\n";
    text += "};\n\n" + parts_text() +
            "// By the index that the tables have for them.\nconst kernel_t network_kernels[] "
            "= {\n";
    for (const std::string& kernel : kernels_) text += fmt::format("    {},\n", kernel);
    if (kernels_.empty()) text += "    0,\n";
    text += "};\n\n" + tensors;
    const std::string list = checks();
    text +=
        fmt::format("const int32_t network_checks = {};\nconst check_t checks[] = {{\n{}}};\n\n",
                    checks_, checks_ == 0 ? "    {0},\n" : list);
    std::string files = weights_row("weights.hex", 0, program_.constants);
    if (!fabric_.constants.empty()) {
      files += weights_row("fabric.hex", fabric_.constants_at, fabric_.constants);
    }
    return text + fmt::format(
                      "const int32_t network_weights = {};\nconst weights_t weights[] = {{\n"
                      "{}}};\n",
                      fabric_.constants.empty() ? 1 : 2, files);
  }

  static std::string weights_row(const char* file, std::int64_t address, const std::string& bytes) {
    return fmt::format("    {{\"{}\", {}, {}U}},\n", file, address, sums_of(bytes).sum);
  }

  // Layers before each work between them, and all of them; the functions that do the work before
  // the first part, before each other, and behind the last one.
  std::string parts_text() const {
    std::set<std::size_t> ends = {runs_.size()};
    for (const HostStep& step : program_.host_steps) {
      if (is_between(program_, step)) ends.insert(run_at(runs_, step.before));
    }
    std::string list, declared, turns;
    const auto add_turn = [&](std::size_t before) {
      const auto turn = fabric_.functions.find(before);
      const bool has = turn != fabric_.functions.end();
      turns += (turns.empty() ? "" : ", ") + (has ? turn->second : "0");
      if (has) declared += fmt::format("void {}(const memories_t* memories);\n", turn->second);
    };
    if (runs_.empty()) {
      turns = "0";
    } else {
      add_turn(0);
    }
    for (const std::size_t end : ends) {
      list += fmt::format("{}{}", list.empty() ? "" : ", ", end);
      add_turn(end);
    }
    return fmt::format(
        "const int32_t network_parts = {}, network_part_ends[] = {{{}}};\n{}const turn_t "
        "network_turns[] = {{{}}};\n\n",
        ends.size(), list, declared, turns);
  }

  // Whether no code or weight has less than 8 bits.
  bool only_bytes() const {
    return std::none_of(
        program_.instructions.begin(), program_.instructions.end(),
        [](const Instruction& instruction) {
          const Kernel* k = std::get_if<Kernel>(&instruction);
          return k != nullptr && std::min({k->in_bits, k->weight_bits, k->out_bits}) < 8;
        });
  }

  std::string variables() const {
    return fmt::format(
        "# What all three Makefiles share.\nNUM_CORES = {}\nDEFINES = -DNUM_CORES=$(NUM_CORES) "
        "-DSTACK_SIZE={} -DSLAVE_STACK_SIZE={}{}\nHEX = $(addprefix hex/,weights.hex{})\n"
        "SOURCES = $(wildcard src/*.c) $(wildcard network/*.c) $(wildcard kernels/*.c)\n"
        "INCLUDES = network kernels\n",
        machine_.cluster.cores, kMasterStack, slave_stack(), only_bytes() ? " -DNN_BYTES_ONLY" : "",
        hex_);
  }

  std::string sdk_makefile() const {
    const Machine::Isa& isa = machine_.isa;
    return fmt::format(
        "# For the PULP SDK (github.com/pulp-platform/pulp-sdk): source its configuration, then\n"
        "# make clean all run. PULP_NN=folder links the library's kernels, whose sources lie\n"
        "# there, instead of ours; both are needed where our own are called as well.\n"
        "# INSN: whether the assembler has .insn. That of the SDK's gcc 7.1.1 (binutils 2.28) has\n"
        "# not, but knows Xpulp by name.\n"
        "include vars.mk\n"
        "INSN ?= {:d}\n"
        "APP = main\nAPP_SRCS = $(SOURCES)\n"
        "APP_CFLAGS += $(addprefix -I,$(INCLUDES)) -O3 -w -ffp-contract=off $(DEFINES) "
        "-DNN_XPULP\n"
        "APP_LDFLAGS += -lm\n"
        "ifdef PULP_NN\n"
        "APP_SRCS := $(filter-out kernels/pulp_nn_kernels.c,$(APP_SRCS)) "
        "$(wildcard $(PULP_NN)/src/*.c $(PULP_NN)/src/*/*.c)\n"
        "APP_CFLAGS += -I$(PULP_NN)/include -DPULP_NN_CALLS\nendif\n"
        "ifeq ($(INSN),0)\nAPP_CFLAGS += -DNN_MNEMONICS\nendif\n"
        "FLASH_FILES += $(HEX)\nREADFS_FILES += $(FLASH_FILES)\n"
        "CONFIG_HYPERRAM = 1\nCONFIG_HYPERFLASH = 1\n"
        "include $(RULES_DIR)/pmsis_rules.mk\n",
        isa.dot_4bit + isa.dot_2bit + isa.mac_load > 0);
  }

  static std::string plain_makefile() {
    return "# For a RISC-V compiler without the SDK, such as Debian's gcc-riscv64-unknown-elf "
           "with\n"
           "# picolibc-riscv64-unknown-elf: make -f Makefile.plain [XPULP=0], then\n"
           "# workbench execute main.elf --files hex. XPULP=0: no instruction beyond RV32IMC.\n"
           "# REPORT=0: layers follow each other at once, without their cycles and check sums.\n"
           "include vars.mk\n"
           "XPULP ?= 1\nREPORT ?= 1\nPLATFORM = platform\ninclude $(PLATFORM)/platform.mk\n"
           "CFLAGS = $(PULP_CFLAGS) -mno-strict-align -ffp-contract=off $(addprefix "
           "-I,$(INCLUDES)) "
           "$(DEFINES) -DARCHI_CLUSTER_NB_PE=$(NUM_CORES)\n"
           "ifeq ($(XPULP),1)\nCFLAGS += -DNN_XPULP\nendif\n"
           "ifeq ($(REPORT),0)\nCFLAGS += -DNETWORK_SILENT\nendif\n"
           "main.elf: $(SOURCES) $(PULP_RUNTIME)\n"
           "\t$(PULP_CC) $(CFLAGS) $^ $(PULP_LDFLAGS) -lm -o $@\n"
           "size: main.elf\n\triscv64-unknown-elf-size $<\n"
           "clean:\n\trm -f main.elf\n.PHONY: size clean\n";
  }

  static std::string host_makefile() {
    return "# For this machine's compiler: make -f Makefile.host run. The cores take turns. "
           "Kernels of\n"
           "# PULP-NN are called by its signatures.\n"
           "include vars.mk\n"
           "CC ?= cc\nCFLAGS ?= -O2\n"
           "main: $(SOURCES) host/pmsis.c\n"
           "\t$(CC) $(CFLAGS) -std=gnu11 -ffp-contract=off $(DEFINES) -DPULP_NN_CALLS $(addprefix "
           "-I,$(INCLUDES)) -Ihost $^ -lm -o $@\n"
           "run: main\n\t./main\nclean:\n\trm -f main\n.PHONY: run clean\n";
  }

  std::string readme() const {
    std::string text = fmt::format(
        "# {} on {}\n\nWritten by `workbench --emit-c`. {} layers, {} bytes of tables, {} bytes of "
        "constants; L1 {}, L2 {}, L3 {} bytes.\n\n",
        in_c_comment(program_.info.network), in_c_comment(machine_.name), runs_.size(),
        std::accumulate(table_bytes_.begin(), table_bytes_.end(), std::int64_t{0}),
        program_.constants.size(), program_.l1_bytes, program_.l2_bytes, fabric_.l3_bytes);
    text +=
        "| | |\n|---|---|\n"
        "| `src/layerNN_NAME.c` | a layer: transfers, waits, barriers, kernel calls, loops, as a "
        "table with a comment per command |\n"
        "| `src/network_data.c` | layers, kernels, check sums, inputs, outputs |\n"
        "| `src/fabric_NN.c` | what the fabric controller computes before layer NN, or, with the "
        "number of layers, behind all; none where the cluster runs all |\n"
        "| `network/` | main.c, network.c (buffers, weights, cluster task), layer.c (runs a "
        "table), "
        "dma.c, mem.c (RAM, flash), fabric.c (elements of tensors), pulp_nn_calls.c (PULP-NN's "
        "signatures) |\n"
        "| `kernels/` | PULP-NN's kernels and our own; `NN_XPULP` for Xpulp instructions |\n"
        "| `hex/` | bytes: weights, inputs, expected outputs; loaded from flash at the start |\n"
        "| `platform/`, `host/` | pmsis for a plain RISC-V compiler and for this machine |\n\n"
        "```\nmake clean all run                  # PULP SDK\n"
        "make -f Makefile.plain main.elf     # riscv64-unknown-elf-gcc; workbench execute main.elf "
        "--files hex\nmake -f Makefile.host run           # this machine\n```\n\n";
    text += fmt::format(
        "Each layer's tensor is summed on the way ({} tensors behind {} of {} layers; what exists "
        "in "
        "pieces only is not), and the outputs are compared byte by byte. The exit code is 0 when "
        "all "
        "is as expected, 1 when not, 2 when something does not open or fit.\n",
        checks_, checked_.size(), runs_.size());
    text += "\n| file | tensor | elements |\n|---|---|---|\n" + about_files_;
    return text + host_text();
  }

  // Of a step: nodes that are left out, or the others.
  std::string nodes_text(const HostStep& step, bool left_out) const {
    std::vector<std::size_t> nodes;
    std::ranges::copy_if(step.nodes, std::back_inserter(nodes), [&](std::size_t n) {
      return (std::ranges::find(fabric_.left_out, n) != fabric_.left_out.end()) == left_out;
    });
    return node_names(program_, nodes);
  }

  std::string host_text() const {
    std::string text;
    for (const HostStep& step : program_.host_steps) {
      const bool first = step.before <= 0 && !program_.instructions.empty();
      const std::string computed = nodes_text(step, false), rest = nodes_text(step, true);
      const std::string when =
          is_between(program_, step)
              ? fmt::format("before layer '{}'", layer_name(run_at(runs_, step.before)))
          : first ? "before the first layer"
                  : "behind the last layer";
      if (!computed.empty()) {
        text += fmt::format("\nOn the fabric controller {}: {}.\n", when, computed);
      }
      if (!rest.empty()) {
        text += fmt::format("\nNot part of the application, {} it: {}.\n",
                            first ? "before" : "behind", rest);
      }
    }
    if (!fabric_.without_c.empty()) {
      text += fmt::format("\nThere is no C for {}.\n", node_names(program_, fabric_.without_c));
    }
    const std::string obstacle = l2_obstacle();
    text += obstacle.empty() ? fmt::format(
                                   "\nIn L2 the application takes {} bytes for its buffer "
                                   "and about {} for code, tables, variables and a stack.\n",
                                   program_.l2_bytes, code_bytes())
                             : "\nL2: " + obstacle + ".\n";
    return in_comment_lines(text);
  }

  std::vector<std::string> warnings() const {
    std::vector<std::string> lines;
    if (!fabric_.without_c.empty()) {
      lines.push_back(
          fmt::format("no C for {}: left out, with what leads to it before the layers or follows "
                      "from it behind "
                      "them; README.md has the application's inputs and outputs",
                      node_names(program_, fabric_.without_c)));
    }
    if (!l2_obstacle().empty()) lines.push_back(l2_obstacle());
    return lines;
  }

  // Of all that lies in L2 beside the program's buffer.
  std::int64_t code_bytes() const {
    return estimated_l2_bytes(
        {.table_bytes = std::accumulate(table_bytes_.begin(), table_bytes_.end(), std::int64_t{0}),
         .layers = runs_.size(),
         .checks = checks_,
         .kernels = kernels_.size(),
         .turns = turns_});
  }
  std::string l2_obstacle() const {
    const std::int64_t code = code_bytes(), size = machine_.l2.size_bytes;
    if (code + program_.l2_bytes <= size) return "";
    std::string text = fmt::format(
        "the application does not fit L2, by an estimate: its buffer of {} bytes and about {} of "
        "code, tables, variables and a stack are more than the {} bytes of {}",
        program_.l2_bytes, code, size, machine_.name);
    const std::int64_t room = (size - code) / 1024;
    if (room > 0) text += fmt::format("; expected --l2 {}k or less", room);
    return text;
  }

  static std::string in_comment_lines(const std::string& text) {
    std::string result;
    for (const char c : text) result += c == '\n' ? std::string("\n") : in_c_comment({c});
    return result;
  }

  const Program& program_;
  const Machine& machine_;
  const std::map<std::string, Tensor>& values_;
  const std::vector<LayerRun> runs_;
  FabricWork fabric_;
  std::vector<std::string> kernels_;
  Files files_;
  std::vector<std::string> turns_;  // texts of fabric_.files
  std::string hex_, about_files_;
  std::vector<std::int64_t> table_bytes_;  // by run
  std::int64_t longest_table_ = 0;
  std::size_t checks_ = 0;
  std::set<std::size_t> checked_;
};

}  // namespace

CApplication emit_c(const Program& program, const Machine& machine,
                    const std::map<std::string, Tensor>& values, HostNodes nodes) {
  return Application(program, machine, values, nodes).emitted();
}

}  // namespace workbench::pulp
