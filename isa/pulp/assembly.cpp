// Program <-> text.
#include <algorithm>
#include <sstream>

#include "core/error.h"
#include "isa/codec.h"
#include "isa/pulp/assembly_line.h"
#include "isa/pulp/check.h"
#include "isa/pulp/loops.h"
#include "isa/pulp/program.h"
#include "program.pb.h"

namespace workbench::pulp {

namespace {

constexpr std::size_t kBase64Bytes = 57;  // of one line: 76 characters

// What directives hold of ProgramInfo and Program, which have no field lists themselves.
struct ProgramLine {
  ProgramInfo info;
  std::int64_t l1_bytes = 0, l2_bytes = 0, l3_bytes = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("network", self.info.network);
    visit("machine", self.info.machine);
    visit("network_macs", self.info.network_macs);
    visit("network_ops", self.info.network_ops);
    visit("network_parameters", self.info.network_parameters);
    visit("peak_bytes", self.info.peak_bytes);
    visit("minimum_bytes", self.info.minimum_bytes);
    visit("extent_bytes", self.info.extent_bytes);
    visit("capacity_bytes", self.info.capacity_bytes);
    visit("moveops", self.info.moveops);
    visit("io_bytes", self.info.io_bytes);
    visit("l1_bytes", self.l1_bytes);
    visit("l2_bytes", self.l2_bytes);
    visit("l3_bytes", self.l3_bytes);
  }
};

struct LayerLine {
  LayerInfo layer;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.layer.name);
    visit("op", self.layer.op);
    visit("macs", self.layer.macs);
    visit("ops", self.layer.ops);
    visit("memory_words", self.layer.result_words);
  }
};

struct HostInfoLine {
  HostStepInfo step;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.step.name);
    visit("op", self.step.op);
    visit("reason", self.step.reason);
    visit("milliseconds", self.step.milliseconds);
    visit("macs", self.step.macs);
    visit("bytes_in", self.step.bytes_in);
    visit("bytes_out", self.step.bytes_out);
  }
};

struct HostNodeLine {  // of the step in the line before
  HostNodeInfo node;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.node.name);
    visit("op", self.node.op);
    visit("reason", self.node.reason);
  }
};

struct HostRunLine {
  std::int32_t before = 0;
  static constexpr void fields(auto& self, auto&& visit) { visit("before", self.before); }
};

struct ResumeLine {
  std::int32_t index = -1;
  static constexpr void fields(auto& self, auto&& visit) { visit("index", self.index); }
};

struct LoopLine {
  Loop loop;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("count", self.loop.count);
    visit("over", self.loop.over);
  }
};

struct Base64Line {
  std::string base64;
  static constexpr void fields(auto& self, auto&& visit) { visit("base64", self.base64); }
};

// Of an instruction that has no other.
std::string usual_text(const Instruction& instruction, const std::string& layer) {
  return fmt::format("{} {}", opcode(instruction), layer);
}

template <typename T>
std::string repeated_text(std::string_view name, const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    text.append(" ").append(name).append("=").append(value_text(name, value));
  }
  return text;
}

class Disassembler {
 public:
  explicit Disassembler(const Program& program) : program_(program) {}

  std::string run() {
    header();
    const std::vector<Entry> entries = in_loops(program_);
    range(entries, 0, entries.size());
    while (declared_ < program_.info.layers.size()) declare();
    return std::move(text_);
  }

 private:
  template <typename T>
  void directive(const char* word, const T& object, const std::string& more = "") {
    text_.append(word).append(fields_text(object)).append(more).append("\n");
  }
  template <typename T>
  void directives(const char* word, const std::vector<T>& objects) {
    for (const T& object : objects) directive(word, object);
  }
  void base64_lines(const char* word, const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += kBase64Bytes) {
      directive(word, Base64Line{base64(std::string_view(bytes).substr(i, kBase64Bytes))});
    }
  }

  void header() {
    text_ += fmt::format("# {} for {}: {} instructions\n", quote(program_.info.network),
                         quote(program_.info.machine), program_.instructions.size());
    ProgramLine all{{}, program_.l1_bytes, program_.l2_bytes, program_.l3_bytes};
    all.info = program_.info;
    directive(".program", all);
    for (const HostStepInfo& step : program_.info.host_steps) {
      directive(".host_info", HostInfoLine{step});
      for (const HostNodeInfo& node : step.nodes) directive(".host_node", HostNodeLine{node});
    }
    directives(".input", program_.inputs);
    directives(".output", program_.outputs);
    directives(".probe", program_.probes);
    directives(".volume", program_.memory_map);
    directives(".tiling", program_.tilings);
    for (const HostStep& step : program_.host_steps) {
      directive(".host_run", HostRunLine{step.before}, repeated_text("node", step.nodes));
    }
    file::Graph host;
    encode(program_.host, host);
    base64_lines(".host", host.SerializeAsString());
    base64_lines(".constants", program_.constants);
  }

  void declare() {
    const LayerInfo& layer = program_.info.layers[declared_++];
    directive(".layer", LayerLine{layer},
              repeated_text("dim", layer.shape) + repeated_text("merged", layer.merged));
  }

  // What follows belongs to that layer.
  void enter(std::size_t layer) {
    if (current_ == layer && declared_ > layer) return;
    const bool known = layer < declared_;
    while (declared_ <= layer) declare();
    if (known) directive(".resume", ResumeLine{static_cast<std::int32_t>(layer)});
    current_ = layer;
  }

  void range(const std::vector<Entry>& entries, std::size_t begin, std::size_t end) {
    for (std::size_t e = begin; e < end; e = next_entry(entries, e)) {
      if (const Line* line = std::get_if<Line>(&entries[e])) {
        instruction(*line);
        continue;
      }
      const Loop& loop = std::get<Loop>(entries[e]);
      const std::size_t behind = next_entry(entries, e);
      enter_layer_of(entries, e);
      text_ += indent() + "loop" + fields_text(LoopLine{loop}) + "\n";
      const std::int64_t first = index_.start, size = unrolled_size(entries, e + 1, behind);
      index_.steps.push_back(size);
      range(entries, e + 1, behind);
      index_.steps.pop_back();
      index_.start = first + loop.count * size;
      text_ += indent() + "end\n";
    }
  }

  // Of the loop's first instruction: layers begin outside of loops where they can.
  void enter_layer_of(const std::vector<Entry>& entries, std::size_t e) {
    while (std::holds_alternative<Loop>(entries[e])) ++e;
    enter(static_cast<std::size_t>(std::get<Line>(entries[e]).layer));
  }

  void instruction(const Line& line) {
    const auto layer = static_cast<std::size_t>(line.layer);
    enter(layer);
    text_ += indent() + std::string(opcode(line.instruction));
    text_ += std::visit([&](const auto& op) { return fields_text(op, line.advances); },
                        line.instruction);
    if (line.text != usual_text(line.instruction, program_.info.layers[layer].name)) {
      text_ += " text=" + quote(line.text);
    }
    text_ += fmt::format("  # {}\n", to_string(index_));
    ++index_.start;
  }

  std::string indent() const { return std::string(2 * index_.steps.size(), ' '); }

  const Program& program_;
  std::string text_;
  std::size_t declared_ = 0, current_ = 0;
  Formula index_;  // of the next instruction, over the loops around
};

class Assembler {
 public:
  Assembler(const std::string& text, const std::string& name) : text_(text), name_(name) {}

  Program run() {
    std::size_t begin = 0;
    for (int number = 1; begin < text_.size(); ++number) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      const AssemblyLine line = parse_line(std::string_view(text_).substr(begin, end - begin),
                                           fmt::format("{}:{}", name_, number));
      if (line.word.starts_with('.')) {
        directive(line);
      } else if (line.word == "loop") {
        loop(line);
      } else if (line.word == "end") {
        end_loop(line);
      } else if (!line.word.empty()) {
        instruction(line);
      }
      begin = end + 1;
    }
    unroll_all();
    file::Graph host;
    if (!host.ParseFromString(host_)) fail("{}: the host's part is no graph", name_);
    program_.host = decode(host, name_);
    check_program(program_, name_);
    return std::move(program_);
  }

 private:
  void directive(const AssemblyLine& line) {
    using Handler = void (Assembler::*)(const AssemblyLine&);
    static constexpr std::pair<std::string_view, Handler> kHandlers[] = {
        {".program", &Assembler::program},
        {".host_info", &Assembler::host_info},
        {".host_node", &Assembler::host_node},
        {".input", &Assembler::append<&Program::inputs>},
        {".output", &Assembler::append<&Program::outputs>},
        {".probe", &Assembler::append<&Program::probes>},
        {".volume", &Assembler::append<&Program::memory_map>},
        {".tiling", &Assembler::append<&Program::tilings>},
        {".host_run", &Assembler::host_run},
        {".host", &Assembler::host},
        {".constants", &Assembler::constants},
        {".layer", &Assembler::layer},
        {".resume", &Assembler::resume}};
    std::string names;
    for (const auto& [word, handler] : kHandlers) {
      if (line.word == word) return (this->*handler)(line);
      names.append(names.empty() ? "" : ", ").append(word);
    }
    fail("{}: unknown directive {}, expected one of: {}", line.where, line.word, names);
  }

  void program(const AssemblyLine& line) {
    ProgramLine all{std::move(program_.info)};
    read_fields(line, all);
    program_.info = std::move(all.info);
    program_.l1_bytes = all.l1_bytes;
    program_.l2_bytes = all.l2_bytes;
    program_.l3_bytes = all.l3_bytes;
  }
  void host_info(const AssemblyLine& line) {
    HostInfoLine info;
    read_fields(line, info);
    program_.info.host_steps.push_back(std::move(info.step));
  }
  void host_node(const AssemblyLine& line) {
    if (program_.info.host_steps.empty()) {
      fail("{}: .host_node: expected a .host_info before it, found none", line.where);
    }
    HostNodeLine node;
    read_fields(line, node);
    program_.info.host_steps.back().nodes.push_back(std::move(node.node));
  }
  template <auto Member>
  void append(const AssemblyLine& line) {
    read_fields(line, (program_.*Member).emplace_back());
  }
  void host_run(const AssemblyLine& line) {
    HostRunLine run;
    read_fields(line, run, {"node"});
    HostStep& step = program_.host_steps.emplace_back();
    step.before = run.before;
    for (const std::int64_t node : repeated(line, "node")) {
      step.nodes.push_back(static_cast<std::size_t>(node));
    }
  }
  void host(const AssemblyLine& line) { host_ += bytes(line); }
  void constants(const AssemblyLine& line) { program_.constants += bytes(line); }
  void layer(const AssemblyLine& line) {
    LayerLine declared;
    read_fields(line, declared, {"dim", "merged"});
    declared.layer.shape = repeated(line, "dim");
    for (const auto* field : fields_called(line, "merged")) {
      declared.layer.merged.push_back(field->value);
    }
    layer_ = static_cast<std::int32_t>(program_.info.layers.size());
    program_.info.layers.push_back(std::move(declared.layer));
  }
  void resume(const AssemblyLine& line) {
    ResumeLine resumed;
    read_fields(line, resumed);
    const std::size_t layers = program_.info.layers.size();
    if (resumed.index < 0 || static_cast<std::size_t>(resumed.index) >= layers) {
      refuse(line, fmt::format("layer {} of {}", resumed.index, layers));
    }
    layer_ = resumed.index;
  }

  void loop(const AssemblyLine& line) {
    LoopLine opened;
    read_fields(line, opened);
    open_.push_back(entries_.size());
    add(line, opened.loop);
  }
  void end_loop(const AssemblyLine& line) {
    check_names(line, {});
    if (open_.empty()) refuse(line, "ends no loop");
    const std::size_t body = open_.back() + 1;
    std::get<Loop>(entries_[body - 1]).length = static_cast<std::int64_t>(entries_.size() - body);
    open_.pop_back();
  }

  void instruction(AssemblyLine line) {
    std::optional<Instruction> instruction = blank_instruction(line.word);
    if (!instruction) fail("{}: unknown opcode '{}'", line.where, line.word);
    if (layer_ < 0) refuse(line, "belongs to no layer: there is no .layer before it");
    std::vector<Advance> advances = take_advances(line);
    std::visit([&](auto& op) { read_fields(line, op, {"text"}); }, *instruction);
    const auto texts = fields_called(line, "text");
    const std::string& layer = program_.info.layers[static_cast<std::size_t>(layer_)].name;
    add(line, Line{.instruction = *instruction,
                   .layer = layer_,
                   .text = texts.empty() ? usual_text(*instruction, layer) : texts.front()->value,
                   .advances = std::move(advances)});
  }

  void add(const AssemblyLine& line, Entry entry) {
    entries_.push_back(std::move(entry));
    where_.push_back(line.where);
  }

  void unroll_all() {
    if (!open_.empty()) fail("{}: loop: has no end", where_[open_.back()]);
    if (const auto fault = loop_fault(entries_)) fail("{}: {}", where_[fault->entry], fault->what);
    unroll(entries_, program_);
  }

  static std::string bytes(const AssemblyLine& line) {
    Base64Line text;
    read_fields(line, text);
    const auto bytes = from_base64(text.base64);
    if (!bytes) refuse(line, "field base64: not base64");
    return *bytes;
  }
  static std::vector<std::int64_t> repeated(const AssemblyLine& line, std::string_view name) {
    std::vector<std::int64_t> values;
    for (const auto* field : fields_called(line, name)) {
      read_value(line, *field, values.emplace_back());
    }
    return values;
  }

  const std::string& text_;
  const std::string& name_;
  Program program_;
  std::string host_;
  std::int32_t layer_ = -1;
  std::vector<Entry> entries_;
  std::vector<std::string> where_;  // of each
  std::vector<std::size_t> open_;   // loops without an end yet
};

}  // namespace

bool is_assembly(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('.')) return true;
    if (!line.empty() && !line.starts_with('#')) return false;
  }
  return false;
}

std::string disassemble(const Program& program) { return Disassembler(program).run(); }

Program assemble(const std::string& text, const std::string& name) {
  return Assembler(text, name).run();
}

}  // namespace workbench::pulp
