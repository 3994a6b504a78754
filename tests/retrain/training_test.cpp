// Optimisers, freezing and checkpoints, by hand; whole trainings of small networks.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "data/arrays.h"
#include "train/retrain.h"

namespace workbench::train {
namespace {

TEST(Optimizer, rates_decay_in_whole_steps) {
  const Decay decay{.rate = 8, .factor = 0.5, .every = 100};
  EXPECT_EQ(decay.at(0), 8);
  EXPECT_EQ(decay.at(99), 8);
  EXPECT_EQ(decay.at(100), 4);
  EXPECT_EQ(decay.at(350), 1);
}

// With the bias of both moments corrected, the first step of Adam is the rate against the sign.
TEST(Optimizer, the_first_step_of_adam_is_the_rate) {
  std::vector<double> values{1, 2, 3};
  const std::vector<double> gradient{0.5, -1e-3, 0};
  Moments moments;
  adam(std::span(values), std::span(gradient), moments, 1, 0.1);
  EXPECT_NEAR(values[0], 0.9, 1e-6);
  EXPECT_NEAR(values[1], 2.1, 1e-5);
  EXPECT_EQ(values[2], 3);
}

TEST(Optimizer, two_steps_of_adam_by_hand) {
  std::vector<double> values{0};
  Moments moments;
  const std::vector<double> one{1}, three{3};
  adam(std::span(values), std::span(one), moments, 1, 1);
  adam(std::span(values), std::span(three), moments, 2, 1);
  // m = 0.9 * 0.1 + 0.1 * 3 = 0.39, over 1 - 0.81; v = 0.999 * 0.001 + 0.001 * 9, over 1 - 0.998001
  const double expected = -1 - (0.39 / 0.19) / std::sqrt(0.009999 / 0.001999);
  EXPECT_NEAR(values[0], expected, 1e-6);
}

TEST(Freezing, takes_the_least_gradient_whose_average_is_in_the_same_octave) {
  const std::vector<std::vector<double>> steps{{-2.5}, {-2.5}, {0.5}, {1.5}};
  Freezing freezing;
  // Gradients: 3 is the least, then 1.
  follow(freezing, steps, {{4.0}, {-2.0}, {3.0}, {0.5}});
  EXPECT_EQ(next_to_freeze(freezing, steps), 3U);
  // It has moved on into another octave, its average has not.
  std::vector<std::vector<double>> moved = steps;
  moved[3] = {2.5};
  EXPECT_EQ(next_to_freeze(freezing, moved), 1U);
  freezing.frozen[1] = 1;
  EXPECT_EQ(next_to_freeze(freezing, moved), 2U);
  freezing.frozen = {1, 1, 1, 0};
  EXPECT_EQ(next_to_freeze(freezing, moved), std::nullopt);
}

State some_state() {
  State state;
  state.step = 7;
  state.now = {{{1.5F, -2}, {}}, {{-3.25}, {1, 2}}};
  state.best = state.now;
  state.weight_moments = {{{1}, {2}}, {}};
  state.looks = {{.step = 5, .training_loss = 1, .loss = 2, .top1 = 0.5}};
  state.path = {{.step = 1, .log2_thresholds = {0.5, 1}}};
  state.freezing = {{{1}}, {2}, {0, 1}};
  return state;
}

TEST(Checkpoint, comes_back_as_it_was) {
  const std::string request(64, 'a');
  const std::string bytes = checkpoint_bytes(some_state(), request);
  EXPECT_EQ(checkpoint_from(bytes, request, "file"), some_state());
}

TEST(Checkpoint, damage_and_other_trainings_are_refused) {
  const std::string request(64, 'a');
  const std::string bytes = checkpoint_bytes(some_state(), request);
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_THROW(checkpoint_from(bytes.substr(0, size), request, "file"), Error) << size;
  }
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::string other = bytes;
    other[i] = static_cast<char>(other[i] ^ 0x41);
    EXPECT_THROW(checkpoint_from(other, request, "file"), Error) << i;
  }
  EXPECT_THROW(checkpoint_from(bytes, std::string(64, 'b'), "file"), Error);
}

// --- whole trainings

class Retraining : public testing::Test {
 protected:
  // 24 images, smooth, of a seed.
  std::filesystem::path images(const Shape& shape, std::uint64_t seed) {
    std::vector<float> all;
    for (std::uint64_t i = 0; i < kImages; ++i) {
      const Tensor one = synthetic_sample(shape, 100 * seed + i);
      const auto values = one.values<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    Shape batch = shape;
    batch[0] = static_cast<std::int64_t>(kImages);
    const std::filesystem::path file = folder_.file(fmt::format("images_{}.npy", seed));
    write_file(file, npy_bytes(Tensor::from<float>(batch, all)));
    return file;
  }

  RetrainRequest request(const std::string& network, const std::string& scheme,
                         const std::string& target) {
    RetrainRequest request;
    request.network.model.name = network;
    request.network.scheme = scheme;
    request.network.target = target;
    request.lessons.path = images({1, 3, 32, 32}, 1);
    request.validation.path = images({1, 3, 32, 32}, 2);
    request.schedule = {.trained = {},
                        .epochs = 2,
                        .batch = 8,
                        .seed = 3,
                        .weight_rate = {1e-3, 0.94, 1000},
                        .step_rate = {5e-2, 0.5, 1000},
                        .look_every = 2,
                        .checkpoint_every = 1,
                        .freeze_from = 2,
                        .freeze_every = 1};
    request.threads = 1;
    return request;
  }

  static constexpr std::uint64_t kImages = 24;
  ScratchFolder folder_;
};

struct Combination {
  const char *scheme, *target;
};

// Thresholds move, and what is exported is what was trained, code by code. (tiny_cnn averages 36
// cells, a multiplier whose ties are the hardware's own.)
class SchemeRetraining : public Retraining, public testing::WithParamInterface<Combination> {};

TEST_P(SchemeRetraining, codes_of_the_trained_graph_are_goldens) {
  for (const char* network : {"zoo:tiny_residual", "zoo:tiny_inception"}) {
    RetrainRequest asked = request(network, GetParam().scheme, GetParam().target);
    asked.golden_images = 3;
    const Retrained done = retrain(asked, {});
    EXPECT_GT(done.compared_codes, 1000) << network;
    EXPECT_EQ(done.differing_codes, 0) << network << ": " << done.first_difference;
    EXPECT_NE(done.state.path.front().log2_thresholds, done.state.path.back().log2_thresholds);
  }
}

INSTANTIATE_TEST_SUITE_P(
    PowersOfTwo, SchemeRetraining,
    testing::Values(Combination{"per-tensor-pow2", "xdnn"}, Combination{"per-tensor-pow2", "pulp"},
                    Combination{"per-tensor-pow2", "none"}, Combination{"per-channel-pow2", "xdnn"},
                    Combination{"per-channel-pow2", "pulp"},
                    Combination{"per-channel-pow2", "none"},
                    Combination{"per-tensor-pow2-clip-safe", "xdnn"},
                    Combination{"published-static", "xdnn"},
                    Combination{"published-static", "pulp"}, Combination{"graffitist", "xdnn"},
                    Combination{"graffitist", "none"}, Combination{"graffitist-int4", "xdnn"},
                    Combination{"graffitist-int4", "pulp"}),
    [](const auto& of) {
      std::string name = fmt::format("{}_{}", of.param.scheme, of.param.target);
      std::ranges::replace(name, '-', '_');
      return name;
    });

TEST_F(Retraining, goes_on_from_the_checkpoint_as_if_it_had_not_been_interrupted) {
  const RetrainRequest whole = request("zoo:tiny_residual", "per-channel-pow2", "xdnn");
  const Retrained expected = retrain(whole, {});
  RetrainRequest broken = whole;
  broken.checkpoint = folder_.file("checkpoint");
  struct Interruption {};
  for (int attempt = 0; attempt < 2; ++attempt) {
    int reports = 0;
    EXPECT_THROW(retrain(broken,
                         [&](const std::string& stage, double) {
                           if (stage.starts_with("step ") && ++reports == 2) throw Interruption();
                         }),
                 Interruption);
  }
  const Retrained resumed = retrain(broken, {});
  EXPECT_EQ(resumed.state, expected.state);
  RetrainRequest other = broken;
  other.schedule.seed = 4;
  EXPECT_THROW(retrain(other, {}), Error);
}

TEST_F(Retraining, modes_leave_the_rest_alone) {
  RetrainRequest asked = request("zoo:tiny_cnn", "per-tensor-pow2", "xdnn");
  asked.schedule.trained = {.weights = false, .steps = true};
  const Retrained thresholds = retrain(asked, {});
  asked.schedule.trained = {.weights = true, .steps = false};
  const Retrained weights = retrain(asked, {});
  EXPECT_EQ(thresholds.state.path.front().step, 0);
  EXPECT_NE(thresholds.state.path.front().log2_thresholds,
            thresholds.state.path.back().log2_thresholds);
  EXPECT_EQ(weights.state.path.front().log2_thresholds, weights.state.path.back().log2_thresholds);
  EXPECT_NE(thresholds.state.now.weights, weights.state.now.weights);
}

TEST_F(Retraining, what_it_learns_it_keeps) {
  RetrainRequest asked = request("zoo:tiny_residual", "graffitist-int4", "xdnn");
  asked.validation.path = asked.lessons.path;
  asked.schedule.epochs = 12;
  const Retrained done = retrain(asked, {});
  EXPECT_LT(done.state.looks.back().loss, done.state.looks.front().loss);
}

TEST_F(Retraining, refuses_what_it_cannot_train) {
  RetrainRequest asked = request("zoo:tiny_cnn", "per-tensor-pow2", "xdnn");
  asked.loss = Loss::Labels;
  EXPECT_THROW(retrain(asked, {}), Error);
  asked = request("zoo:tiny_cnn", "nemo", "pulp");
  EXPECT_THROW(retrain(asked, {}), Error);
  asked = request("zoo:tiny_cnn", "per-tensor-pow2", "xdnn");
  asked.device = "nothing:9";
  EXPECT_THROW(retrain(asked, {}), Error);
}

}  // namespace
}  // namespace workbench::train
