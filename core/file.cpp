#include "core/file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

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
  } catch (...) {  // no partial file after any error
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

namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
    std::string text;
    for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest.at(i));
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  Sha256 hash;
  std::array<char, 65536> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    hash.add({block.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  return hash.hex();
}

const std::string& program_version() {
  static const std::string version = [] {
    // /proc/self/exe would be the interpreter when we are a Python module.
    Dl_info info{};
    const bool found = dladdr(reinterpret_cast<const void*>(&program_version), &info) != 0;
    std::filesystem::path path = "/proc/self/exe";
    if (found && info.dli_fname != nullptr) {
      const std::filesystem::path object = info.dli_fname;
      if (object.extension() == ".so") path = object;
    }
    return sha256_of_file(path);
  }();
  return version;
}

}  // namespace workbench
