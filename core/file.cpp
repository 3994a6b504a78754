#include "core/file.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ext/stdio_filebuf.h>
#include <fstream>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/memory.h"
#include "core/standard_output.h"

namespace workbench {

namespace fs = std::filesystem;

// --- reading -------------------------------------------------------------------------------------

namespace {

[[noreturn]] void cannot_read(const fs::path& path, std::string_view why) {
  fail("{}: cannot read: {}", path.string(), why);
}

// What a file is that is no regular one.
std::string_view kind(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "expected a file, found a pipe";
  if (S_ISSOCK(mode)) return "expected a file, found a socket";
  return "expected a file, found a device";
}

}  // namespace

OpenFile::OpenFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: a pipe that nothing writes to must not be waited for.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0 && errno == ENXIO) cannot_read(path, kind(S_IFSOCK));
  if (descriptor_ < 0) cannot_read(path, std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (known && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::size_t>(status.st_size);
    return;
  }
  const int error = errno;
  ::close(descriptor_);
  cannot_read(path, known ? kind(status.st_mode) : std::strerror(error));
}

OpenFile::~OpenFile() { ::close(descriptor_); }

std::size_t OpenFile::read(char* to, std::size_t most) const {
  while (true) {
    const ssize_t count = ::read(descriptor_, to, most);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) cannot_read(path_, std::strerror(errno));
  }
}

std::string read_file(const fs::path& path) {
  const OpenFile file(path);
  require_memory(static_cast<std::int64_t>(file.size()), path.string());
  std::string contents(file.size() + 1, '\0');  // one more, in which the end is noticed
  std::size_t size = 0;
  while (true) {  // files of /proc have no size, and others may grow meanwhile
    if (size == contents.size()) contents.resize(2 * size + 65536);
    const std::size_t count = file.read(contents.data() + size, contents.size() - size);
    if (count == 0) break;
    size += count;
    require_memory(static_cast<std::int64_t>(size), path.string());
  }
  contents.resize(size);
  return contents;
}

// --- writing -------------------------------------------------------------------------------------

namespace {

// What a signal has to remove. Its handler may run between any two instructions: names are copied
// before they count, in memory that is never freed.
struct TemporaryName {
  std::array<char, PATH_MAX> path;
  std::atomic<bool> used, complete;
  std::atomic<pid_t> owner;  // a process that it started has no business with it
};
std::array<TemporaryName, 16> temporary_names;

// Files may be created in one thread while another one handles the signal: the handler waits for
// those that are being created, and none is begun after it.
std::atomic<int> creating = 0;
std::atomic<bool> ending = false;

class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
    ++creating;
    if (!ending) return;
    --creating;
    while (true) ::pause();  // until the handler has ended the process
  }
  ~SignalsHeld() {
    --creating;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

// For a signal's handler: system calls alone, no memory. A link is removed, not followed.
void remove_all(int parent, const char* name, int depth) {
  if (::unlinkat(parent, name, 0) == 0 || depth == 0) return;
  const int folder = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  alignas(dirent64) std::array<char, 4096> entries{};
  while (true) {
    const long count = ::syscall(SYS_getdents64, folder, entries.data(), entries.size());
    if (count <= 0) break;
    for (long at = 0; at < count;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      const std::string_view text = entry->d_name;
      if (text != "." && text != "..") remove_all(folder, entry->d_name, depth - 1);
      at += entry->d_reclen;
    }
  }
  ::close(folder);
  ::unlinkat(parent, name, AT_REMOVEDIR);
}

void remove_temporary_files(int signal) {
  constexpr int kDepth = 8;  // of a folder of ours
  ending = true;
  while (creating > 0) {
  }
  for (const TemporaryName& name : temporary_names) {
    if (name.complete && name.owner == ::getpid()) remove_all(AT_FDCWD, name.path.data(), kDepth);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

std::string random_letters() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::array<unsigned char, 10> bytes{};
  CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string text;
  for (const unsigned char byte : bytes) text += kLetters[byte % kLetters.size()];
  return text;
}

[[noreturn]] void cannot_write(const fs::path& path, std::string_view why) {
  fail("{}: cannot write: {}", is_standard_output(path) ? "standard output" : path.string(), why);
}

[[noreturn]] void cannot_write(const fs::path& path, int error) {
  cannot_write(path, std::strerror(error));
}

// What is to be written: a file by its name, or what a descriptor has open.
struct Target {
  fs::path path;
  std::optional<int> descriptor;
};

// Of /dev/fd/N, /proc/self/fd/N: N. Their links name no file that could be replaced.
std::optional<int> descriptor_of(const fs::path& path) {
  std::error_code code;
  const fs::path folder = fs::canonical(path.parent_path(), code);
  if (code || folder != fs::canonical("/proc/self/fd", code)) return std::nullopt;
  const std::string name = path.filename().string();
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Behind symbolic links, even where it is not there yet.
Target behind_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  if (is_standard_output(path)) return {path, STDOUT_FILENO};
  fs::path at = path;
  std::error_code code;
  for (int links = 0; fs::is_symlink(at, code); ++links) {
    if (links == kMostLinks) cannot_write(path, ELOOP);
    if (const auto descriptor = descriptor_of(at)) return {at, descriptor};
    const fs::path to = fs::read_symlink(at, code);
    if (code) cannot_write(path, code.value());
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return {at, std::nullopt};
}

void note(const fs::path& path) {
  const std::string text = path.string();
  if (text.size() >= PATH_MAX) return;
  for (TemporaryName& name : temporary_names) {
    if (name.used.exchange(true)) continue;
    std::copy_n(text.c_str(), text.size() + 1, name.path.data());
    name.owner = ::getpid();
    name.complete = true;
    return;
  }
}

void forget(const fs::path& path) {
  for (TemporaryName& name : temporary_names) {
    if (!name.complete || path.native() != name.path.data()) continue;
    name.complete = false;
    name.used = false;
  }
}

// A new file beside `target`, gone again unless it has taken its place.
class Temporary {
 public:
  Temporary(const fs::path& asked, const fs::path& target) : asked_(asked), target_(target) {
    struct stat before {};
    const bool replaces = ::stat(target.c_str(), &before) == 0;
    if (replaces && ::access(target.c_str(), W_OK) != 0) cannot_write(asked, errno);
    const SignalsHeld held;
    int descriptor = -1;
    do {
      path_ = target.string() + ".tmp" + random_letters();
      descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor < 0 && errno == EEXIST);
    if (descriptor < 0) cannot_write(asked, errno);
    if (replaces) {
      (void)!::fchown(descriptor, before.st_uid, before.st_gid);  // root's business, if anyone's
      ::fchmod(descriptor, before.st_mode & 07777);
    }
    ::close(descriptor);
    note(path_);
  }
  ~Temporary() {
    if (!done_) ::unlink(path_.c_str());
    forget(path_);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const fs::path& path() const { return path_; }
  void take_place() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) cannot_write(asked_, errno);
    done_ = true;
  }

 private:
  fs::path asked_, target_, path_;
  bool done_ = false;
};

// errno of what a stream did last; it does not always say.
int stream_error() { return errno != 0 ? errno : EIO; }

}  // namespace

void remove_temporary_files_on_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = remove_temporary_files;
    sigaction(signal, &action, nullptr);
  }
  ::signal(SIGXFSZ, SIG_IGN);
}

namespace {

bool left_to_a_file = false;  // of the process, as its standard output is

}  // namespace

void leave_standard_output_to_a_file() { left_to_a_file = true; }
bool standard_output_is_a_file() { return left_to_a_file; }

namespace {

// A pipe or device, which cannot be renamed over; -1 with errno: it does not open. One that nobody
// reads is not waited for: whoever was to read may have ended long ago.
int open_in_place(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  return descriptor;
}

// Where a descriptor is, behind what was printed so far.
int open_again(int descriptor) {
  std::fflush(nullptr);
  return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

}  // namespace

void write_file(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  const Target target = behind_links(path);
  errno = 0;
  std::error_code code;
  const fs::file_status status = fs::status(target.path, code);
  const bool in_place = fs::exists(status) && !fs::is_regular_file(status);
  if (!target.descriptor && fs::is_directory(status)) cannot_write(path, EISDIR);
  if (target.descriptor || in_place) {
    const int descriptor =
        target.descriptor ? open_again(*target.descriptor) : open_in_place(target.path);
    if (descriptor < 0 && errno == ENXIO && fs::is_fifo(status)) {
      cannot_write(path, "nobody reads from this pipe");
    }
    if (descriptor < 0) cannot_write(path, errno);
    __gnu_cxx::stdio_filebuf<char> buffer(descriptor, std::ios::out | std::ios::binary);
    std::ostream out(&buffer);
    errno = 0;
    write(out);
    if (!out.flush() || buffer.close() == nullptr) cannot_write(path, stream_error());
    return;
  }
  Temporary temporary(path, target.path);
  errno = 0;
  std::ofstream out(temporary.path(), std::ios::binary | std::ios::trunc);
  if (!out) cannot_write(path, stream_error());
  write(out);
  out.close();
  if (!out) cannot_write(path, stream_error());
  temporary.take_place();
}

void write_file(const fs::path& path, std::string_view contents) {
  write_file(path, [&](std::ostream& out) {
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  });
}

// --- temporary folders ---------------------------------------------------------------------------

namespace {

fs::path new_folder(std::string pattern) {
  pattern += "XXXXXX";
  const SignalsHeld held;
  if (::mkdtemp(pattern.data()) == nullptr) cannot_write(pattern, errno);
  note(pattern);
  return pattern;
}

}  // namespace

ScratchFolder::ScratchFolder() : path_(new_folder(fs::temp_directory_path() / "workbench-")) {}

ScratchFolder::ScratchFolder(const fs::path& beside)
    : path_(new_folder(beside.string() + ".tmp")) {}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  forget(path_);
}

// --- content addresses ---------------------------------------------------------------------------

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
  const OpenFile file(path);
  Sha256 hash;
  std::array<char, 65536> block{};
  while (const std::size_t count = file.read(block.data(), block.size())) {
    hash.add({block.data(), count});
  }
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
