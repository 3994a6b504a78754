#include "explore/sweep/executor.h"

#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "explore/store/store.h"
#include "explore/sweep/recheck.h"
#include "explore/sweep/slurm.h"
#include "explore/sweep/worker.h"

namespace workbench {

namespace {

constexpr int kTries = 2;
constexpr int kTickMilliseconds = 200;

// A worker's answer: small enough for one atomic write to a pipe.
struct Reply {
  std::uint64_t point = 0;
  bool refused = false;  // `error` says why no worker can go on
  std::array<char, 1000> error{};
};

// The processors of worker `number` of `workers`: an even share, so that the arithmetic of one does
// not wait for that of another.
void keep_to_own_processors(std::size_t number, std::size_t workers) {
  cpu_set_t allowed, own;
  CPU_ZERO(&allowed);
  CPU_ZERO(&own);
  if (workers < 2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  std::vector<std::size_t> processors;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) processors.push_back(cpu);
  }
  const std::size_t count = processors.size();
  const std::size_t begin = number * count / workers;
  const std::size_t end = std::max(begin + 1, (number + 1) * count / workers);
  for (std::size_t i = begin; i < end && i < count; ++i) CPU_SET(processors[i], &own);
  sched_setaffinity(0, sizeof own, &own);  // where it is refused, it is slower
}

// The life of a worker: until no more points come. The process that sent them may have ended by
// then: what was computed is in the store before it is told.
[[noreturn]] void serve(int requests, int replies, std::span<const KeyedPoint> points,
                        const ExecutorOptions& options) {
  Reply reply;
  try {
    Store store(options.store);
    Evaluator evaluator(options.evaluate);
    while (::read(requests, &reply.point, sizeof reply.point) == sizeof reply.point) {
      const KeyedPoint& keyed = points[reply.point];
      store.add(StoredPoint{keyed.key, keyed.point, evaluator.evaluate(keyed.point)});
      if (::write(replies, &reply, sizeof reply) != sizeof reply) break;
    }
  } catch (const Error& error) {
    reply.refused = true;
    std::strncpy(reply.error.data(), error.what(), reply.error.size() - 1);
    if (::write(replies, &reply, sizeof reply) != sizeof reply) _exit(1);
  }
  _exit(0);  // not exit(): buffers and handlers are the parent's
}

// A worker that died is noticed by the end of its replies, not by a signal of its pipe.
class PipeSignalIgnored {
 public:
  PipeSignalIgnored() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~PipeSignalIgnored() { std::signal(SIGPIPE, before_); }
  PipeSignalIgnored(const PipeSignalIgnored&) = delete;
  PipeSignalIgnored& operator=(const PipeSignalIgnored&) = delete;

 private:
  void (*before_)(int);
};

std::string death(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("its worker ended by signal {} ({})", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
  }
  return fmt::format("its worker ended with exit code {}", WEXITSTATUS(status));
}

class Workers {
 public:
  explicit Workers(const Execution& execution)
      : sweep_(execution),
        order_(order_of(execution.points)),
        workers_(std::min<std::size_t>(static_cast<std::size_t>(execution.options.jobs),
                                       execution.points.size())),
        stretches_(execution.points.size(), workers_.size()) {}
  ~Workers() {
    for (Worker& worker : workers_) {
      if (worker.process <= 0) continue;
      ::kill(worker.process, SIGKILL);  // only where an error left some running
      bury(worker);
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void run() {
    for (std::size_t w = 0; w < workers_.size(); ++w) hire(w);
    while (std::any_of(workers_.begin(), workers_.end(),
                       [](const Worker& worker) { return worker.process > 0; })) {
      if (!stopping_ && sweep_.stops.asked()) stop();
      if (stopping_ && sweep_.stops.insisted()) {
        for (const Worker& worker : workers_) {
          if (worker.process > 0) ::kill(worker.process, SIGKILL);
        }
      }
      wait_for_news();
      sweep_.progress(done_, sweep_.points.size());
    }
    if (!refusal_.empty()) throw Error(refusal_);
    sweep_.result.computed = done_;
    sweep_.result.interrupted = done_ < sweep_.points.size();
  }

 private:
  struct Worker {
    pid_t process = 0;
    int requests = -1, replies = -1;
    std::optional<std::size_t> position;  // of the point it works on, in order_
  };

  static std::vector<std::size_t> order_of(std::span<const KeyedPoint> points) {
    std::vector<Point> plain;
    for (const KeyedPoint& keyed : points) plain.push_back(keyed.point);
    return sharing_order(plain);
  }

  // Forks worker `w` and gives it something to do.
  void hire(std::size_t w) {
    std::array<int, 2> requests{}, replies{};
    if (::pipe(requests.data()) != 0 || ::pipe(replies.data()) != 0) {
      fail("--jobs {}: cannot open a pipe: {}", sweep_.options.jobs, std::strerror(errno));
    }
    const pid_t process = ::fork();
    if (process < 0) fail("--jobs {}: cannot fork: {}", sweep_.options.jobs, std::strerror(errno));
    if (process == 0) {
      // Ends of other workers' pipes, left open, would keep those from seeing that all is over.
      for (const Worker& other : workers_) {
        if (other.process > 0) ::close(other.requests), ::close(other.replies);
      }
      ::close(requests[1]), ::close(replies[0]);
      ::signal(SIGINT, SIG_IGN);  // a terminal sends Ctrl-C to all; the parent decides
      ::signal(SIGTERM, SIG_DFL);
      ::signal(SIGPIPE, SIG_IGN);
      keep_to_own_processors(w, workers_.size());
      serve(requests[0], replies[1], sweep_.points, sweep_.options);
    }
    ::close(requests[0]), ::close(replies[1]);
    workers_[w] = {process, requests[1], replies[0], std::nullopt};
    give(w);
  }

  // The next point, or the end of work.
  void give(std::size_t w) {
    Worker& worker = workers_[w];
    worker.position.reset();
    const std::size_t position = stopping_ ? sweep_.points.size() : stretches_.next(w);
    if (position == sweep_.points.size()) return dismiss(worker);
    worker.position = position;
    const std::uint64_t point = order_[position];
    // Where it fails the worker is dead; then its replies end, too.
    (void)!::write(worker.requests, &point, sizeof point);
  }

  static void dismiss(Worker& worker) {
    if (worker.requests >= 0) ::close(worker.requests);
    worker.requests = -1;
  }

  void stop() {
    stopping_ = true;
    for (Worker& worker : workers_) {
      if (worker.process > 0) dismiss(worker);
    }
  }

  void wait_for_news() {
    std::vector<pollfd> files;
    std::vector<std::size_t> whose;
    for (std::size_t w = 0; w < workers_.size(); ++w) {
      if (workers_[w].process <= 0) continue;
      files.push_back({workers_[w].replies, POLLIN, 0});
      whose.push_back(w);
    }
    if (::poll(files.data(), files.size(), kTickMilliseconds) <= 0) return;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if ((files[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) hear(whose[i]);
    }
  }

  void hear(std::size_t w) {
    Worker& worker = workers_[w];
    Reply reply;
    ssize_t got = -1;
    do {
      got = ::read(worker.replies, &reply, sizeof reply);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof reply) return lose(w);
    if (reply.refused) {
      refusal_ = reply.error.data();
      stop();
      return;
    }
    ++done_;
    give(w);
  }

  static int bury(Worker& worker) {
    dismiss(worker);
    ::close(worker.replies);
    int status = 0;
    while (::waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {
    }
    worker.process = 0;
    return status;
  }

  // The worker is gone: as it should, or with a point in its hands.
  void lose(std::size_t w) {
    const std::optional<std::size_t> position = workers_[w].position;
    const int status = bury(workers_[w]);
    const bool orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (position && !stopping_ && !orderly) {
      const KeyedPoint& keyed = sweep_.points[order_[*position]];
      if (++tries_[*position] < kTries) {
        stretches_.put_back(w, *position);
        sweep_.result.warnings.push_back(
            fmt::format("{}: {}, trying again", keyed.point.network, death(status)));
      } else {
        Store(sweep_.options.store)
            .add(StoredPoint{keyed.key,
                             keyed.point,
                             {.status = PointResult::Status::Failed, .reason = death(status)}});
        ++done_;
      }
    }
    if (!stopping_ && !stretches_.empty()) hire(w);
  }

  const Execution& sweep_;
  std::vector<std::size_t> order_;
  std::vector<Worker> workers_;
  Stretches stretches_;
  std::map<std::size_t, int> tries_;  // of positions whose worker died
  std::size_t done_ = 0;
  bool stopping_ = false;
  std::string refusal_;
};

}  // namespace

void run_on_workers(const Execution& execution) {
  const PipeSignalIgnored ignored;
  Workers(execution).run();
}

namespace {

// volatile: a signal handler writes it.
volatile std::sig_atomic_t signals_taken = 0;

void take(int) { signals_taken = signals_taken + 1; }

// Ctrl-C and SIGTERM are noted and nothing else, as long as this lives.
class NotedSignals {
 public:
  NotedSignals() {
    signals_taken = 0;
    struct sigaction action {};
    action.sa_handler = take;  // without SA_RESTART: poll() returns
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  ~NotedSignals() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  NotedSignals(const NotedSignals&) = delete;
  NotedSignals& operator=(const NotedSignals&) = delete;

 private:
  struct sigaction interrupt_ {
  }, terminate_{};
};

constexpr const char* kSignalVariable = "WORKBENCH_SIGNAL_AFTER";

int signal_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, int>, 4> kSignals{
      {{"INT", SIGINT}, {"KILL", SIGKILL}, {"STOP", SIGSTOP}, {"TERM", SIGTERM}}};
  const auto* const found =
      std::ranges::find(kSignals, name, &std::pair<std::string_view, int>::first);
  return found == kSignals.end() ? 0 : found->second;
}

// `options` and NotedSignals live as long.
Stops stops_of(const ExecutorOptions& options) {
  return {.asked =
              [&options] {
                return signals_taken > 0 || (options.interrupted && options.interrupted());
              },
          .insisted = [] { return signals_taken > 1; }};
}

// The points of the call, each once, that have no answer yet.
std::vector<KeyedPoint> missing_points(std::span<const Point> points,
                                       const std::filesystem::path& path, ExecutionResult& result) {
  std::vector<KeyedPoint> unique;
  std::set<std::string> known;
  for (const Point& point : points) {
    std::string key = point_key(point, program_version());
    if (known.insert(key).second) unique.push_back({std::move(key), point});
  }
  std::vector<std::string> keys;
  for (const KeyedPoint& keyed : unique) keys.push_back(keyed.key);
  const Store store(path);
  const std::vector<bool> present = have_answers(store, keys);
  std::vector<KeyedPoint> missing;
  for (std::size_t i = 0; i < unique.size(); ++i) {
    if (present[i]) {
      ++result.present;
    } else {
      missing.push_back(std::move(unique[i]));
    }
  }
  return missing;
}

}  // namespace

PlannedSignal::PlannedSignal() {
  const char* const value = std::getenv(kSignalVariable);  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr || *value == '\0') return;
  std::string_view rest = value;
  constexpr std::string_view kGroup = ":group";
  to_group_ = rest.ends_with(kGroup);
  if (to_group_) rest.remove_suffix(kGroup.size());
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count_);
  const bool is_number = error == std::errc() && count_ > 0;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  signal_ = rest.starts_with(':') ? signal_named(rest.substr(1)) : 0;
  if (!is_number || signal_ == 0) {
    fail(
        "{}: expected COUNT:SIGNAL or COUNT:SIGNAL:group with a count from 1 and INT, KILL, STOP "
        "or TERM, found '{}'",
        kSignalVariable, value);
  }
}

void PlannedSignal::pass(std::size_t before, std::size_t now) const {
  if (before < count_ && count_ <= now) ::kill(to_group_ ? 0 : ::getpid(), signal_);
}

std::vector<bool> have_answers(const Store& store, std::span<const std::string> keys) {
  std::vector<bool> answered = store.present(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!answered[i]) continue;
    const std::optional<StoredPoint> stored = store.find(keys[i], false);
    answered[i] = stored && stored->result.status != PointResult::Status::Failed;
  }
  return answered;
}

ExecutionResult run_points(std::span<const Point> points, const ExecutorOptions& options,
                           const ExecutorProgress& progress) {
  if (options.jobs < 1) fail("--jobs {}: expected at least 1", options.jobs);
  ExecutionResult result;
  // In the store's own scope: workers are forked without a connection.
  const std::vector<KeyedPoint> missing = missing_points(points, options.store, result);
  const std::size_t total = result.present + missing.size();
  const ExecutorProgress tell = [&](std::size_t done, std::size_t) {
    if (progress) progress(result.present + done, total);
  };
  if (total > 0) tell(0, total);
  // A sweep on Slurm that was ended may have left tasks and their folder, though all has come.
  if (missing.empty() && options.kind != ExecutorOptions::Kind::Slurm) return result;
  const NotedSignals signals;
  const Stops stops = stops_of(options);
  const Execution execution{missing, options, tell, stops, result};
  switch (options.kind) {
    case ExecutorOptions::Kind::Local:
      run_on_workers(execution);
      break;
    case ExecutorOptions::Kind::Slurm:
      run_on_slurm(execution);
      break;
    case ExecutorOptions::Kind::Folder:
      collect_and_ask(execution);
      break;
  }
  return result;
}

ExecutionResult check_points(std::span<const Point> points, const ExecutorOptions& options) {
  ExecutionResult result;
  const NotedSignals signals;
  recheck_stored(points, options, stops_of(options), result);
  return result;
}

}  // namespace workbench
