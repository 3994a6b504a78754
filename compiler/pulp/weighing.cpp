#include "compiler/pulp/weighing.h"

#include <algorithm>
#include <utility>

#include "compiler/pulp/emit.h"
#include "compiler/pulp/idle_barriers.h"
#include "core/error.h"

namespace workbench::pulp {
namespace {

// Plans that are changed further.
constexpr std::size_t kStarts = 3;
// Tiles of a layer that the model likes and the program is to decide between.
constexpr std::size_t kTilings = 10;

}  // namespace

Weighing::Weighing(const Graph& quantized, const Machine& machine, Tiler tiler,
                   const std::vector<HostTurn>& turns, const HostUses& uses)
    : quantized_(quantized),
      machine_(machine),
      tiler_(tiler),
      turns_(turns),
      uses_(uses),
      ends_(machine) {}

bool Weighing::add(const Network& network, MemoryPlan plan) {
  if (!empty() && layer_too_long(network, plan) != nullptr) return false;
  LoopedProgram looped =
      emit_without_constants(quantized_, network, plan, turns_, uses_, tiler_, machine_);
  if (tiler_ == Tiler::Optimal) drop_idle_barriers(looped, machine_);
  instructions_ += looped.program.instructions.size();
  std::optional<Cycles> end;
  if (!empty()) {
    if (starts_.empty()) keep_start(this->end(), *network_, plan_);
    end = ends_(looped.program);
    keep_start(*end, network, plan);
    if (*end >= this->end()) return false;
  }
  network_ = &network;
  plan_ = std::move(plan);
  looped_ = std::move(looped);
  end_ = end;
  return true;
}

void Weighing::add(std::vector<PlannedNetwork> ways, std::size_t instructions) {
  const std::size_t most = instructions_ + instructions;
  for (PlannedNetwork& way : ways) {
    if (instructions_ <= most || way.plain) add(*way.network, std::move(way.plan));
  }
}

void Weighing::keep_start(Cycles end, const Network& network, const MemoryPlan& plan) {
  const auto at = std::find_if(starts_.begin(), starts_.end(),
                               [&](const Start& start) { return start.end >= end; });
  if (at != starts_.end() && at->end == end) return;
  if (at == starts_.end() && starts_.size() == kStarts) return;
  starts_.insert(at, {end, &network, plan});
  if (starts_.size() > kStarts) starts_.pop_back();
}

Weighing Weighing::anew() const { return {quantized_, machine_, tiler_, turns_, uses_}; }

Cycles Weighing::end() {
  CHECK(!empty(), "nothing has been weighed");
  if (!end_) end_ = ends_(looped_.program);
  return *end_;
}

void refine(Weighing& weighing, const Machine& machine, const std::vector<HostTurn>& turns,
            const HostUses& uses, TilingMemo& memo, std::size_t instructions,
            const std::function<void()>& tell) {
  const std::size_t most = weighing.instructions() + instructions;
  for (bool better = true; better;) {
    better = false;
    for (std::size_t i = 0; i < weighing.plan().layers.size(); ++i) {
      const Network& network = weighing.network();
      for (MemoryPlan& plan :
           plans_beside(network, machine, turns, uses, weighing.plan(), i, kTilings, memo)) {
        if (weighing.instructions() > most) {
          memo.steps.stopped = true;
          return;
        }
        better |= weighing.add(network, std::move(plan));
      }
      tell();
    }
  }
}

}  // namespace workbench::pulp
