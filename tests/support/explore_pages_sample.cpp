// Writes pages of made-up sweeps and histories, and their JSON, into the folder it is given:
// tests/e2e/{sweep,track}_page_test.py look at them in a browser.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/file.h"
#include "explore/html/page.h"
#include "explore/sweep/sweep_report.h"
#include "explore/track/history.h"

namespace workbench {
namespace {

const char* const kMarkup = "</script><b id=injected>x</b><!--";

// Cycles fall with width and memory, area grows with them; 16 wide with little memory fits nowhere.
SweepRow sweep_row(const std::string& machine, int dsp, int memory, double ddr, Tier tier) {
  SweepRow row;
  row.key = fmt::format("{:02x}{:02x}{:04x}{}", dsp, memory, static_cast<int>(1000 * ddr),
                        tier == Tier::Analytic ? "a" : "b");
  row.point = {.network = "zoo:made_up",
               .machine = machine,
               .settings = {{"dsp", std::to_string(dsp)},
                            {"memory", fmt::format("{}M", memory)},
                            {"ddr.efficiency", fmt::format("{:g}", ddr)}},
               .tier = tier};
  row.command =
      fmt::format("workbench run --hw {} --dsp {} --memory {} zoo:made_up", machine, dsp, memory);
  row.run_command = fmt::format("workbench run --hw {} --dsp {}", machine, dsp);
  if (dsp >= 64 && memory == 1) {
    row.result = {.status = PointResult::Status::Infeasible,
                  .reason = fmt::format("layer 'conv1' needs 2 MB of 1 MB {}", kMarkup)};
    row.meets = false;
    return row;
  }
  const double contention = tier == Tier::Analytic ? 1 : 1.02 + 0.3 * (1 - ddr) * (dsp / 96.0);
  const double cycles = std::round(4e7 / dsp * (1 + 0.5 / memory) / std::sqrt(ddr) * contention);
  row.result.metrics = {{"cycles", cycles},
                        {"latency_ms", cycles / 350e3},
                        {"peak_bytes", 1048576.0 * memory},
                        {"area_mm2", 0.31 * dsp + 1.7 * memory + 2 * ddr}};
  if (tier == Tier::Transaction) row.result.bit_exact = true;
  for (int layer = 0; layer < 4; ++layer) {
    row.result.layers.push_back(
        {.name = fmt::format("conv{}", layer + 1),
         .op = "Conv 3x3 +Relu",
         .shape = "64x28x28",
         .metrics = {{"cycles", std::floor(cycles * (layer + 1) / 10)}, {"macs", 1e6 * layer}}});
  }
  return row;
}

bool beats(const SweepRow& a, const SweepRow& b) {
  const auto& [x, y] = std::pair{a.result.metrics, b.result.metrics};
  const double da = x.at("cycles") - y.at("cycles"), db = x.at("area_mm2") - y.at("area_mm2");
  return da <= 0 && db <= 0 && (da < 0 || db < 0);
}

bool is_ok(const SweepRow& row) { return row.result.status == PointResult::Status::Ok; }

void mark_front(std::vector<SweepRow>& rows) {
  for (SweepRow& row : rows) {
    row.on_front = is_ok(row) && std::none_of(rows.begin(), rows.end(), [&](const SweepRow& other) {
                     return is_ok(other) && other.point.tier == row.point.tier && beats(other, row);
                   });
  }
}

SweepReport sweep_report() {
  SweepReport report{.name = "made up <study>",
                     .networks = {"zoo:made_up"},
                     .machines = {"v3_96"},
                     .parameters = {"dsp", "memory", "ddr.efficiency"},
                     .objectives = {{"cycles", Better::Lower}, {"area_mm2", Better::Lower}},
                     .constraints = {"peak_bytes <= 16M"},
                     .store = "workbench.db",
                     .warnings = {"one warning"}};
  for (const int dsp : {16, 32, 64, 96}) {
    for (const int memory : {1, 2, 4, 8, 12}) {
      for (const double ddr : {0.35, 0.5, 0.65, 0.8}) {
        report.rows.push_back(sweep_row("v3_96", dsp, memory, ddr, Tier::Analytic));
      }
    }
  }
  mark_front(report.rows);
  const std::size_t analytic = report.rows.size();
  for (std::size_t i = 0; i < analytic; ++i) {
    if (!report.rows[i].on_front && (i % 9 != 0 || !is_ok(report.rows[i]))) continue;
    const Point& point = report.rows[i].point;
    report.rows.push_back(sweep_row("v3_96", std::stoi(point.settings[0].value),
                                    std::stoi(point.settings[1].value),
                                    std::stod(point.settings[2].value), Tier::Transaction));
  }
  mark_front(report.rows);
  report.agreement = {{.metric = "cycles",
                       .points = static_cast<std::int64_t>(report.rows.size() - analytic),
                       .kendall_tau = 0.95,
                       .mean_absolute_error = 0.0712,
                       .swaps = {{analytic, analytic + 3}, {analytic + 1, analytic + 4}}}};
  return report;
}

track::CaseChange change(const std::string& name, double before, double after,
                         const std::string& cause) {
  track::CaseChange made{
      .name = name,
      .kind = after > before ? track::CaseChange::Kind::Worse : track::CaseChange::Kind::Better};
  made.figures = {
      {.name = "cycles", .unit = "cycles", .before = before, .after = after, .gates = true}};
  made.causes = {{track::Cause::Kind::Machine, cause}};
  made.layers = {{.name = "conv2" + std::string(kMarkup),
                  .before = static_cast<std::int64_t>(before / 4),
                  .after = static_cast<std::int64_t>(before / 4 + after - before),
                  .steps = {{Step::MemoryWait, static_cast<std::int64_t>(after - before)}},
                  .causes = made.causes},
                 {.name = "conv9", .added = true, .after = 120}};
  return made;
}

// Ten cases over twelve runs: case 2 gets slower in run 5, case 4 faster in run 7, case 6 has no
// figure in the first three.
track::History history() {
  track::History made;
  for (int run = 0; run < 12; ++run) {
    made.runs.push_back({.name = "suite",
                         .revision = fmt::format("{:08x}c0ffee", 0x3a51f00d + 77 * run),
                         .date = fmt::format("2026-11-{:02}T08:00:00Z", 10 + run)});
  }
  for (int i = 0; i < 10; ++i) {
    track::CaseHistory one{.name = fmt::format("network{} on v3_96", i),
                           .network = fmt::format("zoo:network{}", i),
                           .machine = "v3_96"};
    for (int run = 0; run < 12; ++run) {
      double cycles = 1e6 * (i + 1);
      if (i == 2 && run >= 5) cycles *= 1.01;
      if (i == 4 && run >= 7) cycles *= 0.93;
      const bool there = i != 6 || run >= 3;
      one.figures["cycles"].push_back(there ? std::optional(cycles) : std::nullopt);
      one.figures["program_bytes"].push_back(there ? std::optional(5e4 * (i + 1)) : std::nullopt);
      one.wall.push_back({{.median = 0.1 + 0.001 * ((run * 7) % 5), .low = 0.09, .high = 0.12}});
    }
    if (i == 2) {
      one.steps = {{.run = 5,
                    .previous = 4,
                    .change = change(one.name, 3e6, 3.03e6, "ddr.efficiency: 0.71 -> 0.7029")}};
    }
    if (i == 4) {
      one.steps = {{.run = 7,
                    .previous = 6,
                    .change = change(one.name, 5e6, 4.65e6, "ddr.latency_cycles: 60 -> 40")}};
    }
    made.cases.push_back(std::move(one));
  }
  return made;
}

void write_pages(const std::filesystem::path& folder) {
  write_file(folder / "sweep.json", sweep_json(sweep_report()));
  write_file(folder / "sweep.html", sweep_html(sweep_report()));
  write_file(folder / "empty_sweep.html", sweep_html({.name = "nothing"}));
  const std::string json = track::track_json(history());
  write_file(folder / "track.json", json);
  write_file(folder / "track.html", track_html(json));
  write_file(folder / "empty_track.html", track_html(track::track_json({})));
}

}  // namespace
}  // namespace workbench

// libsystemc brings a main() of its own that calls this one.
extern "C" int sc_main(int argc, char** argv) {
  if (argc != 2) return 2;
  workbench::write_pages(argv[1]);
  return 0;
}
