#include "core/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace workbench {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) fail("{}: cannot read: is a directory", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  std::string contents;
  const auto size = fs::file_size(path, code);
  if (!code && size > 0) {
    contents.resize(size);
    in.read(contents.data(), static_cast<std::streamsize>(size));
    contents.resize(static_cast<std::size_t>(in.gcount()));
  } else {  // a pipe has no size
    contents.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (in.bad()) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  return contents;
}

void write_file(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  if (fs::exists(path) && !fs::is_regular_file(path) && !fs::is_directory(path)) {
    std::ofstream out(path, std::ios::binary);  // a device or pipe: nothing to rename over
    write(out);
    out.flush();
    if (!out) fail("{}: cannot write: {}", path.string(), std::strerror(errno));
    return;
  }
  const fs::path temporary = path.string() + ".tmp" + std::to_string(::getpid());
  try {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    if (!out) fail("{}: cannot write: {}", path.string(), std::strerror(errno));
    write(out);
    out.close();
    if (!out) fail("{}: cannot write: {}", path.string(), std::strerror(errno));
    std::error_code code;
    fs::rename(temporary, path, code);
    if (code) fail("{}: cannot write: {}", path.string(), code.message());
  } catch (...) {  // leave nothing behind, whatever went wrong
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

void write_file(const fs::path& path, std::string_view contents) {
  write_file(path, [&](std::ostream& out) {
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  });
}

}  // namespace workbench
