#include "explore/scheme.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/nearest_name.h"

namespace workbench {

namespace {

constexpr std::string_view kGraffitist = "graffitist", kInt4 = "graffitist-int4",
                           kNemoInputBias = "nemo-input-bias";

[[noreturn]] void refuse(std::string_view name) {
  std::vector<std::string> others = scheme_names();
  const std::string nearest = nearest_name(name, others);
  std::erase(others, nearest);
  fail("--scheme: expected {} (the nearest), {}, found '{}'", nearest, fmt::join(others, ", "),
       name);
}

}  // namespace

std::vector<std::string> scheme_names() {
  std::vector<std::string> names = {"default",          "published", std::string(kGraffitist),
                                    std::string(kInt4), "nemo",      std::string(kNemoInputBias)};
  for (std::string& recipe : recipe_names()) names.push_back(std::move(recipe));
  return names;
}

Scheme scheme_named(std::string_view name, const std::vector<std::string>& transforms) {
  using Flow = Scheme::Flow;
  if (!transforms.empty()) {
    if (name != kGraffitist) {
      fail("--transforms: expected --scheme graffitist, found {}",
           name.empty() ? "none" : fmt::format("'{}'", name));
    }
    return {Flow::Graffitist, std::string(name), graffitist::parse_transforms(transforms)};
  }
  const std::size_t colon = name.find(':');
  const std::string_view family = name.substr(0, colon);
  if (family == kGraffitist || family == kInt4) {
    const std::string_view network =
        colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    return {Flow::Graffitist, std::string(name),
            graffitist::published_recipe(network, family == kInt4 ? -4 : -8)};
  }
  if (name == "nemo" || name == kNemoInputBias) {
    return {Flow::Nemo, std::string(name), {}, name == kNemoInputBias};
  }
  if (name == "published") return {Flow::Published, std::string(name), {}};
  const std::vector<std::string> recipes = recipe_names();
  if (name != "default" && std::ranges::find(recipes, name) == recipes.end()) refuse(name);
  return {Flow::Recipe, std::string(name), {}};
}

std::vector<std::string> transform_texts(const std::vector<std::string>& given) {
  std::vector<std::string> texts;
  for (const std::string& one : given) {
    std::error_code ignored;
    const bool is_file = std::filesystem::is_regular_file(one, ignored);
    const std::vector<std::string> found =
        graffitist::split_transforms(is_file ? read_file(one) : one);
    if (found.empty())
      fail("--transforms '{}': expected transforms of Graffitist, found none", one);
    texts.insert(texts.end(), found.begin(), found.end());
  }
  return texts;
}

void require_target(const Scheme& scheme, std::string_view target) {
  if (target != "xdnn" && target != "pulp" && target != "none") {
    fail("--target: expected xdnn, pulp or none, found '{}'", target);
  }
  if (scheme.flow == Scheme::Flow::Nemo && target != "pulp") {
    fail("--scheme {}: expected target pulp, found {}", scheme.name, target);
  }
  if (scheme.flow == Scheme::Flow::Published && target == "none") {
    fail("--scheme published: expected target xdnn or pulp, found none");
  }
}

Recipe recipe_of(const Scheme& scheme, std::string_view target, Effort effort) {
  if (scheme.flow == Scheme::Flow::Published) return recipe_named("xfdnn");
  const bool own = scheme.flow == Scheme::Flow::Recipe && scheme.name != "default";
  return own ? recipe_named(scheme.name) : default_recipe(target, effort);
}

}  // namespace workbench
