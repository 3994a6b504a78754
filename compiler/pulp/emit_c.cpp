// A Program as C in the structure of DORY's generated code (pulp.md 3.6): network.c forks once and
// calls one function per layer, each in a file of its own. Tiles whose calls differ only in their
// figures become loops: a figure that is the same in each iteration, or grows by the same amount,
// is written so, any other is in a table.
#include <algorithm>
#include <map>
#include <set>

#include "compiler/pulp/compile.h"
#include "core/error.h"

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

// Values that fields have when nobody says otherwise.
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

// Consecutive instructions [begin, end).
struct Run {
  std::size_t begin = 0, end = 0;
};

class LayerFile {
 public:
  LayerFile(const Program& program, std::size_t layer) : program_(program), layer_(layer) {
    const auto& layers = program.info.instruction_layer;
    const auto first = std::find(layers.begin(), layers.end(), static_cast<std::int32_t>(layer));
    auto last = first;
    while (last != layers.end() && *last == static_cast<std::int32_t>(layer)) ++last;
    all_ = {static_cast<std::size_t>(first - layers.begin()),
            static_cast<std::size_t>(last - layers.begin())};
    split();
  }

  std::string function() const {
    return fmt::format("layer_{}_{}", layer_, identifier(program_.info.layers[layer_].name));
  }

  std::string text() {
    const LayerInfo& info = program_.info.layers[layer_];
    const LayerTiling& tiling = program_.tilings[layer_];
    for (std::size_t r = 0; r < rounds_.size();) {
      const auto [period, times] = repetition(r);
      emit_loop(r, period, times);
      r += period * times;
    }
    return fmt::format(
        "// {}: {}\n// {} tiles of {}x{}x{} (channels, rows, columns), {} slices, {} bytes of L1, "
        "{} of L2\n#include \"network.h\"\n\n{}void {}(void) {{\n{}}}\n",
        info.name, info.op, tiling.l1_tiles, tiling.l1_out[0], tiling.l1_out[1], tiling.l1_out[2],
        tiling.l2_slices, tiling.l1_bytes, tiling.l2_bytes, tables_.empty() ? "" : tables_ + "\n",
        function(), body_);
  }

 private:
  // Rounds: what belongs to one tile, from its bookkeeping on.
  void split() {
    std::size_t begin = all_.begin;
    for (std::size_t i = all_.begin; i < all_.end; ++i) {
      if (!std::holds_alternative<Code>(program_.instructions[i]) || i == begin) continue;
      rounds_.push_back({begin, i});
      begin = i;
    }
    if (begin < all_.end) rounds_.push_back({begin, all_.end});
    for (const Run& round : rounds_) {
      std::string shape;
      for (std::size_t i = round.begin; i < round.end; ++i) shape += shape_of(i) + ";";
      shapes_.push_back(std::move(shape));
    }
  }

  // Equal for calls that one line of C can stand for.
  std::string shape_of(std::size_t i) const {
    const Instruction& op = program_.instructions[i];
    std::string shape = call_of(op).name;
    if (const auto* dma = std::get_if<Dma>(&op)) {
      shape += fmt::format("{}{}{}", dma->to_l1, dma->two_d, dma->split);
    }
    return shape;
  }

  // The rounds from `r` on that repeat, as many as can be covered.
  std::pair<std::size_t, std::size_t> repetition(std::size_t r) const {
    constexpr std::size_t kLongestPeriod = 16;
    std::pair<std::size_t, std::size_t> best{1, 1};
    for (std::size_t period = 1; period <= kLongestPeriod && r + period <= rounds_.size();
         ++period) {
      std::size_t end = r + period;
      while (end < rounds_.size() && shapes_[end] == shapes_[end - period]) ++end;
      const std::size_t times = (end - r) / period;
      if (times >= 3 && period * times > best.first * best.second + best.first) {
        best = {period, times};
      }
    }
    return best;
  }

  void emit_loop(std::size_t r, std::size_t period, std::size_t times) {
    const bool loops = times > 1;
    indent_ = loops ? "    " : "  ";
    if (loops) body_ += fmt::format("  for (int i = 0; i < {}; ++i) {{\n", times);
    for (std::size_t p = 0; p < period; ++p) {
      const std::size_t count = rounds_[r + p].end - rounds_[r + p].begin;
      for (std::size_t k = 0; k < count; ++k) {
        std::vector<std::size_t> at;
        for (std::size_t t = 0; t < times; ++t) at.push_back(rounds_[r + p + t * period].begin + k);
        emit_call(at);
      }
    }
    if (loops) body_ += "  }\n";
  }

  // One statement for the instructions `at`, one per iteration.
  void emit_call(const std::vector<std::size_t>& at) {
    const Instruction& op = program_.instructions[at[0]];
    if (const auto* code = std::get_if<Code>(&op)) {
      const std::string last = at.size() > 1 ? " to " + text_behind_name(at.back()) : "";
      return line(fmt::format("// {}{} ({} instructions of bookkeeping)", text_behind_name(at[0]),
                              last, code->instructions));
    }
    std::vector<Call> calls;
    for (const std::size_t i : at) calls.push_back(call_of(program_.instructions[i]));
    if (std::holds_alternative<Barrier>(op)) return line("pi_cl_team_barrier();");
    if (std::holds_alternative<CounterStart>(op)) return line("network_counter_start();");
    if (std::holds_alternative<CounterStop>(op)) {
      return line(fmt::format("network_counter_stop({});", layer_));
    }
    if (std::holds_alternative<DmaWait>(op)) return line(wait("dma_wait", calls));
    if (std::holds_alternative<L3Wait>(op)) {
      return line("if (pi_core_id() == 0) " + wait("l3_wait", calls));
    }
    const bool l3 = std::holds_alternative<L3Transfer>(op);
    const char* type = l3                                ? "l3_transfer"
                       : std::holds_alternative<Dma>(op) ? "dma_transfer"
                                                         : "kernel_call";
    line(fmt::format("{}{}(&(struct {}){{{}}});  // {}", l3 ? "if (pi_core_id() == 0) " : "",
                     l3                       ? "l3_copy"
                     : calls[0].name == "dma" ? "dma_copy"
                                              : calls[0].name,
                     type, arguments(calls, op), comment(at)));
  }

  // What the call is for; in a loop, without the first iteration's figures.
  std::string comment(const std::vector<std::size_t>& at) const {
    const std::string text = text_behind_name(at[0]);
    return at.size() == 1 ? text : text.substr(0, text.find_first_of(" ["));
  }

  std::string wait(const char* name, const std::vector<Call>& calls) {
    return fmt::format("{}({});", name, figure(calls, 0));
  }

  std::string arguments(const std::vector<Call>& calls, const Instruction& op) {
    std::string text;
    for (std::size_t f = 0; f < calls[0].fields.size(); ++f) {
      const std::int64_t plain = defaults(op).at(calls[0].fields[f].first);
      const bool needed = std::any_of(calls.begin(), calls.end(), [&](const Call& call) {
        return call.fields[f].second != plain;
      });
      // What C leaves out is 0.
      if (!needed && plain == 0) continue;
      text += fmt::format("{}.{} = {}", text.empty() ? "" : ", ", calls[0].fields[f].first,
                          figure(calls, f));
    }
    return text;
  }

  // Field `f` over the iterations: a figure, a line, or a table.
  std::string figure(const std::vector<Call>& calls, std::size_t f) {
    const auto at = [&](std::size_t t) { return calls[t].fields[f].second; };
    if (calls.size() == 1) return std::to_string(at(0));
    const std::int64_t step = at(1) - at(0);
    bool linear = true;
    for (std::size_t t = 1; t < calls.size(); ++t) linear &= at(t) - at(t - 1) == step;
    if (linear && step == 0) return std::to_string(at(0));
    if (linear && at(0) == 0) return fmt::format("{} * i", step);
    if (linear) return fmt::format("{} {} {} * i", at(0), step < 0 ? "-" : "+", std::abs(step));
    bool alternates = true;
    for (std::size_t t = 2; t < calls.size(); ++t) alternates &= at(t) == at(t - 2);
    if (alternates) return fmt::format("i % 2 == 0 ? {} : {}", at(0), at(1));
    std::string values;
    for (std::size_t t = 0; t < calls.size(); ++t) {
      values += (t == 0 ? "" : ", ") + std::to_string(at(t));
    }
    std::string& name = known_tables_[values];
    if (name.empty()) {
      name = fmt::format("{}_{}", calls[0].fields[f].first, known_tables_.size());
      tables_ += fmt::format("static const int {}[{}] = {{{}}};\n", name, calls.size(), values);
    }
    return name + "[i]";
  }

  // The instruction's text without its opcode and the layer's name.
  std::string text_behind_name(std::size_t i) const {
    const std::string& text = program_.info.instruction_text[i];
    const std::string& name = program_.info.layers[layer_].name;
    const std::size_t at = text.find(name);
    if (at == std::string::npos) return text;
    const std::string rest = text.substr(at + name.size());
    return rest.empty() ? "layer" : rest.substr(1);
  }

  void line(const std::string& text) { body_ += indent_ + text + "\n"; }

  const Program& program_;
  std::size_t layer_;
  Run all_;
  std::vector<Run> rounds_;
  std::vector<std::string> shapes_;  // per round
  std::string tables_, body_, indent_;
  std::map<std::string, std::string> known_tables_;  // values -> name
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
  text += struct_text<Kernel>("kernel_call", "What a kernel of PULP-NN is called with");
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
