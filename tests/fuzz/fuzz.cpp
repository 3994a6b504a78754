// The driver of the fuzzing: fuzz DOOR BUDGET SEED CORPUS FINDINGS. Inputs are mutants of the files
// of the folder CORPUS, which come first as they are, the smallest first; they go through the door
// in processes of some hundred inputs each, as many as BUDGET says, or for so long: 500, 60s. What
// crashes one, aborts it, takes longer than ten seconds of a CPU or throws anything but Error is
// written into the folder FINDINGS. Prints the counts; exit code 1: there were findings, or no
// input was accepted.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <random>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "tests/fuzz/doors.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/mutate_onnx.h"

namespace workbench::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kInputsOfProcess = 400;
constexpr int kSecondsOfInput = 10;       // of a CPU: others may use the machine, too
constexpr unsigned kSecondsAsleep = 120;  // of the clock
constexpr std::int64_t kMemory = std::int64_t{1} << 30;  // bounds the time of the largest, too

// What the child tells the parent, which survives it.
struct Shared {
  std::uint64_t number = 0;    // of the input that is tried
  std::uint64_t accepted = 0;  // went through the door without being refused
};

struct Plan {
  const Door* door = nullptr;
  std::vector<std::string> corpus;
  std::uint64_t seed = 0;
  fs::path folder;
  std::uint64_t inputs = UINT64_MAX;
  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();

  bool ended(std::uint64_t number) const {
    return number >= inputs || std::chrono::steady_clock::now() >= end;
  }
};

// By its number alone: a process that died need not have kept it.
std::string input_of(const Plan& plan, std::uint64_t number) {
  if (number < plan.corpus.size()) return plan.corpus[number];
  std::mt19937_64 random(plan.seed * 0x9e3779b97f4a7c15ULL + number);
  const Form form = plan.door->form;
  if (form != Form::Onnx || random() % 4 == 0) {
    return mutated(plan.corpus, form == Form::Text, random);
  }
  const bool fresh = random() % 2 == 0;
  return mutated_onnx(
      fresh ? random_onnx(random) : plan.corpus[seed_of(plan.corpus.size(), random)], random);
}

[[noreturn]] void child(const Plan& plan, Shared& shared, std::uint64_t end) {
  // Reports of crashes are the parent's.
  if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(3);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  set_memory_limit(kMemory);
  enforce_memory_limit();
  const fs::path file = plan.folder / plan.door->file;
  while (shared.number < end && !plan.ended(shared.number)) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << input_of(plan, shared.number);
    const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kSecondsOfInput, .tv_usec = 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
    alarm(kSecondsAsleep);
    try {
      plan.door->enter(file);
      ++shared.accepted;
    } catch (const Error&) {
    } catch (const std::bad_alloc&) {  // main has one line for it
    } catch (const fs::filesystem_error&) {
    }
    shared.number = shared.number + 1;
  }
  _exit(0);
}

std::string how(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return signal == SIGALRM || signal == SIGPROF ? "hang" : fmt::format("signal{}", signal);
  }
  return fmt::format("exit{}", WEXITSTATUS(status));
}

int fuzz(const Plan& plan, const fs::path& findings) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap: out of memory");
  auto& shared = *new (memory) Shared;
  int found = 0;
  while (!plan.ended(shared.number)) {
    std::fflush(stdout);  // else each child has what is not yet written
    const pid_t process = fork();
    if (process < 0) fail("fork: no process");
    if (process == 0) child(plan, shared, shared.number + kInputsOfProcess);
    int status = 0;
    waitpid(process, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    const std::string bytes = input_of(plan, shared.number);
    const fs::path name = findings / fmt::format("{}-{}-{}", plan.door->name, how(status),
                                                 sha256_hex(bytes).substr(0, 12));
    write_file(name, bytes);
    fmt::print("{}: input {}: {}\n", plan.door->name, shared.number, name.string());
    ++found;
    shared.number = shared.number + 1;
  }
  fmt::print("{}: {} inputs, {} accepted, {} findings\n", plan.door->name, shared.number,
             shared.accepted, found);
  // Seeds come first, and some are valid: a door that refuses them all tests nothing.
  if (shared.accepted == 0 && shared.number >= plan.corpus.size()) {
    fmt::print("{}: expected a seed that is accepted, found none\n", plan.door->name);
    ++found;
  }
  return found;
}

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(entry.path());
  }
  std::ranges::sort(names, {}, [](const fs::path& name) {  // seed_of() prefers the first
    return std::pair(fs::file_size(name), name);
  });
  std::vector<std::string> files;
  for (const fs::path& name : names) files.push_back(read_file(name));
  return files;
}

int start(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: fuzz DOOR BUDGET SEED CORPUS FINDINGS\n");
    return 2;
  }
  const auto door = std::ranges::find(doors(), std::string_view(argv[1]), &Door::name);
  if (door == doors().end()) {
    for (const Door& one : doors()) fmt::print("{}\n", one.name);
    return 2;
  }
  try {
    const ScratchFolder scratch;
    fs::create_directories(argv[5]);
    Plan plan{.door = &*door,
              .corpus = files_of(argv[4]),
              .seed = std::strtoull(argv[3], nullptr, 10),
              .folder = scratch.file(".")};
    if (plan.corpus.empty()) fail("{}: expected seeds, found none", argv[4]);
    char* unit = nullptr;
    const std::uint64_t budget = std::strtoull(argv[2], &unit, 10);
    if (*unit == 's') {
      plan.end = std::chrono::steady_clock::now() + std::chrono::seconds(budget);
    } else {
      plan.inputs = budget;
    }
    return fuzz(plan, argv[5]) > 0 ? 1 : 0;
  } catch (const Error& error) {
    fmt::print(stderr, "fuzz: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace workbench::fuzz

int main(int argc, char** argv) { return workbench::fuzz::start(argc, argv); }
extern "C" int sc_main(int argc, char** argv) { return workbench::fuzz::start(argc, argv); }
