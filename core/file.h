// The one place where files are opened. A file that is read is a regular one: a device never ends,
// a pipe may never begin, and both are refused before a byte is read. A file is written to a
// temporary beside it that takes its place when it is complete.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace workbench {

// A descriptor of a regular file that is open for reading. Throws Error "PATH: cannot read:
// REASON".
class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  std::size_t size() const { return size_; }  // bytes, when it was opened
  // The next bytes, as many as there are up to `most`; 0: the end. Throws Error.
  std::size_t read(char* to, std::size_t most) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

// Throws Error "PATH: cannot read: REASON".
std::string read_file(const std::filesystem::path& path);

// Writes to a temporary beside `path`, then renames: no half-written file is ever left behind. What
// is replaced keeps its permissions; where `path` is a symbolic link, the file that it names is
// written. Throws Error "PATH: cannot write: REASON".
void write_file(const std::filesystem::path& path, std::string_view contents);
void write_file(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write);

// A new folder of a name that no other process can guess or has; its contents go with it. Beside
// `beside`, or where TMPDIR says. Throws Error "PATH: cannot write: REASON".
class ScratchFolder {
 public:
  ScratchFolder();
  explicit ScratchFolder(const std::filesystem::path& beside);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::filesystem::path file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// From here on SIGTERM, SIGINT and SIGHUP remove the temporary files of write_file() before they
// end the process, and a file that has grown beyond the limit (SIGXFSZ) is an Error of its writer.
void remove_temporary_files_on_signals();

// Content addresses: what a result depends on, as one short name.

// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// Of a file's contents, without holding them in memory. Throws Error "PATH: cannot read: REASON".
std::string sha256_of_file(const std::filesystem::path& path);

// Of the executable or shared library this function is part of: two builds that differ in anything
// differ here. Computed once.
const std::string& program_version();

}  // namespace workbench
