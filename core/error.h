// The two ways to fail: fail() for errors of a user's file or command line (caught
// once, in main: one line on stderr, exit 2), CHECK for our own bugs (always on, aborts).
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace workbench {

// A user-caused failure. what() is one line: where, what was expected, what was found.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

// For messages about a name that is not known.

// Insertions, deletions and replacements of a letter that turn a into b (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of `names` with the least distance. CHECKs that there is one.
std::string nearest_name(std::string_view name, std::span<const std::string> names);

}  // namespace workbench

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): needs __FILE__, __LINE__ and the condition's text.
#define CHECK(condition, ...)                                                                   \
  do {                                                                                          \
    if (!(condition)) [[unlikely]]                                                              \
      ::workbench::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)
