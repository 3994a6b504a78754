// The training loop: batches in seeded order, gradients from libtorch, Adam, frozen thresholds,
// looks at the validation images, checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/samples.h"
#include "train/checkpoint.h"
#include "train/torch_network.h"

namespace workbench::train {

// Images of one size, and what the network is to say of each.
struct Lessons {
  std::int64_t count = 0;
  std::function<void(std::int64_t, std::vector<float>& append_to)> image;
  std::vector<float> targets;        // [count, classes]: distributions
  std::vector<std::int64_t> labels;  // of validation images: what counts as right
};

struct Schedule {
  Trained trained;
  std::int64_t epochs = 5, batch = 24;  // as published
  std::uint64_t seed = 1;
  Decay weight_rate, step_rate;
  std::int64_t look_every = 1000, checkpoint_every = 200;
  std::int64_t freeze_from = 1000, freeze_every = 50;
};

// Where training is, for the one who waits.
struct Report {
  std::int64_t step = 0, steps = 0;
  double loss = 0;  // of training, a moving mean
  std::optional<Look> look;
};

struct Training {
  const TorchNetwork& network;
  const Trainable& what;
  const Lessons& lessons;
  const Lessons& validation;
  Schedule schedule;
  std::filesystem::path checkpoint;  // empty: none
  std::string request;               // digest of all that decides the result
  std::function<void(const Report&)> report;
};

// Of how many steps: whole batches alone, at least one an epoch.
std::int64_t steps_of(const Training& training);

// Mean cross-entropy and share of images whose best class is the label.
Look look_at(const Training& training, const Parameters& parameters, std::int64_t step);

// From `start`, or from the checkpoint where there is one. The same bits whether it was interrupted
// or not. State::best is the best look's; of equal ones the first, `start` among them. Throws Error
// for a loss that is no number, and as checkpoint_from() does.
State train(const Training& training, const Parameters& start);

}  // namespace workbench::train
