#include "compiler/quantize/activation_store.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace workbench {

ActivationStore::ActivationStore(const Graph& graph, std::size_t samples)
    : graph_(graph), samples_(samples), file_(std::tmpfile()) {
  if (!file_) fail("calibration: cannot make a temporary file: {}", std::strerror(errno));
}

std::int64_t ActivationStore::bytes(ValueId id) const {
  return element_count(graph_.value(id).shape) * static_cast<std::int64_t>(sizeof(float));
}

void ActivationStore::reserve(ValueId id) {
  if (has(id)) return;
  const std::int64_t wanted = bytes(id) * static_cast<std::int64_t>(samples_);
  const auto found = free_.find(wanted);
  if (found != free_.end()) {
    slots_[id] = found->second;
    free_.erase(found);
    return;
  }
  slots_[id] = end_;
  end_ += wanted;
}

void ActivationStore::put(ValueId id, std::size_t sample, const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  const auto* from = reinterpret_cast<const char*>(values.data());
  auto left = static_cast<std::size_t>(bytes(id));
  CHECK(values.size_bytes() == left, "'{}' has other bytes", graph_.value(id).name);
  auto at = slots_.at(id) + bytes(id) * static_cast<std::int64_t>(sample);
  while (left > 0) {
    const ssize_t written = pwrite(fileno(file_.get()), from, left, at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("calibration: cannot write a temporary file: {}", std::strerror(errno));
    from += written;
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

Tensor ActivationStore::get(ValueId id, std::size_t sample) const {
  const Shape& shape = graph_.value(id).shape;
  const Layout layout = shape.size() >= 3 ? Layout::Nchw : Layout::RowMajor;
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape, layout);
  auto* to = reinterpret_cast<char*>(tensor.mutable_values<float>().data());
  auto left = static_cast<std::size_t>(bytes(id));
  auto at = slots_.at(id) + bytes(id) * static_cast<std::int64_t>(sample);
  while (left > 0) {
    const ssize_t got = pread(fileno(file_.get()), to, left, at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("calibration: cannot read a temporary file: {}", std::strerror(errno));
    to += got;
    at += got;
    left -= static_cast<std::size_t>(got);
  }
  return tensor;
}

void ActivationStore::release(ValueId id) {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return;
  free_.emplace(bytes(id) * static_cast<std::int64_t>(samples_), found->second);
  slots_.erase(found);
}

}  // namespace workbench
