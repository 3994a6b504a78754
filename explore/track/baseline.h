// What is tracked: a suite file (YAML, docs/track.md) names cases, each a network on a machine with
// its options. Paths in it are relative to the file.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "explore/report/metrics.h"
#include "explore/report/report.h"
#include "explore/store/store.h"
#include "explore/sweep/point.h"

namespace workbench::track {

struct Case {
  std::string name;  // unique in its suite
  Point point;       // paths resolved: they work from the current folder; settings by name
  int line = 0;      // in the suite file; 0: not from one
};

struct Suite {
  std::string name;
  std::filesystem::path file;
  bool golden = true;  // cases are compared with the golden model
  std::vector<Case> cases;
};

// Throws Error "FILE:LINE: ..." on anything that is no suite: unknown and repeated keys, a case
// without network or machine, names that repeat, no case at all.
Suite load_suite(const std::filesystem::path& path);
// As load_suite(), from text; `path` is where the text would be.
Suite parse_suite(const std::string& yaml, const std::filesystem::path& path);

// A network or machine as a file in `folder` has to name it: zoo networks and shipped machines are
// names, files are paths from there. The inverse of resolved().
std::string named_from(const std::string& name, const std::filesystem::path& folder);
std::string resolved(const std::string& name, const std::filesystem::path& folder);

// A baseline: figures of every case of a suite at one revision, with fingerprints to explain later
// differences. A text file, one line per layer, made to be read as a diff; the same text is a run
// of kind "track" in a store (explore/store/store.h).

inline constexpr int kBaselineVersion = 1;

struct LayerRecord {
  std::string name, op, shape;
  std::int64_t cycles = 0;  // of the case's cycles that are this layer's
  Waterfall waterfall{};    // adds up to `cycles`; all 0 at the analytic tier
  std::int64_t instructions = 0;
  std::string tiles;  // what it is cut into, empty: it is not
  std::string code;   // of its instructions, fields and addresses included
};

// Short hashes (16 hexadecimal digits of SHA-256), by what they are of.
struct Fingerprints {
  std::string network, weights;      // as imported: nodes and shapes; constants
  std::string passes, quantization;  // as compiled: nodes and shapes; codes and scales
  std::string program, constants;    // the program file's bytes; of those, filters and the like
  std::string technology;            // numbers that energy and area are estimated with
};

// Wall time of the simulation, in seconds, ascending.
struct WallRecord {
  std::vector<double> seconds;
};

struct CaseRecord {
  Case asked;
  std::string verdict;                    // "bit-exact", "not compared", or what is wrong
  std::map<std::string, double> figures;  // by names of point_metrics()
  std::vector<std::pair<std::string, std::string>> machine;  // knobs, in the order of the file
  Fingerprints fingerprints;
  std::vector<LayerRecord> layers;  // in the order in which they begin: the schedule
  std::optional<WallRecord> wall;
  // As a sweep has it, layers included; of a case just computed alone, in no file.
  std::optional<PointResult> answer;
};

struct Baseline {
  std::string name;      // of the suite, unless it was given another
  std::string revision;  // of git, "-dirty" when files differ from it; empty: not known
  std::string date;      // of that commit, UTC, "2026-11-22T19:30:00Z"; empty: not known
  bool golden = true;
  std::vector<CaseRecord> cases;

  const CaseRecord* find(std::string_view name) const;  // nullptr: there is none
};

// Whether a worse value of that figure (point_metrics()) is a regression: figures that users wait
// for, not their components.
bool gates(std::string_view figure);

// Deterministic; file names as a file in `folder` has to have them.
std::string baseline_text(const Baseline& baseline, const std::filesystem::path& folder);
// The inverse. `name` stands for the file in errors: Throws Error "NAME: ..." on anything else.
Baseline parse_baseline(const std::string& text, const std::string& name,
                        const std::filesystem::path& folder);

void save_baseline(const Baseline& baseline, const std::filesystem::path& path);
Baseline load_baseline(const std::filesystem::path& path);

// Baselines in a store: a run of kind "track" each, whose question is the baseline's text, with the
// cases' figures as points for those who ask the store itself.

// Of cases just computed (CHECKed). `store_path`: paths in the baseline are kept relative to its
// folder.
void add_to_store(const Baseline& baseline, const std::filesystem::path& store_path);

// Oldest recorded first. `name`: those of that name alone; empty: all. Throws Error when there is
// none, or when the store is not there.
std::vector<Baseline> baselines_in_store(const std::filesystem::path& store_path,
                                         const std::string& name);

}  // namespace workbench::track
