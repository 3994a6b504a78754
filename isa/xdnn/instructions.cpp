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

struct UnitOf {
  Unit operator()(const Conv&) const { return Unit::Conv; }
  Unit operator()(const Pool&) const { return Unit::Pool; }
  Unit operator()(const ConvPool&) const { return Unit::Conv; }
  Unit operator()(const Eltwise&) const { return Unit::Eltwise; }
  Unit operator()(const Upsample&) const { return Unit::Upsample; }
  Unit operator()(const Gather&) const { return Unit::Download; }
  Unit operator()(const Scatter&) const { return Unit::Upload; }
};

struct TailOf {
  auto& operator()(auto& instruction) const { return instruction.tail; }
  const Tail& operator()(const ConvPool& instruction) const { return instruction.conv.tail; }
  Tail& operator()(ConvPool& instruction) const { return instruction.conv.tail; }
};

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

Unit unit_of(const Instruction& instruction) { return std::visit(UnitOf{}, instruction); }

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
  if (opcode == Conv::kOpcode) return Conv{};
  if (opcode == "XNDeconv") return Conv{.transposed = true};
  if (opcode == Pool::kOpcode) return Pool{};
  if (opcode == "XNAvgPool") return Pool{.average = true};
  if (opcode == ConvPool::kOpcode) return ConvPool{};
  if (opcode == Eltwise::kOpcode) return Eltwise{};
  if (opcode == Upsample::kOpcode) return Upsample{};
  if (opcode == Gather::kOpcode) return Gather{};
  if (opcode == Scatter::kOpcode) return Scatter{};
  return std::nullopt;
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
