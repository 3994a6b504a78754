// An annotated network as libtorch runs it, forwards and backwards. The only part of the project
// that includes libtorch; its numbers go in and out as plain arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/graph.h"
#include "train/trainable.h"

namespace workbench::train {

struct Batch {
  std::int64_t count = 0;
  std::vector<float> images;   // [count, ...] as the network's input
  std::vector<float> targets;  // [count, classes]: a distribution over the classes each; or empty
};

struct Step {
  double loss = 0;       // mean cross-entropy of the targets
  Parameters gradients;  // of what is trained; empty vectors for the rest
};

struct Trained {
  bool weights = true, steps = true;
};

class TorchNetwork {
 public:
  // `graph`: float or annotated, one input of one image, one result [1, classes] behind which
  // nothing but a softmax stands. `device`: "cpu", "cuda:0" as libtorch names them. Throws Error
  // for other networks and a device that there is not; its functions throw Error naming the node
  // that cannot be trained through.
  TorchNetwork(const Graph& graph, Trainable what, const std::string& device, int threads);
  ~TorchNetwork();
  TorchNetwork(const TorchNetwork&) = delete;
  TorchNetwork& operator=(const TorchNetwork&) = delete;

  std::int64_t classes() const;
  const Shape& input_shape() const;  // of one image
  // [count, classes], before the softmax.
  std::vector<float> logits(const Parameters& parameters, const Batch& batch) const;
  Step step(const Parameters& parameters, const Batch& batch, Trained trained) const;
  // Of every activation with codes the codes of a batch, by name.
  std::map<std::string, std::vector<std::int64_t>> codes(const Parameters& parameters,
                                                         const Batch& batch) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace workbench::train
