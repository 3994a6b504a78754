// The process: its heap, one subcommand called, errors out.
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <new>
#include <stdexcept>
#include <system_error>

#include "app/command_line.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/vectors.h"

namespace workbench::app {

namespace {

constexpr int kUserError = 2;
constexpr std::uintptr_t kReserve = std::uintptr_t{1} << 30;  // addresses, not memory
constexpr std::uintptr_t kPage = 2 << 20;
constexpr int kLargestThreshold = 32 << 20;  // glibc accepts no larger one for mmap

// Lets the heap grow in huge pages and keep what it has grown to. A run allocates and frees some
// hundred megabytes of tensors; faulting them in 4 KB at a time took a third of its time. Called
// once, before anything is allocated; without effect where the kernel refuses.
void use_huge_pages() {
  mallopt(M_ARENA_MAX, 1);  // all threads share the heap below
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, static_cast<int>(kReserve));
  void* volatile grown = std::malloc(kPage);  // by the pad; volatile: or it is optimised away
  std::free(grown);
  mallopt(M_TOP_PAD, kLargestThreshold);
  const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0));
  const std::uintptr_t begin = (end - kReserve + kPage - 1) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

constexpr std::size_t kMostLetters = 2000;  // of a message that quotes what a file holds

// Without its middle where it is long: the end says what was wrong. Characters stay whole.
std::string shortened(const std::string& text) {
  if (text.size() <= kMostLetters) return text;
  const auto inside = [&](std::size_t at) { return (text[at] & 0xc0) == 0x80; };
  std::size_t cut = kMostLetters * 3 / 4, rest = text.size() - kMostLetters / 4;
  while (cut > 0 && inside(cut)) --cut;
  while (rest < text.size() && inside(rest)) ++rest;
  return text.substr(0, cut) + " ... " + text.substr(rest);
}

int refuse(const std::string& message) {
  std::fprintf(stderr, "workbench: %s\n", shortened(one_line(message)).c_str());
  return kUserError;
}

int start(int argc, char** argv) {
  use_huge_pages();
  try {
    (void)vectors();  // a wrong WORKBENCH_VECTORS is told before anything else
    remove_temporary_files_on_signals();
    const std::function<int()> command = command_of(argc, argv);
    enforce_memory_limit();
    const int code = command();
    require_printed();
    return code;
  } catch (const Error& error) {
    return refuse(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return refuse(error.what());
  } catch (const std::bad_alloc&) {
    return refuse(out_of_memory_message());
  } catch (const std::length_error&) {  // more elements than a container can have
    return refuse(out_of_memory_message());
  } catch (const std::system_error& error) {  // fmt::print, where stdout takes nothing more
    return refuse(fmt::format("standard output: cannot write: {}", error.code().message()));
  }
}

}  // namespace

}  // namespace workbench::app

int main(int argc, char** argv) { return workbench::app::start(argc, argv); }

// libsystemc brings a main() of its own that calls this one; ours takes its place.
extern "C" int sc_main(int argc, char** argv) { return workbench::app::start(argc, argv); }
