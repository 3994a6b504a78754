#include "explore/store/result_table.h"
#include "explore/sweep/sweep_text.h"

namespace workbench {

std::string sweep_csv(const SweepReport& report) {
  std::vector<StoredPoint> points;
  for (const SweepRow& row : report.rows) {
    points.push_back({.key = row.key, .point = row.point, .result = row.result});
    points.back().result.layers.clear();
  }
  return csv(result_table(points, {}));
}

}  // namespace workbench
