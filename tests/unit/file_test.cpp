#include "core/file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

std::ptrdiff_t files_in(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

template <typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(File, reads_back_what_was_written) {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\n", 4);
  write_file(folder.path() / "x", bytes);
  EXPECT_EQ(read_file(folder.path() / "x"), bytes);
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(File, a_failed_write_leaves_the_old_file_and_nothing_else) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x", "old");
  const auto broken = [](std::ostream& out) {
    out << "half";
    fail("broken");
  };
  EXPECT_EQ(message_of([&] { write_file(path, broken); }), "broken");
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(File, writing_into_a_missing_folder_names_the_path) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "missing" / "x";
  EXPECT_EQ(message_of([&] { write_file(path, "a"); }),
            path.string() + ": cannot write: No such file or directory");
}

TEST(File, reading_a_missing_file_names_the_path) {
  EXPECT_EQ(message_of([] { read_file("/no/such/file"); }),
            "/no/such/file: cannot read: No such file or directory");
}

TEST(File, reading_a_folder_says_so) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of([&] { read_file(folder.path()); }),
            folder.path().string() + ": cannot read: is a directory");
}

TEST(File, an_empty_file_is_empty) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_file(folder.write("x", "")), "");
}

}  // namespace
}  // namespace workbench
