#include "core/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/json_fault.h"
#include "core/memory.h"
#include "core/tensor.h"
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

TEST(File, a_pipe_is_written_if_somebody_reads_and_not_waited_for_if_nobody_does) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(message_of([&] { write_file(pipe, "a"); }),
            pipe.string() + ": cannot write: nobody reads from this pipe");
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file(pipe, "abc");
  std::array<char, 8> read{};
  EXPECT_EQ(::read(reader, read.data(), read.size()), 3);
  ::close(reader);
  EXPECT_NE(message_of([&] { write_file(fmt::format("/dev/fd/{}", reader), "a"); }), "no error");
}

TEST(File, what_never_ends_or_never_begins_is_refused_before_a_byte_is_read) {
  const TemporaryFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::string refusal = ": cannot read: expected a file, found a ";
  EXPECT_EQ(message_of([&] { read_file(pipe); }), pipe.string() + refusal + "pipe");
  EXPECT_EQ(message_of([&] { sha256_of_file(pipe); }), pipe.string() + refusal + "pipe");
  EXPECT_EQ(message_of([] { read_file("/dev/zero"); }), "/dev/zero" + refusal + "device");
}

TEST(File, what_is_replaced_keeps_its_permissions) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("x", "old");
  fs::permissions(path, fs::perms::owner_all);
  write_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
}

TEST(File, a_link_stays_a_link_and_what_it_names_is_written) {
  const TemporaryFolder folder;
  folder.write("target", "old");
  fs::create_symlink("target", folder.path() / "link");
  fs::create_symlink("new", folder.path() / "dangling");
  fs::create_symlink("circle", folder.path() / "circle");
  write_file(folder.path() / "link", "a");
  write_file(folder.path() / "dangling", "b");
  EXPECT_TRUE(fs::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "target"), "a");
  EXPECT_EQ(read_file(folder.path() / "new"), "b");
  EXPECT_NE(message_of([&] { write_file(folder.path() / "circle", "c"); }), "no error");
  EXPECT_EQ(files_in(folder.path()), 5);
}

TEST(File, a_scratch_folder_is_gone_with_what_is_in_it) {
  const TemporaryFolder folder;
  {
    const ScratchFolder scratch(folder.path() / "beside");
    write_file(scratch.file("x"), "a");
    EXPECT_EQ(files_in(folder.path()), 1);
  }
  EXPECT_EQ(files_in(folder.path()), 0);
}

TEST(Memory, more_than_the_limit_is_refused) {
  const std::int64_t before = memory_limit();
  set_memory_limit(1 << 20);
  EXPECT_EQ(message_of([] { Tensor::zeros(ElementType::Float32, {1 << 19}); }).substr(0, 25),
            "out of memory: 2.0 MB bes");
  EXPECT_EQ(message_of([] { require_memory(1 << 20, "x"); }), "no error");
  EXPECT_EQ(message_of([] { require_memory((1 << 20) + 1, "x"); }),
            "x: needs 1.0 MB of memory, more than the limit of 1.0 MB (--memory-limit SIZE sets "
            "another)");
  set_memory_limit(before);
  EXPECT_NE(message_of([] {
              Tensor::zeros(ElementType::Float32, {std::int64_t{1} << 40, std::int64_t{1} << 40});
            }).find("more elements than can be counted"),
            std::string::npos);
}

TEST(JsonFault, is_in_the_words_of_a_reader_of_the_file) {
  EXPECT_EQ(json_fault("[json.exception.parse_error.101] parse error at line 374, column 6: syntax "
                       "error while parsing value - unexpected ','"),
            "line 374, column 6 is no JSON (or the file is truncated)");
  EXPECT_EQ(json_fault("[json.exception.out_of_range.403] key 'points' not found"), "no 'points'");
  EXPECT_EQ(json_fault("[json.exception.type_error.302] type must be string, but is number"),
            "a number where a text belongs");
  EXPECT_EQ(json_fault("[json.exception.type_error.304] cannot use at() with boolean"),
            "true or false where a list or an object belongs");
  EXPECT_EQ(json_fault("anything"), "a value of another kind");
}

TEST(File, an_empty_file_is_empty) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_file(folder.write("x", "")), "");
}

}  // namespace
}  // namespace workbench
