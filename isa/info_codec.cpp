#include "isa/info_codec.h"

namespace workbench {

void encode(const ProgramInfo& info, file::Info& message) {
  message.set_network(info.network);
  message.set_machine(info.machine);
  for (const LayerInfo& layer : info.layers) {
    file::Layer& to = *message.add_layers();
    to.set_name(layer.name);
    to.set_op(layer.op);
    to.mutable_shape()->Assign(layer.shape.begin(), layer.shape.end());
    for (const std::string& merged : layer.merged) to.add_merged(merged);
    to.set_macs(layer.macs);
    to.set_ops(layer.ops);
    to.set_memory_words(layer.memory_words);
  }
  message.mutable_instruction_layer()->Assign(info.instruction_layer.begin(),
                                              info.instruction_layer.end());
  for (const std::string& text : info.instruction_text) message.add_instruction_text(text);
  for (const HostStepInfo& step : info.host_steps) {
    file::HostStepInfo& to = *message.add_host_steps();
    to.set_name(step.name);
    to.set_op(step.op);
    to.set_reason(step.reason);
    to.set_milliseconds(step.milliseconds);
    to.set_macs(step.macs);
  }
  message.set_network_macs(info.network_macs);
  message.set_network_ops(info.network_ops);
  message.set_network_parameters(info.network_parameters);
  message.set_peak_bytes(info.peak_bytes);
  message.set_minimum_bytes(info.minimum_bytes);
  message.set_extent_bytes(info.extent_bytes);
  message.set_capacity_bytes(info.capacity_bytes);
  message.set_moveops(info.moveops);
  message.set_io_bytes(info.io_bytes);
}

ProgramInfo decode(const file::Info& message) {
  ProgramInfo info;
  info.network = message.network();
  info.machine = message.machine();
  for (const file::Layer& layer : message.layers()) {
    info.layers.push_back({layer.name(),
                           layer.op(),
                           {layer.shape().begin(), layer.shape().end()},
                           {layer.merged().begin(), layer.merged().end()},
                           layer.macs(),
                           layer.ops(),
                           layer.memory_words()});
  }
  info.instruction_layer.assign(message.instruction_layer().begin(),
                                message.instruction_layer().end());
  info.instruction_text.assign(message.instruction_text().begin(),
                               message.instruction_text().end());
  for (const file::HostStepInfo& step : message.host_steps()) {
    info.host_steps.push_back(
        {step.name(), step.op(), step.reason(), step.milliseconds(), step.macs()});
  }
  info.network_macs = message.network_macs();
  info.network_ops = message.network_ops();
  info.network_parameters = message.network_parameters();
  info.peak_bytes = message.peak_bytes();
  info.minimum_bytes = message.minimum_bytes();
  info.extent_bytes = message.extent_bytes();
  info.capacity_bytes = message.capacity_bytes();
  info.moveops = message.moveops();
  info.io_bytes = message.io_bytes();
  return info;
}

}  // namespace workbench
