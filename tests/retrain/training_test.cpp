// Optimisers, freezing and checkpoints, by hand; whole trainings of small networks.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "app/weight_rates.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/graph_digest.h"
#include "compiler/quantize/weighted_layers.h"
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

TEST(Optimizer, half_a_cosine_ends_at_nothing) {
  EXPECT_EQ(cosine_rate(8, 0, 100), 8);
  EXPECT_NEAR(cosine_rate(8, 50, 100), 4, 1e-12);
  EXPECT_NEAR(cosine_rate(8, 100, 100), 0, 1e-12);
  EXPECT_NEAR(rms(std::vector<float>{3, -4, 0, 0}), 2.5, 1e-12);
}

// One row of 16 columns, which shifts by -2 to 2 and repeats its edge; of height 1, it stays on it.
TEST(Augment, shifts_and_mirrors) {
  const Shape shape{1, 1, 1, 16};
  std::vector<float> row(16);
  std::iota(row.begin(), row.end(), 0.0F);
  std::set<std::vector<float>> shifted, mirrored;
  for (std::int64_t i = 0; i < 200; ++i) {
    std::vector<float> one = row, other = row;
    augment(one, shape, {.shift = true}, random_of(1, 0, i));
    augment(other, shape, {.shift = true, .flip = true}, random_of(1, 0, i));
    shifted.insert(one);
    mirrored.insert(other);
  }
  EXPECT_EQ(shifted.size(), 5U);
  EXPECT_EQ(mirrored.size(), 10U);
  std::vector<float> right(16);  // by 2
  for (std::size_t x = 2; x < 16; ++x) right[x] = static_cast<float>(x - 2);
  EXPECT_TRUE(shifted.contains(right));
  std::ranges::reverse(right);
  EXPECT_TRUE(mirrored.contains(right));
  std::vector<float> same = row;
  augment(same, shape, {}, 1);
  EXPECT_EQ(same, row);
}

// Within an eighth of the deviation of what is there, 1 here; not twice the same, of mean 0.
TEST(Augment, noise_is_small_and_differs_from_image_to_image) {
  const Shape shape{1, 1, 32, 32};
  std::vector<float> image(1024);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = i % 2 == 0 ? 1.0F : -1.0F;
  std::set<std::vector<float>> seen;
  double largest = 0, sum = 0;
  constexpr std::int64_t kShown = 50;
  for (std::int64_t n = 0; n < kShown; ++n) {
    std::vector<float> one = image, again = image;
    augment(one, shape, {.noise = true}, random_of(1, 0, n));
    augment(again, shape, {.noise = true}, random_of(1, 0, n));
    EXPECT_EQ(one, again);
    seen.insert(one);
    for (std::size_t i = 0; i < image.size(); ++i) {
      const double change = static_cast<double>(one[i]) - static_cast<double>(image[i]);
      largest = std::max(largest, std::abs(change));
      sum += change;
    }
  }
  EXPECT_EQ(std::ssize(seen), kShown);
  EXPECT_LE(largest, 0.125 + 1e-6);
  EXPECT_GT(largest, 0.1);
  // Of uniform bounds up to 1/8 and uniform noise the deviation is 1/24: five of that of the mean.
  EXPECT_LT(std::abs(sum) / (kShown * 1024), 5.0 / 24 / std::sqrt(kShown * 1024.0));
}

TEST(Augment, blends_with_the_next_image_of_the_batch) {
  std::vector<float> images{0, 0, 8, 16, -4, 4};
  // Of 16 bits: none, half of a half, nearly a half.
  mix(images, std::vector<std::uint64_t>{0, std::uint64_t{0x8000} << 48, ~std::uint64_t{0}});
  EXPECT_EQ(std::vector<float>(images.begin(), images.begin() + 4),
            (std::vector<float>{0, 0, 8 + 0.25F * (-4 - 8), 16 + 0.25F * (4 - 16)}));
  EXPECT_NEAR(images[4], -2, 1e-3);  // with the first as it was
  EXPECT_NEAR(images[5], 2, 1e-3);
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

// Two channels of an axis with one number behind it: 3 and 4 apart from 0.3 and 0.4.
TEST(Optimizer, channels_with_steps_of_their_own_have_rates_of_their_own) {
  std::vector<float> values{3, 0.3F, -4, -0.4F};
  const std::vector<float> units = rms_of_channels(values, 2, 1), gradient{1, 1, -5, -5};
  EXPECT_NEAR(units[0], std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(units[1], std::sqrt(0.125), 1e-6);
  EXPECT_EQ(units[2], units[0]);
  EXPECT_EQ(units[3], units[1]);
  Moments moments;
  adam(std::span(values), std::span(gradient), moments, 1, 0.1, units);
  EXPECT_NEAR(values[0], 3 - 0.1 * std::sqrt(12.5), 1e-5);
  EXPECT_NEAR(values[1], 0.3 - 0.1 * std::sqrt(0.125), 1e-5);
  EXPECT_NEAR(values[2], -4 + 0.1 * std::sqrt(12.5), 1e-5);
  EXPECT_NEAR(values[3], -0.4 + 0.1 * std::sqrt(0.125), 1e-5);
  EXPECT_EQ(rms_of_channels(values, 1, 1)[0], static_cast<float>(rms(values)));
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
  std::vector<std::uint8_t> jump(4, 1);
  EXPECT_EQ(next_to_freeze(freezing, steps, jump), 3U);
  // It has moved on into another octave, its average has not.
  std::vector<std::vector<double>> moved = steps;
  moved[3] = {2.5};
  EXPECT_EQ(next_to_freeze(freezing, moved, jump), 1U);
  freezing.frozen[1] = 1;
  EXPECT_EQ(next_to_freeze(freezing, moved, jump), 2U);
  jump[2] = 0;  // steps of any size do not
  EXPECT_EQ(next_to_freeze(freezing, moved, jump), 0U);
  freezing.frozen = {1, 1, 1, 0};
  EXPECT_EQ(next_to_freeze(freezing, moved, jump), std::nullopt);
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
    request.validation = {.path = images({1, 3, 32, 32}, 2)};
    request.schedule = {.trained = {},
                        .epochs = 2,
                        .batch = 8,
                        .seed = 3,
                        .weight_rate = 1e-2,
                        .threshold_rate = 5e-2,
                        .look_every = 2,
                        .checkpoint_every = 1,
                        .settle_after = 4,
                        .freeze_every = 1};
    request.threads = 1;
    return request;
  }

  // Gives the images of lessons and of validation four classes in turn.
  void with_labels(RetrainRequest& asked) {
    std::string labels;
    for (std::uint64_t i = 0; i < kImages; ++i) labels += fmt::format("{}\n", i % 4);
    write_file(folder_.file("labels.txt"), labels);
    asked.lessons.labels = asked.validation->labels = folder_.file("labels.txt");
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

// A child process is killed by SIGKILL, which it cannot answer, at whatever it is doing behind its
// n-th report: a step, a look, half of a checkpoint. Whatever is left, the next one goes on.
TEST_F(Retraining, killed_at_any_moment_it_ends_with_the_same_bytes) {
  RetrainRequest asked = request("zoo:tiny_residual", "graffitist-int4", "xdnn");
  asked.schedule.epochs = 4;
  asked.checkpoint = folder_.file("checkpoint");
  std::mt19937 random(11);
  for (int life = 0; life < 6; ++life) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto tell = [&](const std::string& stage, double) {
        if (stage.starts_with("step ") && write(ends[1], "s", 1) != 1) _exit(1);
      };
      retrain(asked, tell);
      _exit(0);
    }
    ASSERT_GT(child, 0);
    close(ends[1]);
    char report = 0;
    for (auto n = 1 + random() % 3; n > 0 && read(ends[0], &report, 1) == 1; --n) {
    }
    // A random part of about a step, or the next report if that is sooner.
    const timespec part{.tv_sec = 0, .tv_nsec = static_cast<long>(random() % 10'000'000)};
    pollfd next{.fd = ends[0], .events = POLLIN, .revents = 0};
    ASSERT_GE(ppoll(&next, 1, &part, nullptr), 0);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    close(ends[0]);
  }
  EXPECT_TRUE(std::filesystem::exists(asked.checkpoint));
  const Retrained resumed = retrain(asked, {});
  asked.checkpoint.clear();
  const Retrained expected = retrain(asked, {});
  EXPECT_EQ(resumed.state, expected.state);
  EXPECT_EQ(to_json(resumed), to_json(expected));
  EXPECT_EQ(graph_digest(resumed.network.integers), graph_digest(expected.network.integers));
}

// Without validation images, those that choose are not trained with; test images choose nothing.
TEST_F(Retraining, holds_out_a_tenth_of_the_images_to_choose_by) {
  RetrainRequest asked = request("zoo:tiny_cnn", "per-tensor-pow2", "xdnn");
  asked.validation.reset();
  const Retrained plain = retrain(asked, {});
  EXPECT_TRUE(plain.held_out);
  EXPECT_EQ(plain.validation.images, 2);
  EXPECT_EQ(plain.images, 22);
  asked.test = {.path = images({1, 3, 32, 32}, 5)};
  const Retrained tested = retrain(asked, {});
  EXPECT_EQ(tested.state, plain.state);
  ASSERT_TRUE(tested.test);
  EXPECT_EQ(tested.test->images, static_cast<std::int64_t>(kImages));
  EXPECT_EQ(tested.test->floats.top1, 1);  // without labels: agreement with itself
}

// Which is the best look: where the float network is followed, the closest to it; with classes, the
// one with most of them right.
TEST_F(Retraining, keeps_the_look_that_is_closest_to_what_it_learns_from) {
  RetrainRequest asked = request("zoo:tiny_residual", "graffitist-int4", "xdnn");
  with_labels(asked);
  asked.schedule.look_every = 1;
  asked.golden_images = 0;
  const State follows = retrain(asked, {}).state;
  EXPECT_EQ(follows.best_look, *std::ranges::min_element(follows.looks, {}, &Look::loss));
  asked.loss = Loss::Labels;
  const State told = retrain(asked, {}).state;
  EXPECT_EQ(told.best_look.top1, std::ranges::max_element(told.looks, {}, &Look::top1)->top1);
}

// What is looked at first is what `quantize` writes: its integers, layer by layer.
TEST_F(Retraining, begins_with_the_integers_of_the_scheme) {
  RetrainRequest asked = request("zoo:tiny_residual", "per-channel-pow2", "xdnn");
  asked.schedule.weight_rate = asked.schedule.threshold_rate = 0;
  const Retrained done = retrain(asked, {});
  EXPECT_FALSE(done.improved);
  const Graph& annotated = done.network.annotated;
  const ImageSet calibration =
      open_calibration(asked.network,
                       {.path = asked.lessons.path,
                        .selection = {.size = 32, .seed = 1, .indices = {}, .at_most = true}},
                       {}, {});
  const Quantized plain = quantize_network(asked.network, calibration.samples);
  for (std::size_t id = 0; id < plain.annotated.values.size(); ++id) {
    const Value& before = plain.annotated.values[id];
    const Value& after = annotated.values[id];
    EXPECT_EQ(before.quantization, after.quantization) << before.name;
  }
  const auto weights = [](const Graph& integers) {
    std::map<std::string, std::vector<std::int8_t>> found;
    for (const Value& value : integers.values) {
      if (!value.constant || value.type != ElementType::Int8) continue;
      const auto codes = value.constant->values<std::int8_t>();
      found[value.name].assign(codes.begin(), codes.end());
    }
    return found;
  };
  EXPECT_FALSE(weights(plain.integers).empty());
  EXPECT_EQ(weights(plain.integers), weights(done.network.integers));
}

// A file of widths, as `search-bits -o` writes them.
TEST_F(Retraining, takes_widths_layer_by_layer_from_a_recipe_file) {
  RetrainRequest asked = request("zoo:tiny_residual", "default", "pulp");
  const ImageSet calibration =
      open_calibration(asked.network, {.path = asked.lessons.path}, {}, {});
  const Quantized plain = quantize_network(asked.network, calibration.samples);
  const std::vector<WeightedLayer> layers = weighted_layers(plain.annotated);
  ASSERT_GE(layers.size(), 2U);
  const std::string name = plain.annotated.nodes[layers[1].node].name;
  const std::filesystem::path recipe = folder_.file("widths.yaml");
  write_file(recipe, fmt::format("scheme: per-channel-pow2\nlayers:\n  {}: {{weight-bits: 2, "
                                 "activation-bits: 4}}\n",
                                 name));
  asked.network.scheme = recipe.string();
  const Retrained done = retrain(asked, {});
  const Graph& trained = done.network.annotated;
  const Node& node = trained.nodes[weighted_layers(trained)[1].node];
  ASSERT_EQ(node.name, name);
  EXPECT_EQ(trained.value(node.inputs[1]).quantization->bits, 2);
  EXPECT_EQ(trained.value(node.outputs[0]).quantization->bits, 4);
  EXPECT_GT(done.compared_codes, 1000);
  EXPECT_EQ(done.differing_codes, 0) << done.first_difference;
  EXPECT_NE(done.state.path.front().log2_thresholds, done.state.path.back().log2_thresholds);
}

// Weights of one and three steps at most, far beyond which training leaves constants.
TEST_F(Retraining, narrow_weights_keep_their_codes_in_wider_ones) {
  struct Case {
    const char *scheme, *target;
    int bits;
  };
  for (const Case& one : {Case{"default", "pulp", 2}, Case{"per-tensor-pow2", "xdnn", 3}}) {
    RetrainRequest asked = request("zoo:tiny_cnn", one.scheme, one.target);
    asked.network.weight_bits = one.bits;
    asked.golden_images = 0;
    asked.schedule.weight_rate = 0.2;
    Quantized network = retrain(asked, {}).network;
    for (Value& value : network.annotated.values) {
      if (!value.constant || !value.quantization || value.quantization->bits != one.bits) continue;
      for (float& x : value.constant->mutable_values<float>()) x *= 3;
    }
    const Graph wide = with_byte_weights(network.annotated);
    int narrow = 0;
    for (std::size_t id = 0; id < wide.values.size(); ++id) {
      const Value &before = network.annotated.values[id], &after = wide.values[id];
      if (!before.constant || !before.quantization) continue;
      EXPECT_EQ(after.quantization->bits, 8) << after.name;
      const Tensor expected = constant_codes(*before.constant, *before.quantization);
      EXPECT_EQ(constant_codes(*after.constant, *after.quantization), expected) << after.name;
      narrow += before.quantization->bits == one.bits;
    }
    EXPECT_GE(narrow, 1);
  }
}

// The first step of Adam is the rate, in units of the root mean square of the constant, or of the
// channel where each has a step.
TEST_F(Retraining, unasked_constants_move_by_the_width_of_their_codes) {
  for (const auto& [scheme, bits] : {std::pair{"per-tensor-pow2", 2}, {"per-channel-pow2", 8}}) {
    RetrainRequest asked = request("zoo:tiny_residual", scheme, "xdnn");
    asked.network.weight_bits = bits;
    asked.golden_images = 0;
    asked.schedule.epochs = 1;
    asked.schedule.batch = static_cast<std::int64_t>(kImages);
    asked.schedule.weight_rate = asked.schedule.threshold_rate = 0;
    const Retrained still = retrain(asked, {});
    asked.schedule.weight_rate.reset();
    const Retrained moved = retrain(asked, {});
    ASSERT_EQ(moved.steps, 1);
    int of_that_width = 0;
    for (std::size_t w = 0; w < moved.what.weights.size(); ++w) {
      const std::vector<float>&from = still.state.now.weights[w], &to = moved.state.now.weights[w];
      const Weight& weight = moved.what.weights[w];
      const int width = weight.bits;  // of what is left to the host, 16
      of_that_width += width == bits;
      double largest = 0;
      for (std::size_t i = 0; i < from.size(); ++i) {
        largest = std::max(largest, static_cast<double>(std::abs(to[i] - from[i])));
      }
      const std::vector<float> units = rms_of_channels(from, weight.channels, weight.inner);
      const double expected =
          weight_rate_of(width) * static_cast<double>(*std::ranges::max_element(units));
      EXPECT_NEAR(largest, expected, 0.01 * expected) << weight.name;
    }
    EXPECT_GE(of_that_width, 6);
  }
  EXPECT_GT(weight_rate_of(2), weight_rate_of(4));
  EXPECT_GT(weight_rate_of(4), weight_rate_of(8));
}

// Powers of two come to rest in the first half, other steps at the end alone.
TEST_F(Retraining, steps_of_any_size_move_to_the_end) {
  for (const bool powers : {true, false}) {
    RetrainRequest asked = request("zoo:tiny_cnn", powers ? "per-tensor-pow2" : "default", "xdnn");
    asked.golden_images = 0;
    asked.schedule.epochs = 8;
    const Retrained done = retrain(asked, {});
    const auto place_at = [&](std::int64_t step) {
      return std::ranges::find(done.state.path, step, &Place::step)->log2_thresholds;
    };
    const auto late = place_at(done.steps - 4), last = place_at(done.steps);
    ASSERT_EQ(done.what.scales.front().power_of_two, powers);
    EXPECT_EQ(late == last, powers);
    const auto frozen = std::ranges::count(done.state.freezing.frozen, 1);
    EXPECT_EQ(frozen > 0, powers);
  }
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

// Images without classes have none to learn; with classes the lessons are the mean of both, and
// the same from one start to the next.
TEST_F(Retraining, learns_from_classes_and_the_float_network_at_once) {
  EXPECT_EQ(mean_of({1, 0, 0}, {0.25F, 0.25F, 0.5F}), (std::vector<float>{0.625F, 0.125F, 0.25F}));
  RetrainRequest asked = request("zoo:tiny_residual", "per-channel-pow2", "xdnn");
  asked.loss = Loss::Both;
  EXPECT_THROW(retrain(asked, {}), Error);
  with_labels(asked);
  asked.schedule.epochs = 1;
  asked.golden_images = 0;
  const auto loss_with = [&](Loss loss) {
    asked.loss = loss;
    return retrain(asked, {}).state;
  };
  const State both = loss_with(Loss::Both), taught = loss_with(Loss::Distill),
              told = loss_with(Loss::Labels);
  EXPECT_NEAR(both.looks.front().loss, (taught.looks.front().loss + told.looks.front().loss) / 2,
              1e-6);
  EXPECT_NE(both.now, taught.now);
  EXPECT_NE(both.now, told.now);
  EXPECT_EQ(loss_with(Loss::Both), both);
}

TEST_F(Retraining, what_it_learns_it_keeps) {
  RetrainRequest asked = request("zoo:tiny_residual", "graffitist-int4", "xdnn");
  asked.validation = asked.lessons;
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
