// Timelines as Chrome trace-event JSON, which https://ui.perfetto.dev opens: tracks with slices,
// times in microseconds. Deterministic.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace workbench {

// A JSON string; bytes that are no UTF-8 are replaced.
std::string json_text(std::string_view text);

class TraceText {
 public:
  // Cycles are of a clock of `clock_mhz`.
  TraceText(std::string_view process, const std::vector<std::string>& tracks, double clock_mhz);

  // On a track, by index: [begin, end) in cycles. `args`: what else is said of it, as JSON behind
  // a comma (",\"bytes\":4").
  void slice(std::size_t track, std::int64_t begin, std::int64_t end, std::string_view name,
             std::string_view category, std::string_view args = {});

  // `more`: further keys of the whole, as JSON behind a comma. Ends the text.
  std::string take(std::string_view more = {});

 private:
  std::string text_;
  double clock_mhz_ = 0;
};

}  // namespace workbench
