#include "core/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace workbench {
namespace {

struct Inner {
  int x = 1;
  static constexpr void fields(auto& self, auto&& visit) { visit("x", self.x); }
};

struct Outer {
  int a = 2;
  std::string b = "two";
  Inner c;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("a", self.a, 12);
    visit("b", self.b);
    visit("c", self.c);
  }
};

static_assert(HasFields<Outer> && HasFields<const Outer> && !HasFields<int>);

TEST(Fields, are_visited_in_declaration_order) {
  std::vector<std::string> names;
  Outer outer;
  for_each_field(outer, [&](std::string_view name, auto&&...) { names.emplace_back(name); });
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Fields, can_be_written_through) {
  Outer outer;
  for_each_field(outer, [](std::string_view, auto& member, auto&&...) {
    if constexpr (std::same_as<decltype(member), int&>) member = 9;
  });
  EXPECT_EQ(outer.a, 9);
}

TEST(Fields, equality_looks_into_nested_structs) {
  Outer a;
  Outer b;
  EXPECT_TRUE(fields_equal(a, b));
  b.c.x = 5;
  EXPECT_FALSE(fields_equal(a, b));
  b.c.x = a.c.x;
  b.b = "three";
  EXPECT_FALSE(fields_equal(a, b));
}

}  // namespace
}  // namespace workbench
