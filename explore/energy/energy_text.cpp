#include "explore/energy/energy_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "explore/energy/area.h"

namespace workbench {

namespace {

std::string spread(const Estimate& estimate, std::string_view unit) {
  return fmt::format("{:.4g} {} ({:.3g} to {:.3g})", estimate.typical, unit, estimate.low,
                     estimate.high);
}

// Largest first; what is below half a percent is left out.
std::string shares(const Energy& energy) {
  double all = 0;
  std::vector<EnergyTerm> terms = energy.terms;
  for (const EnergyTerm& term : terms) all += term.picojoules.typical;
  std::stable_sort(terms.begin(), terms.end(), [](const EnergyTerm& a, const EnergyTerm& b) {
    return a.picojoules.typical > b.picojoules.typical;
  });
  std::string text;
  for (const EnergyTerm& term : terms) {
    const double percent = all > 0 ? 100 * term.picojoules.typical / all : 0;
    if (percent < 0.5) continue;
    text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", term.name, percent);
  }
  return text;
}

std::string blocks(const Machine& machine) {
  const auto* xdnn = std::get_if<xdnn::Machine>(&machine);
  if (xdnn == nullptr) return "";
  const FpgaBlocks engine = fpga_blocks(*xdnn);
  const std::int64_t engines = xdnn->board.engines;
  return fmt::format(": {} DSPs, {} UltraRAMs, {} block RAMs", engines * engine.dsps,
                     engines * engine.urams, engines * engine.brams);
}

}  // namespace

std::string energy_text(const Energy& energy, const Machine& machine, const Technology& technology,
                        std::int64_t images, double seconds) {
  const Estimate run = energy.millijoules();
  const double milliwatts = seconds > 0 ? run.typical / seconds : 0;
  const bool large = milliwatts >= 1000;
  return fmt::format(
      "energy     {} per image, an estimate for {}\n"
      "           {}\n"
      "power      {:.4g} {} on average\n"
      "area       {}{}\n",
      spread(run * (1 / static_cast<double>(images)), "mJ"), name(technology), shares(energy),
      large ? milliwatts / 1000 : milliwatts, large ? "W of an engine" : "mW",
      spread(area(machine, technology), "mm2"), blocks(machine));
}

}  // namespace workbench
