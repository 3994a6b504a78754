// Program <-> protobuf file.
#include "isa/pulp/program.h"

#include "core/error.h"
#include "core/file.h"
#include "isa/codec.h"
#include "isa/pulp/check.h"
#include "isa/pulp/loops.h"
#include "program.pb.h"

namespace workbench::pulp {

namespace {

constexpr int kVersion = 2, kVersionWithoutLoops = 1;
constexpr const char* kFamily = "pulp";  // an xDNN program has none

template <typename T>
void encode_all(const std::vector<T>& objects, auto* records) {
  for (const T& object : objects) encode_fields(object, *records->Add());
}

template <typename T>
std::vector<T> decode_all(const auto& records, const std::string& name, const std::string& what) {
  std::vector<T> objects(static_cast<std::size_t>(records.size()));
  for (int i = 0; i < records.size(); ++i) {
    decode_fields(objects[static_cast<std::size_t>(i)], records.Get(i), name, what);
  }
  return objects;
}

void encode(const Line& line, file::Entry& message) {
  encode_instruction(line.instruction, *message.mutable_instruction());
  message.set_layer(line.layer);
  message.set_text(line.text);
  for (const Advance& advance : line.advances) {
    file::Advance& to = *message.add_advances();
    to.set_field(advance.field);
    to.mutable_steps()->Assign(advance.steps.begin(), advance.steps.end());
  }
}

void encode(const Loop& loop, file::Entry& message) {
  message.set_count(loop.count);
  message.set_length(loop.length);
  message.set_over(static_cast<std::int32_t>(loop.over));
}

Entry decode(const file::Entry& message, const std::string& name) {
  const bool loops = message.count() != 0 || message.length() != 0;
  if (loops == message.has_instruction()) {
    fail("{}: an entry has to be an instruction or a loop", name);
  }
  if (loops) {
    const int over = message.over();
    if (over < 0 || over > static_cast<int>(last(LoopOver{}))) {
      fail("{}: a loop passes over one of {} things, found number {}", name,
           static_cast<int>(last(LoopOver{})) + 1, over);
    }
    return Loop{message.count(), message.length(), static_cast<LoopOver>(over)};
  }
  Line line{.instruction = decode_instruction(blank_instruction, message.instruction(), name),
            .layer = message.layer(),
            .text = message.text(),
            .advances = {}};
  for (const file::Advance& advance : message.advances()) {
    line.advances.push_back({advance.field(), {advance.steps().begin(), advance.steps().end()}});
  }
  return line;
}

void decode_instructions(const file::PulpProgram& message, const std::string& name,
                         Program& program) {
  for (const file::Instruction& instruction : message.instructions()) {
    program.instructions.push_back(decode_instruction(blank_instruction, instruction, name));
  }
  std::vector<Entry> entries;
  for (const file::Entry& entry : message.entries()) entries.push_back(decode(entry, name));
  if (const auto fault = loop_fault(entries)) {
    fail("{}: entry {}: {}", name, fault->entry, fault->what);
  }
  unroll(entries, program);
}

}  // namespace

bool is_program(const std::string& bytes) {
  file::PulpProgram message;
  return message.ParseFromString(bytes) && message.family() == kFamily;
}

std::string save_bytes(const Program& program) {
  file::PulpProgram message;
  message.set_version(kVersion);
  message.set_family(kFamily);
  workbench::encode(program.info, *message.mutable_info());
  message.mutable_info()->clear_instruction_layer();
  message.mutable_info()->clear_instruction_text();
  for (const Entry& entry : in_loops(program)) {
    std::visit([&](const auto& e) { encode(e, *message.add_entries()); }, entry);
  }
  message.set_constants(program.constants);
  message.set_l1_bytes(program.l1_bytes);
  message.set_l2_bytes(program.l2_bytes);
  message.set_l3_bytes(program.l3_bytes);
  encode_all(program.inputs, message.mutable_inputs());
  encode_all(program.outputs, message.mutable_outputs());
  encode_all(program.probes, message.mutable_probes());
  encode_all(program.memory_map, message.mutable_memory_map());
  encode_all(program.tilings, message.mutable_tilings());
  encode_host(program, message);
  return message.SerializeAsString();
}

void save(const Program& program, const std::filesystem::path& path) {
  write_file(path, save_bytes(program));
}

Program load_bytes(const std::string& bytes, const std::string& name) {
  file::PulpProgram message;
  if (!message.ParseFromString(bytes) || message.family() != kFamily) {
    fail("{}: not a PULP program (or a truncated one)", name);
  }
  if (message.version() != kVersion && message.version() != kVersionWithoutLoops) {
    fail("{}: program version {}, this workbench reads {} and {}", name, message.version(),
         kVersionWithoutLoops, kVersion);
  }
  Program program;
  program.info = workbench::decode(message.info());
  decode_instructions(message, name, program);
  program.constants = message.constants();
  program.l1_bytes = message.l1_bytes();
  program.l2_bytes = message.l2_bytes();
  program.l3_bytes = message.l3_bytes();
  program.inputs = decode_all<TensorPlace>(message.inputs(), name, "input");
  program.outputs = decode_all<TensorPlace>(message.outputs(), name, "output");
  program.probes = decode_all<Probe>(message.probes(), name, "probe");
  program.memory_map = decode_all<Volume>(message.memory_map(), name, "volume");
  program.tilings = decode_all<LayerTiling>(message.tilings(), name, "tiling");
  decode_host(message, name, program);
  check_program(program, name);
  return program;
}

Program load(const std::filesystem::path& path) {
  return load_bytes(read_file(path), path.string());
}

}  // namespace workbench::pulp
