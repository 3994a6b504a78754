#include "explore/sweep/sharing.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <tuple>

namespace workbench {

namespace {

// How much has to be done again where a setting differs.
enum class Depth { Network, Integers, Program, Card };
constexpr std::size_t kDepths = 4;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Depth depth_of(std::string_view name) {
  if (is_one_of(name, {"width", "resolution", "seed"})) return Depth::Network;
  if (is_one_of(name, {"engines", "technology"}) || name.starts_with("board.")) return Depth::Card;
  if (is_one_of(name, {"dsp", "bits", "scheme", "effort", "calibration"})) return Depth::Integers;
  for (const std::string_view part : {"array.", "filters.", "limits.", "features."}) {
    if (name.starts_with(part)) return Depth::Integers;
  }
  return Depth::Program;
}

using SortingKey = std::array<std::string, kDepths>;

SortingKey sorting_key(const Point& point) {
  SortingKey key;
  key[0] = point.network + '\n' + point.machine;
  std::vector<Setting> settings = point.settings;
  std::sort(settings.begin(), settings.end());
  for (const Setting& setting : settings) {
    key[static_cast<std::size_t>(depth_of(setting.name))] +=
        '\n' + setting.name + '=' + setting.value;
  }
  key[static_cast<std::size_t>(Depth::Program)] += to_string(point.tier);
  return key;
}

}  // namespace

std::vector<std::size_t> sharing_order(std::span<const Point> points) {
  std::vector<SortingKey> keys;
  for (const Point& point : points) keys.push_back(sorting_key(point));
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(keys[a], a) < std::tie(keys[b], b);
  });
  return order;
}

Stretches::Stretches(std::size_t count, std::size_t workers) : count_(count), stretches_(workers) {
  for (std::size_t w = 0; w < workers; ++w) {
    stretches_[w].begin = count * w / workers;
    stretches_[w].end = count * (w + 1) / workers;
  }
}

std::size_t Stretches::next(std::size_t worker) {
  Stretch& own = stretches_[worker];
  if (!own.again.empty()) {
    const std::size_t position = own.again.back();
    own.again.pop_back();
    return position;
  }
  if (own.left() == 0) {
    Stretch& longest =
        *std::max_element(stretches_.begin(), stretches_.end(),
                          [](const Stretch& a, const Stretch& b) { return a.left() < b.left(); });
    if (longest.left() == 0) return count_;
    own.end = longest.end;
    own.begin = longest.end - (longest.left() + 1) / 2;
    longest.end = own.begin;
  }
  return own.begin++;
}

void Stretches::put_back(std::size_t worker, std::size_t position) {
  stretches_[worker].again.push_back(position);
}

bool Stretches::empty() const {
  return std::all_of(stretches_.begin(), stretches_.end(), [](const Stretch& stretch) {
    return stretch.again.empty() && stretch.left() == 0;
  });
}

}  // namespace workbench
