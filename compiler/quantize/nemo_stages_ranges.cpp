#include "compiler/quantize/nemo_stages_ranges.h"

#include "core/eval/evaluate.h"

namespace workbench {

std::vector<NemoRange> nemo_ranges(const Graph& form, const SampleSource& samples,
                                   const StageProgress& progress) {
  std::vector<NemoRange> ranges(form.values.size());
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (progress) {
      progress("ranges", static_cast<double>(i) / static_cast<double>(samples.count));
    }
    evaluate(form, samples.at(i), {.observe = [&](ValueId id, const Tensor& tensor) {
               if (tensor.type() != ElementType::Float32) return;
               NemoRange& range = ranges[static_cast<std::size_t>(id)];
               for (const float v : tensor.values<float>()) {
                 range.low = std::min(range.low, static_cast<double>(v));
                 range.high = std::max(range.high, static_cast<double>(v));
               }
             }});
  }
  return ranges;
}

}  // namespace workbench
