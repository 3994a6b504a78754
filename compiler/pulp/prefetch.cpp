#include "compiler/pulp/prefetch.h"

#include <algorithm>
#include <vector>

namespace workbench::pulp {
namespace {

class Queue {
 public:
  Queue(std::span<const ConstantLoad> layers, const Machine& machine)
      : layers_(layers),
        bytes_per_cycle_(machine.l3_bytes_per_cycle()),
        transfer_(static_cast<double>(machine.l3.transfer_cycles)),
        first_(layers.size(), 0),
        last_(layers.size(), 0) {}

  double run() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i].bytes > 0 && layers_[i].ahead == 0) ask(i, now_);
      layers_[i].parts > 1 ? in_parts(i) : at_once(i);
    }
    return now_;
  }

 private:
  // Of the first part of layer i.
  void ask(std::size_t i, double time) {
    const ConstantLoad& layer = layers_[i];
    const double whole =
        static_cast<double>(layer.bytes) / static_cast<double>(layer.parts) / bytes_per_cycle_;
    const auto pieces = static_cast<double>(layer.pieces);
    const double begin = std::max(free_, time);
    first_[i] = begin + transfer_ + whole / pieces;
    last_[i] = free_ = begin + pieces * transfer_ + whole;
  }

  void ask_for_later_layers(std::size_t i) {
    for (std::size_t j = i + 1; j <= i + kMostAhead && j < layers_.size(); ++j) {
      if (layers_[j].bytes > 0 && layers_[j].ahead == static_cast<std::int64_t>(j - i)) {
        ask(j, now_);
      }
    }
  }

  void at_once(std::size_t i) {
    const ConstantLoad& layer = layers_[i];
    now_ = std::max(now_, first_[i]);
    if (!layer.maps) ask_for_later_layers(i);
    const auto pieces = static_cast<double>(layer.pieces);
    const double before_last = (pieces - 1) / (pieces * static_cast<double>(layer.turns));
    now_ = std::max(now_ + layer.cycles, last_[i] + layer.cycles * (1 - before_last));
    if (!layer.maps) return;
    free_ = std::max(free_, now_);  // the last slice of the map has gone through
    ask_for_later_layers(i);
  }

  void in_parts(std::size_t i) {
    const ConstantLoad& layer = layers_[i];
    const auto parts = static_cast<double>(layer.parts);
    const double load = transfer_ + static_cast<double>(layer.bytes) / parts / bytes_per_cycle_;
    double arrival = last_[i];
    for (std::int64_t part = 0; part < layer.parts; ++part) {
      now_ = std::max(now_, arrival);
      const bool more = part + 1 < layer.parts;
      const double asked = layer.twice ? now_ : now_ + layer.cycles / parts;
      if (more) arrival = free_ = std::max(free_, asked) + load;
      if (!more) ask_for_later_layers(i);
      now_ += layer.cycles / parts;
    }
  }

  std::span<const ConstantLoad> layers_;
  double bytes_per_cycle_, transfer_;
  std::vector<double> first_, last_;  // arrival of the first piece, of the first part
  double now_ = 0, free_ = 0;
};

}  // namespace

double cycles_with_loads(std::span<const ConstantLoad> layers, const Machine& machine) {
  return Queue(layers, machine).run();
}

}  // namespace workbench::pulp
