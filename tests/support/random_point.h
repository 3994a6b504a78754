// Points and answers as a store may be given them: any text, any finite figure, any number of
// layers.
#pragma once

#include <limits>
#include <random>
#include <string>

#include "core/file.h"
#include "explore/store/store.h"

namespace workbench::test {

inline std::string random_text(std::mt19937_64& random) {
  static const std::vector<std::string> kPieces = {"a",  "conv1", " ",    "'",  "\"", "ü", "\n",
                                                   "%s", "日本",  "NULL", "\\", ",",  "0", "x/y"};
  std::string text;
  for (std::uint64_t i = random() % 6; i > 0; --i) text += kPieces[random() % kPieces.size()];
  return text;
}

inline double random_figure(std::mt19937_64& random) {
  static constexpr std::array kSpecial = {0.0,
                                          -0.0,
                                          1.0,
                                          0.1,
                                          9007199254740993.0,
                                          std::numeric_limits<double>::denorm_min(),
                                          std::numeric_limits<double>::max(),
                                          std::numeric_limits<double>::lowest()};
  if (random() % 3 == 0) return kSpecial[random() % kSpecial.size()];
  return std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 100) - 80);
}

inline std::map<std::string, double> random_figures(std::mt19937_64& random) {
  std::map<std::string, double> figures;
  for (std::uint64_t i = random() % 5; i > 0; --i) {
    figures[fmt::format("metric{}", random() % 8)] = random_figure(random);
  }
  return figures;
}

inline StoredPoint random_point(std::mt19937_64& random, const std::string& name) {
  StoredPoint stored{.key = sha256_hex(name)};
  stored.point.network = "net " + random_text(random);
  stored.point.machine = random_text(random);
  for (std::uint64_t i = random() % 4; i > 0; --i) {
    const std::string value = random() % 2 == 0 ? random_text(random) : "64k";
    stored.point.settings.push_back({fmt::format("knob.{}", i), value});
  }
  stored.point.tier = random() % 2 == 0 ? Tier::Analytic : Tier::Transaction;
  PointResult& result = stored.result;
  result.status = static_cast<PointResult::Status>(random() % 3);
  result.reason = random_text(random);
  result.metrics = random_figures(random);
  if (random() % 2 == 0) result.bit_exact = random() % 2 == 0;
  result.seconds = static_cast<double>(random() % 1000) / 7;
  for (std::uint64_t i = random() % 5; i > 0; --i) {
    result.layers.push_back({.name = random_text(random),
                             .op = "Conv",
                             .shape = random_text(random),
                             .metrics = random_figures(random)});
  }
  return stored;
}

}  // namespace workbench::test
