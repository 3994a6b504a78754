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
#include "train/augment.h"
#include "train/checkpoint.h"
#include "train/torch_network.h"

namespace workbench::train {

// Images of one size, and what the network is to say of each.
struct Lessons {
  std::int64_t count = 0;
  std::function<void(std::int64_t, std::vector<float>& append_to)> image;
  std::vector<float> targets;        // [count, classes]: distributions; empty: the teacher's
  bool taught = false;               // the mean of targets and the teacher's instead
  std::vector<std::int64_t> labels;  // of validation images: what counts as right
};

struct Schedule {
  Trained trained;
  std::int64_t epochs = 10, batch = 64;
  std::uint64_t seed = 1;
  Augment augment;
  // Adam's, of constants: in units of the root mean square that each had, or each channel of it
  // where they have a step each. A folded batch norm leaves constants of one network, and channels
  // of one constant, hundreds of times apart; no one rate fits them. None: by the width of each
  // one's codes (app/weight_rates.h).
  std::optional<double> weight_rate;
  double threshold_rate = 1e-2;  // Adam's, of log2
  std::int64_t look_every = 1000, checkpoint_every = 200;
  // Of thresholds that are rounded up to powers of two: after every `settle_after` steps their rate
  // is halved; behind the first, one of them is frozen every `freeze_every`. Both are less where
  // training is so short that otherwise they would not come to rest in its first half. Others,
  // which move by little steps as constants do, follow these along the cosine to the end (Esser et
  // al., Learned step size quantization, arXiv:1902.08153).
  std::int64_t settle_after = 1000, freeze_every = 50;
};

// Where training is, for the one who waits.
struct Report {
  std::int64_t step = 0, steps = 0;
  double loss = 0;  // of training, a moving mean
  std::optional<Look> look;
};

struct Training {
  const TorchNetwork& network;
  const TorchNetwork* teacher = nullptr;  // says the targets of lessons that have none
  const Trainable& what;
  const Lessons& lessons;
  const Lessons& validation;
  Schedule schedule;
  std::filesystem::path checkpoint;  // empty: none
  std::string request;               // digest of all that decides the result
  std::function<void(const Report&)> report;
};

// Softmax of [count, classes].
std::vector<float> distributions(const std::vector<float>& scores, std::int64_t classes);

// The mean of two sets of distributions.
std::vector<float> mean_of(std::vector<float> one, const std::vector<float>& other);

// Of how many steps: whole batches alone, at least one an epoch.
std::int64_t steps_of(const Training& training);

// Mean cross-entropy and share of images whose best class is the label.
Look look_at(const TorchNetwork& network, const Lessons& images, const Parameters& parameters,
             std::int64_t step = 0);

// From `start`, or from the checkpoint where there is one. The same bits whether it was interrupted
// or not. State::best is the best look's: by the loss where the teacher alone is followed, else by
// top-1 and then the loss; of equal ones the first, `start` among them. Throws Error for a loss
// that is no number, and as checkpoint_from() does.
State train(const Training& training, const Parameters& start);

}  // namespace workbench::train
