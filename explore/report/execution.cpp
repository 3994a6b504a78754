#include "explore/report/execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "explore/report/text.h"

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

// "load_use 3.1 %, conflict 2.0 %": of a sum, what is not an instruction, from `least` percent on.
std::string causes(const Spent& spent, double least = 0) {
  std::vector<std::pair<std::int64_t, std::string_view>> parts;
  Spent::fields(spent, [&](std::string_view name, std::int64_t cycles) {
    if (name != "instructions" && cycles > 0) parts.emplace_back(cycles, name);
  });
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [cycles, name] : parts) {
    const double percent =
        100.0 * static_cast<double>(cycles) / static_cast<double>(spent.cycles());
    if (percent < least) continue;
    text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", name, percent);
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

void add_row(std::string& text, std::string row) {
  row.erase(row.find_last_not_of(' ') + 1);
  text += row + "\n";
}

void add_instructions(std::string& text, const FunctionProfile& function) {
  for (const riscv::InstructionProfile& one : function.instructions) {
    add_row(text, fmt::format("  {:>13} {:>13}  {:08x}  {:<36} {}", one.spent.cycles(),
                              one.spent.instructions, one.address, one.text, causes(one.spent)));
  }
}

Json json_of(const Spent& spent) {
  Json json = {{"cycles", spent.cycles()}};
  Spent::fields(spent, [&](std::string_view name, std::int64_t cycles) { json[name] = cycles; });
  return json;
}

// What each line took, of all cores.
std::map<SourceLine, Spent> by_line(const ExecutedProgram& execution) {
  std::map<SourceLine, Spent> lines;
  if (!execution.lines) return lines;
  for (const FunctionProfile& function : execution.profile.functions) {
    for (const riscv::InstructionProfile& one : function.instructions) {
      const auto found = execution.lines->lines.find(one.address);
      if (found != execution.lines->lines.end()) lines[found->second].add(one.spent);
    }
  }
  return lines;
}

// Cycles that a faster program would save; cores asleep wait for others.
std::int64_t awake(const Spent& spent) {
  return spent.cycles() - spent.stalls.barrier - spent.stalls.event;
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void add_lines(std::string& text, const ExecutedProgram& execution, std::size_t most) {
  if (!execution.lines) return;
  if (!execution.lines->unknown.empty()) {
    text += fmt::format("\nno source lines: {}\n", execution.lines->unknown);
    return;
  }
  const auto lines = by_line(execution);
  std::vector<const std::pair<const SourceLine, Spent>*> order;
  for (const auto& line : lines) order.push_back(&line);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return awake(a->second) > awake(b->second);
  });
  if (most > 0 && order.size() > most) order.resize(most);
  text += fmt::format("\n{:>13} {:>13}  {:<24} {:<48} {}\n", "all cores", "instructions", "line",
                      "source", "of it");
  for (const auto* line : order) {
    add_row(text,
            fmt::format(
                "{:>13} {:>13}  {:<24} {:<48} {}", line->second.cycles(), line->second.instructions,
                fmt::format("{}:{}", shortened(file_name(line->first.file), 18), line->first.line),
                shortened(text_of(line->first), 48), causes(line->second)));
  }
}

Json lines_json(const ExecutedProgram& execution) {
  Json lines = Json::array();
  for (const auto& [line, spent] : by_line(execution)) {
    Json one = {{"file", line.file}, {"line", line.line}, {"text", text_of(line)}};
    one.update(json_of(spent));
    lines.push_back(one);
  }
  return lines;
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

std::string execution_text(const ExecutedProgram& execution, const ExecutionText& options) {
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
  if (options.functions > 0 && order.size() > options.functions) order.resize(options.functions);
  text += fmt::format("\n{:>13} {:>13} {:>8}  {:<28} {}\n", "slowest core", "instructions", "calls",
                      "function", "of all cores' cycles");
  for (const FunctionProfile* function : order) {
    const Spent all = total(function->cores);
    std::int64_t calls = 0;
    for (const riscv::Calls& core : function->calls) calls += core.count;
    text += fmt::format("{:>13} {:>13} {:>8}  {:<28} {}\n", slowest(*function), all.instructions,
                        calls, function->name, causes(all));
    if (options.instructions) add_instructions(text, *function);
  }
  add_lines(text, execution, options.functions);
  return text;
}

std::string folded_stacks(const riscv::Profile& profile) {
  std::string text;
  for (const riscv::StackProfile& stack : profile.stacks) {
    const std::string core = core_name(stack.core, profile.cores.size());
    text += core == "FC" ? core : "core " + core;
    for (const std::string& function : stack.functions) text += ";" + function;
    text += fmt::format(" {}\n", stack.cycles);
  }
  return text;
}

std::string cores_text(const Report& report, const std::vector<Spent>& layers) {
  Table table{.columns = {{"cycles of all cores", false, 36},
                          {"cycles"},
                          {"instructions"},
                          {"of it, from 2 % on", false, 100}}};
  Spent all;
  for (const Spent& layer : layers) all.add(layer);
  const auto add = [&](const std::string& name, const Spent& spent) {
    if (spent.cycles() == 0) return;
    table.rows.push_back(
        {name, thousands(spent.cycles()), thousands(spent.instructions), causes(spent, 2)});
  };
  for (std::size_t i = 0; i < layers.size(); ++i) add(report.layers[i].name, layers[i]);
  add("all layers", all);
  std::string text = "\n";
  for (const std::string& line : lines(table)) text += line + "\n";
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
  Json json = {{"schema", 1},
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
  if (execution.lines) json["lines"] = lines_json(execution);
  // A console may print any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench
