#include "sim/riscv/standstill.h"

#include <algorithm>

namespace workbench::riscv {
namespace {

constexpr std::int64_t kWindowPart = 64;  // of the time so far

bool same(const Loop& a, const Loop& b) {
  return a.start == b.start && a.end == b.end && a.count == b.count;
}

}  // namespace

bool Standstill::is_at(const Seen& seen, const Hart& hart) {
  return seen.any && seen.op == hart.op &&
         std::equal(seen.x.begin(), seen.x.end(), hart.x.begin()) && seen.weights == hart.weights &&
         seen.activations == hart.activations && same(seen.loops[0], hart.loops[0]) &&
         same(seen.loops[1], hart.loops[1]);
}

void Standstill::keep(Seen& seen, const Hart& hart) {
  seen.any = true;
  seen.op = hart.op;
  std::copy_n(hart.x.begin(), seen.x.size(), seen.x.begin());
  seen.weights = hart.weights;
  seen.activations = hart.activations;
  seen.loops = hart.loops;
}

void Standstill::visits(const Hart& hart, std::uint64_t executed) {
  if (std::exchange(begin_again_, false)) seen_.assign(seen_.size(), {});
  Seen& seen = seen_[hart.number];
  if (seen.again) return;
  seen.again = is_at(seen, hart) && seen.executed != executed;
  if (++seen.visits < seen.kept_for) return;
  seen.kept_for *= 2;
  seen.visits = 0;
  seen.executed = executed;
  keep(seen, hart);
}

bool Standstill::proven(const std::vector<Hart>& harts) const {
  if (!looks_ || begin_again_) return false;
  return std::all_of(harts.begin(), harts.end(),
                     [&](const Hart& hart) { return hart.asleep || seen_[hart.number].again; });
}

void Standstill::turn(std::int64_t now, std::size_t harts) {
  looks_ = !looks_;
  begin_again_ = false;
  seen_.assign(harts, {});
  next_ = looks_ ? now + now / kWindowPart : 2 * now;
}

}  // namespace workbench::riscv
