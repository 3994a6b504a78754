// The state of a training as a file, complete at any moment: what a killed one goes on from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/optimizer.h"
#include "train/trainable.h"

namespace workbench::train {

// One look at the validation images.
struct Look {
  std::int64_t step = 0;
  double training_loss = 0;  // mean since the look before
  double loss = 0, top1 = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("step", self.step);
    visit("training_loss", self.training_loss);
    visit("loss", self.loss);
    visit("top1", self.top1);
  }
  friend bool operator==(const Look&, const Look&) = default;
};

// log2 of all thresholds at a step; of several per channel their mean.
struct Place {
  std::int64_t step = 0;
  std::vector<double> log2_thresholds;  // per scale
  static constexpr void fields(auto& self, auto&& visit) {
    visit("step", self.step);
    visit("log2_thresholds", self.log2_thresholds);
  }
  friend bool operator==(const Place&, const Place&) = default;
};

struct State {
  std::int64_t step = 0;  // that have been done
  Parameters now, best;
  Look best_look;
  std::vector<Moments> weight_moments, step_moments;
  Freezing freezing;
  double loss_sum = 0;  // since the last look
  std::int64_t loss_count = 0;
  std::vector<Look> looks;
  std::vector<Place> path;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("step", self.step);
    visit("now", self.now);
    visit("best", self.best);
    visit("best_look", self.best_look);
    visit("weight_moments", self.weight_moments);
    visit("step_moments", self.step_moments);
    visit("freezing", self.freezing);
    visit("loss_sum", self.loss_sum);
    visit("loss_count", self.loss_count);
    visit("looks", self.looks);
    visit("path", self.path);
  }
  friend bool operator==(const State&, const State&) = default;
};

// `request`: what the training was asked for, as a digest; another one's checkpoint is refused.
std::string checkpoint_bytes(const State& state, const std::string& request);
// Throws Error naming the file for bytes that are damaged or of another training.
State checkpoint_from(const std::string& bytes, const std::string& request,
                      const std::filesystem::path& file);

}  // namespace workbench::train
