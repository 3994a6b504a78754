#include "explore/trace.h"

#include <fmt/format.h>

#include <iterator>

namespace workbench {

namespace {

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

const LayerInfo* layer_of(const ProgramInfo& program, std::int32_t instruction) {
  if (instruction < 0) return nullptr;
  const std::int32_t layer = program.instruction_layer.at(static_cast<std::size_t>(instruction));
  return layer < 0 ? nullptr : &program.layers.at(static_cast<std::size_t>(layer));
}

// What an engine is seen doing: its instruction while it works, the cause and the layer otherwise.
std::string slice_name(const ProgramInfo& program, const Interval& interval) {
  const LayerInfo* layer = layer_of(program, interval.instruction);
  const bool works = interval.cause == Cause::Work;
  if (works && interval.instruction >= 0) {
    const auto index = static_cast<std::size_t>(interval.instruction);
    if (index < program.instruction_text.size()) return program.instruction_text[index];
  }
  if (layer == nullptr) return std::string(to_string(interval.cause));
  return works ? layer->name : fmt::format("{}: {}", to_string(interval.cause), layer->name);
}

void append_slice(std::string& out, const ProgramInfo& program, const Timeline& timeline,
                  const Interval& interval, double clock_mhz) {
  const auto microseconds = [clock_mhz](Cycles cycles) {
    return static_cast<double>(cycles.value) / clock_mhz;
  };
  const LayerInfo* layer = layer_of(program, interval.instruction);
  auto to = std::back_inserter(out);
  fmt::format_to(to,
                 ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f},\"name\":{},"
                 "\"cat\":{},\"args\":{{\"begin_cycle\":{},\"cycles\":{}",
                 interval.resource + 1, microseconds(interval.begin),
                 microseconds(interval.end - interval.begin),
                 json_text(slice_name(program, interval)), json_text(to_string(interval.cause)),
                 interval.begin.value, (interval.end - interval.begin).value);
  if (interval.instruction >= 0) fmt::format_to(to, ",\"instruction\":{}", interval.instruction);
  if (layer != nullptr) fmt::format_to(to, ",\"layer\":{}", json_text(layer->name));
  if (interval.bytes.value > 0) fmt::format_to(to, ",\"bytes\":{}", interval.bytes.value);
  if (interval.blocked_on >= 0) {
    fmt::format_to(to, ",\"blocked_on\":{}",
                   json_text(timeline.resources.at(static_cast<std::size_t>(interval.blocked_on))));
  }
  out += "}}";
}

}  // namespace

std::string trace_json(const ProgramInfo& program, const Timeline& timeline,
                       const MachineInfo& machine) {
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  out +=
      fmt::format("{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}",
                  json_text(fmt::format("{} on {}", program.network, machine.name)));
  for (std::size_t r = 0; r < timeline.resources.size(); ++r) {
    out += fmt::format(
        ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"name\":\"thread_name\",\"args\":{{\"name\":{1}}}"
        "}}"
        ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"name\":\"thread_sort_index\","
        "\"args\":{{\"sort_index\":{0}}}}}",
        r + 1, json_text(timeline.resources[r]));
  }
  for (const Interval& interval : timeline.intervals) {
    if (interval.cause == Cause::Idle || interval.begin == interval.end) continue;
    append_slice(out, program, timeline, interval, machine.report_clock_mhz);
  }
  out += "\n]}\n";
  return out;
}

}  // namespace workbench
