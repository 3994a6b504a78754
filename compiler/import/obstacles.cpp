#include "compiler/import/obstacles.h"

#include <fmt/format.h>

namespace workbench::importer {

namespace {

constexpr std::size_t kMaxGroups = 200;  // that are told apart
constexpr std::size_t kMaxText = 2000;   // of the line

std::string prefix(const std::string& node, const std::string& op) {
  return fmt::format("node '{}' ({}): ", node, op);
}

}  // namespace

void Obstacles::add(const std::string& node, const std::string& op, std::string_view message) {
  ++count_;
  const std::string known = prefix(node, op);
  if (message.starts_with(known)) message.remove_prefix(known.size());
  const auto [place, is_new] = places_.try_emplace({op, std::string(message)}, groups_.size());
  if (is_new && groups_.size() < kMaxGroups) {
    groups_.push_back({op, node, std::string(message), 0});
  }
  if (place->second < groups_.size()) {
    ++groups_[place->second].nodes;
  } else {
    places_.erase(place);
  }
}

void Obstacles::add(const std::string& message) { add("", "", message); }

std::string Obstacles::text() const {
  if (groups_.size() == 1 && count_ == 1) {
    const Group& only = groups_[0];
    return only.op.empty() ? only.reason : prefix(only.node, only.op) + only.reason;
  }
  std::string text = fmt::format("{} obstacles: ", groups_.size());
  if (groups_.size() == 1) text.clear();
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (i > 0) text += "; ";
    if (text.size() > kMaxText) return text + fmt::format("and {} more", groups_.size() - i);
    if (group.op.empty()) {
      text += group.reason;
    } else if (group.nodes == 1) {
      text += prefix(group.node, group.op) + group.reason;
    } else {
      text += fmt::format("{} ({} nodes, first '{}'): {}", group.op, group.nodes, group.node,
                          group.reason);
    }
  }
  return text;
}

}  // namespace workbench::importer
