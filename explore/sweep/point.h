// A point: one question that a sweep, a regression suite or a notebook asks, and its answer. A
// question is named by its content, so that no answer is computed twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workbench {

// How exactly a point is computed (docs/architecture.md, fidelity tiers). A refined point is the
// same question at the transaction tier.
enum class Tier { Analytic, Transaction };
std::string_view to_string(Tier tier);  // "analytic", "transaction"

// A parameter (parameter.h) and its value as text: {"dsp", "96"}, {"ddr.efficiency", "0.5"}.
struct Setting {
  std::string name, value;
  friend bool operator==(const Setting&, const Setting&) = default;
  friend auto operator<=>(const Setting&, const Setting&) = default;
};

struct Point {
  std::string network;  // ONNX file or zoo:NAME, as --model has it
  std::string machine;  // file or shipped name, as --hw has it
  std::vector<Setting> settings;
  Tier tier = Tier::Analytic;
};

// Content address: SHA-256 over the network's bytes (files it refers to included; of the zoo its
// name), the machine file's bytes, the settings in order of their names, the tier and the program
// that computes (core/file.h). `version`: of that program; empty in tests that compare programs.
// Throws Error for a file that cannot be read.
std::string point_key(const Point& point, std::string_view version);

// What the address holds of a file or a folder: its bytes, or those of every file in it; and of a
// network: the files it refers to and the preprocessing beside it included, of the zoo its name.
// Computed once while the files stay the same. Throw Error for what cannot be read.
std::string file_content(const std::filesystem::path& path);
std::string network_content(const std::string& network);

struct LayerFigures {
  std::string name, op, shape;
  std::map<std::string, double> metrics;  // by names of layer_metrics()
};

struct PointResult {
  enum class Status {
    Ok,
    Infeasible,  // the machine cannot be built, or the network does not fit it: `reason` says why
    Failed,      // our bug, or a verdict that is not bit-exact: `reason` says what
  };
  Status status = Status::Ok;
  std::string reason;                     // one line; empty for Ok
  std::map<std::string, double> metrics;  // by names of point_metrics(); empty unless Ok
  std::vector<LayerFigures> layers;       // in program order
  std::optional<bool> bit_exact;          // compared with golden; none: not compared
  double seconds = 0;                     // it took to compute: in no export that is compared
};
std::string_view to_string(PointResult::Status status);  // "ok", "infeasible", "failed"

// A point under its address (point_key).
struct KeyedPoint {
  std::string key;
  Point point;
};

}  // namespace workbench
