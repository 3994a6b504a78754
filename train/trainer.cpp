#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "app/weight_rates.h"
#include "core/error.h"
#include "core/file.h"
#include "core/math.h"

namespace workbench::train {

namespace {

constexpr std::int64_t kLookBatch = 64;  // images a forward run of validation
constexpr std::int64_t kPlaces = 400;    // points of a threshold's path, about

std::int64_t batches_of(const Training& training) {
  return std::max<std::int64_t>(1, training.lessons.count / training.schedule.batch);
}

// Of images [0, count) in the order of an epoch: a function of seed and epoch alone, so that a
// training can go on anywhere. (std::shuffle's result is the library's affair.)
std::vector<std::int64_t> order_of(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

Batch batch_of(const Lessons& lessons, std::span<const std::int64_t> images, std::int64_t classes) {
  Batch batch{.count = static_cast<std::int64_t>(images.size()), .images = {}, .targets = {}};
  for (const std::int64_t i : images) {
    lessons.image(i, batch.images);
    if (lessons.targets.empty()) continue;
    const auto begin = lessons.targets.begin() + i * classes;
    batch.targets.insert(batch.targets.end(), begin, begin + classes);
  }
  return batch;
}

double cross_entropy(std::span<const float> logits, std::span<const float> targets) {
  const double top = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0, loss = 0;
  for (const float logit : logits) sum += math::exp(static_cast<double>(logit) - top);
  const double log_sum = top + math::log(sum);
  for (std::size_t c = 0; c < logits.size(); ++c) {
    loss += static_cast<double>(targets[c]) * (log_sum - static_cast<double>(logits[c]));
  }
  return loss;
}

class Loop {
 public:
  Loop(const Training& training, const Parameters& start)
      : training_(training), schedule_(training.schedule), steps_(steps_of(training)) {
    const auto scales = std::max<std::int64_t>(1, std::ssize(training.what.scales));
    settle_after_ = std::clamp<std::int64_t>(steps_ / 8, 1, schedule_.settle_after);
    freeze_every_ = std::clamp<std::int64_t>(steps_ * 3 / 8 / scales, 1, schedule_.freeze_every);
    for (const Scale& scale : training.what.scales) jumps_.push_back(scale.power_of_two ? 1 : 0);
    for (std::size_t w = 0; w < start.weights.size(); ++w) {
      const Weight& weight = training.what.weights[w];
      weight_rates_.push_back(schedule_.weight_rate.value_or(weight_rate_of(weight.bits)));
      weight_units_.push_back(rms_of_channels(start.weights[w], weight.channels, weight.inner));
    }
    std::error_code ignored;
    if (!training.checkpoint.empty() && std::filesystem::exists(training.checkpoint, ignored)) {
      state_ =
          checkpoint_from(read_file(training.checkpoint), training.request, training.checkpoint);
      return;
    }
    state_.now = state_.best = start;
    state_.weight_moments.resize(start.weights.size());
    state_.step_moments.resize(start.log2_steps.size());
    look();
    note_place();
  }

  State run() {
    while (state_.step < steps_) {
      const std::int64_t batches = batches_of(training_);
      const std::int64_t epoch = state_.step / batches;
      const std::vector<std::int64_t> order =
          order_of(training_.lessons.count, schedule_.seed, epoch);
      for (std::int64_t b = state_.step % batches; b < batches; ++b) one_step(order, epoch, b);
    }
    return std::move(state_);
  }

 private:
  Batch lesson_of(std::span<const std::int64_t> images, std::int64_t epoch) const {
    const std::int64_t classes = training_.network.classes();
    Batch batch = batch_of(training_.lessons, images, classes);
    const std::size_t size = batch.images.size() / images.size();
    std::vector<std::uint64_t> randoms;
    for (std::size_t i = 0; i < images.size(); ++i) {
      randoms.push_back(random_of(schedule_.seed, epoch, images[i]));
      augment(std::span(batch.images).subspan(i * size, size), training_.network.input_shape(),
              schedule_.augment, randoms.back());
    }
    if (schedule_.augment.mix) mix(batch.images, randoms);
    if (!batch.targets.empty() && !training_.lessons.taught) return batch;
    const std::vector<float> said = distributions(training_.teacher->logits({}, batch), classes);
    batch.targets = batch.targets.empty() ? said : mean_of(std::move(batch.targets), said);
    return batch;
  }

  void one_step(const std::vector<std::int64_t>& order, std::int64_t epoch, std::int64_t b) {
    const std::int64_t size = std::min(schedule_.batch, training_.lessons.count);
    const auto images = std::span(order).subspan(static_cast<std::size_t>(b * size),
                                                 static_cast<std::size_t>(size));
    const Step step =
        training_.network.step(state_.now, lesson_of(images, epoch), schedule_.trained);
    if (!std::isfinite(step.loss)) {
      fail(
          "step {}: the loss is not finite: expected lower rates (--weight-rate, "
          "--threshold-rate)",
          state_.step);
    }
    state_.loss_sum += step.loss;
    ++state_.loss_count;
    recent_ = recent_ == 0 ? step.loss : 0.95 * recent_ + 0.05 * step.loss;
    move(step.gradients);
    ++state_.step;
    const bool last = state_.step == steps_;
    if (last || state_.step % std::max<std::int64_t>(1, steps_ / kPlaces) == 0) note_place();
    const bool looks = last || state_.step % schedule_.look_every == 0;
    if (looks) look();
    if (last || looks || state_.step % schedule_.checkpoint_every == 0) save();
    if (training_.report) {
      training_.report({.step = state_.step,
                        .steps = steps_,
                        .loss = recent_,
                        .look = looks ? std::optional(state_.looks.back()) : std::nullopt});
    }
  }

  void move(const Parameters& gradients) {
    const std::int64_t step = state_.step;
    for (std::size_t w = 0; w < state_.now.weights.size(); ++w) {
      adam(std::span(state_.now.weights[w]), std::span(gradients.weights[w]),
           state_.weight_moments[w], step + 1, cosine_rate(weight_rates_[w], step, steps_),
           weight_units_[w]);
    }
    if (!schedule_.trained.steps) return;
    const Decay decay{.rate = schedule_.threshold_rate, .factor = 0.5, .every = settle_after_};
    const double jumping = decay.at(step);
    const double smooth = cosine_rate(schedule_.threshold_rate, step, steps_);
    for (std::size_t s = 0; s < state_.now.log2_steps.size(); ++s) {
      std::vector<double>& values = state_.now.log2_steps[s];
      if (!state_.freezing.frozen.empty() && state_.freezing.frozen[s] != 0) continue;
      adam(std::span(values), std::span(gradients.log2_steps[s]), state_.step_moments[s], step + 1,
           training_.what.scales[s].power_of_two ? jumping : smooth);
      for (double& value : values) value = std::min(value, training_.what.scales[s].highest);
    }
    follow(state_.freezing, state_.now.log2_steps, gradients.log2_steps);
    freeze(step + 1);
  }

  void freeze(std::int64_t step) {
    if (step < settle_after_ || step % freeze_every_ != 0) return;
    const auto next = next_to_freeze(state_.freezing, state_.now.log2_steps, jumps_);
    if (next) state_.freezing.frozen[*next] = 1;
  }

  void look() {
    Look look = look_at(training_.network, training_.validation, state_.now, state_.step);
    look.training_loss = state_.loss_count > 0
                             ? state_.loss_sum / static_cast<double>(state_.loss_count)
                             : look.loss;
    state_.loss_sum = 0;
    state_.loss_count = 0;
    if (state_.looks.empty() || better(look, state_.best_look)) {
      state_.best = state_.now;
      state_.best_look = look;
    }
    state_.looks.push_back(look);
  }

  // What follows another network is the better the closer it is: on images that their classes are
  // hard to tell of, it can be right by chance where it is farther off.
  bool better(const Look& one, const Look& other) const {
    const bool follows = training_.lessons.targets.empty();
    if (!follows && one.top1 != other.top1) return one.top1 > other.top1;
    return one.loss < other.loss;
  }

  void note_place() {
    Place place{.step = state_.step, .log2_thresholds = {}};
    for (std::size_t s = 0; s < state_.now.log2_steps.size(); ++s) {
      const std::vector<double>& values = state_.now.log2_steps[s];
      const double sum = std::accumulate(values.begin(), values.end(), 0.0);
      place.log2_thresholds.push_back(sum / static_cast<double>(values.size()) +
                                      math::log2(training_.what.scales[s].codes));
    }
    state_.path.push_back(std::move(place));
  }

  void save() const {
    if (training_.checkpoint.empty()) return;
    write_file(training_.checkpoint, checkpoint_bytes(state_, training_.request));
  }

  const Training& training_;
  const Schedule& schedule_;
  const std::int64_t steps_;
  std::int64_t settle_after_ = 1, freeze_every_ = 1;
  std::vector<double> weight_rates_;              // at first, per constant
  std::vector<std::vector<float>> weight_units_;  // of each number of each constant
  std::vector<std::uint8_t> jumps_;               // per scale: its steps are powers of two
  State state_;
  double recent_ = 0;
};

}  // namespace

std::int64_t steps_of(const Training& training) {
  return batches_of(training) * training.schedule.epochs;
}

std::vector<float> distributions(const std::vector<float>& scores, std::int64_t classes) {
  const auto row = static_cast<std::size_t>(classes);
  std::vector<float> result(scores.size());
  for (std::size_t begin = 0; begin < scores.size(); begin += row) {
    const auto one = std::span(scores).subspan(begin, row);
    const double top = static_cast<double>(*std::ranges::max_element(one));
    double sum = 0;
    for (const float score : one) sum += math::exp(static_cast<double>(score) - top);
    for (std::size_t c = 0; c < row; ++c) {
      result[begin + c] = static_cast<float>(math::exp(static_cast<double>(one[c]) - top) / sum);
    }
  }
  return result;
}

std::vector<float> mean_of(std::vector<float> one, const std::vector<float>& other) {
  CHECK(one.size() == other.size(), "{} and {} shares", one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) one[i] = (one[i] + other[i]) / 2;
  return one;
}

Look look_at(const TorchNetwork& network, const Lessons& images, const Parameters& parameters,
             std::int64_t step) {
  const std::int64_t classes = network.classes();
  Look look{.step = step};
  std::int64_t right = 0;
  for (std::int64_t begin = 0; begin < images.count; begin += kLookBatch) {
    std::vector<std::int64_t> chosen(
        static_cast<std::size_t>(std::min(kLookBatch, images.count - begin)));
    std::iota(chosen.begin(), chosen.end(), begin);
    const Batch batch = batch_of(images, chosen, classes);
    const std::vector<float> logits = network.logits(parameters, batch);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto row = static_cast<std::size_t>(classes);
      const auto scores = std::span(logits).subspan(i * row, row);
      look.loss += cross_entropy(scores, std::span(batch.targets).subspan(i * row, row));
      const auto best = std::ranges::max_element(scores) - scores.begin();
      right += best == images.labels[static_cast<std::size_t>(chosen[i])] ? 1 : 0;
    }
  }
  look.loss /= static_cast<double>(images.count);
  look.top1 = static_cast<double>(right) / static_cast<double>(images.count);
  return look;
}

State train(const Training& training, const Parameters& start) {
  CHECK(training.lessons.count > 0 && training.validation.count > 0, "nothing to train with");
  const bool asks = training.lessons.targets.empty() || training.lessons.taught;
  CHECK(training.teacher != nullptr || !asks, "nothing to learn");
  return Loop(training, start).run();
}

}  // namespace workbench::train
