// The field list: a plain struct names its fields once, in a static function
//
//   static constexpr void fields(auto& self, auto&& visit) {
//     visit("in_w", self.in_w, 12);    // name, member, then what the struct's family needs
//   }                                  // (bits of an instruction field, range of a machine knob)
//
// and everything that walks a struct (printer, parser, YAML, JSON, equality) is generic over it.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace workbench {

struct AnyVisitor {
  template <typename... Args>
  void operator()(std::string_view, Args&&...) const {}
};

template <typename T>
concept HasFields = requires(T& t) {
  std::remove_cvref_t<T>::fields(t, AnyVisitor{});
};

// Calls visit(name, member, meta...) for every field of `object`, in declaration order.
template <typename T, typename Visit>
requires HasFields<T>
constexpr void for_each_field(T& object, Visit&& visit) {
  std::remove_cvref_t<T>::fields(object, std::forward<Visit>(visit));
}

// The same with nested structs that have field lists replaced by their fields.
template <typename T, typename Visit>
requires HasFields<T>
constexpr void for_each_leaf_field(T& object, Visit&& visit) {
  for_each_field(object, [&](std::string_view name, auto& member, const auto&... meta) {
    if constexpr (HasFields<decltype(member)>) {
      for_each_leaf_field(member, visit);
    } else {
      visit(name, member, meta...);
    }
  });
}

// Field-wise equality; nested structs with field lists compare field-wise too.
template <typename T>
requires HasFields<T>
bool fields_equal(const T& a, const T& b) {
  bool equal = true;
  std::size_t index = 0;
  for_each_field(a, [&](std::string_view, const auto& left, auto&&...) {
    std::size_t other = 0;
    for_each_field(b, [&](std::string_view, const auto& right, auto&&...) {
      if (other++ != index) return;
      if constexpr (std::same_as<decltype(left), decltype(right)>) {
        if constexpr (HasFields<std::remove_cvref_t<decltype(left)>>) {
          equal = equal && fields_equal(left, right);
        } else {
          equal = equal && left == right;
        }
      }
    });
    ++index;
  });
  return equal;
}

}  // namespace workbench
