#include "explore/report/execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace workbench {
namespace {

using Json = nlohmann::ordered_json;
using riscv::FunctionProfile;
using riscv::Spent;

std::int64_t slowest(const FunctionProfile& function) {
  std::int64_t cycles = 0;
  for (const Spent& core : function.cores) cycles = std::max(cycles, core.cycles());
  return cycles;
}

Spent total(const std::vector<Spent>& cores) {
  Spent sum;
  for (const Spent& core : cores) sum.add(core);
  return sum;
}

std::string core_name(std::size_t core, std::size_t cores) {
  return core + 1 == cores ? "FC" : std::to_string(core);
}

// "load_use 3.1 %, conflict 2.0 %": of a sum, what is not an instruction.
std::string causes(const Spent& spent) {
  std::vector<std::pair<std::int64_t, std::string_view>> parts;
  Spent::fields(spent, [&](std::string_view name, std::int64_t cycles) {
    if (name != "instructions" && cycles > 0) parts.emplace_back(cycles, name);
  });
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [cycles, name] : parts) {
    text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", name,
                        100.0 * static_cast<double>(cycles) / static_cast<double>(spent.cycles()));
  }
  return text;
}

void add_cores(std::string& text, const riscv::Profile& profile) {
  text += fmt::format("\n{:<4} {:>13} {:>13}  {}\n", "core", "cycles", "instructions", "of it");
  for (std::size_t core = 0; core < profile.cores.size(); ++core) {
    const Spent& spent = profile.cores[core];
    text += fmt::format("{:<4} {:>13} {:>13}  {}\n", core_name(core, profile.cores.size()),
                        spent.cycles(), spent.instructions, causes(spent));
  }
}

void add_instructions(std::string& text, const FunctionProfile& function) {
  for (const riscv::InstructionProfile& one : function.instructions) {
    text += fmt::format("  {:>13} {:>13}  {:08x}  {:<36} {}\n", one.spent.cycles(),
                        one.spent.instructions, one.address, one.text, causes(one.spent));
  }
}

Json json_of(const Spent& spent) {
  Json json = {{"cycles", spent.cycles()}};
  Spent::fields(spent, [&](std::string_view name, std::int64_t cycles) { json[name] = cycles; });
  return json;
}

Json json_of(const FunctionProfile& function) {
  Json cores = Json::array();
  for (std::size_t core = 0; core < function.cores.size(); ++core) {
    if (function.cores[core].instructions == 0) continue;
    Json one = {{"core", core_name(core, function.cores.size())}};
    one.update(json_of(function.cores[core]));
    const riscv::Calls& calls = function.calls[core];
    one["calls"] = {{"count", calls.count}, {"cycles", calls.cycles}, {"longest", calls.longest}};
    cores.push_back(one);
  }
  Json instructions = Json::array();
  for (const riscv::InstructionProfile& it : function.instructions) {
    Json one = {{"address", it.address}, {"text", it.text}};
    one.update(json_of(it.spent));
    instructions.push_back(one);
  }
  return {{"name", function.name},
          {"address", function.address},
          {"cores", cores},
          {"instructions", instructions}};
}

}  // namespace

std::string execution_text(const ExecutedProgram& execution, std::size_t functions,
                           bool instructions) {
  const riscv::Profile& profile = execution.profile;
  std::string text = fmt::format("{} on {}: exit code {}, {} cycles, {} instructions\n",
                                 execution.program, execution.machine, execution.exit_code,
                                 profile.cycles, total(profile.cores).instructions);
  text +=
      fmt::format("DMA: {} commands, {} bytes to L1, {} bytes to L2; L3: {} transfers, {} bytes\n",
                  profile.dma_commands, profile.dma_bytes[0], profile.dma_bytes[1],
                  profile.l3_transfers, profile.l3_bytes);
  add_cores(text, profile);
  std::vector<const FunctionProfile*> order;
  for (const FunctionProfile& function : profile.functions) order.push_back(&function);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return slowest(*a) > slowest(*b); });
  if (functions > 0 && order.size() > functions) order.resize(functions);
  text += fmt::format("\n{:>13} {:>13} {:>8}  {:<28} {}\n", "slowest core", "instructions", "calls",
                      "function", "of all cores' cycles");
  for (const FunctionProfile* function : order) {
    const Spent all = total(function->cores);
    std::int64_t calls = 0;
    for (const riscv::Calls& core : function->calls) calls += core.count;
    text += fmt::format("{:>13} {:>13} {:>8}  {:<28} {}\n", slowest(*function), all.instructions,
                        calls, function->name, causes(all));
    if (instructions) add_instructions(text, *function);
  }
  return text;
}

std::string execution_json(const ExecutedProgram& execution) {
  const riscv::Profile& profile = execution.profile;
  Json cores = Json::array(), functions = Json::array();
  for (std::size_t core = 0; core < profile.cores.size(); ++core) {
    Json one = {{"core", core_name(core, profile.cores.size())}};
    one.update(json_of(profile.cores[core]));
    cores.push_back(one);
  }
  for (const FunctionProfile& function : profile.functions) functions.push_back(json_of(function));
  const Json json = {{"schema", 1},
                     {"program", execution.program},
                     {"machine", execution.machine},
                     {"exit_code", execution.exit_code},
                     {"console", execution.console},
                     {"cycles", profile.cycles},
                     {"cores", cores},
                     {"dma",
                      {{"commands", profile.dma_commands},
                       {"bytes_to_l1", profile.dma_bytes[0]},
                       {"bytes_to_l2", profile.dma_bytes[1]},
                       {"cycles_to_l1", profile.dma_cycles[0]},
                       {"cycles_to_l2", profile.dma_cycles[1]}}},
                     {"l3", {{"transfers", profile.l3_transfers}, {"bytes", profile.l3_bytes}}},
                     {"functions", functions}};
  // A console may print any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench
