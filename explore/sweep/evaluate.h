// Evaluates a point. Work that points share is done once: networks are imported and quantized once
// for all machines that quantize them alike, programs compiled once for all machines that they are
// the same for.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "explore/flow/pipeline.h"
#include "explore/options.h"
#include "explore/sweep/point.h"

namespace workbench {

struct EvaluatorOptions {
  bool golden = true;  // transaction tier: compare with the golden model (the verdict)
  bool values = true;  // transaction tier, PULP: move data; false: timing alone, then no golden
  bool layers = true;  // figures per layer too
};

// The figures of a run of `compiled` by the analytic tier, by names of point_metrics(); with those
// of layers if asked for.
PointResult analytic_figures(const Compiled& compiled, const std::string& technology, bool layers);

class Evaluator {
 public:
  explicit Evaluator(const EvaluatorOptions& options = {});
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  // Never throws Error for what is wrong with the point's machine or options in combination: that
  // is Status::Infeasible with the reason. Throws Error for a network or machine file that cannot
  // be read at all, and for unknown parameters.
  PointResult evaluate(const Point& point);

 private:
  struct Cache;
  EvaluatorOptions options_;
  std::unique_ptr<Cache> cache_;
};

// Work that points share: networks imported once, made integers once for all machines that quantize
// them alike, compiled once for all machines that the program is the same for. The last few of each
// are kept; points that come in sharing_order() find them there.

// The last `capacity` values asked for, by a text that says everything they depend on.
template <typename Value>
class RecentValues {
 public:
  explicit RecentValues(std::size_t capacity) : capacity_(capacity) {}

  // Valid until the next call.
  template <typename Make>
  const Value& get(const std::string& key, const Make& make) {
    for (auto it = values_.begin(); it != values_.end(); ++it) {
      if (it->first != key) continue;
      values_.splice(values_.begin(), values_, it);
      return values_.front().second;
    }
    if (values_.size() == capacity_) values_.pop_back();  // first: it may be large
    values_.emplace_front(key, make());
    return values_.front().second;
  }

 private:
  std::size_t capacity_;
  std::list<std::pair<std::string, Value>> values_;  // most recent first
};

class PreparedNetworks {
 public:
  // A program for the machine, or why there is none.
  struct Answer {
    Compiled compiled;      // `machine` is as asked for
    std::string obstacle;   // one line; then there is no program
    bool constants = true;  // the program has its constants
  };

  // `request.machine` and its overrides are `machine`. Without `constants` the program is good for
  // timing alone. Throws Error for a network that cannot be read, unless settings of the zoo
  // (width, resolution, seed) ask for one that there is not: that is an obstacle. Valid until the
  // next call.
  const Answer& program(const CompileRequest& request, const Machine& machine, bool constants);

 private:
  // What a stage returned, or why it could not.
  template <typename Value>
  struct Kept {
    Value value;
    std::string obstacle;  // one line
  };

  const Kept<Imported>& imported(const CompileRequest& request, const Target& target);
  const Kept<Quantized>& integers(const CompileRequest& request, const Target& target);

  RecentValues<Kept<Imported>> imported_{1};
  RecentValues<Kept<Quantized>> integers_{2};
  RecentValues<Answer> programs_{2};
  Answer other_card_;
};

// The request with what the stage may read, as its options say, and the defaults of all others: no
// stage sees what its key has not. What is `Shown` stays.
CompileRequest read_by(Stage stage, CompileRequest request);
// All that the integers of a network depend on: options by value, files by content, and of the
// machine what quantization looks at. Of the machine: what compiler/xdnn's support, limits and
// rewrites ask for; PULP quantizes alike for all.
std::string integers_key(const CompileRequest& request, const Machine& machine);
// All that the program depends on.
std::string program_key(const CompileRequest& request, const Machine& machine);

}  // namespace workbench
