#include "compiler/passes/several_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace workbench {

std::string image_name(const std::string& name, std::int64_t image) {
  return image == 0 ? name : fmt::format("{} @{}", name, image + 1);
}

Graph several_images(const Graph& one, std::int64_t images) {
  CHECK(images >= 1);
  Graph all = one;
  for (std::int64_t image = 1; image < images; ++image) {
    std::vector<ValueId> copies;
    for (std::size_t v = 0; v < one.values.size(); ++v) {
      if (one.values[v].constant) {
        copies.push_back(static_cast<ValueId>(v));
        continue;
      }
      Value value = one.values[v];
      value.name = image_name(value.name, image);
      copies.push_back(all.add_value(std::move(value)));
    }
    const auto renamed = [&](std::vector<ValueId> ids) {
      for (ValueId& id : ids) id = id == kNoValue ? id : copies[static_cast<std::size_t>(id)];
      return ids;
    };
    const auto add = [](std::vector<ValueId>& to, const std::vector<ValueId>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    for (Node node : one.nodes) {
      node.name = image_name(node.name, image);
      node.inputs = renamed(node.inputs), node.outputs = renamed(node.outputs);
      all.nodes.push_back(std::move(node));
    }
    add(all.inputs, renamed(one.inputs));
    add(all.outputs, renamed(one.outputs));
  }
  return all;
}

Graph first_image(const Graph& several, std::int64_t images) {
  const auto part = [images](const auto& list) {
    CHECK(list.size() % static_cast<std::size_t>(images) == 0, "{} of {} images", list.size(),
          images);
    return list.size() / static_cast<std::size_t>(images);
  };
  Graph one = several;
  one.nodes.resize(part(several.nodes));
  one.inputs.resize(part(several.inputs));
  one.outputs.resize(part(several.outputs));
  ValueId last = kNoValue;  // the values of the other images lie behind it
  const auto used = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) last = std::max(last, id);
  };
  used(one.inputs), used(one.outputs);
  for (const Node& node : one.nodes) used(node.inputs), used(node.outputs);
  one.values.resize(static_cast<std::size_t>(last) + 1);
  return one;
}

}  // namespace workbench
