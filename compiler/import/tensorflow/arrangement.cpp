#include "compiler/import/tensorflow/arrangement.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace workbench::importer::tensorflow {

namespace {

using Order = std::vector<std::size_t>;

Order wide_dimensions(const Shape& shape) {  // those with more than one element
  Order wide;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) wide.push_back(i);
  }
  return wide;
}

// Dimensions of two shapes of the same elements that make up each other.
struct Group {
  Order from, to;
};

std::vector<Group> group_dimensions(const Shape& from, const Shape& to) {
  const Order wide_from = wide_dimensions(from);
  const Order wide_to = wide_dimensions(to);
  std::vector<Group> groups;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < wide_from.size() && j < wide_to.size()) {
    Group group{{wide_from[i]}, {wide_to[j]}};
    std::int64_t left = from[wide_from[i++]];
    std::int64_t right = to[wide_to[j++]];
    while (left != right) {
      if (left < right) {
        CHECK(i < wide_from.size(), "shapes of different sizes");
        left *= from[wide_from[i]];
        group.from.push_back(wide_from[i++]);
      } else {
        CHECK(j < wide_to.size(), "shapes of different sizes");
        right *= to[wide_to[j]];
        group.to.push_back(wide_to[j++]);
      }
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Arrangement from_storing_order(const Order& order) {
  Arrangement arrangement{.axes = Order(order.size()), .flattened = {}};
  for (std::size_t i = 0; i < order.size(); ++i) arrangement.axes[order[i]] = i;
  return arrangement;
}

// Dimensions of size 1 where a map with channels first has them.
void insert_narrow(Order& order, const Shape& shape) {
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1) continue;
    auto place = order.begin();
    if (i > 0 && i + 1 < shape.size()) place = std::find(order.begin(), order.end(), i + 1);
    order.insert(place, i);
  }
}

}  // namespace

Arrangement plain(std::size_t rank) {
  Arrangement arrangement{.axes = Order(rank), .flattened = {}};
  std::iota(arrangement.axes.begin(), arrangement.axes.end(), 0);
  return arrangement;
}

Arrangement channels_first(std::size_t rank) {
  Arrangement arrangement = plain(rank);
  if (rank < 3) return arrangement;
  for (std::size_t i = 1; i + 1 < rank; ++i) arrangement.axes[i] = i + 1;
  arrangement.axes.back() = 1;
  return arrangement;
}

bool is_plain(const Arrangement& arrangement) {
  return arrangement.flattened.empty() &&
         std::is_sorted(arrangement.axes.begin(), arrangement.axes.end());
}

Shape stored_shape(const Shape& shape, const Arrangement& arrangement) {
  if (!arrangement.flattened.empty()) return shape;
  CHECK(arrangement.axes.size() == shape.size(), "an arrangement of rank {} for {}",
        arrangement.axes.size(), to_string(shape));
  Shape stored(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) stored[arrangement.axes[i]] = shape[i];
  return stored;
}

Shape unflattened_shape(const Arrangement& arrangement) {
  Shape shape;
  for (const std::size_t axis : arrangement.axes) shape.push_back(arrangement.flattened[axis]);
  return shape;
}

std::vector<std::size_t> storing_order(const Arrangement& arrangement) {
  Order order(arrangement.axes.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[arrangement.axes[i]] = i;
  return order;
}

std::vector<std::int64_t> transposition(const Arrangement& from, const Arrangement& to) {
  std::vector<std::int64_t> permutation(from.axes.size());
  for (std::size_t i = 0; i < from.axes.size(); ++i) {
    permutation[to.axes[i]] = static_cast<std::int64_t>(from.axes[i]);
  }
  return permutation;
}

bool same_memory(const Shape& shape, const Arrangement& from, const Arrangement& to) {
  const auto wide_order = [&](const Arrangement& arrangement) {
    Order order;
    for (const std::size_t i : storing_order(arrangement)) {
      if (shape[i] != 1) order.push_back(i);
    }
    return order;
  };
  return wide_order(from) == wide_order(to);
}

std::optional<Arrangement> reshaped_in_place(const Shape& shape, const Arrangement& arrangement,
                                             const Shape& wanted) {
  if (element_count(shape) == 0) return std::nullopt;
  if (same_memory(shape, arrangement, plain(shape.size()))) return plain(wanted.size());
  std::vector<std::size_t> place(shape.size());  // among the stored dimensions wider than 1
  std::size_t next = 0;
  for (const std::size_t i : storing_order(arrangement)) {
    if (shape[i] != 1) place[i] = next++;
  }
  std::vector<Group> groups = group_dimensions(shape, wanted);
  for (const Group& group : groups) {
    for (std::size_t i = 1; i < group.from.size(); ++i) {
      if (place[group.from[i]] != place[group.from[i - 1]] + 1) return std::nullopt;
    }
  }
  std::ranges::sort(groups, {}, [&](const Group& group) { return place[group.from.front()]; });
  Order order;
  for (const Group& group : groups) order.insert(order.end(), group.to.begin(), group.to.end());
  insert_narrow(order, wanted);
  return from_storing_order(order);
}

Arrangement without(const Arrangement& arrangement, const std::vector<bool>& dropped) {
  Order order;
  for (const std::size_t i : storing_order(arrangement)) {
    if (dropped[i]) continue;
    const auto before = std::count(dropped.begin(), dropped.begin() + static_cast<long>(i), true);
    order.push_back(i - static_cast<std::size_t>(before));
  }
  return from_storing_order(order);
}

}  // namespace workbench::importer::tensorflow
