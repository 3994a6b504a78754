#include "explore/report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "explore/report/metrics.h"

namespace workbench {

namespace {

std::string padded(std::string text, std::size_t width, bool right_aligned) {
  const std::size_t used = columns_of(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return right_aligned ? space + text : text + space;
}

}  // namespace

std::vector<std::string> lines(const Table& table) {
  const std::size_t count = table.columns.size();
  std::vector<std::size_t> widths;
  for (const Column& column : table.columns) widths.push_back(columns_of(column.title));
  for (const auto& row : table.rows) {
    CHECK(row.size() == count, "{} cells in {} columns", row.size(), count);
    for (std::size_t c = 0; c < count; ++c) {
      widths[c] = std::max(widths[c], std::min(columns_of(row[c]), table.columns[c].width_max));
    }
  }
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t c = 0; c < count; ++c) {
      text += padded(shortened(cell(c), widths[c]), widths[c], table.columns[c].right_aligned);
      if (c + 1 < count) text += " ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> result{line([&](std::size_t c) { return table.columns[c].title; })};
  for (const auto& row : table.rows) result.push_back(line([&](std::size_t c) { return row[c]; }));
  return result;
}

std::string thousands(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string scaled(double number) {
  constexpr const char* kPrefixes[] = {"", " k", " M", " G", " T"};
  std::size_t prefix = 0;
  while (std::abs(number) >= 1000 && prefix + 1 < std::size(kPrefixes)) {
    number /= 1000;
    ++prefix;
  }
  if (prefix == 0) return fmt::format("{:g}", number);
  return fmt::format("{:.{}f}{}", number,
                     number >= 100  ? 0
                     : number >= 10 ? 1
                                    : 2,
                     kPrefixes[prefix]);
}

std::string byte_text(std::int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KB", number / 1024);
  return fmt::format("{:.2f} MB", number / (1024 * 1024));
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string shortened(std::string_view text, std::size_t width) {
  if (columns_of(text) <= width) return std::string(text);
  if (width < 5) return std::string(text.substr(0, width));
  const std::size_t head = (width - 2) / 2;
  const std::size_t tail = width - 2 - head;
  return fmt::format("{}..{}", text.substr(0, head), text.substr(text.size() - tail));
}

namespace {

enum class Tint { Bold, Dim, Red, Green, Yellow };

class Writer {
 public:
  explicit Writer(const TextOptions& options) : options_(options) {}

  void line(const std::string& text = "") { text_ += text + "\n"; }
  void heading(std::string_view text) {
    line(fmt::format("\n{}", tinted(Tint::Bold, std::string(text))));
  }
  std::string tinted(Tint tint, const std::string& text) const {
    constexpr const char* kCodes[] = {"1", "2", "31", "32", "33"};
    if (!options_.colour) return text;
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<int>(tint)], text);
  }
  std::string bar(double fraction, int width) const {
    const auto cells = static_cast<int>(std::lround(fraction * width));
    std::string text;
    for (int i = 0; i < cells; ++i) text += options_.colour ? "█" : "#";
    return text;
  }
  bool judges_accuracy() const { return options_.judge_accuracy; }
  std::string take() { return std::move(text_); }

 private:
  TextOptions options_;
  std::string text_;
};

double percent(Cycles part, Cycles whole) {
  if (whole.value == 0) return 0;
  return 100.0 * static_cast<double>(part.value) / static_cast<double>(whole.value);
}

// "3", or "226 in 113 steps".
std::string host_nodes(const ProgramInfo& program) {
  std::size_t nodes = 0;
  for (const HostStepInfo& step : program.host_steps) nodes += step.nodes.size();
  const std::size_t steps = program.host_steps.size();
  return steps > 1 ? fmt::format("{} in {} steps", nodes, steps) : std::to_string(nodes);
}

void write_heads(Writer& out, const Report& report) {
  const ProgramInfo& program = report.program;
  out.line(fmt::format("{}  {}: {}", out.tinted(Tint::Bold, "machine"), report.machine.name,
                       report.machine.summary));
  out.line(
      fmt::format("{}  {}: {} layers on the accelerator, {} on the host; {} MACs, {} ops, "
                  "{} parameters",
                  out.tinted(Tint::Bold, "network"), program.network, program.layers.size(),
                  host_nodes(program), thousands(program.network_macs),
                  thousands(program.network_ops), thousands(program.network_parameters)));
}

// As many of the causes as fit, the largest first.
std::string leading_waits(std::string waits, std::size_t width) {
  while (waits.size() > width) {
    const std::size_t comma = waits.rfind(',');
    if (comma == std::string::npos) break;
    waits.resize(comma);
  }
  return waits;
}

std::string mac_rate(double mac_per_cycle, const MachineInfo& machine) {
  return machine.cluster ? fmt::format("{:.2f}", mac_per_cycle)
                         : fmt::format("{:.0f}", mac_per_cycle);
}

Table layer_table(const Report& report, std::size_t name_width) {
  constexpr std::size_t kWaitsWidth = 16;
  Table table{.columns = {{"layer", false, name_width},
                          {"op", false, name_width},
                          {"shape", false, 11},
                          {"MACs"},
                          {"cycles"},
                          {"MAC/cyc"},
                          {"peak%"},
                          {"waited for", false, kWaitsWidth},
                          {report.machine.cluster ? "moved" : "DDR"},
                          {report.machine.cluster ? "L2 bytes" : "AM bytes"}}};
  for (const LayerReport& layer : report.layers) {
    table.rows.push_back({layer.name, layer.op, layer.shape,
                          layer.macs == 0 ? "-" : scaled(static_cast<double>(layer.macs)),
                          thousands(layer.cycles.value),
                          layer.macs == 0 ? "-" : mac_rate(layer.mac_per_cycle, report.machine),
                          layer.macs == 0 ? "-" : fmt::format("{:.1f}", layer.percent_of_peak),
                          leading_waits(layer.waits, kWaitsWidth),
                          layer.external_bytes == 0 ? "-" : byte_text(layer.external_bytes),
                          thousands(layer.result_bytes)});
  }
  return table;
}

// Names are shortened only as far as the width asks for.
void write_layers(Writer& out, const Report& report) {
  constexpr std::size_t kWidth = 118;
  constexpr std::size_t kNameWidthMin = 14, kNameWidthMax = 36;
  std::vector<std::string> text;
  for (std::size_t name_width = kNameWidthMax; name_width >= kNameWidthMin; --name_width) {
    text = lines(layer_table(report, name_width));
    const auto fits = [](const std::string& line) { return columns_of(line) <= kWidth; };
    if (std::all_of(text.begin(), text.end(), fits)) break;
  }
  out.line();
  out.line(out.tinted(Tint::Bold, text.front()));
  for (std::size_t i = 1; i < text.size(); ++i) out.line(text[i]);
}

void write_waterfall(Writer& out, const Report& report) {
  out.heading(fmt::format("where the {} cycles {}went ({:g} MHz)", thousands(report.cycles.value),
                          report.machine.throughput ? "from image to image " : "",
                          report.machine.report_clock_mhz));
  for (std::size_t s = 0; s < kSteps; ++s) {
    const bool never = report.machine.cluster && (static_cast<Step>(s) == Step::FillAndDrain ||
                                                  static_cast<Step>(s) == Step::WeightLoad);
    if (never) continue;
    const double share = percent(report.waterfall[s], report.cycles);
    std::string text =
        fmt::format("{:<17}{:>14}  {:>5.1f} %  {}", label(static_cast<Step>(s), report.machine),
                    thousands(report.waterfall[s].value), share, out.bar(share / 100, 60));
    text.erase(text.find_last_not_of(' ') + 1);
    out.line(text);
  }
}

std::string metric_text(const Metric& metric, const MetricValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (metric.unit.empty()) return thousands(*integer);
    const std::string plain = fmt::format("{} {}", thousands(*integer), metric.unit);
    return metric.unit == "bytes" && *integer >= 1024
               ? fmt::format("{} ({})", plain, byte_text(*integer))
               : plain;
  }
  const double real = std::get<double>(value);
  if (metric.unit == "fraction") return fmt::format("{:.1f} %", 100 * real);
  return real < 10 ? fmt::format("{:.4f} {}", real, metric.unit)
                   : fmt::format("{:.2f} {}", real, metric.unit);
}

void write_engines(Writer& out, const Report& report) {
  if (report.engines.size() < 2) return;
  out.heading("engines of the card");
  Table table{.columns = {{"engine"}, {"cycles"}, {"latency"}, {"images/s"}, {"DDR waits"}}};
  for (std::size_t e = 0; e < report.engines.size(); ++e) {
    const EngineReport& engine = report.engines[e];
    table.rows.push_back(
        {std::to_string(e), thousands(engine.interval.value), thousands(engine.latency.value),
         fmt::format("{:.2f}", engine.images_per_second), thousands(engine.ddr_waited.value)});
  }
  for (const std::string& line : lines(table)) out.line(line);
}

void write_metrics(Writer& out, const Report& report, bool memory) {
  for (const Metric& metric : metrics()) {
    const Metric::OfRun& row = metric.run;
    if (row.value == nullptr || row.shown == Shown::Points || row.memory != memory) continue;
    const MetricValue value = row.value(report);
    if (std::holds_alternative<std::monostate>(value)) continue;
    out.line(fmt::format("{:<26}{}", metric.name, metric_text(metric, value)));
  }
}

void write_totals(Writer& out, const Report& report) {
  out.heading("totals");
  write_metrics(out, report, false);
  out.heading(report.machine.cluster ? "L2" : "activation memory");
  write_metrics(out, report, true);
}

void write_host_steps(Writer& out, const Report& report) {
  if (report.program.host_steps.empty()) return;
  out.heading(report.machine.cluster ? "on the host (in latency and images/s, not in cycles)"
                                     : "on the host (not in cycles or images/s)");
  for (const HostStepInfo& step : report.program.host_steps) {
    out.line(fmt::format("{} ({}), about {:.3f} ms: {}", step.name, step.op, step.milliseconds,
                         step.reason));
  }
}

std::string classes_text(const std::vector<ClassScore>& classes) {
  std::string text;
  for (const ClassScore& one : classes) {
    text += fmt::format("{}{} ({:.4g})", text.empty() ? "" : ", ", one.index, one.score);
  }
  return text;
}

void write_accuracy(Writer& out, const RunResult& result) {
  if (result.signal_to_noise.empty() && result.classifications.empty()) return;
  out.heading("integer against float");
  if (!result.signal_to_noise.empty()) {
    const auto worst =
        std::min_element(result.signal_to_noise.begin(), result.signal_to_noise.end(),
                         [](const auto& a, const auto& b) { return a.decibel < b.decibel; });
    const LayerSignalToNoise& last = result.signal_to_noise.back();
    out.line(fmt::format("signal to noise   {:.1f} dB at the end ({}), worst {:.1f} dB ({})",
                         last.decibel, last.name, worst->decibel, worst->name));
  }
  for (const Classification& one : result.classifications) {
    const bool agrees = !one.in_float.empty() && !one.in_integer.empty() &&
                        one.in_float[0].index == one.in_integer[0].index;
    out.line(fmt::format("{}, float      {}", one.output, classes_text(one.in_float)));
    out.line(fmt::format("{}, integer    {}", one.output, classes_text(one.in_integer)));
    out.line(fmt::format(
        "{}, top-1      {}", one.output,
        agrees ? out.tinted(Tint::Green, "agrees") : out.tinted(Tint::Yellow, "differs")));
  }
  if (!out.judges_accuracy()) return;
  constexpr std::size_t kShown = 5;  // noise travels on: the first ones say where it begins
  const auto noisy = failures(result);
  for (std::size_t i = 0; i < std::min(kShown, noisy.size()); ++i) {
    out.line(
        out.tinted(Tint::Red, fmt::format("FAIL {}: {:.1f} dB, at least {} dB expected",
                                          noisy[i].name, noisy[i].decibel, kSignalToNoiseFloorDb)));
  }
  if (noisy.size() > kShown) {
    out.line(out.tinted(
        Tint::Red, fmt::format("FAIL and {} more tensors behind these", noisy.size() - kShown)));
  }
}

void write_mismatches(Writer& out, const Verdict& verdict) {
  constexpr std::size_t kShown = 10;
  std::size_t shown = 0;
  for (const LayerVerdict& layer : verdict.layers) {
    if (layer.mismatches == 0 || shown++ == kShown) continue;
    out.line(fmt::format("  {}: {} of {} values differ, first at [{}]: expected {:g}, got {:g}",
                         layer.name, thousands(layer.mismatches), thousands(layer.values),
                         fmt::join(layer.coordinates, ", "), layer.expected, layer.got));
    if (shown == kShown) break;
  }
}

// Bit-exact says that the machine computes what it was given, not that this is of use. Codes that
// are all equal are of none with any input.
void write_useless(Writer& out, const RunResult& result) {
  auto found = useless(result);
  if (!out.judges_accuracy())
    std::erase_if(found, [](const auto& layer) { return !layer.one_code; });
  if (found.empty()) return;
  std::string text;
  for (const LayerSignalToNoise& layer : found) {
    text +=
        fmt::format("{}{} ({})", text.empty() ? "" : ", ", layer.name,
                    layer.one_code ? "all codes equal" : fmt::format("{:.1f} dB", layer.decibel));
  }
  out.line(out.tinted(
      Tint::Red,
      fmt::format(
          "useless  {} tensor{} of one code{}: {}", found.size(), found.size() == 1 ? "" : "s",
          out.judges_accuracy() ? fmt::format(" or below {} dB", kSignalToNoiseFloorDb) : "",
          text)));
}

// Nor that the machine computed much.
void write_host_share(Writer& out, const ProgramInfo& program) {
  std::size_t nodes = 0;
  for (const HostStepInfo& step : program.host_steps) nodes += step.nodes.size();
  if (nodes <= program.layers.size()) return;
  const auto plural = [](std::size_t count) { return count == 1 ? "" : "s"; };
  out.line(out.tinted(
      Tint::Yellow,
      fmt::format("host     most of the network ran there in floating point: {} operation{}, {} "
                  "layer{} on the machine",
                  nodes, plural(nodes), program.layers.size(), plural(program.layers.size()))));
}

void write_verdict(Writer& out, const RunResult& result) {
  out.line();
  for (const Hazard& hazard : result.hazards) {
    out.line(out.tinted(Tint::Red, "hazard: " + to_string(hazard)));
  }
  if (!result.verdict) {
    out.line(out.tinted(Tint::Bold, "verdict  not compared (golden off)"));
  } else if (result.verdict->bit_exact()) {
    out.line(out.tinted(
        Tint::Green,
        fmt::format("verdict  bit-exact: {} values of {} tensors equal the golden "
                    "model's",
                    thousands(result.verdict->values_compared), result.verdict->layers.size())));
  } else {
    out.line(out.tinted(Tint::Red,
                        fmt::format("verdict  MISMATCH: {} of {} values differ from the golden "
                                    "model's",
                                    thousands(result.verdict->mismatches),
                                    thousands(result.verdict->values_compared))));
    write_mismatches(out, *result.verdict);
  }
  if (result.verdict) write_host_share(out, result.report.program);
  write_useless(out, result);
}

// How far the figures above can be trusted.
void write_support(Writer& out, const RunResult& result) {
  if (!result.support) return;
  const Support& support = *result.support;
  const auto fitted = std::ranges::count_if(
      support.figures, [](const SupportingFigure& one) { return !one.calibrates.empty(); });
  if (support.figures.empty()) {
    out.line(fmt::format("support  none: no published figure of {} ran what this runs",
                         support.machine));
  } else {
    out.line(fmt::format(
        "support  {} published figure{} of {}, {} of them used to calibrate (workbench validate)",
        support.figures.size(), support.figures.size() == 1 ? "" : "s", support.machine, fitted));
  }
  if (!support.changed.empty()) {
    out.line(fmt::format("         but of other values of {}", fmt::join(support.changed, ", ")));
  }
  if (!support.figures.empty() && !support.never_measured.empty()) {
    out.line(fmt::format("         never measured: {}", fmt::join(support.never_measured, ", ")));
  }
}

void write_wall(Writer& out, const RunResult& result) {
  if (!result.wall) return;
  const WallTimes& wall = *result.wall;
  out.line(out.tinted(Tint::Dim,
                      fmt::format("wall     import {:.2f} s, calibrate {:.2f} s, compile {:.2f} s, "
                                  "simulate {:.2f} s, golden {:.2f} s",
                                  wall.import_seconds, wall.calibrate_seconds, wall.compile_seconds,
                                  wall.simulate_seconds, wall.golden_seconds)));
}

}  // namespace

std::string text_report(const RunResult& result, const TextOptions& options) {
  Writer out(options);
  write_heads(out, result.report);
  if (options.every_layer) write_layers(out, result.report);
  write_waterfall(out, result.report);
  write_totals(out, result.report);
  write_engines(out, result.report);
  write_host_steps(out, result.report);
  write_accuracy(out, result);
  write_verdict(out, result);
  write_support(out, result);
  write_wall(out, result);
  return out.take();
}

}  // namespace workbench
