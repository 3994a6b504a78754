// Program <-> protobuf file.
#include "isa/xdnn/program.h"

#include "core/error.h"
#include "core/file.h"
#include "isa/codec.h"
#include "program.pb.h"

namespace workbench::xdnn {

namespace {

constexpr int kVersion = 1;

void encode(const Volume& v, file::Volume& message) {
  message.set_name(v.name);
  message.set_address(v.address);
  message.set_words(v.words);
  message.set_first(v.first);
  message.set_last(v.last);
}

Volume decode(const file::Volume& v) {
  return {v.name(), v.address(), v.words(), v.first(), v.last()};
}

// Indices between the tables of a program; the simulator checks addresses.
void check_indices(const Program& program, const std::string& name) {
  const auto steps = static_cast<std::int64_t>(program.steps.size());
  const auto layers = static_cast<std::int64_t>(program.info.layers.size());
  const auto refuse = [&](std::string_view what) { fail("{}: not a program: {}", name, what); };
  if (static_cast<std::int64_t>(program.info.instruction_layer.size()) != steps ||
      static_cast<std::int64_t>(program.info.instruction_text.size()) != steps) {
    refuse("as many layer entries as instructions expected");
  }
  for (const std::int32_t layer : program.info.instruction_layer) {
    if (layer < 0 || layer >= layers) refuse("an instruction belongs to no layer");
  }
  for (const Step& step : program.steps) {
    const Tail& t = tail(step.instruction);
    if (t.source_in_ddr && (t.tile_width < 1 || t.tile_height < 1)) {
      refuse("an instruction that reads DDR has no tile");
    }
  }
  for (const Probe& probe : program.probes) {
    for (const std::int32_t after : probe.after) {
      if (after < 0 || after >= steps) refuse("a tensor is written by no instruction");
    }
    const bool piece = probe.value_channels != 0 || probe.value_height != 0;
    const bool inside = probe.first_channel >= 0 && probe.first_row >= 0 && probe.channels > 0 &&
                        probe.height > 0 && probe.width > 0 &&
                        probe.channels <= probe.value_channels - probe.first_channel &&
                        probe.height <= probe.value_height - probe.first_row &&
                        probe.value_channels <= 65535 && probe.value_height <= 65535 &&
                        probe.width <= 65535;
    if (piece && !inside) refuse("a piece of a tensor lies outside it");
  }
  for (const HostStep& step : program.host_steps) {
    for (const std::size_t node : step.nodes) {
      if (node >= program.host.nodes.size()) refuse("a host step runs no node");
    }
  }
}

}  // namespace

std::string save_bytes(const Program& program) {
  file::XdnnProgram message;
  message.set_version(kVersion);
  workbench::encode(program.info, *message.mutable_info());
  for (const Step& step : program.steps) {
    file::Step& to = *message.add_steps();
    encode_instruction(step.instruction, *to.mutable_instruction());
    to.set_filter_address(step.filter_address);
    to.set_rescale_scale(step.rescale.scale);
    to.set_rescale_shift(step.rescale.shift);
  }
  message.set_constants(program.constants);
  message.set_ddr_bytes(program.ddr_bytes);
  if (program.images > 1) message.set_images(program.images);
  for (const DdrTensor& t : program.ddr_tensors) {
    file::DdrTensor& to = *message.add_ddr_tensors();
    to.set_value(t.value);
    to.set_address(t.address);
    to.set_channels(t.channels);
    to.set_height(t.height);
    to.set_width(t.width);
  }
  for (const Probe& p : program.probes) {
    file::Probe& to = *message.add_probes();
    to.set_value(p.value);
    to.mutable_after()->Assign(p.after.begin(), p.after.end());
    to.set_address(p.address);
    to.mutable_layout()->set_full(p.layout.full);
    to.mutable_layout()->set_repl_sections(p.layout.repl_sections);
    to.mutable_layout()->set_repl_units(p.layout.repl_units);
    to.mutable_layout()->set_repl_width(p.layout.repl_width);
    to.set_start_channel(p.start_channel);
    to.set_channels(p.channels);
    to.set_height(p.height);
    to.set_width(p.width);
    to.set_first_channel(p.first_channel);
    to.set_first_row(p.first_row);
    to.set_value_channels(p.value_channels);
    to.set_value_height(p.value_height);
  }
  for (const Volume& v : program.memory_map) encode(v, *message.add_memory_map());
  for (const Volume& v : program.scratch) encode(v, *message.add_scratch());
  encode_host(program, message);
  return message.SerializeAsString();
}

void save(const Program& program, const std::filesystem::path& path) {
  write_file(path, save_bytes(program));
}

Program load_bytes(const std::string& bytes, const std::string& name) {
  file::XdnnProgram message;
  if (!message.ParseFromString(bytes)) fail("{}: not a program (or a truncated one)", name);
  if (message.version() != kVersion) {
    fail("{}: program version {}, this workbench reads {}", name, message.version(), kVersion);
  }
  Program program;
  program.info = workbench::decode(message.info());
  for (const file::Step& step : message.steps()) {
    program.steps.push_back({decode_instruction(blank_instruction, step.instruction(), name),
                             step.filter_address(),
                             {step.rescale_scale(), step.rescale_shift()}});
  }
  program.constants = message.constants();
  program.ddr_bytes = message.ddr_bytes();
  if (program.ddr_bytes < static_cast<std::int64_t>(program.constants.size()) ||
      program.ddr_bytes > (std::int64_t{1} << 36)) {
    fail("{}: not a program: {} bytes of DDR", name, program.ddr_bytes);
  }
  program.images = std::max<std::int64_t>(1, message.images());
  if (program.images > static_cast<std::int64_t>(message.host().inputs_size()) &&
      program.images > 1) {
    fail("{}: not a program: {} images of {} inputs", name, program.images,
         message.host().inputs_size());
  }
  for (const file::DdrTensor& t : message.ddr_tensors()) {
    program.ddr_tensors.push_back({t.value(), t.address(), t.channels(), t.height(), t.width()});
  }
  for (const file::Probe& p : message.probes()) {
    const file::ChannelLayout& l = p.layout();
    program.probes.push_back({p.value(),
                              {p.after().begin(), p.after().end()},
                              p.address(),
                              {l.full(), l.repl_sections(), l.repl_units(), l.repl_width()},
                              p.start_channel(),
                              p.channels(),
                              p.height(),
                              p.width(),
                              p.first_channel(),
                              p.first_row(),
                              p.value_channels(),
                              p.value_height()});
  }
  for (const file::Volume& v : message.memory_map()) program.memory_map.push_back(decode(v));
  for (const file::Volume& v : message.scratch()) program.scratch.push_back(decode(v));
  decode_host(message, name, program);
  check_indices(program, name);
  return program;
}

Program load(const std::filesystem::path& path) {
  return load_bytes(read_file(path), path.string());
}

}  // namespace workbench::xdnn
