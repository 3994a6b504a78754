// A Program as C in the structure of DORY's generated code (docs/facts/pulp.md 3.6): network.c
// forks once and calls one function per layer, each in a file of its own. The program's loops are
// loops in C.
#include <algorithm>
#include <map>
#include <set>

#include "compiler/pulp/compile.h"
#include "core/error.h"
#include "isa/pulp/loops.h"

namespace workbench::pulp {
namespace {

using Field = std::pair<std::string_view, std::int64_t>;

// An instruction as the name of what is called and the figures it is called with.
struct Call {
  std::string name;
  std::vector<Field> fields;
};

struct Visit {
  Call& call;
  void operator()(std::string_view name, std::int64_t value) const {
    call.fields.emplace_back(name, value);
  }
  void operator()(std::string_view name, bool value) const {
    call.fields.emplace_back(name, value ? 1 : 0);
  }
  void operator()(std::string_view, KernelKind) const {}  // in the name
};

Call call_of(const Instruction& instruction) {
  Call call;
  call.name = opcode(instruction);
  if (const auto* kernel = std::get_if<Kernel>(&instruction)) {
    call.name = fmt::format("pulp_nn_{}", to_string(kernel->kind));
  }
  std::visit([&](const auto& op) { op.fields(op, Visit{call}); }, instruction);
  return call;
}

// Values of fields that are not written.
const std::map<std::string_view, std::int64_t>& defaults(const Instruction& instruction) {
  static const auto of = [](const Instruction& plain) {
    std::map<std::string_view, std::int64_t> values;
    for (const auto& [name, value] : call_of(plain).fields) values[name] = value;
    return values;
  };
  static const std::map<std::string_view, std::int64_t> kernel = of(Kernel{}), dma = of(Dma{}),
                                                        l3 = of(L3Transfer{}), none;
  if (std::holds_alternative<Kernel>(instruction)) return kernel;
  if (std::holds_alternative<Dma>(instruction)) return dma;
  return std::holds_alternative<L3Transfer>(instruction) ? l3 : none;
}

std::string identifier(const std::string& name) {
  std::string text;
  for (const char c : name) {
    text += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return text;
}

// A figure over the loops around it.
std::string figure(std::string_view field, std::int64_t value,
                   const std::vector<Advance>& advances) {
  const auto found = std::find_if(advances.begin(), advances.end(),
                                  [&](const Advance& advance) { return advance.field == field; });
  std::string text;
  if (value != 0 || found == advances.end()) text = std::to_string(value);
  if (found == advances.end()) return text;
  for (std::size_t d = 0; d < found->steps.size(); ++d) {
    const std::int64_t step = found->steps[d];
    if (step == 0) continue;
    const char* sign = step < 0 ? "-" : "+";
    if (!text.empty()) text += fmt::format(" {} ", sign);
    text += fmt::format("{}{} * {}", text.empty() && step < 0 ? "-" : "", std::abs(step),
                        kLoopVariables[d]);
  }
  return text;
}

class LayerFile {
 public:
  LayerFile(const Program& program, std::size_t layer) : program_(program), layer_(layer) {
    const auto& layers = program.info.instruction_layer;
    const auto first = std::find(layers.begin(), layers.end(), static_cast<std::int32_t>(layer));
    auto last = first;
    while (last != layers.end() && *last == static_cast<std::int32_t>(layer)) ++last;
    entries_ = in_loops(program, static_cast<std::size_t>(first - layers.begin()),
                        static_cast<std::size_t>(last - layers.begin()));
  }

  std::string function() const {
    return fmt::format("layer_{}_{}", layer_, identifier(program_.info.layers[layer_].name));
  }

  std::string text() {
    const LayerInfo& info = program_.info.layers[layer_];
    const LayerTiling& tiling = program_.tilings[layer_];
    range(0, entries_.size());
    return fmt::format(
        "// {}: {}\n// {} tiles of {}x{}x{} (channels, rows, columns), {} slices, {} bytes of L1, "
        "{} of L2\n{}#include \"network.h\"\n\nvoid {}(void) {{\n{}}}\n",
        info.name, info.op, tiling.l1_tiles, tiling.l1_out[0], tiling.l1_out[1], tiling.l1_out[2],
        tiling.l2_slices, tiling.l1_bytes, tiling.l2_bytes, cores_text(tiling), function(), body_);
  }

 private:
  void range(std::size_t begin, std::size_t end) {
    for (std::size_t e = begin; e < end; e = next_entry(entries_, e)) {
      if (const Line* call = std::get_if<Line>(&entries_[e])) {
        line(statement(*call));
        continue;
      }
      const Loop& loop = std::get<Loop>(entries_[e]);
      line(fmt::format("for (int {0} = 0; {0} < {1}; ++{0}) {{{2}{3}", kLoopVariables[depth_],
                       loop.count, loop.over == LoopOver::Nothing ? "" : "  // ",
                       loop.over == LoopOver::Nothing ? "" : to_string(loop.over)));
      ++depth_;
      range(e + 1, next_entry(entries_, e));
      --depth_;
      line("}");
    }
  }

  std::string statement(const Line& call) const {
    const Instruction& op = call.instruction;
    if (const auto* code = std::get_if<Code>(&op)) {
      return fmt::format("// {} ({} instructions of bookkeeping)", comment(call),
                         code->instructions);
    }
    if (std::holds_alternative<Barrier>(op)) return "pi_cl_team_barrier();";
    if (std::holds_alternative<CounterStart>(op)) return "network_counter_start();";
    if (std::holds_alternative<CounterStop>(op)) {
      return fmt::format("network_counter_stop({});", layer_);
    }
    if (const auto* wait = std::get_if<DmaWait>(&op)) {
      return fmt::format("dma_wait({});", figure("id", wait->id, call.advances));
    }
    if (const auto* wait = std::get_if<L3Wait>(&op)) {
      return fmt::format("if (pi_core_id() == 0) l3_wait({});",
                         figure("id", wait->id, call.advances));
    }
    const bool l3 = std::holds_alternative<L3Transfer>(op), dma = std::holds_alternative<Dma>(op);
    return fmt::format("{}{}(&(struct {}){{{}}});  // {}", l3 ? "if (pi_core_id() == 0) " : "",
                       l3    ? "l3_copy"
                       : dma ? "dma_copy"
                             : call_of(op).name,
                       l3    ? "l3_transfer"
                       : dma ? "dma_transfer"
                             : "kernel_call",
                       arguments(call), comment(call));
  }

  static std::string arguments(const Line& call) {
    std::string text;
    for (const auto& [name, value] : call_of(call.instruction).fields) {
      const std::string written = figure(name, value, call.advances);
      // What C leaves out is 0.
      if (written == "0" && defaults(call.instruction).at(name) == 0) continue;
      text += fmt::format("{}.{} = {}", text.empty() ? "" : ", ", name, written);
    }
    return text;
  }

  // What it is for: the instruction's text without its opcode and the layer's name.
  std::string comment(const Line& call) const {
    std::string text = call.text;
    const std::string& name = program_.info.layers[layer_].name;
    const std::size_t at = text.find(name);
    if (at != std::string::npos) text.erase(0, at + name.size() + 1);
    if (text.empty()) return "layer";
    if (depth_ > 0) std::erase_if(text, [](char c) { return c == '{' || c == '}'; });
    return text;
  }

  // Why kernels are called with `cores`.
  static std::string cores_text(const LayerTiling& tiling) {
    if (tiling.cores == 0) return "";
    return fmt::format(
        "// The im2col buffers of all cores would leave no room for better tiles: {} compute{}\n",
        tiling.cores, tiling.cores == 1 ? "s" : "");
  }

  void line(const std::string& text) { body_ += std::string(2 * (depth_ + 1), ' ') + text + "\n"; }

  const Program& program_;
  std::size_t layer_, depth_ = 0;
  std::vector<Entry> entries_;
  std::string body_;
};

template <typename Op>
std::string struct_text(const char* name, const char* meaning) {
  std::string text = fmt::format("// {}\nstruct {} {{\n", meaning, name);
  for (const auto& [field, value] : call_of(Op{}).fields) {
    const bool wide = field == "multiplier" || field == "offset";
    text += fmt::format("  {} {};\n", wide ? "long long" : "int", field);
  }
  return text + "};\n\n";
}

std::string header(const Program& program, const std::vector<std::string>& functions) {
  std::string text =
      "// Addresses are offsets into the buffers of L1, L2 and L3 that the application gives.\n"
      "#pragma once\n\n#include \"pulp.h\"\n\n";
  text += fmt::format(
      "#define NETWORK_L1_BYTES {}\n#define NETWORK_L2_BYTES {}\n"
      "#define NETWORK_L3_BYTES {}\n#define NETWORK_CONSTANT_BYTES {}\n"
      "#define NETWORK_LAYERS {}\n\n",
      program.l1_bytes, program.l2_bytes, program.l3_bytes, program.constants.size(),
      program.info.layers.size());
  text += struct_text<Dma>("dma_transfer",
                           "planes x rows x lines of `length` bytes between L2 and L1; `split`: "
                           "each core issues its share");
  text += struct_text<L3Transfer>("l3_transfer", "`rows` rows of `length` bytes: L3 and L2");
  text += struct_text<Kernel>("kernel_call",
                              "What a kernel of PULP-NN is called with; the first `cores` of the "
                              "cores share the work, 0: all");
  text +=
      "void dma_copy(const struct dma_transfer* transfer);\nvoid dma_wait(int id);\n"
      "void l3_copy(const struct l3_transfer* transfer);\nvoid l3_wait(int id);\n"
      "void network_counter_start(void);\nvoid network_counter_stop(int layer);\n\n";
  std::set<std::string> kernels;
  for (const Instruction& op : program.instructions) {
    if (std::holds_alternative<Kernel>(op)) kernels.insert(call_of(op).name);
  }
  for (const std::string& kernel : kernels) {
    text += fmt::format("void {}(const struct kernel_call* call);\n", kernel);
  }
  text += "\n";
  for (const std::string& function : functions) text += fmt::format("void {}(void);\n", function);
  return text + "\n// On every core, forked once for the whole network.\nvoid network_run(void);\n";
}

std::string place_text(const TensorPlace& place) {
  return fmt::format("'{}' at {} of {}: {}x{}x{} (channels, rows, columns) of {} bits", place.value,
                     place.address, to_string(place.space), place.channels, place.height,
                     place.width, place.bits);
}

std::string main_text(const Program& program, const Machine& machine,
                      const std::vector<std::string>& functions) {
  std::string text =
      fmt::format("// {} on {}\n#include \"network.h\"\n\n", program.info.network, machine.name);
  for (const TensorPlace& place : program.inputs) {
    text += fmt::format("// before: {}\n", place_text(place));
  }
  for (const TensorPlace& place : program.outputs) {
    text += fmt::format("// behind: {}\n", place_text(place));
  }
  text += "\nvoid network_run(void) {\n";
  std::size_t step = 0;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const auto& layers = program.info.instruction_layer;
    const auto first = std::find(layers.begin(), layers.end(), static_cast<std::int32_t>(i));
    for (; step < program.host_steps.size() &&
           program.host_steps[step].before <= first - layers.begin();
         ++step) {
      for (const std::size_t n : program.host_steps[step].nodes) {
        text += fmt::format("  // host: {} '{}'\n", op_name(program.host.nodes[n].op),
                            program.host.nodes[n].name);
      }
    }
    text += fmt::format("  {}();\n", functions[i]);
  }
  return text + "}\n";
}

// Bytes of the L3 image, 32 to a line.
std::string constants_text(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2 + bytes.size() / 32 + 1);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
    if (i % 32 == 31 || i + 1 == bytes.size()) text += '\n';
  }
  return text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> emit_c(const Program& program,
                                                        const Machine& machine) {
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> functions;
  for (std::size_t i = 0; i < program.info.layers.size(); ++i) {
    LayerFile file(program, i);
    functions.push_back(file.function());
    files.emplace_back(file.function() + ".c", file.text());
  }
  files.emplace_back("network.h", header(program, functions));
  files.emplace_back("network.c", main_text(program, machine, functions));
  files.emplace_back("constants.hex", constants_text(program.constants));
  return files;
}

}  // namespace workbench::pulp
