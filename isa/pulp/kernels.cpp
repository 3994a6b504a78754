#include "isa/pulp/kernels.h"

#include <fmt/format.h>

#include "core/error.h"

namespace workbench::pulp {

namespace {

constexpr std::size_t kKernels = static_cast<std::size_t>(last(KernelKind{})) + 1;

struct Table {
  std::array<const KernelTraits*, kKernels> rows{};

  Table() {
    for (int family = 0; family <= static_cast<int>(last(Family{})); ++family) {
      for (const KernelTraits& row : kernels_of(static_cast<Family>(family))) {
        const KernelTraits*& place = rows[static_cast<std::size_t>(row.kind)];
        CHECK(place == nullptr, "two rows of {}", row.name);
        place = &row;
      }
    }
    for (const KernelTraits* row : rows) CHECK(row != nullptr, "a kernel without a row");
  }
};

}  // namespace

std::string_view to_string(Family family) {
  switch (family) {
    case Family::Conv:
      return "Conv";
    case Family::Pointwise:
      return "Pointwise";
    case Family::Depthwise:
      return "Depthwise";
    case Family::Linear:
      return "Linear";
    case Family::Add:
      return "Add";
    case Family::AveragePool:
      return "AveragePool";
    case Family::MaxPool:
      return "MaxPool";
    case Family::Requantize:
      return "Requantize";
  }
  CHECK(false, "family {}", static_cast<int>(family));
}

std::span<const KernelTraits> kernels_of(Family family) {
  switch (family) {
    case Family::Conv:
      return conv_kernels();
    case Family::Pointwise:
      return pointwise_kernels();
    case Family::Depthwise:
      return depthwise_kernels();
    case Family::Linear:
      return linear_kernels();
    case Family::Add:
      return add_kernels();
    case Family::AveragePool:
      return average_pool_kernels();
    case Family::MaxPool:
      return max_pool_kernels();
    case Family::Requantize:
      return requantize_kernels();
  }
  CHECK(false, "family {}", static_cast<int>(family));
}

const KernelTraits& traits(KernelKind kind) {
  static const Table table;
  return *table.rows.at(static_cast<std::size_t>(kind));
}

std::string missing_extension(const Kernel& call, const Machine& machine) {
  const KernelTraits& row = traits(call.kind);
  if (row.mac_load && machine.isa.mac_load == 0) return "isa.mac_load";
  if (machine.multiplies(product_bits(call))) return "";
  return fmt::format("isa.dot_{}bit", product_bits(call));
}

KernelKind leaving_words(KernelKind linear) {
  const KernelTraits& row = traits(linear);
  for (const KernelTraits& other : kernels_of(row.family)) {
    if (other.words && other.packed == row.packed && other.mac_load == row.mac_load) {
      return other.kind;
    }
  }
  CHECK(false, "{} has no like of it for accumulators", row.name);
}

std::string channels_limit(const Kernel& call) {
  if (call.in_c == call.out_c) return "";
  return fmt::format("out_c must be in_c ({}), found {}", call.in_c, call.out_c);
}

}  // namespace workbench::pulp
