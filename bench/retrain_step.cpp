// What a training step of `workbench retrain` costs beside one of plain libtorch: the same network
// in float, batch norms folded, with libtorch's own autograd and Adam. Both are done in turn, step
// by step, on one core; of CPU time the medians are compared. A step of ours has all that a
// training does in it: images, their augmentation and with `distill` the float network's answer.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>

// glog's, which libtorch's headers bring along; ours is core/error.h's.
#undef CHECK

// clang-format off
#include "core/error.h"
#include "data/samples.h"
#include "explore/flow/quantization.h"
#include "train/torch_network.h"
#include "train/trainable.h"
#include "train/trainer.h"
// clang-format on

namespace workbench {
namespace {

constexpr std::int64_t kBatch = 64;
constexpr std::int64_t kWarm = 3;  // steps that are not counted

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A classifier of convolutions, sums, averages and linear layers, written as a user of libtorch
// would.
class PlainNetwork {
 public:
  explicit PlainNetwork(const Graph& graph)
      : graph_(graph), optimizer_(leaves(), torch::optim::AdamOptions(1e-6)) {}

  void step(const at::Tensor& images, const at::Tensor& targets) {
    optimizer_.zero_grad();
    const at::Tensor logits = run(images);
    const at::Tensor loss =
        -(at::log_softmax(logits.reshape(targets.sizes()), 1) * targets).sum() / kBatch;
    loss.backward();
    (void)loss.item<float>();
    optimizer_.step();
  }

 private:
  std::vector<at::Tensor> leaves() {
    std::vector<at::Tensor> found;
    for (const Node& node : graph_.nodes) {
      for (const ValueId id : node.inputs) {
        if (id == kNoValue || !graph_.value(id).constant || constants_.contains(id)) continue;
        const Tensor& constant = *graph_.value(id).constant;
        if (constant.type() != ElementType::Float32) continue;
        const auto values = constant.values<float>();
        const at::Tensor leaf = at::tensor(at::ArrayRef<float>(values.data(), values.size()))
                                    .reshape(constant.shape())
                                    .set_requires_grad(true);
        constants_[id] = leaf;
        found.push_back(leaf);
      }
    }
    return found;
  }

  at::Tensor run(const at::Tensor& images) {
    std::map<ValueId, at::Tensor> values = constants_;
    values[graph_.inputs[0]] = images;
    at::Tensor last;
    for (const Node& node : graph_.nodes) {
      if (std::holds_alternative<Softmax>(node.op)) break;
      last = result_of(node, values);
      if (activation_of(node.op).kind == Activation::Kind::Relu) last = last.relu();
      values[node.outputs[0]] = last;
    }
    return last;
  }

  static at::Tensor result_of(const Node& node, std::map<ValueId, at::Tensor>& values) {
    const auto operand = [&](std::size_t i) { return values.at(node.inputs.at(i)); };
    if (const auto* conv = std::get_if<Conv>(&node.op)) {
      at::Tensor x = operand(0);
      const auto &begin = conv->window.pads_begin, &end = conv->window.pads_end;
      if (begin != end) x = at::constant_pad_nd(x, {begin[1], end[1], begin[0], end[0]});
      return at::conv2d(x, operand(1), operand(2), conv->window.strides,
                        begin == end ? begin : std::vector<std::int64_t>{0, 0},
                        conv->window.dilations, conv->groups);
    }
    if (const auto* gemm = std::get_if<Gemm>(&node.op)) {
      return at::linear(operand(0), gemm->transpose_b ? operand(1) : operand(1).t(), operand(2));
    }
    if (const auto* sum = std::get_if<Binary>(&node.op); sum && sum->kind == Binary::Kind::Add) {
      return operand(0) + operand(1);
    }
    if (const auto* pool = std::get_if<AveragePool>(&node.op)) {
      return at::avg_pool2d(operand(0), pool->window.kernel, pool->window.strides);
    }
    if (std::holds_alternative<Reduce>(node.op)) return at::mean(operand(0), {2, 3}, true);
    if (std::holds_alternative<Reshape>(node.op)) return operand(0).flatten(1);
    if (std::holds_alternative<Activate>(node.op)) return operand(0);
    fail("node '{}': expected a convolution, sum, average or linear layer to time, found {}",
         node.name, op_name(node.op));
  }

  const Graph& graph_;
  std::map<ValueId, at::Tensor> constants_;
  torch::optim::Adam optimizer_;
};

Graph without_codes(Graph graph) {
  for (Value& value : graph.values) value.quantization.reset();
  graph.scale_groups.clear();
  return graph;
}

struct Times {
  std::vector<double> plain, ours;
};

// Our training of `steps`, between two steps of which the plain network does one.
Times times_of(const Quantized& network, bool distill, std::int64_t steps) {
  const Graph floats = without_codes(network.floats);
  const train::TorchNetwork teacher(floats, {}, "cpu", 1);
  const train::Trainable what = train::trainable(network.annotated);
  const train::TorchNetwork student(network.annotated, what, "cpu", 1);
  const Shape shape = teacher.input_shape();
  const std::int64_t classes = teacher.classes();
  train::Lessons lessons{.count = kBatch,
                         .image =
                             [&](std::int64_t i, std::vector<float>& to) {
                               const Tensor image =
                                   synthetic_sample(shape, static_cast<std::uint64_t>(i));
                               const auto values = image.values<float>();
                               to.insert(to.end(), values.begin(), values.end());
                             },
                         .targets = {},
                         .labels = {}};
  std::vector<float> pixels;
  for (std::int64_t i = 0; i < kBatch; ++i) lessons.image(i, pixels);
  lessons.image = [&](std::int64_t i, std::vector<float>& to) {
    const std::int64_t size = element_count(shape);
    to.insert(to.end(), pixels.begin() + i * size, pixels.begin() + (i + 1) * size);
  };
  std::vector<float> labels(static_cast<std::size_t>(kBatch * classes));
  for (std::int64_t i = 0; i < kBatch; ++i) {
    labels[static_cast<std::size_t>(i * classes + i % classes)] = 1;
  }
  train::Lessons validation = lessons;
  validation.count = 1;
  validation.targets = labels;
  validation.labels = {0};
  if (!distill) lessons.targets = labels;

  Shape batch_shape = shape;
  batch_shape[0] = kBatch;
  const at::Tensor images =
      at::from_blob(pixels.data(), batch_shape, at::TensorOptions().dtype(at::kFloat)).clone();
  const at::Tensor targets =
      at::from_blob(labels.data(), {kBatch, classes}, at::TensorOptions().dtype(at::kFloat));
  PlainNetwork plain(floats);
  Times times;
  double begin = 0;
  const auto report = [&](const train::Report& step) {
    const double end = cpu_seconds();
    plain.step(images, targets);
    const double after = cpu_seconds();
    if (step.step > kWarm && step.step < step.steps) {  // behind the last is a look
      times.ours.push_back(end - begin);
      times.plain.push_back(after - end);
    }
    begin = cpu_seconds();
  };
  const train::Training training{.network = student,
                                 .teacher = &teacher,
                                 .what = what,
                                 .lessons = lessons,
                                 .validation = validation,
                                 .schedule = {.epochs = steps + kWarm + 1,
                                              .batch = kBatch,
                                              .augment = {.shift = true, .flip = true},
                                              .look_every = steps + kWarm + 1},
                                 .checkpoint = {},
                                 .request = {},
                                 .report = report};
  (void)train::train(training, train::initial_parameters(network.annotated, floats, what));
  return times;
}

void measure(const std::string& model, std::int64_t steps) {
  const CompileRequest request{
      .model = {.name = model}, .target = "xdnn", .scheme = "per-tensor-pow2"};
  const Graph imported_graph = load_model({.name = model});
  std::vector<std::vector<Tensor>> samples;
  for (std::uint64_t i = 0; i < 4; ++i) {
    samples.push_back(
        {synthetic_sample(imported_graph.value(imported_graph.inputs.at(0)).shape, i)});
  }
  const Quantized network = quantize_network(request, in_memory(samples));
  std::printf("%-24s %s\n", "network", model.c_str());
  for (const bool distill : {false, true}) {
    const Times times = times_of(network, distill, steps);
    const double plain = median(times.plain), ours = median(times.ours);
    const char* const loss = distill ? "distill" : "labels";
    std::printf("%-24s %.4f\n", "plain_step_seconds", plain);
    std::printf("%s_step_seconds%*s %.4f\n", loss, distill ? 4 : 5, "", ours);
    std::printf("%s_over_plain%*s %.2f\n", loss, distill ? 6 : 7, "", ours / plain);
  }
}

}  // namespace
}  // namespace workbench

// SystemC, which what compiles networks brings along, has the main().
extern "C" int sc_main(int argc, char** argv) {
  try {
    const std::string model = argc > 1 ? argv[1] : "zoo:tiny_residual";
    workbench::measure(model, argc > 2 ? std::stoll(argv[2]) : 20);
  } catch (const workbench::Error& error) {
    std::fprintf(stderr, "retrain_step: %s\n", error.what());
    return 2;
  }
  return 0;
}
