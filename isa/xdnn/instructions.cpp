#include "isa/xdnn/instructions.h"

#include "core/error.h"

namespace workbench::xdnn {

namespace {

// The bit of `tail` that waits for `unit`; works on const and mutable tails alike.
auto& wait_bit(auto& tail, Unit unit) {
  switch (unit) {
    case Unit::Download:
      return tail.wait_download;
    case Unit::Upload:
      return tail.wait_upload;
    case Unit::Conv:
      return tail.wait_conv;
    case Unit::Pool:
      return tail.wait_pool;
    case Unit::Eltwise:
      return tail.wait_eltwise;
    case Unit::Upsample:
      return tail.wait_upsample;
  }
  CHECK(false, "unit {}", static_cast<int>(unit));
}

struct TailOf {
  auto& operator()(auto& instruction) const { return instruction.tail; }
  const Tail& operator()(const ConvPool& instruction) const { return instruction.conv.tail; }
  Tail& operator()(ConvPool& instruction) const { return instruction.conv.tail; }
};

// The alternative from the `index`-th on whose opcode that is.
template <std::size_t index>
std::optional<Instruction> blank_of(std::string_view opcode) {
  if constexpr (index == std::variant_size_v<Instruction>) {
    return std::nullopt;
  } else {
    using Op = std::variant_alternative_t<index, Instruction>;
    return opcode == Op::kOpcode ? Op{} : blank_of<index + 1>(opcode);
  }
}

}  // namespace

std::string_view to_string(Unit unit) {
  switch (unit) {
    case Unit::Download:
      return "download";
    case Unit::Upload:
      return "upload";
    case Unit::Conv:
      return "conv";
    case Unit::Pool:
      return "pool";
    case Unit::Eltwise:
      return "eltwise";
    case Unit::Upsample:
      return "upsample";
  }
  CHECK(false, "unit {}", static_cast<int>(unit));
}

Unit unit_of(const Instruction& instruction) {
  return std::visit([](const auto& op) { return op.kUnit; }, instruction);
}

std::string_view opcode(const Instruction& instruction) {
  if (const auto* conv = std::get_if<Conv>(&instruction)) {
    return conv->transposed ? "XNDeconv" : Conv::kOpcode;
  }
  if (const auto* pool = std::get_if<Pool>(&instruction)) {
    return pool->average ? "XNAvgPool" : Pool::kOpcode;
  }
  return std::visit([](const auto& op) { return op.kOpcode; }, instruction);
}

std::optional<Instruction> blank_instruction(std::string_view opcode) {
  if (opcode == "XNDeconv") return Conv{.transposed = true};
  if (opcode == "XNAvgPool") return Pool{.average = true};
  return blank_of<0>(opcode);
}

const Tail& tail(const Instruction& instruction) {
  return std::visit([](const auto& op) -> const Tail& { return TailOf{}(op); }, instruction);
}

Tail& tail(Instruction& instruction) {
  return std::visit([](auto& op) -> Tail& { return TailOf{}(op); }, instruction);
}

bool waits_for(const Tail& tail, Unit unit) { return wait_bit(tail, unit); }

void set_wait(Tail& tail, Unit unit, bool wait) { wait_bit(tail, unit) = wait; }

bool operator==(const Instruction& a, const Instruction& b) {
  if (a.index() != b.index() || opcode(a) != opcode(b)) return false;
  return std::visit(
      [&](const auto& left) {
        return fields_equal(left, std::get<std::remove_cvref_t<decltype(left)>>(b));
      },
      a);
}

}  // namespace workbench::xdnn
