// What `workbench retrain` prints and what its page shows.
#include <nlohmann/json.hpp>

#include "train/retrain.h"

namespace workbench::train {

namespace {

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

nlohmann::ordered_json json_of(const Look& look) {
  return {{"step", look.step},
          {"training_loss", look.training_loss},
          {"loss", look.loss},
          {"top1", look.top1}};
}

nlohmann::ordered_json json_of(const Scores& scores) {
  return {{"images", scores.images},
          {"labelled", scores.labelled},
          {"float", json_of(scores.floats)},
          {"not_trained", json_of(scores.unchanged)},
          {"best", json_of(scores.best)}};
}

std::string scores_text(const Scores& scores, std::string_view which) {
  return fmt::format("{}float {}, not trained {}, trained {} (step {}): {} images {}\n",
                     scores.labelled ? "top-1        " : "agreement    ",
                     percent(scores.floats.top1), percent(scores.unchanged.top1),
                     percent(scores.best.top1), scores.best.step, scores.images, which);
}

}  // namespace

std::string_view name_of(Loss loss) {
  switch (loss) {
    case Loss::Labels:
      return "labels";
    case Loss::Distill:
      return "distill";
    case Loss::Both:
      return "both";
  }
  CHECK(false, "loss {}", static_cast<int>(loss));
}

std::string to_text(const Retrained& r) {
  std::string text =
      fmt::format("network      {}, scheme {}, target {}: {} thresholds, {} constants\n",
                  r.network.annotated.name, r.network.scheme, r.network.target,
                  r.what.scales.size(), r.what.weights.size());
  text += fmt::format("trained      {} images, {} steps of {}, loss {}\n", r.images, r.steps,
                      r.batch, name_of(r.loss));
  text += scores_text(r.validation, r.held_out ? "held out of them" : "of --validate");
  if (r.test) text += scores_text(*r.test, "of --test, which chose nothing");
  if (!r.improved) text += "kept         what was not trained: no look was better\n";
  if (r.compared_codes > 0) {
    text += fmt::format(
        "golden       {} of {} codes of activations differ{}\n", r.differing_codes,
        r.compared_codes,
        r.differing_codes > 0 ? fmt::format(", first in '{}'", r.first_difference) : "");
  }
  return text;
}

std::string to_json(const Retrained& r) {
  nlohmann::ordered_json json = {{"network", r.network.annotated.name},
                                 {"scheme", r.network.scheme},
                                 {"target", r.network.target},
                                 {"loss", name_of(r.loss)},
                                 {"images", r.images},
                                 {"held_out", r.held_out},
                                 {"steps", r.steps},
                                 {"batch", r.batch},
                                 {"validation", json_of(r.validation)},
                                 {"improved", r.improved},
                                 {"compared_codes", r.compared_codes},
                                 {"differing_codes", r.differing_codes}};
  if (r.test) json["test"] = json_of(*r.test);
  json["looks"] = nlohmann::ordered_json::array();
  for (const Look& look : r.state.looks) json["looks"].push_back(json_of(look));
  json["scales"] = nlohmann::ordered_json::array();
  for (std::size_t s = 0; s < r.what.scales.size(); ++s) {
    const Scale& scale = r.what.scales[s];
    const auto& frozen = r.state.freezing.frozen;
    json["scales"].push_back({{"name", scale.name},
                              {"weights", scale.weights},
                              {"power_of_two", scale.power_of_two},
                              {"per_channel", r.state.now.log2_steps[s].size() > 1},
                              {"frozen", s < frozen.size() && frozen[s] != 0}});
  }
  json["path"] = nlohmann::ordered_json::array();
  for (const Place& place : r.state.path) {
    json["path"].push_back({{"step", place.step}, {"log2_thresholds", place.log2_thresholds}});
  }
  return json.dump(1) + "\n";
}

}  // namespace workbench::train
