// The two ways a function can refuse: fail() for what a user's file or command line caused (caught
// once, in main: one line on stderr, exit 2), CHECK for our own bugs (always on, aborts).
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
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

}  // namespace workbench

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): needs __FILE__, __LINE__ and the condition's text.
#define CHECK(condition, ...)                                                                   \
  do {                                                                                          \
    if (!(condition)) [[unlikely]]                                                              \
      ::workbench::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (false)
