// A technology: energy of each access, power at rest, area of each block.
// One YAML file per technology in configs/technology, which are part of the program, each number
// with its source or marked as assumed, and with its spread. The two families are made of different
// things: xDNN of the blocks of an FPGA, PULP of gates and memory cells. docs/energy.md explains.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "explore/energy/estimate.h"
#include "explore/flow/machine.h"

namespace workbench {

// The files of configs/technology as they were when the program was built.
struct ShippedTechnology {
  std::string_view name, yaml;
};

std::span<const ShippedTechnology> shipped_technologies();

struct XdnnTechnology {
  // pJ.
  struct Energy {
    Estimate mac_8, mac_16;  // a multiply-accumulate of codes of 8 or 16 bits, operands moved
                             // through the array
    Estimate idle_slot;      // a MAC slot of the array, while it runs, that has nothing to do
    Estimate am_byte;        // read from or written to the activation memory
    Estimate filter_byte;    // loaded into the filter buffers
    Estimate ddr_byte;       // of DRAM and its interface, both ends
    Estimate instruction;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("mac_8", self.mac_8);
      visit("mac_16", self.mac_16);
      visit("idle_slot", self.idle_slot);
      visit("am_byte", self.am_byte);
      visit("filter_byte", self.filter_byte);
      visit("ddr_byte", self.ddr_byte);
      visit("instruction", self.instruction);
    }
  };
  // mW, all the time: clock and leakage.
  struct Power {
    Estimate engine;           // its share of what is not the engine: shell, PCIe, DDR interfaces
    Estimate dsp, uram, bram;  // of each
    static constexpr void fields(auto& self, auto&& visit) {
      visit("engine", self.engine);
      visit("dsp", self.dsp);
      visit("uram", self.uram);
      visit("bram", self.bram);
    }
  };
  // mm2 of silicon of each, with the logic and wires that go with it.
  struct Area {
    Estimate dsp, uram, bram;
    Estimate engine;  // control, pool and eltwise units, DMA
    static constexpr void fields(auto& self, auto&& visit) {
      visit("dsp", self.dsp);
      visit("uram", self.uram);
      visit("bram", self.bram);
      visit("engine", self.engine);
    }
  };

  std::string name, family_name, summary;
  Energy energy;
  Power power;
  Area area;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("family", self.family_name);
    visit("summary", self.summary);
    visit("energy", self.energy);
    visit("power", self.power);
    visit("area", self.area);
  }
};

struct PulpTechnology {
  // What the cluster's clock takes; energies go with its square. Below low_mhz the voltage stays.
  struct Voltage {
    double volts = 0;  // that energies and leakage are given for
    double low_mhz = 0, low_volts = 0, high_mhz = 0, high_volts = 0;
    double at(double mhz) const;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("volts", self.volts);
      visit("low_mhz", self.low_mhz);
      visit("low_volts", self.low_volts);
      visit("high_mhz", self.high_mhz);
      visit("high_volts", self.high_volts);
    }
  };
  // pJ.
  struct Energy {
    Estimate core_cycle;     // a core that works: fetch, decode, registers, arithmetic
    Estimate waiting_cycle;  // a core that waits, its clock stopped
    Estimate mac;            // beyond that, of 8 x 8 bits; narrower codes are unpacked to 8 first
    Estimate l1_word;        // 4 bytes of L1, interconnect included
    Estimate l2_byte;        // of L2, interconnect and DMA included
    Estimate l3_byte;        // of the memory outside, both ends of its pins; at any clock
    Estimate base_cycle;     // clock tree, fabric controller, event unit: each cluster cycle
    static constexpr void fields(auto& self, auto&& visit) {
      visit("core_cycle", self.core_cycle);
      visit("waiting_cycle", self.waiting_cycle);
      visit("mac", self.mac);
      visit("l1_word", self.l1_word);
      visit("l2_byte", self.l2_byte);
      visit("l3_byte", self.l3_byte);
      visit("base_cycle", self.base_cycle);
    }
  };
  // mW of leakage.
  struct Power {
    Estimate core, sram_kilobyte, base;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("core", self.core);
      visit("sram_kilobyte", self.sram_kilobyte);
      visit("base", self.base);
    }
  };
  struct Area {
    Estimate gate_um2;      // of a NAND2 equivalent, placed and wired
    Estimate sram_bit_um2;  // with the periphery of its macro
    Estimate core_kilogates, dma_kilogates, crossing_kilogates;  // of the interconnect: a master
                                                                 // and a bank
    Estimate icache_kilogates_per_kilobyte;                      // of latches and comparators
    Estimate base_kilogates;  // fabric controller, uDMA, peripherals
    static constexpr void fields(auto& self, auto&& visit) {
      visit("gate_um2", self.gate_um2);
      visit("sram_bit_um2", self.sram_bit_um2);
      visit("core_kilogates", self.core_kilogates);
      visit("dma_kilogates", self.dma_kilogates);
      visit("crossing_kilogates", self.crossing_kilogates);
      visit("icache_kilogates_per_kilobyte", self.icache_kilogates_per_kilobyte);
      visit("base_kilogates", self.base_kilogates);
    }
  };

  std::string name, family_name, summary;
  Voltage voltage;
  Energy energy;
  Power power;
  Area area;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("family", self.family_name);
    visit("summary", self.summary);
    visit("voltage", self.voltage);
    visit("energy", self.energy);
    visit("power", self.power);
    visit("area", self.area);
  }
};

using Technology = std::variant<XdnnTechnology, PulpTechnology>;

inline const std::string& name(const Technology& technology) {
  return std::visit([](const auto& t) -> const std::string& { return t.name; }, technology);
}

// The shipped ones, in the order of their names.
std::vector<std::string> technology_names();

// By shipped name, or a file that is shaped like theirs. Throws Error: no such technology or file
// (names the shipped ones), "FILE:LINE: ..." for an unknown or repeated key or a value that is no
// number, "FILE: ..." for a number that is missing or a spread that is none.
Technology find_technology(const std::string& name_or_path);
Technology parse_technology(const std::string& yaml, const std::string& name);

// The technology of the machine's chip if known, else its family's usual one.
Technology default_technology(const Machine& machine);

// `name_or_path` as find_technology() has it; empty or "default": what default_technology() says.
// Throws Error when it is one of the other family's.
Technology technology_for(const Machine& machine, const std::string& name_or_path);

}  // namespace workbench
