// Parts of the JSON of baselines and comparisons, and reading JSON from outside with errors that
// say where.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "explore/track/baseline.h"
#include "explore/track/compare.h"

namespace workbench::track {

using Json = nlohmann::ordered_json;

// On one line. Names that are not UTF-8 are replaced, not refused.
std::string dumped(const Json& json);

// Members of JSON that another program may have written. Every function throws Error
// "WHERE: expected X, found Y".
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}
  Reader within(const std::string& part) const { return Reader(where_ + ": " + part); }

  Json parse(const std::string& text) const;
  [[noreturn]] void refuse(const std::string& expected, const std::string& found) const;
  // Refuses members that are not in `known`.
  void allow(const Json& object, const std::vector<std::string_view>& known) const;

  std::string text(const Json& object, std::string_view key) const;
  std::int64_t whole(const Json& object, std::string_view key) const;
  bool flag(const Json& object, std::string_view key) const;
  const Json& array(const Json& object, std::string_view key) const;
  const Json& object(const Json& object, std::string_view key) const;
  std::string as_text(const Json& value, std::string_view key) const;
  double as_number(const Json& value, std::string_view key) const;

 private:
  const Json& member(const Json& object, std::string_view key) const;
  std::string where_;
};

// A whole number as such, so that no ".0" is written.
Json number_json(double value);
Json figures_json(const std::map<std::string, double>& figures);  // in the order of point_metrics()
Json fingerprints_json(const Fingerprints& prints);
Fingerprints read_fingerprints(const Json& json, const Reader& reader);
Json layer_json(const LayerRecord& layer);
Json causes_json(const std::vector<Cause>& causes);
LayerRecord read_layer(const Json& json, const Reader& reader);

}  // namespace workbench::track
