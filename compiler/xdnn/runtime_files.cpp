#include "compiler/xdnn/runtime_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/listing_text.h"

namespace workbench::xdnn {

namespace {

// Keys stay in the order in which they are set.
using Json = nlohmann::ordered_json;

// Names of other tools need not be UTF-8.
std::string text_of(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string type_of(const std::string& opcode) {
  if (opcode.starts_with("XNConv")) return "Convolution";
  if (opcode.starts_with("XNDeconv")) return "Deconvolution";
  if (opcode.starts_with("XNMaxPool") || opcode.starts_with("XNAvgPool")) return "Pooling";
  if (opcode.starts_with("XNEltwise")) return "Eltwise";
  if (opcode.starts_with("XNUpsample")) return "Upsample";
  return opcode.substr(2);
}

std::string memory_description(const Instruction& instruction) {
  const Unit unit = unit_of(instruction);
  const Tail& t = tail(instruction);
  const bool from_ddr = unit == Unit::Download || t.source_in_ddr;
  const bool to_ddr = unit == Unit::Upload || t.destination_in_ddr;
  return fmt::format("{}_to_{}", from_ddr ? "ddr" : "am", to_ddr ? "ddr" : "am");
}

// The vendor's line, which its JSON has beside the fields.
std::string line_of(const Entry& entry) {
  std::string line = entry.find("id")->value + " " + entry.opcode;
  for (const Field& field : entry.fields) {
    if (field.key != "id") line += " " + (field.value.empty() ? "0" : one_token(field.value));
  }
  return line;
}

class RuntimeProgram {
 public:
  explicit RuntimeProgram(const Program& program) : program_(program) {
    listing_.dialect = dialect_of(program) == Dialect::V2 ? Dialect::V2 : Dialect::V3Json;
  }

  Listing run() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) add(i);
    heading();
    return std::move(listing_);
  }

 private:
  const LayerInfo& layer(std::size_t i) const {
    return program_.info.layers[static_cast<std::size_t>(program_.info.instruction_layer[i])];
  }

  void add(std::size_t i) {
    const Instruction& instruction = program_.steps[i].instruction;
    const LayerInfo& info = layer(i);
    Entry entry =
        entry_from(instruction, static_cast<std::int64_t>(i), info.name, listing_.dialect);
    const auto put = [&](const char* key, const Json& value) {
      entry.attributes.push_back({key, text_of(value)});
    };
    const bool moves =
        unit_of(instruction) == Unit::Download || unit_of(instruction) == Unit::Upload;
    const bool first = counted_.insert(program_.info.instruction_layer[i]).second;
    put("name", info.name);
    put("type", type_of(entry.opcode));
    put("active", 1);
    put("schedule", i);
    put("ops", moves || !first ? 0 : info.ops);
    put("layer", info.merged.empty() ? std::vector<std::string>{info.name} : info.merged);
    put("bottoms", std::vector<std::string>{i == 0 ? "" : layer(i - 1).name});
    put("outputshapes", info.shape);
    put("memory_description", memory_description(instruction));
    put("xdnn_instr", line_of(entry));
    put("xdnn_list", nullptr);
    listing_.entries.push_back(std::move(entry));
  }

  void heading() {
    const auto put = [&](const char* key, const Json& value) {
      listing_.attributes.push_back({key, text_of(value)});
    };
    put("version", "2.0.0");
    put("arguments", Json{{"generator", "workbench"},
                          {"network", program_.info.network},
                          {"machine", program_.info.machine}});
    put("ops", program_.info.network_ops);
    put("moveops", program_.info.moveops);
    put("first_layer", 0);
    put("last_layer", program_.steps.empty() ? 0 : program_.steps.size() - 1);
    put("inputs", inputs());
    put("outputs", outputs());
    put("unsupported", unsupported());
    put("host_turns", host_turns());
  }

  // What the runtime knows a tensor by that the host makes: the network's input, where it is one as
  // codes, else the value itself; empty: the host does not make it.
  std::string made_by_host(const DdrTensor& tensor) const {
    for (const Node& node : program_.host.nodes) {
      const bool makes_it = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
        return id != kNoValue && program_.host.value(id).name == tensor.value;
      });
      if (!makes_it) continue;
      const auto& inputs = program_.host.inputs;
      const bool input = std::holds_alternative<Quantize>(node.op) &&
                         std::count(inputs.begin(), inputs.end(), node.inputs[0]) > 0;
      return input ? program_.host.value(node.inputs[0]).name : tensor.value;
    }
    return "";
  }

  // Of instructions with the address in one of the fields, the layers.
  std::vector<std::string> layers_at(std::int64_t address,
                                     std::initializer_list<std::string_view> keys) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < listing_.entries.size(); ++i) {
      const Entry& entry = listing_.entries[i];
      const std::string memory = memory_description(program_.steps[i].instruction);
      for (const std::string_view key : keys) {
        const Field* field = entry.find(key);
        const bool in_ddr = key.starts_with("ddr") || (key == "inaddr" && memory[0] == 'd') ||
                            (key == "outaddr" && memory.ends_with("ddr"));
        if (field == nullptr || !in_ddr || number(entry, *field) != address) continue;
        if (names.empty() || names.back() != layer(i).name) names.push_back(layer(i).name);
      }
    }
    return names;
  }

  Json inputs() const {
    Json list = Json::array();
    for (const DdrTensor& tensor : program_.ddr_tensors) {
      const std::string input = made_by_host(tensor);
      if (input.empty()) continue;
      list.push_back({{"input_name", input},
                      {"input_address", tensor.address},
                      {"next_layers", layers_at(tensor.address, {"ddr_src", "inaddr"})}});
    }
    return list;
  }

  Json outputs() const {
    Json list = Json::array();
    for (const DdrTensor& tensor : program_.ddr_tensors) {
      if (!made_by_host(tensor).empty()) continue;
      list.push_back({{"output_name", tensor.value},
                      {"output_address", tensor.address},
                      {"previous_layers", layers_at(tensor.address, {"ddr_dest", "outaddr"})},
                      {"previous_tensors", Json::array({tensor.value})}});
    }
    return list;
  }

  // What is left to the host.
  Json unsupported() const {
    Json list = Json::object();
    for (const HostStepInfo& step : program_.info.host_steps) {
      for (const HostNodeInfo& node : step.nodes) {
        list[node.name] = Json::array({node.op, node.reason});
      }
    }
    const std::size_t count = list.size();
    return {{"count", count}, {"list", std::move(list)}};
  }

  // A key of our own: the nodes that the host runs before an instruction, while all units are idle,
  // which orders instructions that have no wait bits for each other.
  Json host_turns() const {
    Json list = Json::array();
    for (const HostStep& step : program_.host_steps) {
      std::vector<std::string> nodes;
      for (const std::size_t n : step.nodes) nodes.push_back(program_.host.nodes[n].name);
      list.push_back({{"before", step.before}, {"nodes", std::move(nodes)}});
    }
    return list;
  }

  const Program& program_;
  Listing listing_;
  std::set<std::int32_t> counted_;  // layers whose operations are in an entry already
};

// Where the slabs of each convolution lie in filters.bin.
std::string filter_index(const Program& program, const Machine& machine) {
  Json list = Json::array();
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Conv* conv = conv_in(program.steps[i].instruction);
    if (conv == nullptr) continue;
    const MachineOfSlice own(machine, tail(program.steps[i].instruction).slice);
    const FilterShape shape = filter_shape(*conv);
    const auto layer = static_cast<std::size_t>(program.info.instruction_layer[i]);
    list.push_back({{"schedule", i},
                    {"name", program.info.layers[layer].name},
                    {"address", program.steps[i].filter_address},
                    {"bytes", filter_bytes(shape, own.get())},
                    {"array_steps", array_steps(shape, own.get())},
                    {"half_rate", shape.half_rate}});
  }
  return text_of(Json{{"filters", std::move(list)}}, 1) + "\n";
}

}  // namespace

Listing vendor_listing(const Program& program) { return RuntimeProgram(program).run(); }

std::vector<std::pair<std::string, std::string>> runtime_files(const Program& program,
                                                               const Machine& machine) {
  return {{"program.json", print_json(vendor_listing(program))},
          {"filters.bin", program.constants},
          {"filters.json", filter_index(program, machine)}};
}

}  // namespace workbench::xdnn
