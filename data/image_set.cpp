#include "data/image_set.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <random>
#include <set>
#include <sstream>

#include "core/parallel.h"
#include "data/image.h"
#include "data/image_lists.h"

namespace workbench {

namespace {

// The same on every machine, which std::shuffle does not promise.
void shuffle(std::vector<std::size_t>& rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
}

std::vector<std::size_t> all_rows(std::size_t count) {
  std::vector<std::size_t> rows(count);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return rows;
}

// All rows that may be taken, in the order of preference.
std::vector<std::size_t> candidates(const Selection& selection, std::size_t count,
                                    const std::string& name) {
  if (selection.indices.empty()) {
    std::vector<std::size_t> rows = all_rows(count);
    if (selection.seed) shuffle(rows, *selection.seed);
    return rows;
  }
  if (selection.seed) fail("calibration: seed and indices exclude each other, found both");
  if (selection.size != 0 && selection.size != selection.indices.size()) {
    fail("calibration: expected as many indices as the size says, {}, found {}", selection.size,
         selection.indices.size());
  }
  std::set<std::size_t> seen;
  for (const std::size_t index : selection.indices) {
    if (index >= count) {
      fail("{}: expected indices below {}, the number of images, found {}", name, count, index);
    }
    if (!seen.insert(index).second) fail("calibration: index {} is there twice", index);
  }
  return selection.indices;
}

std::string problem_of(const ImageList& list, std::size_t row) {
  try {
    list.check(row);
  } catch (const Error& error) {
    return error.what();
  }
  if (!list.labels.empty() && list.labels[row] == kNoLabel) {
    return fmt::format("{}: has no label", list.names[row]);
  }
  return "";
}

// Tries candidates until enough are usable.
struct Checked {
  std::vector<std::size_t> good;
  std::vector<std::string> problems;
};

Checked checked(const ImageList& list, const std::vector<std::size_t>& rows, std::size_t wanted,
                bool skip_bad) {
  Checked result;
  for (std::size_t at = 0; at < rows.size() && result.good.size() < wanted;) {
    const std::size_t count = std::min(wanted - result.good.size(), rows.size() - at);
    std::vector<std::string> problems(count);
    parallel_for(static_cast<std::int64_t>(count), 0, [&](std::int64_t i) {
      const auto index = static_cast<std::size_t>(i);
      problems[index] = problem_of(list, rows[at + index]);
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (problems[i].empty()) {
        result.good.push_back(rows[at + i]);
      } else {
        result.problems.push_back(problems[i]);
      }
    }
    at += count;
    if (!skip_bad && !result.problems.empty()) break;
  }
  return result;
}

// One line for all that cannot be used: an error, or with --skip-bad a warning.
void tell_problems(const std::vector<std::string>& problems, const ImageRequest& request,
                   std::size_t left, std::vector<std::string>& warnings) {
  if (problems.empty()) return;
  const std::size_t more = problems.size() - 1;
  std::string text = problems.front();
  if (more > 0) text += fmt::format("; and {} more that cannot be used", more);
  const bool alone = left + problems.size() == 1;
  if (!request.skip_bad) fail("{}{}", text, alone ? "" : " (--skip-bad leaves out such images)");
  if (left == 0) fail("{}; no image is left", text);
  warnings.push_back(fmt::format("{}: {} skipped, {} left; the first: {}", request.path.string(),
                                 problems.size(), left, problems.front()));
}

ImageSet made_of(const ImageList& list, std::vector<std::size_t> rows, const std::string& name) {
  ImageSet set{.name = name};
  for (const std::size_t row : rows) {
    set.names.push_back(list.names[row]);
    if (!list.labels.empty()) set.labels.push_back(list.labels[row]);
  }
  set.samples = {rows.size(), [at = list.at, rows](std::size_t i) {
                   return std::vector<Tensor>{at(rows.at(i))};
                 }};
  return set;
}

// Images that calibrate are not scored.
void require_rest(const ImageSet& set, std::size_t chosen) {
  if (chosen < set.names.size()) return;
  fail("{}: expected more than {} images, as {} are to calibrate with, found {}", set.name, chosen,
       chosen, set.names.size());
}

}  // namespace

std::vector<std::size_t> parse_indices(const std::string& text) {
  std::vector<std::size_t> indices;
  const auto number = [&](std::string_view digits) {
    std::size_t value = 0;
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, value);
    if (error != std::errc() || end != last || value >= 100'000'000) {
      fail("indices: expected numbers and ranges as in '0,4,20-29', found '{}'", text);
    }
    return value;
  };
  if (text.ends_with(',')) number("");
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const std::size_t dash = item.find('-');
    const std::size_t first = number(std::string_view(item).substr(0, dash));
    const std::size_t last = dash == std::string::npos ? first : number(item.substr(dash + 1));
    if (last < first) fail("indices: expected a range that rises, found '{}'", item);
    for (std::size_t i = first; i <= last; ++i) indices.push_back(i);
  }
  if (indices.empty()) fail("indices: expected at least one, found none");
  return indices;
}

ImageSet open_images(const ImageRequest& request) {
  const ImageList list = list_images(request);
  const std::string name = request.path.string();
  const std::vector<std::size_t> rows = candidates(request.selection, list.names.size(), name);
  const std::size_t size = request.selection.size;
  const std::size_t wanted = size == 0 ? rows.size() : std::min(size, rows.size());
  Checked found = checked(list, rows, wanted, request.skip_bad);
  // Labels of nothing are a fault of the whole set, whichever images are picked.
  found.problems.insert(found.problems.end(), list.strays.begin(), list.strays.end());
  std::vector<std::string> warnings;
  if (!list.left_out.empty()) warnings.push_back(list.left_out);
  tell_problems(found.problems, request, found.good.size(), warnings);
  if (request.selection.seed) std::sort(found.good.begin(), found.good.end());
  ImageSet set = made_of(list, found.good, name);
  if (set.names.empty()) fail("{}: expected at least one sample, found none", name);
  if (size > set.names.size() && !request.selection.at_most) {
    warnings.push_back(
        fmt::format("{}: expected {} images, found {}", name, size, set.names.size()));
  }
  if (set.names.size() == 1) {
    warnings.push_back(fmt::format("{}: a set of one image tells little about others", name));
  }
  set.warnings = std::move(warnings);
  return set;
}

ImageSet subset(const ImageSet& set, const std::vector<std::size_t>& rows) {
  ImageSet chosen{.name = set.name};
  for (const std::size_t row : rows) {
    chosen.names.push_back(set.names.at(row));
    if (!set.labels.empty()) chosen.labels.push_back(set.labels.at(row));
  }
  chosen.samples = {rows.size(),
                    [at = set.samples.at, rows](std::size_t i) { return at(rows.at(i)); }};
  chosen.warnings = set.warnings;
  return chosen;
}

Split split(const ImageSet& set, const std::vector<std::size_t>& rows) {
  require_rest(set, rows.size());
  (void)candidates({.indices = rows}, set.names.size(), set.name);
  std::vector<std::size_t> rest;
  for (const std::size_t row : all_rows(set.names.size())) {
    if (std::find(rows.begin(), rows.end(), row) == rows.end()) rest.push_back(row);
  }
  return {subset(set, rows), subset(set, rest)};
}

Split split(const ImageSet& set, std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> rows = all_rows(set.names.size());
  require_rest(set, count);
  shuffle(rows, seed);
  rows.resize(count);
  std::sort(rows.begin(), rows.end());
  return split(set, rows);
}

std::vector<Tensor> all_samples(const ImageSet& set) {
  std::vector<Tensor> samples(set.samples.count);
  parallel_for(static_cast<std::int64_t>(samples.size()), 0, [&](std::int64_t i) {
    const auto row = static_cast<std::size_t>(i);
    samples[row] = set.samples.at(row).at(0);
  });
  return samples;
}

std::vector<Tensor> read_samples(const std::filesystem::path& path, const Shape& input_shape,
                                 const std::optional<Preprocessing>& preprocessing,
                                 std::size_t limit) {
  return all_samples(open_images({.path = path,
                                  .with_labels = false,
                                  .input_shape = input_shape,
                                  .preprocessing = preprocessing,
                                  .selection = {.size = limit}}));
}

}  // namespace workbench
