// Energy and area of a point (docs/energy.md).
#include "explore/energy/area.h"
#include "explore/energy/energy.h"
#include "explore/sweep/figures.h"

namespace workbench {

namespace {

void add_estimate(const std::string& name, const std::string& unit, const Estimate& estimate,
                  std::map<std::string, double>& metrics) {
  metrics[name + "_" + unit] = estimate.typical;
  metrics[name + "_low_" + unit] = estimate.low;
  metrics[name + "_high_" + unit] = estimate.high;
}

void add_blocks(const xdnn::Machine& machine, std::map<std::string, double>& metrics) {
  const FpgaBlocks engine = fpga_blocks(machine);
  const auto engines = static_cast<double>(machine.board.engines);
  metrics["dsps"] = engines * static_cast<double>(engine.dsps);
  metrics["urams"] = engines * static_cast<double>(engine.urams);
  metrics["brams"] = engines * static_cast<double>(engine.brams);
}

}  // namespace

void add_energy(const Program& program, const Machine& machine, const PointTimes& times,
                const Technology& technology, PointResult& result) {
  std::vector<Cycles> layer_cycles;
  for (const LayerTime& layer : times.layers) layer_cycles.push_back(layer.cycles);
  const ProgramEnergy used = energy(program, machine, technology, layer_cycles);
  const double each = 1 / static_cast<double>(machine_info(machine).images);
  const Estimate image = used.total.millijoules() * each;
  add_estimate("energy", "mj", image, result.metrics);
  result.metrics["power_mw"] = image.typical * times.images_per_second;
  add_estimate("area", "mm2", area(machine, technology), result.metrics);
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) add_blocks(*xdnn, result.metrics);
  for (std::size_t i = 0; i < result.layers.size(); ++i) {
    result.layers[i].metrics["energy_mj"] = used.layer_millijoules.at(i).typical * each;
  }
}

}  // namespace workbench
